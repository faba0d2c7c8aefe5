"""Guided edits: the positions of variants are drawn where the model does not expect the residues of the wild type.

The weight of a position is the odds against its residue, given all residues before it. A residue that the model is sure of is
hardly ever drawn, and one that it finds unlikely nearly always.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from logos_cli.backends.base import LoadOptions
from logos_cli.engine.likelihood import Likelihood, ScoredText
from logos_cli.engine.start import likelihood_of
from logos_cli.errors import InputError
from logos_cli.workflows.generate.prompts import PreparedPrompt
from logos_cli.workflows.generate.templates import DrawnEdit

_LEAST, _MOST = 1e-4, 1e4


def guided(prompts: Iterator[PreparedPrompt], load: LoadOptions) -> Iterator[PreparedPrompt]:
    """Yield the prompts, those of edits with weights of their positions; each is read alone.

    Raises
    ------
    ModelError
        If the model is on a server that does not report probabilities of given texts.
    """
    for prompt in prompts:
        sentence = prompt.sentence
        if sentence is not None and isinstance(draw := sentence.draw_grammar, DrawnEdit):
            before = f"{sentence.text[: sentence.grammar_start]}{draw.kind.start}"
            weights = _weights(likelihood_of(load), before, draw)
            if isinstance(weights, tuple):
                prompt.sentence = replace(sentence, draw_grammar=replace(draw, weights=weights))
            else:
                prompt.sentence, prompt.error = None, weights
        yield prompt


def _weights(likelihood: Likelihood, before: str, draw: DrawnEdit) -> tuple[float, ...] | InputError:
    """Return the odds against the residue at each free position, or why the text cannot be read."""
    [scored] = likelihood.score([f"{before}{draw.wild_type}{draw.kind.end}"])
    if not isinstance(scored, ScoredText):
        return scored
    logps = scored.characters()[len(before) :][list(draw.free)]
    return tuple(
        min(_MOST, max(_LEAST, math.expm1(-logp))) if math.isfinite(logp) else 1.0 for logp in np.minimum(logps, 0)
    )
