"""Videos as files: frames of a constant rate, piped to the ffmpeg that imageio-ffmpeg brings."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from nca_viewer.errors import OutputError, one_line, reason_of

VIDEO_REMEDY = "pip install imageio-ffmpeg"

LEAST_SIDE_PIXELS = 560
_LONGEST_SIDE_PIXELS = 4096
"""Most players' hardware decodes no longer side of H.264."""
_REPEATED_AT_ONCE = 32
_CLOSING_SECONDS = 60.0
_NICENESS = 10
_TOLD_ERRORS = (errno.ENOSPC, errno.EFBIG, errno.EACCES, errno.EROFS, errno.ENOENT, errno.EIO)
_MP4_FRAGMENT = b"moof"
_SEARCHED_BYTES = 1024 * 1024


class VideoUnavailableError(OutputError):
    """There is no ffmpeg; the message names the extra to install."""


def has_encoder() -> bool:
    """Whether the extra `video` is installed."""
    return importlib.util.find_spec("imageio_ffmpeg") is not None


def find_ffmpeg() -> str:
    """The encoder's program; may take a tenth of a second.

    Raises:
        VideoUnavailableError: it is not installed.
    """
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except ImportError as error:
        raise VideoUnavailableError(f"a video needs imageio-ffmpeg; {VIDEO_REMEDY}") from error
    except (RuntimeError, OSError) as error:
        raise VideoUnavailableError(f"a video needs ffmpeg: {reason_of(error)}; {VIDEO_REMEDY}") from error


def video_cell_pixels(height: int, width: int) -> int:
    """Side of a cell in a video of a grid, whose sides then are even, as H.264 wants.

    They have `LEAST_SIDE_PIXELS` or more where that makes none of them longer than most players can show.
    """
    cell = math.ceil(LEAST_SIDE_PIXELS / min(height, width))
    cell = max(1, min(cell, _LONGEST_SIDE_PIXELS // max(height, width)))
    is_odd = height % 2 or width % 2
    return cell + cell % 2 if is_odd else cell


class VideoStream:
    """An MP4 (H.264, yuv420p) that frames are written to one after the other; also a context manager.

    Where the block ends with an error, the encoder is killed.
    """

    def __init__(
        self, path: Path, height: int, width: int, frames_per_second: int, *, is_fragmented: bool = False
    ) -> None:
        """Start the encoder.

        Args:
            path: The file; is overwritten.
            height: Of the images.
            width: Of the images.
            frames_per_second: The constant rate.
            is_fragmented: Write it in parts of a second, so that a file that breaks off plays up to there.

        Raises:
            OutputError: there is no encoder.
        """
        cell = video_cell_pixels(height, width)
        flags = "+frag_keyframe+empty_moov+default_base_moof" if is_fragmented else "+faststart"
        # What is recorded while it runs must leave the processor to the frames.
        preset = ("ultrafast", "-tune", "zerolatency") if is_fragmented else ("superfast",)
        colours = "bt709"
        command = [
            *(find_ffmpeg(), "-hide_banner", "-loglevel", "error", "-y"),
            *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"),
            *("-r", str(frames_per_second), "-i", "pipe:0", "-an"),
            *("-vf", f"scale={width * cell}:{height * cell}:flags=neighbor:out_color_matrix={colours}"),
            *("-c:v", "libx264", "-preset", *preset, "-crf", "20", "-pix_fmt", "yuv420p", "-threads", "1"),
            *("-colorspace", colours, "-color_primaries", colours, "-color_trc", colours),
            *("-g", str(frames_per_second), "-movflags", flags, "-flush_packets", "1"),
            *("-f", "mp4", f"file:{path}"),
        ]
        options: dict[str, Any] = {}
        if sys.platform == "win32":
            options["creationflags"] = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        else:
            options["process_group"] = 0  # Ctrl+C in a terminal is for the program, which ends the video.
        # Not imageio-ffmpeg's own writer: it runs Python in a fork, against which JAX warns, and keeps
        # neither the encoder's words nor its exit status.
        self._words = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._words, **options
            )
        except OSError as error:
            self._words.close()
            raise VideoUnavailableError(
                f"ffmpeg cannot be run: {reason_of(error)}; {VIDEO_REMEDY}"
            ) from error
        if hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):  # It gives way to the frames.
                os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICENESS)

    def write(self, image: np.ndarray, count: int = 1) -> None:
        """Append uint8[H, W, 3] as so many frames; waits for the encoder.

        Raises:
            OutputError: the encoder ended; the message is its reason.
        """
        assert self._process.stdin is not None
        frame = image.tobytes()
        try:
            while count > 0:
                at_once = min(count, _REPEATED_AT_ONCE)
                self._process.stdin.write(frame * at_once)
                count -= at_once
        except OSError as error:
            self._finish(str(error))

    def close(self) -> None:
        """Finish the file.

        Raises:
            OutputError: it could not be finished; the message is the encoder's reason.
        """
        self._finish("")

    def kill(self) -> None:
        """End the encoder at once."""
        self._process.kill()
        self._release()

    def _finish(self, problem: str) -> None:
        if self._words.closed:
            return
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError as error:
            problem = problem or str(error)
        try:
            status = self._process.wait(_CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status, problem = self._process.wait(), "the encoder does not answer"
        self._words.seek(0)
        words = self._words.read().decode("utf-8", "replace").strip().splitlines()
        self._release()
        if status or problem:
            raise OutputError(_reason(status, words) or problem)

    def _release(self) -> None:
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._process.wait()
        self._words.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()


def _reason(status: int, words: list[str]) -> str:
    """Why an encoder ended, in a few words."""
    if status < 0:
        return f"the encoder was ended by signal {-status}"
    for reason in map(os.strerror, _TOLD_ERRORS):
        if any(reason in line for line in words):
            return reason
    return f"the encoder failed: {one_line(words[-1])[:120]}" if words else ""


def is_playable(path: Path) -> bool:
    """Whether a fragmented MP4 that broke off holds anything to play."""
    try:
        with path.open("rb") as file:
            return _MP4_FRAGMENT in file.read(_SEARCHED_BYTES)
    except OSError:
        return False
