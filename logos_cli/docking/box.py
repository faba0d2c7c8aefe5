"""The box that poses are searched in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.errors import UsageError
from logos_cli.records.parts import BoxPart

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LARGEST_SIDE_ANGSTROM = 126.0
LARGE_VOLUME_ANGSTROM3 = 27_000.0
"""Above this volume Vina's search needs more than its usual exhaustiveness."""

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A box with sides along the axes of the receptor's frame.

    Attributes
    ----------
    center_angstrom, size_angstrom : tuple of float
        Centre and side lengths.
    origin : str
        Origin of the box, for messages and records.
    """

    center_angstrom: Triple
    size_angstrom: Triple
    origin: str = "given"

    def __post_init__(self) -> None:
        if not np.isfinite([*self.center_angstrom, *self.size_angstrom]).all():
            raise UsageError("the box has a number that is not finite", hint="give numbers in Å")
        if min(self.size_angstrom) <= 0:
            raise UsageError(
                f"the box has no volume: its sides are {_text(self.size_angstrom)} Å",
                hint="give sides above 0, e.g. --size 22,22,22",
            )
        if max(self.size_angstrom) > LARGEST_SIDE_ANGSTROM:
            raise UsageError(
                f"the box is too large: its sides are {_text(self.size_angstrom)} Å",
                hint=f"Vina takes at most {LARGEST_SIDE_ANGSTROM:g} Å; dock to parts of the protein one by one",
            )

    @classmethod
    def around(
        cls, positions: ArrayLike, add_angstrom: float, origin: str = "given", size: Triple | None = None
    ) -> Box:
        """Return the box around atoms, larger by ``add_angstrom`` on every side, or of the given size.

        Raises
        ------
        UsageError
            If there are no atoms, or the box has no volume.
        """
        places = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
        if not len(places):
            raise UsageError("the box has no atoms to lie around", hint="name a ligand or residues that exist")
        low, high = places.min(axis=0), places.max(axis=0)
        center = (low + high) / 2
        sides = high - low + 2 * add_angstrom if size is None else np.asarray(size, dtype=np.float64)
        return cls(_triple(center), _triple(sides), origin)

    @property
    def volume_angstrom3(self) -> float:
        """Volume in Å³."""
        return float(np.prod(self.size_angstrom))

    def contains(self, positions: NDArray[np.float64], margin_angstrom: float = 0.0) -> NDArray[np.bool_]:
        """Return which positions lie inside the box, enlarged by a margin on every side."""
        away = np.abs(positions - np.asarray(self.center_angstrom))
        inside: NDArray[np.bool_] = (away <= np.asarray(self.size_angstrom) / 2 + margin_angstrom).all(axis=-1)
        return inside

    def to_json(self) -> BoxPart:
        """Return the box as a part of a record."""
        return {
            "center_angstrom": list(self.center_angstrom),
            "size_angstrom": list(self.size_angstrom),
            "origin": self.origin,
        }

    def __str__(self) -> str:
        center = ", ".join(f"{value:.1f}" for value in self.center_angstrom)
        return f"{_text(self.size_angstrom)} Å at {center}"


def _text(size: Triple) -> str:
    return " × ".join(f"{round(value, 1):g}" for value in size)


def _triple(values: NDArray[np.float64]) -> Triple:
    x, y, z = (round(float(value), 3) for value in values)
    return x, y, z
