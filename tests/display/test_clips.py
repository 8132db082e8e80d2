"""Clips: real files, decoded again."""

import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from nca_viewer import video_files
from nca_viewer.display import clips
from nca_viewer.display.clips import (
    CLIP_SUFFIXES,
    ClipRecorder,
    FrameHistory,
    TimedImage,
    at_constant_rate,
    duration_text,
    frame_size,
    write_gif_clip,
    write_video_clip,
)
from nca_viewer.video_files import VideoStream, find_ffmpeg, video_cell_pixels

RATE = 30


def grey(level, height=5, width=7):
    return np.full((height, width, 3), level, np.uint8)


def decoded(path):
    """Frames of a video, and what ffmpeg says of it: the size, the frames per second, the pixel format."""
    # Not imageio-ffmpeg's own reader, which leaves its pipes open.
    command = [find_ffmpeg(), "-hide_banner", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    result = subprocess.run(command, capture_output=True, check=True, timeout=60)
    described = next(line for line in result.stderr.decode().splitlines() if "Video: h264" in line)
    width, height = map(int, re.search(r" (\d{2,})x(\d{2,})", described).groups())
    rate = float(re.search(r"([\d.]+) fps", described)[1])
    frames = np.frombuffer(result.stdout, np.uint8).reshape(-1, height, width, 3)
    return frames, ((width, height), rate, re.search(r"yuv\w+", described)[0])


def play(recorder, levels, begin=10.0, rate=RATE):
    for number, level in enumerate(levels):
        recorder.add(grey(level), begin + number / rate)


def told(recorder, timeout_seconds=60.0):
    messages = []
    end = time.monotonic() + timeout_seconds
    while not messages and time.monotonic() < end:
        messages = recorder.poll()
        time.sleep(0.01)
    return messages


# ---- times ----


def test_each_image_is_shown_for_its_time_whatever_the_jitter():
    images = [TimedImage(grey(n), seconds) for n, seconds in enumerate((0.0, 0.11, 0.12, 0.31, 1.0))]
    shown = [(int(image[0, 0, 0]), count) for image, count in at_constant_rate(images, 0.0, 1.5, 10)]
    assert shown == [(0, 1), (2, 2), (3, 7), (4, 5)]


@pytest.mark.parametrize("end", [0.0, 0.01, 3.0])
def test_there_is_a_frame_at_least_and_none_beyond_the_end(end):
    images = [TimedImage(grey(1), -5.0), TimedImage(grey(2), 99.0)]
    counts = [count for _, count in at_constant_rate(images, 0.0, end, 50)]
    assert sum(counts) == max(1, round(end * 50))


def test_the_history_holds_the_last_seconds_and_no_image_twice():
    history = FrameHistory(2.0)
    assert history.last(2.0) == ((), 0.0, 0.0)
    for number in range(100):
        history.add(grey(number // 10), number / 10)
    images, begin, end = history.last(99.0)
    assert (begin, end) == (pytest.approx(7.9), 9.9)
    assert [int(timed.image[0, 0, 0]) for timed in images] == [7, 8, 9]
    images, begin, end = history.last(0.5)
    assert [int(timed.image[0, 0, 0]) for timed in images] == [9]
    assert begin == pytest.approx(9.4)
    history.add(grey(3, 9, 9), 10.0)  # Another view.
    assert [int(timed.image[0, 0, 0]) for timed in history.last(99.0)[0]] == [8, 9, 3]


def test_the_history_is_bounded_in_memory(monkeypatch):
    monkeypatch.setattr(clips, "MAX_HELD_BYTES", 10 * grey(0).nbytes)
    history = FrameHistory()
    for number in range(50):
        history.add(grey(number), number / 50)
    images, begin, _ = history.last(20.0)
    assert len(images) == 10
    assert begin == pytest.approx(0.8)


def test_what_is_drawn_over_an_image_later_is_not_in_the_clip():
    history, image = FrameHistory(), grey(4)
    history.add(image, 0.0)
    image[:] = 9
    assert (history.last(1.0)[0][0].image == 4).all()


# ---- the last seconds ----


def test_the_last_seconds_as_a_video(tmp_path):
    recorder = ClipRecorder(tmp_path, frames_per_second=RATE)
    play(recorder, [20] * 30 + [100, 200] * 30 + [240])
    recorder.save_last(2.0)
    (message,) = told(recorder)
    (path,) = tmp_path.iterdir()
    assert message == clips.ClipMessage(f"Saved the last 2 seconds as {path}")
    frames, facts = decoded(path)
    assert len(frames) == 2 * RATE
    assert facts == ((784, 560), RATE, "yuv420p")
    levels = [int(frame.mean()) for frame in frames]
    assert levels == [pytest.approx(level, abs=4) for level in [100, 200] * 30]


def test_the_last_seconds_as_a_gif(tmp_path):
    recorder = ClipRecorder(tmp_path, suffix=".gif")
    play(recorder, [0] * 25 + [50] * 25 + [90] * 26, rate=25)
    recorder.save_last(2.0)
    (message,) = told(recorder)
    (path,) = tmp_path.glob("*.gif")
    assert not message.is_error
    with Image.open(path) as animation:
        shown = []
        for number in range(animation.n_frames):
            animation.seek(number)
            shown.append((animation.convert("RGB").getpixel((9, 9))[0], animation.info["duration"]))
    assert shown == [(50, 1000), (90, 1000)]


def test_colours_survive_both(tmp_path):
    image = grey(0)
    image[2, 3] = (255, 0, 0)
    for suffix in clips.CLIP_SUFFIXES:
        recorder = ClipRecorder(tmp_path, suffix=suffix, frames_per_second=10)
        recorder.add(image, 0.0)
        recorder.add(image, 0.5)
        recorder.save_last()
        assert not any(message.is_error for message in recorder.close())
    (video,) = tmp_path.glob("*.mp4")
    frames, _ = decoded(video)
    assert len(frames) == 5
    cell = video_cell_pixels(5, 7)
    assert frames[0][int(2.5 * cell), int(3.5 * cell)] == pytest.approx([255, 0, 0], abs=12)
    assert frames[0][cell // 2, cell // 2] == pytest.approx([0, 0, 0], abs=6)


def test_without_the_extra_the_last_seconds_are_a_gif_and_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    recorder = ClipRecorder(tmp_path)
    play(recorder, range(60))
    recorder.save_last(1.0)
    (message,) = told(recorder)
    (path,) = tmp_path.iterdir()
    assert path.suffix == ".gif"
    assert "pip install imageio-ffmpeg" in message.text
    recorder.start()
    (message,) = told(recorder)
    assert message.is_error
    assert "pip install imageio-ffmpeg" in message.text
    assert recorder.elapsed_seconds is None
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", clips.CLIP_SUFFIXES)
@pytest.mark.parametrize("what", ["missing", "a file", "encoder"])
def test_what_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, suffix, what):
    folder = tmp_path / "folder"
    if what == "a file":
        folder.write_text("")
    elif what == "encoder":
        if suffix == ".gif":
            pytest.skip("has none")
        folder.mkdir()
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/false")
    recorder = ClipRecorder(folder, suffix=suffix)
    play(recorder, range(30))
    recorder.save_last()
    (message,) = told(recorder)
    assert message.is_error
    assert "\n" not in message.text
    assert "folder" in message.text
    assert not folder.is_dir() or not list(folder.iterdir())


def test_nothing_shown_yet_is_told(tmp_path):
    recorder = ClipRecorder(tmp_path)
    recorder.save_last()
    recorder.start()
    assert [message.is_error for message in recorder.poll()] == [True, True]


# ---- recordings ----


def test_a_recording_has_all_frames_from_start_to_stop(tmp_path):
    recorder = ClipRecorder(tmp_path, frames_per_second=RATE)
    recorder.add(grey(7), 0.0)
    recorder.start()
    assert recorder.elapsed_seconds == 0.0
    play(recorder, [30, 60] * 30 + [200] * 61, begin=1 / RATE)
    assert recorder.elapsed_seconds == pytest.approx(121 / RATE)
    recorder.stop()
    assert recorder.elapsed_seconds is None
    (message,) = told(recorder)
    (path,) = tmp_path.iterdir()
    assert message == clips.ClipMessage(f"Saved 0:04 as {path}")
    frames, facts = decoded(path)
    assert facts[1] == RATE
    levels = [int(frame.mean()) for frame in frames]
    assert levels == [pytest.approx(level, abs=4) for level in [7] + [30, 60] * 30 + [200] * 60]


def wait_for(condition, timeout_seconds=30.0):
    end = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def go_on(recorder, number):
    """Show further images until there is something to tell."""
    messages, last = [], number + 1000
    while not messages and number < last:
        recorder.add(grey(number % 200), number / RATE)
        messages = recorder.poll()
        number += 1
        time.sleep(0.02)
    return messages


@pytest.fixture
def encoders(monkeypatch):
    """The process ids of the encoders that are started."""
    started = []
    begin = VideoStream.__init__

    def noted(self, *arguments, **options):
        begin(self, *arguments, **options)
        started.append(self._process.pid)

    monkeypatch.setattr(VideoStream, "__init__", noted)
    return started


def test_a_killed_encoder_is_told_and_what_it_wrote_is_kept(tmp_path, encoders):
    recorder = ClipRecorder(tmp_path, frames_per_second=RATE)
    recorder.add(grey(0), 0.0)
    recorder.start()
    play(recorder, range(1, 91), begin=0.0)
    wait_for(lambda: any(video_files.is_playable(path) for path in tmp_path.iterdir()))
    os.kill(encoders[0], signal.SIGKILL)
    messages = go_on(recorder, 91)
    (path,) = tmp_path.iterdir()
    assert messages[0].is_error
    assert "ended by signal 9" in messages[0].text
    assert str(path) in messages[0].text
    assert len(decoded(path)[0]) >= RATE
    assert recorder.elapsed_seconds is None


def test_an_encoder_killed_before_it_wrote_anything_leaves_nothing(tmp_path, encoders):
    recorder = ClipRecorder(tmp_path, frames_per_second=RATE)
    recorder.add(grey(0), 0.0)
    recorder.start()
    wait_for(lambda: encoders)
    os.kill(encoders[0], signal.SIGKILL)
    recorder.stop()
    (message,) = told(recorder)
    assert message.is_error
    assert message.text.startswith("the recording is lost: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("limit", "value", "text"),
    [("MAX_RECORDING_BYTES", 1000, "reached"), ("LEAST_FREE_BYTES", 2**60, "the disk has ")],
)
def test_a_recording_ends_where_the_disk_sets_a_limit(tmp_path, monkeypatch, limit, value, text):
    recorder = ClipRecorder(tmp_path, frames_per_second=RATE)
    recorder.add(grey(0), 0.0)
    recorder.start()
    wait_for(lambda: list(tmp_path.iterdir()))
    monkeypatch.setattr(clips, limit, value)
    play(recorder, range(1, 91), begin=0.0)
    messages = go_on(recorder, 91)
    (path,) = tmp_path.iterdir()
    assert text in messages[0].text
    assert messages[0].is_error
    assert len(decoded(path)[0])


def test_a_recording_does_not_begin_on_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "LEAST_FREE_BYTES", 2**60)
    recorder = ClipRecorder(tmp_path)
    recorder.add(grey(0), 0.0)
    recorder.start()
    (message,) = told(recorder)
    assert "MiB left" in message.text
    assert "make room" in message.text
    assert not list(tmp_path.iterdir())


def test_a_recording_has_an_end_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "MAX_RECORDING_SECONDS", 60.0)
    recorder = ClipRecorder(tmp_path, frames_per_second=2)
    recorder.add(grey(0), 5.0)
    recorder.start()
    recorder.add(grey(50), 35.0)
    recorder.add(grey(99), 9000.0)  # The computer slept.
    assert recorder.elapsed_seconds is None
    messages = recorder.close()
    assert [message.text[:23] for message in messages] == [
        "The recording has reach",
        f"Saved 1:00 as {tmp_path}"[:23],
    ]
    (path,) = tmp_path.iterdir()
    assert len(decoded(path)[0]) == 120


def test_a_full_queue_drops_images_says_so_and_keeps_the_time(tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "_QUEUE_FRAMES", 2)
    recorder = ClipRecorder(tmp_path, frames_per_second=RATE)
    recorder.add(grey(0), 0.0)
    recorder.start()
    for number in range(1, 91):
        recorder.add(grey(number), number / RATE)
    (message,) = recorder.close()
    assert "images came too fast and were dropped" in message.text
    (path,) = tmp_path.iterdir()
    assert len(decoded(path)[0]) == 90


SIZES = [(8, 8), (3, 9), (5, 115), (2, 2), (40, 9)]


@pytest.mark.parametrize("size", SIZES)
def test_an_image_of_another_size_is_fitted_into_the_frame_that_a_recording_began_with(tmp_path, size):
    recorder = ClipRecorder(tmp_path, frames_per_second=RATE)
    recorder.add(grey(200), 0.0)
    recorder.start()
    recorder.add(grey(200), 1.0)
    recorder.add(grey(100, *size), 1.1)
    recorder.add(grey(200), 2.0)
    recorder.add(grey(200), 2.5)
    assert recorder.elapsed_seconds == 2.5
    (message,) = recorder.close()
    (path,) = tmp_path.iterdir()
    assert message == clips.ClipMessage(f"Saved 0:02 as {path}")
    frames, _ = decoded(path)
    assert len(frames) == 2.5 * RATE
    assert_letterboxed(frames, size)


def assert_letterboxed(frames, size):
    """The first, and the last, are all of the first image; between them the other is whole in the middle."""
    assert (abs(frames[[0, -1]].astype(int) - 200) < 6).all()
    middle = frames[len(frames) * 3 // 5].astype(int)
    shown = abs(middle - 100).max(axis=2) < 6
    rows, columns = (np.nonzero(shown.any(axis=axis))[0] for axis in (1, 0))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert height / width == pytest.approx(size[0] / size[1], rel=0.35)
    assert max(height / middle.shape[0], width / middle.shape[1]) > 0.6
    for side in (0, 1):
        place, length = (rows, columns)[side], middle.shape[side]
        assert abs(place[0] - (length - 1 - place[-1])) <= length // 20
    assert (abs(middle[~shown].mean(axis=0) - clips.BACKGROUND) < 20).all() or shown.all()


@pytest.mark.parametrize("suffix", clips.CLIP_SUFFIXES)
@pytest.mark.parametrize("size", [(8, 8), (40, 9)])
def test_the_last_seconds_go_on_where_a_view_of_another_size_comes(tmp_path, size, suffix):
    recorder = ClipRecorder(tmp_path, frames_per_second=25, suffix=suffix)
    recorder.add(grey(200), 0.0)
    recorder.add(grey(100, *size), 1.0)
    recorder.add(grey(200), 2.0)
    recorder.add(grey(200), 2.4)
    recorder.save_last()
    (message,) = recorder.close()
    (path,) = tmp_path.iterdir()
    assert message == clips.ClipMessage(f"Saved the last 2 seconds as {path}")
    if suffix == ".mp4":
        frames = decoded(path)[0]
        assert len(frames) == 60
    else:
        with Image.open(path) as animation:
            frames = np.stack([np.asarray(seek(animation, n)) for n in range(animation.n_frames)])
        assert len(frames) == 3
        frames = frames[[0, 1, 1, 1, 2]]
    assert_letterboxed(frames, size)


def seek(animation, number):
    animation.seek(number)
    return animation.convert("RGB")


def test_what_is_held_is_bounded_in_memory_whatever_the_sizes(monkeypatch):
    monkeypatch.setattr(clips, "MAX_HELD_BYTES", 10 * grey(0).nbytes)
    history = FrameHistory()
    for number in range(60):
        history.add(grey(number, *(5, 7) if number % 20 < 10 else (10, 14)), number / RATE)
        images, _, _ = history.last(20.0)
        assert len(images) <= 2 or sum(timed.image.nbytes for timed in images) <= clips.MAX_HELD_BYTES


def test_a_folder_that_goes_away_meanwhile_is_one_line(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    recorder = ClipRecorder(folder, frames_per_second=RATE)
    recorder.add(grey(0), 0.0)
    recorder.start()
    wait_for(lambda: list(folder.iterdir()))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    recorder.add(grey(9), 3.0)
    (message,) = recorder.close()
    assert message.is_error
    assert "\n" not in message.text


@pytest.mark.parametrize(
    ("size", "wanted"), [((28, 28), 20), ((5, 7), 112), ((27, 28), 22), ((600, 600), 1), ((561, 600), 2)]
)
def test_sides_of_a_video_are_even_and_large_enough(size, wanted):
    cell = video_cell_pixels(*size)
    assert cell == wanted
    assert all(side * cell % 2 == 0 and side * cell >= 560 for side in size)


def test_a_clock():
    assert [duration_text(seconds) for seconds in (0, 7.9, 60, 599.9)] == ["0:00", "0:07", "1:00", "9:59"]


@pytest.mark.parametrize("suffix", CLIP_SUFFIXES)
def test_frames_of_views_of_other_sizes_are_made_one_by_one(tmp_path, suffix):
    wide = np.zeros((60, 210, 3), np.uint8)
    images = [TimedImage(wide, 0.0)]
    images += [TimedImage(np.full((11, 13, 3), number, np.uint8), number / 60) for number in range(1, 60)]
    height, width = frame_size(wide)
    tracemalloc.start()
    try:
        if suffix == ".gif":
            write_gif_clip(tmp_path / "a.gif", images, 0.0, 1.0)
        else:
            write_video_clip(tmp_path / "a.mp4", images, 0.0, 1.0, 60)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < len(images) / 3 * height * width * 3
