"""Ranked sites, from the probability of a tag before each residue, or from many samples of a search.

In one pass the likeliest residues are clustered as those of samples are, with probabilities as frequencies.

A residue's frequency is the share of the samples that tag it. Average linkage clusters the residues that are tagged
often enough into sites: in a structure by the distance of their side chains (Cβ), else by how seldom samples tag them
together (1 - Jaccard). The score of a site is the sum of the squared frequencies of its residues, as P2Rank's is of
the ligandability of its points. Its support is the share of the samples that have most of their tags in the site.

The cut of 16 Å leaves 98 % of the residues of a true site in one cluster in 60 crystal complexes. Among single, average
and complete linkage at 6 to 28 Å, this choice recovers most of the site among as many random residues.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from logos_cli.structure.residues.places import ResiduePlaces

WIDEST_ANGSTROM: Final = 16.0
_SELDOM_TOGETHER: Final = 0.85
_MOST_OF: Final = 3
"""At most a third of the residues of a protein are clustered."""
_LEAST_RESIDUES: Final = 3
"""Smaller groups are sites only if there is no other group."""


@dataclass(frozen=True, slots=True)
class Site:
    """Residues that samples tag together.

    Attributes
    ----------
    members : tuple of int
        Residues, counted from 0 through all chains, ascending.
    score : float
        Sum of squared frequencies.
    support : float
        Share of the samples that have most of their tagged residues here; in one pass, share of the probability.
    centre_angstrom : tuple of float, optional
        Position of a ligand; None without a structure.
    """

    members: tuple[int, ...]
    score: float
    support: float
    centre_angstrom: tuple[float, float, float] | None = None


def frequencies(votes: Sequence[Sequence[int]], n_residues: int) -> NDArray[np.float64]:
    """Return the share of samples that tag each residue; ``votes`` holds the tagged residues of each sample."""
    return _matrix(votes, n_residues).mean(axis=0) if votes else np.zeros(n_residues)


def rank_sites(
    votes: Sequence[Sequence[int]], n_residues: int, min_frequency: float, places: ResiduePlaces | None = None
) -> list[Site]:
    """Return the sites, the best first.

    Parameters
    ----------
    votes : sequence of sequences of int
        Tagged residues of each valid sample.
    min_frequency : float
        Smallest share of the samples that tag a residue of a site.
    places : ResiduePlaces, optional
        Positions of the residues; residues without coordinates belong to no site.
    """
    if not votes:
        return []
    matrix = _matrix(votes, n_residues)
    frequency = matrix.mean(axis=0)
    kept = (frequency > 0) & (frequency >= min_frequency)
    if places is not None:
        kept &= np.isfinite(places.side_chains).all(axis=1)
    chosen = np.flatnonzero(kept)
    if not len(chosen):
        return []
    labels = _clusters(matrix[:, chosen], None if places is None else places.side_chains[chosen])
    groups = [chosen[labels == label] for label in np.unique(labels)]
    groups = [group for group in groups if len(group) >= _LEAST_RESIDUES] or groups
    # a sample supports the site that holds most of its tags
    counts = np.stack([matrix[:, group].sum(axis=1) for group in groups])
    supported = np.where(counts.any(axis=0), counts.argmax(axis=0), -1)
    sites = [
        Site(
            tuple(group.tolist()),
            float((frequency[group] ** 2).sum()),
            float((supported == number).mean()),
            None if places is None else _centre(places, group),
        )
        for number, group in enumerate(groups)
    ]
    return sorted(sites, key=lambda site: (-site.score, site.members))


def rank_probable(probabilities: Sequence[float], n_kept: int, places: ResiduePlaces | None = None) -> list[Site]:
    """Return the sites of the likeliest residues, the best first; without a structure they are one site.

    Parameters
    ----------
    probabilities : sequence of float
        Probability of a tag before each residue.
    n_kept : int
        Number of residues, the likeliest ones, that are clustered.
    places : ResiduePlaces, optional
        Positions of the residues; residues without coordinates belong to no site.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    known = np.arange(len(values))
    if places is not None:
        known = known[np.isfinite(places.side_chains).all(axis=1)]
    # of equal ones the first, so that the order does not depend on how sorting breaks ties
    n_kept = min(n_kept, -(-len(values) // _MOST_OF))
    chosen = np.sort(known[np.lexsort((known, -values[known]))[:n_kept]])
    if not len(chosen):
        return []
    groups = [chosen]
    if places is not None:
        labels = _clusters(np.ones((1, len(chosen)), bool), places.side_chains[chosen])
        groups = [chosen[labels == label] for label in np.unique(labels)]
        groups = [group for group in groups if len(group) >= _LEAST_RESIDUES] or groups
    total = float(values[np.concatenate(groups)].sum()) or 1.0
    sites = [
        Site(
            tuple(group.tolist()),
            float((values[group] ** 2).sum()),
            float(values[group].sum() / total),
            None if places is None else _centre(places, group),
        )
        for group in groups
    ]
    return sorted(sites, key=lambda site: (-site.score, site.members))


def _matrix(votes: Sequence[Sequence[int]], n_residues: int) -> NDArray[np.bool_]:
    matrix = np.zeros((len(votes), n_residues), bool)
    for row, tagged in enumerate(votes):
        matrix[row, list(tagged)] = True
    return matrix


def _clusters(matrix: NDArray[np.bool_], side_chains: NDArray[np.float64] | None) -> NDArray[np.int32]:
    """Return the cluster number of each residue (column)."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist

    if matrix.shape[1] == 1:
        return np.ones(1, np.int32)
    if side_chains is not None:
        distances, cut = pdist(side_chains), WIDEST_ANGSTROM
    else:
        distances, cut = pdist(matrix.T, "jaccard"), _SELDOM_TOGETHER
    labels: NDArray[np.int32] = fcluster(linkage(distances, "average"), cut, "distance")
    return labels


def _centre(places: ResiduePlaces, group: NDArray[np.intp]) -> tuple[float, float, float]:
    from logos_cli.structure.site_centre import site_centre

    x, y, z = site_centre([places.atoms[index] for index in group], places.protein).tolist()
    return x, y, z
