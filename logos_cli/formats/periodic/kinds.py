"""Recognise crystal files without symmetry by their first lines."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?"
_THREE: Final = rb"[ \t]*" + rb"[ \t]+".join([_NUMBER] * 3)
_COMMENT: Final = rb"[ \t]*(?:[#!][^\n]*)?\r?\n"
_SYMBOL: Final = rb"[A-Z][a-z]?(?:[_/.][\w./]*)?"
_POSCAR: Final = re.compile(
    rb"[^\n]*\n[ \t]*"
    + _NUMBER
    + rb"(?:[ \t]+"
    + _NUMBER
    + rb"){0,2}"
    + _COMMENT
    + rb"(?:"
    + _THREE
    + _COMMENT
    + rb"){3}"
    rb"(?:[ \t]*" + _SYMBOL + rb"(?:[ \t]+" + _SYMBOL + rb")*[ \t]*\r?\n)*[ \t]*\d+(?:[ \t]+\d+)*[ \t]*\r?\n"
)
_CSSR: Final = re.compile(rb"[^\n]*\n[^\n]*\bSPGR *=[^\n]*\n[ \t]*\d+[^\n]*\n", re.IGNORECASE)
_XSF: Final = re.compile(
    rb"(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*(?:(?:CRYSTAL|SLAB|POLYMER|MOLECULE)[ \t]*\r?\n"
    rb"(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*(?:PRIMVEC|CONVVEC|ATOMS)|ANIMSTEPS[ \t]+\d+|DIM-GROUP)",
    re.IGNORECASE,
)
_JSON: Final = re.compile(rb"\s*(?:\[\s*)?\{")
_PYMATGEN: Final = re.compile(rb'"@module"\s*:\s*"pymatgen\.')


def kind_of(head: bytes) -> str | None:
    """Return ``poscar``, ``cssr``, ``xsf`` or ``pymatgen-json`` by the beginning of a file; None if it is none of these."""
    if _JSON.match(head):
        return "pymatgen-json" if _PYMATGEN.search(head) else None
    for kind, pattern in (("poscar", _POSCAR), ("cssr", _CSSR), ("xsf", _XSF)):
        if pattern.match(head):
            return kind
    return None
