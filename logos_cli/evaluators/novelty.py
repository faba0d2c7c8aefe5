"""An index of the embedded model's training data, small enough to ship.

The index holds a hash of each object, not the object. The hash of a key has ``16 + ceil(log2 n)`` bits for n keys.
The index stores the upper bits of the sorted hashes as a bitmap of gaps (Elias-Fano) and the lower 16 bits unchanged:
18 to 19 bits a key. It always finds an object of the training data. It takes another object for known with a
probability of n / 2^bits, 1 in 65,536 at most, by which a novelty rate is too low.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import LogosError, MissingError, ModelError
from logos_cli.io.json_types import JsonMapping
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import Material, material_from_blocks
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.records.json_text import parse_json
from logos_cli.resources import EMBEDDED, data_path

if TYPE_CHECKING:
    from os import PathLike

    from logos_cli.objects.base import ScienceObject

FILE: Final = "training_index.npz"
_FORMAT: Final = 1
_LOW_BITS: Final = 16
_N_PROBES: Final = 200
_MOST_CHANGED: Final = 0.01


class KeyKind(StrEnum):
    """Kinds of keys."""

    MOLECULE = "molecule"
    """Canonical SMILES of molecules, ligands, reactants and products."""
    PROTEIN = "protein"
    """Sequences of proteins, including the chains of sites and complexes."""
    ANTIBODY = "antibody"
    """Sequences of the chains, joined by slashes."""
    MATERIAL = "material"
    """Metal node and linkers, canonical and sorted, joined by slashes."""
    NODE = "node"
    """Canonical SMILES of one metal node."""
    LINKER = "linker"
    """Canonical SMILES of one linker."""


def keys_of(item: ScienceObject) -> Iterator[tuple[KeyKind, str]]:
    """Yield the keys of an object and of its parts.

    Raises
    ------
    MoleculeError
        If RDKit rejects one of its molecules.
    """
    from logos_cli.chemistry.smiles import canonical_smiles

    if isinstance(item, Molecule):
        yield KeyKind.MOLECULE, canonical_smiles(item.smiles)
    elif isinstance(item, Reaction):
        yield from ((KeyKind.MOLECULE, canonical_smiles(smiles)) for smiles in (*item.reactants, item.product))
    elif isinstance(item, Complex):
        yield from ((KeyKind.PROTEIN, chain.sequence) for chain in item.chains)
        if item.ligand is not None:
            yield KeyKind.MOLECULE, canonical_smiles(item.ligand)
    elif isinstance(item, Protein):
        yield KeyKind.PROTEIN, item.sequence
    elif isinstance(item, Antibody):
        yield KeyKind.ANTIBODY, "/".join(item.chains)
    elif isinstance(item, Material):
        yield KeyKind.MATERIAL, material_key(item)
        yield from ((KeyKind.NODE, node) for node in nodes_of(item))
        yield from ((KeyKind.LINKER, canonical_smiles(linker)) for linker in item.linkers)


def keys_by_part(objects: Iterable[ScienceObject]) -> dict[KeyKind, set[str]]:
    """Return the keys of objects and of their parts, without objects that have a molecule that RDKit rejects."""
    parts: dict[KeyKind, set[str]] = {part: set() for part in KeyKind}
    for item in objects:
        try:
            keys = list(keys_of(item))
        except LogosError:
            continue
        for part, key in keys:
            parts[part].add(key)
    return parts


def material_key(item: Material) -> str:
    """Return metal node and linkers, canonical and sorted, with repeats: the key of a framework at sequence level.

    Raises
    ------
    MoleculeError
        If RDKit rejects a block.
    """
    from logos_cli.chemistry.smiles import canonical_smiles

    return "/".join((".".join(nodes_of(item)), *sorted(map(canonical_smiles, item.linkers))))


def nodes_of(item: Material) -> list[str]:
    """Return the canonical SMILES of the metal nodes, sorted by mass.

    Raises
    ------
    MoleculeError
        If a node is not a SMILES.
    """
    return material_from_blocks((item.metal,), ()).metal.split(".")


class HashedKeys:
    """A set of strings as sorted hashes.

    Parameters
    ----------
    hashes : ndarray of uint64
        Sorted, without duplicates.
    n_bits : int
        Number of bits of a hash.
    """

    def __init__(self, hashes: NDArray[np.uint64], n_bits: int) -> None:
        self._hashes, self.n_bits = hashes, n_bits

    @classmethod
    def of(cls, keys: Iterable[str]) -> Self:
        """Return the set of keys; the number of keys sets the number of bits."""
        digests = np.unique(np.fromiter(map(_digest, keys), dtype=np.uint64))
        n_bits = _LOW_BITS + max(1, len(digests) - 1).bit_length()
        return cls(np.unique(digests >> np.uint64(64 - n_bits)), n_bits)

    def with_keys(self, keys: Iterable[str]) -> Self:
        """Return the set with more keys; the number of bits stays, and the rate of false positives rises with them."""
        more = np.fromiter(map(_digest, keys), dtype=np.uint64) >> np.uint64(64 - self.n_bits)
        return type(self)(np.union1d(self._hashes, more), self.n_bits)

    def __contains__(self, key: str) -> bool:
        wanted = np.uint64(_digest(key) >> (64 - self.n_bits))
        place = int(self._hashes.searchsorted(wanted))
        return place < len(self._hashes) and bool(self._hashes[place] == wanted)

    def __len__(self) -> int:
        """Return the number of distinct hashes."""
        return len(self._hashes)

    @property
    def false_positive_rate(self) -> float:
        """Probability that the set seems to contain another key."""
        return len(self) / 2.0**self.n_bits

    def pack(self) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Return the bitmap of the upper bits and the lower 16 bits."""
        high = (self._hashes >> np.uint64(_LOW_BITS)).astype(np.int64)
        bitmap = np.zeros(len(high) + (1 << (self.n_bits - _LOW_BITS)), dtype=np.uint8)
        bitmap[high + np.arange(len(high))] = 1
        return np.packbits(bitmap), (self._hashes & np.uint64((1 << _LOW_BITS) - 1)).astype("<u2")

    @classmethod
    def unpack(cls, bitmap: NDArray[np.uint8], low: NDArray[np.uint16], n_bits: int) -> Self:
        """Return the set that :meth:`pack` returned.

        Raises
        ------
        ValueError
            If the parts do not belong together.
        """
        high = np.flatnonzero(np.unpackbits(bitmap)) - np.arange(len(low))
        return cls((high.astype(np.uint64) << np.uint64(_LOW_BITS)) | low.astype(np.uint64), n_bits)


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class TrainingIndex:
    """Keys of the training data of a model.

    Attributes
    ----------
    parts : mapping
        The keys of each part.
    about : mapping
        Provenance of the index: ``model``, ``rdkit`` (its version), ``probes`` (some of the canonical SMILES).
    """

    parts: Mapping[KeyKind, HashedKeys]
    about: JsonMapping = field(default_factory=dict)

    @classmethod
    def of(cls, objects: Iterable[ScienceObject], model: str) -> Self:
        """Return the index of objects, without those that have a molecule that RDKit rejects."""
        import rdkit

        parts = keys_by_part(objects)
        molecules = sorted(parts[KeyKind.MOLECULE])
        step = max(1, len(molecules) // _N_PROBES)
        about = {"model": model, "rdkit": rdkit.__version__, "probes": molecules[::step][:_N_PROBES]}
        return cls({part: HashedKeys.of(sorted(keys)) for part, keys in parts.items() if keys}, about)

    def with_objects(self, objects: Iterable[ScienceObject]) -> Self:
        """Return the index with what a model was trained on afterwards."""
        more = keys_by_part(objects)
        return type(self)({part: keys.with_keys(more[part]) for part, keys in self.parts.items()}, self.about)

    def save(self, stream: IO[bytes]) -> None:
        """Write the index; the same keys give the same bytes."""
        arrays: dict[str, Any] = {}
        bits = {}
        for part, keys in self.parts.items():
            arrays[f"{part}_high"], arrays[f"{part}_low"] = keys.pack()
            bits[part.value] = keys.n_bits
        about = json.dumps({"format": _FORMAT, "bits": bits, **self.about})
        np.savez(stream, about=np.frombuffer(about.encode(), dtype=np.uint8), **arrays)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read an index.

        Raises
        ------
        ModelError
            If the file is damaged, or of a newer version.
        """
        try:
            with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                about = parse_json(file["about"].tobytes())
                if about.pop("format") != _FORMAT:
                    raise ModelError(
                        "the index of training data is of a newer version", hint="upgrade logos", source=str(path)
                    )
                parts = {
                    KeyKind(name): HashedKeys.unpack(file[f"{name}_high"], file[f"{name}_low"], n_bits)
                    for name, n_bits in about.pop("bits").items()
                }
        except (BadZipFile, OSError, EOFError, KeyError, ValueError) as error:
            raise ModelError(
                "the index of training data is damaged",
                hint="reinstall: pip install --force-reinstall logos-cli",
                source=str(path),
            ) from error
        return cls(parts, about)

    @cached_property
    def _n_changed(self) -> int:
        """Number of probes whose canonical SMILES this version of RDKit changes."""
        from logos_cli.chemistry.smiles import canonical_smiles

        changed = 0
        for smiles in self.about.get("probes", ()):
            try:
                changed += canonical_smiles(smiles) != smiles
            except LogosError:
                changed += 1
        return changed

    def keys(self, part: KeyKind) -> HashedKeys:
        """Return the keys of one part.

        Raises
        ------
        ModelError
            If the part consists of SMILES, and this version of RDKit writes other canonical SMILES than the index has.
        MissingError
            If the index has no such part.
        """
        if part not in (KeyKind.PROTEIN, KeyKind.ANTIBODY):
            n = len(self.about.get("probes", ()))
            if self._n_changed > _MOST_CHANGED * n:
                import rdkit

                raise ModelError(
                    f"the index of training data was made with RDKit {self.about.get('rdkit')}, and RDKit "
                    f"{rdkit.__version__} writes {self._n_changed} of {n} canonical SMILES differently",
                    hint=f"pip install rdkit=={self.about.get('rdkit')}",
                )
        if part not in self.parts:
            raise MissingError(f"the index of training data has no part {part.value!r}")
        return self.parts[part]


@cache
def embedded_index() -> TrainingIndex:
    """Return the index of the embedded model's training data.

    Raises
    ------
    MissingError, ModelError
        If it is missing or damaged.
    """
    return TrainingIndex.load(data_path("tokenizers", EMBEDDED, FILE))
