"""What `nca-viewer doctor` finds: a check per matter, each with what to do where it fails."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import stat
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nca_viewer import places
from nca_viewer.atomic_files import mode_at
from nca_viewer.errors import UserError, presentable
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.kiosk.operation import status, supervise
from nca_viewer.kiosk.operation.monitor import record_folders
from nca_viewer.kiosk.operation.status import read_status
from nca_viewer.pygame_check import REMEDY, pygame_trouble
from nca_viewer.viewer_config import START_BLANK, START_DIGIT

if TYPE_CHECKING:
    from nca_viewer.automaton.system import AttentionNCA

OK, NOTE, BAD = "ok", "note", "bad"

LEAST_FREE_BYTES = 200 * 2**20
"""A disk with less than this fills up soon."""

FRAME_SHARE = 0.8
"""Part of a frame's time that its steps may take."""

STALE_SECONDS = 10.0
"""A program that runs writes its status every second; one that is older tells nothing."""

_TIMED_FRAMES = 60
_TOUCH_LIBRARY = "libXi.so.6"
_TOUCH_PACKAGES = "libxi6 libxcursor1 libxkbcommon0"
_DIRECT_INPUT = 1 << 1
_MULTITOUCH_X = 1 << 0x35


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: What was looked at.
        level: "ok"; "note" for what may be meant so; "bad" for what must be mended.
        text: What was found.
        remedy: What to do; empty where nothing is to be done.
    """

    check: str
    level: str
    text: str
    remedy: str = ""


def is_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing must be mended."""
    return all(finding.level != BAD for finding in findings)


def as_lines(finding: Finding) -> list[str]:
    """A finding for people."""
    lines = [f"{finding.level:<5}{finding.check:<15}{finding.text}"]
    if finding.remedy:
        lines.append(f"{'':<20}-> {finding.remedy}")
    return [presentable(line) for line in lines]


def examine(config: KioskConfig) -> Iterator[Finding]:
    """Look at everything that a viewer with these options needs, quick matters first."""
    if trouble := pygame_trouble():
        yield Finding("pygame", BAD, trouble, REMEDY)
    screen = _guarded("screen", lambda: _screen(config))
    yield screen
    yield _guarded("touch", lambda: _touch(config, has_screen=screen.level == OK))
    yield from _given_files(config)
    yield from _folders(config)
    yield _guarded("record", lambda: _record(config))
    yield _guarded("supervisor", lambda: _supervisor(config))
    model: list[AttentionNCA] = []
    yield _guarded("checkpoint", lambda: _checkpoint(config, model))
    yield _guarded("backend", lambda: _backend(config))
    yield _guarded("compile cache", lambda: _compile_cache(config))
    if model:
        yield _guarded("speed", lambda: _speed(config, model[0]))


