"""Read MOFid: building blocks, then the net: ``linker.node MOFid-v1.pcu.cat0;NAME``."""

from __future__ import annotations

import re
from typing import Final

from logos_cli.chemistry.notes import NOT_CARRIED
from logos_cli.errors import MoleculeError
from logos_cli.objects.material import Material, material_from_blocks

_MOFID: Final = re.compile(r"(?P<smiles>\S*)\s+(?P<net>MOFid-v\d[^\s;]*)\s*(?:;\s*(?P<name>.*))?")
_CARBON: Final = 6
_GERMANIUM: Final = 32
"""No metal in MOFid."""


def split_mofid(text: str) -> tuple[str, str] | None:
    """Return a MOFid without its name, and the name; None if the text is none."""
    match = _MOFID.fullmatch(text.strip())
    return (f"{match['smiles']} {match['net']}", (match["name"] or "").strip()) if match else None


def read_mofid(text: str) -> tuple[Material, str]:
    """Return the framework of one MOFid, and a note of its net. A fragment with a metal is a node, any other a linker.

    Raises
    ------
    MoleculeError
        If the fragments are no framework.
    """
    smiles, _, net = text.partition(" ")
    return material_from_blocks(*_blocks(smiles)), f"{NOT_CARRIED}net and catenation, {net}"


def _blocks(smiles: str) -> tuple[list[str], list[str]]:
    """Return the nodes and the linkers of a MOFid.

    Raises
    ------
    MoleculeError
        If RDKit cannot read a fragment, one has a metal within an organic part, or nodes or linkers are missing.
    """
    from rdkit import Chem, rdBase

    from logos_cli.structure.ligand.build import NON_METALS

    blocks: tuple[list[str], list[str]] = ([], [])
    for fragment in filter(None, smiles.strip("*").split(".")):
        with rdBase.BlockLogs():
            molecule = Chem.MolFromSmiles(fragment, sanitize=False)
        if molecule is None:
            raise MoleculeError(f"the part {fragment} of the MOFid is not a SMILES", text=smiles)
        numbers = {atom.GetAtomicNum() for atom in molecule.GetAtoms()}
        has_metal = not numbers <= NON_METALS | {_GERMANIUM}
        if has_metal and _CARBON in numbers:
            raise MoleculeError(
                f"the part {fragment} of the MOFid has a metal and carbon: node or linker",
                hint="write nodes and linkers in columns: metal, linkers",
                text=smiles,
            )
        blocks[not has_metal].append(fragment)
    if not all(blocks):
        missing = "linker" if blocks[0] else "node"
        raise MoleculeError(f"the MOFid has no {missing}", hint="MOFid could not take this crystal apart", text=smiles)
    return blocks
