"""From the options to a living exhibit: JAX, its self-test, the checkpoint, compiling; in the background."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from nca_viewer.assets import Origin, bundled_checkpoint_names, origin_of
from nca_viewer.errors import CheckpointError, ConfigError, OutputError, shown
from nca_viewer.version import version
from nca_viewer.viewer_config import DEFAULT_CHECKPOINT, START_BLANK, ViewerConfig

if TYPE_CHECKING:
    import numpy as np

    from nca_viewer.automaton.system import AttentionNCA
    from nca_viewer.checkpoint import CheckpointInfo
    from nca_viewer.frame_report import FrameListener
    from nca_viewer.panes import Panes
    from nca_viewer.pictures import Picture
    from nca_viewer.recording.reader import Record
    from nca_viewer.recording.recorder import Recorder
    from nca_viewer.recording.replay import Replay
    from nca_viewer.saved_states import SavedState
    from nca_viewer.simulation import Simulation
    from nca_viewer.start_images import StartImages
    from nca_viewer.watching import Watcher

FALLBACK_CHECKPOINT = "model"
"""The bundled checkpoint that an exhibit shows where its own is gone or damaged."""


@dataclass(frozen=True)
class Session:
    """What there is to see once everything is loaded.

    Attributes:
        simulation: Compiled, and at its first start.
        start_images: Where further starts come from.
        mask_ratio: Part of a new digit that is forgotten.
        footer: Which checkpoint and seed these are, for the help.
        note: What is to be told once of the picture it starts from, or nothing.
        origin: How the automaton came to be; None where it is not a bundled one.
        channel_names: What each channel of the automaton holds; empty where nobody knows.
        silent_steps: In how many steps of a new page its cells show the start as it is.
        checkpoint: Name of the checkpoint.
        checkpoint_sha256: Digest of its manifest; None where the automaton is in no file.
        recorder: Writes down what is done to the cells, where that was asked for.
        replay: What is repeated; None where hands alone act.
        watcher: Looks for further checkpoints of the run that is watched; None where none is.
        label: What the checkpoint is called where it was asked for, as on the command line.
        panes: The session of each automaton where there are several side by side, in their order.
        own: What goes on after a demo that is shown in its place; None where this is none.
    """

    simulation: Simulation | Panes
    start_images: StartImages
    mask_ratio: float
    footer: str
    note: str = ""
    origin: Origin | None = None
    channel_names: tuple[str, ...] = ()
    silent_steps: int = 0
    checkpoint: str = ""
    checkpoint_sha256: str | None = None
    recorder: Recorder | None = None
    replay: Replay | None = None
    watcher: Watcher | None = None
    label: str = ""
    panes: tuple[Session, ...] = ()
    own: Session | None = None

    @property
    def is_replaying(self) -> bool:
        """Whether a record acts in place of hands."""
        return self.replay is not None and not self.replay.is_over

    def take_over(self) -> None:
        """Hands are on the cells, or do what a record does not: a replay ends."""
        if self.replay is not None:
            self.replay.is_over = True

    @property
    def shown(self) -> tuple[Session, ...]:
        """Those side by side, or this one alone."""
        return self.panes or (self,)

    @property
    def shown_sha256(self) -> str:
        """Digest of the checkpoint that runs now; empty where it is in no file."""
        watched = None if self.watcher is None else self.watcher.info
        return (self.checkpoint_sha256 or "") if watched is None else watched.sha256

    def begin_digit(self, digit: int | None = None) -> None:
        """Start from a fresh digit; from any where none is named."""
        image = self.start_images.digit(digit, self.simulation.episode + 1)
        self.simulation.begin(image, self.mask_ratio)

    def can_be_succeeded(self, loaded: Session) -> bool:
        """Whether another automaton's steps would not have to wait for the compiler, as these run now.

        Where they would, it begins in the background; ask again.
        """
        if self.simulation.experiments.is_neutral or loaded.simulation.are_experiments_ready:
            return True
        loaded.simulation.prepare_experiments()
        return loaded.simulation.are_experiments_ready

    def saved_state(self) -> SavedState:
        """The present, for a state file."""
        from nca_viewer.automaton.experiments import as_json
        from nca_viewer.backend import environment
        from nca_viewer.saved_states import SavedState

        moment, sha256 = self.simulation.moment(), self.checkpoint_sha256 or ""
        settings = {"experiments": as_json(moment.experiments)}
        return SavedState(moment, self.checkpoint, sha256, settings, environment())

    def end(self, config: ViewerConfig) -> None:
        """Write what is written when a run ends: a record's last line, and the state; never a demo's.

        Raises:
            OutputError: it could not be written, or not all of the record.
        """
        if self.own is not None:
            self.own.end(config)
            return
        if self.recorder is not None:
            self.recorder.close()
        if config.save_state is not None:
            from nca_viewer.saved_states import save_state

            save_state(config.save_state, self.saved_state())
        if self.recorder is not None and self.recorder.trouble:
            raise OutputError(self.recorder.trouble)


class Loading(Protocol):
    """Something that becomes an exhibit in the background."""

    stage: str
    """What is being done, for the waiting screen."""

    def poll(self) -> Session | None:
        """The exhibit, or None while it is not ready; raises what went wrong."""


class Loaded:
    """An exhibit that is ready from the start."""

    stage = "ready"

    def __init__(self, exhibit: Session) -> None:
        """Hold it."""
        self._exhibit = exhibit

    def poll(self) -> Session:
        """The exhibit."""
        return self._exhibit


class BackgroundLoading:
    """Loads in a daemon thread, so that the window answers meanwhile."""

    def __init__(self, load: Callable[[Callable[[str], None]], Session]) -> None:
        """Start at once.

        Args:
            load: Makes the exhibit; is given a function that takes the name of each stage.
        """
        self.stage = "starting"
        self._load = load
        self._exhibit: Session | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the thread is still at work."""
        return self._thread.is_alive()

    def _run(self) -> None:
        def report(stage: str) -> None:
            self.stage = stage

        try:
            self._exhibit = self._load(report)
        except BaseException as error:  # Raised again in the main thread, by `poll`.
            self._error = error

    def poll(self) -> Session | None:
        """The exhibit, or None while it is not ready.

        Raises:
            UserError: it could not be loaded.
        """
        if self._error is not None:
            raise self._error
        return self._exhibit


