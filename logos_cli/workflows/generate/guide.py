"""Guided edits: variants that are drawn from the frequencies of residues in a table of measured values.

The weight of a position is the odds against the residue of the wild type, so that residues which are rare in the table are
exchanged first. The new residue is drawn by its frequency there. The model writes nothing of its own: it finds how likely
the variant is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import InputError
from logos_cli.tasks.design.oracle import RESIDUES, exchange_odds
from logos_cli.workflows.generate.prompts import PreparedPrompt
from logos_cli.workflows.generate.templates import DrawnEdit

_LEAST_TEMPERATURE = 0.05


def guided(
    prompts: Iterator[PreparedPrompt], profile: NDArray[np.float64], temperature: float
) -> Iterator[PreparedPrompt]:
    """Yield the prompts, those of edits with the frequencies of a table.

    Parameters
    ----------
    profile : ndarray, shape (length, 20)
        Frequencies in the order of :data:`~logos_cli.tasks.design.oracle.RESIDUES`.
    temperature : float
        Frequencies to the power of its inverse are the weights of new residues.
    """
    for prompt in prompts:
        sentence = prompt.sentence
        if sentence is not None and isinstance(draw := sentence.draw_grammar, DrawnEdit):
            if len(draw.wild_type) == len(profile):
                prompt.sentence = replace(sentence, draw_grammar=_weighted(draw, profile, temperature))
            else:
                prompt.sentence, prompt.error = (
                    None,
                    InputError(
                        f"the wild type has {len(draw.wild_type):,} residues, those of the oracle's table {len(profile):,}",
                        hint="leave out --guide oracle",
                    ),
                )
        yield prompt


def _weighted(draw: DrawnEdit, profile: NDArray[np.float64], temperature: float) -> DrawnEdit:
    rows = profile[list(draw.free)]
    places = np.array([RESIDUES.find(draw.wild_type[place]) for place in draw.free])
    own = np.where(places >= 0, rows[np.arange(len(rows)), places], rows.min())
    odds = exchange_odds(own)
    residues = rows ** (1 / max(temperature, _LEAST_TEMPERATURE))
    return replace(draw, weights=tuple(odds.tolist()), residues=tuple(map(tuple, residues.tolist())))
