"""Scaffolds: a SMILES with growth points, and whether a molecule contains its fixed part."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from logos_cli.errors import MoleculeError, Span, UsageError
from logos_cli.grammar.constrain import grammar, template_grammar
from logos_cli.grammar.spec import SMILES, Kind

if TYPE_CHECKING:
    from rdkit.Chem import Mol

_SLOT = re.compile(r"\{(?:X|\[(?P<letters>[^\]]*)\])(?P<count>:(?P<least>[0-9]+)(?P<range>,(?P<most>[0-9]*))?)?\}")
_RING = re.compile(r"\[[^\]]*\]|%\([0-9]+\)|%[0-9]{2}|[0-9]")
_WRITTEN = "BCNOPSFIlrbcnops-=#:/\\"
"""Characters of a substituent besides branches, ring digits and bracket atoms."""
_POINT = re.compile(r"\[\*(?::[0-9]+)?\]|\[R[0-9]*\]|(?<![\[>])\*")
"""A growth point as chemists write it: ``[*:1]``, ``[R1]`` or ``*``."""

_FREE = "{X}"


def scaffold_template(text: str) -> str:
    """Return a scaffold as the template of a molecule: growth points written as ``*`` become free parts.

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

    Unlike in other templates, a free part without a length is a substituent: it closes its brackets, is one
    molecule, and leaves the scaffold's open rings alone. In ``c1cc({X})ncc1`` the model therefore ends it by closing
    the scaffold's bracket.

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
    """Return the grammar rules of one free part."""
    if slot["letters"] is not None or slot["count"]:
        letters = set(slot["letters"] or SMILES - set("<>"))
        return [f"free_{number}: {_one_of(letters)}"]
    digits = {digit for digit in "123456789" if digit not in open_rings}
    return [f'free_{number}: {_one_of({*_WRITTEN, *digits})} | BRACKET_ATOM | "(" free_{number}+ ")"']


def _one_of(letters: set[str]) -> str:
    return f"/[{''.join(re.escape(letter) for letter in sorted(letters)).replace('/', chr(92) + '/')}]/"


def contains_scaffold(smiles: str, template: str) -> bool:
    """Whether a molecule contains the fixed part of a template.

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

    Free parts become dummy atoms, which are removed after the perception of rings and aromaticity: the atoms on
    either side of a free part need not be bonded.

    Raises
    ------
    MoleculeError
        If the fixed part is not a SMILES, or nothing is fixed.
    """
    from rdkit import Chem

    from logos_cli.chemistry.smiles import attempt

    marked = _SLOT.sub("*", template)
    molecule = attempt(lambda: Chem.MolFromSmiles(marked))
    if molecule is None:
        # a ring that closes in a free part, or a bond that leads nowhere: the template is ambiguous
        raise MoleculeError(
            "the fixed part of the scaffold is not a SMILES by itself",
            text=template,
            span=Span(0, len(template)),
            hint="put free parts where a substituent would be: c1cc({X})ncc1{X}",
        )
    editable = Chem.RWMol(molecule)
    for atom in reversed(list(molecule.GetAtoms())):
        if atom.GetAtomicNum() == 0:
            editable.RemoveAtom(atom.GetIdx())
    if not editable.GetNumAtoms():
        raise MoleculeError("the scaffold has no fixed part", text=template, span=Span(0, len(template)))
    return editable.GetMol()
