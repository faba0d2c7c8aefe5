"""Cut a unit cell at its metal-linker bonds into metal nodes, linkers and solvent."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from logos_cli.crystal.bonds import BondGraph, add, check_no_clash
from logos_cli.crystal.distances import is_metal
from logos_cli.crystal.fragments import Piece, lowest_terms, n_nets, pieces
from logos_cli.crystal.molecules import FragmentReader, formula
from logos_cli.crystal.prune import Shift
from logos_cli.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from logos_cli.crystal.cell import UnitCell

_OXO_ANGSTROM: Final = 1.85
"""A bare terminal oxygen nearer to its metal is M=O; a farther one is water without its hydrogens."""

_LARGEST_SOLVENT: Final = 6

SOLVENTS: Final = {
    "O": "water",
    "CO": "methanol",
    "CCO": "ethanol",
    "CCCO": "1-propanol",
    "CC(C)O": "2-propanol",
    "OCCO": "ethylene glycol",
    "CN(C)C=O": "DMF",
    "CCN(CC)C=O": "DEF",
    "CNC=O": "N-methylformamide",
    "NC=O": "formamide",
    "CC(=O)N(C)C": "DMA",
    "CS(C)=O": "DMSO",
    "CC#N": "acetonitrile",
    "CN1CCCC1=O": "NMP",
    "C1CCOC1": "THF",
    "C1COCCO1": "1,4-dioxane",
    "CC(C)=O": "acetone",
    "N": "ammonia",
    "c1ccncc1": "pyridine",
    "ClCCl": "dichloromethane",
    "ClC(Cl)Cl": "chloroform",
    "c1ccccc1": "benzene",
    "Cc1ccccc1": "toluene",
    "CCOCC": "diethyl ether",
    "O=C=O": "carbon dioxide",
    "N#N": "nitrogen",
    "C": "methane",
    "CN(C)C(=O)N(C)C": "tetramethylurea",
    "CN1CCN(C)C1=O": "DMI",
    "CCOC(C)=O": "ethyl acetate",
    "CN(C)P(=O)(N(C)C)N(C)C": "HMPA",
    "O=S1(=O)CCCC1": "sulfolane",
    "OC1CCCCC1": "cyclohexanol",
}
"""Neutral molecules that leave when the crystal is activated, by canonical SMILES."""


@dataclass(slots=True)
class Kind:
    """Equal building blocks of one cell: their number, and the atoms of the first."""

    smiles: str
    count: int = 0
    atoms: tuple[int, ...] = ()

    def include(self, atoms: tuple[int, ...]) -> None:
        """Count one more."""
        self.count += 1
        self.atoms = self.atoms or atoms


@dataclass(slots=True)
class Blocks:
    """The building blocks of a framework, per unit cell.

    Attributes
    ----------
    nodes, linkers, bound : dict of str to Kind
        Metal nodes, linkers, and solvent molecules bound to a metal, by SMILES.
    free : dict of str to Kind
        Molecules and ions without a bond to a metal, by SMILES, or by formula if they are too disordered.
    periodicity : int
        Number of directions in which the framework is endless.
    n_nets : int
        Number of interpenetrating nets (1 if there is no interpenetration).
    n_atoms : Counter
        Atoms in nodes, linkers, solvent (bound and free) and loose hydrogens; they sum to the cell's.
    notes : list of str
        Notes on the cut.
    """

    nodes: dict[str, Kind] = field(default_factory=dict)
    linkers: dict[str, Kind] = field(default_factory=dict)
    bound: dict[str, Kind] = field(default_factory=dict)
    free: dict[str, Kind] = field(default_factory=dict)
    periodicity: int = 0
    n_nets: int = 1
    n_atoms: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def cut(atoms: UnitCell, graph: BondGraph) -> Blocks:
    """Return the building blocks of a framework.

    A node is its metals with the single atoms (oxide, hydroxide, halide, sulfide …) that bridge or end them;
    carboxylate carbons and oxygens belong to the linker. An endless node, the rod of a rod framework, is cut
    at its bridging atoms, which then count as linkers: MIL-47 is V, oxide and terephthalate, as in MOFid.

    Raises
    ------
    StructureError
        If this is not a framework, or a part of it makes no chemical sense.
    """
    return _Cutter(atoms, graph).run()


def formula_unit(blocks: Blocks) -> tuple[list[str], list[str], int]:
    """Return nodes and linkers in the lowest whole-number ratio, and the number of such units in the cell."""
    factor = lowest_terms(kind.count for where in (blocks.nodes, blocks.linkers) for kind in where.values())
    nodes = [kind.smiles for kind in blocks.nodes.values() for _ in range(kind.count // factor)]
    linkers = [kind.smiles for kind in blocks.linkers.values() for _ in range(kind.count // factor)]
    return nodes, linkers, factor


class _Cutter:
    def __init__(self, atoms: UnitCell, graph: BondGraph) -> None:
        self.atoms, self.graph = atoms, graph
        self.blocks = Blocks()
        self.reader = FragmentReader(atoms, graph)
        self.metals = [i for i, symbol in enumerate(atoms.elements) if is_metal(symbol)]
        self.single: dict[int, int] = {}

    def run(self) -> Blocks:
        symbols = self.atoms.elements
        organic = [i for i, symbol in enumerate(symbols) if symbol != "H" and not is_metal(symbol)]
        found = pieces(organic, self.graph.organic.__getitem__)
        self._check_framework(organic)
        linkers: list[Piece] = []
        in_nodes: list[int] = []
        for piece in found:
            contacts = self._contacts(piece)
            if not contacts:
                self._add_free(piece)
            elif piece.loops:
                raise StructureError(
                    f"an organic part is endless: it never meets a metal along {_directions(piece.loops)} "
                    f"(atoms {self._names(piece.atoms)})",
                    hint="atoms of two nets may overlap, or the cell is too small",
                )
            elif self._leaves(piece, contacts):
                self._include(self.blocks.bound, "bound solvent", self._solvent_smiles(piece) or "?", piece.atoms)
            elif len(piece.atoms) == 1 and symbols[piece.atoms[0]] != "C":
                in_nodes.append(piece.atoms[0])
            else:
                linkers.append(piece)
        self._check_overlap(linkers, in_nodes)
        for piece in linkers:
            self._include(self.blocks.linkers, "linkers", self.reader.smiles(piece), piece.atoms)
        self._cut_nodes(in_nodes)
        self._finish()
        return self.blocks

    def _names(self, atoms: Iterable[int]) -> str:
        labels = list(dict.fromkeys(self.atoms.labels[i] for i in atoms))
        return ", ".join(labels[:6]) + (", …" if len(labels) > 6 else "")

    def _contacts(self, piece: Piece) -> set[tuple[int, Shift]]:
        """Return the metals bonded to a piece, each with its cell."""
        return {(metal, add(piece.shifts[atom], to)) for atom in piece.atoms for metal, to in self.graph.contacts[atom]}

    def _check_framework(self, organic: list[int]) -> None:
        """Find the periodicity and the nets of all parts with a metal."""
        graph = self.graph

        def bonded(atom: int) -> Iterable[tuple[int, Shift]]:
            yield from graph.organic[atom]
            yield from graph.contacts[atom]
            yield from graph.metal_metal[atom]

        metals = set(self.metals)
        parts = [part for part in pieces([*organic, *self.metals], bonded) if metals.intersection(part.atoms)]
        sizes = [n_nets(part.loops) for part in parts]
        self.blocks.periodicity = max(size for size, _ in sizes)
        self.blocks.n_nets = sum(copies for size, copies in sizes if size == 3) or 1
        if self.blocks.periodicity == 0:
            raise StructureError(
                "the metals and ligands form a discrete complex, not a framework: nothing links the cells",
                hint="a material needs linkers that join metal nodes without end",
            )
        discrete = sum(size == 0 for size, _ in sizes)
        if discrete:
            self.blocks.notes.append(f"{discrete} discrete metal complexes beside the framework are counted with it")

    def _leaves(self, piece: Piece, contacts: set[tuple[int, Shift]]) -> bool:
        """Return whether a piece at one metal is a solvent molecule."""
        if len(contacts) != 1:
            return False
        if len(piece.atoms) > 1:
            return self._solvent_smiles(piece) is not None
        atom = piece.atoms[0]
        symbol, n_hydrogens = self.atoms.elements[atom], len(self.graph.hydrogens[atom])
        if symbol == "N":
            return n_hydrogens in {0, 3}
        if symbol != "O":
            return False
        if n_hydrogens == 0 and min(self.graph.contacts[atom].values()) >= _OXO_ANGSTROM:
            self._note("terminal oxygens without hydrogens, longer than M=O, are taken as water")
            return True
        return n_hydrogens >= 2

    def _note(self, text: str) -> None:
        if text not in self.blocks.notes:
            self.blocks.notes.append(text)

    def _solvent_smiles(self, piece: Piece) -> str | None:
        """Return a piece as a solvent, with the hydrogens that the file lacks; None if it is not a solvent."""
        if len(piece.atoms) == 1:
            return self.atoms.elements[piece.atoms[0]]
        try:
            smiles = self.reader.smiles(piece)
            if smiles in SOLVENTS:
                return smiles
        except StructureError:
            pass
        if not self.reader.is_bare(piece) or len(piece.atoms) > _LARGEST_SOLVENT:
            return None
        return next((form for form in self.reader.protonated_forms(piece) if form in SOLVENTS), None)

    def _add_free(self, piece: Piece) -> None:
        """Count a molecule without a bond to a metal; one that is too disordered is counted by its formula."""
        if piece.loops:
            raise StructureError(
                f"an organic part is endless and holds no metal (atoms {self._names(piece.atoms)})",
                hint="a covalent framework cannot be written as nodes and linkers",
            )
        members = set(piece.atoms) | {h for atom in piece.atoms for h in self.graph.hydrogens[atom]}
        name = None
        if not any(a in members or b in members for a, b, _ in self.graph.clashes):
            name = self._lone(piece.atoms[0]) if len(piece.atoms) == 1 else self._solvent_smiles(piece)
            if name is None and not self.reader.is_bare(piece):
                with suppress(StructureError):
                    name = self.reader.smiles(piece)
        if name is None:
            name = f"formula {formula(self.atoms.elements[i] for i in members)}"
            self._note("free molecules that are disordered or incomplete are reported by formula")
        self._include(self.blocks.free, "free solvent", name, piece.atoms)

    def _lone(self, atom: int) -> str | None:
        """Return the SMILES of a single free atom with its hydrogens: bare oxygen is water."""
        symbol, n_hydrogens = self.atoms.elements[atom], len(self.graph.hydrogens[atom])
        if symbol == "O":
            if n_hydrogens < 2:
                self._note("free oxygen atoms without hydrogens are taken as water")
            return "O"
        if symbol in {"F", "Cl", "Br", "I"} and not n_hydrogens:
            return f"[{symbol}-]"
        return {("N", 3): "N", ("N", 4): "[NH4+]", ("C", 4): "C"}.get((symbol, n_hydrogens))

    def _include(self, where: dict[str, Kind], role: str, smiles: str, atoms: tuple[int, ...]) -> None:
        where.setdefault(smiles, Kind(smiles)).include(atoms)
        n_hydrogens = sum(len(self.graph.hydrogens[i]) for i in atoms)
        self.blocks.n_atoms[role] += len(atoms) + n_hydrogens

    def _check_overlap(self, linkers: list[Piece], in_nodes: list[int]) -> None:
        framework = {*self.metals, *in_nodes, *(i for piece in linkers for i in piece.atoms)}
        framework |= {h for i in framework for h in self.graph.hydrogens[i]}
        check_no_clash(self.atoms, self.graph, framework)

    def _cut_nodes(self, bridges: list[int]) -> None:
        """Join metals and single bridging atoms into nodes; open the endless ones stage by stage."""
        graph = self.graph
        kept = set(bridges)

        def bonded(atom: int) -> Iterable[tuple[int, Shift]]:
            if atom in kept:
                return list(graph.contacts[atom])
            found = [(other, to) for other, to in graph.contacts[atom] if other in kept]
            return found if atom in loose else [*found, *graph.metal_metal[atom]]

        loose: set[int] = set()
        for most_bridged in (0, 2, 10_000):
            nodes = pieces([*self.metals, *kept], bonded)
            endless = [node for node in nodes if node.loops]
            if not endless:
                break
            within = {atom for node in endless for atom in node.atoms}
            loose |= within
            for atom in [atom for atom in kept & within if 2 <= len(graph.contacts[atom]) <= most_bridged]:
                kept.remove(atom)
                piece = Piece((atom,), {atom: (0, 0, 0)}, ())
                self._include(self.blocks.linkers, "linkers", self.reader.smiles(piece), (atom,))
        else:
            nodes = pieces([*self.metals, *kept], bonded)
        if loose:
            self._note("metal rods or layers without end are cut at their bridging atoms, which count as linkers")
        for node in nodes:
            self._include(self.blocks.nodes, "nodes", self._node_smiles(node, bonded), node.atoms)

    def _node_smiles(self, node: Piece, bonded: object) -> str:
        """Return the SMILES of a node in MOFid's way: single bonds, brackets, no charges."""
        from rdkit import Chem

        molecule = Chem.RWMol()
        place = {}
        for atom in node.atoms:
            entry = Chem.Atom(self.atoms.elements[atom])
            entry.SetNoImplicit(True)
            entry.SetNumExplicitHs(len(self.graph.hydrogens[atom]))
            place[atom] = molecule.AddAtom(entry)
        for atom in node.atoms:
            for other, to in bonded(atom):  # type: ignore[operator]
                if atom < other and node.shifts.get(other) == add(node.shifts[atom], to):
                    molecule.AddBond(place[atom], place[other], Chem.BondType.SINGLE)
        molecule.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(molecule)
        return str(Chem.MolToSmiles(molecule))

    def _finish(self) -> None:
        blocks = self.blocks
        loose = len(self.graph.loose)
        if loose:
            blocks.n_atoms["loose hydrogens"] = loose
            blocks.notes.append(f"{loose} hydrogens lie at no nonmetal atom and are left out")
        blocks.notes += self.reader.notes
        if sum(blocks.n_atoms.values()) != len(self.atoms):
            raise StructureError(
                f"the building blocks hold {sum(blocks.n_atoms.values())} of {len(self.atoms)} atoms",
                hint="please report this file",
            )


def _directions(loops: Iterable[Shift]) -> str:
    axes = {axis for loop in loops for axis, step in zip("abc", loop, strict=True) if step}
    return " and ".join(sorted(axes))
