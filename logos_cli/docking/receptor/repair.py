"""Build missing atoms and hydrogens of a receptor by PDBFixer and OpenMM.

Both would download the definitions of unknown residues, so they get none. The bonds of their residue templates are
kept, so that hydrogens too near to another atom do not become bonds.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.docking import libraries
from logos_cli.docking.receptor.selection import Standard
from logos_cli.errors import StructureError
from logos_cli.structure.distances import POLYMER_BOND_ANGSTROM
from logos_cli.structure.model import StructureModel
from logos_cli.structure.types import Residue

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from openmm import Vec3
    from openmm.app import Modeller, Topology
    from openmm.unit import Quantity
    from pdbfixer import PDBFixer

_ONE_ATOM = "ATOM      1  N   GLY A   1       0.000   0.000   0.000  1.00  0.00           N\nEND\n"
_SEED = 1
_LONGEST_LINK_ANGSTROM = 2.6
_DISULFIDE_ANGSTROM = 2.5
_HYDROGEN_BONDS_ANGSTROM = {"C": 1.09, "N": 1.01, "O": 0.96, "S": 1.336}
"""Equilibrium lengths of the AMBER force field (Cornell et al., J. Am. Chem. Soc. 117, 5179, 1995)."""


@dataclass(slots=True)
class Built:
    """A residue with all its atoms.

    Attributes
    ----------
    names, numbers : list
        Atom names and atomic numbers.
    positions : ndarray, shape (n_atoms, 3)
        Positions in Å.
    bonds : list of (int, int)
        Bonds within the residue.
    """

    residue: Residue
    name: str
    names: list[str]
    numbers: list[int]
    positions: NDArray[np.float64]
    bonds: list[tuple[int, int]]


@dataclass(slots=True)
class Repaired:
    """The complete residues, and the bonds between them as (residue, atom, residue, atom)."""

    residues: list[Built]
    links: list[tuple[int, int, int, int]]
    n_added: int


def repair(model: StructureModel, chains: list[list[Standard]], ph: float) -> Repaired:
    """Add missing heavy atoms, and hydrogens by the pH.

    Loops without coordinates are not built, and their ends get no charge.

    Raises
    ------
    StructureError
        If the residues cannot be completed.
    """
    fixer_module = libraries.load("pdbfixer")
    mm = libraries.load("openmm")
    residues = [each for chain in chains for each in chain]
    topology, positions = _topology(model, chains)
    fixer = fixer_module.PDBFixer(pdbfile=io.StringIO(_ONE_ATOM), platform=mm.Platform.getPlatformByName("Reference"))
    fixer.topology, fixer.positions = topology, positions
    state = random.getstate()
    try:
        random.seed(_SEED)  # OpenMM places hydrogens at random before it relaxes them
        n_added = _add_heavy_atoms(fixer)
        _add_hydrogens(fixer, [each.variant for each in residues], ph)
    except (ValueError, KeyError, IndexError, mm.OpenMMException) as error:
        raise StructureError(
            f"the receptor's missing atoms cannot be built: {str(error).splitlines()[0]}",
            source=model.name,
            hint="look at the residues with missing atoms, or give a structure that is prepared already",
        ) from error
    finally:
        random.setstate(state)
    return _read(fixer, residues, n_added)


def _topology(model: StructureModel, chains: list[list[Standard]]) -> tuple[Topology, Quantity]:
    """Return the residues as OpenMM's topology with standard bonds, and the positions."""
    app, unit = libraries.load("openmm.app"), libraries.load("openmm.unit")
    topology = app.Topology()
    places: list[int] = []
    for number, chain in enumerate(chains):
        made = topology.addChain(str(number))
        for place, each in enumerate(chain):
            is_alone = len(chain) == 1
            residue = topology.addResidue(each.name, made, str(each.residue.number), each.residue.insertion)
            last = place + 1 == len(chain)
            for name, element, atom in each.atoms:
                if name == "OXT" and (is_alone or (not last and _is_joined(model, each, chain[place + 1]))):
                    continue
                topology.addAtom(name, app.Element.getByAtomicNumber(element), residue)
                places.append(atom)
    topology.createStandardBonds()
    positions = unit.Quantity([app_vec(xyz) for xyz in model.positions[places].tolist()], unit.angstrom)
    _add_disulfides(topology, model.positions[places])
    return topology, positions


