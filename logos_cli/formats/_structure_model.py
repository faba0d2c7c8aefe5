"""One model of a structure as flat arrays: residues with their roles, chains with their sequences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

import gemmi
import numpy as np

from logos_cli.errors import StructureError
from logos_cli.formats import _residues
from logos_cli.formats._structure_read import Loaded, checked_positions

if TYPE_CHECKING:
    from numpy.typing import NDArray

PEPTIDE_BOND_ANGSTROM = 2.0
_DEUTERIUM = 119
_PEPTIDES = (gemmi.PolymerType.PeptideL, gemmi.PolymerType.PeptideD, gemmi.PolymerType.CyclicPseudoPeptide)
_NUCLEIC = (gemmi.PolymerType.Dna, gemmi.PolymerType.Rna, gemmi.PolymerType.DnaRnaHybrid)


class Role(Enum):
    """What a residue is in its structure."""

    PROTEIN = "protein"
    NUCLEIC = "nucleic"
    WATER = "water"
    OTHER = "other"


@dataclass(slots=True)
class Residue:
    """A residue: its names in the file and its atoms, ``first`` to ``last`` (exclusive) of the flat arrays.

    ``label_chain`` and ``label_number`` are mmCIF's own names, None where the file has none.
    """

    index: int
    chain: str
    name: str
    number: int
    insertion: str
    label_chain: str | None
    label_number: int | None
    hetero: bool
    first: int
    last: int
    role: Role = Role.OTHER
    altloc: int = 0
    entity: gemmi.EntityType = gemmi.EntityType.Unknown
    subchain: str = ""

    @property
    def number_text(self) -> str:
        """The author's number with the insertion code, ``142A``."""
        return f"{self.number}{self.insertion}"

    def __str__(self) -> str:
        return f"{self.name} {self.chain}:{self.number_text}"


@dataclass(slots=True)
class Chain:
    """A protein chain: the residues with coordinates, in file order."""

    name: str
    label: str | None
    residues: list[Residue]
    sequence: str
    entity: gemmi.Entity | None = None

    def positions(self) -> dict[int, int]:
        """Return residue index -> place in the sequence."""
        return {residue.index: place for place, residue in enumerate(self.residues)}


