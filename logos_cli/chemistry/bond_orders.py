"""Perceive bond orders and charges of a molecule from its atoms, hydrogens and connections.

Crystal structures and MOFid strings have connections, but neither charges nor reliable bond orders. A small integer
program assigns a valence state to every atom and an order to every bond, so that the valences add up at the least cost
of unusual states. It is solved exactly. Aromatic systems need no rule of their own, as any Kekulé structure is good
and RDKit finds the rings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from logos_cli.chemistry.integer_program import IntegerProgram
from logos_cli.errors import MoleculeError

if TYPE_CHECKING:
    from rdkit.Chem import Mol


class State(NamedTuple):
    """Total valence, formal charge and cost of a valence state."""

    valence: int
    charge: int
    cost: float


_HALOGEN: Final = (State(1, 0, 0), State(0, -1, 1), State(3, 0, 6), State(5, 0, 6), State(7, 0, 6), State(2, 1, 9))
_CHALCOGEN: Final = (State(2, 0, 0), State(1, -1, 3), State(0, -2, 4), State(4, 0, 1), State(6, 0, 1), State(3, 1, 6))
_PNICTOGEN: Final = (State(3, 0, 0), State(5, 0, 0.5), State(4, 1, 4), State(2, -1, 5), State(6, -1, 12))

STATES: Final[dict[str, tuple[State, ...]]] = {
    "H": (State(1, 0, 0), State(0, 1, 20), State(0, -1, 20)),
    "B": (State(3, 0, 0), State(4, -1, 6)),
    "C": (State(4, 0, 0), State(3, -1, 8), State(3, 1, 12)),
    "N": (State(3, 0, 0), State(4, 1, 2.5), State(2, -1, 4), State(1, -2, 12), State(0, -3, 14)),
    "O": (State(2, 0, 0), State(1, -1, 3), State(0, -2, 4), State(3, 1, 8)),
    "F": (State(1, 0, 0), State(0, -1, 1)),
    "Si": (State(4, 0, 0), State(6, -2, 12), State(5, -1, 12)),
    "Ge": (State(4, 0, 0), State(6, -2, 12), State(5, -1, 12)),
    "P": _PNICTOGEN,
    "As": _PNICTOGEN,
    "Sb": _PNICTOGEN,
    "S": _CHALCOGEN,
    "Se": _CHALCOGEN,
    "Te": _CHALCOGEN,
    "Cl": _HALOGEN,
    "Br": _HALOGEN,
    "I": _HALOGEN,
}
"""Valence states of the nonmetals. The costs prefer usual drawings: neutral octets first, then carboxylates, azolates
and nitro groups, and carbanions or cations only if nothing else adds up."""

_LACKING_ANION_COST: Final = 3.0
"""Cost of an anion that may be an atom without its hydrogen: more than the hydrogen."""
_TERMINAL_ANION_COST: Final = 0.5
"""Cost of a nitrogen anion at the end of a chain, against one inside it: dicyanamide is N#C[N-]C#N."""
_HYDROXYLAMIDE_COST: Final = 6.0
"""Cost that makes oxygen at a nitrogen with three bonds an N-oxide if the other bonds allow it."""
_AZIDE_COST: Final = 2.0
_AMINE: Final = 3
_BENZENE: Final = 6
_SMALL_RING: Final = 8
"""Rings below this size have no triple bond and no cumulated double bonds."""


class Evidence(NamedTuple):
    """Known properties of a molecule beside its skeleton, and their weights.

    Attributes
    ----------
    charge : int, optional
        The charge of the molecule.
    length_weight : float
        Cost per bond order of difference from the bond's length; the default only breaks ties.
    hydrogen_cost : float
        Cost of an added hydrogen.
    """

    charge: int | None = None
    length_weight: float = 0.4
    hydrogen_cost: float = 5.0


