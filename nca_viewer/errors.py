"""The errors a person can meet.

Every message is one line that names the value, the limit and the remedy. The command lines print it
on stderr and exit with `exit_code`; while a window is up, the message is shown in it instead.
"""

import unicodedata

DEBUG_VARIABLE = "NCA_VIEWER_DEBUG"
"""Environment variable with which both command lines show the traceback of what should not happen."""


def unexpected_message(error: BaseException) -> str:
    """What both command lines say of an error that nobody expected."""
    return f"this should not happen: {type(error).__name__}: {error}; set {DEBUG_VARIABLE}=1 for the details"


_LONGEST_SHOWN_PATH = 200
_LONGEST_REASON = 200
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_NOTHING_TO_SEE = frozenset({"Cc", "Cf", "Cn", "Cs", "Zl", "Zp"})
"""Kinds of characters without a picture: control codes, what turns the direction of writing, halves of
characters, which names that are not UTF-8 are made of."""


class _Presentable(dict[int, str]):
    """The table of `presentable`, by code point; it grows with what is looked up."""

    def __missing__(self, code_point: int) -> str:
        character = chr(code_point)
        if character.isspace():
            character = " "
        elif unicodedata.category(character) in _NOTHING_TO_SEE:
            character = _REPLACEMENT
        self[code_point] = character
        return character


_PRESENTABLE = _Presentable()


def presentable(text: str) -> str:
    """The text with a replacement character for whatever cannot be drawn, written or encoded as UTF-8.

    All white space becomes spaces, so that it is one line.
    """
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_PRESENTABLE)


def one_line(text: str) -> str:
    """The text as one line for a terminal or a log, with single spaces."""
    return " ".join(presentable(text).split())


def shown(value: object, letters: int = 60) -> str:
    """A value of a file as a message shows it: presentable, and cut where it is long."""
    try:
        text = presentable(repr(value[: 2 * letters] if isinstance(value, str) else value))
    except (RecursionError, ValueError):  # Nested too deeply, or a number of too many digits.
        text = f"a {type(value).__name__}"
    return cut(text, letters)


def cut(text: str, letters: int) -> str:
    """The text, cut where it is longer."""
    return text if len(text) <= letters else f"{text[: letters - 3]}..."


def shown_text(value: object, letters: int = 60) -> str:
    """As `shown`, but a text without quotation marks."""
    return cut(presentable(value), letters) if isinstance(value, str) else shown(value, letters)


def shown_path(path: object) -> str:
    """A path in quotation marks; of a long one the beginning."""
    text = str(path)
    return repr(text if len(text) <= _LONGEST_SHOWN_PATH else f"{text[:80]}...")


def reason_of(error: BaseException) -> str:
    """Why, in one line that is not long: what the system says of a call that failed, else the first line."""
    text = getattr(error, "strerror", None) or str(error).strip().split("\n")[0]
    return cut(one_line(text), _LONGEST_REASON) or type(error).__name__


class UserError(Exception):
    """Base of every expected failure; `exit_code` is what the command line ends with."""

    exit_code = 2


class ConfigError(UserError, ValueError):
    """A configuration value or a command-line option is unknown or out of range."""


class CheckpointError(UserError):
    """A checkpoint is missing, damaged, foreign, or does not fit its own configuration."""


class StartImageError(UserError):
    """An image to start from is missing, unreadable or unreasonably large."""


class DatasetError(UserError):
    """A dataset is missing, cut short, or fails its checksum."""


class OutputError(UserError):
    """A file could not be written: no permission, a full disk, an unknown format."""


class DisplayError(UserError):
    """There is no screen to open a window on."""


class DisplayLostError(DisplayError):
    """The screen went away while the program ran, or an exhibit found none; a supervisor starts it again."""

    exit_code = 74


class BackendError(UserError):
    """The numerical backend computes this automaton wrongly and must not be used."""


class RestartNeededError(UserError):
    """The program cannot help itself any more; a supervisor starts it again."""

    exit_code = 75
