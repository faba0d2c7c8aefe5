"""Entries of molecules written as SMILES."""

from __future__ import annotations

from typing import Any

from logos_cli.chemistry.smiles import checked_smiles
from logos_cli.errors import MoleculeError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.grammar import Form
from logos_cli.objects.molecule import Molecule


def molecule_entry(smiles: str, entry_id: str, source: dict[str, Any], options: ReadOptions) -> Entry:
    """Return the entry of one SMILES, with an error where RDKit rejects it."""
    try:
        return Entry(entry_id, Molecule(checked_smiles(smiles, canonical=options.canonical)), source)
    except MoleculeError as error:
        return Entry(entry_id, None, source, error.at(place(source)), Form.MOLECULE)


def place(source: dict[str, Any]) -> str:
    """Return file and line of a record's source, for errors."""
    return ":".join(str(source[key]) for key in ("path", "line") if key in source)
