"""Clips of what the window shows: its last seconds, and recordings; written in the background."""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import shutil
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nca_viewer.atomic_files import atomic_write, free_path, output_error
from nca_viewer.display.capture import dated_stem, require_folder, write_timed_animation
from nca_viewer.display.palette import BACKGROUND
from nca_viewer.errors import OutputError, UserError, reason_of, unexpected_message
from nca_viewer.video_files import (
    VideoStream,
    VideoUnavailableError,
    find_ffmpeg,
    is_playable,
    video_cell_pixels,
)

CLIP_SUFFIXES = (".mp4", ".gif")
LAST_SECONDS = 20.0
MAX_HELD_BYTES = 64 * 1024 * 1024
"""Images of the last seconds may take so much memory; of a large grid there are fewer seconds."""

MAX_RECORDING_SECONDS = 600.0
MAX_RECORDING_BYTES = 512 * 1024 * 1024
LEAST_FREE_BYTES = 128 * 1024 * 1024
"""A recording neither begins nor goes on where the disk has less room than this."""

GIF_FRAMES_PER_SECOND = 25
_FRAME_CELL_PIXELS = 7
"""Frames have so many pixels for each cell of their first image: views of many tiles have smaller cells."""
_QUEUE_FRAMES = 128
_STAY_SECONDS = 1.0


@dataclass(frozen=True, eq=False, slots=True)
class TimedImage:
    """An image and since when it was shown.

    Attributes:
        image: uint8[H, W, 3], one pixel per cell; read-only.
        seconds: On the window's clock.
    """

    image: np.ndarray
    seconds: float


@dataclass(frozen=True, slots=True)
class ClipMessage:
    """What a person is told of a clip, in one line; errors are complaints."""

    text: str
    is_error: bool = False


def at_constant_rate(
    images: Iterable[TimedImage], begin_seconds: float, end_seconds: float, frames_per_second: float
) -> Iterator[tuple[np.ndarray, int]]:
    """Images and how many frames each is shown for; of those within one frame the last counts.

    There are (end - begin) x frames_per_second frames, rounded, and one at least.

    Args:
        images: In the order of their times. The first is shown from `begin_seconds` on.
        begin_seconds: Where the clip begins.
        end_seconds: Where it ends.
        frames_per_second: The constant rate.
    """

    def tick(seconds: float) -> int:
        return round((seconds - begin_seconds) * frames_per_second)

    shown, written, last_tick = None, 0, max(1, tick(end_seconds))
    for timed in images:
        count = min(tick(timed.seconds), last_tick) - written
        if shown is not None and count > 0:
            yield shown, count
            written += count
        shown = timed.image
    if shown is not None and last_tick > written:
        yield shown, last_tick - written


def frame_size(image: np.ndarray) -> tuple[int, int]:
    """(height, width) in pixels of frames that begin with an image, and have room for finer ones."""
    height, width = image.shape[:2]
    scale = min(_FRAME_CELL_PIXELS, video_cell_pixels(height, width))
    return height * scale, width * scale


def fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image in the middle of a frame, enlarged by a whole number, or reduced where it is larger.

    Args:
        image: uint8[H, W, 3].
        size: (height, width) of the frame in pixels.

    Returns:
        uint8[height, width, 3]; what the image leaves free is the window's background.
    """
    height, width = image.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    if scale >= 1:
        image = image.repeat(int(scale), axis=0).repeat(int(scale), axis=1)
    else:
        from PIL import Image

        reduced = (max(1, int(width * scale)), max(1, int(height * scale)))
        image = np.asarray(Image.fromarray(image).resize(reduced, Image.Resampling.BOX))
    height, width = image.shape[:2]
    if (height, width) == size:
        return image
    frame = np.full((*size, 3), BACKGROUND, np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    frame[top : top + height, left : left + width] = image
    return frame


class FrameHistory:
    """The images of the last seconds, each once for as long as it was shown; bounded in time and memory."""

    def __init__(self, seconds: float = LAST_SECONDS) -> None:
        """Hold nothing yet."""
        self._seconds = seconds
        self._images: deque[TimedImage] = deque()
        self._held_bytes = 0
        self._end_seconds = 0.0

    def add(self, image: np.ndarray, now_seconds: float) -> TimedImage | None:
        """Take what is shown from now on, uint8[H, W, 3]; it is copied.

        Returns:
            It, or None where it looks as the one before.
        """
        images = self._images
        self._end_seconds = now_seconds
        timed = None
        if not images or not np.array_equal(images[-1].image, image):
            timed = TimedImage(image.copy(), now_seconds)
            timed.image.flags.writeable = False
            images.append(timed)
            self._held_bytes += image.nbytes
        # The oldest is needed until the next one's time is the beginning.
        while len(images) > 1 and (
            images[1].seconds <= now_seconds - self._seconds
            or (len(images) > 2 and self._held_bytes > MAX_HELD_BYTES)
        ):
            self._held_bytes -= images.popleft().image.nbytes
        return timed

    def last(self, seconds: float) -> tuple[Sequence[TimedImage], float, float]:
        """What was shown in the last seconds: the images, where they begin and where they end.

        It begins later where there is less.
        """
        if not self._images:
            return (), 0.0, 0.0
        end = self._end_seconds
        begin = max(end - min(seconds, self._seconds), self._images[0].seconds)
        images = list(self._images)
        later = [number for number, timed in enumerate(images) if timed.seconds > begin]
        return images[max(0, (later[0] if later else len(images)) - 1) :], begin, end


class _Recording:
    """A recording that runs, seen from the frame loop."""

    def __init__(self, path: Path, first: TimedImage, frames_per_second: int) -> None:
        self.began_seconds = first.seconds
        self.dropped = 0
        self._stayed_seconds = first.seconds
        self._path = path
        self._frames_per_second = frames_per_second
        self._queue: queue.Queue[TimedImage | float] = queue.Queue(_QUEUE_FRAMES)
        self._queue.put(first)
        self._end: float | None = None
        self.message: ClipMessage | None = None
        self.thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self.thread.start()

    def add(self, image: TimedImage) -> None:
        """Hand an image over; where the encoder is behind, it is dropped, and the one before stays longer."""
        try:
            self._queue.put_nowait(image)
        except queue.Full:
            self.dropped += 1

    def stay(self, now_seconds: float) -> None:
        """Let an image that stays be written as time passes, now and then."""
        if now_seconds - self._stayed_seconds >= _STAY_SECONDS:
            self._stayed_seconds = now_seconds
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(now_seconds)

    def end(self, now_seconds: float) -> None:
        """Take nothing more; the file is finished in the background."""
        if self._end is None:
            self._end = now_seconds

    # ---- in the background ----

    def _run(self) -> None:
        try:
            self.message = self._record()
        except UserError as error:
            self.message = ClipMessage(str(error), is_error=True)
        except OSError as error:
            self.message = ClipMessage(str(output_error(self._path, error)), is_error=True)
        except Exception as error:  # The window goes on, whatever it was.
            self.message = ClipMessage(unexpected_message(error), is_error=True)

    def _record(self) -> ClipMessage:
        folder = self._path.parent
        require_folder(folder)
        if problem := _disk_problem(folder):
            raise OutputError(f"cannot record into {str(folder)!r}: {problem}")
        partial = folder / f".{self._path.stem}.{os.getpid()}.partial{self._path.suffix}"
        partial.touch()  # What is wrong with the place is known at once, and not after the encoder's delay.
        frames, checked, problem = 0, 0, ""
        first = self._queue.get()
        assert isinstance(first, TimedImage)
        size = frame_size(first.image)
        try:
            stream = VideoStream(partial, *size, self._frames_per_second, is_fragmented=True)
        except OutputError:
            partial.unlink(missing_ok=True)
            raise
        try:
            for image, count in self._paced(first):
                stream.write(fitted(image, size), count)  # Another view has another size.
                frames += count
                if frames - checked >= self._frames_per_second:
                    checked = frames
                    if problem := _limit(partial, folder):
                        break
            stream.close()
        except OutputError as error:
            problem = str(error)
        except BaseException:
            stream.kill()
            raise
        if not is_playable(partial):
            with contextlib.suppress(OSError):
                partial.unlink()
            raise OutputError(f"the recording is lost: {problem or 'the encoder wrote nothing'}")
        path = free_path(folder, self._path.stem, self._path.suffix)
        os.replace(partial, path)
        length = duration_text(frames / self._frames_per_second)
        dropped = f"; {self.dropped:,} images came too fast and were dropped" if self.dropped else ""
        where = str(os.path.abspath(path))
        if problem:
            return ClipMessage(f"The recording ended at {length}: {problem}; saved {where}{dropped}", True)
        return ClipMessage(f"Saved {length} as {where}{dropped}")

    def _paced(self, first: TimedImage) -> Iterator[tuple[np.ndarray, int]]:
        """Images and their numbers of frames, as they come, until the end."""
        shown, written = first.image, 0

        def tick(seconds: float) -> int:
            return round((seconds - self.began_seconds) * self._frames_per_second)

        while True:
            try:
                item = self._queue.get(timeout=0.1)
            except queue.Empty:
                if self._end is None:
                    continue
                if (count := max(1, tick(self._end)) - written) > 0:
                    yield shown, count
                return
            seconds = item if isinstance(item, float) else item.seconds
            if (count := tick(seconds) - written) > 0:
                yield shown, count
                written += count
            if not isinstance(item, float):
                shown = item.image


class ClipRecorder:
    """Saves what the window shows as clips; no call waits for a disk or an encoder.

    Called from the frame loop alone. Nothing here raises: what goes wrong is told by `poll`.
    """

    def __init__(self, folder: Path, *, frames_per_second: int = 60, suffix: str = ".mp4") -> None:
        """Hold nothing yet.

        Args:
            folder: Where clips go.
            frames_per_second: Of a video; a GIF has `GIF_FRAMES_PER_SECOND` at most.
            suffix: What the last seconds are saved as, one of `CLIP_SUFFIXES`. A recording is an MP4.
        """
        assert suffix in CLIP_SUFFIXES
        self._folder = folder
        self._frames_per_second = frames_per_second
        self._suffix = suffix
        self._history = FrameHistory()
        self._now_seconds = 0.0
        self._recording: _Recording | None = None
        self._ending: list[_Recording] = []
        self._saving: threading.Thread | None = None
        self._messages: queue.SimpleQueue[ClipMessage] = queue.SimpleQueue()

    @property
    def elapsed_seconds(self) -> float | None:
        """How long the recording that runs is; None where none runs."""
        if self._recording is None:
            return None
        return self._now_seconds - self._recording.began_seconds

    def add(self, image: np.ndarray, now_seconds: float) -> None:
        """Take what is shown in this frame.

        Args:
            image: uint8[H, W, 3], one pixel per cell; may change afterwards. One of another size than the
                first of a clip is fitted into the clip's frame.
            now_seconds: The window's clock, never going back.
        """
        self._now_seconds = now_seconds
        timed = self._history.add(image, now_seconds)
        recording = self._recording
        if recording is None:
            return
        limit = recording.began_seconds + MAX_RECORDING_SECONDS
        if now_seconds >= limit:
            self._now_seconds = limit
            self.stop()
            self._now_seconds = now_seconds
            self._tell(f"The recording has reached {MAX_RECORDING_SECONDS / 60:.0f} minutes and ends")
        elif timed is not None:
            recording.add(timed)
        else:
            recording.stay(now_seconds)

    def save_last(self, seconds: float = LAST_SECONDS) -> None:
        """Begin to save what was shown in the last seconds."""
        images, begin, end = self._history.last(seconds)
        if not images:
            self._tell("There is nothing to save yet", is_error=True)
        elif self._saving is not None and self._saving.is_alive():
            self._tell("The clip before is still being written; try again when it is done", is_error=True)
        else:
            stem = dated_stem()
            self._saving = threading.Thread(
                target=self._save, args=(stem, images, begin, end), name="clip", daemon=True
            )
            self._saving.start()

    def start(self) -> None:
        """Begin a recording; it needs the extra `video`."""
        images, _, end = self._history.last(0.0)
        if self._recording is not None:
            return
        if not images:
            self._tell("There is nothing to record yet", is_error=True)
            return
        path = self._folder / f"{dated_stem()}.mp4"
        self._recording = _Recording(path, TimedImage(images[-1].image, end), self._frames_per_second)

    def stop(self) -> None:
        """End the recording, if one runs; its file is finished in the background."""
        if self._recording is not None:
            self._recording.end(self._now_seconds)
            self._ending.append(self._recording)
            self._recording = None

    def poll(self) -> list[ClipMessage]:
        """What there is to tell since the last call, oldest first."""
        if self._recording is not None and not self._recording.thread.is_alive():
            self.stop()  # It ended by itself: a full disk, a killed encoder.
        for recording in list(self._ending):
            if not recording.thread.is_alive():
                self._ending.remove(recording)
                if recording.message is not None:
                    self._messages.put(recording.message)
        messages = []
        with contextlib.suppress(queue.Empty):
            while True:
                messages.append(self._messages.get_nowait())
        return messages

    def close(self, timeout_seconds: float = 60.0) -> list[ClipMessage]:
        """End the recording, wait for what is being written, and return what there is to tell.

        To be called when the window has closed.
        """
        self.stop()
        threads = [recording.thread for recording in self._ending]
        for thread in (*threads, self._saving):
            if thread is not None:
                thread.join(timeout_seconds)
        return self.poll()

    def _tell(self, text: str, *, is_error: bool = False) -> None:
        self._messages.put(ClipMessage(text, is_error))

    # ---- in the background ----

    def _save(self, stem: str, images: Sequence[TimedImage], begin: float, end: float) -> None:
        try:
            self._messages.put(self._saved(stem, images, begin, end))
        except UserError as error:
            self._tell(str(error), is_error=True)
        except OSError as error:
            self._tell(str(output_error(self._folder, error)), is_error=True)
        except Exception as error:  # The window goes on, whatever it was.
            self._tell(unexpected_message(error), is_error=True)

    def _saved(self, stem: str, images: Sequence[TimedImage], begin: float, end: float) -> ClipMessage:
        require_folder(self._folder)
        suffix, remedy = self._suffix, ""
        if suffix == ".mp4":
            try:
                find_ffmpeg()
            except VideoUnavailableError as error:
                suffix, remedy = ".gif", f" (a GIF: {error})"
        path = free_path(self._folder, stem, suffix)
        if suffix == ".gif":
            write_gif_clip(path, images, begin, end)
        else:
            write_video_clip(path, images, begin, end, self._frames_per_second)
        return ClipMessage(f"Saved the last {end - begin:.0f} seconds as {os.path.abspath(path)}{remedy}")


def write_gif_clip(path: Path, images: Sequence[TimedImage], begin: float, end: float) -> None:
    """Write what was shown between two times as a GIF; raises OutputError."""
    rate, size = GIF_FRAMES_PER_SECOND, _one_size(images)
    shown = list(at_constant_rate(images, begin, end, rate))
    write_timed_animation(
        path,
        [image for image, _ in shown],
        video_cell_pixels(*size),
        [count / rate for _, count in shown],
        fit=functools.partial(fitted, size=size),
    )


def write_video_clip(
    path: Path, images: Sequence[TimedImage], begin: float, end: float, frames_per_second: int
) -> None:
    """Write what was shown between two times as an MP4; raises OutputError."""
    size = _one_size(images)
    with atomic_write(path) as temporary:
        try:
            with VideoStream(temporary, *size, frames_per_second) as stream:
                for image, count in at_constant_rate(images, begin, end, frames_per_second):
                    stream.write(fitted(image, size), count)
        except VideoUnavailableError:
            raise
        except OutputError as error:
            raise OutputError(
                f"cannot write {str(path)!r}: {error}; choose another place or make room"
            ) from error


def _one_size(images: Sequence[TimedImage]) -> tuple[int, int]:
    """(height, width) in pixels of a clip's frames: the images' own; where these differ, room for all."""
    first = images[0].image
    if all(timed.image.shape == first.shape for timed in images):
        return first.shape[0], first.shape[1]
    return frame_size(first)


def duration_text(seconds: float) -> str:
    """As on a clock: 0:07, 9:59."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _disk_problem(folder: Path) -> str:
    free = shutil.disk_usage(folder).free
    if free >= LEAST_FREE_BYTES:
        return ""
    mebibyte = 1024 * 1024
    return (
        f"the disk has {free // mebibyte:,} MiB left, and {LEAST_FREE_BYTES // mebibyte:,} MiB are kept "
        "free; make room"
    )


def _limit(file: Path, folder: Path) -> str:
    """Why a recording may not go on, or nothing."""
    try:
        if file.stat().st_size >= MAX_RECORDING_BYTES:
            return f"the file has reached {MAX_RECORDING_BYTES // 1024**2:,} MiB"
        return _disk_problem(folder)
    except OSError as error:
        return reason_of(error)
