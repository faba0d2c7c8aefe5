"""Select ligands and chains by names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from logos_cli.errors import StructureError
from logos_cli.structure.ligands import Ligand
from logos_cli.structure.model import StructureModel
from logos_cli.structure.types import Chain, Residue, Role

_NUMBER = re.compile(r"(-?\d+)([A-Za-z]?)")
_LISTED = 12


def select_ligands(
    model: StructureModel, ligands: Sequence[Ligand], text: str, numbering: str = "auth"
) -> list[Ligand]:
    """Return the ligands of a selection.

    ``HEM`` is every ligand with that component, ``A:142`` the one with that residue; ``A:HEM:142`` and
    ``4hhb:A:HEM:142``, as in record ids, are valid, too. ``:142`` is residue 142 of a chain without a name, ``A:.``
    a residue without a number.

    Raises
    ------
    StructureError
        If there is none; the hint lists the ligands of the file.
    """
    parts = text.split(":")
    if len(parts) == 1:
        found = [ligand for ligand in ligands if text.upper() in (name.upper() for name in ligand.names)]
    else:
        found = [
            ligand for ligand in ligands if any(_is_named(residue, parts, numbering) for residue in ligand.residues)
        ]
    if found:
        return found
    chain = next(
        (residue for residue in model.residues if len(parts) > 1 and _is_named(residue, parts, numbering)), None
    )
    if chain is not None and chain.role in (Role.PROTEIN, Role.NUCLEIC):
        message = f"{chain} is part of a {chain.role.name.lower()} chain, not a ligand"
    elif chain is not None and chain.role is Role.WATER:
        message = f"{chain} is water, not a ligand"
    else:
        message = f"there is no ligand {text!r}"
    raise StructureError(message, source=model.name, hint=listing(ligands, numbering))


def listing(ligands: Sequence[Ligand], numbering: str = "auth") -> str:
    """Return the list of ligands to choose from, for a hint."""
    if not ligands:
        return "the structure has no ligands"
    names = [_title(ligand, numbering) for ligand in ligands[:_LISTED]]
    more = f" and {len(ligands) - _LISTED} more" if len(ligands) > _LISTED else ""
    return f"ligands in the file: {', '.join(names)}{more}"


def _title(ligand: Ligand, numbering: str) -> str:
    if numbering == "label" and ligand.residues[0].label_chain:
        return f"{ligand.title} {ligand.residues[0].label_chain}:."
    return str(ligand)


def _is_named(residue: Residue, parts: Sequence[str], numbering: str) -> bool:
    if len(parts) == 4:
        parts = parts[1:]
    if len(parts) == 3 and not residue.has_number and parts[2] == residue.name:
        parts = [*parts[1:], "."]  # as in ids of ligands without a number, which end with the component
    if len(parts) == 3:
        names = (residue.name, residue.chain, residue.label_chain)
        if parts[0] not in names or parts[1] not in names or residue.name not in parts[:2]:
            return False
        chain = parts[1] if parts[0] == residue.name and parts[1] != residue.name else parts[0]
    else:
        chain = parts[0]
    if numbering == "label":
        number = "." if residue.label_number is None else str(residue.label_number)
        return chain == residue.label_chain and (parts[-1] == number or number == ".")
    if not residue.has_number:
        return chain in (residue.chain, residue.label_chain) and parts[-1] == "."
    wanted = _NUMBER.fullmatch(parts[-1])
    return (
        wanted is not None
        and chain == residue.chain
        and int(wanted[1]) == residue.number
        and wanted[2].upper() == residue.insertion.upper()
    )


def select_chains(
    model: StructureModel, chains: Sequence[Chain], names: Sequence[str], numbering: str = "auth"
) -> list[Chain]:
    """Return the chains with these names, in file order; all if no name is given.

    Raises
    ------
    StructureError
        If a name is not that of a protein chain; the hint lists the names.
    """
    if not names:
        return list(chains)
    called = {chain.label if numbering == "label" and chain.label else chain.name: chain for chain in reversed(chains)}
    for name in names:
        if name not in called:
            known = ", ".join(reversed(called)) or "none"
            raise StructureError(
                f"there is no protein chain {name!r}", source=model.name, hint=f"protein chains in the file: {known}"
            )
    return [chain for chain in chains if (chain.label if numbering == "label" and chain.label else chain.name) in names]