@contextlib.contextmanager
def _sparing_the_collector() -> Iterator[None]:
    """Take what is made here out of Python's garbage collection.

    JAX alone makes 200,000 objects that stay. To go through them again and again takes a twentieth of the
    start, and a tenth of a second now and then afterwards, which is six frames.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        gc.enable()


@_sparing_the_collector()
def load_session(
    config: ViewerConfig,
    seed: int,
    picture: Picture | None,
    report: Callable[[str], None],
    listener: FrameListener | None = None,
    *,
    may_stand_in: bool = True,
) -> Session:
    """Import JAX, check it, load the checkpoint, compile everything; takes seconds.

    Args:
        config: The options.
        seed: Of everything random.
        picture: The picture to start from, where one was given.
        report: Is told what is being done.
        listener: Is told which checkpoint it was. In an exhibit, the bundled one steps in for one that is
            gone or damaged.
        may_stand_in: Whether it does so.

    Raises:
        UserError: some of it failed.
    """
    report("waking the automaton")
    from nca_viewer.backend import use_compile_cache, use_device

    use_device(config.device)
    if config.compile_cache:
        use_compile_cache()
    from nca_viewer.checkpoint import load_checkpoint
    from nca_viewer.panes import Panes, require_same_grid
    from nca_viewer.recording.reader import read_record
    from nca_viewer.saved_states import load_state
    from nca_viewer.selftest import check_backend
    from nca_viewer.simulation import Simulation

    record = None if config.replayed is None else read_record(config.replayed)
    trouble = ""
    # The check is mostly compiling, so it runs beside the rest: beside orbax's import, then other compiling.
    with ThreadPoolExecutor(1) as pool:
        check = pool.submit(check_backend)
        report("loading the checkpoint")
        watcher = None
        try:
            if config.watch is not None:
                from nca_viewer.watching import Watcher

                watcher = Watcher(config.watch)
                swap = watcher.first(report)
                loaded = [(swap.model, swap.info)]
            else:
                names = config.checkpoints
                if record is not None and names == (DEFAULT_CHECKPOINT,):
                    recorded_name = record.header.checkpoint
                    names = (recorded_name,) if recorded_name in bundled_checkpoint_names() else names
                loaded = [load_checkpoint(name) for name in names]
        except CheckpointError as error:
            if not (config.exhibit and may_stand_in) or config.checkpoint == FALLBACK_CHECKPOINT:
                raise
            loaded = [load_checkpoint(FALLBACK_CHECKPOINT)]
            trouble = str(error)
        labels = [str(info.path.name) for _, info in loaded]
        if len(loaded) > 1:
            labels = list(config.checkpoints)
            require_same_grid(*zip(labels, [info.config for _, info in loaded], strict=True))
        model, info = loaded[0]
        saved = (
            None if config.load_state is None else load_state(config.load_state, model.config, info.sha256)
        )
        if saved is not None:
            seed = saved.moment.seed
        elif record is not None:
            seed = record.header.seed
        report("compiling")
        simulations = [Simulation(model, seed=seed)]
        for other, _ in loaded[1:]:
            same = next((before for before in simulations if before.config == other.config), simulations[0])
            simulations.append(Simulation(other, seed=seed, like=same))
        simulation = simulations[0] if len(simulations) == 1 else Panes(simulations)
        recorded = record is not None and bool(record.experiments)
        kept = saved is not None and bool(saved.settings.get("experiments"))
        simulation.warm_up(experiments=recorded or kept)
        check.result()
    session = replace(begin_session(simulation, config, picture), watcher=watcher)
    panes = [
        _of_checkpoint(replace(session, simulation=one, label=label), info)
        for one, (_, info), label in zip(simulations, loaded, labels, strict=True)
    ]
    silent_steps = max(pane.silent_steps for pane in panes)
    session = replace(session, panes=tuple(panes), silent_steps=silent_steps) if len(panes) > 1 else panes[0]
    session = _followed(session, config, record, saved)
    if listener is not None:
        listener.loaded(info.path.name, info.sha256, trouble)
    return session


def _of_checkpoint(session: Session, info: CheckpointInfo) -> Session:
    """The session with what its automaton's checkpoint says of itself."""
    return replace(
        session,
        checkpoint=info.path.name,
        checkpoint_sha256=info.sha256,
        origin=origin_of(info.path),
        channel_names=info.channel_names(),
        silent_steps=info.silent_steps(),
    )


