"""Grammars for constrained decoding, as Lark text: ``tokenizers/grammar.lark`` with the start that a task needs.

The parser accepts every text that is sampled under one of these grammars.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from logos_cli.errors import GrammarError, Span
from logos_cli.grammar.spec import RESIDUES, SMILES, Block, Kind, Pocket
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
        What a text consists of, in the definition's rules: ``"molecule"``, ``"molecule_block+ <React> …"``.
    rules : iterable of str
        Further rules that ``start`` refers to.
    """
    return "\n".join((f"start: {start}", *rules, _rules()))


def tagged_copy_grammar(chains: Sequence[str]) -> str:
    """Return the grammar of the completion of a search: the same chains, any residue of which may be tagged.

    The completion repeats every residue exactly; each tagged residue has its own pair of tags.
    """
    letters = sorted(set("".join(chains)))
    rules = [
        f'copy_{letter.lower()}: "{letter}" | {Kind.POCKET.start} "{letter}" {Kind.POCKET.end}' for letter in letters
    ]
    bodies = (" ".join(f"copy_{letter.lower()}" for letter in chain) for chain in chains)
    start = " ".join(f"{Kind.PROTEIN.start} {body} {Kind.PROTEIN.end}" for body in bodies)
    return "\n".join((f"start: {start}", *rules, ""))


def expanded_site_grammar(blocks: Iterable[Block]) -> str:
    """Return the grammar of an expanded site: tagged protein blocks, with a SMILES in each pair of pocket tags.

    The sentence repeats untagged residues exactly.
    """
    words = []
    for block in blocks:
        parts = ("pocket_opened" if isinstance(part, Pocket) else f'"{part}"' for part in block.parts)
        words += [Kind.PROTEIN.start, *parts, Kind.PROTEIN.end]
    return grammar(" ".join(words))


_STANDARD = "ACDEFGHIKLMNPQRSTVWY"
_MOST = 10_000
_LONGEST_INNER = 80
_SLOT = re.compile(r"(?P<what>X|\[(?P<letters>[^\[\]{}]*)\])(?::(?P<least>[0-9]+)(?P<range>,(?P<most>[0-9]*))?)?")


def template_grammar(kind: Kind, text: str) -> str:
    """Return the grammar of one block whose payload follows a template.

    Text outside braces stays as it is. ``{X}`` stands for one or more free residues (of the 20 standard ones) or
    SMILES characters, ``{X:8}`` for eight, ``{X:8,20}`` for eight to twenty, ``{X:8,}`` for eight or more, and
    ``{[ILV]:2}`` for two of the letters I, L and V.

    Raises
    ------
    GrammarError
        If the template is not well formed, with the place.
    """
    return block_templates_grammar([(kind, text)])


def block_templates_grammar(blocks: Sequence[tuple[Kind, str]]) -> str:
    """Return the grammar of several blocks, each of which follows a template; see :func:`template_grammar`.

    Raises
    ------
    GrammarError
        If a template is not well formed, with the place.
    """
    bodies, rules = [], []
    for number, (kind, text) in enumerate(blocks):
        spelt = " & ~SPELT_TAG" if kind is Kind.MOLECULE else ""
        bodies.append(f"{kind.start} TEMPLATE_{number} {kind.end}")
        rules.append(f"TEMPLATE_{number}: /{_pattern(kind, text)}/{spelt}")
    return grammar(" ".join(bodies), rules)


def free_spans(kind: Kind, text: str, payload: str) -> list[tuple[int, int]]:
    """Return the free parts of a payload that follows a template, as half-open ranges; none if it does not follow it."""
    match = re.fullmatch(_pattern(kind, text, lambda _part: True), payload)
    return [] if match is None else [match.span(number + 1) for number in range(len(match.groups()))]


def inner_parts_pattern(blocks: Sequence[tuple[Kind, str]]) -> str:
    """Return a regular expression of several blocks, each of which follows a template; see :func:`template_grammar`.

    Its groups are the free parts with something fixed on their right, of at most 80 characters.
    """

    def is_inner(part: _FreePart) -> bool:
        return not part.is_last and part.most is not None and part.most <= _LONGEST_INNER

    return "".join(f"{kind.start}{_pattern(kind, text, is_inner)}{kind.end}" for kind, text in blocks)


@dataclass(frozen=True, slots=True)
class _FreePart:
    """One ``{…}`` of a template.

    Attributes
    ----------
    pattern : str
        Its regular expression.
    most : int, optional
        Its largest length; None for any.
    is_last : bool
        Whether the template ends with it.
    """

    pattern: str
    most: int | None
    is_last: bool


