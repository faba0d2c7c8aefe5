"""Read crystals in POSCAR and CONTCAR, CSSR, XSF and pymatgen's JSON with pymatgen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

from logos_cli import registry
from logos_cli.errors import InputError, LogosError
from logos_cli.formats.base import Entry, Format, ReadOptions, Writer
from logos_cli.formats.periodic.kinds import kind_of
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input, MemoryInput
from logos_cli.io.reopen import remember
from logos_cli.records import Source


class PeriodicFormat(Format):
    """All atoms of one cell, without symmetry.

    pymatgen reads the file; nodes, linkers and molecules are found as in a CIF. Files for which pymatgen would guess or
    ignore something are refused: a POSCAR of VASP 4 without elements, a CSSR with symmetry, atoms beyond the count.
    """

    name = "periodic"
    suffixes = (".poscar", ".contcar", ".vasp", ".cssr", ".xsf")
    is_list = False

    def sniff(self, head: bytes) -> float:
        """Recognise the lines before the atoms, or the names of pymatgen's classes."""
        return 0.96 if kind_of(head) else 0.0

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield one framework, or the molecules, of every crystal.

        Raises
        ------
        InputError
            If the file is cut off or breaks its format.
        """
        from logos_cli.formats.periodic.read import cif_of, read_crystals

        kind = kind_of(source.head)
        if kind is None:
            raise InputError(
                "the file does not begin like a crystal", source=source.name, hint="check that it is complete"
            )
        data = source.read()
        provenance: Source = source.provenance | ({"sha256": remember(data)} if source.path is None else {})
        crystal_format = registry.load("formats", "crystal")
        ids = UniqueIds(source.stem)
        for number, crystal in enumerate(read_crystals(data.decode("utf-8", "replace"), kind, source.name), 1):
            place: Source = {**provenance, "format": kind, "record": number}
            if crystal.title:
                place["description"] = crystal.title
            if crystal.structure is None:
                yield Entry(ids.take(source.stem), None, place, crystal.error, Form.MATERIAL)
                continue
            with closing(MemoryInput(cif_of(crystal.structure).encode(), source.name)) as cif:
                try:
                    entries = list(crystal_format.read(cif, options))
                except LogosError as error:
                    entries = [Entry("", None, {}, error, Form.MATERIAL)]
            for entry in entries:
                yield _placed(entry, ids.take(source.stem), place, crystal.notes, source.name)

    def not_carried(self, entry: Entry) -> list[str]:
        """List what the sentence leaves out, as for a CIF."""
        found: list[str] = registry.load("formats", "crystal").not_carried(entry)
        return found

    def writers(self) -> Mapping[str, type[Writer]]:
        """Return the writer of POSCAR."""
        from logos_cli.formats.periodic.write import PoscarWriter

        return {"poscar": PoscarWriter}


def _placed(entry: Entry, id: str, place: Source, notes: list[str], name: str) -> Entry:
    """Return an entry of the CIF in memory as an entry of the file."""
    source: Source = {**entry.source, **place}
    source.pop("block", None)
    source.pop("object", None)
    if notes:
        source["notes"] = [*notes, *source.get("notes", ())]
    if entry.error is not None:
        entry.error.source = f"{name}: crystal {place['record']}"
    return Entry(id, entry.item, source, entry.error, entry.form)


PLUGIN = PeriodicFormat()
