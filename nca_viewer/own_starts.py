"""A start of one's own while the window is up: a file dropped on it, or a picture pasted from the clipboard.

pygame's clipboard holds text alone on X11, whatever its interface promises. So pictures are fetched as a
desktop's own tools do it: by `wl-paste` or `xclip`, and by Pillow on Windows and macOS.
"""

from __future__ import annotations

import contextlib
import os
import platform
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

import numpy as np

from nca_viewer.atomic_files import mode_at
from nca_viewer.errors import StartImageError, UserError, one_line, unexpected_message
from nca_viewer.start_images import MAX_FILE_BYTES, fit_start_image, open_start_image

if TYPE_CHECKING:
    from nca_viewer.config import ModelConfig

_CLIPBOARD_SECONDS = 5.0
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, eq=False, slots=True)
class StartImage:
    """What an episode can begin from.

    Attributes:
        image: float32[H, W, visible_channel_size] in [0, 1].
        name: Of the file, without its folder; "pasted picture" where it has none.
        note: What was done to it, or nothing.
        hint: How it differs from all that the automaton was trained on; None where it does not.
    """

    image: np.ndarray
    name: str
    note: str
    hint: str | None

    @property
    def text(self) -> str:
        """What a person is told of it, in one line."""
        is_told = "blank, " in self.note
        hint = f"unlike a digit: {self.hint}" if self.hint and not is_told else ""
        parts = [part for part in (self.note, hint) if part]
        return f"{self.name}: {'; '.join(parts)}" if parts else self.name


def own_start(source: bytes | str | Path, config: ModelConfig, *, as_is: bool = False) -> StartImage:
    """Make a start image of a picture.

    Args:
        source: A picture file's content, its path, or text that was pasted: a path or a file's URI.
        config: The automaton's hyperparameters.
        as_is: As in `fit_start_image`.

    Raises:
        StartImageError: it is none, or larger than `start_images.MAX_FILE_BYTES` or `pictures.MAX_PIXELS`.
    """
    from nca_viewer.unlikeness import unlikeness

    path = pasted_path(source) if isinstance(source, str) else source
    image, note = fit_start_image(open_start_image(path), config, as_is=as_is)
    name = "pasted picture" if isinstance(path, bytes) else _shown(path.name)
    return StartImage(image, name, note, unlikeness(image))


def pasted_path(text: str) -> Path:
    """The path that pasted text means: a path, or a file's URI, of a list of them the first.

    Raises:
        StartImageError: it is something else.
    """
    if text.strip() and _is_there(text):
        return Path(text)
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#") and line not in ("copy", "cut")]
    if not lines:
        raise StartImageError(
            "there is no picture on the clipboard; copy one, or drop its file on the window"
        )
    line = lines[0].strip("\"'")
    if (path := _uri_path(line)) is not None:
        return path
    try:
        parts = urlsplit(line)
    except ValueError:
        parts = urlsplit("")
    if len(parts.scheme) > 1 and (parts.netloc or parts.scheme == "data"):
        raise StartImageError(
            f"{_shown(line)!r} is no file; save the picture, and drop its file on the window"
        )
    if _is_there(line):
        return Path(line)
    raise StartImageError(
        f"there is no picture but the text {_shown(line)!r}, which names no file; give a picture or its file"
    )


def dropped_path(name: str) -> Path:
    """The path of a file that was dropped: a path, or a file's URI where the desktop gives one.

    Raises:
        StartImageError: the file is on another computer.
    """
    return Path(name) if _is_there(name) else _uri_path(name.strip()) or Path(name)


def _uri_path(text: str) -> Path | None:
    """The path that a file's URI means; None of any other text."""
    if not text.lower().startswith("file:"):
        return None
    path = text[len("file:") :]  # With what follows "#" or "?", which some programs leave as it is in a name.
    if path.startswith("//"):
        host, slash, path = path[2:].partition("/")
        if host.lower() not in ("", "localhost", platform.node().lower()):
            raise StartImageError(f"{_shown(text)!r} is on another computer; copy the file here first")
        path = slash + path
    if os.name == "nt":
        from urllib.request import url2pathname

        return Path(url2pathname(path))
    return Path(os.fsdecode(unquote_to_bytes(path)))


def _is_there(path: str) -> bool:
    with contextlib.suppress(OSError, RuntimeError):
        return bool(mode_at(Path(path).expanduser()))
    return False


