"""Read PQR: structures with charges and radii, as PDB2PQR writes them."""

from __future__ import annotations

from collections.abc import Iterator

from logos_cli.formats.base import Entry, Format, ReadOptions
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.io.reopen import remember
from logos_cli.structure.kinds import is_pqr


class PqrFormat(Format):
    """Structures with charges and radii, read like those of PDB; the names of the atoms give the elements."""

    name = "pqr"
    suffixes = (".pqr",)
    is_list = False

    def sniff(self, head: bytes) -> float:
        """Recognise atoms that end in charge and radius."""
        return 0.97 if is_pqr(head) else 0.0

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield one entry a ligand, or one a chain."""
        from logos_cli.formats.structure_entries.entries import structure_entries, structure_reading
        from logos_cli.structure.read import load

        data = source.read()
        provenance = source.provenance | ({"sha256": remember(data)} if source.path is None else {})
        with structure_reading(source.name):
            file = load(data, source.name)
            entries = list(structure_entries(file, source, options, provenance, UniqueIds(source.stem)))
        yield from entries

    def not_carried(self, entry: Entry) -> list[str]:
        """List what the sentence leaves out."""
        return ["coordinates, charges and radii"] if entry.item is not None else []


PLUGIN = PqrFormat()
