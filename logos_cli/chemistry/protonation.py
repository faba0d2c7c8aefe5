"""Find the dominant protonation state of a molecule at a pH, by a table of groups and their usual pKa.

The full rule: charges that come from protons are first neutralised. Then each group of :data:`GROUPS`, in order, is
deprotonated if it is an acid with a pKa below the pH, or protonated if it is a base with a pKa at or above it. A base
less than four bonds from a protonated one stays neutral, as the first proton lowers the pKa of the second. Other
charges (quaternary nitrogen, nitro, N-oxide) stay. Tautomers are kept as given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize

_SPACING = 4
"""Smallest number of bonds between two protonated amines."""


_ACCEPTOR = "[$([#6,#16]=[O,S]),$(C#N),O,N,$([N+])]"
"""Neighbours of a nitrogen that remove its basicity."""


class Group(NamedTuple):
    """An ionisable group: the first atom of the pattern loses or gains the proton."""

    name: str
    smarts: str
    pka: float
    acid: bool


GROUPS = (
    Group("sulfonic acid", "[OX2H1][SX4](=O)=O", -2.0, True),
    Group("sulfinic acid", "[OX2H1][SX3]=O", 2.0, True),
    Group("phosphoric acid, first proton", "[OX2H1,SX2H1][PX4;!$(P[O-]);!$(P[S-])]=[O,S]", 1.5, True),
    Group("phosphoric acid, second proton", "[OX2H1][PX4;$(P[O-,S-]);!$(P([O-])[O-])]=[O,S]", 6.5, True),
    Group("carboxylic acid", "[OX2H1][CX3](=O)[#6,#1]", 4.0, True),
    Group("thiocarboxylic acid", "[SX2H1][CX3]=[O,S]", 3.0, True),
    Group("hydroxysquarate", "[OX2H1][CX3]1=[CX3]C(=O)C1=O", 1.5, True),
    Group("tetrazole", "[nX3H1;$([nH]1nnnc1),$([nH]1nncn1)]", 4.9, True),
    Group("acyl sulfonamide", "[NX3H1]([CX3]=O)[SX4](=O)=O", 4.5, True),
    Group("sulfonamide on an azine", "[NX3H1]([SX4](=O)=O)[$(c(n)n),$(c(n)s)]", 6.5, True),
    Group("nitrophenol", "[OX2H1][$(c1ccc([N+](=O)[O-])cc1),$(c1c([N+](=O)[O-])cccc1)]", 7.1, True),
    Group("thiophenol", "[SX2H1]c", 6.6, True),
    Group("guanidine", f"[NX2;!$(N{_ACCEPTOR})]=[CX3]([NX3;!$(N{_ACCEPTOR})])[NX3;!$(N{_ACCEPTOR})]", 12.5, False),
    Group("amidine", f"[NX2;!$(N{_ACCEPTOR})]=[CX3;!$(C(N)N);!$(C[O,S])][NX3;!$(N{_ACCEPTOR})]", 11.0, False),
    Group(
        "aliphatic amine",
        "[NX3;+0;!$(N~[!#6;!#1]);!$(N~[#6X3,#6X2]);!$(N[CX4]C#N);!$(N[CX4]C(F)(F)F);!$(N[CX4][F,Cl,Br,I])][CX4]",
        9.5,
        False,
    ),
    Group("4-aminopyridine", "[nX2]1ccc([NX3;!$(N[C,S]=[O,S,N])])cc1", 9.2, False),
    Group("imidazole", "[nX2]1c[nX3]cc1", 6.8, False),
)
"""Groups that can be charged between pH 1 and 13, with the usual pKa in drug-like molecules."""


@dataclass(slots=True)
class Protonated:
    """The molecule in its dominant state, and notes on the changes."""

    molecule: Chem.Mol
    notes: list[str] = field(default_factory=list)


def protonate(molecule: Chem.Mol, ph: float) -> Protonated:
    """Return the dominant protonation state at a pH; conformers and properties stay.

    Parameters
    ----------
    molecule : Chem.Mol
        Without explicit hydrogens.
    """
    before = Chem.GetFormalCharge(molecule)
    with rdBase.BlockLogs():
        state = Chem.RWMol(_uncharger().uncharge(Chem.Mol(molecule)))
    names = [group.name for group in GROUPS if group.acid == (group.pka < ph) for _ in _treat(state, group)]
    result = state.GetMol()
    Chem.SanitizeMol(result)
    after = Chem.GetFormalCharge(result)
    notes = []
    if after != before:
        groups = ", ".join(sorted(set(names))) or "its groups are neutral there"
        notes.append(f"charge {_signed(before)} → {_signed(after)} at pH {ph:g} ({groups})")
    return Protonated(result, notes)


def _signed(charge: int) -> str:
    return f"{charge:+d}" if charge else "0"


def _treat(state: Chem.RWMol, group: Group) -> Iterator[int]:
    """Charge the sites of a group one by one, since one may change the next; yield the charged sites."""
    treated: set[int] = set()
    distances = Chem.GetDistanceMatrix(state)
    pattern = _pattern(group.smarts)
    while True:
        state.UpdatePropertyCache(strict=False)
        sites = (match[0] for match in state.GetSubstructMatches(pattern, uniquify=False))
        site = next((each for each in sites if each not in treated), None)
        if site is None:
            return
        treated.add(site)
        if not group.acid and any(distances[site][other] < _SPACING for other in _cations(state)):
            continue
        _charge(state, site, -1 if group.acid else 1)
        yield site


def _cations(state: Chem.RWMol) -> list[int]:
    """Return the protonated nitrogens."""
    return [
        atom.GetIdx()
        for atom in state.GetAtoms()
        if atom.GetAtomicNum() == 7 and atom.GetFormalCharge() > 0 and atom.GetTotalNumHs()
    ]


@cache
def _pattern(smarts: str) -> Chem.Mol:
    pattern = Chem.MolFromSmarts(smarts)
    assert pattern is not None, smarts
    return pattern


@cache
def _uncharger() -> rdMolStandardize.Uncharger:
    return rdMolStandardize.Uncharger(True, True)


def _charge(state: Chem.RWMol, index: int, by: int) -> None:
    """Add or remove a proton."""
    atom = state.GetAtomWithIdx(index)
    n_hydrogens = atom.GetTotalNumHs()
    atom.SetFormalCharge(atom.GetFormalCharge() + by)
    atom.SetNoImplicit(True)
    atom.SetNumExplicitHs(max(0, n_hydrogens + by))
