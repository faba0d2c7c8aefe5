"""A reference set of molecules, in memory that grows by 8 bytes a molecule once it is large."""

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
"""Molecules whose fingerprints are kept for finding the nearest."""
MOST_COMPARED: Final = 10_000
"""Molecules that distributions are compared with: drawn at random from a larger set, as GuacaMol does."""


def smiles_of(item: ScienceObject) -> str | None:
    """Return a molecule's SMILES, or that of a complex's ligand; None of other objects and bare sites."""
    if isinstance(item, Complex):
        return item.ligand
    return item.smiles if isinstance(item, Molecule) else None


class MoleculeReference:
    """Molecules to compare with; what RDKit rejects is left out.

    Parameters
    ----------
    reference : ReferenceSet
        The files.
    seed : int
        For drawing from a large set.

    Raises
    ------
    InputError
        If they hold no molecule that RDKit accepts.
    """

    def __init__(self, reference: ReferenceSet, seed: int = 0) -> None:
        self._files = reference
        self._texts: list[bytes] = []
        self._drawn: list[MeasuredMolecule] = []
        self.n = 0
        self.n_rejected = 0
        self.keys = KnownKeys(self._read(random.Random(seed)))  # noqa: S311 - a sample, no secret
        if not self.n:
            raise InputError("RDKit accepts no molecule of the reference set", source=reference.path)

    def _read(self, rng: random.Random) -> Iterator[str]:
        """Yield canonical SMILES; keep fingerprints, and a sample that every molecule has the same chance to be in."""
        for item in self._files.objects(Molecule, Complex):
            smiles = smiles_of(item)
            try:
                molecule = MeasuredMolecule(smiles or "")
            except LogosError:
                self.n_rejected += 1
                continue
            if self.n < MOST_NEIGHBOURS:
                self._texts.append(DataStructs.BitVectToBinaryText(molecule.fingerprint))
            elif self.n == MOST_NEIGHBOURS:
                self._texts.clear()
            place = self.n if self.n < MOST_COMPARED else rng.randrange(self.n + 1)
            if place < MOST_COMPARED:
                self._drawn[place : place + 1] = [molecule]
            self.n += 1
            yield molecule.canonical_smiles

    @cached_property
    def fingerprints(self) -> FingerprintSet:
        """Fingerprints of all molecules.

        Raises
        ------
        InputError
            If the set is too large for comparing with each.
        """
        if not self._texts:
            raise InputError(
                f"the reference set has {self.n:,} molecules, the nearest is sought in {MOST_NEIGHBOURS:,} at most",
                source=self._files.path,
            )
        texts, self._texts = b"".join(self._texts), []
        return FingerprintSet(np.frombuffer(texts, dtype=np.uint64).reshape(self.n, -1))

    @cached_property
    def flat_keys(self) -> KnownKeys:
        """Canonical SMILES without stereochemistry of all molecules."""

        def flat(item: ScienceObject) -> str:
            return MeasuredMolecule(smiles_of(item) or "").flat_smiles

        return known_keys(self._files.objects(Molecule, Complex), flat)

    @property
    def smiles(self) -> list[str]:
        """Canonical SMILES of those drawn."""
        return [molecule.canonical_smiles for molecule in self._drawn]

    @cached_property
    def fragments(self) -> Counter[str]:
        """How often each BRICS fragment occurs in those drawn."""
        return Counter(part for molecule in self._drawn for part in molecule.fragments)

    @cached_property
    def scaffolds(self) -> Counter[str]:
        """How often each scaffold of two rings or more occurs in those drawn."""
        return Counter(part for molecule in self._drawn for part in molecule.ring_system_scaffold)

    def values(self, name: str) -> list[float]:
        """Return a property of those drawn.

        Raises
        ------
        MissingError
            If it cannot be computed here.
        """
        return [getattr(molecule, name) for molecule in self._drawn]

    @cached_property
    def described(self) -> tuple[Floats, Words]:
        """Descriptors and fingerprints of the different molecules among those drawn, as GuacaMol compares them."""
        unique = list({molecule.flat_smiles: molecule for molecule in self._drawn}.values())
        rows = np.array([descriptors(molecule) for molecule in unique])
        return rows, np.stack([similarity_fingerprint(molecule.molecule) for molecule in unique])


@lru_cache(maxsize=2)
def molecule_reference(reference: ReferenceSet, seed: int = 0) -> MoleculeReference:
    """Return a reference set, read once a process.

    Raises
    ------
    InputError
        If it holds no molecule.
    """
    return MoleculeReference(reference, seed)
