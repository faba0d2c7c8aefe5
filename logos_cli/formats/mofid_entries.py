"""Read entries of MOFid: building blocks, then the net: ``linker.node MOFid-v1.pcu.cat0;NAME``."""

from __future__ import annotations

import re
from typing import Final

from logos_cli.chemistry.notes import NOT_CARRIED
from logos_cli.errors import MoleculeError
from logos_cli.formats.base import Entry
from logos_cli.grammar import Form
from logos_cli.objects.material import material_from_blocks
from logos_cli.records import Source

_MOFID: Final = re.compile(r"(?P<smiles>\S*)\s+(?P<net>MOFid-v\d[^\s;]*)\s*(?:;\s*(?P<name>.*))?")
_CARBON: Final = 6
_GERMANIUM: Final = 32
"""No metal in MOFid."""


def split_mofid(text: str) -> tuple[str, str] | None:
    """Return a MOFid without its name, and the name; None if the text is none."""
    match = _MOFID.fullmatch(text.strip())
    return (f"{match['smiles']} {match['net']}", (match["name"] or "").strip()) if match else None


def mofid_entry(text: str, entry_id: str, source: Source) -> Entry:
    """Return the framework of one MOFid. A fragment with a metal is a node, any other a linker; the net is noted."""
    from logos_cli.formats.smiles_entries import place

    smiles, _, net = text.partition(" ")
    try:
        material = material_from_blocks(*_blocks(smiles))
    except MoleculeError as error:
        return Entry(entry_id, None, source, error.at(place(source)), Form.MATERIAL)
    source["notes"] = [*source.get("notes", ()), f"{NOT_CARRIED}net and catenation, {net}"]
    return Entry(entry_id, material, source)


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
