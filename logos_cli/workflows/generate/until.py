"""How many samples a prompt gets: so many, or as many as it takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from logos_cli.errors import UsageError

_TERM = re.compile(r"\s*([a-z-]+)\s*=\s*([0-9]+)\s*")
_NAMES = ("valid", "unique", "novel")
_EXAMPLE = "write it as valid=500 or valid=500,unique=100"

MOST_PER_WANTED = 20
"""Without a limit of its own a prompt gets so many samples for each that is wanted, and then it is given up."""

_LEAST_LIMIT = 100


@dataclass(slots=True)
class Counts:
    """What the samples of a prompt have come to so far."""

    made: int = 0
    valid: int = 0
    unique: int = 0
    novel: int = 0


@dataclass(frozen=True, slots=True)
class Until:
    """When a prompt has enough samples: as soon as every count is reached.

    Attributes
    ----------
    valid, unique, novel : int
        Counts of samples; 0 asks for none.
    """

    valid: int = 0
    unique: int = 0
    novel: int = 0

    @classmethod
    def parse(cls, text: str) -> Until:
        """Return what ``valid=500,unique=100`` says.

        Raises
        ------
        UsageError
            If it says nothing of the kind.
        """
        found: dict[str, int] = {}
        for part in text.split(","):
            match = _TERM.fullmatch(part)
            if match is None:
                raise UsageError(f"--until {text!r} is not understood at {part!r}", hint=_EXAMPLE)
            name, number = match[1], int(match[2])
            if name not in _NAMES:
                near = get_close_matches(name, _NAMES, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it counts {', '.join(_NAMES)}"
                raise UsageError(f"--until counts no {name!r}", hint=hint)
            if name in found:
                raise UsageError(f"--until says {name} twice", hint=_EXAMPLE)
            if number < 1:
                raise UsageError(f"--until {name}={number} is reached before it begins", hint=_EXAMPLE)
            found[name] = number
        return cls(**found)

    def __str__(self) -> str:
        return ",".join(f"{name}={getattr(self, name)}" for name in _NAMES if getattr(self, name))

    @property
    def limit(self) -> int:
        """Samples after which a prompt is given up, where no other limit is set."""
        return max(_LEAST_LIMIT, MOST_PER_WANTED * max(self.valid, self.unique, self.novel))

    def reached(self, found: Counts) -> bool:
        """Whether every count is."""
        return all(getattr(found, name) >= getattr(self, name) for name in _NAMES)

    def expected(self, found: Counts, n_under_way: int) -> bool:
        """Whether every count will be, by what has come of the samples so far, when those under way are made."""
        for name in _NAMES:
            n_found, n_wanted = getattr(found, name), getattr(self, name)
            rate = (n_found + 1) / (found.made + 1)  # one in advance, so that it is never 0
            if n_found + n_under_way * rate < n_wanted:
                return False
        return True