_NO_EVIDENCE: Final = Evidence()


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Connections of one molecule; hydrogens are counted, not listed.

    Attributes
    ----------
    elements : tuple of str
        Symbols of the heavy atoms (of all atoms, if there are only hydrogens).
    n_hydrogens : tuple of int
        Hydrogens on each of them.
    bonds : tuple of (int, int)
        Pairs of zero-based atom indices.
    orders : tuple of float
        The order of each bond by its length; empty if no lengths are known.
    lacking : tuple of bool
        Atoms that may lack hydrogens; empty if there are none.
    """

    elements: tuple[str, ...]
    n_hydrogens: tuple[int, ...]
    bonds: tuple[tuple[int, int], ...]
    orders: tuple[float, ...] = ()
    lacking: tuple[bool, ...] = ()


def perceive(skeleton: Skeleton, add_hydrogens: bool = False, evidence: Evidence = _NO_EVIDENCE) -> str:
    """Return the canonical SMILES of a skeleton, without stereo.

    Parameters
    ----------
    skeleton : Skeleton
        Atoms and connections; the result does not depend on the order of the atoms.
    add_hydrogens : bool
        Allow more hydrogens than the skeleton has, on any atom, if the valences need them.
    evidence : Evidence
        Known charge, and weights.

    Raises
    ------
    MoleculeError
        If no choice of orders and charges satisfies every valence, or RDKit refuses the result.
    """
    return _perceive_ranked(in_canonical_order(skeleton), add_hydrogens, evidence)


def skeleton_of(molecule: Mol) -> Skeleton:
    """Return the skeleton of an RDKit molecule, without orders, charges and radicals."""
    return Skeleton(
        tuple(atom.GetSymbol() for atom in molecule.GetAtoms()),
        tuple(atom.GetTotalNumHs() for atom in molecule.GetAtoms()),
        tuple((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in molecule.GetBonds()),
    )


def in_canonical_order(skeleton: Skeleton) -> Skeleton:
    """Renumber the atoms canonically, so that equal molecules get equal resonance structures."""
    from rdkit import Chem

    molecule = _molecule(skeleton, (1,) * len(skeleton.bonds), (0,) * len(skeleton.elements))
    molecule.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(molecule)
    ranks = list(Chem.CanonicalRankAtoms(molecule, breakTies=True))
    order = sorted(range(len(ranks)), key=ranks.__getitem__)
    bonds = sorted(
        ((*sorted((ranks[a], ranks[b])), n) for n, (a, b) in enumerate(skeleton.bonds)), key=lambda row: row[:2]
    )
    return Skeleton(
        tuple(skeleton.elements[i] for i in order),
        tuple(skeleton.n_hydrogens[i] for i in order),
        tuple((a, b) for a, b, _ in bonds),
        tuple(skeleton.orders[n] for _, _, n in bonds) if skeleton.orders else (),
        tuple(skeleton.lacking[i] for i in order) if skeleton.lacking else (),
    )


@lru_cache(maxsize=4096)
def _perceive_ranked(skeleton: Skeleton, add_hydrogens: bool, evidence: Evidence) -> str:
    from rdkit import Chem, rdBase

    orders, charges, added = _solve(skeleton, add_hydrogens, evidence)
    if any(added):
        total = tuple(n + more for n, more in zip(skeleton.n_hydrogens, added, strict=True))
        skeleton = Skeleton(skeleton.elements, total, skeleton.bonds, skeleton.orders)
    molecule = _molecule(skeleton, orders, charges)
    with rdBase.BlockLogs():
        try:
            Chem.SanitizeMol(molecule)
        except ValueError as error:
            raise MoleculeError(f"RDKit refuses the molecule: {error}") from error
        smiles: str = Chem.MolToSmiles(Chem.RemoveHs(molecule))
        # a second parse determines the atoms with brackets, and proves that RDKit accepts the SMILES
        again = Chem.MolFromSmiles(smiles)
    if again is None:
        raise MoleculeError(f"RDKit does not accept its own SMILES {smiles}", text=smiles)
    return str(Chem.MolToSmiles(again))


def _molecule(skeleton: Skeleton, orders: Sequence[int], charges: Sequence[int]) -> Any:
    from rdkit import Chem

    kinds = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
    molecule = Chem.RWMol()
    for symbol, n_hydrogens, charge in zip(skeleton.elements, skeleton.n_hydrogens, charges, strict=True):
        atom = Chem.Atom(symbol)
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(n_hydrogens)
        atom.SetFormalCharge(charge)
        molecule.AddAtom(atom)
    for (a, b), order in zip(skeleton.bonds, orders, strict=True):
        molecule.AddBond(a, b, kinds[order])
    return molecule


def _solve(
    skeleton: Skeleton, add_hydrogens: bool, evidence: Evidence
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return bond orders, charges and added hydrogens."""
    program = IntegerProgram()
    rings = _small_rings(skeleton)
    doubles, triples = [], []
    for n, bond in enumerate(skeleton.bonds):
        double, triple = _outside_ring_cost(skeleton, bond, rings), 0.1
        if skeleton.orders:
            order = skeleton.orders[n]
            double += evidence.length_weight * (abs(2 - order) - abs(1 - order))
            triple += evidence.length_weight * (abs(3 - order) - abs(1 - order))
        doubles.append(program.column(double))
        triples.append(program.column(triple))
        program.row([(doubles[-1], 1), (triples[-1], 1)], 0, 1)
    incident: list[list[int]] = [[] for _ in skeleton.elements]
    for n, (a, b) in enumerate(skeleton.bonds):
        incident[a].append(n)
        incident[b].append(n)
    chosen: list[list[tuple[int, State]]] = []
    extra: list[int | None] = []
    for i, symbol in enumerate(skeleton.elements):
        states = _states_of(symbol, len(incident[i]) + skeleton.n_hydrogens[i])
        columns = [
            (program.column(state.cost + _context_cost(skeleton, i, incident, state)), state) for state in states
        ]
        program.row([(column, 1) for column, _ in columns], 1, 1)
        may_lack = add_hydrogens or (bool(skeleton.lacking) and skeleton.lacking[i])
        more = program.column(evidence.hydrogen_cost, 3) if may_lack and symbol != "H" else None
        pi = [(doubles[n], 1.0) for n in incident[i]] + [(triples[n], 2.0) for n in incident[i]]
        pi += [(column, -float(state.valence)) for column, state in columns]
        pi += [(more, 1.0)] if more is not None else []
        sigma = len(incident[i]) + skeleton.n_hydrogens[i]
        program.row(pi, -sigma, -sigma)
        chosen.append(columns)
        extra.append(more)
    _keep_small_rings_plain(program, skeleton, incident, rings, (doubles, triples))
    _keep_oxocarbons_dianions(program, skeleton, incident, rings, doubles)
    _keep_porphyrins_dianions(program, skeleton, chosen)
    if (total := evidence.charge) is not None:
        program.row([(column, float(state.charge)) for row in chosen for column, state in row], total, total)
    values = program.solve()
    if values is None:
        raise MoleculeError("no bond orders and charges satisfy the valences of the atoms")
    orders = tuple(1 + values[two] + 2 * values[three] for two, three in zip(doubles, triples, strict=True))
    charges = tuple(next(state.charge for column, state in row if values[column]) for row in chosen)
    return orders, charges, tuple(0 if column is None else values[column] for column in extra)


