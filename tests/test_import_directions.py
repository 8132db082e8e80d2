"""The arrows between the modules, read from their source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import nca_viewer

ROOT = Path(nca_viewer.__file__).parents[1]
SOURCES = sorted([*(ROOT / "nca_viewer").rglob("*.py"), *(ROOT / "training").rglob("*.py")])
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in SOURCES
}

TRAINING_MAY_USE = {
    f"nca_viewer.{name}"
    for name in (
        "automaton",
        "config",
        "checkpoint",
        "errors",
        "assets",
        "handwriting",
        "interaction.strokes",
        "selftest",
        "whole_files",
    )
}
JAX_HOMES = (
    "nca_viewer.automaton",
    "nca_viewer.simulation",
    "nca_viewer.checkpoint",
    "nca_viewer.selftest",
    "training",
)
PYGAME_HOMES = ("nca_viewer.interaction.input", "nca_viewer.interaction.bindings", "nca_viewer.display")
JAX_PACKAGES = {"jax", "jaxlib", "flax", "cax", "optax"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def lies_in(module: str, homes: tuple[str, ...] | set[str]) -> bool:
    return any(module == home or module.startswith(f"{home}.") for home in homes)


def runs_later(node: ast.AST) -> bool:
    """Whether importing the module passes over this node."""
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.dump(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def imports_of(path: Path, *, at_import: bool = False) -> Iterator[str]:
    """Dotted names that a file imports: everywhere, or only those that run when it is imported."""

    def visit(node: ast.AST) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: imports are absolute"
                for alias in child.names:
                    full = f"{child.module}.{alias.name}"
                    yield full if full in MODULES else str(child.module)
            elif at_import and runs_later(child):
                continue
            else:
                yield from visit(child)

    yield from visit(ast.parse(path.read_text()))


@pytest.fixture(params=SOURCES, ids=name_of)
def source(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_the_viewer_never_imports_training_or_the_tests(source: Path):
    if name_of(source).startswith("nca_viewer"):
        assert not [name for name in imports_of(source) if lies_in(name, {"training", "tests"})]


def test_training_uses_only_the_automaton_and_what_is_kept_of_it(source: Path):
    if name_of(source).startswith("training"):
        used = {name for name in imports_of(source) if name.startswith("nca_viewer")}
        assert not {name for name in used if not lies_in(name, TRAINING_MAY_USE)}


def test_jax_stays_where_numbers_are_computed(source: Path):
    if not lies_in(name_of(source), JAX_HOMES):
        assert not [name for name in imports_of(source) if name.split(".")[0] in JAX_PACKAGES]


def test_pygame_stays_at_the_edge(source: Path):
    if not lies_in(name_of(source), PYGAME_HOMES):
        assert not [name for name in imports_of(source) if name.split(".")[0] == "pygame"]


def test_orbax_stays_in_one_place(source: Path):
    if name_of(source) != "nca_viewer.checkpoint":
        assert not [name for name in imports_of(source) if name.split(".")[0] in {"orbax", "tensorstore"}]


def test_the_automaton_knows_of_nothing_but_its_configuration(source: Path):
    if lies_in(name_of(source), ("nca_viewer.automaton",)):
        used = {name for name in imports_of(source) if name.startswith("nca_viewer")}
        allowed = {"nca_viewer.automaton", "nca_viewer.config", "nca_viewer.errors"}
        assert not {name for name in used if not lies_in(name, allowed)}


def test_the_exhibit_s_rules_know_neither_screens_nor_clocks(source: Path):
    if lies_in(name_of(source), ("nca_viewer.exhibit",)):
        used = set(imports_of(source))
        allowed = {"nca_viewer.exhibit", "nca_viewer.interaction", "nca_viewer.errors", "nca_viewer.config"}
        assert not {name for name in used if name.startswith("nca_viewer") and not lies_in(name, allowed)}
        assert "time" not in used
        assert not lies_in("nca_viewer.interaction.input", used)


@pytest.mark.parametrize("entry", ["nca_viewer.cli", "nca_viewer.__main__", "training.cli"])
def test_commands_start_without_jax(entry: str):
    """What importing a command runs, followed through the project's own modules, imports no JAX."""
    if entry not in MODULES:
        pytest.skip("not there yet")
    paths = {name_of(path): path for path in SOURCES}
    seen: dict[str, str] = {}
    queue = [(entry, entry)]
    while queue:
        module, trail = queue.pop()
        if module in seen:
            continue
        seen[module] = trail
        for name in imports_of(paths[module], at_import=True):
            assert name.split(".")[0] not in JAX_PACKAGES, f"{trail} imports {name}"
            if name in paths:
                queue.append((name, f"{trail} -> {name}"))
