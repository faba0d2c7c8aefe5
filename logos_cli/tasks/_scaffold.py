"""Scaffolds: a SMILES with growth points, and whether a molecule contains what is fixed of it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from logos_cli.errors import MoleculeError, Span, UsageError

if TYPE_CHECKING:
    from rdkit.Chem import Mol

_SLOT = re.compile(r"\{[^{}]*\}")
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
    template = text if "{" in text else _POINT.sub(_FREE, text)
    if "{" not in template:
        raise UsageError(
            f"the scaffold {text} has no growth point",
            hint=f"mark each: {text}{_FREE}, or [*:1] as in c1ccncc1[*:1]",
        )
    return template


def contains_scaffold(smiles: str, template: str) -> bool:
    """Whether a molecule contains the fixed part of a template, whatever has grown on it.

    Raises
    ------
    MoleculeError
        If RDKit rejects the molecule or the scaffold.
    """
    from logos_cli.formats._smiles import parse_smiles

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

    from logos_cli.formats._smiles import attempt

    marked = _SLOT.sub("*", template)
    molecule = attempt(lambda: Chem.MolFromSmiles(marked))
    if molecule is None:
        # a ring that is closed in a free part, a bond that leads nowhere: what the template means is open
        raise MoleculeError(
            "the fixed part of the scaffold is no SMILES by itself",
            text=template, span=Span(0, len(template)),
            hint="free parts stand where a substituent would: c1cc({X})ncc1{X}",
        )  # fmt: skip
    editable = Chem.RWMol(molecule)
    for atom in reversed(list(molecule.GetAtoms())):
        if atom.GetAtomicNum() == 0:
            editable.RemoveAtom(atom.GetIdx())
    if not editable.GetNumAtoms():
        raise MoleculeError("nothing of the scaffold is fixed", text=template, span=Span(0, len(template)))
    return editable.GetMol()
