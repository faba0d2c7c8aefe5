"""Crystals that tests write themselves: a square grid of metals and terephthalates, and molecules in a box."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.crystal import PLUGIN
from logos_cli.grammar import Form
from logos_cli.io.input import Input

METAL_LINKER_ANGSTROM = 5.17
"""From a metal to the middle of a terephthalate, so that both its oxygens chelate at 2.0 Å."""


@dataclass(frozen=True)
class Atom:
    """One atom site."""

    label: str
    element: str
    xyz: tuple[float, float, float]
    occupancy: float = 1.0
    group: str = "."


def terephthalate(tag: str, hydrogens: bool = True, tilt: float = 0.0) -> list[Atom]:
    """Return a terephthalate along x around the origin, its ring turned about x by ``tilt`` degrees."""
    ring = [(1.39 * np.cos(np.radians(a)), 1.39 * np.sin(np.radians(a)), 0.0) for a in range(0, 360, 60)]
    outer = [(2.47 * x / 1.39, 2.47 * y / 1.39, 0.0) for x, y, _ in ring]
    turn = np.radians(tilt)
    rotate = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    atoms = [Atom(f"C{tag}{n}", "C", tuple(rotate @ xyz)) for n, xyz in enumerate(ring)]
    if hydrogens:
        sides = [n for n in range(6) if n not in (0, 3)]
        atoms += [Atom(f"H{tag}{n}", "H", tuple(rotate @ outer[n])) for n in sides]
    for sign in (1, -1):
        atoms.append(Atom(f"CX{tag}{sign:+d}", "C", (sign * 2.88, 0.0, 0.0)))
        atoms += [Atom(f"O{tag}{sign:+d}{up:+d}", "O", (sign * 3.50, 0.0, up * 1.09)) for up in (1, -1)]
    return atoms


def shifted(atoms: list[Atom], by: tuple[float, float, float], swap: bool = False) -> list[Atom]:
    """Return atoms moved by a vector in Å, x and y exchanged first if ``swap``."""
    out = []
    for atom in atoms:
        x, y, z = atom.xyz
        x, y = (y, x) if swap else (x, y)
        out.append(Atom(atom.label, atom.element, (x + by[0], y + by[1], z + by[2]), atom.occupancy, atom.group))
    return out


def grid(metal: str = "Zn", hydrogens: bool = True, tilt: float = 90.0) -> list[Atom]:
    """Return one cell of a square grid: a metal at the origin, terephthalates along x and y."""
    half = METAL_LINKER_ANGSTROM
    along_x = shifted(terephthalate("x", hydrogens, tilt), (half, 0, 0))
    along_y = shifted(terephthalate("y", hydrogens, tilt), (0, half, 0), swap=True)
    return [Atom("M1", metal, (0.0, 0.0, 0.0)), *along_x, *along_y]


GRID_CELL = (2 * METAL_LINKER_ANGSTROM, 2 * METAL_LINKER_ANGSTROM, 9.0)


def cif(
    atoms: list[Atom],
    lengths: tuple[float, float, float] = GRID_CELL,
    name: str = "test",
    operations: tuple[str, ...] = ("x,y,z",),
) -> str:
    """Return a CIF of an orthogonal cell."""
    lines = [f"data_{name}"]
    lines += [f"_cell_length_{axis} {length:.4f}" for axis, length in zip("abc", lengths, strict=True)]
    lines += [f"_cell_angle_{angle} 90" for angle in ("alpha", "beta", "gamma")]
    lines += ["loop_", "_space_group_symop_operation_xyz", *(f"'{operation}'" for operation in operations)]
    lines += ["loop_", "_atom_site_label", "_atom_site_type_symbol"]
    lines += [f"_atom_site_fract_{axis}" for axis in "xyz"]
    lines += ["_atom_site_occupancy", "_atom_site_disorder_group"]
    for atom in atoms:
        x, y, z = (value / length for value, length in zip(atom.xyz, lengths, strict=True))
        lines.append(f"{atom.label} {atom.element} {x:.6f} {y:.6f} {z:.6f} {atom.occupancy} {atom.group}")
    return "\n".join(lines) + "\n"


def read(text: str | bytes, form: Form | None = None) -> list[Entry]:
    """Return what the crystal format reads from a CIF."""
    data = text.encode() if isinstance(text, str) else text
    return list(PLUGIN.read(Input("-", io.BytesIO(data)), ReadOptions(form=form)))


def only(text: str | bytes, form: Form | None = None) -> Entry:
    """Return the one entry of a CIF."""
    (entry,) = read(text, form)
    return entry


def embedded(smiles: str, without: str = "") -> list[Atom]:
    """Return a molecule around the origin, relaxed, without the hydrogens on atoms of the elements in ``without``."""
    from rdkit import Chem
    from rdkit.Chem import AllChem

    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(molecule, randomSeed=7) == 0
    AllChem.MMFFOptimizeMolecule(molecule)
    xyz = molecule.GetConformer().GetPositions()
    found = []
    for atom, (x, y, z) in zip(molecule.GetAtoms(), (xyz - xyz.mean(axis=0)).tolist(), strict=True):
        is_gone = atom.GetSymbol() == "H" and atom.GetNeighbors()[0].GetSymbol() in without
        if not is_gone:
            found.append(Atom(f"{atom.GetSymbol()}{atom.GetIdx()}", atom.GetSymbol(), (x, y, z)))
    return found


def cubic(name: str, a: float, atoms: str) -> str:
    """Return a CIF in Fm-3m that leaves its 192 operations to the reader."""
    lines = [f"data_{name}", *(f"_cell_length_{axis} {a}" for axis in "abc")]
    lines += [f"_cell_angle_{angle} 90" for angle in ("alpha", "beta", "gamma")]
    lines += ["_symmetry_space_group_name_H-M 'F m -3 m'", "loop_", "_atom_site_label", "_atom_site_type_symbol"]
    lines += [*(f"_atom_site_fract_{axis}" for axis in "xyz"), "_atom_site_occupancy", atoms]
    return "\n".join(lines) + "\n"


MOF5 = """Zn1 Zn2+ 0.2936(1) 0.2064 0.2064 1
O1 O2- 0.25 0.25 0.25 1
O2 O 0.2819 0.2181 0.1340 1
C1 C 0.25 0.25 0.1113 1
C2 C 0.25 0.25 0.0538 1
C3 C 0.2829 0.2171 0.0269 1
H3 H 0.3065 0.1935 0.0463 1"""
