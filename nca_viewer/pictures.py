"""Picture files as levels of ink: one reader, with one rule, for the viewer and for training.

The rule, for one picture or for a whole data set, which is decided as one:

- Orientation: as the file's EXIF or XMP says. Metadata is optional: damaged metadata is passed over.
- Animations and files of several pages: the first frame, or page.
- Depth: 8 bits go from 0 to 255, unsigned 16 bits to 65,535, or to the white of 10, 12 or 14 bits where the
  largest number there is lies in the upper half of that. Other numbers do not tell their white: it is the
  smallest usual one that all pictures of their kind fit into, 1 (of fractions), 255 or 65,535, else the
  largest number there is. What is negative or NaN is black.
- Transparency: strokes on nothing are laid on black, or on white where they are dark, so that strokes of
  every colour are seen; in grey each picture for itself, in colour all alike. Grey strokes half of which are
  light and half dark are laid on grey, and what differs from it is ink. Where most of the border of a picture
  is opaque, its holes get the colour of the border.
- Colour: a picture without colour is grey. The colours of others stay as they are.
- Polarity: ink is 1. Grey pictures of dark ink on light paper are inverted, all or none; strokes on nothing
  always have their paper at 0.
- Size: at most `MAX_PIXELS`.

"As is" (`nca-viewer --start-as-is`, `nca-train --data-as-is`) leaves the polarity as it is. Without it, a
picture to start from is also normalised, see `nca_viewer.ink`; those of a data set are not.
"""

from __future__ import annotations

import io
import os
import stat
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from nca_viewer.errors import UserError, reason_of
from nca_viewer.ink import ink_scores

MAX_PIXELS = 50_000_000
_SIXTEEN_BITS = 65535.0
_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EITHER_PART = 0.2
"""Strokes on nothing are light and dark if at least this part of them is either."""
_POLARITY_SAMPLE = 100
"""So many pictures of a data set tell its polarity."""
_POLARITY_PIXELS = 512
_POLARITY_MARGIN = 2.0
"""Dark deviations from the paper must outweigh light ones by this factor."""
_POLARITY_PART = 0.25
"""In at least this part of the pictures something must be darker than the paper."""


class PictureError(UserError):
    """A file is no picture that can be read; the message tells why, without the file's name."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file's content.

    Attributes:
        values: uint8[H, W, 1 or 3], or float32[H, W, 1] of files with other numbers.
        white: The value of white; None where the file does not tell.
        are_fractions: Whether the file's numbers are floating-point.
        opacity: uint8[H, W], or None where all is opaque.
        is_animated: Whether there are more frames or pages than this first one.
    """

    values: NDArray[np.generic]
    white: float | None = 255.0
    are_fractions: bool = False
    opacity: NDArray[np.uint8] | None = None
    is_animated: bool = False

    @property
    def is_grey(self) -> bool:
        """Whether it has no colour."""
        return self.values.shape[-1] == 1

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.values.shape[1], self.values.shape[0]


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rule comes to for a set of pictures.

    Attributes:
        white_of_fractions: White in pictures of floating-point numbers.
        white_of_whole_numbers: White in pictures of whole numbers that do not tell theirs.
        white_of_sixteen_bits: White in pictures of unsigned 16 bits, which may hold fewer.
        nothing: The level that coloured strokes on nothing are laid on, 0 or 1.
        is_grey: Whether the levels are grey, else RGB.
        is_inverted: Whether grey pictures are dark ink on light paper, and are inverted.
        as_is: Whether no picture is inverted.
    """

    white_of_fractions: float = 1.0
    white_of_whole_numbers: float = 255.0
    white_of_sixteen_bits: float = 65535.0
    nothing: float = 0.0
    is_grey: bool = True
    is_inverted: bool = False
    as_is: bool = False


def read_picture(source: Path | bytes, *, longest_pixels: int | None = None) -> Picture:
    """Read a picture file, upright.

    Args:
        source: The file, or its content.
        longest_pixels: A picture with a longer side is reduced to about this.

    Raises:
        PictureError: it is missing, not a picture, cut short, or larger than `MAX_PIXELS`.
    """
    if isinstance(source, Path):
        require_file(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            try:
                # By its path Pillow would map a TIFF into memory, and not turn it upright.
                with _opened(source) as file:
                    return _decoded(file, longest_pixels)
            except PictureError:
                raise
            except Exception:
                bare = _without_metadata(source)
                if bare is None:
                    raise
                return _decoded(io.BytesIO(bare), longest_pixels)
        except PictureError:
            raise
        except Image.DecompressionBombError as error:
            raise _too_large("far too many pixels") from error
        except UnidentifiedImageError as error:
            raise PictureError("is not a picture that can be read; use PNG, JPEG, GIF or BMP") from error
        except MemoryError as error:
            raise PictureError("cannot be read: there is not enough memory; make it smaller first") from error
        except Exception as error:  # Pillow's decoders raise nearly anything on damaged files.
            raise PictureError(f"cannot be read: {reason_of(error)}; it may be damaged") from error


def require_file(path: Path) -> None:
    """Check that a path leads to a file.

    Raises:
        PictureError: it does not.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PictureError("does not exist") from error
    except (OSError, ValueError) as error:  # A name too long, a closed folder, a null byte.
        raise PictureError(f"cannot be looked for: {reason_of(error)}; give a picture file") from error
    if not stat.S_ISREG(mode):
        raise PictureError("is not a file; give a picture file")