def _pattern(kind: Kind, text: str, is_group: Callable[[_FreePart], bool] = lambda _part: False) -> str:
    """Return the regular expression of a template; free parts may be groups."""
    if not text:
        raise GrammarError("the template is empty", text=text, span=Span(0, 0))
    alphabet = SMILES if kind is Kind.MOLECULE else RESIDUES
    parts, place = [], 0
    while place < len(text):
        character = text[place]
        if character == "{":
            end = text.find("}", place)
            if end < 0:
                raise GrammarError("this brace is not closed", text=text, span=Span(place, place + 1))
            part = _free_part(kind, text, Span(place, end + 1))
            parts.append(f"({part.pattern})" if is_group(part) else part.pattern)
            place = end + 1
            continue
        if character not in alphabet:
            what = "SMILES character" if kind is Kind.MOLECULE else "residue"
            wrong = "this brace closes nothing" if character == "}" else f"{character!r} is not a {what}"
            raise GrammarError(wrong, text=text, span=Span(place, place + 1))
        parts.append(_literal(character))
        place += 1
    return "".join(parts)


def _free_part(kind: Kind, text: str, span: Span) -> _FreePart:
    """Return one ``{…}``."""
    match = _SLOT.fullmatch(text, span.start + 1, span.end - 1)
    if match is None:
        raise GrammarError(
            "this is not a free part of a template",
            text=text,
            span=span,
            expected=("{X}", "{X:8}", "{X:8,20}", "{X:8,}", "{[ILV]:2}"),
        )
    alphabet = sorted(SMILES) if kind is Kind.MOLECULE else list(_STANDARD)
    letters = match["letters"]
    if letters is not None:
        known = SMILES if kind is Kind.MOLECULE else RESIDUES
        if not letters or not known.issuperset(letters):
            raise GrammarError("these brackets hold no letters to choose from", text=text, span=span)
        alphabet = sorted(set(letters))
    least = int(match["least"] or 1)
    most = int(match["most"]) if match["most"] else None
    if match["least"] and not match["range"]:
        most = least
    if (most is not None and least > most) or max(least, most or 0) > _MOST or most == 0:
        raise GrammarError(
            f"the lengths of a free part run from the smaller to the larger, and to {_MOST:,} at most",
            text=text,
            span=span,
        )
    pattern = f"[{''.join(map(_literal, alphabet))}]{{{least},{'' if most is None else most}}}"
    return _FreePart(pattern, most, span.end == len(text))


def _literal(character: str) -> str:
    return "\\" + character if character in r".+*?()|[]{}^$\/-" else character


def mutant_grammar(kind: Kind, wild_type: str, max_mutations: int, positions: Iterable[int] | None = None) -> str:
    """Return the grammar of one block that differs from a sequence by substitutions.

    Parameters
    ----------
    max_mutations : int
        Number of residues that may differ, at most.
    positions : iterable of int, optional
        Zero-based positions at which residues may differ; default: everywhere.
    """
    free = sorted(set(range(len(wild_type)) if positions is None else positions))
    if max_mutations >= len(free):
        anywhere = set(free)
        body = "".join(f"[{_STANDARD}]" if i in anywhere else letter for i, letter in enumerate(wild_type))
        return grammar(f"{kind.start} EDITED {kind.end}", [f"EDITED: /{body}/"])
    # FROM_i_j: the rest of the sequence from the i-th free position on, after j mutations
    rules = []
    ends = [*free[1:], len(wild_type)]
    for number in range(len(free) - 1, -1, -1):
        place = free[number]
        letter, fixed = wild_type[place], wild_type[place + 1 : ends[number]]
        for used in range(min(number, max_mutations) + 1):
            follow = [f'"{fixed}"'] if fixed else []
            more = number + 1 < len(free)
            same = [f'"{letter}"', *follow, *([f"FROM_{number + 1}_{used}"] if more else [])]
            rule = f"FROM_{number}_{used}: {' '.join(same)}"
            if used < max_mutations:
                others = _STANDARD.replace(letter, "")
                changed = [f"/[{others}]/", *follow, *([f"FROM_{number + 1}_{used + 1}"] if more else [])]
                rule += f" | {' '.join(changed)}"
            rules.append(rule)
    before = f'"{wild_type[: free[0]]}" ' if free[0] else ""
    return grammar(f"{kind.start} EDITED {kind.end}", [f"EDITED: {before}FROM_0_0", *rules])


def parse_positions(text: str, length: int) -> tuple[int, ...]:
    """Return the zero-based positions of a list such as ``10-20,45``, which counts from 1.

    Raises
    ------
    GrammarError
        If the text is not such a list, or a position lies outside a sequence of this length.
    """
    positions: set[int] = set()
    place = 0
    for part in text.split(","):
        span = Span(place, place + max(1, len(part)))
        place += len(part) + 1
        match = re.fullmatch(r"\s*([0-9]+)(?:\s*-\s*([0-9]+))?\s*", part)
        if match is None:
            raise GrammarError(
                "positions are numbers and ranges", text=text, span=span, expected=("10", "10-20", "10-20,45")
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise GrammarError(f"the range {first}-{last} runs backwards: write {last}-{first}", text=text, span=span)
        if not 1 <= first <= last <= length:
            raise GrammarError(
                f"there is no position {first if first < 1 else last:,}: the sequence runs from 1 to {length:,}",
                text=text,
                span=span,
            )
        positions.update(range(first - 1, last))
    return tuple(sorted(positions))
