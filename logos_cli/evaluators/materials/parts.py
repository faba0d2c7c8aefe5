"""Frameworks at sequence level, as MOFFlow-2 evaluates them: nodes, linkers, keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol, Self

from logos_cli.errors import MoleculeError
from logos_cli.evaluators.novelty import KeyKind, embedded_index, keys_by_part, material_key, nodes_of
from logos_cli.evaluators.reference import Keys, KnownKeys, ReferenceSet
from logos_cli.objects.material import Material
from logos_cli.tasks.material.frameworks import check_framework, check_node, framework_key


class Library(Protocol):
    """Known frameworks and building blocks."""

    def keys(self, part: KeyKind) -> Keys:
        """Return the known keys of one part."""


@dataclass(frozen=True)
class FrameworkLibrary:
    """The frameworks of a set.

    Attributes
    ----------
    parts : dict
        The keys of the frameworks, their nodes and their linkers.
    """

    parts: dict[KeyKind, KnownKeys]

    @classmethod
    def of(cls, frameworks: Iterable[Material]) -> Self:
        """Return the library of frameworks, without those that RDKit rejects."""
        return cls({part: KnownKeys(keys) for part, keys in keys_by_part(frameworks).items()})

    def keys(self, part: KeyKind) -> KnownKeys:
        """Return the keys of one part."""
        return self.parts[part]


@lru_cache(maxsize=2)
def _reference_library(reference: ReferenceSet) -> FrameworkLibrary:
    return FrameworkLibrary.of(reference.objects(Material))


def library_of(reference: ReferenceSet | None) -> Library:
    """Return the library of a reference set, or without one that of the embedded model's training data.

    Raises
    ------
    LogosError
        If it cannot be read.
    """
    return embedded_index() if reference is None else _reference_library(reference)


class Framework:
    """A framework of a sentence, compared with a library.

    Parameters
    ----------
    item : Material
        Its building blocks.
    library : Library
        Known frameworks and building blocks.
    """

    def __init__(self, item: Material, library: Library) -> None:
        self._item, self._library = item, library

    @cached_property
    def linkers(self) -> list[str]:
        """Canonical SMILES of the linkers.

        Raises
        ------
        MoleculeError
            If RDKit rejects one, or there is none.
        """
        from logos_cli.chemistry.smiles import canonical_smiles

        if not self._item.linkers:
            raise MoleculeError("the framework has no linker")
        return [canonical_smiles(linker) for linker in self._item.linkers]

    @cached_property
    def nodes(self) -> list[str]:
        """Canonical SMILES of the metal nodes.

        Raises
        ------
        MoleculeError
            If one is not a SMILES or contains no metal.
        """
        check_node(self._item.metal)
        return nodes_of(self._item)

    @cached_property
    def problem(self) -> str | None:
        """The reason why the framework is not valid, as in ``logos generate material``; None if it is valid."""
        try:
            check_framework(self._item.metal, self._item.linkers)
        except MoleculeError as error:
            return error.message
        return None

    @cached_property
    def new_nodes(self) -> list[str]:
        """Distinct nodes that the library lacks."""
        return _missing_keys(self.nodes, self._library.keys(KeyKind.NODE))

    @cached_property
    def new_linkers(self) -> list[str]:
        """Distinct linkers that the library lacks."""
        return _missing_keys(self.linkers, self._library.keys(KeyKind.LINKER))

    @cached_property
    def sequence(self) -> str:
        """Node and linkers, canonical and sorted: equal for the same framework."""
        return material_key(self._item)

    @property
    def is_novel(self) -> bool:
        """Whether the library has no framework with the same node and linkers."""
        return self.sequence not in self._library.keys(KeyKind.MATERIAL)

    @property
    def key(self) -> str:
        """MOFkey without topology."""
        return framework_key(self._item.metal, self.linkers)


def _missing_keys(keys: list[str], known: Keys) -> list[str]:
    return [key for key in dict.fromkeys(keys) if key not in known]
