"""Recognise inputs of structure predictors by their beginnings."""

from __future__ import annotations

import re
from typing import Final

_JSON: Final = re.compile(rb"\s*(?:\[\s*)?\{")
_DIALECT: Final = re.compile(rb'"dialect"\s*:\s*"alphafold(?:3|server)"')
_ENTITIES: Final = re.compile(
    rb'"sequences"\s*:\s*\[\s*\{\s*"(?:protein|rna|dna|ligand|proteinChain|rnaSequence|dnaSequence|ion)"\s*:\s*\{'
)
_SEQUENCES: Final = re.compile(rb"^sequences[ \t]*:[ \t]*(?:#[^\n]*)?\r?$", re.MULTILINE)
_ENTITY: Final = re.compile(rb"^[ \t]*-[ \t]+(?:protein|ligand|dna|rna)[ \t]*:", re.MULTILINE)
_CHAI: Final = re.compile(rb"^>[ \t]*(?:protein|rna|dna|ligand|glycan)[ \t]*\|", re.MULTILINE | re.IGNORECASE)
_CHAI_ONLY: Final = re.compile(
    rb"^>[ \t]*(?:(?:protein|rna|dna|ligand|glycan)[ \t]*\|[ \t]*name=|(?:ligand|glycan)[ \t]*\|)",
    re.MULTILINE | re.IGNORECASE,
)


def kind_of(head: bytes) -> str | None:
    """Return ``alphafold3``, ``boltz`` or ``chai`` by the beginning of a file; None if it is none of these."""
    if _JSON.match(head):
        return "alphafold3" if _DIALECT.search(head) or _ENTITIES.search(head) else None
    if head.lstrip().startswith(b">"):
        return "chai" if _CHAI.match(head.lstrip()) and _CHAI_ONLY.search(head) else None
    return "boltz" if _SEQUENCES.search(head) and _ENTITY.search(head) else None
