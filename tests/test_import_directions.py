"""The arrows between the modules, read from their source."""

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import nca_viewer

ROOT = Path(nca_viewer.__file__).parents[1]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def trees() -> dict[str, ast.Module]:
    """What is read of each module, when the first test asks for it."""
    return {
        name_of(path): ast.parse(path.read_text())
        for package in ("nca_viewer", "training")
        for path in sorted((ROOT / package).rglob("*.py"))
    }


JAX_PACKAGES = {"jax", "jaxlib", "flax", "cax", "optax"}


def lies_in(module: str, *homes: str) -> bool:
    return any(module == home or module.startswith(f"{home}.") for home in homes)


def runs_later(node: ast.AST) -> bool:
    """Whether importing the module passes over this node."""
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.dump(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def imports_of(module: str, *, at_import: bool = False) -> set[str]:
    """Dotted names that a module imports: everywhere, or only those that run when it is imported."""

    def visit(node: ast.AST) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{module}: imports are absolute"
                for alias in child.names:
                    full = f"{child.module}.{alias.name}"
                    yield full if full in trees() else str(child.module)
            elif at_import and runs_later(child):
                continue
            else:
                yield from visit(child)

    return set(visit(trees()[module]))


@functools.cache
def imports() -> dict[str, set[str]]:
    return {module: imports_of(module) for module in trees()}


def arrows(*sources: str, outside_of: tuple[str, ...] = ()) -> dict[str, set[str]]:
    """What modules below some packages import, but for modules that lie in others."""
    return {
        module: names
        for module, names in imports().items()
        if lies_in(module, *sources) and not lies_in(module, *outside_of)
    }


def forbidden(found: Mapping[str, set[str]], *packages: str) -> list[str]:
    """The arrows into some packages."""
    return [
        f"{module} -> {name}" for module, names in found.items() for name in names if lies_in(name, *packages)
    ]


def strangers(found: Mapping[str, set[str]], *allowed: str) -> list[str]:
    """The arrows to modules of the viewer that are not among those allowed."""
    return [
        f"{module} -> {name}"
        for module, names in found.items()
        for name in names
        if lies_in(name, "nca_viewer") and not lies_in(name, *(f"nca_viewer.{part}" for part in allowed))
    ]


def test_the_viewer_never_imports_training_or_the_tests():
    assert not forbidden(arrows("nca_viewer"), "training", "tests")


def test_training_uses_only_the_automaton_and_what_is_kept_of_it():
    assert not strangers(
        arrows("training"),
        *("assets", "automaton", "backend", "checkpoint", "config", "ending", "environment", "errors"),
        *("handwriting", "healing", "image_files", "opinion", "options", "pictures", "places", "program"),
        *("selftest", "atomic_files", "strict_json"),
        # Gestures are measured with the strokes of the viewer.
        *("interaction.strokes", "interaction.actions"),
    )


def test_only_the_command_line_knows_the_kiosk():
    outside = arrows("nca_viewer", outside_of=("nca_viewer.kiosk", "nca_viewer.cli", "nca_viewer.launch"))
    assert not forbidden(outside, "nca_viewer.kiosk")


def test_jax_stays_where_numbers_are_computed():
    homes = ("automaton", "backend", "simulation", "checkpoint", "selftest")
    outside = arrows("nca_viewer", outside_of=tuple(f"nca_viewer.{home}" for home in homes))
    assert not forbidden(outside, *JAX_PACKAGES)


def test_pygame_stays_at_the_edge():
    devices = ("input", "bindings", "keyboard", "mouse", "sticks", "touch")
    homes = (*(f"interaction.{device}" for device in devices), "display", "kiosk", "pygame_check")
    outside = arrows("nca_viewer", "training", outside_of=tuple(f"nca_viewer.{home}" for home in homes))
    assert not forbidden(outside, "pygame")


def test_orbax_stays_in_one_place():
    outside = arrows("nca_viewer", "training", outside_of=("nca_viewer.checkpoint",))
    assert not forbidden(outside, "orbax", "tensorstore")


def test_the_automaton_knows_of_nothing_but_its_configuration():
    assert not strangers(arrows("nca_viewer.automaton"), "automaton", "config", "errors")


def test_the_rules_of_a_visit_know_neither_screens_nor_clocks():
    names = ("attract", "attract_script", "controller", "night", "texts", "visit", "visitor_buttons")
    rules = arrows(*(f"nca_viewer.kiosk.{name}" for name in names))
    allowed = (*(f"kiosk.{name}" for name in names), "interaction", "errors", "config_file", "assets")
    assert not strangers(rules, *allowed)
    assert not forbidden(rules, "time", "nca_viewer.interaction.input")


@pytest.mark.parametrize(
    "entry", ["nca_viewer.cli", "nca_viewer.__main__", "training.cli", "training.__main__"]
)
def test_commands_start_without_jax(entry: str):
    assert not trails(entry, *JAX_PACKAGES)


@pytest.mark.parametrize("entry", ["nca_viewer.cli", "nca_viewer.__main__"])
def test_the_viewer_tells_its_options_without_numpy(entry: str):
    """Importing it would take longer than all the rest that `--help` needs."""
    assert not trails(entry, "numpy", "PIL", "pygame")


def trails(entry: str, *packages: str) -> list[str]:
    """How importing a module imports some packages, followed through the project's own modules."""
    seen: dict[str, str] = {}
    found: list[str] = []
    queue = [(entry, entry)]
    while queue:
        module, trail = queue.pop()
        if module in seen:
            continue
        seen[module] = trail
        for name in imports_of(module, at_import=True):
            if name.split(".")[0] in packages:
                found.append(f"{trail} -> {name}")
            if name in trees():
                queue.append((name, f"{trail} -> {name}"))
    return found


def test_no_surface_takes_after_the_screen():
    """Left alone, pygame gives a new surface the depth of the screen, which may be 16 bits."""
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pygame.Surface":
                assert len(node.args) > 2 or "depth" in {keyword.arg for keyword in node.keywords}, module
