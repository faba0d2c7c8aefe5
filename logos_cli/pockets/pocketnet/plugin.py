"""PocketNet: a neural network over the atoms and the surface of a protein, by the package ``pocketnet`` (MIT).

Its five networks were trained on the simulated complexes of PLAS-20k, which come from entries of the PDB: figures on
proteins that are similar to those are optimistic. Its weights lie in the package, and are checked before they are read.
"""

from __future__ import annotations

import hashlib
import logging
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from logos_cli.errors import ModelError, StructureError
from logos_cli.pockets.base import FoundPockets, Pocket, PocketEngine, ProteinAtoms
from logos_cli.structure.distances import CONTACT_ANGSTROM

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pocketnet import PocketPredictor

_WEIGHTS: Final = "ee5e3dde50bac6cd81098533912ede04b97168f811dd5a19e21b9889ef1b14f5"
"""SHA-256 of the weights of version 0.3.0, one file after another."""

_LEAST_ATOMS: Final = 30
_MOST_POCKETS: Final = 10


class PocketNetEngine(PocketEngine):
    """Scores points on the surface, and clusters the best ones."""

    name = "pocketnet"
    package = "pocketnet"
    install = "pip install pocketnet==0.3.0"
    help = "A neural network over the atoms and the surface."

    def find(self, atoms: ProteinAtoms) -> FoundPockets:
        """Return at most ten pockets; a residue has the highest score of the points near it."""
        if len(atoms.names) < _LEAST_ATOMS:
            raise StructureError(f"{len(atoms.names)} atoms are too few for a pocket", hint="give a whole protein")
        import torch
        from pocketnet import feat, pockets
        from pocketnet.api import DEFAULTS

        from logos_cli.pockets.pocketnet.network import make_graph, point_scores
        from logos_cli.pockets.pocketnet.surface import describe_points, surface_points

        types, elements = (torch.from_numpy(each) for each in feat.atom_types(atoms.residue_names, atoms.names))
        positions = torch.from_numpy(atoms.positions)
        points, normals = surface_points(positions, elements)
        described = describe_points(points, normals, positions, elements)
        predictor = _predictor()
        graph = make_graph(predictor.models[0], types, positions, points, described)
        scores = torch.stack([point_scores(network, graph) for network in predictor.models]).mean(dim=0).numpy()
        places = points.numpy()
        found = pockets.extract_with_members(places, scores, topn=_MOST_POCKETS, **DEFAULTS)
        made = [
            Pocket(
                float(each["score"]),
                float(np.interp(each["score"], predictor._cal_x, predictor._cal_y)),
                _centre(each["center"]),
                _lining(atoms, places[each["idx"]]),
                _volume(places[each["idx"]]),
            )
            for each in found
        ]
        return FoundPockets(made, _residue_scores(atoms, places, scores))


@cache
def _predictor() -> PocketPredictor:
    """Load the five networks.

    Raises
    ------
    ModelError
        If the weights are not those that were tested.
    """
    from pocketnet import PocketPredictor
    from pocketnet.api import WEIGHTS

    digest = hashlib.sha256()
    for path in WEIGHTS:
        digest.update(Path(path).read_bytes())
    if digest.hexdigest() != _WEIGHTS:
        raise ModelError("the weights of pocketnet are not those of version 0.3.0", hint=PLUGIN.install)
    logging.getLogger("pocketnet").setLevel(logging.ERROR)
    return PocketPredictor("cpu")


def _centre(place: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = place.tolist()
    return x, y, z


def _lining(atoms: ProteinAtoms, points: NDArray[np.float32]) -> tuple[int, ...]:
    """Return the residues with a heavy atom within the cut-off of contacts from a point of the pocket."""
    from scipy.spatial import cKDTree

    distances, _ = cKDTree(points).query(atoms.positions, distance_upper_bound=CONTACT_ANGSTROM)
    return tuple(np.unique(atoms.rows[np.isfinite(distances)]).tolist())


def _residue_scores(atoms: ProteinAtoms, points: NDArray[np.float32], scores: NDArray[np.float32]) -> dict[int, float]:
    from scipy.spatial import cKDTree

    pairs = cKDTree(atoms.positions).sparse_distance_matrix(cKDTree(points), CONTACT_ANGSTROM, output_type="ndarray")
    best = np.zeros(int(atoms.rows.max()) + 1)
    np.maximum.at(best, atoms.rows[pairs["i"]], scores[pairs["j"]])
    return {row: float(best[row]) for row in np.unique(atoms.rows).tolist()}


def _volume(points: NDArray[np.float32]) -> float | None:
    """Return the volume of the convex hull of the points, Å^3; None if they lie in a plane."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return float(ConvexHull(points).volume)
    except (QhullError, ValueError):
        return None


PLUGIN = PocketNetEngine()
