"""Options that a task declares as data, the same on the command line and in Python, checked in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from logos_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class TaskOption:
    """An option of one task.

    Attributes
    ----------
    name : str
        The keyword in Python; on the command line ``max_mutations`` is ``--max-mutations``.
    type : type
        Type of one value: ``str``, ``int``, ``float`` or ``bool``.
    help : str
        One sentence of help.
    default : object
        The value where none is given; None if there is no default.
    metavar : str, optional
        Placeholder of the value in the help.
    shown_default : str, optional
        The default in words, where the value does not explain itself.
    spellings : tuple of str
        Further spellings on the command line: ``("-x", "--other")``.
    choices : tuple of str
        The permitted values; empty permits all.
    least, most : float, optional
        Range of a number.
    repeated : bool
        Whether it may be given several times; its value is then a tuple.
    of_results : bool
        Whether it shapes what samples are combined to, so that it does not go with ``--samples``.
    """

    name: str
    type: type[str | int | float | bool]
    help: str
    default: object = None
    metavar: str | None = None
    shown_default: str | None = None
    spellings: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    repeated: bool = False
    of_results: bool = False

    @property
    def flag(self) -> str:
        """The spelling on the command line."""
        return f"--{self.name.replace('_', '-')}"

    def check_value(self, value: object) -> object:
        """Return the value for the task; the default for None, a tuple for a repeated option.

        Raises
        ------
        UsageError
            If the value has the wrong type, is none of the choices, or is out of range.
        """
        if value is None:
            return self.default
        if not self.repeated:
            return self._check_single(value)
        if isinstance(value, str) or not isinstance(value, Sequence):
            value = (value,)
        return tuple(map(self._check_single, value))

    def _check_single(self, value: object) -> object:
        wanted = (int, float) if self.type is float else self.type
        if not isinstance(value, wanted) or (isinstance(value, bool) and self.type is not bool):
            raise UsageError(f"{self.flag} is {value!r}; it must be {_KINDS[self.type]}")
        if self.choices and value not in self.choices:
            near = get_close_matches(str(value), self.choices, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose {', '.join(self.choices)}"
            raise UsageError(f"{self.flag} has no choice {value!r}", hint=hint)
        if not isinstance(value, str) and not self._is_within(value):
            raise UsageError(f"{self.flag} is {value}; it must be {self._range}")
        return value

    def _is_within(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def _range(self) -> str:
        if self.least is None:
            return f"{self.most:g} or less"
        return f"{self.least:g} or more" if self.most is None else f"from {self.least:g} to {self.most:g}"


_KINDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}

SAMPLES = TaskOption(
    "samples", bool, "Write the samples themselves, not the results that are combined from them.", default=False
)
"""Switches off the combination of samples, for tasks that have a collector."""

SWEEPS = TaskOption(
    "sweeps",
    int,
    "Draw each residue of a free part again so many times, given what is on both sides of it. 0: from left to right only.",
    metavar="N",
    shown_default="2; 0 with a model on a server",
    least=0,
)
"""How often free parts with something fixed on their right are drawn again."""

N_SWEEPS = 2
"""Sweeps by default."""


def option_values(task: str, options: Sequence[TaskOption], chosen: Mapping[str, object]) -> dict[str, Any]:
    """Return the values of all options of a task, with defaults for the others.

    Raises
    ------
    UsageError
        If the task has no such option, or a value cannot be used.
    """
    known = {option.name: option for option in options}
    for name in chosen:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none of its own'}"
            raise UsageError(f"{task} has no option {name!r}", hint=hint)
    return {name: option.check_value(chosen.get(name)) for name, option in known.items()}
