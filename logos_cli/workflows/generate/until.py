"""The option ``--until``: sample a prompt until its counts are reached."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from logos_cli.errors import UsageError

_TERM = re.compile(r"\s*([a-z-]+)\s*=\s*([0-9]+)\s*")
_NAMES = ("valid", "unique", "novel")
_EXAMPLE = "write it as valid=500 or valid=500,unique=100"

MOST_PER_WANTED = 20
"""Default limit: samples of a prompt per wanted one, after which the prompt is given up."""

_LEAST_LIMIT = 100


@dataclass(slots=True)
class Counts:
    """Counts of the samples of a prompt so far."""

    made: int = 0
    valid: int = 0
    unique: int = 0
    novel: int = 0


@dataclass(frozen=True, slots=True)
class Until:
    """The counts at which a prompt has enough samples: every one must be reached.

    Attributes
    ----------
    valid, unique, novel : int
        Wanted numbers of samples; 0 means that any number will do.
    """

    valid: int = 0
    unique: int = 0
    novel: int = 0

    @classmethod
    def parse(cls, text: str) -> Until:
        """Parse counts such as ``valid=500,unique=100``.

        Raises
        ------
        UsageError
            If the text has another form.
        """
        found: dict[str, int] = {}
        for part in text.split(","):
            match = _TERM.fullmatch(part)
            if match is None:
                raise UsageError(f"--until {text!r} cannot be parsed at {part!r}", hint=_EXAMPLE)
            name, number = match[1], int(match[2])
            if name not in _NAMES:
                near = get_close_matches(name, _NAMES, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it counts {', '.join(_NAMES)}"
                raise UsageError(f"--until counts no {name!r}", hint=hint)
            if name in found:
                raise UsageError(f"--until names {name} twice", hint=_EXAMPLE)
            if number < 1:
                raise UsageError(f"--until {name}={number} is reached before it begins", hint=_EXAMPLE)
            found[name] = number
        return cls(**found)

    def __str__(self) -> str:
        return ",".join(f"{name}={getattr(self, name)}" for name in _NAMES if getattr(self, name))

    @property
    def limit(self) -> int:
        """Samples after which a prompt is given up by default."""
        return max(_LEAST_LIMIT, MOST_PER_WANTED * max(self.valid, self.unique, self.novel))

    def reached(self, found: Counts) -> bool:
        """Return whether every count is reached."""
        return all(getattr(found, name) >= getattr(self, name) for name in _NAMES)

    def expected(self, found: Counts, n_under_way: int) -> bool:
        """Return whether the samples under way are expected to reach every count, by the rates so far."""
        for name in _NAMES:
            n_found, n_wanted = getattr(found, name), getattr(self, name)
            rate = (n_found + 1) / (found.made + 1)  # one in advance, so that it is never 0
            if n_found + n_under_way * rate < n_wanted:
                return False
        return True
