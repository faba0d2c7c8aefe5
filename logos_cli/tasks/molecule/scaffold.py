"""Scaffolds: a SMILES with growth points, and whether a molecule contains what is fixed of it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from logos_cli.errors import MoleculeError, Span, UsageError
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.constrain import template as template_grammar
from logos_cli.grammar.spec import SMILES, Kind

if TYPE_CHECKING:
    from rdkit.Chem import Mol

_SLOT = re.compile(r"\{(?:X|\[(?P<letters>[^\]]*)\])(?P<count>:(?P<least>[0-9]+)(?P<range>,(?P<most>[0-9]*))?)?\}")
_RING = re.compile(r"\[[^\]]*\]|%\([0-9]+\)|%[0-9]{2}|[0-9]")
_WRITTEN = "BCNOPSFIlrbcnops-=#:/\\"
"""What a substituent is written with besides brackets, ring digits and atoms in brackets."""
_POINT = re.compile(r"\[\*(?::[0-9]+)?\]|\[R[0-9]*\]|(?<![\[>])\*")
"""How chemists write a growth point: ``[*:1]``, ``[R1]`` or ``*``."""

_FREE = "{X}"


def scaffold_template(text: str) -> str:
    """Return a scaffold as the template of a molecule: growth points that are written ``*`` become free parts.

    Raises
    ------
    UsageError
        If it has no growth point.
    """
    pieces = re.split(r"(\{[^{}]*\})", text)
    template = "".join(piece if piece[:1] == "{" else _POINT.sub(_FREE, piece) for piece in pieces)
    if "{" not in template:
        raise UsageError(
            f"the scaffold {text} has no growth point", hint=f"mark each: {text}{_FREE}, or [*:1] as in c1ccncc1[*:1]"
        )
    return template


def scaffold_grammar(template: str) -> str:
    """Return the grammar of a molecule block that follows the template of a scaffold.

    Other than in templates at large, a free part without a length is a substituent: its brackets are closed, it is
    one molecule, and it leaves the scaffold's open rings alone. In ``c1cc({X})ncc1`` the model so ends it by closing
    the scaffold's bracket, and not by chance.

    Raises
    ------
    GrammarError
        If the template is not well formed, with the place.
    """
    template_grammar(Kind.MOLECULE, template)
    body: list[str] = []
    rules = [r"BRACKET_ATOM: /\[[A-Za-z0-9@+\-#:]+\]/"]
    place = 0
    open_rings: set[str] = set()
    for number, slot in enumerate(_SLOT.finditer(template)):
        fixed = template[place : slot.start()]
        open_rings ^= {label for label in _RING.findall(fixed) if label[0] != "["}
        body += [*map(_quoted, fixed), f"free_{number}{_times(slot)}"]
        rules += _free_rules(number, slot, open_rings)
        place = slot.end()
    body += map(_quoted, template[place:])
    return grammar(f"{Kind.MOLECULE.start} {' '.join(body)} {Kind.MOLECULE.end}", rules)


def _quoted(character: str) -> str:
    return '"\\\\"' if character == "\\" else f'"{character}"'


def _times(slot: re.Match[str]) -> str:
    if not slot["count"]:
        return "+"
    return f"{{{slot['least']},{slot['most']}}}" if slot["range"] else f"{{{slot['least']}}}"


def _free_rules(number: int, slot: re.Match[str], open_rings: set[str]) -> list[str]:
    """Return the rules of what one free part is made of, piece by piece."""
    if slot["letters"] is not None or slot["count"]:
        letters = set(slot["letters"] or SMILES - set("<>"))
        return [f"free_{number}: {_one_of(letters)}"]
    digits = {digit for digit in "123456789" if digit not in open_rings}
    return [f'free_{number}: {_one_of({*_WRITTEN, *digits})} | BRACKET_ATOM | "(" free_{number}+ ")"']


def _one_of(letters: set[str]) -> str:
    return f"/[{''.join(re.escape(letter) for letter in sorted(letters)).replace('/', chr(92) + '/')}]/"


def contains_scaffold(smiles: str, template: str) -> bool:
    """Whether a molecule contains the fixed part of a template, whatever has grown on it.

    Raises
    ------
    MoleculeError
        If RDKit rejects the molecule or the scaffold.
    """
    from logos_cli.chemistry.smiles import parse_smiles

    return bool(parse_smiles(smiles).HasSubstructMatch(scaffold_query(template)))


@lru_cache(8)
def scaffold_query(template: str) -> Mol:
    """Return the fixed part of a template as a substructure query.

    Free parts become dummy atoms, and these are taken out when rings and aromaticity have been perceived: what
    stood on either side of one need not be bonded.

    Raises
    ------
    MoleculeError
        If the fixed part is no SMILES, or nothing is fixed.
    """
    from rdkit import Chem

    from logos_cli.chemistry.smiles import attempt

    marked = _SLOT.sub("*", template)
    molecule = attempt(lambda: Chem.MolFromSmiles(marked))
    if molecule is None:
        # a ring that is closed in a free part, a bond that leads nowhere: what the template means is open
        raise MoleculeError(
            "the fixed part of the scaffold is no SMILES by itself",
            text=template,
            span=Span(0, len(template)),
            hint="free parts stand where a substituent would: c1cc({X})ncc1{X}",
        )
    editable = Chem.RWMol(molecule)
    for atom in reversed(list(molecule.GetAtoms())):
        if atom.GetAtomicNum() == 0:
            editable.RemoveAtom(atom.GetIdx())
    if not editable.GetNumAtoms():
        raise MoleculeError("nothing of the scaffold is fixed", text=template, span=Span(0, len(template)))
    return editable.GetMol()
