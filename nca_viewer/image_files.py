"""Pictures and animations as files, for the viewer and for training: what can be written, and writing it."""

from __future__ import annotations

import functools
import io
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nca_viewer.atomic_files import atomic_write, free_path
from nca_viewer.errors import OutputError, presentable

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.PngImagePlugin import PngInfo

_USUAL_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pdf", ".png", ".ppm", ".tif", ".tiff", ".webp")
GIF_SUFFIXES = (".gif",)
MAX_GIF_SIDE_PIXELS = 65_535
MAX_GIF_DELAY_HUNDREDTHS = 65_535
"""A GIF has 16 bits for a side, and as many for the time that a frame is shown."""

MIN_GIF_DELAY_HUNDREDTHS = 2
"""Browsers slow down what is shown for less."""

_HEADER_BYTES = 13
_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_UNCHANGED_PIXEL = bytes.fromhex("2c 00000000 0100 0100 00 02 02 4401 00")
"""A frame of a GIF: one pixel in the corner, of colour 0, which the block before it calls transparent."""


@functools.cache
def writable_suffixes() -> tuple[str, ...]:
    """The suffixes of the usual formats that show a colour picture as it is and can be written here.

    Some need a library that Pillow may lack: a picture of a few pixels is written in each, which takes
    milliseconds.
    """
    from PIL import Image

    picture = Image.new("RGB", (16, 16))
    formats = Image.registered_extensions()
    writable = []
    for suffix in _USUAL_SUFFIXES:
        try:
            picture.save(io.BytesIO(), format=formats[suffix])
        except Exception:  # Each format has errors of its own.
            continue
        writable.append(suffix)
    return tuple(writable)


def require_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Check that a file's name ends in one of the suffixes that can be written.

    Raises:
        OutputError: it does not; the message lists them.
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        what = f"no file that ends in {suffix!r} is written here" if suffix else "it has no suffix"
        one_of = "one of " if len(suffixes) > 2 else ""
        *others, last = suffixes
        wanted = f"{', '.join(others)} or {last}" if others else last
        raise OutputError(f"cannot write {str(path)!r}: {what}; end the name in {one_of}{wanted}")


def require_gif_size(path: Path, size: tuple[int, int]) -> None:
    """Check that an animation of (width, height) pixels fits into a GIF.

    Raises:
        OutputError: it does not.
    """
    if max(size) > MAX_GIF_SIDE_PIXELS:
        raise OutputError(
            f"cannot write {str(path)!r}: it would have {size[0]} x {size[1]} pixels, and a GIF has at most "
            f"{MAX_GIF_SIDE_PIXELS} each way; show fewer or smaller pictures"
        )


def write_image(
    path: Path, image: Image, *, never_lost: bool = False, text: Mapping[str, str] | None = None
) -> None:
    """Write one picture; the suffix tells the format.

    Args:
        path: The file.
        image: The picture.
        never_lost: Whether to put it into the folder for temporary files where it cannot be written.
        text: What a PNG tells about itself, keyword -> value (tEXt chunks); other formats go without.

    Raises:
        OutputError: it could not be written; the message names where it was put instead.
    """
    from PIL import Image as PillowImage

    require_suffix(path, writable_suffixes())
    name = PillowImage.registered_extensions()[path.suffix.lower()]
    options = {"pnginfo": _png_text(text)} if text and name == "PNG" else {}
    _write(path, lambda temporary: image.save(temporary, format=name, **options), never_lost)


def _png_text(text: Mapping[str, str]) -> PngInfo:
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    for keyword, value in text.items():
        chunks.add_text(keyword, presentable(value))  # As iTXt where it is not Latin-1.
    return chunks


