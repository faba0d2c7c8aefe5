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

_REAGENTS: Final = re.compile(r"(?:reagent|agent|catalyst|solvent|additive)s?(?:_?\d+)?(?:_?smiles)?(?:_?\d+)?")
"""Names of columns with the molecules over the arrow. Conditions are temperatures and times as well, and are not read."""


@dataclass(frozen=True, slots=True)
class ReagentColumns:
    """The columns with reagents: those that hold SMILES, and those that hold names (``THF``, ``NBS``)."""

    smiles: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, object]]) -> ReagentColumns:
        """Return the columns of a table by its first rows; one cell that is no SMILES shows names."""
        found = [
            name for name in dict.fromkeys(name for row in rows for name in row) if _REAGENTS.fullmatch(key_of(name))
        ]
        named = tuple(name for name in found if not all(_is_smiles(row, name) for row in rows))
        return cls(tuple(name for name in found if name not in named), named)

    def molecules(self, cells: Mapping[str, object], options: ReadOptions) -> list[str]:
        """Return the SMILES of the reagents of a row; those that are no SMILES are left out if reagents are dropped.

        Raises
        ------
        LogosError
            If a reagent is given by its name and the options count reagents, or refuse them.
        """
        if options.reagents != "drop":
            for name in self.names:
                if not is_missing(cells.get(name)):
                    raise FormatError(
                        f"the column {name!r} holds no SMILES: {str(cells[name])[:40]!r}",
                        hint="write the reagents as SMILES, or leave them out: --reagents drop",
                    )
            return [
                smiles for name in self.smiles if not is_missing(cells.get(name)) for smiles in smiles_of(cells, name)
            ]
        present = [name for name in self.smiles if not is_missing(cells.get(name)) and _is_smiles(cells, name)]
        return [smiles for name in present for smiles in smiles_of(cells, name)]


def _is_smiles(cells: Mapping[str, object], name: str) -> bool:
    """Return whether a cell holds SMILES, or nothing."""
    from logos_cli.chemistry.smiles import checked_smiles

    if is_missing(cells.get(name)):
        return True
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
