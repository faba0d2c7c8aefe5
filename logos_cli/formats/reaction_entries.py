"""Reaction SMILES, and what is done with reagents and atom maps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from logos_cli.chemistry.smiles import canonical_smiles, checked_smiles, parse_smiles
from logos_cli.errors import FormatError, LogosError, MoleculeError, UsageError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.smiles_entries import place
from logos_cli.grammar import Form
from logos_cli.objects.reaction import Reaction

_ARROW = re.compile(r"(?<!-)>")
_MAP = re.compile(r":([1-9][0-9]*)\]")
REAGENTS = ("drop", "reactants", "error")


def reaction_entry(smiles: str, entry_id: str, source: dict[str, Any], options: ReadOptions) -> Entry:
    """Return the entry of one reaction SMILES, with an error where it is none."""
    try:
        sides = _ARROW.split(smiles)
        if len(sides) != 3:
            raise FormatError(
                f"a reaction SMILES has two arrows '>', this one {len(sides) - 1}",
                hint="write reactants>reagents>products or reactants>>products",
            )
        reactants, reagents, products = (split_components(side) for side in sides)
        return to_entry(reactants, reagents, products, entry_id, source, options)
    except LogosError as error:
        return Entry(entry_id, None, source, error.at(place(source)), Form.REACTION)


def to_entry(
    reactants: Sequence[str],
    reagents: Sequence[str],
    products: Sequence[str],
    entry_id: str,
    source: dict[str, Any],
    options: ReadOptions,
) -> Entry:
    """Return the entry of a reaction whose molecules are in hand.

    Reactants that share no atom map with the product, in a mapped reaction, are reagents. Reagents are left
    out and noted in ``source["reagents"]``, counted as reactants, or refused, as ``options.reagents`` says.

    Raises
    ------
    LogosError
        If a side is empty or a molecule is rejected by RDKit.
    """
    if options.reagents not in REAGENTS:
        raise UsageError(f"unknown choice for reagents: {options.reagents!r}", hint=f"choose {', '.join(REAGENTS)}")
    reactants, spectators = _part_by_maps(reactants, products)
    extra = [*reagents, *spectators]
    if extra and options.reagents == "reactants":
        reactants = [*reactants, *extra]
    elif extra and options.reagents == "error":
        raise MoleculeError(f"the reaction has reagents: {'.'.join(extra)}", hint="--reagents drop or reactants")
    if not reactants or not products:
        side = "product" if reactants else "reactants"
        raise FormatError(f"the reaction has no {side}", hint="write reactants>>products")
    left = tuple(_plain(smiles, options) for smiles in reactants)
    right = ".".join(_plain(smiles, options) for smiles in products)
    if extra and options.reagents == "drop":
        source["reagents"] = [_plain(smiles, options) for smiles in extra]
    if any(map(_MAP.search, (*reactants, *products))):
        source["notes"] = [*source.get("notes", ()), "atom maps removed"]
    return Entry(entry_id, Reaction(left, right), source)


def split_components(side: str) -> list[str]:
    """Return the molecules of one side, one per dot.

    Ring bonds may be closed across a dot (``C1.C1`` is ethane): such a side is parted by what is bonded.

    Raises
    ------
    MoleculeError
        If RDKit rejects the side.
    """
    if "." not in side:
        return [side] if side else []
    parts = side.split(".")
    if all(parts) and all(_closes_its_rings(part) for part in parts):
        return parts
    from rdkit import Chem

    return [str(Chem.MolToSmiles(part)) for part in Chem.GetMolFrags(parse_smiles(side), asMols=True)]


_RING = re.compile(r"\[[^\]]*\]|%\(\d+\)|%\d\d|\d")


def _closes_its_rings(smiles: str) -> bool:
    opened: set[str] = set()
    for label in _RING.findall(smiles):
        if label[0] != "[":
            opened ^= {label}
    return not opened


def _plain(smiles: str, options: ReadOptions) -> str:
    """Return a checked SMILES without atom maps; taking maps out makes it canonical."""
    if not _MAP.search(smiles):
        return checked_smiles(smiles, canonical=options.canonical)
    from rdkit import Chem

    molecule = parse_smiles(smiles)
    for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(0)
    # written once and read again: the hydrogens that `[CH3:1]` spelt out and that a map had kept go
    return canonical_smiles(str(Chem.MolToSmiles(molecule)))


def _part_by_maps(reactants: Sequence[str], products: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part what gives atoms to the product from what does not; without maps all are reactants."""
    mapped = {number for product in products for number in _MAP.findall(product)}
    taking_part = [bool(mapped.intersection(_MAP.findall(reactant))) for reactant in reactants]
    if not any(taking_part):
        return list(reactants), []
    return (
        [reactant for reactant, takes in zip(reactants, taking_part, strict=True) if takes],
        [reactant for reactant, takes in zip(reactants, taking_part, strict=True) if not takes],
    )