def _states_of(symbol: str, sigma: int) -> list[State]:
    """Return the states of an element with at least ``sigma`` bonds."""
    states = STATES.get(symbol)
    if states is None:
        raise MoleculeError(f"{symbol} has no known valence in an organic molecule")
    fitting = [state for state in states if state.valence >= sigma]
    if not fitting:
        raise MoleculeError(f"an atom of {symbol} has {sigma} neighbours, more than its valence allows")
    return fitting


def _context_cost(skeleton: Skeleton, atom: int, incident: list[list[int]], state: State) -> float:
    """Return the additional cost of a state: of an anion that may lack its hydrogen, of a nitrogen by its neighbours."""
    if state.charge < 0 and skeleton.lacking and skeleton.lacking[atom]:
        return _LACKING_ANION_COST
    if skeleton.elements[atom] != "N":
        return 0.0
    if state.charge < 0 and len(incident[atom]) == 1:
        return _TERMINAL_ANION_COST
    beside = [sum(skeleton.bonds[n]) - atom for n in incident[atom]]
    if state.charge < 0 and any(_ends_azide(skeleton, i, incident) for i in beside):
        return _AZIDE_COST
    oxides = [
        i for i in beside if skeleton.elements[i] == "O" and len(incident[i]) == 1 and not skeleton.n_hydrogens[i]
    ]
    return _HYDROXYLAMIDE_COST if oxides and state.valence == state.charge + len(beside) == _AMINE else 0.0


def _ends_azide(skeleton: Skeleton, atom: int, incident: list[list[int]]) -> bool:
    """Return whether an atom is the middle one of an azide, which has its charge at the end."""
    around = [sum(skeleton.bonds[n]) - atom for n in incident[atom]]
    return all(skeleton.elements[i] == "N" for i in (atom, *around)) and any(
        len(incident[i]) == 1 and not skeleton.n_hydrogens[i] for i in around
    )


def _small_rings(skeleton: Skeleton) -> list[set[int]]:
    """Return the atoms of every smallest ring with fewer than eight atoms."""
    from rdkit import Chem

    molecule = _molecule(skeleton, (1,) * len(skeleton.bonds), (0,) * len(skeleton.elements))
    return [set(ring) for ring in Chem.GetSymmSSSR(molecule) if len(ring) < _SMALL_RING]