@dataclass(slots=True)
class Notes:
    """Things that a user should know about a file, each said once."""

    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Add a line unless it is there."""
        if line not in self.lines:
            self.lines.append(line)


class Model:
    """One model of a loaded structure.

    Attributes
    ----------
    positions : ndarray, shape (n_atoms, 3)
        Å.
    heavy : ndarray of bool, shape (n_atoms,)
        Atoms that are no hydrogen and belong to the chosen conformer (:meth:`_choose_conformers`).
    residues : list of Residue
    chains : list of Chain
        Protein chains in file order.
    """

    def __init__(self, loaded: Loaded, name: str, number: int = 1) -> None:
        self.name = name
        self.loaded = loaded
        self.notes = Notes(list(loaded.notes))
        self.structure = loaded.structure
        self.number = number
        self._keep_model(number)
        self.model = self.structure[0]
        flat = gemmi.FlatStructure(self.structure)
        self.positions = checked_positions(flat, name)
        self.elements: NDArray[np.uint8] = np.array(flat.elements)
        self.altlocs: NDArray[np.int8] = np.array(flat.altlocs)
        self._flat = flat
        self.residues = self._read_residues()
        self._set_roles()
        self.heavy = (self.elements != 1) & (self.elements != _DEUTERIUM)
        if self.altlocs.any():
            self._choose_conformers()
        self._drop_microheterogeneity()
        self.chains = self._read_chains()

    # -- reading ---------------------------------------------------------------------------------

    def _keep_model(self, number: int) -> None:
        n_models = len(self.structure)
        if not 1 <= number <= n_models:
            raise StructureError(
                f"there is no model {number}",
                source=self.name,
                hint=f"the file has {n_models} (--model 1 to {n_models})",
            )
        if n_models > 1:
            self.notes.add(f"the file has {n_models} models; this is model {number}")
            for index in range(n_models - 1, -1, -1):
                if index != number - 1:
                    del self.structure[index]

    def _read_residues(self) -> list[Residue]:
        labelled = self.loaded.kind != "pdb"
        found: list[Residue] = []
        first = 0
        for chain in self.model:
            chain_name = chain.name
            for residue in chain:
                last = first + len(residue)
                seqid = residue.seqid
                subchain = residue.subchain
                found.append(
                    Residue(
                        len(found), chain_name, residue.name, seqid.num, seqid.icode.strip(),
                        (subchain or None) if labelled else None, residue.label_seq if labelled else None,
                        residue.het_flag == "H", first, last, entity=residue.entity_type, subchain=subchain,
                    )
                )  # fmt: skip
                first = last
        return found

    def atom_name(self, atom: int) -> str:
        """Return the name of an atom of the flat arrays."""
        return _text(self._flat.atom_names[atom])

    @cached_property
    def occupancies(self) -> NDArray[np.float32]:
        """Occupancy of each atom."""
        return np.array(self._flat.occ)

    # -- roles -----------------------------------------------------------------------------------

    def _set_roles(self) -> None:
        entities = self._entity_roles()
        for residue in self.residues:
            role = entities.get(residue.subchain) if residue.entity is gemmi.EntityType.Polymer else None
            if role is not None:
                residue.role = role
            elif _residues.is_water(residue.name):
                residue.role = Role.WATER
        if not entities:
            self._guess_roles()

    def _entity_roles(self) -> dict[str, Role]:
        """Return the role of each polymer subchain, as the entities of an mmCIF file declare it."""
        if self.loaded.kind == "pdb":
            return {}
        roles: dict[str, Role] = {}
        for entity in self.structure.entities:
            if entity.entity_type is not gemmi.EntityType.Polymer:
                continue
            for subchain in entity.subchains:
                kind = entity.polymer_type
                if kind not in _PEPTIDES and kind not in _NUCLEIC:
                    kind = self.model.get_subchain(subchain).check_polymer_type()
                roles[subchain] = (
                    Role.PROTEIN if kind in _PEPTIDES else Role.NUCLEIC if kind in _NUCLEIC else Role.OTHER
                )
        return roles

    def _guess_roles(self) -> None:
        """Tell chains from ligands where the file does not say: PDB, and CIF without entities.

        Residues with standard names in ATOM lines are chain. Any other is chain if it has a peptide bond to a
        neighbour that is, or if MODRES or SEQRES name it for its chain and it has a backbone; TER lines are
        not relied on, because many programs put them after the ligands.
        """
        declared = self._declared_monomers()
        doubtful: list[int] = []
        for residue in self.residues:
            if residue.role is Role.WATER:
                continue
            if not residue.hetero and _residues.is_standard_amino_acid(residue.name):
                residue.role = Role.PROTEIN
            elif not residue.hetero and _residues.is_nucleotide(residue.name):
                residue.role = Role.NUCLEIC
            else:
                doubtful.append(residue.index)
        for order in (doubtful, doubtful[::-1]):
            for index in order:
                residue = self.residues[index]
                if residue.role is Role.OTHER:
                    residue.role = self._role_by_bonds(index, declared)
        self._join_peptides_of_doubtful(doubtful)

    def _declared_monomers(self) -> set[tuple[str, str]]:
        """Return (chain, residue name) that SEQRES or MODRES name as part of a polymer."""
        found: set[tuple[str, str]] = {
            (modified.chain_name, modified.res_id.name) for modified in self.structure.mod_residues
        }
        for entity in self.structure.entities:
            names = {name for item in entity.full_sequence for name in item.split(",")}
            # gemmi names the entity of a PDB chain like the chain
            found.update((entity.name.rstrip("!"), name) for name in names)
        return found

    def _role_by_bonds(self, index: int, declared: set[tuple[str, str]]) -> Role:
        residue = self.residues[index]
        before = self.residues[index - 1] if index else None
        after = self.residues[index + 1] if index + 1 < len(self.residues) else None
        for one, other in ((before, residue), (residue, after)):
            if one is None or other is None or one.chain != other.chain:
                continue
            role = (one if other is residue else other).role
            if role is Role.PROTEIN and self._bonded(one, "C", other, "N"):
                return role
            if role is Role.NUCLEIC and self._bonded(one, "O3'", other, "P"):
                return role
        if (
            (residue.chain, residue.name) in declared
            and _residues.is_amino_acid(residue.name)
            and all(self.find_atom(residue, name) is not None for name in ("N", "CA", "C"))
            and any(
                near and near.chain == residue.chain and near.role is Role.PROTEIN for near in (before, after)
            )
        ):
            return Role.PROTEIN
        return Role.OTHER

    def _join_peptides_of_doubtful(self, doubtful: list[int]) -> None:
        """Make a chain of amino acids in HETATM lines that are bonded to each other only (cyclic peptides)."""
        for index in doubtful[:-1]:
            one, other = self.residues[index], self.residues[index + 1]
            if (
                one.chain == other.chain
                and one.role is not Role.WATER
                and other.role is Role.OTHER
                and _residues.is_amino_acid(one.name)
                and _residues.is_amino_acid(other.name)
                and self._bonded(one, "C", other, "N")
            ):
                one.role = other.role = Role.PROTEIN

    def _bonded(self, one: Residue, first: str, other: Residue, second: str) -> bool:
        ends = self.find_atom(one, first), self.find_atom(other, second)
        if ends[0] is None or ends[1] is None:
            return False
        return bool(np.linalg.norm(self.positions[ends[0]] - self.positions[ends[1]]) < PEPTIDE_BOND_ANGSTROM)

    def find_atom(self, residue: Residue, name: str) -> int | None:
        """Return the first atom of a residue with this name."""
        return next(
            (atom for atom in range(residue.first, residue.last) if self.atom_name(atom) == name), None
        )

    # -- conformers ------------------------------------------------------------------------------

    def _choose_conformers(self) -> None:
        """Keep one conformer a residue: the one with the highest total occupancy, the first label on a tie."""
        labelled = np.flatnonzero(self.altlocs)
        owner = np.searchsorted([residue.first for residue in self.residues], labelled, side="right") - 1
        totals: dict[int, dict[int, float]] = {}
        for atom, index in zip(labelled.tolist(), owner.tolist(), strict=True):
            label = int(self.altlocs[atom])
            mine = totals.setdefault(index, {})
            mine[label] = mine.get(label, 0.0) + float(self.occupancies[atom])
        for index, mine in totals.items():
            residue = self.residues[index]
            residue.altloc = max(sorted(mine), key=lambda label: round(mine[label], 3))
        chosen = np.array([residue.altloc for residue in self.residues], dtype=np.int8)
        keep = self.altlocs[labelled] == chosen[owner]
        self.heavy[labelled[~keep]] = False
        self.notes.add(
            f"{len(totals)} residues have alternative locations; the one with the highest occupancy is used"
        )

    def _drop_microheterogeneity(self) -> None:
        """Keep one of the residues that share a place in a chain: the one with the highest occupancy."""
        for one, other in self._rivals():
            totals = [float(self.occupancies[item.first : item.last].mean()) for item in (one, other)]
            loser = one if round(totals[1], 3) > round(totals[0], 3) else other
            self.heavy[loser.first : loser.last] = False
            loser.role = Role.OTHER
            self.notes.add(f"{one} and {other.name} share one place; {loser.name} is left out")

    def _rivals(self) -> Iterator[tuple[Residue, Residue]]:
        for one, other in zip(self.residues, self.residues[1:], strict=False):
            if (
                one.number == other.number
                and one.name != other.name
                and one.chain == other.chain
                and one.insertion == other.insertion
                and one.role is Role.PROTEIN is other.role
                and one.subchain == other.subchain
                and one.label_number == other.label_number
            ):
                yield one, other

    # -- chains ----------------------------------------------------------------------------------

    def _read_chains(self) -> list[Chain]:
        groups: dict[tuple[str, str | None], list[Residue]] = {}
        for residue in self.residues:
            if residue.role is Role.PROTEIN:
                groups.setdefault((residue.chain, residue.label_chain), []).append(residue)
        chains = []
        for (name, label), members in groups.items():
            sequence = "".join(map(_residues.letter, (residue.name for residue in members)))
            chains.append(Chain(name, label, members, sequence))
        return chains

    @cached_property
    def n_waters(self) -> int:
        """Number of water molecules."""
        return sum(1 for residue in self.residues if residue.role is Role.WATER)

    def atoms(self, residues: Iterable[Residue]) -> NDArray[np.intp]:
        """Return the heavy atoms of the chosen conformers of residues."""
        spans = [np.arange(residue.first, residue.last) for residue in residues]
        if not spans:
            return np.zeros(0, np.intp)
        members = np.concatenate(spans)
        found: NDArray[np.intp] = members[self.heavy[members]]
        return found


def _text(value: NDArray[np.int8]) -> str:
    return value.tobytes().rstrip(b"\0").decode("utf-8", "replace")
