"""Write tables and JSON."""

from __future__ import annotations

import csv
import json
import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar

from logos_cli.errors import UsageError
from logos_cli.formats.base import Stream, WriteOptions, Writer
from logos_cli.io.formulas import guarded
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import Material
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record

_FIRST = ("id", "kind", "status", "reason")
OBJECT_COLUMNS = ("sequence", "site", "heavy", "light", "smiles", "reactants", "product", "metal", "linkers", "ligand")
Cell = str | int | float | bool
_PARTS = {"scores.": 2, "sample.": 4, "source.": 5}


def fields_of(item: ScienceObject) -> dict[str, object]:
    """Return the parts of an object by their names in tables and JSON.

    Positions of tagged residues (``site``) count from one, as residues do elsewhere in the field.

    Raises
    ------
    UsageError
        If tables cannot hold this kind of object.
    """
    if isinstance(item, Protein):
        return {"sequence": item.sequence}
    if isinstance(item, Antibody):
        return dict(zip(("heavy", "light"), item.chains, strict=False))
    if isinstance(item, Molecule):
        return {"smiles": item.smiles}
    if isinstance(item, Reaction):
        return {"reactants": list(item.reactants), "product": item.product}
    if isinstance(item, Material):
        return {"metal": item.metal, "linkers": list(item.linkers)}
    if isinstance(item, Complex):
        chains = [{"sequence": chain.sequence, "site": [index + 1 for index in chain.site]} for chain in item.chains]
        return {"chains": chains} if item.ligand is None else {"chains": chains, "ligand": item.ligand}
    raise UsageError(f"a {type(item).__name__.lower()} cannot be written to a table", hint="write it --to jsonl")


class JsonWriter(Writer):
    """One array; each object has the record's keys and the parts of the decoded object."""

    suffixes = (".json",)
    tells_status = True

    def __init__(self, stream: Stream, options: WriteOptions) -> None:
        super().__init__(stream, options)
        self._begun = False

    def write(self, record: Record, item: ScienceObject) -> None:
        """Write one object of the array."""
        data = record.to_dict()
        data.pop("schema")
        head = {key: data.pop(key) for key in ("id", "kind", "status", "text")}
        text = json.dumps({**head, **fields_of(item), **data}, ensure_ascii=False)
        self.stream.write(f",\n{text}" if self._begun else f"[\n{text}")
        self._begun = True

    def close(self) -> None:
        """End the array."""
        self.stream.write("\n]\n" if self._begun else "[]\n")


class RowWriter(Writer):
    """One row a record: id, kind, status, the object's parts, scores, other keys, sample and source, flattened.

    Structures, which are whole files (the poses of ``logos dock``), are left out. The columns are known at the end only,
    so that rows are kept in a temporary file.
    """

    tells_status = True

    def __init__(self, stream: Stream, options: WriteOptions) -> None:
        super().__init__(stream, options)
        self._rows = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed in close()
        self._columns: dict[str, None] = {}

    def write(self, record: Record, item: ScienceObject) -> None:
        """Keep one row."""
        row: dict[str, Cell] = {
            "id": record.id,
            "kind": record.kind,
            "status": record.status.value,
            "reason": record.reason or "",
            **object_cells(item),
        }
        scores = {
            name: score["value"] if isinstance(score, dict) and "value" in score else score
            for name, score in record.scores.items()
        }
        row |= _flat({"scores": scores, "sample": record.sample, "source": record.source})
        row |= {name: cell for name, cell in _flat(record.extra).items() if name not in row}
        row = {name: value for name, value in row.items() if value != "" or name in ("id", "kind", "status")}
        self._columns.update(dict.fromkeys(row))
        self._rows.write(json.dumps(row) + "\n")

    def close(self) -> None:
        """Write all rows."""
        columns = sorted(self._columns, key=_order) or [*_FIRST[:3]]
        self._rows.seek(0)
        with self._rows:
            self.write_rows(columns, map(json.loads, self._rows))

    @abstractmethod
    def write_rows(self, columns: list[str], rows: Iterator[dict[str, Cell]]) -> None:
        """Write a table; a row lacks the columns that it has no value for."""


class CsvWriter(RowWriter):
    """Rows parted by lines, cells by commas."""

    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    delimiter: ClassVar[str] = ","

    def write_rows(self, columns: list[str], rows: Iterator[dict[str, Cell]]) -> None:
        """Write the header and all rows."""
        writer = csv.DictWriter(self.stream, columns, restval="", delimiter=self.delimiter, lineterminator="\n")
        guard = str if self.options.raw_cells else guarded
        writer.writerow({name: guard(name) for name in columns})
        writer.writerows(
            {name: guard(cell) if isinstance(cell, str) else as_text(cell) for name, cell in row.items()}
            for row in rows
        )


class TsvWriter(CsvWriter):
    """The same with tabs between the columns."""

    suffixes = (".tsv", ".tab")
    delimiter = "\t"


def object_cells(item: ScienceObject) -> dict[str, str]:
    """Return the parts of an object as text: molecules joined by dots, chains by colons."""
    if isinstance(item, Complex):
        cells = {
            "sequence": ":".join(chain.sequence for chain in item.chains),
            "site": ":".join(" ".join(str(index + 1) for index in chain.site) for chain in item.chains),
        }
        return cells if item.ligand is None else {**cells, "ligand": item.ligand}
    parts = fields_of(item).items()
    return {name: ".".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in parts}


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, Cell]:
    """Return cells by the path to each value: ``docking.site.covered``; text of several lines is left out."""
    cells: dict[str, Cell] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            cells |= _flat(value, f"{prefix}{name}.")
        elif value is None:
            cells[f"{prefix}{name}"] = ""
        elif isinstance(value, (bool, int, float)):
            cells[f"{prefix}{name}"] = value
        elif not isinstance(value, str):
            cells[f"{prefix}{name}"] = json.dumps(value, ensure_ascii=False)
        elif "\n" not in value:
            cells[f"{prefix}{name}"] = value
    return cells


def as_text(cell: Cell) -> str:
    """Return a cell as text: numbers as JSON writes them."""
    return cell if isinstance(cell, str) else json.dumps(cell)


def _order(column: str) -> tuple[int, int]:
    """Sort key: identity, the object, scores, other keys, sample, source; stable within each."""
    for group, names in enumerate((_FIRST, OBJECT_COLUMNS)):
        if column in names:
            return group, names.index(column)
    return next((group for prefix, group in _PARTS.items() if column.startswith(prefix)), 3), 0
