"""Read molecule files: SDF and MOL (V2000, V3000), and MOL2."""

from __future__ import annotations

from collections.abc import Iterator

from rdkit import Chem

from logos_cli.chemistry.molecule_records import MoleculeText, mol2_records, sdf_records
from logos_cli.chemistry.sd_tags import read_tags
from logos_cli.errors import InputError, LogosError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Source


def iter_sdf(source: Input, options: ReadOptions) -> Iterator[Entry]:
    """Yield the molecules of an SDF or MOL file, or of several concatenated ones.

    Hydrogens become implicit; stereochemistry comes from the coordinates where they are three-dimensional,
    else from wedges. The SMILES is canonical.
    """
    yield from _entries(source, sdf_records(source.text_lines()), options)


def iter_mol2(source: Input, options: ReadOptions) -> Iterator[Entry]:
    """Yield the molecules of a Tripos MOL2 file."""
    yield from _entries(source, mol2_records(source.text_lines()), options)


def _entries(source: Input, records: Iterator[MoleculeText], options: ReadOptions) -> Iterator[Entry]:
    ids = UniqueIds(source.stem)
    number = 0
    for number, record in enumerate(records, 1):
        entry_id = ids.take(record.name or f"{source.stem}:{number}")
        if options.takes is not None and not options.takes(entry_id):
            continue
        provenance: Source = {**source.provenance, "line": record.line, "record": number}
        yield Entry.read(options, entry_id, _entry, record, entry_id, provenance, source.name)
    if not number:
        raise InputError("the file has no molecules", source=source.name)


def _entry(record: MoleculeText, entry_id: str, provenance: Source, file: str) -> Entry:
    if tags := read_tags(record.text):
        provenance["tags"] = tags
    try:
        molecule, notes = record.read()
    except LogosError as error:
        return Entry(entry_id, None, provenance, error.at(f"{file}:{record.line}"), Form.MOLECULE)
    if notes:
        provenance["notes"] = notes
    return Entry(entry_id, Molecule(str(Chem.MolToSmiles(molecule))), provenance)
