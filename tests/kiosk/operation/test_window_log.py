from nca_viewer.kiosk.operation import window_log
from nca_viewer.kiosk.operation.window_log import WindowLog


def test_a_fight_over_the_window_is_told_once_a_minute(monkeypatch):
    told = []
    monkeypatch.setattr(window_log, "log_event", lambda event, text: told.append((event.word, text)))
    log = WindowLog()
    for second in range(150):
        log.note("moved", float(second))
    assert told == [
        ("window", "moved; brought back"),
        ("window", "moved; brought back, 60 times since the last line"),
        ("window", "moved; brought back, 60 times since the last line"),
    ]
