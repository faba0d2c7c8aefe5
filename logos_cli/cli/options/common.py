"""Helpers of options: completion for the shell, and times."""

from __future__ import annotations

import re
from collections.abc import Callable

from logos_cli.errors import UsageError

_TIME = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+)s)?")


def one_of(*values: str) -> Callable[[str], list[str]]:
    """Return a completion for the shell: the values that begin with the typed text."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete


def parse_time(text: str) -> float:
    """Return the seconds of a time such as ``1h30m``.

    Raises
    ------
    UsageError
        If the text is not a time.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise UsageError(f"{text!r} is not a time", hint="write it as 2h, 55m, 1h30m or 90s")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return 86_400 * days + 3_600 * hours + 60 * minutes + seconds
