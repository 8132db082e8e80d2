"""JSON of files that a person may have edited: every name once, and no NaN."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from nca_viewer.errors import ConfigError, shown


def strict_json(content: bytes, what: str = "it") -> Any:
    """The values of JSON in UTF-8.

    Args:
        content: The JSON.
        what: What an error calls it.

    Raises:
        ConfigError: it is not JSON, nested too deeply, holds NaN or infinity, or a name twice.
    """
    try:
        text = content.decode()
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_each_name_once)
    except RecursionError:
        raise ConfigError(f"{what} is not JSON that can be read: it is nested too deeply") from None
    except _Refused as error:
        raise ConfigError(f"{what} {error}") from None
    except ValueError:  # Of JSON, of UTF-8, of numbers with too many digits.
        raise ConfigError(f"{what} is {'not JSON' if content.strip() else 'empty'}") from None


def require_format(version: Any, read: int) -> None:
    """Check which format a file says it has.

    Args:
        version: As the file has it.
        read: The version that this program reads.

    Raises:
        ConfigError: it is not that whole number; what is only equal to it (true, 1.0) is none.
    """
    if type(version) is int and version == read:
        return
    remedy = "; update nca-viewer" if type(version) is int and version > read else ""
    raise ConfigError(f"it is of format {shown(version)}, and this nca-viewer reads format {read}{remedy}")


class _Refused(ValueError):
    """What JSON alone would let pass."""


def _no_constant(name: str) -> float:
    raise _Refused(f"is not JSON: it has {name} where a number must stand")


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        count = Counter(name for name, _ in pairs)
        raise _Refused(f"has {shown(count.most_common(1)[0][0])} more than once; leave one of them")
    return values