def _outside_ring_cost(skeleton: Skeleton, bond: tuple[int, int], rings: list[set[int]]) -> float:
    """Return the cost of a double bond from a ring outwards, which ends the ring's aromaticity.

    Without it, two linked azolate rings would become a neutral quinoid.
    """
    a, b = bond
    if any(a in ring and b in ring for ring in rings):
        return 0.0
    sizes = [min((len(ring) for ring in rings if end in ring), default=0) for end in bond]
    if all(sizes):
        return 8.0
    if not any(sizes):
        return 0.0
    inside, outside = (a, b) if sizes[0] else (b, a)
    if skeleton.elements[inside] == "N":
        return 6.0
    costs = {
        "C": 3.0 if max(sizes) == _BENZENE else 2.0,
        "N": 2.5,
        "O": 3.1 if _may_be_diolate(skeleton, inside, rings) else 0.0,
    }
    return costs.get(skeleton.elements[outside], 0.0)


def _may_be_diolate(skeleton: Skeleton, atom: int, rings: list[set[int]]) -> bool:
    """Return whether C-O at this carbon of a benzene-like ring is a phenolate (dobdc) rather than a ketone.

    It is a ketone in imides and lactones, and between two fused rings, as in anthraquinone.
    """
    for ring in (ring for ring in rings if atom in ring and len(ring) == _BENZENE):
        beside = [sum(bond) - atom for bond in skeleton.bonds if atom in bond and set(bond) <= ring]
        fused = all(sum(i in other for other in rings) > 1 for i in beside)
        if not fused and all(skeleton.elements[i] == "C" for i in ring):
            return True
    return False


def _keep_oxocarbons_dianions(
    program: IntegerProgram, skeleton: Skeleton, incident: list[list[int]], rings: list[set[int]], doubles: list[int]
) -> None:
    """Keep squarate, croconate and rhodizonate dianions: a ring of n C-O without hydrogen has n - 2 carbonyls."""
    for ring in rings:
        oxygens = []
        for i in ring:
            for n in incident[i]:
                other = sum(skeleton.bonds[n]) - i
                bare = len(incident[other]) == 1 and not skeleton.n_hydrogens[other]
                if skeleton.elements[i] == "C" and skeleton.elements[other] == "O" and bare:
                    oxygens.append((doubles[n], 1.0))
        if len(oxygens) == len(ring):
            program.row(oxygens, len(ring) - 2, len(ring) - 2)


_PORPHYRIN: Final = (
    "[#6,#7]1~[#6]2~[#6]~[#6]~[#6](~[#7]~2)~[#6,#7]~[#6]2~[#6]~[#6]~[#6](~[#7]~2)"
    "~[#6,#7]~[#6]2~[#6]~[#6]~[#6](~[#7]~2)~[#6,#7]~[#6]2~[#6]~[#6]~[#6]~1~[#7]~2"
)


def _keep_porphyrins_dianions(
    program: IntegerProgram, skeleton: Skeleton, chosen: list[list[tuple[int, State]]]
) -> None:
    """Keep porphyrins dianions: two of their four pyrrole nitrogens are NH or, with a metal inside, anions."""
    if skeleton.elements.count("N") < 4:
        return
    from rdkit import Chem

    molecule = _molecule(skeleton, (1,) * len(skeleton.bonds), (0,) * len(skeleton.elements))
    molecule.UpdatePropertyCache(strict=False)
    pattern = Chem.MolFromSmarts(_PORPHYRIN)
    pyrroles = [atom.GetIdx() for atom in pattern.GetAtoms() if atom.GetSmarts() == "[#7]"]
    cores = {frozenset(match[i] for i in pyrroles) for match in molecule.GetSubstructMatches(pattern)}
    for core in sorted(map(sorted, cores)):
        n_bare = 2 - sum(skeleton.n_hydrogens[i] for i in core)
        anions = [(column, 1.0) for i in core for column, state in chosen[i] if state.charge == -1]
        if 0 < n_bare <= len(anions):
            program.row(anions, n_bare, n_bare)


def _keep_small_rings_plain(
    program: IntegerProgram,
    skeleton: Skeleton,
    incident: list[list[int]],
    rings: list[set[int]],
    columns: tuple[list[int], list[int]],
) -> None:
    """Forbid arynes and ring allenes: otherwise benzene with missing hydrogens would become one."""
    doubles, triples = columns
    in_ring = [any(a in ring and b in ring for ring in rings) for a, b in skeleton.bonds]
    for n, ringed in enumerate(in_ring):
        if ringed:
            program.row([(triples[n], 1)], 0, 0)
    for i, symbol in enumerate(skeleton.elements):
        if symbol in {"C", "N"} and any(in_ring[n] for n in incident[i]):
            program.row([(doubles[n], 1) for n in incident[i]], 0, 1)
