"""Distances of predicted sites to ligands, and P2Rank's success rates.

After Krivák and Hoksza 2018 (10.1186/s13321-018-0285-8) and the evaluation in P2Rank's own program.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.statistics import rate

Floats = NDArray[np.float64]

CUTOFF_ANGSTROM: Final = 4.0
"""Largest distance of a site's centre, for DCA and for DCC."""


def dca(centre: Floats, ligand: Floats) -> float:
    """Return the distance (Å) of a site's centre to the nearest atom of a ligand, shape (n_atoms, 3)."""
    return float(np.linalg.norm(ligand - centre, axis=1).min())


def dcc(centre: Floats, ligand: Floats) -> float:
    """Return the distance (Å) of a site's centre to the mean of a ligand's atoms, shape (n_atoms, 3)."""
    return float(np.linalg.norm(ligand.mean(axis=0) - centre))


def ligand_ranks(distances: Sequence[Sequence[float]], cutoff_angstrom: float = CUTOFF_ANGSTROM) -> list[int | None]:
    """Return for each ligand the rank, from 1, of the first site within the cut-off; None without such a site.

    Parameters
    ----------
    distances : sequence of sequences, shape (n_sites, n_ligands)
        DCA or DCC in Å, the best site first.
    """
    if not distances:
        return []
    within = np.asarray(distances, dtype=np.float64) <= cutoff_angstrom
    return [int(column.argmax()) + 1 if column.any() else None for column in within.T]


def n_found(ranks: Sequence[int | None], n_more: int = 0) -> int:
    """Return the number of ligands of a structure found by sites of rank ≤ (number of its ligands + ``n_more``)."""
    return sum(rank is not None and rank <= len(ranks) + n_more for rank in ranks)


def top_n(structures: Iterable[Sequence[int | None]], n_more: int = 0) -> Estimate:
    """Return the success rate Top-n, or Top-(n + ``n_more``): ligands found over all ligands.

    Parameters
    ----------
    structures : iterable of sequences
        The values of :func:`ligand_ranks` for the relevant ligands of each structure; a structure without a predicted
        site is a row of None.

    Returns
    -------
    Estimate
        ``n`` is the number of structures, the units of the bootstrap: the ligands of a structure are not independent.
    """
    rows = [(n_found(ranks, n_more), len(ranks)) for ranks in structures if ranks]
    return rate(np.array(rows, dtype=np.float64).reshape(-1, 2))
