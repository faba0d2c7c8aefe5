"""Columns with a chain of an antibody, by the words in their names: ``VHorVHH``, ``heavy_chain_aa``, ``LightSequence``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from logos_cli.errors import UsageError
from logos_cli.formats.table.identifiers import key_of

_SURE: Final = {"heavy": ("heavy", "vhh", "vh"), "light": ("light", "vl", "vk")}
_BRIEF: Final = {"heavy": ("igh", "hc", "h"), "light": ("igk", "igl", "kappa", "lambda", "lc", "l")}
"""Words that name a chain only beside one for a sequence: ``Hchain`` of SAbDab is the letter of a chain in its PDB file."""
_AMINO_ACIDS: Final = ("amino", "acids", "acid", "aa", "protein")
_SEQUENCE: Final = (*_AMINO_ACIDS, "sequences", "sequence", "seqs", "seq", "fv")
_NEUTRAL: Final = (
    "chain",
    "variable",
    "domain",
    "region",
    "full",
    "length",
    "alignment",
    "antibody",
    "mab",
    "ab",
    "or",
)
_WORDS: Final = sorted(
    (*_SEQUENCE, *_NEUTRAL, *(word for words in (*_SURE.values(), *_BRIEF.values()) for word in words)),
    key=len,
    reverse=True,
)
_WORD: Final = re.compile("|".join(rf"{word}(?=chain|seq|aa|$)" if len(word) == 1 else word for word in _WORDS))
_JOINED: Final = re.compile(rf"(?:{_WORD.pattern})+")
_PART_OF_A_CHAIN: Final = re.compile(r"cdr|fwr|(?:^|_)fr_?\d|germline|gene|call|junction|linker|epitope|antigen")
_LETTERS: Final = re.compile(r"[A-Z]{10,}\*?")
"""Residues, or nucleotides, of more than a loop."""


def _words(key: str) -> list[str] | None:
    """Return the words of a name, joined or not; None if one of them is not known here."""
    parts = key.split("_")
    return [word for part in parts for word in _WORD.findall(part)] if all(map(_JOINED.fullmatch, parts)) else None


def chain_role(key: str) -> str | None:
    """Return ``heavy`` or ``light`` if a column holds that chain by all words of its name.

    Parameters
    ----------
    key : str
        The name as :func:`~.identifiers.key_of` writes it.
    """
    words = _words(key)
    if not words or ("length" in words and "full" not in words):
        return None
    has_sequence = not set(words).isdisjoint(_SEQUENCE)
    roles = [
        role
        for role, sure in _SURE.items()
        if not set(words).isdisjoint((*sure, *_BRIEF[role]) if has_sequence else sure)
    ]
    return roles[0] if len(roles) == 1 else None


def find_chain(role: str, names: dict[str, str]) -> str | None:
    """Return the column that holds a chain by the words of its name; one of amino acids if there are several.

    Parameters
    ----------
    names : dict
        The names of the columns by their keys, the last column first.

    Raises
    ------
    UsageError
        If several columns fit equally.
    """
    found = [key for key in reversed(names) if chain_role(key) == role]  # from the first column to the last
    found = [key for key in found if not set(_words(key) or ()).isdisjoint(_AMINO_ACIDS)] or found
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} columns may be the {role} chain: {', '.join(names[key] for key in found)}",
            hint=f"rename the one to read to {role}",
        )
    return names[found[0]] if found else None


def check_left_out(role: str, rows: Sequence[Mapping[str, object]], used: Iterable[str], source: str) -> None:
    """Refuse a table where a chain is in a column that is not read.

    Raises
    ------
    UsageError
        If the name of a column mentions the chain, and one of its cells has more letters than a loop.
    """
    for name in dict.fromkeys(name for row in rows for name in row if name not in used):
        key = key_of(name)
        if not _mentions(role, key) or _PART_OF_A_CHAIN.search(key):
            continue
        if any(_LETTERS.fullmatch("".join(str(row.get(name, "")).split())) for row in rows):
            raise UsageError(
                f"the column {name!r} seems to hold the {role} chain, and its name is not known",
                source=source or None,
                hint=f"rename it to {role}; --as antibody --column {next(iter(used), 'NAME')!r} reads the other chain alone",
            )


def _mentions(role: str, key: str) -> bool:
    words = (word for part in key.split("_") if _JOINED.fullmatch(part) for word in _WORD.findall(part))
    return _SURE[role][0] in key or not {*_SURE[role], *_BRIEF[role]}.isdisjoint(words)
