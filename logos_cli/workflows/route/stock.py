"""A stock: the molecules with which a route may begin, as SMILES or InChIKeys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from logos_cli.chemistry.smiles import canonical_smiles, smiles_without_maps
from logos_cli.errors import InputError, LogosError
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.io.input import Input
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Source

_KEY = re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]")
_FIELD = re.compile(r"[\s,;]+")
_HEAD = "inchikey"


@dataclass(slots=True)
class Stock:
    """Molecules that can be bought, or are at hand.

    A salt stands for itself and for each of its ions, as sets of reactants have ions, too.

    Attributes
    ----------
    smiles : set of str
        Canonical SMILES.
    keys : set of str
        Standard InChIKeys; they do not tell some tautomers apart.
    n_skipped : int
        Entries that cannot be used.
    first_skipped : str
        The reason for the first of them.
    sources : list of Source
        The files, with their hashes.
    """

    smiles: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    sources: list[Source] = field(default_factory=list)
    n_skipped: int = 0
    first_skipped: str = ""

    @classmethod
    def read(cls, paths: Sequence[str], column: str | None = None) -> Stock:
        """Read files: a list of InChIKeys, or whatever has molecules (SMILES, SDF, tables, records).

        Raises
        ------
        InputError
            If a file cannot be read, or has no molecule.
        """
        stock = cls()
        for path in paths:
            with closing(Input(path)) as source:
                before = len(stock)
                if _is_key(_first_field(source)):
                    stock.keys.update(_keys(source))
                else:
                    stock._add_molecules(source, column)
                stock.sources.append(source.provenance)
                if len(stock) == before:
                    reason = f": {stock.first_skipped}" if stock.first_skipped else ""
                    raise InputError(
                        f"the stock has no molecule that is not already in it{reason}",
                        source=source.name,
                        hint="give SMILES or InChIKeys, one a line",
                    )
        return stock

    def __len__(self) -> int:
        return len(self.smiles) + len(self.keys)

    def __contains__(self, smiles: str) -> bool:
        """Return whether a molecule, as canonical SMILES, is in stock."""
        return smiles in self.smiles or (bool(self.keys) and inchikey(smiles) in self.keys)

    def _add_molecules(self, source: Input, column: str | None) -> None:
        for entry in detect(source).read(source, ReadOptions(column=column)):
            try:
                if entry.error is not None:
                    raise entry.error
                if not isinstance(entry.item, Molecule):
                    raise InputError("it is no molecule")
                whole = canonical_smiles(smiles_without_maps(entry.item.smiles))
            except LogosError as error:
                self.n_skipped += 1
                self.first_skipped = self.first_skipped or f"{entry.id}: {error.message}"
                continue
            self.smiles.update({whole, *whole.split(".")})


def inchikey(smiles: str) -> str:
    """Return the standard InChIKey of a molecule; empty if it has none."""
    from rdkit import Chem, rdBase
    from rdkit.Chem.rdinchi import MolToInchiKey

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
        return "" if molecule is None else str(MolToInchiKey(molecule))


def skeleton(smiles: str) -> str:
    """Return what all stereoisomers, tautomers and charge states of a molecule share: the first block of its InChIKey."""
    return inchikey(smiles)[:14] or smiles


def _first_field(source: Input) -> str:
    """Return the first field of the first line that has content and is no heading."""
    for line in source.head.decode("utf-8", errors="replace").splitlines():
        first = _FIELD.split(line.strip())[0]
        if first and first.lower() != _HEAD:
            return first
    return ""


def _is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def _keys(source: Input) -> Iterator[str]:
    for number, line in enumerate(source.text_lines(), 1):
        first = _FIELD.split(line.strip())[0]
        if not first or first.lower() == _HEAD:
            continue
        if not _is_key(first):
            raise InputError(
                f"{first[:40]!r} is no InChIKey, but the first line is one",
                source=f"{source.name}:{number}",
                hint="keep InChIKeys and SMILES in files of their own; --stock may be given again",
            )
        yield first