def clipboard_picture() -> bytes | Path | None:
    """The picture on the clipboard, or the file that was copied there; None where there is none.

    Asks another program, for `_CLIPBOARD_SECONDS` at most: for a thread of its own.

    Raises:
        StartImageError: there is no way to ask, or it is too large.
    """
    if sys.platform in ("win32", "darwin"):
        return _pillow_clipboard()
    for is_there, list_command, get_command in (
        (
            bool(os.environ.get("WAYLAND_DISPLAY")),
            ("wl-paste", "--list-types"),
            ("wl-paste", "--no-newline", "--type"),
        ),
        (
            bool(os.environ.get("DISPLAY")),
            ("xclip", "-selection", "clipboard", "-out", "-target", "TARGETS"),
            ("xclip", "-selection", "clipboard", "-out", "-target"),
        ),
    ):
        if not is_there or shutil.which(list_command[0]) is None:
            continue
        targets = _output(list_command).decode("utf-8", "replace").split()
        wanted = ("image/png", "image/jpeg", "image/bmp", "image/webp", "image/gif", "image/tiff")
        target = next((target for target in wanted if target in targets), None)
        return _output((*get_command, target)) or None if target else None
    raise StartImageError(
        "a picture cannot be pasted without wl-paste (Wayland) or xclip (X11); install it, or drop the file"
    )


def _pillow_clipboard() -> bytes | Path | None:
    import io

    from PIL import Image, ImageGrab

    try:
        found = ImageGrab.grabclipboard()
    except Exception as error:  # Pillow raises nearly anything on what it cannot read.
        raise StartImageError(f"the clipboard cannot be read: {one_line(str(error))}") from error
    if isinstance(found, list):
        return Path(found[0]) if found else None
    if not isinstance(found, Image.Image):
        return None
    content = io.BytesIO()
    found.save(content, format="PNG")
    return content.getvalue()


def _output(command: tuple[str, ...]) -> bytes:
    """What a program writes; nothing where it fails.

    Raises:
        StartImageError: it takes too long, or writes more than `MAX_FILE_BYTES`.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    is_late = threading.Event()

    def give_up() -> None:
        is_late.set()
        process.kill()

    timer = threading.Timer(_CLIPBOARD_SECONDS, give_up)
    timer.start()
    try:
        assert process.stdout is not None
        with process.stdout as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    finally:
        timer.cancel()
        process.kill()
        status = process.wait()
    if len(content) > MAX_FILE_BYTES:
        return content  # `own_start` refuses it.
    if is_late.is_set():
        raise StartImageError("the program that has the clipboard does not answer; copy the picture again")
    return content if status in (0, -9) else b""


class OwnStarts:
    """Reads pictures in the background, one after the other; of several the newest counts.

    What is given before there is an automaton waits for it.
    """

    def __init__(self, config: ModelConfig | None = None, *, as_is: bool = False) -> None:
        """Read nothing yet.

        Args:
            config: The automaton's hyperparameters; None where it is still loading.
            as_is: As in `own_start`.
        """
        self._config = config
        self._as_is = as_is
        self._number = 0
        self._untold: tuple[Callable[[], bytes | str | Path], int] | None = None
        self._found: queue.SimpleQueue[tuple[int, StartImage | UserError]] = queue.SimpleQueue()

    def serve(self, config: ModelConfig) -> None:
        """Pictures are for this automaton from now on, also those that nothing was told of yet."""
        self._config = config
        if self._untold is not None:
            self._begin(*self._untold)

    def drop(self, *names: str) -> None:
        """Files were dropped on the window together; the first counts."""
        self._begin(lambda: dropped_path(names[0]), len(names))

    def drop_text(self, text: str) -> None:
        """Text was dropped on the window: the path or the URI of a file, of several the first."""
        if text.strip():
            uris = [line for line in text.splitlines() if line.lower().startswith("file:")]
            self._begin(lambda: text, len(uris))

    def paste(self, text: str) -> None:
        """Somebody pastes: the picture on the clipboard, else the file that its text names."""

        def source() -> bytes | str | Path:
            try:
                picture = clipboard_picture()
            except StartImageError:
                if not text.strip():
                    raise
                return text
            return text if picture is None else picture

        self._begin(source)

    def poll(self) -> StartImage | UserError | None:
        """What became of the newest, once; never waits."""
        newest = None
        with contextlib.suppress(queue.Empty):
            while True:
                number, found = self._found.get_nowait()
                if number == self._number:
                    newest, self._untold = found, None
        return newest

    def _begin(self, source: Callable[[], bytes | str | Path], files: int = 1) -> None:
        self._number += 1
        self._untold = source, files
        if self._config is not None:
            arguments = (self._number, self._config, source, files)
            threading.Thread(target=self._run, args=arguments, name="own start", daemon=True).start()

    def _run(
        self, number: int, config: ModelConfig, source: Callable[[], bytes | str | Path], files: int
    ) -> None:
        found: StartImage | UserError
        first = f"of {files} files the first" if files > 1 else ""
        try:
            found = own_start(source(), config, as_is=self._as_is)
            if first:
                found = replace(found, note="; ".join(part for part in (first, found.note) if part))
        except UserError as error:
            found = StartImageError(f"{first}: {error}") if first else error
        except Exception as error:  # The window goes on, whatever it was.
            found = StartImageError(unexpected_message(error))
        self._found.put((number, found))


def _shown(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}…"
