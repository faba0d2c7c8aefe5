"""Write SMILES lists and SDF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logos_cli.errors import MoleculeError, UsageError
from logos_cli.formats.base import Writer
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import Material
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record

if TYPE_CHECKING:
    from rdkit import Chem


def smiles_of(item: ScienceObject) -> list[str]:
    """Return the molecules of an object: a molecule, a complex's ligand, a framework's node and linkers.

    Raises
    ------
    UsageError
        If it has none; the hint names formats that can hold the object.
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

    A reaction is written as its reaction SMILES; a framework as a line for its node and one per linker.
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
        self.stream.write("".join(f"{smiles}\t{label}\n" if label else f"{smiles}\n" for smiles, label in lines))


class SdfWriter(Writer):
    """One molecule a record, with 2D coordinates, or a 3D conformer (``options.conformer``).

    The identifier is the title. Scores, and the role of a part of a framework or reaction, are tags. A conformer is
    embedded by ETKDG with hydrogens and the seed ``options.seed``; the file keeps the hydrogens, which docking programs
    need.
    """

    suffixes = (".sdf", ".sd")

    def write(self, record: Record, item: ScienceObject) -> None:
        """Write the molecule block and the tags of one object, or of each part of it."""
        smiles = smiles_of(item)
        roles = _roles(item, len(smiles))
        texts = [
            self._record(one, record, f"{record.id}|{role}" if role else record.id, role)
            for one, role in zip(smiles, roles, strict=True)
        ]
        self.stream.write("".join(texts))

    def _record(self, smiles: str, record: Record, title: str, role: str) -> str:
        from rdkit import Chem

        from logos_cli.chemistry.rare_stereo import check_cumulenes, check_geometries
        from logos_cli.chemistry.sd_tags import tag_text, title_line
        from logos_cli.chemistry.smiles import parse_smiles

        molecule = _node(smiles) if role == "metal" else parse_smiles(smiles)
        if self.options.conformer:
            check_cumulenes(smiles, "the SDF")
            molecule = self._conformer(molecule, title)
        else:
            check_geometries(
                smiles, molecule, "an SDF in two dimensions", "write coordinates in space (--3d), or --to smi"
            )
            molecule = _flat(molecule)
        molecule.SetProp("_Name", title_line(title))
        tags = {"kind": record.kind, "smiles": smiles, "role": role, "status": record.status.value}
        for name, score in record.scores.items():
            tags[name] = str(score.get("value", "") if isinstance(score, dict) else score)
        if "logp" in record.sample:
            tags["logp_sample"] = str(record.sample["logp"])
        lines = [tag_text(name, value) for name, value in tags.items() if value not in ("", "None")]
        return f"{Chem.MolToMolBlock(molecule)}{''.join(lines)}$$$$\n"

    def _conformer(self, molecule: Chem.Mol, title: str) -> Chem.Mol:
        from logos_cli.chemistry.conformer import embed

        try:
            return embed(molecule, self.options.seed, title)
        except MoleculeError as error:
            error.hint = error.hint or "write 2D coordinates: leave out --3d"
            raise


def _roles(item: ScienceObject, count: int) -> list[str]:
    if isinstance(item, Material):
        return ["metal", *(f"linker{number}" for number in range(1, count))]
    if isinstance(item, Reaction):
        return [*(f"reactant{number}" for number in range(1, count)), "product"]
    return [""] * count


def _node(smiles: str) -> Chem.Mol:
    """Return a metal node without RDKit's check of valences, which it would fail."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecule: Chem.Mol | None = Chem.MolFromSmiles(smiles, sanitize=False)
    if molecule is None:
        raise MoleculeError(f"the metal node is not a SMILES: {smiles}", text=smiles)
    molecule.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(molecule)
    return molecule


def _flat(molecule: Chem.Mol) -> Chem.Mol:
    from rdkit.Chem import rdDepictor

    rdDepictor.Compute2DCoords(molecule)
    return molecule
