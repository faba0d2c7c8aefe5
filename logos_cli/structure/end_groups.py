"""Recognise the end groups of peptides, which are written like residues beside gaps: ``Ac-DEVD-AMC``."""

from __future__ import annotations

import re
from typing import Final

_FIRST: Final = (
    "ac acetyl h z cbz boc fmoc suc succinyl meosuc bz benzoyl bzl pglu pyr pyro pyroglu glp for formyl myr myristoyl palm "
    "palmitoyl pal pam biotin biotinyl btn fitc fam tamra tmr rox cy3 cy5 cy7 dabcyl dabsyl abz mca dnp dns dansyl ahx acp "
    "peg tos tosyl mal nbd edans hynic dota nota dtpa stearyl lauroyl glutaryl mu tfa ho pr propionyl cyclo"
)
_LAST: Final = (
    "oh nh2 nh ome oet obzl otbu sbzl amc afc acc mca pna pnp bna mna cho fmk cmk aomk vs vme amide conh2 cooh nhme nhet "
    "edans dnp biotin fitc fam tamra rox cy3 cy5 cy7 r110 ahx acp peg onp osu al ol"
)
_GROUPS: Final = {0: frozenset(_FIRST.split()), -1: frozenset(_LAST.split())}
"""Groups at the first and the last residue, in lower case."""
_ATTACHED: Final = re.compile(r"(Ac|Acetyl|Z|Cbz|Boc|Fmoc|Suc|Bz|pGlu|pyroGlu|Glp|Biotin|FITC|Myr|Palm)(?=[A-Z]+$)")
_CODE: Final = re.compile(r"[A-Z][a-z]{2,}|[a-z]{1,2}[A-Z][A-Za-z]*")
"""A word in the case of a group or three-letter code (``Ahx``, ``pNA``), as no residues are written."""
_NEVER_RESIDUES: Final = frozenset("OUou")
_MOST_LETTERS: Final = 60
_MOST_CAPITALS: Final = 30
"""Most letters of a text whose groups are in the case of its residues: more may be a row of an alignment."""


def end_group(text: str) -> str | None:
    """Return the first word of a peptide's notation that is no residue; None if all of the text is residues and gaps.

    A group in the case of the residues (``H``, ``AMC``) counts in a short text only, and beside single hyphens: gaps
    come in runs, at the ends, or as dots as well. Single letters between hyphens are residues.

    Parameters
    ----------
    text : str
        A sequence as it is in the file, which is no row of an alignment.
    """
    text = text.strip()
    if text.isalpha():
        match = _ATTACHED.match(text) if len(text) <= _MOST_LETTERS and not text.isupper() else None
        return match[1] if match else None
    has_gaps = "--" in text or "." in text or text.startswith("-") or text.endswith("-")
    parts = [part for part in re.split(r"[-.]+", "".join(text.split())) if part]
    n_letters = sum(map(len, parts))
    is_spaced = all(len(part) == 1 for part in parts)
    if len(parts) > 1 and not is_spaced and not (has_gaps and n_letters > _MOST_LETTERS):
        is_short = n_letters <= _MOST_CAPITALS and not has_gaps
        for end, groups in _GROUPS.items():
            if parts[end].lower() in groups and (is_short or _is_certain(parts[end])):
                return parts[end]
    if has_gaps:
        return None
    words = re.split(r"[-\s]+", text) if n_letters <= _MOST_LETTERS else []
    return next(filter(_CODE.fullmatch, words), None)


def _is_certain(word: str) -> bool:
    """Return whether a word with the letters of a group cannot be residues, by its case or its letters."""
    return not (word.isupper() or word.islower()) or not word.isalpha() or not _NEVER_RESIDUES.isdisjoint(word)
