"""Write the crystal that a record came from as POSCAR."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, ClassVar

from logos_cli.errors import InputError, OutputError
from logos_cli.formats.base import SingleWriter
from logos_cli.formats.periodic.kinds import kind_of
from logos_cli.io.reopen import reopen
from logos_cli.objects.base import ScienceObject
from logos_cli.records import Record, Source

if TYPE_CHECKING:
    from logos_cli.crystal.cell import UnitCell


class PoscarWriter(SingleWriter):
    """POSCAR of the cell that a framework or a crystal's molecule came from, with symmetry expanded and disorder resolved.

    A sentence has no coordinates: they are read again, with the solvent, from the file that the record names.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".poscar", ".vasp")
    what = "a POSCAR is one crystal"

    def text_of(self, record: Record, item: ScienceObject) -> str:
        """Return the crystal of a record.

        Raises
        ------
        OutputError
            If the record has no crystal, or its file is missing, has changed, or lacks atoms of the sentence.
        """
        if "cell" not in record.source or "formula" not in record.source:
            kind = type(item).__name__.lower()
            raise OutputError(
                f"the {kind} does not come from a crystal, so that no coordinates are known",
                hint="a POSCAR needs a record that was encoded from a CIF, POSCAR, CSSR, XSF or pymatgen JSON",
            )
        atoms = _atoms_of(record)
        _check_complete(record, atoms)
        return _poscar(atoms, " ".join(record.id.split()))


def _atoms_of(record: Record) -> UnitCell:
    """Read the atoms of a record's crystal again.

    Raises
    ------
    OutputError
        If they cannot be read, or differ from those that were encoded.
    """
    from logos_cli.crystal.cif import parse_cif
    from logos_cli.crystal.molecules import formula
    from logos_cli.crystal.resolved import resolved_cell
    from logos_cli.formats.periodic.read import cif_of, read_crystals

    source: Source = record.source
    try:
        with closing(reopen(source)) as file:
            kind = kind_of(file.head)
            text = file.read().decode("utf-8", "replace")
            name = file.name
        if kind is not None:
            crystals = list(read_crystals(text, kind, name))
            structure = crystals[source.get("record", 1) - 1].structure
            text = cif_of(structure) if structure is not None else ""
        document, _ = parse_cif(text, name)
        block = document.find_block(source["block"]) if "block" in source else document.sole_block()
        atoms = resolved_cell(block)
    except InputError as error:
        raise OutputError(f"its crystal {error.message}", source=error.source, hint=error.hint) from error
    except (RuntimeError, ValueError, IndexError) as error:
        raise OutputError(f"its crystal cannot be read again: {error}", hint="encode it again") from error
    if formula(atoms.elements) != source["formula"]:
        raise OutputError(
            f"the crystal is {formula(atoms.elements)} now, and was {source['formula']} when it was encoded",
            hint="encode it again",
        )
    return atoms


def _check_complete(record: Record, atoms: UnitCell) -> None:
    """Refuse a crystal if hydrogens were added to its sentence: they have no coordinates."""
    from rdkit import Chem

    blocks = [*record.source.get("nodes", ()), *record.source.get("linkers", ())]
    needed = 0
    for block in blocks:
        molecule = Chem.MolFromSmiles(block["smiles"], sanitize=False)
        molecule.UpdatePropertyCache(strict=False)
        needed += block["n_in_cell"] * sum(atom.GetTotalNumHs() for atom in molecule.GetAtoms())
    notes = record.source.get("notes", ())
    added = [note for note in notes if "hydrogens" in note and ("added" in note or "taken as water" in note)]
    if needed > atoms.elements.count("H") or added:
        raise OutputError(
            "hydrogens of the sentence or of its water are not in the file, so that they have no coordinates",
            hint="add them to the crystal with another program, and encode it again",
        )


def _poscar(atoms: UnitCell, title: str) -> str:
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure
    from pymatgen.io.vasp.inputs import Poscar

    structure = Structure(Lattice(atoms.matrix), atoms.elements, atoms.fractional)
    return str(Poscar(structure, comment=title, sort_structure=True).get_str(significant_figures=12))
