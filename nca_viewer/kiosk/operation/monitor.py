"""The monitor: hears of every frame, judges it, keeps the records, and says when something must be done."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from nca_viewer import places
from nca_viewer.errors import DisplayLostError, UserError
from nca_viewer.frame_report import FrameReport
from nca_viewer.health import (
    Facts,
    Fault,
    Guard,
    Limits,
    Remedy,
    Verdict,
    ink_share,
    is_blank,
    watch,
)
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.kiosk.operation.background_writer import BackgroundWriter
from nca_viewer.kiosk.operation.diagnostics import save_diagnostic
from nca_viewer.kiosk.operation.event_log import EventLog, LogEvent, log_event, utc
from nca_viewer.kiosk.operation.handover import Handover
from nca_viewer.kiosk.operation.heartbeat import Heartbeat, Notifier
from nca_viewer.kiosk.operation.status import (
    INTERVAL_SECONDS,
    CheckpointStatus,
    Status,
    memory_megabytes,
    write_status,
)
from nca_viewer.kiosk.operation.usage import Counts, Damage, UsageBook, follow_damage
from nca_viewer.kiosk.visit import Phase
from nca_viewer.snapshot import Snapshot

DIAGNOSTIC_SECONDS = 10.0
"""Of faults of one kind that follow each other faster than this, only the first is kept in full."""

UNEXPECTED_SECONDS = 60.0
"""The same unexpected error is logged no more often than this."""

USAGE_SECONDS = 60.0
"""What was counted is written so often, and at the end; a power cut costs no more than this."""

MEMORY_SECONDS = 60.0
"""Whether memory grows is looked at so often."""


class Monitor:
    """Watches over one run of the program."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        state_folder: Path | None = None,
        notifier: Notifier | None = None,
        journal: EventLog | None = None,
        version: str = "",
        seed: int | None = None,
        checkpoint: CheckpointStatus | None = None,
        usage_csv: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Begin the watch.

        Args:
            limits: When something counts as a fault; the default judges only what no person could want.
            state_folder: Where `status.json` and `faults` go; None keeps no records.
            notifier: Who hears the heartbeat.
            journal: The log, for the problems it has itself.
            version: Of the program.
            seed: Of everything random.
            checkpoint: Which automaton was asked for.
            usage_csv: Where visits, strokes, heals and resets are counted by the hour; None counts nothing.
            now: The wall clock; used for nothing but written times.
        """
        self.limits = limits or Limits(judges_the_picture=False)
        self.acts_alone = self.limits.judges_the_picture
        self.checkpoint = checkpoint or CheckpointStatus("")
        self._folder = state_folder
        self._heartbeat = Heartbeat(notifier or Notifier(None))
        self._journal = journal
        self._writer = BackgroundWriter()
        self._guard = Guard()
        self._now = now
        self._version = version
        self._seed = seed
        self._started = now()
        self._started_seconds: float | None = None
        self._image: np.ndarray | None = None
        self._faults: Counter[str] = Counter()
        self._recoveries = 0
        self._last_fault: dict[str, str] | None = None
        self._written_seconds: float | None = None
        self._diagnosed_seconds: dict[Fault, float] = {}
        self._report: FrameReport | None = None
        self._memory_seconds: float | None = None
        self._first_megabytes: float | None = None
        self._grown = 0.0
        self._unexpected = ("", 0.0)
        self._last_error = ""
        self._is_over = False
        self._usage = UsageBook(usage_csv) if usage_csv is not None else None
        self._usage_seconds: float | None = None
        self._visits = 0
        self._damage: Damage | None = None

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is wrong at the moment, a line each: with the checkpoint, and with what cannot be written."""
        return (*filter(None, [self.checkpoint.trouble]), *self.problems)

    @property
    def problems(self) -> tuple[str, ...]:
        """What cannot be written at the moment, a line each."""
        return (*self._writer.problems, *(self._journal.problems if self._journal else ()))

    def starting(self, now_seconds: float, stage: str) -> None:
        """A frame of the waiting screen was shown."""
        if self._started_seconds is None:
            self._started_seconds = now_seconds
        self._write_status(now_seconds, "starting", stage)

    def after_frame(self, report: FrameReport) -> Verdict | None:
        """Judge a frame that was shown; returns what the loop should do, None where all is well."""
        if self._report is None:
            log_event(
                LogEvent.LIVE, f"the automaton lives, {self.checkpoint.shown or self.checkpoint.asked_for}"
            )
        if self._started_seconds is None:
            self._started_seconds = report.now_seconds
        self._report = report
        snapshot, now = report.snapshot, report.now_seconds
        self._count_usage(report)
        facts = self._facts(report)
        self._guard, verdict = watch(self._guard, facts, self.limits)
        if verdict is not None and verdict.fault is not None:
            self._record(verdict, verdict.fault, facts, snapshot)
            if verdict.remedy is Remedy.RESTART and self.acts_alone:
                log_event(LogEvent.RESTART, f"{verdict.fault.word}: {verdict.reason}")
        is_stalled = report.waiting_seconds >= self.limits.stall_note_seconds
        resting = "night" if report.mode == "night" else "paused"
        state = "stalled" if is_stalled else "running" if report.is_running else resting
        if not is_stalled and not report.error:
            self._heartbeat.presented(
                now,
                (snapshot.episode, snapshot.step),
                is_running=report.is_running,
                status=f"{report.mode}, {state}, step {snapshot.step}, "
                f"{report.frames_per_second:.0f} frames/s, {self._recoveries} recoveries",
            )
        self._write_status(now, state, report.mode, at_once=verdict is not None)
        return verdict

    def loaded(self, shown: str, sha256: str, trouble: str) -> None:
        """A checkpoint was loaded; `trouble` tells why it is not the one that was asked for."""
        self.checkpoint = replace(self.checkpoint, shown=shown, sha256=sha256, trouble=trouble)
        if trouble:
            log_event(LogEvent.CHECKPOINT, f"the bundled checkpoint {shown!r} is shown: {trouble}")

    def unexpected(self, error: Exception, now_seconds: float) -> str:
        """Something nobody expected went wrong in a frame; returns it as one line.

        Where it goes wrong again in every frame, the log tells of it once a minute.
        """
        text = f"{type(error).__name__}: {error}"
        last_text, last_seconds = self._unexpected
        if text != last_text or now_seconds - last_seconds >= UNEXPECTED_SECONDS:
            self._unexpected = (text, now_seconds)
            log_event(LogEvent.ERROR, text, error=error)
        return text

    def end(self) -> None:
        """The program ends on purpose: the last words are written."""
        self._last_words("ended")

    def fail(self, error: BaseException) -> None:
        """The program ends because of an error: the last words are written."""
        self._last_error = f"{type(error).__name__}: {error}"
        self._last_words("failed", error)

    def _last_words(self, state: str, error: BaseException | None = None) -> None:
        if self._is_over:
            return
        self._is_over = True
        if error is None:
            log_event(LogEvent.END, "the program ends on purpose")
            self._heartbeat.stopping()
        elif isinstance(error, DisplayLostError):
            log_event(LogEvent.DISPLAY, str(error))
        elif isinstance(error, UserError):
            log_event(LogEvent.FAILED, str(error))
        else:
            log_event(LogEvent.ERROR, self._last_error, error=error)
        report = self._report
        now, mode = (
            (report.now_seconds, report.mode) if report else (self._started_seconds or 0.0, "starting")
        )
        self._write_status(now, state, mode, at_once=True)
        if self._usage is not None and self._usage.has_news:
            self._writer.submit("the usage", self._usage.write)
        self._writer.close()
        if self._journal is not None:
            self._journal.close()

    def _count_usage(self, report: FrameReport) -> None:
        seen = report.facts
        if self._usage is None or seen is None:
            return
        image = report.snapshot.image
        self._damage, is_healed = follow_damage(
            self._damage,
            now_seconds=report.now_seconds,
            hands_on=report.hands_on and seen.phase is Phase.VISITOR,
            before=image if self._image is None else self._image,
            image=image,
            episode=report.snapshot.episode,
        )
        counts = Counts(
            visits=seen.visits - self._visits,
            strokes=seen.strokes,
            heals=int(is_healed),
            resets=seen.resets + seen.new_digits,
        )
        self._visits = seen.visits
        if counts != Counts():
            self._usage.add(counts, self._now().astimezone())
        last = self._usage_seconds
        if last is None or report.now_seconds - last >= USAGE_SECONDS:
            self._usage_seconds = report.now_seconds
            if self._usage.has_news:
                self._writer.submit("the usage", self._usage.write)

    def flush(self) -> bool:
        """Wait until all records are written; returns whether they were."""
        return self._writer.flush()

    def _facts(self, report: FrameReport) -> Facts:
        snapshot = report.snapshot
        image, before = snapshot.image, self._image
        self._image = image
        has_changed = before is None or (image is not before and not np.array_equal(image, before))
        finite = snapshot.is_healthy or bool(np.isfinite(snapshot.state).all())
        return Facts(
            now_seconds=report.now_seconds,
            step=snapshot.step,
            episode=snapshot.episode,
            is_finite=finite,
            is_bounded=snapshot.is_healthy or not finite,
            ink_share=ink_share(image),
            is_blank=is_blank(image),
            began_blank=snapshot.clean is None,
            is_ruined=report.is_ruined,
            has_changed=has_changed,
            is_running=report.is_running,
            step_interval_seconds=report.step_interval_seconds,
            hands_on=report.hands_on,
            expects_change=report.expects_change,
            waiting_seconds=report.waiting_seconds,
            grown_megabytes=self._grown_megabytes(report.now_seconds),
            is_deserted=report.facts is not None and report.facts.phase is Phase.ATTRACT,
            error=report.error,
        )

    def _grown_megabytes(self, now_seconds: float) -> float:
        """How much more memory there is than when the program had warmed up; looked at now and then."""
        last = self._memory_seconds
        if last is None or now_seconds - last >= MEMORY_SECONDS:
            self._memory_seconds = now_seconds
            memory = memory_megabytes()
            if last is None or self._first_megabytes is None:
                # The first look comes too early: what is compiled and loaded is still growing.
                self._first_megabytes = None if last is None else memory
            else:
                self._grown = memory - self._first_megabytes
        return self._grown

    def _record(self, verdict: Verdict, fault: Fault, facts: Facts, snapshot: Snapshot) -> None:
        now = self._now()
        self._faults[fault.word] += 1
        if verdict.remedy is Remedy.FRESH_DIGIT:
            self._recoveries += 1
        self._last_fault = {
            "time": utc(now),
            "fault": fault.word,
            "reason": verdict.reason,
            "remedy": verdict.remedy.value,
        }
        log_event(LogEvent.FAULT, f"{fault.word}: {verdict.reason}; remedy: {verdict.remedy.value}")
        last = self._diagnosed_seconds.get(fault)
        if self._folder is None or (last is not None and facts.now_seconds - last < DIAGNOSTIC_SECONDS):
            return
        self._diagnosed_seconds[fault] = facts.now_seconds
        folder = self._folder
        words = {
            **self._last_fault,
            "version": self._version,
            "seed": self._seed,
            "checkpoint": asdict(self.checkpoint),
            "facts": asdict(facts),
        }
        self._writer.submit(
            f"the diagnostic of {fault.word}",
            partial(save_diagnostic, folder, fault.word, words, snapshot.state, now),
        )

    def _write_status(self, now_seconds: float, state: str, mode: str, *, at_once: bool = False) -> None:
        if self._folder is None:
            return
        last = self._written_seconds
        if not at_once and last is not None and now_seconds - last < INTERVAL_SECONDS:
            return
        self._written_seconds = now_seconds
        status = self._status(now_seconds, state, mode)
        self._writer.submit("the status", partial(write_status, self._folder, status))

    def _status(self, now_seconds: float, state: str, mode: str) -> Status:
        handover = Handover.read()
        status = Status(
            state=state,
            time=utc(self._now()),
            started=utc(self._started),
            uptime_seconds=round(now_seconds - (self._started_seconds or 0.0), 1),
            pid=os.getpid(),
            version=self._version,
            mode=mode,
            checkpoint=self.checkpoint,
            seed=self._seed,
            faults=dict(self._faults),
            recoveries=self._recoveries,
            last_fault=self._last_fault,
            last_error=self._last_error,
            restarts=handover.restarts,
            last_end=handover.last_end,
            problems=self.problems,
            memory_megabytes=memory_megabytes(),
        )
        report = self._report
        if report is None:
            return status
        return replace(
            status,
            frames=report.frames,
            episode=report.snapshot.episode,
            step=report.snapshot.step,
            frames_per_second=round(report.frames_per_second, 1),
            steps_per_second=round(report.steps_per_second, 1),
        )


