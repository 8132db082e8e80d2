"""The exhibit's host: who has the exhibit, what is shown and said; a thin shell round the state machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nca_viewer.assets import Origin
from nca_viewer.interaction.actions import (
    Action,
    NewDigit,
    Operate,
    Reset,
    SwitchLanguage,
    Tool,
)
from nca_viewer.kiosk.attract import Ghost, Progress, follow
from nca_viewer.kiosk.attract_script import AttractScript, Caption
from nca_viewer.kiosk.texts import MADE_CAPTION, Texts, caption_text, texts_in
from nca_viewer.kiosk.visit import Observed, Phase, Rules, Situation, direct
from nca_viewer.kiosk.visitor_buttons import VISITOR_ACTIONS


@dataclass(frozen=True, slots=True)
class KioskFacts:
    """What is true of the exhibit in one frame.

    Attributes:
        phase: Who has it.
        visits: How many there were, the present one included.
        idle_seconds: Since anybody acted.
        countdown_seconds: What is left until the exhibit shows itself; None while no countdown is seen.
        hold_fraction: How much of the operator's hold is done, in [0, 1].
        ghost: The hand of the attract loop.
        language: What is spoken, one of `LANGUAGES`.
        strokes: How many strokes visitors began in this frame.
        resets: How often visitors went back to the start in this frame.
        new_digits: How many fresh digits visitors began in this frame.
    """

    phase: Phase = Phase.ATTRACT
    visits: int = 0
    idle_seconds: float = 0.0
    countdown_seconds: float | None = None
    hold_fraction: float = 0.0
    ghost: Ghost | None = None
    language: str = "en"
    strokes: int = 0
    resets: int = 0
    new_digits: int = 0


class Host:
    """Lets visitors' actions through, shows the exhibit while nobody is there, and knows the operator.

    Attributes:
        facts: Of the last frame.
        origin: How the automaton came to be; None where it is not a bundled one.
    """

    def __init__(self, rules: Rules, script: AttractScript, languages: Sequence[str]) -> None:
        """Begin with the attract loop.

        Args:
            rules: The operator's settings.
            script: What the attract loop shows.
            languages: Codes of `LANGUAGES`; the first is what a visit begins with.
        """
        self._rules = rules
        self._script = script
        self._languages = tuple(languages)
        self._language = self._languages[0]
        self._situation = Situation()
        self._progress = Progress()
        self.origin: Origin | None = None
        self.facts = KioskFacts(language=self._language)

    @property
    def has_languages(self) -> bool:
        """Whether a visitor can switch to another language."""
        return len(self._languages) > 1

    @property
    def texts(self) -> Texts:
        """In the visitor's language."""
        return texts_in(self._language)

    @property
    def operator_texts(self) -> Texts:
        """In the operator's language, the first one."""
        return texts_in(self._languages[0])

    @property
    def next_language(self) -> Texts:
        """What the button for another language leads to."""
        number = self._languages.index(self._language)
        return texts_in(self._languages[(number + 1) % len(self._languages)])

    def caption(self, tool: Tool, *, is_ruined: bool = False) -> str:
        """What is said under the grid.

        Args:
            tool: The one that is chosen.
            is_ruined: Whether the page cannot come back.
        """
        texts = self.texts
        if self.facts.phase is Phase.COUNTDOWN:
            return texts.still_there
        if self.facts.phase is Phase.ATTRACT:
            return _words(self._progress.caption, self._language, self.origin)
        if is_ruined:
            return texts.ruined
        return {
            Tool.PAINT: texts.help_draw,
            Tool.ERASE: texts.help_erase,
            Tool.CORRUPT: texts.help_scramble,
        }[tool]

    def direct(
        self,
        now_seconds: float,
        actions: Iterable[Action],
        *,
        is_visitor_acting: bool,
        is_operator_holding: bool,
        strokes_begun: int = 0,
        grid_size: tuple[int, int] | None = None,
    ) -> list[Action]:
        """One frame.

        Args:
            now_seconds: From any zero.
            actions: What the input made of its events.
            is_visitor_acting: Whether a person did something.
            is_operator_holding: Whether the operator's hold goes on.
            strokes_begun: By visitors in this frame.
            grid_size: (height, width) in cells; None while there is nothing to show yet.

        Returns:
            What is to be done to the controls and the cells, in this order.
        """
        actions = list(actions)
        choices = [action for action in actions if isinstance(action, Operate)]
        before = self._situation
        self._situation, consequences = direct(
            before,
            now_seconds,
            Observed(is_visitor_acting, is_operator_holding, choices[-1].choice if choices else None),
            self._rules,
        )
        phase = self._situation.phase
        allowed: list[Action] = []
        if phase is Phase.ATTRACT:
            if before.phase is not Phase.ATTRACT:
                self._language = self._languages[0]
                self._progress = Progress()
            if grid_size is not None:
                elapsed = 0.0 if before.now_seconds is None else now_seconds - before.now_seconds
                self._progress, shown = follow(self._script, self._progress, elapsed, grid_size)
                allowed.extend(shown)
        elif phase is Phase.OPERATOR:
            allowed.extend(choices)
        else:
            allowed.extend(action for action in actions if isinstance(action, VISITOR_ACTIONS))
            for action in allowed:
                if isinstance(action, SwitchLanguage):
                    self._language = self._following_language()
        is_visit = phase in (Phase.VISITOR, Phase.COUNTDOWN)
        self.facts = KioskFacts(
            phase=phase,
            visits=self._situation.visits,
            idle_seconds=self._situation.idle_seconds,
            countdown_seconds=self._situation.countdown_seconds(self._rules),
            hold_fraction=self._situation.hold_fraction,
            ghost=self._progress.ghost if phase is Phase.ATTRACT else None,
            language=self._language,
            strokes=strokes_begun if is_visit else 0,
            resets=sum(isinstance(action, Reset) for action in allowed) if is_visit else 0,
            new_digits=sum(isinstance(action, NewDigit) for action in allowed) if is_visit else 0,
        )
        return [*consequences, *allowed]

    def _following_language(self) -> str:
        return self._languages[(self._languages.index(self._language) + 1) % len(self._languages)]


def _words(caption: Caption, language: str, origin: Origin | None) -> str:
    translated = dict(caption.translations).get(language)
    if translated is not None:
        return translated
    if caption.name is None:
        return caption.words
    if caption.name == MADE_CAPTION:
        return getattr(texts_in(language), origin.text) if origin is not None else ""
    # Of an automaton that is known not to heal, nobody says so.
    is_untrue = caption.name == "heal" and origin is not None and not origin.heals
    return caption_text("watch" if is_untrue else caption.name, language)
