"""Figures of the set that scored molecules make, from what is kept of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

import numpy as np
from rdkit import DataStructs

from logos_cli.errors import LogosError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.molecules.kl import descriptors, kl_score, similarity_fingerprint
from logos_cli.evaluators.molecules.properties import MeasuredMolecule
from logos_cli.evaluators.molecules.reference import MOST_COMPARED, MoleculeReference
from logos_cli.evaluators.molecules.sets import (
    ChemNetDistance,
    cosine_similarity,
    internal_diversity,
    novelty,
    packed,
    uniqueness,
)
from logos_cli.evaluators.novelty import KeyKind, embedded_index
from logos_cli.evaluators.statistics import distance, first_ones, mean, share

if TYPE_CHECKING:
    from rdkit.DataStructs import ExplicitBitVect

DISTANCES: Final = ("qed", "sa", "logp", "mw")
"""Properties whose distributions are compared, by the name of the attribute."""
_FCD_NEEDS: Final = 5000
_NO_REFERENCE: Final = "no reference set is given"


@dataclass(frozen=True, slots=True)
class Compared:
    """What is kept of a molecule for comparing sets."""

    nearest: float
    """NaN where the reference set is too large."""
    fragments: tuple[str, ...]
    scaffolds: tuple[str, ...]
    properties: tuple[float, ...]
    """Of :data:`DISTANCES`; NaN for one that cannot be computed."""
    descriptors: tuple[float, ...]
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class SeenMolecule:
    """What is kept of a valid molecule."""

    smiles: str
    flat: str
    scaffold: str | None
    """None of a molecule without rings."""
    fingerprint: bytes
    compared: Compared | None = None


def see(molecule: MeasuredMolecule, reference: MoleculeReference | None) -> SeenMolecule:
    """Return what the figures of a set need to know of a molecule."""
    try:
        scaffold = molecule.scaffold or None
    except LogosError:
        scaffold = None
    return SeenMolecule(
        molecule.canonical_smiles,
        molecule.flat_smiles,
        scaffold,
        DataStructs.BitVectToBinaryText(molecule.fingerprint),
        None if reference is None else _compare(molecule, reference),
    )


def _compare(molecule: MeasuredMolecule, reference: MoleculeReference) -> Compared:
    return Compared(
        _or_nan(lambda: molecule_nearest(molecule, reference)),
        tuple(molecule.fragments),
        tuple(molecule.ring_system_scaffold),
        tuple(_or_nan(partial(getattr, molecule, name)) for name in DISTANCES),
        descriptors(molecule),
        similarity_fingerprint(molecule.molecule).tobytes(),
    )


def molecule_nearest(molecule: MeasuredMolecule, reference: MoleculeReference) -> float:
    """Return the similarity of a molecule to the nearest of a reference set, looked for once.

    Raises
    ------
    InputError
        If the set is too large.
    """
    if molecule.nearest is None or molecule.nearest[0] is not reference:
        similarity = reference.fingerprints.nearest(packed([molecule.fingerprint])[0])
        molecule.nearest = (reference, similarity)
    return molecule.nearest[1]


def _or_nan(value: Callable[[], float]) -> float:
    try:
        return value()
    except LogosError:
        return math.nan


def _fingerprints(texts: Iterable[bytes]) -> list[ExplicitBitVect]:
    read: Callable[[bytes], ExplicitBitVect] = DataStructs.CreateFromBinaryText  # type: ignore[assignment]
    return list(map(read, texts))


class MoleculeSet:
    """Figures of a set of molecules, each computed when asked for.

    Parameters
    ----------
    seen : sequence of SeenMolecule or None
        In the order of the records; None for one that is malformed or that RDKit rejects.
    reference : MoleculeReference, optional
        What to compare with.
    seed : int
        For drawing pairs from a large set.
    """

    def __init__(
        self, seen: Sequence[SeenMolecule | None], reference: MoleculeReference | None = None, seed: int = 0
    ) -> None:
        self._n_all = len(seen)
        self._flags = [each is not None for each in seen]
        self._valid = [each for each in seen if each is not None]
        self._reference = reference
        self._seed = seed

    def figure(self, name: str) -> Estimate:
        """Return one figure by its name; one that cannot be computed says why."""
        try:
            return self._figures[name]()
        except LogosError as error:
            return Estimate.unknown(error.message + (f" ({error.hint})" if error.hint else ""), len(self._valid))

    @cached_property
    def _figures(self) -> dict[str, Callable[[], Estimate]]:
        return {
            "molecule_validity": lambda: share(self._flags),
            "molecule_uniqueness": lambda: uniqueness(self._smiles),
            "unique_at_1000": lambda: uniqueness(self._smiles, 1000),
            "unique_at_10000": lambda: uniqueness(self._smiles, 10_000),
            "guacamol_uniqueness": lambda: uniqueness([each.flat for each in self._valid]),
            "molecule_novelty_nano": lambda: novelty(self._smiles, embedded_index().keys(KeyKind.MOLECULE)),
            "valid_novel_unique_nano": self._valid_novel_unique,
            "molecule_novelty": lambda: novelty(self._smiles, self._compared_with.keys),
            "guacamol_novelty": lambda: novelty([each.flat for each in self._valid], self._compared_with.flat_keys),
            "internal_diversity_1": lambda: self._diversity[0],
            "internal_diversity_2": lambda: self._diversity[1],
            "n_scaffolds": self._n_scaffolds,
            "scaffold_diversity": lambda: share(first_ones([each.scaffold for each in self._valid])),
            "snn": self._snn,
            "fragment_similarity": lambda: cosine_similarity(
                [each.fragments for each in self._compared], self._compared_with.fragments, "fragment"
            ),
            "scaffold_similarity": lambda: cosine_similarity(
                [each.scaffolds for each in self._compared], self._compared_with.scaffolds, "scaffold of two rings"
            ),
            **{f"{'clogp' if name == 'logp' else name}_distance": partial(self._distance, name) for name in DISTANCES},
            "guacamol_kl": self._kl,
            "fcd": self._chemnet_distance,
        }

    @property
    def _smiles(self) -> list[str]:
        return [each.smiles for each in self._valid]

    @property
    def _compared_with(self) -> MoleculeReference:
        if self._reference is None:
            raise LogosError(_NO_REFERENCE)
        return self._reference

    @property
    def _compared(self) -> list[Compared]:
        return [each.compared for each in self._valid if each.compared is not None]

    def _valid_novel_unique(self) -> Estimate:
        """Return the share of all records that are valid, new to the embedded model and no repeat."""
        known = embedded_index().keys(KeyKind.MOLECULE)
        good = sum(smiles not in known for smiles in dict.fromkeys(self._smiles))
        return share([True] * good + [False] * (self._n_all - good))

    @cached_property
    def _diversity(self) -> list[Estimate]:
        return internal_diversity(_fingerprints(each.fingerprint for each in self._valid), seed=self._seed)

    def _n_scaffolds(self) -> Estimate:
        return Estimate(len({each.scaffold for each in self._valid if each.scaffold is not None}), len(self._valid))

    def _snn(self) -> Estimate:
        self._compared_with.fingerprints  # noqa: B018 - raises if nothing was compared
        return mean(each.nearest for each in self._compared)

    def _distance(self, name: str) -> Estimate:
        reference = self._compared_with.values(name)
        column = DISTANCES.index(name)
        return distance([each.properties[column] for each in self._compared], reference)

    def _kl(self) -> Estimate:
        reference = self._compared_with
        unique = {each.flat: each.compared for each in self._valid if each.compared is not None}
        chosen = list(unique.values())[:MOST_COMPARED]
        if not chosen:
            return Estimate.unknown("there is no valid molecule")
        rows = np.array([each.descriptors for each in chosen], dtype=np.float64)
        words = np.frombuffer(b"".join(each.fingerprint for each in chosen), dtype=np.uint64)
        return kl_score(reference.described, (rows, words.reshape(len(chosen), -1)))

    def _chemnet_distance(self) -> Estimate:
        smiles, reference = self._smiles, self._compared_with.smiles
        if min(len(smiles), len(reference)) < _FCD_NEEDS:
            return Estimate.unknown(
                f"the distance is biased by the size of the sets below {_FCD_NEEDS:,} molecules", len(smiles)
            )
        return Estimate(ChemNetDistance()(smiles, reference), len(smiles))
