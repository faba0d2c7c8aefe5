"""Find the features of a molecule file that no SMILES can carry."""

from __future__ import annotations

import re
from typing import Final

from rdkit import Chem

from logos_cli.chemistry.bond_orders import STATES
from logos_cli.chemistry.notes import GROUP_MEANING, NOT_CARRIED

_GROUPS: Final = {Chem.StereoGroupType.STEREO_AND: "&", Chem.StereoGroupType.STEREO_OR: "o"}
_BONDS: Final = {
    Chem.BondType.SINGLE: "single",
    Chem.BondType.DOUBLE: "double",
    Chem.BondType.TRIPLE: "triple",
    Chem.BondType.AROMATIC: "aromatic",
}
"""Bonds of a known order with a condition, such as to be in a ring; RDKit writes any other pattern ``~``."""
_LABELS: Final = ("_MolFileRLabel", "dummyLabel")
_SGROUPS: Final = frozenset(("SRU", "MON", "COP", "CRO", "MOD", "GRA", "COM", "MIX", "FOR", "ANY", "GEN", "DAT", "MER"))
_SGROUP_LINE: Final = re.compile(r"^M +(?:STY|V30 BEGIN SGROUP)", re.MULTILINE)
_ATTACHMENT: Final = re.compile(r"^M +APO|ATTCHPT=", re.MULTILINE)
_LOGIC: Final = re.compile(r"^M +(?:LOG|LIN)\b|^M  V30 LINKNODE|RGROUPS=", re.MULTILINE)
_LOGIC_WORDS: Final = re.compile(r"LOG|LIN|RGROUPS=")
_SPIN: Final = re.compile(r"\bRAD=[13]\b|^M  RAD(?: +\d+)(?: +\d+ +\d+)*? +\d+ +[13]\b", re.MULTILINE)


def features(molecule: Chem.Mol, text: str = "") -> list[str]:
    """Return notes on the features of a molecule, or of its mol block, that its SMILES does not carry."""
    found = [*stereo_groups(molecule), *_queries(molecule)]
    if ("STY" in text or "SGROUP" in text) and _SGROUP_LINE.search(text):
        kinds = {group.GetProp("TYPE") for group in Chem.GetMolSubstanceGroups(molecule) if group.HasProp("TYPE")}
        found += [f"groups of the type {kind} (polymer, mixture or data)" for kind in sorted(kinds & _SGROUPS)]
    if ("APO" in text or "ATTCHPT=" in text) and _ATTACHMENT.search(text):
        found.append("attachment points")
    if _LOGIC_WORDS.search(text) and _LOGIC.search(text):
        found.append("R-group logic or link nodes")
    if "RAD" in text and _SPIN.search(text):
        found.append("spin multiplicity of a radical with two electrons")
    notes = [NOT_CARRIED + what for what in found]
    if any(atom.GetNumRadicalElectrons() and atom.GetSymbol() in STATES for atom in molecule.GetAtoms()):
        notes.append("the file states a radical")
    return notes


def stereo_groups(molecule: Chem.Mol) -> list[str]:
    """Return descriptions of the stereo groups ``&n`` and ``on`` (enhanced stereochemistry)."""
    found = []
    for group in molecule.GetStereoGroups():
        letter = _GROUPS.get(group.GetGroupType())
        if letter is not None:
            atoms = ", ".join(str(atom.GetIdx() + 1) for atom in group.GetAtoms())
            found.append(f"stereo group {letter}{group.GetReadId() or ''}: {GROUP_MEANING[letter]} (atoms {atoms})")
    return found


def _queries(molecule: Chem.Mol) -> list[str]:
    """Return descriptions of the atoms and bonds that are patterns: atom lists, any atom, R groups, any bond."""
    found = []
    for atom in molecule.GetAtoms():
        number = atom.GetIdx() + 1
        label = next((atom.GetProp(name) for name in _LABELS if atom.HasProp(name)), "")
        if not atom.GetAtomicNum() and label:
            written = f"[{atom.GetIsotope()}*]" if atom.GetIsotope() else "*"
            found.append(f"the label {'R' * label.isdecimal()}{label} of atom {number}, written {written}")
        elif alias := _alias(atom):
            found.append(f"the alias {alias} of atom {number}, written {atom.GetSymbol()}")
        elif atom.HasQuery() and (smarts := atom.GetSmarts()) != "*":
            found.append(f"the query {smarts} of atom {number}, written {atom.GetSymbol()}")
    for bond in molecule.GetBonds():
        if bond.HasQuery():
            ends = f"{bond.GetBeginAtomIdx() + 1} and {bond.GetEndAtomIdx() + 1}"
            found.append(f"the query of the bond of atoms {ends}, written {_BONDS.get(bond.GetBondType(), '~')}")
    return found


def _alias(atom: Chem.Atom) -> str:
    """Return the text that a program shows in place of an atom, if it is not the atom itself: Ph, Boc, Me."""
    alias = str(atom.GetProp("molFileAlias")).strip() if atom.HasProp("molFileAlias") else ""
    return "" if alias == atom.GetSymbol() else alias
