"""Columns with a chain of an antibody, by the words in their names: ``VHorVHH``, ``heavy_chain_aa``, ``LightSequence``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from logos_cli.errors import UsageError
from logos_cli.formats.table.identifiers import key_of

_SURE: Final = {
    "heavy": ("heavy", "vhh", "vh", "vheavy", "hcvr"),
    "light": ("light", "vl", "vk", "vlight", "vkappa", "vlambda", "lcvr"),
}
_BRIEF: Final = {"heavy": ("igh", "hc", "h"), "light": ("igk", "igl", "kappa", "lambda", "lc", "l", "k")}
"""Words that name a chain only beside one for a sequence: ``Hchain`` of SAbDab is the letter of a chain in its PDB file."""
_AMINO_ACIDS: Final = ("amino", "acids", "acid", "aa", "protein")
_VARIABLE: Final = ("variable", "fv", "vh", "vhh", "vheavy", "hcvr", "vl", "vk", "vlight", "vkappa", "vlambda", "lcvr")
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
_PART_OF_A_CHAIN: Final = re.compile(
    r"cdr|fwr|(?:^|_)fr_?\d|germline|(?:^|_)(?:genes?|calls?|junction|linker|epitope|antigen)(?:_|$)"
)
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_VERSION: Final = re.compile(r"v?\d+$")
_CHAIN: Final = re.compile(r"(?:[ACDEFGHIKLMNPQRSTVWXY.-]{10,}\s+)*[ACDEFGHIKLMNPQRSTVWXY.-]+\*?", re.IGNORECASE)
"""Residues, or nucleotides, and gaps; in blocks of ten or more, or not parted."""
_LEAST_LETTERS: Final = 20
"""Fewest letters of a chain: a loop has less."""


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
    """Return the column that holds a chain by the words of its name.

    Of several it is one that is not of the full length, one of amino acids, and one of the variable domain, in this order.

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
    words = {key: set(_words(key) or ()) for key in found}
    found = [key for key in found if "full" not in words[key]] or found
    for preferred in (_AMINO_ACIDS, _VARIABLE):
        found = [key for key in found if not words[key].isdisjoint(preferred)] or found
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
        If a word in the name of a column is the chain's, and one of its cells is as long as a chain.
    """
    for name in dict.fromkeys(name for row in rows for name in row if name not in used):
        if _mentions(role, name) and any(_is_chain(str(row.get(name, ""))) for row in rows):
            raise UsageError(
                f"the column {name!r} seems to hold the {role} chain, and its name is not known",
                source=source or None,
                hint=f"rename it to {role}; --as antibody --column {next(iter(used), 'NAME')!r} reads the other chain alone",
            )


@lru_cache(maxsize=1024)
def _mentions(role: str, name: str) -> bool:
    """Return whether a whole word in the name of a column is a chain's, and none says that it is less than the chain."""
    key = key_of(_CAMEL.sub("_", name))
    parts = [part if _JOINED.fullmatch(part) else _VERSION.sub("", part) for part in key.split("_")]
    words = {word for part in parts if _JOINED.fullmatch(part) for word in _WORD.findall(part)}
    return not words.isdisjoint((*_SURE[role], *_BRIEF[role])) and not _PART_OF_A_CHAIN.search(key)


def _is_chain(text: str) -> bool:
    return bool(_CHAIN.fullmatch(text.strip())) and sum(map(str.isalpha, text)) >= _LEAST_LETTERS
