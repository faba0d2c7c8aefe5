"""Columns with a chain of an antibody, by the words in their names: ``VHorVHH``, ``heavy_chain_aa``, ``LightSequence``.

A brief or numbered name (``HC``, ``H_chain``, ``VH_1``) counts where a cell of the column is as long as a chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from logos_cli.errors import UsageError
from logos_cli.formats.table.identifiers import key_of
from logos_cli.structure.residues.nucleotides import may_be_nucleotides

_SURE: Final = {
    "heavy": ("heavy", "vhh", "vh", "vheavy", "hcvr"),
    "light": ("light", "vl", "vk", "vlight", "vkappa", "vlambda", "lcvr"),
}
_BRIEF: Final = {"heavy": ("igh", "hc", "h"), "light": ("igk", "igl", "kappa", "lambda", "lc", "l", "k")}
"""Words that name a chain beside one for a sequence, or above one: ``Hchain`` of SAbDab is the letter of a chain in a PDB."""
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
    "fab",
    "vdj",
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
_LOOP: Final = re.compile(r"[hlk]_?\d")
"""``H3`` is a loop, and no chain of number 3."""
_SUBSCRIPT: Final = re.compile(r"(?<![a-z0-9])v_(?=[hlk](?![a-z]))")
"""Between the letters of ``V_H``."""
_NUMBER: Final = re.compile(r"(?<!\d)_?(\d{1,2})(?=_|$)")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_VERSION: Final = re.compile(r"v?\d+$")
_CHAIN: Final = re.compile(r"(?:[ACDEFGHIKLMNPQRSTVWXY.-]{10,}\s+)*[ACDEFGHIKLMNPQRSTVWXY.-]+\*?", re.IGNORECASE)
"""Residues, or nucleotides, and gaps; in blocks of ten or more, or not parted."""
LEAST_LETTERS: Final = 20
"""Fewest letters of a chain: a loop has less."""
_SINGLE: Final = (
    "no not without lacks lacking only none unknown undetermined single "
    "vhh nanobody nanobodies nb sdab sdabs camelid hcab hcabs"
)
_BESIDE: Final = (
    "a an the this is has have there n na available applicable known found given present determined sequenced"
)
_TELLING: Final = frozenset(_SINGLE.split())
"""Words of which a cell for a chain has one if it tells that there is none."""
_REMARK: Final = _TELLING.union(_BESIDE.split())
_LONGEST_REMARK: Final = 60


def _words(key: str) -> list[str] | None:
    """Return the words of a name, joined or not; None if one of them is not known here."""
    parts = _SUBSCRIPT.sub("v", key).split("_")
    return [word for part in parts for word in _WORD.findall(part)] if all(map(_JOINED.fullmatch, parts)) else None


def _number(key: str) -> str:
    """Return the number in a name, as in ``vh_1``; an empty text if there is none, or several."""
    numbers = _NUMBER.findall(key)
    return numbers[0] if len(numbers) == 1 else ""


@lru_cache(maxsize=4096)
def chain_role(key: str) -> str | None:
    """Return ``heavy`` or ``light`` if a column holds that chain by all words of its name.

    Parameters
    ----------
    key : str
        The name as :func:`~.identifiers.key_of` writes it.
    """
    words = _words(key)
    return _role(words, is_chain=not set(words).isdisjoint(_SEQUENCE)) if words else None


@lru_cache(maxsize=1024)
def _brief_role(key: str) -> str | None:
    """Return ``heavy`` or ``light`` if a column of chains holds that one by its name, which may be brief or have a number."""
    words = None if _LOOP.match(key) else _words(_NUMBER.sub("", key, 1) if _number(key) else key)
    return _role(words, is_chain=True) if words else None


def _is_brief(key: str) -> bool:
    return _brief_role(key) is not None and chain_role(key) is None


def _role(words: Sequence[str], *, is_chain: bool) -> str | None:
    """Return the one role that words name; brief ones count if the column is known to hold a chain."""
    if "length" in words and "full" not in words:
        return None
    roles = [
        role for role, sure in _SURE.items() if not set(words).isdisjoint((*sure, *_BRIEF[role]) if is_chain else sure)
    ]
    return roles[0] if len(roles) == 1 else None


def columns_of_chains(rows: Sequence[Mapping[str, object]]) -> frozenset[str]:
    """Return the columns of brief or numbered names that hold a chain in one of these rows."""
    return frozenset(
        name for row in rows for name, cell in row.items() if _is_brief(key_of(name)) and _is_chain(str(cell))
    )


def find_chain(role: str, names: Mapping[str, str], of_chains: frozenset[str], source: str) -> str | None:
    """Return the column that holds a chain by the words of its name.

    Of several it is one whose name is neither brief nor numbered, one that is not of the full length, one of amino acids, and
    one of the variable domain, in this order.

    Parameters
    ----------
    names : mapping
        The names of the columns by their keys, the last column first.
    of_chains : frozenset of str
        Those of :func:`columns_of_chains`.

    Raises
    ------
    UsageError
        If several columns fit equally.
    """
    keys = list(names)[::-1]  # from the first column to the last
    found = [key for key in keys if chain_role(key) == role]
    found = found or [key for key in keys if names[key] in of_chains and _brief_role(key) == role]
    words = {key: set(_words(_NUMBER.sub("", key)) or ()) for key in found}
    found = [key for key in found if "full" not in words[key]] or found
    for preferred in (_AMINO_ACIDS, _VARIABLE):
        found = [key for key in found if not words[key].isdisjoint(preferred)] or found
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} columns may be the {role} chain: {', '.join(names[key] for key in found)}",
            source=source or None,
            hint=f"rename the one to read to {role}",
        )
    return names[found[0]] if found else None


def check_numbers(heavy: str, light: str, source: str) -> None:
    """Refuse two columns of different numbers: ``VH_1`` and ``VL_2`` are chains of two antibodies.

    Raises
    ------
    UsageError
        If both names have a number, and they differ.
    """
    numbers = {_number(key_of(heavy)), _number(key_of(light))} - {""}
    if len(numbers) > 1:
        raise UsageError(
            f"the columns {heavy!r} and {light!r} have different numbers",
            source=source or None,
            hint="rename them to heavy and light if they are the chains of one antibody",
        )


def mentions_chain(names: Iterable[str]) -> bool:
    """Return whether the name of a column has a word for a chain."""
    return any(_mentions(role, name) for name in names for role in _SURE)


def names_no_chain(text: str) -> bool:
    """Return whether a cell for a chain tells in words that there is none: ``no light chain``, ``VHH only``, ``nanobody``."""
    if len(text) > _LONGEST_REMARK:
        return False
    words = key_of(text).split("_")
    return not _TELLING.isdisjoint(words) and all(word in _REMARK or _JOINED.fullmatch(word) for word in words)


def other_chains(role: str, cells: Mapping[str, object], used: Iterable[str], chain: str) -> list[str]:
    """Return the columns that seem to hold another chain of a role than the one that is read, as tables of bispecifics have."""
    letters = _letters(chain)
    others = {
        name: _letters(cells[name])
        for name in cells
        if name not in used and _mentions(role, name) and _is_chain(str(cells[name]))
    }
    return [
        name
        for name, other in others.items()
        if other not in letters and letters not in other and not may_be_nucleotides(other)
    ]


def _letters(cell: object) -> str:
    return "".join(filter(str.isalpha, str(cell))).upper()


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
    return bool(_CHAIN.fullmatch(text.strip())) and sum(map(str.isalpha, text)) >= LEAST_LETTERS
