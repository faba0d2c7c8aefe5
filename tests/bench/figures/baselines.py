"""Scores of variants without a model, as baselines of figures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def mutation_scores(variants: Sequence[str], wild_type: str) -> Floats:
    """Return minus the number of substitutions; variants are as long as the wild type."""
    return np.array([-sum(a != b for a, b in zip(variant, wild_type, strict=True)) for variant in variants], np.float64)


def blosum_scores(variants: Sequence[str], wild_type: str) -> Floats:
    """Return the sum of BLOSUM62 over the substitutions; variants are as long as the wild type."""
    score = blosum62()
    return np.array(
        [sum(score[a, b] for a, b in zip(variant, wild_type, strict=True) if a != b) for variant in variants],
        np.float64,
    )


@cache
def blosum62() -> dict[tuple[str, str], int]:
    """Return the score of every pair of residue letters."""
    from biotite.sequence.align import SubstitutionMatrix

    matrix = SubstitutionMatrix.std_protein_matrix()
    letters = [str(letter) for letter in matrix.get_alphabet1().get_symbols()]
    return {(a, b): int(matrix.get_score(a, b)) for a in letters for b in letters}
