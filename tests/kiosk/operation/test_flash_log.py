"""What the log tells of flashes that were held back."""

from nca_viewer.kiosk.operation import flash_log
from nca_viewer.kiosk.operation.flash_log import TELLING_SECONDS, FlashLog


def test_frames_are_counted_in_good_english_once_a_minute(monkeypatch):
    told = []
    monkeypatch.setattr(flash_log, "log_event", lambda event, text: told.append(text))
    log = FlashLog()
    for seconds in (0.0, 1.0, 2.0, TELLING_SECONDS):
        log.note(seconds)
    assert told == ["1 frame held back, 1 in all", "3 frames held back, 4 in all"]
