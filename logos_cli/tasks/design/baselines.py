"""What any score of variants has to beat: their number of mutations, and BLOSUM62."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def _blosum62() -> Mapping[tuple[str, str], float]:
    from Bio.Align import substitution_matrices

    matrix: Any = substitution_matrices.load("BLOSUM62")
    return {(a, b): float(matrix[a][b]) for a in matrix.alphabet for b in matrix.alphabet}


def n_mutations(reference: str, sequence: str) -> int:
    """Return the Levenshtein distance of two sequences."""
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(reference, sequence)


def blosum62(reference: str, sequence: str) -> float | None:
    """Return the sum over the substitutions of the entries of BLOSUM62 (Henikoff 1992).

    None for another length, and for residues that the matrix lacks (U, O).
    """
    if len(reference) != len(sequence):
        return None
    matrix = _blosum62()
    entries = [matrix.get((a, b)) for a, b in zip(reference, sequence, strict=True) if a != b]
    return sum(known) if len(known := [entry for entry in entries if entry is not None]) == len(entries) else None
