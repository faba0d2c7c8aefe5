"""Write ranked sites: P2Rank's tables, and structures with frequencies as B-factors."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from logos_cli.errors import OutputError
from logos_cli.formats.base import Stream, WriteOptions, Writer
from logos_cli.formats.structure.write import source_structure, structure_with
from logos_cli.io.formulas import guarded
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.records import Record
from logos_cli.structure.residues.map import ResidueMap, ResidueName

_PREDICTIONS = (
    "name",
    "rank",
    "score",
    "probability",
    "sas_points",
    "surf_atoms",
    "center_x",
    "center_y",
    "center_z",
    "residue_ids",
    "surf_atom_ids",
)
_RESIDUES = ("chain", "residue_label", "residue_name", "score", "zscore", "probability", "pocket")
_MOST_B_FACTOR = 100.0
_RESIDUE_NUMBER: Final = re.compile(r"-?\d+[A-Za-z]?")
_THREE = {
    "A": "ALA",
    "C": "CYS",
    "D": "ASP",
    "E": "GLU",
    "F": "PHE",
    "G": "GLY",
    "H": "HIS",
    "I": "ILE",
    "K": "LYS",
    "L": "LEU",
    "M": "MET",
    "N": "ASN",
    "O": "PYL",
    "P": "PRO",
    "Q": "GLN",
    "R": "ARG",
    "S": "SER",
    "T": "THR",
    "U": "SEC",
    "V": "VAL",
    "W": "TRP",
    "Y": "TYR",
}


@dataclass(frozen=True, slots=True)
class _Ranked:
    """The ranked sites of a protein in a record of ``generate site``."""

    record: Record
    chains: tuple[str, ...]
    sites: tuple[tuple[int, ...], ...]
    names: ResidueMap
    frequency: Sequence[Sequence[float]]
    centre: Sequence[float] | None

    def score(self, name: str) -> Any:
        """Return a score of the site by its name; None if it has none."""
        value = self.record.scores.get(name)
        return value.get("value") if isinstance(value, dict) else value

    def label(self, chain: int, place: int) -> str:
        """Return a residue as P2Rank writes it: ``A_45``."""
        name = self.names.name((chain, place))
        return "" if name is None else "_".join(filter(None, (name.chain, name.number_text)))


def _ranked(record: Record, item: ScienceObject) -> _Ranked:
    """Return the site of a record.

    Raises
    ------
    OutputError
        If ``generate site`` did not write it.
    """
    site = record.extra.get("site")
    if not isinstance(item, Complex) or not isinstance(site, Mapping):
        raise OutputError("this is no ranked site", hint="give records that `logos generate site` wrote")
    lengths = [len(chain.sequence) for chain in item.chains]
    frequency = site.get("frequency")
    if not isinstance(frequency, list) or [len(row) for row in frequency] != lengths:
        raise OutputError("the frequencies are of another protein than the sentence")
    chains = tuple(chain.sequence for chain in item.chains)
    sites = tuple(chain.site for chain in item.chains)
    return _Ranked(record, chains, sites, ResidueMap(record.source, lengths), frequency, site.get("centre_angstrom"))


class _Table(Writer):
    """A table with a header; texts that a spreadsheet would run get an apostrophe, unless ``raw_cells``."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[tuple[str, ...]]

    def __init__(self, stream: Stream, options: WriteOptions) -> None:
        super().__init__(stream, options)
        self._table = csv.writer(stream, lineterminator="\n")
        self._table.writerow(self.columns)

    def add_row(self, *cells: object) -> None:
        """Write a row."""
        self._table.writerow(self._cell(cell) if isinstance(cell, str) else cell for cell in cells)

    def _cell(self, text: str) -> str:
        is_plain = self.options.raw_cells or _RESIDUE_NUMBER.fullmatch(text)
        return text if is_plain else guarded(text)


class P2RankWriter(_Table):
    """Table of sites with the columns of P2Rank's predictions; ``sas_points`` and surface atoms are left empty."""

    columns = _PREDICTIONS

    def write(self, record: Record, item: ScienceObject) -> None:
        """Write one row."""
        site = _ranked(record, item)
        residues = [site.label(chain, place) for chain, members in enumerate(site.sites) for place in members]
        centre = site.centre or ("", "", "")
        rank, score, support = (
            site.score("rank"),
            site.score("score"),
            site.score("probability") or site.score("support"),
        )
        self.add_row(record.id, rank, score, support, "", "", *centre, " ".join(residues), "")


class P2RankResiduesWriter(_Table):
    """Table of all residues with P2Rank's columns: score and probability are the share of samples.

    ``pocket`` is the rank of the site that a residue belongs to, 0 for none. The rows are written when all sites of a
    protein are known.
    """

    columns = _RESIDUES

    def __init__(self, stream: Stream, options: WriteOptions) -> None:
        super().__init__(stream, options)
        self._protein: _Ranked | None = None
        self._pockets: dict[tuple[int, int], int] = {}

    def write(self, record: Record, item: ScienceObject) -> None:
        """Note the residues of one site."""
        site = _ranked(record, item)
        prompt = record.sample.get("prompt")
        if self._protein is not None and self._protein.record.sample.get("prompt") != prompt:
            self.close()
        self._protein = self._protein or site
        for chain, members in enumerate(site.sites):
            self._pockets.update({(chain, place): site.score("rank") for place in members})

    def close(self) -> None:
        """Write the rows of the last protein."""
        protein = self._protein
        if protein is None:
            return
        values = [share for row in protein.frequency for share in row]
        mean = sum(values) / len(values)
        spread = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
        for chain, sequence in enumerate(protein.chains):
            for place, letter in enumerate(sequence):
                share = protein.frequency[chain][place]
                name = protein.names.name((chain, place))
                self.add_row(
                    name.chain if name else "",
                    name.number_text if name else "",
                    _THREE.get(letter, "UNK"),
                    share,
                    round((share - mean) / spread, 4) if spread else 0.0,
                    share,
                    self._pockets.get((chain, place), 0),
                )
        self._protein, self._pockets = None, {}


@dataclass(slots=True)
class _Structure:
    """A structure, and how often each of its residues is tagged."""

    record: Record
    title: str
    frequency: dict[ResidueName, float] = field(default_factory=dict)


class SiteCifWriter(Writer):
    """mmCIF of each structure: the B-factor of a residue is 100 times the share of samples that tag it."""

    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, stream: Stream, options: WriteOptions) -> None:
        super().__init__(stream, options)
        self._structures: dict[tuple[str, int], _Structure] = {}

    def write(self, record: Record, item: ScienceObject) -> None:
        """Note the frequencies of one site.

        Raises
        ------
        OutputError
            If the record is no ranked site, has no structure, or its file is gone or has changed.
        """
        site = _ranked(record, item)
        if not site.names.is_known:
            raise OutputError(
                "the site is on a sequence, which has no structure to write",
                hint="write -o sites.csv or .jsonl, or generate sites from a structure",
            )
        with closing(source_structure(record)) as source:
            key = source.name, int(record.source.get("model", 1))
            title = source.stem
        structure = self._structures.setdefault(key, _Structure(record, title))
        for chain, row in enumerate(site.frequency):
            for place, share in enumerate(row):
                if (name := site.names.name((chain, place))) is not None:
                    structure.frequency[name] = share

    def close(self) -> None:
        """Write one data block a structure."""
        for structure in self._structures.values():
            values = {name: _MOST_B_FACTOR * share for name, share in structure.frequency.items()}
            try:
                text = structure_with(structure.record, values, structure.title)
            except OutputError as error:
                raise error.about(structure.title) from error.__cause__
            self.stream.write(text)
