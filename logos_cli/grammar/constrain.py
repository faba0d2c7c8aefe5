"""Grammars for constrained decoding, as Lark text: ``tokenizers/grammar.lark`` with the start that a task needs.

What is sampled under one of these, the parser accepts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from logos_cli.grammar.spec import Kind
from logos_cli.resources import data_path

_START = re.compile(r"^start:.*\n(?:[ \t]+\|.*\n)*", re.MULTILINE)


@cache
def _rules() -> str:
    """Return the definition without its start."""
    text = data_path("tokenizers", "grammar.lark").read_text(encoding="utf-8")
    return _START.sub("", text)


def grammar(start: str, rules: Iterable[str] = ()) -> str:
    """Return the definition with another start.

    Parameters
    ----------
    start : str
        What a text is made of, in the definition's rules: ``"molecule"``, ``"molecule_block+ <React> …"``.
    rules : iterable of str
        Further rules that ``start`` speaks of.
    """
    return "\n".join((f"start: {start}", *rules, _rules()))


def copied_site(chains: Sequence[str]) -> str:
    """Return the grammar of an answer to a search: the same chains, any residue of which may be tagged.

    Every residue is copied exactly; a tagged one has a pair of tags of its own.
    """
    letters = sorted(set("".join(chains)))
    rules = [
        f'copy_{letter.lower()}: "{letter}" | {Kind.POCKET.start} "{letter}" {Kind.POCKET.end}'
        for letter in letters
    ]
    bodies = (" ".join(f"copy_{letter.lower()}" for letter in chain) for chain in chains)
    start = " ".join(f"{Kind.PROTEIN.start} {body} {Kind.PROTEIN.end}" for body in bodies)
    return "\n".join((f"start: {start}", *rules, ""))
