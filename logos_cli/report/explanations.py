"""A page of sentences, coloured by the probability of each token under a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from logos_cli.report.page import Page, Structure

_SURE = 0.9
_COLOURS = ((0.5, "#eef1f4"), (0.2, "#d5ecd4"), (0.05, "#fdf0b5"), (0.01, "#fbcf94"), (0.0, "#f4978e"))
"""Smallest probability of a class and its colour, the most probable first; tokens above 0.9 have no colour."""


_MOST_SURPRISE = 5
_STRUCTURE_SCALE = (
    "Colour: minus the mean log-probability (ln) of a residue. Blue: 0, expected; "
    f"white: {_MOST_SURPRISE / 2:g}; red: {_MOST_SURPRISE} and more, unexpected."
)


@dataclass(frozen=True, slots=True)
class ExplainedSentence:
    """One record on the page.

    Attributes
    ----------
    title : str
        The record's id and kind.
    figures : str
        Log-probability and perplexity of the whole sentence.
    tokens : sequence of (str, float or None)
        Text and natural log-probability of each token.
    structure : str, optional
        mmCIF with minus the mean log-probability of each residue as B-factor.
    """

    title: str
    figures: str
    tokens: Sequence[tuple[str, float | None]]
    structure: str | None = None


def explanation_page(sentences: Iterable[ExplainedSentence], model: str) -> str:
    """Return the page of some records."""
    page = Page(
        "Probability of each token", f"Given all tokens before it, under {model}. The title of a token shows its value."
    )
    legend = [("above 0.9 ", "transparent", "")]
    above = _SURE
    for least, colour in _COLOURS:
        label = f" {least:g} to {above:g} " if least else f" below {above:g} "
        legend.append((label, colour, ""))
        above = least
    page.tokens(legend)
    for sentence in sentences:
        page.heading(sentence.title, 3)
        page.paragraph(sentence.figures, soft=True)
        page.tokens(
            (text, _colour(logp), "" if logp is None else f"{math.exp(logp):.3g} (ln {logp:.2f})")
            for text, logp in sentence.tokens
            if text
        )
        if sentence.structure is not None:
            surprise = {"prop": "b", "gradient": "rwb", "min": _MOST_SURPRISE, "max": 0}
            structure = Structure(sentence.structure, "cif", [({}, {"cartoon": {"colorscheme": surprise}})])
            page.structure(structure, _STRUCTURE_SCALE)
    return page.render()


def _colour(logp: float | None) -> str:
    if logp is None or math.exp(logp) >= _SURE:
        return "transparent"
    return next(colour for least, colour in _COLOURS if math.exp(logp) >= least)
