"""Read reaction SMILES; handle reagents and atom maps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from logos_cli.chemistry.smiles import canonical_smiles, checked_smiles, parse_smiles, smiles_without_maps
from logos_cli.errors import FormatError, LogosError, MoleculeError, UsageError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.smiles_entries import place
from logos_cli.grammar import Form
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Source

if TYPE_CHECKING:
    from rdkit import Chem

_ARROW = re.compile(r"(?<!-)>")
_ARROW_WORD = re.compile(r"[-=<~]*>+|[→⟶⇌]")
_SIDE = re.compile(r"[A-Za-z0-9@+\-\[\]()=#$:/\\%.*~<>]+")
_MAP = re.compile(r":([1-9][0-9]*)\]")
_N_ARROWS = 2
REAGENTS = ("drop", "reactants", "error")


def split_reaction(line: str) -> tuple[str, str] | None:
    """Return the reaction SMILES at the beginning of a line, and the rest of the line; None if there is none.

    White space around arrows, and ``+`` between molecules, is removed. An arrow of another kind stays in the text,
    so that :func:`reaction_entry` refuses it with a reason.
    """
    words = line.split()
    text, n_used, has_arrow_word = words[0], 1, False
    for word in words[1:]:
        is_arrow = bool(_ARROW_WORD.fullmatch(word))
        opens = word[0] == ">" and bool(_SIDE.fullmatch(word)) and _n_arrows(text + word) <= _N_ARROWS
        awaits = text[-1] in ">." and (text[-1] == ">" or words[n_used - 1] == "+") and bool(_SIDE.fullmatch(word))
        if not (is_arrow or opens or awaits or word == "+"):
            break
        has_arrow_word = has_arrow_word or is_arrow
        text += "." if word == "+" else word
        n_used += 1
    if _n_arrows(text) != _N_ARROWS and not has_arrow_word:
        if ">>" not in line:
            return None
        text, n_used = words[0], 1  # an arrow further on: neither a reaction nor a molecule with a name
    rest = line.split(None, n_used)
    return text, rest[n_used] if len(rest) > n_used else ""


def _n_arrows(text: str) -> int:
    return len(_ARROW.findall(text))


def reaction_entry(
    text: str, entry_id: str, source: Source, options: ReadOptions, further: Sequence[str] = ()
) -> Entry:
    """Return the entry of one reaction SMILES, with or without a CXSMILES extension; with an error where it is invalid.

    ``further`` are reagents that a table has beside it; those that the reaction SMILES has as well are one.
    """
    try:
        smiles, _, rest = text.partition(" ")
        sides = _ARROW.split(smiles)
        if len(sides) != _N_ARROWS + 1:
            raise FormatError(
                f"a reaction SMILES has two arrows '>', this one {len(sides) - 1}",
                hint="write reactants>reagents>products or reactants>>products",
            )
        if rest:
            from logos_cli.chemistry.cxsmiles import read_reaction, split_extension

            sides, notes = read_reaction(sides, split_extension(rest)[0])
            source["notes"] = [*source.get("notes", ()), *notes]
        reactants, reagents, products = (split_components(side) for side in sides)
        if further:
            known = {canonical_smiles(smiles_without_maps(part)) for part in (*reactants, *reagents)}
            parts = [part for smiles in further for part in split_components(smiles)]
            reagents += [part for part in parts if canonical_smiles(smiles_without_maps(part)) not in known]
        return to_entry(reactants, reagents, products, entry_id, source, options)
    except LogosError as error:
        return Entry(entry_id, None, source, error.at(place(source)), Form.REACTION)


def to_entry(
    reactants: Sequence[str],
    reagents: Sequence[str],
    products: Sequence[str],
    entry_id: str,
    source: Source,
    options: ReadOptions,
) -> Entry:
    """Return the entry of a reaction given by its molecules; each of their components is a block of its own.

    In a mapped reaction, reactants that share no atom map with the product are reagents. By ``options.reagents`` they
    are left out and noted in ``source["reagents"]``, counted as reactants, or refused.

    Raises
    ------
    LogosError
        If a side is empty or a molecule is rejected by RDKit.
    """
    if options.reagents not in REAGENTS:
        raise UsageError(f"unknown choice for reagents: {options.reagents!r}", hint=f"choose {', '.join(REAGENTS)}")
    reactants, reagents, products = (
        [part for smiles in side for part in split_components(smiles)] for side in (reactants, reagents, products)
    )
    reactants, spectators = _split_by_maps(reactants, products)
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

    Ring bonds may be closed across a dot (``C1.C1`` is ethane): such a side is split by its bonds.

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
    return components(parse_smiles(side))


def components(molecule: Chem.Mol) -> list[str]:
    """Return the SMILES of the bonded components of a molecule, in the order of its atoms."""
    from rdkit import Chem

    return [str(Chem.MolToSmiles(part)) for part in Chem.GetMolFrags(molecule, asMols=True)]


_RING = re.compile(r"\[[^\]]*\]|%\(\d+\)|%\d\d|\d")


def _closes_its_rings(smiles: str) -> bool:
    opened: set[str] = set()
    for label in _RING.findall(smiles):
        if label[0] != "[":
            opened ^= {label}
    return not opened


def _plain(smiles: str, options: ReadOptions) -> str:
    """Return a checked SMILES without atom maps; a mapped one becomes canonical."""
    if not _MAP.search(smiles):
        return checked_smiles(smiles, canonical=options.canonical)
    return smiles_without_maps(smiles)


def _split_by_maps(reactants: Sequence[str], products: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate molecules that give atoms to the product from those that do not; without maps all are reactants."""
    mapped = {number for product in products for number in _MAP.findall(product)}
    taking_part = [bool(mapped.intersection(_MAP.findall(reactant))) for reactant in reactants]
    if not any(taking_part):
        return list(reactants), []
    return (
        [reactant for reactant, takes in zip(reactants, taking_part, strict=True) if takes],
        [reactant for reactant, takes in zip(reactants, taking_part, strict=True) if not takes],
    )