def decide(pictures: Sequence[Picture], *, is_grey: bool | None = None, as_is: bool = False) -> Decision:
    """Apply the rule to a set of pictures.

    Args:
        pictures: All of the set; one to start from is a set of one.
        is_grey: Whether to make grey of colours; None where no picture has any.
        as_is: Leave the polarity as it is.
    """
    untold = [picture for picture in pictures if picture.white is None]
    fractions = [picture for picture in untold if picture.are_fractions]
    whole_numbers = [picture for picture in untold if not picture.are_fractions]
    sixteen_bits = [picture for picture in pictures if picture.white == _SIXTEEN_BITS]
    shown = [_light_on_nothing(picture) for picture in pictures if _is_on_nothing(picture)]
    decision = Decision(
        white_of_fractions=_white(fractions, (1.0, 255.0, 65535.0)),
        white_of_whole_numbers=_white(whole_numbers, (255.0, 65535.0)),
        white_of_sixteen_bits=_white_of_sixteen_bits(sixteen_bits),
        nothing=_level_of_nothing(shown),
        is_grey=all(picture.is_grey for picture in pictures) if is_grey is None else is_grey,
        as_is=as_is,
    )
    if as_is or not decision.is_grey:
        return decision
    opaque = [picture for picture in pictures if not _is_on_nothing(picture)]
    step = max(1, len(opaque) // _POLARITY_SAMPLE)
    scores = np.array([ink_scores(_coarse(levels(picture, decision)[..., 0])) for picture in opaque[::step]])
    if not scores.size:
        return decision
    dark, light = scores.sum(axis=0)
    is_usual = np.mean(scores[:, 0] > 0) >= _POLARITY_PART
    return replace(decision, is_inverted=bool(is_usual and dark > _POLARITY_MARGIN * light))


def levels(picture: Picture, decision: Decision) -> NDArray[np.float32]:
    """A picture's levels by what was decided: float32[H, W, 1 or 3] in [0, 1]."""
    white = picture.white
    if white is None:
        white = decision.white_of_fractions if picture.are_fractions else decision.white_of_whole_numbers
    elif white == _SIXTEEN_BITS:
        white = decision.white_of_sixteen_bits
    values = picture.values.astype(np.float32) / np.float32(white)
    if decision.is_grey and _is_light_and_dark(picture):
        assert picture.opacity is not None
        opacity = picture.opacity[..., None].astype(np.float32) / np.float32(255)
        return opacity * np.abs(2 * _luminance(values)[..., None] - 1)
    if picture.opacity is not None:
        paper: NDArray[np.float32] | float | None = known_paper(picture, decision)
        if paper is None:
            is_opaque = _border(picture.opacity) == 255
            paper = np.median(_border(values)[is_opaque], axis=0)
        opacity = picture.opacity[..., None].astype(np.float32) / np.float32(255)
        values = values * opacity + np.float32(paper) * (1 - opacity)
    if not decision.is_grey:
        return np.repeat(values, 3, axis=-1) if picture.is_grey else values
    if not picture.is_grey:
        values = _luminance(values)[..., None]
    return 1 - values if is_inverted(picture, decision) else values


def is_inverted(picture: Picture, decision: Decision) -> bool:
    """Whether a picture is dark ink on light paper, and its levels are inverted."""
    paper = known_paper(picture, decision)
    if paper is None:
        return decision.is_inverted
    return decision.is_grey and not decision.as_is and paper == 1


def known_paper(picture: Picture, decision: Decision) -> float | None:
    """The level of a picture's paper before it is inverted, where it is known because it is transparent."""
    if not _is_on_nothing(picture):
        return None
    if decision.is_grey and _is_light_and_dark(picture):
        return 0.0
    return _level_of_nothing([_light_on_nothing(picture)]) if decision.is_grey else decision.nothing


# ---- decoding ----


def _decoded(source: BinaryIO, longest_pixels: int | None) -> Picture:
    with Image.open(source) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise _too_large(f"{opened.width} x {opened.height} pixels")
        opened.load()
        if opened.mode[0] in "IF":
            return _numbers(opened, longest_pixels)
        if opened.has_transparency_data:
            image = opened.convert("RGBA")
        elif opened.mode in ("1", "L"):
            image = opened.convert("L")
        else:
            image = opened.convert("RGB")
        pixels = np.asarray(_reduced(_upright(image, opened), longest_pixels))
        is_animated = _is_animated(opened)
    if pixels.ndim == 2:
        return Picture(pixels[..., None], is_animated=is_animated)
    colours, opacity = pixels[..., :3], pixels[..., 3] if pixels.shape[-1] == 4 else None
    if opacity is not None and (opacity == 255).all():
        opacity = None
    is_same = (colours[..., :1] == colours[..., 1:]).all(axis=-1)
    if (is_same if opacity is None else is_same | (opacity == 0)).all():
        colours = colours[..., :1]
    return Picture(np.ascontiguousarray(colours), opacity=opacity, is_animated=is_animated)


def _is_animated(opened: Image.Image) -> bool:
    """Whether there are more frames or pages; asked last, since it may move on to them."""
    try:
        return opened.format != "MPO" and getattr(opened, "n_frames", 1) > 1
    except Exception:  # What is behind the first may be damaged.
        return False


def _numbers(opened: Image.Image, longest_pixels: int | None) -> Picture:
    """A picture of more than eight bits."""
    # Pillow gives the sixteen bits of a PGM as 32, spread over all sixteen.
    is_sixteen_bits = opened.mode.startswith("I;16") or opened.format == "PPM"
    raw = np.asarray(opened)
    are_fractions = opened.mode[0] == "F"
    clear = opened.info.get("transparency")
    opacity = None
    if isinstance(clear, int):
        mask = Image.fromarray(np.where(raw == clear, 0, 255).astype(np.uint8))
        opacity = np.asarray(_reduced(_upright(mask, opened), longest_pixels))
    numbers = np.nan_to_num(raw.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    image = _upright(Image.fromarray(numbers.clip(0.0, 3e38).astype(np.float32)), opened)
    values = np.asarray(_reduced(image, longest_pixels))[..., None]
    white = _SIXTEEN_BITS if is_sixteen_bits and not are_fractions else None
    return Picture(values, white, are_fractions, opacity, _is_animated(opened))


def _upright(image: Image.Image, opened: Image.Image) -> Image.Image:
    """An image turned as the opened file's metadata says, if that can be read."""
    try:
        turn = _TURNS.get(opened.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # Metadata is optional, and damaged in any way.
        return image
    return image if turn is None else image.transpose(turn)


def _reduced(image: Image.Image, longest_pixels: int | None) -> Image.Image:
    factor = 1 if longest_pixels is None else -(-max(image.size) // longest_pixels)
    return image if factor == 1 else image.reduce(factor)


def _opened(source: Path | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _without_metadata(source: Path | bytes) -> bytes | None:
    """The bytes of a PNG, JPEG or WebP file without what does not belong to its pixels; None of others."""
    content = source if isinstance(source, bytes) else source.read_bytes()
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png_without_metadata(content)
    if content.startswith(b"\xff\xd8"):
        return _jpeg_without_metadata(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _webp_without_metadata(content)
    return None


def _png_without_metadata(content: bytes) -> bytes:
    kept, place = [content[:8]], 8
    while place + 12 <= len(content):
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        if not kind.isalpha():
            break  # What follows is no chunk, and may be very long.
        if kind[:1].isupper() or kind == b"tRNS":
            kept.append(content[place:end])
        place = end
    return b"".join(kept)


def _jpeg_without_metadata(content: bytes) -> bytes:
    kept, place = [content[:2]], 2
    while place + 4 <= len(content) and content[place] == 0xFF and content[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        marker = content[place + 1]
        # Of what is for applications only the kind of colours (JFIF, Adobe) belongs to the pixels.
        if not (0xE1 <= marker <= 0xED or marker in (0xEF, 0xFE)):
            kept.append(content[place:end])
        place = end
    return b"".join([*kept, content[place:]])


def _webp_without_metadata(content: bytes) -> bytes:
    kept, place = [], 12
    while place + 8 <= len(content):
        size = int.from_bytes(content[place + 4 : place + 8], "little")
        end = place + 8 + size + size % 2
        kind, chunk = content[place : place + 4], content[place:end]
        if not kind.rstrip().isalnum():
            break
        if kind == b"VP8X" and len(chunk) > 8:
            has_pixels = 0b0001_0010  # transparency and animation
            chunk = chunk[:8] + bytes([chunk[8] & has_pixels]) + chunk[9:]
        if kind not in (b"EXIF", b"XMP ", b"ICCP"):
            kept.append(chunk)
        place = end
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


# ---- deciding ----


def _highest(picture: Picture) -> float:
    values: NDArray[np.float64] = np.asarray(picture.values, np.float64)
    return float(np.max(values))


def _white(pictures: Sequence[Picture], usual: Sequence[float]) -> float:
    highest = max((_highest(picture) for picture in pictures), default=0.0)
    return next((limit for limit in usual if highest <= limit), highest)


def _white_of_sixteen_bits(pictures: Sequence[Picture]) -> float:
    highest = max((_highest(picture) for picture in pictures), default=0.0)
    fewer_bits = (2.0**bits - 1 for bits in (10, 12, 14))
    return next((white for white in fewer_bits if white / 2 < highest <= white), _SIXTEEN_BITS)


def _border(pixels: NDArray) -> NDArray:
    return np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])


def _is_on_nothing(picture: Picture) -> bool:
    """Whether a picture is strokes on nothing: most of its border is transparent."""
    return picture.opacity is not None and float(np.mean(_border(picture.opacity) == 255)) < 0.5


def _is_light_and_dark(picture: Picture) -> bool:
    """Whether strokes on nothing are light and dark, so that neither black nor white shows all of them."""
    if not _is_on_nothing(picture):
        return False
    assert picture.opacity is not None
    seen = _luminance(picture.values.astype(np.float32) / np.float32(picture.white or 255.0))
    seen = seen[picture.opacity > 127]
    return bool(seen.size and min(np.mean(seen < 0.25), np.mean(seen > 0.75)) >= _EITHER_PART)


def _level_of_nothing(shown: Sequence[tuple[float, float]]) -> float:
    """What strokes on nothing are best seen on, given the light of each picture and how much that is."""
    return 1.0 if sum(light for light, _ in shown) < 0.5 * sum(weight for _, weight in shown) else 0.0


def _light_on_nothing(picture: Picture) -> tuple[float, float]:
    """The light of what is seen of a picture, and how much that is."""
    assert picture.opacity is not None
    opacity = picture.opacity.astype(np.float32) / np.float32(255)
    grey = _luminance(picture.values.astype(np.float32) / np.float32(picture.white or 255.0))
    return float(np.sum(grey * opacity)), float(np.sum(opacity))


def _luminance(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Grey float32[H, W] of float32[H, W, 1 or 3]."""
    if values.shape[-1] == 1:
        return values[..., 0]
    return values @ np.array([0.299, 0.587, 0.114], np.float32)


def _coarse(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(_reduced(Image.fromarray(values), _POLARITY_PIXELS))


def _too_large(size: str) -> PictureError:
    return PictureError(f"has {size}, more than {MAX_PIXELS:,}; make it smaller first")
