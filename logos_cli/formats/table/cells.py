"""Read the cells of a row by what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from logos_cli.errors import FormatError
from logos_cli.formats.table.chains import names_no_chain
from logos_cli.grammar import Form
from logos_cli.io.missing import is_missing, may_be_residues
from logos_cli.records import Status

SEQUENCES: Final = frozenset(("heavy", "light", "sequence"))
"""Roles of cells with residues."""


def is_written(cells: Mapping[str, object]) -> bool:
    """Return whether ``decode`` wrote the row: it has a kind, and the status of an object."""
    return cells.get("status") == Status.OK and cells.get("kind") in tuple(Form)


def absent_words(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the roles without a value whose word for that could be a sequence, with the word."""
    words = [(role, str(value)) for role, value in values.items() if value is not None and is_missing(value)]
    return [(role, word) for role, word in words if may_be_residues(word)]


def remarks_on_chains(values: Mapping[str, object]) -> dict[str, str]:
    """Return the cells for chains of an antibody that tell in words that there is none, by their roles."""
    return {
        role: value.strip()
        for role, value in values.items()
        if role in ("heavy", "light") and isinstance(value, str) and not is_missing(value) and names_no_chain(value)
    }


def text_of(values: Mapping[str, object], role: str, remarks: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the text of a cell, which is none of the remarks on missing values.

    Raises
    ------
    FormatError
        If the value is missing, or no text.
    """
    value = values.get(role)
    if is_missing(value) or role in remarks:
        word = value.strip() if isinstance(value, str) else ""
        raise FormatError(
            f"the column with the {role} holds {word!r}, which stands for a missing value"
            if word
            else f"the column with the {role} is empty",
            hint="if the peptide of these residues is meant, write it as FASTA"
            if role in SEQUENCES and may_be_residues(word)
            else None,
        )
    if not isinstance(value, str):
        raise FormatError(f"the column with the {role} holds no text")
    return value.strip()


def smiles_of(values: Mapping[str, object], role: str) -> list[str]:
    """Return SMILES, each of one or more molecules: JSON's list, or one text."""
    value = values.get(role)
    if isinstance(value, list) and value and all(isinstance(one, str) and one for one in value):
        return list(value)
    return [text_of(values, role)]