def load_beside(name: str, session: Session, report: Callable[[str], None]) -> Session:
    """Load a checkpoint and compile what it needs, for `succeeded`; what runs goes on meanwhile.

    Args:
        name: As for `--ckpt`.
        session: What runs.
        report: Is told what is being done.

    Raises:
        UserError: it failed, or its grid is another.
    """
    from nca_viewer.checkpoint import load_checkpoint
    from nca_viewer.panes import require_same_grid

    report(f"loading {name}")
    model, info = load_checkpoint(name)
    running_name = session.label or "what runs"
    require_same_grid((running_name, session.simulation.config), (name, info.config))
    report(f"compiling {name}")
    simulation = _simulation_like(session, model)
    simulation.warm_up(experiments=not session.simulation.experiments.is_neutral)
    session = replace(session, simulation=simulation, replay=None, label=name, panes=())
    return _of_checkpoint(session, info)


def _simulation_like(session: Session, model: AttentionNCA) -> Simulation:
    """Another automaton, which shares what is compiled for those that run."""
    from nca_viewer.simulation import Simulation

    running = cast("list[Simulation]", [pane.simulation for pane in session.shown])
    same = next((before for before in running if before.config == model.config), running[0])
    return Simulation(model, seed=session.simulation.seed, like=same)


def load_demo(path: Path, session: Session, report: Callable[[str], None]) -> Session:
    """Load a demo and its automaton, to be shown in place of what runs, which goes on after it.

    Args:
        path: Of the record.
        session: What runs.
        report: Is told what is being done.

    Raises:
        UserError: it failed.
    """
    from nca_viewer.checkpoint import load_checkpoint
    from nca_viewer.recording.reader import read_record
    from nca_viewer.recording.replay import Replay
    from nca_viewer.start_images import StartImages

    record = read_record(path)
    header = record.header
    report(f"loading {header.title!r}")
    model, info = load_checkpoint(header.checkpoint)
    simulation = _simulation_like(session, model)
    simulation.warm_up(experiments=bool(record.experiments))
    demo = Session(
        simulation,
        StartImages(model.config, header.seed),
        session.mask_ratio,
        footer_text(header.checkpoint, header.seed),
        replay=Replay(record, simulation, checkpoint_sha256=info.sha256),
        label=header.checkpoint,
        own=session.own or session,
    )
    return _of_checkpoint(demo, info)