def _guarded(check: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except UserError as error:
        return Finding(check, BAD, str(error), "do what the line says")
    except PermissionError as error:
        return _unreachable(check, error.filename or str(error))
    except OSError as error:
        text = f"{str(error.filename)[:80]!r}: {error.strerror}" if error.filename else str(error)
        return Finding(check, BAD, text, "choose another place")
    except Exception as error:  # A check that breaks has found something, too.
        return Finding(check, BAD, f"{type(error).__name__}: {error}", "report this line")


# ------------------------------------------------------------------------------------ what is seen


def _screen(config: KioskConfig) -> Finding:
    if config.headless:
        return Finding("screen", OK, "none is needed (--headless)")
    from nca_viewer.display.probe import find_screens

    try:
        screens = find_screens()
    except UserError as error:
        remedy = (
            "run it where the exhibit runs: DISPLAY=:0 nca-viewer doctor; look at cable, power and X server"
        )
        return Finding("screen", BAD, str(error).partition(";")[0], remedy)
    sizes = ", ".join(f"{width}x{height}" for width, height in screens.sizes)
    text = f"{len(screens.sizes)} ({sizes}), driver {screens.driver}"
    if config.display >= len(screens.sizes):
        return Finding("screen", BAD, text, f"there is no screen {config.display}; change --display")
    return Finding("screen", OK, text)


def _touch(config: KioskConfig, *, has_screen: bool) -> Finding:
    if config.headless:
        return Finding("touch", OK, "none is needed (--headless)")
    if not has_screen:
        return Finding("touch", NOTE, "cannot be told without the screen", "see to the screen first")
    try:
        names = touch_screens(input_devices())
    except OSError:
        return Finding("touch", NOTE, "cannot be told on this system", "try it with a finger")
    if os.environ.get("SDL_VIDEODRIVER", "x11").startswith("x11") and not _hears_touches():
        text = f"{', '.join(names) or 'no touch screen'}; {_TOUCH_LIBRARY} is missing: no finger is felt"
        return Finding("touch", BAD if names else NOTE, text, f"apt install {_TOUCH_PACKAGES}, and restart")
    if not names:
        remedy = "look at the screen's USB cable, where visitors should touch it; a mouse works too"
        return Finding("touch", NOTE, "no touch screen", remedy)
    return Finding("touch", OK, ", ".join(names))


def _hears_touches() -> bool:
    """Whether SDL can open what tells it of fingers under X11; it does so at run time, and is silent else."""
    if sys.platform != "linux" or os.environ.get("WAYLAND_DISPLAY"):
        return True
    try:
        ctypes.CDLL(_TOUCH_LIBRARY)
    except OSError:
        return False
    return True


def input_devices() -> str:
    """What the system tells of its input devices; raises OSError where it tells nothing."""
    return Path("/proc/bus/input/devices").read_text(errors="replace")


def touch_screens(devices: str) -> list[str]:
    """Names of the touch screens in the text of `/proc/bus/input/devices`."""
    names = []
    for block in devices.split("\n\n"):
        fields = dict(re.findall(r"^[BN]: (\w+)=(.*)$", block, re.MULTILINE))
        properties = int(fields.get("PROP", "0") or "0", 16)
        axes = 0
        for word in fields.get("ABS", "0").split():
            axes = axes << 64 | int(word, 16)
        if properties & _DIRECT_INPUT and axes & _MULTITOUCH_X:
            names.append(fields.get("Name", '"unnamed"').strip('"'))
    return names


# ------------------------------------------------------------------------------------ what is kept


def _given_files(config: KioskConfig) -> Iterator[Finding]:
    """The files without which the viewer does not start."""
    if config.start not in (START_DIGIT, START_BLANK):
        from nca_viewer.start_images import open_start_image

        yield _guarded("start picture", lambda: _read("start picture", Path(config.start), open_start_image))
    if config.attract_script is not None:
        from nca_viewer.kiosk.captions import read_shown_script

        script = config.attract_script
        yield _guarded("attract script", lambda: _read("attract script", script, read_shown_script))


def _read(check: str, path: Path, read: Callable[[Path], object]) -> Finding:
    read(path)
    return Finding(check, OK, str(path))


def _folders(config: KioskConfig) -> Iterator[Finding]:
    state_folder, log_folder = record_folders(config)
    usage = config.usage_csv
    for check, folder, names in (
        ("state folder", state_folder, (status.NAME, supervise.NAME)),
        ("log folder", log_folder, ("nca-viewer.log", "supervisor.log")),
        ("usage", usage and usage.parent, (usage and usage.name,)),
        ("pictures", config.output_directory, ()),
    ):
        if folder is None and config.exhibit and check in ("state folder", "log folder"):
            yield Finding(check, NOTE, f"{places.NO_HOME}; none is kept", f"give --{check[:-7]}-dir")
        if folder is not None:
            look = partial(_folder, check, folder, [folder / name for name in names if name])
            yield _guarded(check, look)


def _folder(check: str, folder: Path, files: Sequence[Path]) -> Finding:
    for path in files:
        if (mode := mode_at(path)) and not stat.S_ISREG(mode):
            return Finding(
                check, BAD, f"{path} is no file, and keeps the viewer from writing it", "remove it"
            )
    standing = folder
    while not os.path.lexists(standing) and standing != standing.parent:
        standing = standing.parent
    if not os.path.isdir(standing) or not os.access(standing, os.W_OK | os.X_OK):
        return _unreachable(check, str(folder))
    free = shutil.disk_usage(standing).free
    text = f"{folder}, {free / 2**30:.1f} GB free"
    if free < LEAST_FREE_BYTES:
        return Finding(check, BAD, text, f"make room: at least {LEAST_FREE_BYTES / 2**20:.0f} MB")
    return Finding(check, OK, text)


def _unreachable(check: str, path: str) -> Finding:
    remedy = f"let {user_name()} write there (chown, chmod), or choose another place"
    return Finding(check, BAD, f"{path} cannot be written by {user_name()}", remedy)


def user_name() -> str:
    """Who this process is, for people."""
    try:
        import pwd

        return f"user {pwd.getpwuid(os.getuid()).pw_name!r}"
    except ImportError:
        return "this user"
    except KeyError:
        return f"user {os.getuid()}"


def is_alive(process: int, seen_seconds: float) -> bool:
    """Whether a process lives on; not where the system does not tell.

    Args:
        process: Its number, which may be another one's by now.
        seen_seconds: When it lived, by the wall clock.
    """
    if os.name != "posix" or process <= 0:
        return False
    try:
        os.kill(process, 0)
    except PermissionError:
        pass
    except (OSError, OverflowError):
        return False
    return _began_seconds(process) <= seen_seconds + STALE_SECONDS


def _began_seconds(process: int) -> float:
    """When a process began, by the wall clock; long ago where the system does not tell."""
    try:
        boot = re.search(r"^btime ([0-9]+)$", Path("/proc/stat").read_text(), re.MULTILINE)
        ticks = int(Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[19])
        return int(boot[1]) + ticks / os.sysconf("SC_CLK_TCK") if boot else 0.0
    except (OSError, ValueError, IndexError):
        return 0.0


def _record(config: KioskConfig) -> Finding:
    """What the viewer last told about itself."""
    folder, _ = record_folders(config)
    record = read_status(folder) if folder is not None else None
    if record is None:
        return Finding("record", NOTE, "no status.json yet" if folder else "no status is kept (--state-dir)")
    try:
        return _judged_record(record)
    except (KeyError, TypeError, ValueError):
        return Finding("record", BAD, f"{folder}/{status.NAME} is not what the viewer writes", "remove it")


def _judged_record(record: Mapping[str, Any]) -> Finding:
    when = _moment(record)
    age = (datetime.now(UTC) - when).total_seconds()
    ago = f"{age:.0f} s ago" if age > -STALE_SECONDS else f"{-age:.0f} s in the future, so a clock was wrong"
    text = f"{record['state']}, {ago}; {record['recoveries']} recoveries, {record['restarts']} restarts"
    trouble = "; ".join([*record["problems"], *filter(None, [record["checkpoint"]["trouble"]])])
    if trouble:
        return Finding("record", BAD, f"{text}; {trouble}", "mend what it names")
    if abs(age) > STALE_SECONDS and record["state"] not in ("ended", "failed"):
        if is_alive(int(record["pid"]), when.timestamp()):
            remedy = "make room on the disk; else restart the program"
            text += f"; but process {record['pid']} lives, and should write it every second"
            return Finding("record", BAD, text, remedy)
        remedy = "start it, if it should run: systemctl start nca-viewer"
        return Finding("record", NOTE, f"{text}; the program does not run any more", remedy)
    if record["state"] == "failed":
        return Finding("record", NOTE, f"{text}; {record['last_error']}", "read the log of that time")
    return Finding("record", OK, text)


def _moment(record: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(record["time"]).replace("Z", "+00:00"))


def _supervisor(config: KioskConfig) -> Finding:
    """What the supervisor last told."""
    folder, _ = record_folders(config)
    try:
        record = json.loads((folder / supervise.NAME).read_bytes()) if folder is not None else None
        if record is None:
            return Finding("supervisor", NOTE, "no record is kept (--state-dir)")
        text = f"{record['state']} since {record['time']}, {record['restarts']} restarts"
        last = record["failures"][-1:]
        text += "".join(f", the last after: {failure['reason']}" for failure in last)
        viewer = read_status(folder) if folder is not None else None
        is_newest = viewer is None or _moment(viewer) <= _moment(record) + timedelta(seconds=STALE_SECONDS)
        if record["state"] == "given up" and is_newest:
            remedy = "mend what the other lines name, and start the exhibit again"
            return Finding("supervisor", BAD, text, remedy)
        return Finding("supervisor", OK, text)
    except FileNotFoundError:
        return Finding("supervisor", NOTE, "none has run yet")
    except (KeyError, TypeError, ValueError):
        return Finding(
            "supervisor", BAD, f"{folder}/{supervise.NAME} is not what the supervisor writes", "remove it"
        )


# ------------------------------------------------------------------------------------ what computes


def _checkpoint(config: KioskConfig, found: list[AttentionNCA]) -> Finding:
    from nca_viewer.backend import use_compile_cache, use_device

    use_device(config.device)
    if config.compile_cache:
        use_compile_cache()
    from nca_viewer.checkpoint import load_checkpoint
    from nca_viewer.panes import require_same_grid

    try:
        loaded = [load_checkpoint(name) for name in config.checkpoints]
        require_same_grid(*zip(config.checkpoints, [info.config for _, info in loaded], strict=True))
    except UserError as error:
        remedy = "copy it again, or choose another with --ckpt; an exhibit shows the bundled one meanwhile"
        return Finding("checkpoint", BAD, str(error), remedy)
    found += [model for model, _ in loaded]
    named = zip(config.checkpoints, loaded, strict=True)
    return Finding("checkpoint", OK, "; ".join(f"{name}, SHA-256 {info.sha256}" for name, (_, info) in named))


def _backend(config: KioskConfig) -> Finding:
    from nca_viewer.backend import use_device

    use_device(config.device)
    from nca_viewer.selftest import backend_name, check_backend

    check_backend()
    return Finding("backend", OK, f"{backend_name()} computes rightly")


def _compile_cache(config: KioskConfig) -> Finding:
    if not config.compile_cache:
        return Finding("compile cache", NOTE, "off; every start compiles anew, which takes seconds")
    from nca_viewer.backend import compile_cache_folder

    folder = compile_cache_folder()
    if folder is None:
        return Finding(
            "compile cache",
            NOTE,
            f"{places.NO_HOME}; every start compiles anew, which takes seconds",
            "set HOME or XDG_CACHE_HOME, or start with --no-compile-cache",
        )
    files = [path for path in folder.glob("*") if path.is_file()] if folder.is_dir() else []
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return Finding(
            "compile cache", BAD, f"{folder} cannot be written", "let the exhibit's user write there"
        )
    size = sum(path.stat().st_size for path in files)
    return Finding("compile cache", OK, f"{folder}, {len(files)} files, {size / 2**20:.1f} MB")


def _speed(config: KioskConfig, model: AttentionNCA) -> Finding:
    from nca_viewer.simulation import Simulation

    simulation = Simulation(model, seed=0)
    simulation.warm_up()
    times = []
    for _ in range(_TIMED_FRAMES):
        began = time.perf_counter()
        simulation.advance(1)
        simulation.request_snapshot().result()
        times.append(time.perf_counter() - began)
    milliseconds = 1000 * statistics.median(times)
    frame_milliseconds = 1000 / config.frames_per_second
    asked = max(1.0, float(config.speed or 1))
    text = (
        f"{milliseconds:.1f} ms per step; {config.speed or 'less than one'} per frame "
        f"at {config.frames_per_second} frames/s "
        f"has {frame_milliseconds:.1f} ms"
    )
    if asked * milliseconds > FRAME_SHARE * frame_milliseconds:
        return Finding("speed", BAD, text, "choose a lower --speed or --fps, or free the processor")
    return Finding("speed", OK, text)