def record_folders(config: KioskConfig) -> tuple[Path | None, Path | None]:
    """Where status and faults go, and where the log; in an exhibit somewhere, if the user has a home."""
    state_folder, log_folder = config.state_directory, config.log_directory
    if config.exhibit:
        state_folder = state_folder or places.state_folder()
        log_folder = log_folder or places.log_folder()
    return state_folder, log_folder


def open_monitor(config: KioskConfig, *, version: str, seed: int) -> Monitor:
    """The monitor that the options ask for, with its log open.

    In an exhibit it acts alone and keeps its records in the user's folders; in a person's own window it
    keeps them only where it is told to.
    """
    state_folder, log_folder = record_folders(config)
    checkpoint = ", ".join(config.checkpoints)
    notifier = Notifier.from_environment()
    journal = EventLog()
    journal.open(log_folder, console=config.exhibit)
    if log_folder is not None or config.exhibit:
        log_event(
            LogEvent.START,
            f"version {version}, seed {seed}, checkpoint {checkpoint}, process {os.getpid()}, "
            f"state in {state_folder}, log in {log_folder}",
        )
    if config.exhibit and None in (state_folder, log_folder):
        log_event(
            LogEvent.DISK, f"{places.NO_HOME}: give --state-dir and --log-dir to keep the status and the log"
        )
    return Monitor(
        limits=Limits(judges_the_picture=config.exhibit, may_restart=notifier.is_heard),
        state_folder=state_folder,
        notifier=notifier,
        journal=journal,
        version=version,
        seed=seed,
        checkpoint=CheckpointStatus(checkpoint),
        usage_csv=config.usage_csv,
    )