def succeeded(session: Session, loaded: Session, pane: int) -> Session:
    """The session in which another automaton takes the place of the one in a pane, at the same moment.

    It begins from what is seen of the one before: the picture as it is, and empty hidden channels. Start,
    step, episode and seed stay, and so do experiments; what it does not have of them ends for all.

    Args:
        session: What runs.
        loaded: As `load_beside` made it.
        pane: Which one, from 0; where there is one automaton, 0.
    """
    from nca_viewer.moment import begun_from_sight
    from nca_viewer.panes import Panes

    before = session.panes[pane] if session.panes else session
    moment, config = before.simulation.moment(), loaded.simulation.config
    loaded.simulation.restore(begun_from_sight(moment, config))
    if not session.panes:
        return replace(loaded, footer=footer_text(loaded.label, moment.seed))
    panes = list(session.panes)
    panes[pane] = loaded
    simulations = cast("list[Simulation]", [one.simulation for one in panes])
    footer = footer_text(", ".join(one.label for one in panes), moment.seed)
    simulation = Panes(simulations)
    simulation.experiments = loaded.simulation.experiments
    return replace(session, simulation=simulation, panes=tuple(panes), footer=footer)


def _followed(
    session: Session, config: ViewerConfig, record: Record | None, saved: SavedState | None
) -> Session:
    """The session where a record or a state file says, recorded from there on.

    Raises:
        ConfigError: the record is of another checkpoint.
        OutputError: the record that is asked for cannot be written.
    """
    from nca_viewer.automaton.experiments import from_json
    from nca_viewer.simulation import Simulation

    simulation = session.simulation
    if saved is not None:
        experiments = saved.settings.get("experiments", {})
        try:
            if not isinstance(experiments, Mapping):
                raise ConfigError(f"its experiments {shown(experiments)} are not understood")
            changed = from_json(experiments, simulation.config)
        except ConfigError as error:
            raise ConfigError(
                f"the state file {str(config.load_state)!r}: {error}; "
                "give a file that was saved with this checkpoint"
            ) from None
        saved = replace(saved, moment=replace(saved.moment, experiments=changed))
        simulation.restore(saved.moment)
    if record is not None:
        from nca_viewer.recording.replay import Replay

        assert isinstance(simulation, Simulation), "a record is of one automaton"
        replay = Replay(record, simulation, checkpoint_sha256=session.checkpoint_sha256)
        session = replace(session, replay=replay, note=record.note)
    if config.record is not None:
        from nca_viewer.backend import environment
        from nca_viewer.recording.recorder import Recorder, RecordFile

        assert isinstance(simulation, Simulation), "a record is of one automaton"
        recorder = Recorder(
            RecordFile(config.record),
            simulation,
            checkpoint=session.checkpoint,
            checkpoint_sha256=session.checkpoint_sha256 or "",
            environment=environment(),
        )
        session = replace(session, recorder=recorder)
    return session


def begin_session(
    simulation: Simulation | Panes,
    config: ViewerConfig,
    picture: Picture | None = None,
    image: np.ndarray | None = None,
) -> Session:
    """Start the first episode of a compiled simulation.

    Args:
        simulation: What runs.
        config: Says what to start from.
        picture: The picture file to start from, where the options name one.
        image: float32[H, W, visible_channel_size] in [0, 1] to start from; goes before the options.
    """
    from nca_viewer.start_images import StartImages, fit_start_image

    start_images = StartImages(simulation.config, simulation.seed)
    note, mask_ratio = "", config.mask_ratio
    if image is None and picture is not None:
        image, note = fit_start_image(picture, simulation.config, as_is=config.start_as_is)
        note = note and f"{_short(Path(config.start).name)}: {note}"
    elif image is None and config.start == START_BLANK:
        image, mask_ratio = start_images.blank(), 0.0
    elif image is None:
        image = start_images.digit(config.digit, simulation.episode + 1)
    simulation.begin(image, mask_ratio)
    simulation.request_snapshot().result()
    footer = footer_text(str(config.watch or ", ".join(config.checkpoints)), simulation.seed)
    return Session(simulation, start_images, config.mask_ratio, footer, note)


def footer_text(what: str, seed: int) -> str:
    """Which checkpoint and seed these are, for the help."""
    return f"{what}  ·  seed {seed}  ·  version {version()}"


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