def write_gif(
    path: Path,
    make_frames: Callable[[], Iterable[Image]],
    delays_seconds: Sequence[float],
    *,
    never_lost: bool = False,
) -> None:
    """Write an animation that repeats for ever.

    A GIF counts time in hundredths of a second, and a frame is shown for at least 2 of them. What is shown
    for longer than a GIF's frame can be, is followed by frames that change nothing.

    Args:
        path: The file.
        make_frames: Returns the frames, which are taken one by one; may be called again.
        delays_seconds: How long each frame is shown.
        never_lost: Whether to put it into the folder for temporary files where it cannot be written.

    Raises:
        OutputError: it could not be written; the message names where it was put instead.
    """
    require_suffix(path, GIF_SUFFIXES)
    hundredths = [max(MIN_GIF_DELAY_HUNDREDTHS, round(100 * seconds)) for seconds in delays_seconds]

    def save(temporary: Path) -> None:
        shown = _without_repetitions(make_frames(), hundredths)
        first, delay = next(shown)
        require_gif_size(path, first.size)
        delays = [delay]
        milliseconds = [10 * min(delay, MAX_GIF_DELAY_HUNDREDTHS)]

        def further() -> Iterator[Image]:
            # Pillow asks for a frame's time only when it has the frame.
            for frame, frame_delay in shown:
                delays.append(frame_delay)
                milliseconds.append(10 * min(frame_delay, MAX_GIF_DELAY_HUNDREDTHS))
                yield frame

        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=further(),
            duration=milliseconds,
            loop=0,
            disposal=1,
        )
        if max(delays) > MAX_GIF_DELAY_HUNDREDTHS:
            temporary.write_bytes(_with_pauses(temporary.read_bytes(), delays))

    _write(path, save, never_lost)


def _without_repetitions(frames: Iterable[Image], delays: Sequence[int]) -> Iterator[tuple[Image, int]]:
    """Frames that differ from the one before as Pillow would write them, and how long each is shown."""
    from PIL import Image as PillowImage

    last, total = None, 0
    for frame, delay in zip(frames, delays, strict=True):
        if frame.mode not in ("1", "L", "P"):
            frame = frame.convert("P", palette=PillowImage.Palette.ADAPTIVE)
        if last is not None and _looks_alike(frame, last):
            total += delay
            continue
        if last is not None:
            yield last, total
        last, total = frame, delay
    if last is not None:
        yield last, total


def _looks_alike(frame: Image, other: Image) -> bool:
    if frame.tobytes() == other.tobytes() and frame.getpalette() == other.getpalette():
        return True
    return frame.getpalette() != other.getpalette() and (
        frame.convert("RGB").tobytes() == other.convert("RGB").tobytes()
    )


def _with_pauses(gif: bytes, delays: Sequence[int]) -> bytes:
    """A GIF with frames that change nothing after those that are shown for longer than a field can say.

    Args:
        gif: The file, whose frames are shown for as long as can be.
        delays: How long each frame is shown, in hundredths of a second.
    """

    def table_bytes(flags: int) -> int:
        return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0

    def blocks_end(start: int) -> int:
        while gif[start]:
            start += gif[start] + 1
        return start + 1

    position = _HEADER_BYTES + table_bytes(gif[10])
    parts, copied = [], 0
    left = iter(delays)
    while gif[position] != _END:
        if gif[position] == _EXTENSION:
            position = blocks_end(position + 2)
            continue
        assert gif[position] == _IMAGE
        position = blocks_end(position + 10 + table_bytes(gif[position + 9]) + 1)
        parts.append(gif[copied:position])
        copied = position
        rest = next(left) - MAX_GIF_DELAY_HUNDREDTHS
        while rest > 0:
            delay = min(rest, MAX_GIF_DELAY_HUNDREDTHS)
            parts.append(b"\x21\xf9\x04\x05" + struct.pack("<H", delay) + b"\x00\x00" + _UNCHANGED_PIXEL)
            rest -= delay
    return b"".join([*parts, gif[copied:]])


def _write(path: Path, save: Callable[[Path], Any], never_lost: bool) -> None:
    try:
        _write_to(path, save)
    except OutputError as error:
        if not never_lost:
            raise
        try:
            spare = free_path(Path(tempfile.gettempdir()), "nca-viewer-saved", path.suffix)
            _write_to(spare, save)
        except (OutputError, OSError):
            raise error from None
        raise OutputError(f"{error}; meanwhile it is in {str(spare)!r}") from error


def _write_to(path: Path, save: Callable[[Path], Any]) -> None:
    with atomic_write(path) as temporary:
        try:
            save(temporary)
        except Exception as error:  # Each format has limits of its own, and errors to tell them by.
            if isinstance(error, OutputError | MemoryError) or getattr(error, "errno", None) is not None:
                raise  # The format has no part in it.
            reason = f"{type(error).__name__}: {error}"
            raise OutputError(f"cannot write {str(path)!r}: {reason}; choose another format") from error
