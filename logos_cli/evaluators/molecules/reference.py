"""A reference set of molecules; a large one needs 8 bytes of memory for each further molecule."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from rdkit import DataStructs

from logos_cli.errors import InputError, LogosError
from logos_cli.evaluators.molecules.kl import descriptors, similarity_fingerprint
from logos_cli.evaluators.molecules.properties import MeasuredMolecule
from logos_cli.evaluators.molecules.sets import FingerprintSet, Floats, Words
from logos_cli.evaluators.reference import KnownKeys, ReferenceSet, known_keys
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule

MOST_NEIGHBOURS: Final = 500_000
"""Most molecules whose fingerprints are kept for the search of the nearest."""
MOST_COMPARED: Final = 10_000
"""Most molecules in a comparison of distributions: a random sample of a larger set, as in GuacaMol."""


def smiles_of(item: ScienceObject) -> str | None:
    """Return the SMILES of a molecule or of a complex's ligand; None for other objects and bare sites."""
    if isinstance(item, Complex):
        return item.ligand
    return item.smiles if isinstance(item, Molecule) else None


class MoleculeReference:
    """Molecules for comparison, without those that RDKit rejects.

    Parameters
    ----------
    reference : ReferenceSet
        The files.
    seed : int
        Seed of the sample of a large set.

    Raises
    ------
    InputError
        If RDKit accepts no molecule in them.
    """

    def __init__(self, reference: ReferenceSet, seed: int = 0) -> None:
        self._files = reference
        self._texts: list[bytes] = []
        self._sample: list[MeasuredMolecule] = []
        self.n = 0
        self.keys = KnownKeys(self._read(random.Random(seed)))  # noqa: S311 - a sample, not a secret
        if not self.n:
            raise InputError("RDKit accepts no molecule of the reference set", source=reference.path)

    def _read(self, rng: random.Random) -> Iterator[str]:
        """Yield canonical SMILES; keep fingerprints and a uniform sample of the molecules."""
        for item in self._files.objects(Molecule, Complex):
            smiles = smiles_of(item)
            try:
                molecule = MeasuredMolecule(smiles or "")
            except LogosError:
                continue
            if self.n < MOST_NEIGHBOURS:
                self._texts.append(DataStructs.BitVectToBinaryText(molecule.fingerprint))
            elif self.n == MOST_NEIGHBOURS:
                self._texts.clear()
            place = self.n if self.n < MOST_COMPARED else rng.randrange(self.n + 1)
            if place < MOST_COMPARED:
                self._sample[place : place + 1] = [molecule]
            self.n += 1
            yield molecule.canonical_smiles

    @cached_property
    def fingerprints(self) -> FingerprintSet:
        """Fingerprints of all molecules.

        Raises
        ------
        InputError
            If the set is too large for a comparison with each.
        """
        if not self._texts:
            raise InputError(
                f"the reference set has {self.n:,} molecules; the search of the nearest takes {MOST_NEIGHBOURS:,} at most",
                source=self._files.path,
            )
        texts, self._texts = b"".join(self._texts), []
        return FingerprintSet(np.frombuffer(texts, dtype=np.uint64).reshape(self.n, -1))

    @cached_property
    def flat_keys(self) -> KnownKeys:
        """Canonical SMILES of all molecules, without stereochemistry."""

        def flat(item: ScienceObject) -> str:
            return MeasuredMolecule(smiles_of(item) or "").flat_smiles

        return known_keys(self._files.objects(Molecule, Complex), flat)

    @property
    def smiles(self) -> list[str]:
        """Canonical SMILES of the sample."""
        return [molecule.canonical_smiles for molecule in self._sample]

    @cached_property
    def fragments(self) -> Counter[str]:
        """Count of each BRICS fragment in the sample."""
        return Counter(part for molecule in self._sample for part in molecule.fragments)

    @cached_property
    def scaffolds(self) -> Counter[str]:
        """Count of each scaffold with two rings or more in the sample."""
        return Counter(part for molecule in self._sample for part in molecule.ring_system_scaffold)

    def values(self, name: str) -> list[float]:
        """Return a property of the molecules of the sample.

        Raises
        ------
        MissingError
            If it cannot be computed here.
        """
        return [getattr(molecule, name) for molecule in self._sample]

    @cached_property
    def descriptors(self) -> tuple[Floats, Words]:
        """Descriptors and fingerprints of the distinct molecules of the sample, as GuacaMol compares them."""
        unique = list({molecule.flat_smiles: molecule for molecule in self._sample}.values())
        rows = np.array([descriptors(molecule) for molecule in unique])
        return rows, np.stack([similarity_fingerprint(molecule.molecule) for molecule in unique])


@lru_cache(maxsize=2)
def molecule_reference(reference: ReferenceSet, seed: int = 0) -> MoleculeReference:
    """Return a reference set, which each process reads once.

    Raises
    ------
    InputError
        If RDKit accepts no molecule in it.
    """
    return MoleculeReference(reference, seed)
