"""Writing SMILES lists and SDF."""

from __future__ import annotations

from logos_cli.errors import UsageError
from logos_cli.formats.base import Writer
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import Material
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record


def smiles_of(item: ScienceObject) -> list[str]:
    """Return the molecules of an object: a molecule, a complex's ligand, a framework's node and linkers.

    Raises
    ------
    UsageError
        If it has none, with the formats that can say it.
    """
    if isinstance(item, Molecule):
        return [item.smiles]
    if isinstance(item, Complex) and item.ligand is not None:
        return [item.ligand]
    if isinstance(item, Material):
        return [item.metal, *item.linkers]
    if isinstance(item, Reaction):
        return [*item.reactants, item.product]
    kind = "site without a ligand" if isinstance(item, Complex) else type(item).__name__.lower()
    raise UsageError(f"a {kind} has no molecule to write", hint="write it --to fasta, csv or json")


class SmilesWriter(Writer):
    """One SMILES a line, a tab, the record's identifier.

    A reaction is its reaction SMILES, whichever way it was read; a framework a line for its node and one per linker.
    """

    suffixes = (".smi", ".smiles", ".ism", ".rsmi")

    def write(self, record: Record, item: ScienceObject) -> None:
        """Write the line or lines of one object."""
        name = " ".join(record.id.split())
        if isinstance(item, Reaction):
            lines = [(item.reaction_smiles, name)]
        elif isinstance(item, Material):
            names = ["metal", *(f"linker{number}" for number in range(1, len(item.linkers) + 1))]
            lines = [(smiles, f"{name}|{part}") for smiles, part in zip(smiles_of(item), names, strict=True)]
        else:
            lines = [(smiles, name) for smiles in smiles_of(item)]
        self.stream.write(
            "".join(f"{smiles}\t{label}\n" if label else f"{smiles}\n" for smiles, label in lines)
        )


class SdfWriter(Writer):
    """One molecule a record, with 2D coordinates, or a 3D conformer (``options.conformer``)."""

    suffixes = (".sdf", ".sd")

    def write(self, record: Record, item: ScienceObject) -> None:
        """Write the molecule block and the tags of one object."""
        raise UsageError("SDF is not written yet")
