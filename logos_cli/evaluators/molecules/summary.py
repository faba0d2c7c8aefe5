"""Figures of a set of scored molecules, from the observation of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from rdkit import DataStructs

from logos_cli.errors import LogosError, is_out_of_memory, with_hint
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.molecules.kl import descriptors, kl_score, similarity_fingerprint
from logos_cli.evaluators.molecules.properties import MeasuredMolecule
from logos_cli.evaluators.molecules.reference import MOST_COMPARED, MoleculeReference
from logos_cli.evaluators.molecules.sets import (
    ChemNetDistance,
    cosine_similarity,
    internal_diversity,
    novelty,
    pack,
    uniqueness,
)
from logos_cli.evaluators.novelty import KeyKind, embedded_index
from logos_cli.evaluators.statistics import distance, first_occurrences, mean, share

if TYPE_CHECKING:
    from rdkit.DataStructs import ExplicitBitVect

DISTANCES: Final = ("qed", "sa", "logp", "mw")
"""Attributes of the properties whose distributions are compared."""
_FCD_NEEDS: Final = 5000
_NO_REFERENCE: Final = "no reference set is given"


@dataclass(frozen=True, slots=True)
class Compared:
    """The part of a molecule that comparisons of sets need."""

    nearest: float
    """NaN if the reference set is too large."""
    fragments: tuple[str, ...]
    scaffolds: tuple[str, ...]
    properties: tuple[float, ...]
    """Values of :data:`DISTANCES`; NaN for one that cannot be computed."""
    descriptors: tuple[float, ...]
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class ObservedMolecule:
    """The part of a valid molecule that figures of sets need."""

    smiles: str
    flat: str
    scaffold: str | None
    """None for a molecule without rings."""
    fingerprint: bytes
    compared: Compared | None = None


def observe_molecule(molecule: MeasuredMolecule, reference: MoleculeReference | None) -> ObservedMolecule:
    """Return the part of a molecule that the figures of a set need."""
    try:
        scaffold = molecule.scaffold or None
    except LogosError:
        scaffold = None
    return ObservedMolecule(
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
    """Return the similarity of a molecule to the nearest of a reference set; the molecule keeps it.

    Raises
    ------
    InputError
        If the set is too large.
    """
    if molecule.nearest is None or molecule.nearest[0] is not reference:
        similarity = reference.fingerprints.nearest(pack([molecule.fingerprint])[0])
        molecule.nearest = (reference, similarity)
    return molecule.nearest[1]


def _or_nan(value: Callable[[], float]) -> float:
    try:
        return value()
    except LogosError as error:
        if is_out_of_memory(error):
            raise
        return math.nan


def _fingerprints(texts: Iterable[bytes]) -> list[ExplicitBitVect]:
    read = cast("Callable[[bytes], ExplicitBitVect]", DataStructs.CreateFromBinaryText)
    return list(map(read, texts))


class MoleculeSet:
    """Figures of a set of molecules, each computed at its first use.

    Parameters
    ----------
    molecules : sequence of ObservedMolecule or None
        In the order of the records; None for one that is malformed or that RDKit rejects.
    reference : MoleculeReference, optional
        Molecules for comparison.
    seed : int
        Seed of the sample of a large set.
    """

    def __init__(
        self, molecules: Sequence[ObservedMolecule | None], reference: MoleculeReference | None = None, seed: int = 0
    ) -> None:
        self._n_all = len(molecules)
        self._flags = [molecule is not None for molecule in molecules]
        self._valid = [molecule for molecule in molecules if molecule is not None]
        self._reference = reference
        self._seed = seed

    def figure(self, name: str) -> Estimate:
        """Return one figure by its name; a figure that cannot be computed has a reason."""
        try:
            return self._figures[name]()
        except LogosError as error:
            return Estimate.unknown(with_hint(error), len(self._valid))

    @cached_property
    def _figures(self) -> dict[str, Callable[[], Estimate]]:
        return {
            "molecule_validity": lambda: share(self._flags),
            "molecule_uniqueness": lambda: uniqueness(self._smiles),
            "unique_at_1000": lambda: uniqueness(self._smiles, 1000),
            "unique_at_10000": lambda: uniqueness(self._smiles, 10_000),
            "guacamol_uniqueness": lambda: uniqueness([molecule.flat for molecule in self._valid]),
            "molecule_novelty_nano": lambda: novelty(self._smiles, embedded_index().keys(KeyKind.MOLECULE)),
            "valid_novel_unique_nano": self._valid_novel_unique,
            "molecule_novelty": lambda: novelty(self._smiles, self._compared_with.keys),
            "guacamol_novelty": lambda: novelty(
                [molecule.flat for molecule in self._valid], self._compared_with.flat_keys
            ),
            "internal_diversity_1": lambda: self._diversity[0],
            "internal_diversity_2": lambda: self._diversity[1],
            "n_scaffolds": self._n_scaffolds,
            "scaffold_diversity": lambda: share(first_occurrences([molecule.scaffold for molecule in self._valid])),
            "snn": self._snn,
            "fragment_similarity": lambda: cosine_similarity(
                [molecule.fragments for molecule in self._compared], self._compared_with.fragments, "fragment"
            ),
            "scaffold_similarity": lambda: cosine_similarity(
                [molecule.scaffolds for molecule in self._compared],
                self._compared_with.scaffolds,
                "scaffold of two rings",
            ),
            **{f"{'clogp' if name == 'logp' else name}_distance": partial(self._distance, name) for name in DISTANCES},
            "guacamol_kl": self._kl,
            "fcd": self._chemnet_distance,
        }

    @property
    def _smiles(self) -> list[str]:
        return [molecule.smiles for molecule in self._valid]

    @property
    def _compared_with(self) -> MoleculeReference:
        if self._reference is None:
            raise LogosError(_NO_REFERENCE)
        return self._reference

    @property
    def _compared(self) -> list[Compared]:
        return [molecule.compared for molecule in self._valid if molecule.compared is not None]

    def _valid_novel_unique(self) -> Estimate:
        """Return the share of all records that are valid, unique and not in the embedded model's training data."""
        known = embedded_index().keys(KeyKind.MOLECULE)
        n_novel = sum(smiles not in known for smiles in dict.fromkeys(self._smiles))
        return share([True] * n_novel + [False] * (self._n_all - n_novel))

    @cached_property
    def _diversity(self) -> list[Estimate]:
        return internal_diversity(_fingerprints(molecule.fingerprint for molecule in self._valid), seed=self._seed)

    def _n_scaffolds(self) -> Estimate:
        scaffolds = {molecule.scaffold for molecule in self._valid if molecule.scaffold is not None}
        return Estimate(len(scaffolds), len(self._valid))

    def _snn(self) -> Estimate:
        _ = self._compared_with.fingerprints  # raises if the reference set is too large
        return mean(molecule.nearest for molecule in self._compared)

    def _distance(self, name: str) -> Estimate:
        reference = self._compared_with.values(name)
        column = DISTANCES.index(name)
        return distance([molecule.properties[column] for molecule in self._compared], reference)

    def _kl(self) -> Estimate:
        reference = self._compared_with
        unique = {molecule.flat: molecule.compared for molecule in self._valid if molecule.compared is not None}
        first = list(unique.values())[:MOST_COMPARED]
        if not first:
            return Estimate.unknown("there is no valid molecule")
        rows = np.array([molecule.descriptors for molecule in first], dtype=np.float64)
        words = np.frombuffer(b"".join(molecule.fingerprint for molecule in first), dtype=np.uint64)
        return kl_score(reference.descriptors, (rows, words.reshape(len(first), -1)))

    def _chemnet_distance(self) -> Estimate:
        smiles, reference = self._smiles, self._compared_with.smiles
        if min(len(smiles), len(reference)) < _FCD_NEEDS:
            return Estimate.unknown(
                f"the distance needs {_FCD_NEEDS:,} molecules or more: below, the size of the sets biases it",
                len(smiles),
            )
        return Estimate(ChemNetDistance()(smiles, reference), len(smiles))
