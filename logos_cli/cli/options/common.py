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


def complete_model(incomplete: str) -> list[str]:
    """Complete a model for the shell: the embedded one, models in the cache of the hub, files and directories here."""
    from pathlib import Path

    from logos_cli.models.releases import cached, hub_cache
    from logos_cli.resources import EMBEDDED

    names = [EMBEDDED, *(str(model["name"]) for model in cached(hub_cache()))]
    folder = Path(incomplete.rpartition("/")[0] or ".")
    if folder.is_dir():
        here = [each for each in folder.iterdir() if each.suffix == ".gguf" or (each / "config.json").is_file()]
        names += [str(each) for each in here]
    return sorted({name for name in names if name.startswith(incomplete)})


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
