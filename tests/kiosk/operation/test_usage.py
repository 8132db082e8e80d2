"""Counting by the hour: what counts as a heal, and a file that loses nothing."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.checkpoint import load_checkpoint
from nca_viewer.interaction.actions import Tool
from nca_viewer.interaction.strokes import stroke_region
from nca_viewer.kiosk.operation import usage
from nca_viewer.kiosk.operation.usage import HEAL_SECONDS, Counts, UsageBook, follow_damage
from nca_viewer.simulation import Simulation
from nca_viewer.start_images import StartImages

NOON = datetime(2026, 11, 24, 12, 34, 56, tzinfo=UTC)
DIGIT = np.zeros((28, 28, 3), np.uint8)
DIGIT[8:20, 12:16] = 255
DAMAGED = DIGIT.copy()
DAMAGED[10:14] = 0


def heals(frames):
    """How often damage heals in frames of (seconds, hands on, picture, episode)."""
    damage, count, before = None, 0, frames[0][2]
    for seconds, hands_on, image, episode in frames:
        damage, is_healed = follow_damage(
            damage, now_seconds=seconds, hands_on=hands_on, before=before, image=image, episode=episode
        )
        count += is_healed
        before = image
    return count


def story(after, *, episode=1, hands=((1.0, True), (1.1, True))):
    return [
        (0.0, False, DIGIT, 1),
        *((seconds, on, DAMAGED, 1) for seconds, on in hands),
        (2.0, False, DAMAGED, episode),
        (3.0, False, after, episode),
        (3.0 + HEAL_SECONDS, False, after, episode),
        (60.0, False, after, episode),
    ]


def test_damage_that_closes_is_a_heal_once():
    assert heals(story(DIGIT)) == 1


def test_damage_that_stays_is_none():
    assert heals(story(DAMAGED)) == 0


def test_damage_that_mostly_closes_is_one():
    mostly = DIGIT.copy()
    mostly[10] = 0
    assert heals(story(mostly)) == 1


@pytest.mark.parametrize(("rows_left", "is_healed"), [(2, True), (3, False)])
def test_half_of_it_is_enough(rows_left, is_healed):
    partly = DIGIT.copy()
    partly[10 : 10 + rows_left] = 0
    assert heals(story(partly)) == is_healed


@pytest.mark.usefixtures("compiled_for_people")
@pytest.mark.parametrize(("checkpoint", "is_healed"), [("model", True), ("seed-recipe", False)])
def test_what_the_bundled_automata_make_of_a_stroke(checkpoint, is_healed):
    model, _ = load_checkpoint(checkpoint)
    simulation = Simulation(model, seed=5)
    simulation.begin(StartImages(simulation.config, 5).digit(3, 1), 0.5)
    simulation.advance(64)

    def picture():
        return simulation.request_snapshot().result().image

    frames = [(0.0, False, picture(), 1)]
    simulation.apply(Tool.ERASE, stroke_region((12, 14), (15, 17), 1, 28, 28))
    frames += [(0.1, True, picture(), 1)]
    simulation.advance(round(60 * HEAL_SECONDS))
    assert heals([*frames, (0.2 + HEAL_SECONDS, False, picture(), 1)]) == is_healed


def test_a_fresh_digit_heals_nothing():
    assert heals(story(DIGIT, episode=2)) == 0


def test_without_hands_nothing_heals():
    assert heals(story(DIGIT, hands=())) == 0


def test_a_touch_that_changes_nothing_to_speak_of_is_no_damage():
    barely = DIGIT.copy()
    barely[0, 0] = 255
    assert (
        heals([(0, False, DIGIT, 1), (1, True, barely, 1), (2, False, DIGIT, 1), (9, False, DIGIT, 1)]) == 0
    )


def test_another_automaton_heals_nothing_of_this_one():
    other = np.zeros((11, 13, 3), np.uint8)
    assert (
        heals([*story(DAMAGED)[:3], (2.5, True, other, 1), (3.0, False, other, 1), (30.0, False, other, 1)])
        == 0
    )


def test_hands_that_go_on_keep_the_damage_open():
    frames = [(float(second), True, DAMAGED, 1) for second in range(1, 60)]
    assert heals([(0.0, False, DIGIT, 1), *frames, (63.0, False, DIGIT, 1)]) == 1


def test_counts_are_added_to_the_row_of_their_hour(tmp_path):
    path = tmp_path / "new" / "usage.csv"
    for run in range(2):
        book = UsageBook(path)
        book.write()
        assert len(path.read_text().splitlines()) == 1 + 2 * run
        book.add(Counts(visits=1, strokes=3), NOON)
        book.add(Counts(strokes=1, heals=1), NOON + timedelta(minutes=5))
        book.add(Counts(resets=1), NOON + timedelta(hours=1))
        book.write()
        assert not book.has_news
    assert path.read_text() == (
        "hour,visits,strokes,heals,resets\n2026-11-24T12:00+00:00,2,8,2,0\n2026-11-24T13:00+00:00,0,0,0,2\n"
    )
    assert [entry.name for entry in path.parent.iterdir()] == ["usage.csv"]


def test_a_place_that_cannot_be_written_shows_before_anything_is_counted(tmp_path):
    (tmp_path / "file").write_text("in the way")
    book = UsageBook(tmp_path / "file" / "usage.csv")
    assert book.has_news
    with pytest.raises(OSError, match=r"directory|exists"):
        book.write()
    assert book.has_news


def test_what_could_not_be_written_is_kept(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    book = UsageBook(tmp_path / "usage.csv")
    book.add(Counts(visits=1), NOON)
    book.write()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        book.add(Counts(visits=1), NOON)
        with pytest.raises(OSError, match="No space left"):
            book.write()
    book.add(Counts(visits=1), NOON)
    book.write()
    assert (tmp_path / "usage.csv").read_text().splitlines()[1:] == ["2026-11-24T12:00+00:00,3,0,0,0"]


HEADER = b"hour,visits,strokes,heals,resets\n"


@pytest.mark.parametrize(
    "content",
    [
        HEADER + b"noon,1,2\n",
        HEADER.replace(b",", b";") + b"2026-11-24T12:00+00:00;1;2;3;4\n",
        HEADER + b"2026-11-24T12:00+00:00,5.0,2,3,4\n",
        HEADER + b"2026-11-24T12:00+00:00,1,2,3,4,a school class\n",
        HEADER + b"2026-11-24T12:00+00:00,1,2,3," + b"9" * 5000,
        HEADER.decode().encode("utf-16"),
        b"name,mail\nAlice,a@b\n",
        b"\x00\n",
    ],
)
def test_a_file_that_holds_anything_else_is_put_aside_and_lost_never(tmp_path, content):
    path = tmp_path / "usage.csv"
    for round_number in (1, 2):
        path.write_bytes(content)
        book = UsageBook(path)
        book.add(Counts(visits=1), NOON)
        book.write()
        assert path.read_text().splitlines()[1:] == ["2026-11-24T12:00+00:00,1,0,0,0"]
        aside = [other for other in tmp_path.iterdir() if other != path]
        assert [other.read_bytes() for other in aside] == [content] * round_number
        assert all(re.fullmatch(r"usage-\d{8}T\d{6}Z(-\d+)?\.csv", other.name) for other in aside)


def test_empty_lines_and_a_byte_order_mark_are_no_obstacle(tmp_path):
    path = tmp_path / "usage.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HEADER + b"\n2026-11-24T12:00+00:00,1,2,3,4\n\n")
    book = UsageBook(path)
    book.add(Counts(visits=1), NOON)
    book.write()
    assert path.read_text().splitlines()[1:] == ["2026-11-24T12:00+00:00,2,2,3,4"]


def test_the_file_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(usage, "MAX_ROWS", 5)
    book = UsageBook(tmp_path / "usage.csv")
    for hour in range(9):
        book.add(Counts(visits=1), NOON + timedelta(hours=hour))
    book.write()
    assert len((tmp_path / "usage.csv").read_text().splitlines()) == 1 + 5


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 5), st.booleans()), max_size=30))
def test_nothing_is_lost_whatever_the_clock_does(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("usage") / "usage.csv"
    book = UsageBook(path)
    for hour, strokes, is_restarted in entries:
        book.add(Counts(strokes=strokes), NOON + timedelta(hours=hour))
        if is_restarted:
            book.write()
            book = UsageBook(path)
    book.write()
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    assert sum(int(row[2]) for row in rows) == sum(strokes for _, strokes, _ in entries)
    assert len({row[0] for row in rows}) == len(rows) == len({hour for hour, _, _ in entries})