def app_vec(xyz: list[float]) -> Vec3:
    """Return OpenMM's vector."""
    return libraries.load("openmm").Vec3(*xyz)


def _is_joined(model: StructureModel, one: Standard, other: Standard) -> bool:
    ends = [
        next((atom for name, _, atom in each.atoms if name == wanted), None)
        for each, wanted in ((one, "C"), (other, "N"))
    ]
    if ends[0] is None or ends[1] is None:
        return False
    return bool(np.linalg.norm(model.positions[ends[0]] - model.positions[ends[1]]) < POLYMER_BOND_ANGSTROM)


def _add_disulfides(topology: Topology, positions: NDArray[np.float64]) -> None:
    """Bond each pair of SG atoms that are nearest to each other."""
    sulfurs = [atom for atom in topology.atoms() if atom.name == "SG" and atom.residue.name == "CYS"]
    pairs = sorted(
        (float(np.linalg.norm(positions[one.index] - positions[other.index])), row, column)
        for row, one in enumerate(sulfurs)
        for column, other in enumerate(sulfurs[:row])
    )
    taken: set[int] = set()
    for distance, row, column in pairs:
        if distance > _DISULFIDE_ANGSTROM:
            break
        if row not in taken and column not in taken:
            topology.addBond(sulfurs[row], sulfurs[column])
            taken.update((row, column))


def _add_heavy_atoms(fixer: PDBFixer) -> int:
    fixer.missingResidues = {}
    fixer.findMissingAtoms()
    # the only residue of a chain is a piece of it: no force field has a residue with two charged ends
    alone = {residue for chain in fixer.topology.chains() if len(chain) == 1 for residue in chain.residues()}
    fixer.missingTerminals = {
        residue: names for residue, names in fixer.missingTerminals.items() if residue not in alone
    }
    n_added = sum(map(len, fixer.missingAtoms.values()))
    fixer.addMissingAtoms(seed=_SEED)
    return n_added


def _add_hydrogens(fixer: PDBFixer, variants: list[str | None], ph: float) -> None:
    app = libraries.load("openmm.app")
    modeller = app.Modeller(fixer.topology, fixer.positions)
    modeller.addHydrogens(pH=ph, variants=variants, platform=fixer.platform)
    fixer.topology, fixer.positions = modeller.topology, _with_true_lengths(modeller)


def _with_true_lengths(modeller: Modeller) -> Quantity:
    """Return positions with hydrogens at their bond lengths, as OpenMM pushes them to 1.2 Å from N and O."""
    unit = libraries.load("openmm.unit")
    positions = np.array([tuple(xyz) for xyz in modeller.positions.value_in_unit(unit.angstrom)])
    for bond in modeller.topology.bonds():
        heavy, hydrogen = sorted(bond, key=lambda atom: atom.element.symbol == "H")
        if hydrogen.element.symbol != "H":
            continue
        along = positions[hydrogen.index] - positions[heavy.index]
        length = _HYDROGEN_BONDS_ANGSTROM[heavy.element.symbol]
        positions[hydrogen.index] = positions[heavy.index] + along * (length / np.linalg.norm(along))
    return unit.Quantity([app_vec(xyz) for xyz in positions.tolist()], unit.angstrom)


def _read(fixer: PDBFixer, residues: list[Standard], n_added: int) -> Repaired:
    unit = libraries.load("openmm.unit")
    positions = np.array([tuple(xyz) for xyz in fixer.positions.value_in_unit(unit.angstrom)])
    built: list[Built] = []
    place: dict[int, tuple[int, int]] = {}
    for number, (made, asked) in enumerate(zip(fixer.topology.residues(), residues, strict=True)):
        atoms = list(made.atoms())
        for row, atom in enumerate(atoms):
            place[atom.index] = (number, row)
        rows = [atom.index for atom in atoms]
        numbers = [atom.element.atomic_number for atom in atoms]
        built.append(Built(asked.residue, asked.name, [a.name for a in atoms], numbers, positions[rows], []))
    links = []
    for one, other in fixer.topology.bonds():
        (first, row), (second, column) = place[one.index], place[other.index]
        if first == second:
            built[first].bonds.append((row, column))
        elif np.linalg.norm(positions[one.index] - positions[other.index]) < _LONGEST_LINK_ANGSTROM:
            links.append((first, row, second, column))
    return Repaired(built, links, n_added)
