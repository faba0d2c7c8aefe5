"""Properties of a protein sequence by published formulas."""

from __future__ import annotations

from collections import Counter
from typing import Final

from logos_cli.evaluators.base import Unavailable

_WATER_DALTON: Final = 18.01528
_MASSES_DALTON: Final = {
    "A": 71.0779,
    "C": 103.1429,
    "D": 115.0874,
    "E": 129.1140,
    "F": 147.1739,
    "G": 57.0513,
    "H": 137.1393,
    "I": 113.1576,
    "J": 113.1576,
    "K": 128.1723,
    "L": 113.1576,
    "M": 131.1961,
    "N": 114.1026,
    "O": 237.2982,
    "P": 97.1152,
    "Q": 128.1292,
    "R": 156.1857,
    "S": 87.0773,
    "T": 101.1039,
    "U": 150.0379,
    "V": 99.1311,
    "W": 186.2099,
    "Y": 163.1733,
}
"""Average masses of residues: amino acid minus water. J is leucine or isoleucine, which are isomers."""

_HYDROPATHY: Final = {
    "A": 1.8,
    "C": 2.5,
    "D": -3.5,
    "E": -3.5,
    "F": 2.8,
    "G": -0.4,
    "H": -3.2,
    "I": 4.5,
    "K": -3.9,
    "L": 3.8,
    "M": 1.9,
    "N": -3.5,
    "P": -1.6,
    "Q": -3.5,
    "R": -4.5,
    "S": -0.8,
    "T": -0.7,
    "V": 4.2,
    "W": -0.9,
    "Y": -1.3,
}
"""Kyte and Doolittle 1982 (10.1016/0022-2836(82)90515-0)."""

_PKA_POSITIVE: Final = {"K": 10.0, "R": 12.0, "H": 5.98}
_PKA_NEGATIVE: Final = {"D": 4.05, "E": 4.45, "C": 9.0, "Y": 10.0}
_PKA_N_TERMINUS: Final = {"A": 7.59, "M": 7.0, "S": 6.93, "P": 8.36, "T": 6.82, "V": 7.44, "E": 7.7}
_PKA_C_TERMINUS: Final = {"D": 4.55, "E": 4.75}
_PKA_TERMINI: Final = (7.5, 3.55)
"""Bjellqvist et al. 1994 (10.1002/elps.1150150171), as in ExPASy's ProtParam."""

_UNCHARGED: Final = frozenset("AFGIJLMNPQSTVW")
"""Residues without a charge in this range of pH. B, X and Z may have one; no pKa of U and O is published with these."""

_LOWEST_PH, _HIGHEST_PH = 0.0, 14.0


def molecular_weight(sequence: str) -> float | Unavailable:
    """Return the average mass of a chain in Da, without modifications and disulfide bonds."""
    counts = Counter(sequence)
    if unknown := sorted(counts.keys() - _MASSES_DALTON.keys()):
        return Unavailable(f"the mass of residue {unknown[0]} is unknown")
    return _WATER_DALTON + sum(_MASSES_DALTON[letter] * count for letter, count in counts.items())


def gravy(sequence: str) -> float | Unavailable:
    """Return the mean hydropathy of the residues (Kyte and Doolittle)."""
    counts = Counter(sequence)
    if unknown := sorted(counts.keys() - _HYDROPATHY.keys()):
        return Unavailable(f"the hydropathy of residue {unknown[0]} is unknown")
    return sum(_HYDROPATHY[letter] * count for letter, count in counts.items()) / len(sequence)


def charge(sequence: str, ph: float = 7.0) -> float | Unavailable:
    """Return the net charge of an unfolded chain at a pH, after Henderson and Hasselbalch."""
    return _unknown_charge(sequence) or _charge(sequence, ph)


def isoelectric_point(sequence: str) -> float | Unavailable:
    """Return the pH, to 0.001, at which an unfolded chain has no net charge."""
    if unknown := _unknown_charge(sequence):
        return unknown
    low, high = _LOWEST_PH, _HIGHEST_PH
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if _charge(sequence, middle) > 0 else (low, middle)
    return (low + high) / 2


def _unknown_charge(sequence: str) -> Unavailable | None:
    unknown = sorted(set(sequence) - _UNCHARGED - _PKA_POSITIVE.keys() - _PKA_NEGATIVE.keys())
    return Unavailable(f"the charge of residue {unknown[0]} is unknown") if unknown else None


def _charge(sequence: str, ph: float) -> float:
    counts = Counter(sequence)
    first, last = _PKA_TERMINI
    positive = [(_PKA_N_TERMINUS.get(sequence[0], first), 1)]
    negative = [(_PKA_C_TERMINUS.get(sequence[-1], last), 1)]
    positive += [(pka, counts[letter]) for letter, pka in _PKA_POSITIVE.items()]
    negative += [(pka, counts[letter]) for letter, pka in _PKA_NEGATIVE.items()]
    gained = sum(count / (1 + 10 ** (ph - pka)) for pka, count in positive)
    lost = sum(count / (1 + 10 ** (pka - ph)) for pka, count in negative)
    return gained - lost
