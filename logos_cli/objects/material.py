"""Metal-organic frameworks as building blocks: metal nodes and organic linkers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Self

from logos_cli.errors import MoleculeError
from logos_cli.grammar import Block, Form, Sentence
from logos_cli.grammar.spec import Kind
from logos_cli.objects.base import ObjectType
from logos_cli.objects.molecule import molecule_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rdkit.Chem import Mol


@dataclass(frozen=True, slots=True)
class Material:
    """A framework.

    Attributes
    ----------
    metal : str
        SMILES of the metal node; dots separate several nodes, sorted by exact mass.
    linkers : tuple of str
        SMILES of the linkers, sorted by exact mass, duplicates kept.
    """

    metal: str
    linkers: tuple[str, ...]

    forms: ClassVar[tuple[Form, ...]] = (Form.MATERIAL,)

    def to_sentence(self, form: Form = Form.MATERIAL, _level: int = 2) -> Sentence:
        """Return the sentence: the metal block, then one molecule block per linker."""
        parts = (Block(Kind.METAL, (self.metal,)), *map(molecule_block, self.linkers))
        return Sentence(form, (Block(Kind.MATERIAL, parts),))

    @classmethod
    def from_sentence(cls, sentence: Sentence) -> Self:
        """Return the framework of a sentence."""
        metal, *linkers = sentence.left[0].blocks
        return cls(metal.payload, tuple(block.payload for block in linkers))

    def distinct(self) -> Self:
        """Return the framework with each different node and linker once, as MOFid lists them."""
        nodes = ".".join(dict.fromkeys(self.metal.split(".")))
        return type(self)(nodes, tuple(dict.fromkeys(self.linkers)))


def material_from_blocks(nodes: Sequence[str], linkers: Sequence[str]) -> Material:
    """Return the framework of the given building blocks, in the canonical form that sentences use.

    Metal nodes keep the conventions of MOFid: single bonds, every atom in brackets with its hydrogens, no
    charges (``[Zn][O]([Zn])([Zn])[Zn]``). Linkers become canonical SMILES; the radicals that MOFid writes for
    azolates, phenolates and bridging hydroxide become ions. Nodes and linkers are sorted by exact mass (with
    hydrogens), then by SMILES; repeated blocks stay.

    Parameters
    ----------
    nodes : sequence of str
        SMILES of the metal nodes; a SMILES with dots is several nodes.
    linkers : sequence of str
        SMILES of the linkers.

    Raises
    ------
    MoleculeError
        If there is no node, or if RDKit cannot read a block.
    """
    parts = [part for node in nodes for part in node.split(".")]
    if not parts:
        raise MoleculeError("a framework needs a metal node", hint="give at least one node SMILES")
    metal = ".".join(smiles for _, smiles in sorted(map(_canonical_node, parts)))
    return Material(metal, tuple(smiles for _, smiles in sorted(map(_canonical_linker, linkers))))


@lru_cache(maxsize=1 << 15)
def _canonical_node(smiles: str) -> tuple[float, str]:
    """Return exact mass and canonical SMILES of a node without sanitizing it: RDKit refuses its valences."""
    from rdkit import Chem, rdBase
    from rdkit.Chem.rdMolDescriptors import CalcExactMolWt

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles, sanitize=False)
    if molecule is None or not molecule.GetNumAtoms():
        raise MoleculeError(f"the metal node is not a SMILES: {smiles}", text=smiles)
    molecule.UpdatePropertyCache(strict=False)
    for atom in molecule.GetAtoms():
        n_hydrogens = atom.GetTotalNumHs()
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(n_hydrogens)
    Chem.FastFindRings(molecule)
    return round(CalcExactMolWt(molecule), 4), Chem.MolToSmiles(molecule)


@lru_cache(maxsize=1 << 15)
def _canonical_linker(smiles: str) -> tuple[float, str]:
    """Return exact mass and canonical SMILES of a linker."""
    from rdkit import Chem, rdBase
    from rdkit.Chem.rdMolDescriptors import CalcExactMolWt

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None or any(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms()):
            molecule = _without_radicals(smiles) or molecule
    if molecule is None or not molecule.GetNumAtoms():
        raise MoleculeError(f"RDKit does not accept the linker {smiles}", text=smiles)
    return round(CalcExactMolWt(molecule), 4), Chem.MolToSmiles(molecule)


def _without_radicals(smiles: str) -> Mol | None:
    """Return the ion that a linker with radicals stands for, or None.

    MOFid writes 2-methylimidazolate as ``CC1=NC=C[N]1``. Its connections are right: bond orders and charges are
    perceived again, as for a crystal structure. A carbon that lost its hydrogens gets them back.
    """
    from rdkit import Chem

    from logos_cli.chemistry.bond_orders import perceive, skeleton_of

    molecule = Chem.MolFromSmiles(smiles, sanitize=False)
    if molecule is None or "." in smiles:
        return None
    molecule.UpdatePropertyCache(strict=False)
    for atom in molecule.GetAtoms():
        orders = [bond.GetBondTypeAsDouble() for bond in atom.GetBonds()]
        stripped = not atom.GetTotalNumHs() and len(orders) < _BRANCHED and max(orders, default=0) < _TRIPLE
        if atom.GetSymbol() == "C" and not atom.GetIsAromatic() and stripped:
            atom.SetNumExplicitHs(max(0, round(4 - sum(orders)) - abs(atom.GetFormalCharge())))
    try:
        return Chem.MolFromSmiles(perceive(skeleton_of(molecule)))
    except MoleculeError:
        return None


_BRANCHED = 3
"""A carbon with this many bonds or more seldom lacks its hydrogen in a crystal structure."""
_TRIPLE = 3


PLUGIN = ObjectType("material", Material)
