"""The KL-divergence score of GuacaMol (Brown et al. 2019, 10.1021/acs.jcim.8b00839)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from itertools import combinations
from math import log2
from typing import Final

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.molecules.properties import MeasuredMolecule, morgan_fingerprint
from logos_cli.evaluators.molecules.sets import FingerprintSet, Floats, Words, pack

CONTINUOUS: Final = ("BertzCT", "MolLogP", "MolWt", "TPSA")
DISCRETE: Final = ("NumHAcceptors", "NumHDonors", "NumRotatableBonds", "NumAliphaticRings", "NumAromaticRings")
_BERTZ_REACH: Final = 100
_FINGERPRINT_BITS: Final = 4096
_N_POINTS: Final = 1000
_N_BINS: Final = 10
_LEAST: Final = 1e-10
_FEWEST: Final = 5


def descriptors(measured: MeasuredMolecule) -> tuple[float, ...]:
    """Return the nine descriptors, continuous ones first."""
    molecule = measured.molecule
    return (
        bertz_complexity(molecule),
        measured.logp,
        measured.mw,
        measured.tpsa,
        measured.hba,
        measured.hbd,
        measured.rotatable_bonds,
        int(rdMolDescriptors.CalcNumAliphaticRings(molecule)),
        measured.aromatic_rings,
    )


def bertz_complexity(molecule: Chem.Mol) -> float:
    """Return Bertz' index of complexity (1981, 10.1021/ja00402a071), with RDKit's aromatic bonds of order 1.5.

    The value is that of ``GraphDescriptors.BertzCT``, in less than half the time. The index is the information in the
    kinds of atoms plus that in the kinds of connections. A connection is a pair of bonds that share an atom, or a pair
    within a multiple bond. Connections are of one kind if the distances of their atoms to all others are the same.
    """
    n_atoms = molecule.GetNumAtoms()
    if n_atoms < 2:
        return 0.0
    distances = Chem.GetDistanceMatrix(molecule, useBO=True, useAtomWts=False, force=True, prefix="Balaban")
    rows = np.rint(np.sort(distances, axis=1)[:, :_BERTZ_REACH] * 1e4)
    kind_numbers: dict[bytes, int] = {}
    kinds = [kind_numbers.setdefault(row.tobytes(), len(kind_numbers)) for row in rows]
    orders = Chem.GetAdjacencyMatrix(molecule, useBO=True)
    near: list[list[tuple[int, float]]] = [[] for _ in kinds]
    connections: defaultdict[tuple[int, ...], float] = defaultdict(float)
    firsts, seconds = np.nonzero(orders)
    for first, second, order in zip(firsts.tolist(), seconds.tolist(), orders[firsts, seconds].tolist(), strict=True):
        near[first].append((kinds[second], order))
        if order > 1 and first < second:
            pair = min(kinds[first], kinds[second]), max(kinds[first], kinds[second])
            connections[pair] += order * (order - 1) / 2
    for middle, neighbours in zip(kinds, near, strict=True):
        for (first, first_order), (second, second_order) in combinations(neighbours, 2):
            key = (first, middle, second) if first <= second else (second, middle, first)
            connections[key] += first_order * second_order
    atoms = Counter(molecule.GetAtomWithIdx(index).GetAtomicNum() for index in range(n_atoms))
    total = sum(connections.values())
    return _information(atoms.values()) + _information(connections.values()) + (total and total * log2(total))


def _information(counts: Collection[float]) -> float:
    """Return the information in bits: the total times the entropy of its parts."""
    total = sum(counts)
    return (total * log2(total) if total else 0.0) - sum(count * log2(count) for count in counts)


def similarity_fingerprint(molecule: Chem.Mol) -> Words:
    """Return the packed fingerprint for the nearest neighbour within a set."""
    row: Words = pack([morgan_fingerprint(molecule, _FINGERPRINT_BITS)])[0]
    return row


def nearest_within(fingerprints: Words) -> Floats:
    """Return the similarity of each molecule to the nearest other one of its set."""
    nearest, known = np.zeros(len(fingerprints)), FingerprintSet(fingerprints)
    for place in range(1, len(fingerprints)):
        row = known.similarities(fingerprints[place], place)
        nearest[place] = row.max()
        np.maximum(nearest[:place], row, out=nearest[:place])
    return nearest


def continuous_divergence(reference: Floats, sampled: Floats) -> float:
    """Return the KL divergence, in nats, of two kernel density estimates on 1000 points between the extremes."""
    from scipy.stats import entropy, gaussian_kde

    both = np.concatenate([reference, sampled])
    points = np.linspace(both.min(), both.max(), num=_N_POINTS)
    p, q = (gaussian_kde(values)(points) + _LEAST for values in (reference, sampled))
    return float(entropy(p, q))


def discrete_divergence(reference: Floats, sampled: Floats) -> float:
    """Return the KL divergence, in nats, of two histograms with the ten bins of the reference."""
    from scipy.stats import entropy

    p, edges = np.histogram(reference, bins=_N_BINS, density=True)
    q, _ = np.histogram(sampled, bins=edges, density=True)
    # samples that all lie outside the bins have no density: they cover nothing of the reference
    return float(entropy(p + _LEAST, np.nan_to_num(q) + _LEAST))


def divergences(reference: tuple[Floats, Words], sampled: tuple[Floats, Words]) -> dict[str, float]:
    """Return the divergence of each descriptor and of the similarity to the nearest other molecule.

    Parameters
    ----------
    reference, sampled : pair of ndarray, shapes (n, 9) and (n, 64)
        :func:`descriptors` and :func:`similarity_fingerprint` of distinct molecules, without stereochemistry.
    """
    divergence = {}
    for column, name in enumerate((*CONTINUOUS, *DISCRETE)):
        diverge = continuous_divergence if name in CONTINUOUS else discrete_divergence
        divergence[name] = diverge(reference[0][:, column], sampled[0][:, column])
    divergence["internal_similarity"] = continuous_divergence(nearest_within(reference[1]), nearest_within(sampled[1]))
    return divergence


def kl_score(reference: tuple[Floats, Words], sampled: tuple[Floats, Words]) -> Estimate:
    """Return the mean of exp(-divergence): 1 for equal distributions."""
    n = len(sampled[0])
    if min(n, len(reference[0])) < _FEWEST:
        return Estimate.unknown(f"a comparison of distributions needs {_FEWEST} distinct molecules or more", n)
    try:
        values = list(divergences(reference, sampled).values())
    except np.linalg.LinAlgError:
        return Estimate.unknown("a descriptor has the same value for all molecules", n)
    return Estimate(float(np.mean(np.exp(-np.array(values)))), n)
