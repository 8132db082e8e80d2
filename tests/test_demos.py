import pytest

from nca_viewer.backend import environment
from nca_viewer.checkpoint import load_checkpoint
from nca_viewer.demos import demos
from nca_viewer.pacing import VISIBLE_TEMPO
from nca_viewer.recording.lines import Caption, Edit, End, Position
from nca_viewer.recording.reader import read_header, read_record
from nca_viewer.recording.replay import Replay, changes_since, replay_headless
from nca_viewer.recording.tour import CHECKPOINT, SCRIPTS, make_demos
from nca_viewer.simulation import Simulation

# Another compiler rounds otherwise; the demos were made with all its optimisations.
pytestmark = pytest.mark.usefixtures("compiled_for_people", "backend_checked_once")

DEMOS = demos()


def named(demo):
    return demo.name


def require_alike(path, difference):
    """States are the same, wherever they are computed as they were when the demo was made."""
    if not changes_since(read_header(path).environment, environment()):
        assert difference is None, str(difference)


@pytest.fixture(scope="module")
def model():
    return load_checkpoint(CHECKPOINT)


@pytest.fixture(scope="module")
def simulation(model):
    return Simulation(model[0], seed=0)


def test_the_tour_has_its_order():
    assert [demo.name for demo in DEMOS] == ["what-one-cell-sees", "wound-and-memory", "wiped-page"]
    assert DEMOS[-1].title == "Why a wiped page does not come back"


def timed(header, lines, silent_steps):
    """When each line of a record comes, in seconds from its start."""
    seconds, hand_step, at = 0.0, 0, Position(header.episode, 0)
    for line in lines:
        for step in range(at.step, line.at.step):
            seconds += 1.0 / VISIBLE_TEMPO.steps_per_second(step, hand_step, silent_steps)
        yield seconds, line
        at = line.at.after(line.what)
        if at != line.at:
            hand_step = 0
        elif isinstance(line.what, Edit):
            hand_step = at.step


@pytest.mark.parametrize("demo", DEMOS, ids=named)
def test_a_demo_takes_a_minute_and_its_captions_can_be_read(demo, model):
    record = read_record(demo.path)
    assert record.note == ""
    moments = list(timed(record.header, record.lines(), model[1].silent_steps()))
    assert 50 <= moments[-1][0] <= 75
    assert isinstance(moments[-1][1].what, End)
    captions = [(seconds, line.what) for seconds, line in moments if isinstance(line.what, Caption)]
    assert len(captions) >= 8
    ends = [*(seconds for seconds, _ in captions[1:]), moments[-1][0]]
    for (seconds, caption), end in zip(captions, ends, strict=True):
        assert caption.seconds >= 1 + len(caption.text) / 20, caption.text
        assert seconds + caption.seconds <= end + 0.3, caption.text


@pytest.mark.parametrize("demo", DEMOS, ids=named)
def test_a_demo_begins_as_it_was_made(demo, simulation, model):
    replay = Replay(read_record(demo.path), simulation, checkpoint_sha256=model[1].sha256)
    while replay.steps < 100 or replay.is_due:
        replay.advance(100 - replay.steps)
    replay.finish()
    assert replay.checks == 1
    require_alike(demo.path, replay.difference)


@pytest.mark.slow
@pytest.mark.parametrize("demo", DEMOS, ids=named)
def test_a_demo_is_repeated_to_its_end(demo):
    report = replay_headless(demo.path, None)
    assert report.steps == read_record(demo.path).steps
    assert report.checks >= 5
    require_alike(demo.path, report.difference)


@pytest.mark.slow
def test_what_the_captions_say_is_so(tmp_path):
    make_demos(tmp_path)
    assert [path.stem for path in sorted(tmp_path.iterdir())] == list(SCRIPTS)
    for demo in DEMOS:
        made = read_record(tmp_path / demo.path.name)
        if made.header.environment == environment() == read_record(demo.path).header.environment:
            assert (tmp_path / demo.path.name).read_bytes() == demo.path.read_bytes()
