"""Write ``examples/complex.cif``: a made-up helix with benzamidine beside it, so that the examples need no download.

The helix is ideal and has no side chains beyond CB; the ligand's conformer is RDKit's. Nothing in it is science; it
only has the shape of a file from the PDB.
"""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDistGeom

SEQUENCE = "MKTAYIAKQRDSAWEKLGRHF"
OUTPUT = Path(__file__).resolve().parent.parent / "examples" / "complex.cif"
LIGAND_NAMES = ("C1", "C2", "C3", "C4", "C5", "C6", "C", "N1", "N2")
LIGAND_SMILES = "c1ccccc1C(=N)N"
BESIDE = (8, 11, 12, 15)  # zero-based residues on one face of the helix, over which the ligand lies

Xyz = NDArray[np.float64]


def place(a: Xyz, b: Xyz, c: Xyz, length: float, angle_deg: float, dihedral_deg: float) -> Xyz:
    """Return the position of an atom bonded to ``c``, from bond length (Å), angle and dihedral over a-b-c."""
    angle, dihedral = np.radians(angle_deg), np.radians(dihedral_deg)
    along = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, along)
    normal /= np.linalg.norm(normal)
    side = np.cross(normal, along)
    turned = np.cos(dihedral) * side + np.sin(dihedral) * normal
    found: Xyz = c + length * (np.sin(angle) * turned - np.cos(angle) * along)
    return found


def beta_carbon(n: Xyz, ca: Xyz, c: Xyz) -> Xyz:
    """Return where the CB of an L-amino acid is: off the bisector of N and C, on the side that makes it L."""
    bisector = (ca - n) / np.linalg.norm(ca - n) + (ca - c) / np.linalg.norm(ca - c)
    bisector /= np.linalg.norm(bisector)
    normal = np.cross(n - ca, c - ca)
    normal /= np.linalg.norm(normal)
    found: Xyz = ca + 1.53 * (np.cos(np.radians(54.75)) * bisector + np.sin(np.radians(54.75)) * normal)
    return found


def helix(n_residues: int) -> list[dict[str, Xyz]]:
    """Return backbone and CB positions of an ideal alpha helix."""
    phi, psi, omega = -57.0, -47.0, 180.0
    n, ca = np.zeros(3), np.array([1.458, 0.0, 0.0])
    c = place(np.array([0.0, 1.0, 0.0]), n, ca, 1.525, 111.0, phi)
    residues = []
    for _ in range(n_residues):
        next_n = place(n, ca, c, 1.329, 116.6, psi)
        residues.append(
            {"N": n, "CA": ca, "C": c, "O": place(n, ca, c, 1.231, 120.5, psi + 180), "CB": beta_carbon(n, ca, c)}
        )
        next_ca = place(ca, c, next_n, 1.458, 121.7, omega)
        n, ca, c = next_n, next_ca, place(c, next_n, next_ca, 1.525, 111.0, phi)
    return residues


def ligand(beside: Xyz, outward: Xyz) -> Xyz:
    """Return heavy-atom positions of the ligand, shape (9, 3), 3.4 Å outside of a point on the helix."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(LIGAND_SMILES))
    rdDistGeom.EmbedMolecule(molecule, randomSeed=7)
    xyz: Xyz = np.asarray(molecule.GetConformer().GetPositions()[: len(LIGAND_NAMES)])
    xyz -= xyz.mean(axis=0)
    _, _, axes = np.linalg.svd(xyz)
    xyz = xyz @ axes.T  # its plane is now x-y
    frame = np.linalg.svd(outward[None])[2]
    found: Xyz = beside + 3.4 * outward + xyz @ frame[[1, 2, 0]]
    return found


def structure() -> gemmi.Structure:
    """Return the complex."""
    residues = helix(len(SEQUENCE))
    axis_point = np.mean([atoms["CA"] for atoms in residues], axis=0)
    axis = np.mean([atoms["CA"] for atoms in residues[-8:]], axis=0) - np.mean(
        [atoms["CA"] for atoms in residues[:8]], axis=0
    )
    axis /= np.linalg.norm(axis)
    start: Xyz = np.mean([residues[index]["CB"] for index in BESIDE], axis=0)
    outward = start - axis_point
    outward -= outward.dot(axis) * axis
    outward /= np.linalg.norm(outward)

    chain, model, made = gemmi.Chain("A"), gemmi.Model(1), gemmi.Structure()
    for number, (letter, atoms) in enumerate(zip(SEQUENCE, residues, strict=True), 1):
        name = gemmi.expand_one_letter(letter, gemmi.ResidueKind.AA)
        chain.add_residue(residue(name, number, {key: atoms[key] for key in atoms if letter != "G" or key != "CB"}))
    chain.add_residue(residue("BEN", 101, dict(zip(LIGAND_NAMES, ligand(start, outward), strict=True))))
    model.add_chain(chain)
    made.add_model(model)
    made.name = "EXAMPLE"
    made.setup_entities()
    made.assign_label_seq_id()
    return made


def residue(name: str, number: int, atoms: dict[str, Xyz]) -> gemmi.Residue:
    """Return a residue of named atoms."""
    made = gemmi.Residue()
    made.name, made.seqid = name, gemmi.SeqId(str(number))
    made.het_flag = "H" if name == "BEN" else "A"
    for key, position in atoms.items():
        atom = gemmi.Atom()
        atom.name, atom.element, atom.b_iso = key, gemmi.Element(key[0]), 20.0
        atom.pos = gemmi.Position(*(round(float(value), 3) for value in position))
        made.add_atom(atom)
    return made


def main() -> None:
    """Write the file."""
    made = structure()
    made.make_mmcif_document(gemmi.MmcifOutputGroups(True, auth_all=True)).write_file(str(OUTPUT))


if __name__ == "__main__":
    main()
