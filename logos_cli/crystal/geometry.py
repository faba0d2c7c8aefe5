"""Estimate bond orders and missing hydrogens from lengths and angles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LENGTHS_ANGSTROM: Final[dict[frozenset[str], tuple[float, float, float]]] = {
    frozenset("C"): (1.50, 1.34, 1.20),
    frozenset("CN"): (1.46, 1.28, 1.15),
    frozenset("CO"): (1.38, 1.22, 1.13),
    frozenset("N"): (1.42, 1.24, 1.10),
    frozenset("NO"): (1.38, 1.21, 1.10),
    frozenset("CS"): (1.80, 1.66, 1.50),
    frozenset("O"): (1.45, 1.21, 1.10),
    frozenset("OS"): (1.57, 1.44, 1.40),
    frozenset("NS"): (1.64, 1.54, 1.44),
    frozenset("OP"): (1.57, 1.48, 1.42),
}
"""Typical lengths of single, double and triple bonds between trigonal atoms."""
_NO_SUGGESTION: Final = 1.5
LINEAR_DEGREES: Final = 155.0
_TETRAHEDRAL_DEGREES: Final = 115.0
_PLANAR_SUM_DEGREES: Final = 350.0
_SP3_ANGSTROM: Final = {"N": 1.41, "O": 1.39, "S": 1.74}
"""Longer bonds of carbon are single bonds outside aromatic rings."""


def suggested_order(first: str, second: str, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the bond order, 1 to 3, that a length suggests."""
    lengths = _LENGTHS_ANGSTROM.get(frozenset((first, second)))
    if lengths is None:
        return _NO_SUGGESTION
    return float(np.interp(-np.linalg.norm(a - b), [-length for length in lengths], [1.0, 2.0, 3.0]))


def angles_between(vectors: NDArray[np.float64]) -> list[float]:
    """Return the angle of each pair of vectors, in degrees."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = np.clip(unit @ unit.T, -1, 1)
    upper = np.triu_indices(len(vectors), 1)
    return [float(angle) for angle in np.degrees(np.arccos(cosines[upper]))]


def hydrogens_on_carbon(around: list[str], vectors: NDArray[np.float64]) -> int:
    """Return the number of hydrogens of a carbon from its neighbours and their geometry."""
    lengths = np.linalg.norm(vectors, axis=1)
    if len(around) == 1:
        length = float(lengths[0])
        single, double, triple = _LENGTHS_ANGSTROM.get(frozenset(("C", around[0])), (1.5, 1.3, 1.2))
        if length < (double + triple) / 2:
            return 1 if around[0] == "C" else 0
        return 2 if length < (double + single) / 2 and around[0] != "N" else 3
    angles = angles_between(vectors)
    if len(around) == 2:
        if angles[0] > LINEAR_DEGREES:
            return 0
        are_single = [length > _SP3_ANGSTROM.get(symbol, 1.44) for symbol, length in zip(around, lengths, strict=True)]
        return 2 if angles[0] < _TETRAHEDRAL_DEGREES and all(are_single) else 1
    if len(around) == 3:
        return 0 if sum(angles) > _PLANAR_SUM_DEGREES else 1
    return 0


def hydrogens_on_nitrogen(vectors: NDArray[np.float64]) -> int:
    """Return the number of hydrogens of an amine nitrogen at the end of a chain; 0 for others, left to the valences."""
    lengths = np.linalg.norm(vectors, axis=1)
    return 2 if len(vectors) == 1 and lengths[0] > 1.3 else 0
