"""Read reactions from the cells of a row, with the reagents in columns of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from logos_cli.errors import FormatError, MoleculeError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.table.cells import smiles_of, text_of
from logos_cli.formats.table.identifiers import key_of
from logos_cli.io.missing import is_missing
from logos_cli.records import Source

_REAGENTS: Final = re.compile(r"(?P<kind>reagent|agent|catalyst|solvent|additive)s?(?:_?\d+)?(?:_?smiles)?(?:_?\d+)?")
"""Names of columns with the molecules over the arrow. Conditions are temperatures and times as well, and are not read."""


@dataclass(frozen=True, slots=True)
class ReagentColumns:
    """The columns with reagents: those that hold SMILES, and those that hold names (``THF``, ``NBS``)."""

    smiles: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, object]]) -> ReagentColumns:
        """Return the columns of a table by its first rows; names are in one where half of the cells, or more, are no SMILES."""
        found = [
            name for name in dict.fromkeys(name for row in rows for name in row) if _REAGENTS.fullmatch(key_of(name))
        ]
        named = tuple(name for name in found if _has_names(rows, name))
        return cls(tuple(name for name in found if name not in named), named)

    def molecules(self, cells: Mapping[str, object], options: ReadOptions) -> list[str]:
        """Return the SMILES of the reagents of a row; those that are no SMILES are left out if reagents are dropped.

        Raises
        ------
        LogosError
            If a reagent is given by its name and the options count reagents, or refuse them.
        """
        if options.reagents != "drop":
            written = {
                _kind(name) for name in self.smiles if "smiles" in key_of(name) and not _is_empty(cells.get(name))
            }
            for name in self.names:
                if not _is_empty(cells.get(name)) and _kind(name) not in written:
                    raise FormatError(
                        f"the column {name!r} holds names of reagents, not SMILES",
                        hint="write the reagents as SMILES, or leave them out: --reagents drop",
                    )
            present = [name for name in self.smiles if not _is_empty(cells.get(name))]
        else:
            present = [name for name in self.smiles if not _is_empty(cells.get(name)) and _is_smiles(cells, name)]
        return [smiles for name in present for smiles in smiles_of(cells, name)]


def _kind(name: str) -> str:
    """Return the kind of reagents in a column: ``reagents`` has the names of those in ``reagent_smiles``."""
    match = _REAGENTS.fullmatch(key_of(name))
    return match["kind"] if match else ""


def _is_empty(value: object) -> bool:
    return value == [] or is_missing(value)


def _has_names(rows: Sequence[Mapping[str, object]], name: str) -> bool:
    cells = {str(row[name]): row for row in rows if not _is_empty(row.get(name))}
    return 2 * sum(_is_smiles(row, name) for row in cells.values()) <= len(cells) and bool(cells)


def _is_smiles(cells: Mapping[str, object], name: str) -> bool:
    """Return whether a cell holds SMILES."""
    from logos_cli.chemistry.smiles import checked_smiles

    try:
        for smiles in smiles_of(cells, name):
            checked_smiles(smiles, canonical=False)
    except (FormatError, MoleculeError):
        return False
    return True


def reaction_of(
    values: Mapping[str, object], reagents: Sequence[str], entry_id: str, source: Source, options: ReadOptions
) -> Entry:
    """Return the entry of a reaction: a reaction SMILES, or its sides; ``reagents`` are those of other columns.

    Raises
    ------
    LogosError
        If a side is empty or a molecule is rejected by RDKit.
    """
    from logos_cli.formats.reaction_entries import reaction_entry, split_reaction, to_entry

    if "rxn" in values:
        text = text_of(values, "rxn")
        smiles, rest = split_reaction(text) or (text, "")
        text = f"{smiles} {rest}" if rest[:1] == "|" else smiles
        return reaction_entry(text, entry_id, source, options, reagents)
    return to_entry(smiles_of(values, "reactants"), reagents, smiles_of(values, "product"), entry_id, source, options)
