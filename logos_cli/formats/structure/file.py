"""Read the entries of one structure file."""

from __future__ import annotations

from collections.abc import Iterator

from logos_cli.errors import LogosError, StructureError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.structure_entries.entries import structure_entries, structure_reading
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.io.reopen import remember
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Source
from logos_cli.structure import read as reading
from logos_cli.structure.ligand.chem_comp import ChemComps


def read(source: Input, options: ReadOptions) -> Iterator[Entry]:
    """Yield the entries of a file.

    Raises
    ------
    InputError
        If it is no structure, or has nothing that the options select.
    """
    with structure_reading(source.name):
        entries = list(_entries(source, options))
    yield from entries


def _entries(source: Input, options: ReadOptions) -> Iterator[Entry]:
    document = None
    kind = reading.kind_of(source.head)
    is_file = source.path is not None and source.sha256 is not None  # a pipe can be read only once
    if is_file and source.path and kind == "mmcif":
        document = reading.document_of_file(source.path)
    data = b"" if document is not None else source.read()
    provenance = source.provenance | ({"sha256": remember(data)} if source.path is None else {})
    ids = UniqueIds(source.stem)
    if kind not in ("mmcif", "bcif", "mmjson"):
        yield from structure_entries(reading.load(data, source.name), source, options, provenance, ids)
        return
    document = document or reading.document_of(data, kind, source.name)
    del data
    blocks = reading.structure_blocks(document)
    if not blocks and (defining := [block for block in document if reading.defines_components(block)]):
        for block in defining:
            comps = ChemComps(block)
            yield from _components(comps, comps.names(), source, ids)
        return
    for block in blocks or document:
        place = {**provenance, "block": block.name} if len(blocks) > 1 else provenance
        try:
            yield from structure_entries(
                reading.load_block(block, kind, source.name, document), source, options, place, ids
            )
        except LogosError as error:
            if len(blocks) < 2:
                raise
            yield Entry(ids.take(f"{source.stem}:{block.name}"), None, place, error.at(source.name))


def _components(comps: ChemComps, names: list[str], source: Input, ids: UniqueIds) -> Iterator[Entry]:
    """Yield the molecules of a file with definitions of chemical components and no structure."""
    from logos_cli.structure.ligand import chemistry

    for name in names:
        provenance: Source = {**source.provenance, "format": "chem_comp", "component": name}
        try:
            found = comps.get(name)
            if found is None:
                raise StructureError(f"component {name} has no bonds", hint="_chem_comp_bond is needed")
            smiles = chemistry.to_smiles(chemistry.molecule_of(found))
        except LogosError as error:
            yield Entry(ids.take(name), None, provenance, error.at(source.name))
        else:
            yield Entry(ids.take(name), Molecule(smiles), provenance)
