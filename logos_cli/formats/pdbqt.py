"""Read PDBQT: receptors and ligands of AutoDock and Vina, and Vina's poses."""

from __future__ import annotations

from collections.abc import Iterator

from logos_cli.errors import LogosError
from logos_cli.formats.base import Entry, Format, ReadOptions
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.io.reopen import remember
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Source
from logos_cli.structure.kinds import is_pdbqt


class PdbqtFormat(Format):
    """Files of AutoDock and Vina.

    A receptor is read like any structure. A ligand, or each pose of Vina's output, is a molecule if the file has its
    bonds (``REMARK SMILES``, as Meeko writes it); they are never guessed.
    """

    name = "pdbqt"
    suffixes = (".pdbqt",)

    def sniff(self, head: bytes) -> float:
        """Recognise charges and atom types behind the columns of PDB, or the tree of a ligand."""
        return 0.97 if is_pdbqt(head) else 0.0

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield the entries of a structure, or one entry a pose."""
        from logos_cli.formats.structure_entries.entries import structure_entries, structure_reading
        from logos_cli.structure.model import StructureModel
        from logos_cli.structure.pdbqt import has_tree
        from logos_cli.structure.read import load

        data = source.read()
        provenance = source.provenance | ({"sha256": remember(data)} if source.path is None else {})
        with structure_reading(source.name):
            if has_tree(data) or not StructureModel(load(data, source.name), source.name).chains:
                entries = list(_ligands(data, source, provenance))
            else:
                # read again: a model removes the other models from its structure
                file = load(data, source.name)
                entries = list(structure_entries(file, source, options, provenance, UniqueIds(source.stem)))
        yield from entries

    def not_carried(self, entry: Entry) -> list[str]:
        """List what the sentence leaves out."""
        return ["coordinates, charges and atom types"] if entry.item is not None else []


def _ligands(data: bytes, source: Input, provenance: Source) -> Iterator[Entry]:
    """Yield a molecule for each pose."""
    from logos_cli.structure.ligand.chemistry import to_smiles
    from logos_cli.structure.ligand.pdbqt_molecule import molecule_of
    from logos_cli.structure.pdbqt import poses

    ids = UniqueIds(source.stem)
    for pose in poses(data, source.name):
        place: Source = {**provenance, "format": "pdbqt", "model": pose.model}
        id = ids.take(pose.title.replace(" ", "_") or source.stem)
        try:
            smiles = to_smiles(molecule_of(pose))
        except LogosError as error:
            yield Entry(id, None, place, error.at(source.name), Form.MOLECULE)
        else:
            yield Entry(id, Molecule(smiles), place)


PLUGIN = PdbqtFormat()
