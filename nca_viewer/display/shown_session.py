"""A session in a person's own window: what is told of it, and what takes its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from nca_viewer.assets import demo_files, next_bundled
from nca_viewer.display.hud import Message
from nca_viewer.display.shown_panes import ShownPanes
from nca_viewer.errors import ConfigError, UserError
from nca_viewer.interaction.actions import (
    Action,
    BeforeDamage,
    BeginWith,
    ChangeChannel,
    ChangeExperiment,
    ChangeRadius,
    ChangeSpeed,
    EndExperiments,
    NextModel,
    NextTile,
    PlayDemo,
    Redo,
    ShowTile,
    StepBack,
    Undo,
)
from nca_viewer.interaction.controls import Controls, update
from nca_viewer.interaction.experimenting import told
from nca_viewer.loading import Loading, Session, load_beside, load_demo, succeeded
from nca_viewer.own_starts import OwnStarts
from nca_viewer.panes import Panes
from nca_viewer.recording.replay import Replay
from nca_viewer.watching import Refusal, Watcher


@dataclass(frozen=True, eq=False, slots=True)
class ShownSession:
    """A session that is shown, or goes on after a demo, and what is remembered of it.

    Attributes:
        session: What runs.
        panes: What is followed of it.
        own_starts: Pictures that are dropped or pasted to start from.
        told: What was told of it and is not told again.
    """

    session: Session
    panes: ShownPanes
    own_starts: OwnStarts
    told: set[str] = field(default_factory=set)

    def news(self, now_seconds: float) -> Iterator[Message | BeginWith]:
        """What own pictures, a training run, a record and a replay came to, each once."""
        found = self.own_starts.poll()
        if isinstance(found, UserError):
            yield Message.error(str(found), now_seconds)
        elif found is not None:
            yield BeginWith(found.image, found.text)
        session, replay = self.session, self.session.replay
        if session.watcher is not None:
            yield from self._watched(session.watcher, now_seconds)
        if session.recorder is not None and session.recorder.trouble:
            yield from self._once(Message.error(session.recorder.trouble, now_seconds))
        if replay is not None and replay.is_over:
            replay.finish()
        if replay is not None and replay.difference is not None:
            yield from self._once(Message.error(str(replay.difference), now_seconds))
        elif replay is not None and replay.is_over:
            yield from self._once(Message.info(_end_text(replay, session.own), now_seconds))

    def refusal(self, action: Action, controls: Controls) -> str:
        """Why an action can do nothing just now; empty where it can."""
        session, panes, timeline = self.session, self.panes, self.panes.timeline
        match action:
            case Undo() if not timeline.can_undo:
                return "There is nothing to undo"
            case Redo() if not timeline.can_redo:
                return "There is nothing to redo"
            case BeforeDamage() if not timeline.has_damage:
                return "There is no damage to go back before"
            case StepBack(steps) if steps > 0 and timeline.tick <= timeline.oldest_tick:
                return "There is no earlier step that is remembered"
            case StepBack(steps) if steps < 0 and not timeline.is_in_past and not session.is_replaying:
                return "There is no later step; run on"
            case ChangeSpeed(rungs) if update(controls, action) == controls:
                return f"This is the {'highest' if rungs > 0 else 'lowest'} speed"
            case ChangeRadius(cells) if update(controls, action) == controls:
                return f"This is the {'largest' if cells > 0 else 'smallest'} brush"
            case ChangeChannel() if update(controls, action) == controls:
                return "This is the first channel"
            case NextTile() | ShowTile(None) if controls.tile is None and not panes.has_tiles(controls):
                return "This view has no tiles"
            case ShowTile(None) if controls.tile is None:
                return "All tiles are shown"
            case EndExperiments() if not controls.killing and panes.experiments.is_neutral:
                return "There is no experiment to end"
            case ChangeExperiment(amount) if not panes.would_change(action):
                return f"The {amount} goes no further"
            case PlayDemo(None) if session.own is None:
                return "No demo is shown"
            case NextModel():
                return self.why_no_model
        return ""

    @property
    def why_no_model(self) -> str:
        """Why no other model may take the place of one that is shown; empty where it may."""
        session = self.session
        if session.own is not None:
            return "A demo is of one model; the page of demos leads back to your own first"
        for is_so, what in (
            (session.recorder is not None, "recorded"),
            (session.is_replaying, "replayed"),
            (session.watcher is not None, "watched"),
        ):
            if is_so:
                return f"What is {what} is of one model; start the viewer without that"
        return ""

    def _once(self, message: Message) -> Iterator[Message]:
        if message.text not in self.told:
            self.told.add(message.text)
            yield message

    def _watched(self, watcher: Watcher, now_seconds: float) -> Iterator[Message]:
        """Go on with the parameters that a training run has now."""
        news, simulation = watcher.poll(), self.session.simulation
        if isinstance(news, Refusal):
            yield Message.error(news.text, now_seconds)
        elif news is not None:
            assert not isinstance(simulation, Panes), "a run is watched alone"
            try:
                simulation.swap_parameters(news.model)
            except UserError as error:
                yield Message.error(str(error), now_seconds)
            else:
                self.panes.begin_anew()
                yield Message.note(news.text, now_seconds)


def _end_text(replay: Replay, own: Session | None) -> str:
    """What a replay that is over came to; `own` is what goes on after a demo."""
    compared = f"{replay.checks} states compared, all as recorded"
    if replay.is_complete:
        return f"That was all: {compared}; {'now it is yours' if own is None else 'here is your own again'}"
    back = "" if own is None else "; the page of demos leads back to your own"
    return f"The replay has ended before its end, for hands took over: {compared}{back}"


class NextSession:
    """The next model, a demo, and back from that; loads one at a time, while what runs goes on."""

    def __init__(self, load: Callable[[Callable[[Callable[[str], None]], Session]], Loading]) -> None:
        """Load nothing yet; `load` begins to, as `BackgroundLoading` does."""
        self._load = load
        self._loading: tuple[Loading, int | None] | None = None
        self._is_back_wanted = False

    def begin_model(self, shown: ShownSession) -> str:
        """The next bundled checkpoint for the pane that is pointed at; returns what there is to tell.

        Raises:
            ConfigError: what runs is recorded, replayed or watched.
        """
        session, number = shown.session, shown.panes.number
        if shown.why_no_model:
            raise ConfigError(shown.why_no_model)
        running = session.shown[number]
        name = next_bundled("" if running.origin is None else running.checkpoint)
        return self._begin(name, number, lambda report: load_beside(name, session, report))

    def begin_demo(self, name: str | None, session: Session) -> str:
        """A demo, or back from one where `name` is None; returns what there is to tell."""
        if name is None:
            self._is_back_wanted = session.own is not None
            if self._is_back_wanted:
                self._loading = None  # What is still loading was for the demo's place, or in it.
            return "Here is your own again" if self._is_back_wanted else "No demo is shown"
        path = demo_files()[name]
        return self._begin(f"the demo {name}", None, lambda report: load_demo(path, session, report))

    @property
    def is_loading(self) -> bool:
        """Whether something is on its way."""
        return self._loading is not None

    def _begin(self, name: str, number: int | None, load: Callable[[Callable[[str], None]], Session]) -> str:
        if self._loading is not None:
            return f"Still {self._loading[0].stage}"
        self._loading = (self._load(load), number)
        return f"Loading {name}; meanwhile, what runs goes on"

    def poll(self, shown: ShownSession) -> tuple[Session, str] | None:
        """What takes the place of a session now, once, and what there is to tell; raises what went wrong."""
        session = shown.session
        if self._loading is None:
            replay, is_wanted, self._is_back_wanted = session.replay, self._is_back_wanted, False
            is_at_end = replay is not None and replay.is_over and replay.is_complete
            return (session.own, "") if session.own is not None and (is_wanted or is_at_end) else None
        loading, number = self._loading
        try:
            loaded = loading.poll()
        except BaseException:
            self._loading = None
            raise
        if loaded is None or (number is not None and not session.can_be_succeeded(loaded)):
            return None
        self._loading, self._is_back_wanted = None, False
        if number is None:
            assert loaded.replay is not None
            return loaded, f"{loaded.replay.record.header.title}; hands on the cells end it"
        lacks = shown.panes.experiments.split(loaded.simulation.config)[1]
        sentence = "" if loaded.origin is None else f": {loaded.origin.sentence}"
        if not lacks.is_neutral:
            sentence = f" does not have all that was changed; dropped: {', '.join(told(lacks))}"
        return succeeded(session, loaded, number), f"{loaded.checkpoint}{sentence}"
