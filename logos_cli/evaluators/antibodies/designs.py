"""CDR designs beside the antibodies that they were made from: recovery by position, and plausibility.

Recovery follows RADAb (Wang et al. 2025): the share of the native CDR's residues that the design repeats at the same
numbered position, CDRs after Chothia (H3 is 95 to 102). Plausibility there is the mean masked pseudo-log-likelihood
under an antibody language model; here it is the model's own, so the two are not one scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from logos_cli.objects.antibody_numbering import VariableDomain

TotalLogps = Callable[[Sequence[str]], Sequence[float]]
"""Gives the log-likelihood (nats) of each whole text."""

AMINO_ACIDS: Final = "ACDEFGHIKLMNPQRSTVWY"

_LOOPS: Final = {"H": ((27, 40), (55, 74), (105, 117)), "L": ((24, 40), (56, 69), (105, 117))}
"""IMGT numbers of everything that IMGT, Chothia or Kabat counts to a CDR."""


def cdr(domain: VariableDomain, name: str) -> str | None:
    """Return the residues of a CDR (``H3``); None if the chain does not hold it as a whole."""
    span = domain.cdrs.get(f"CDR-{name}")
    return None if span is None else domain.sequence[slice(*span)]


def framework(domains: Sequence[VariableDomain]) -> str:
    """Return the residues of all chains that no scheme counts to a CDR, the heavy chain first.

    Parameters
    ----------
    domains : sequence of VariableDomain
        In IMGT numbers.
    """
    parts = []
    for domain in sorted(domains, key=lambda domain: domain.locus):
        loops = _LOOPS[domain.locus]
        residues = domain.sequence[domain.start : domain.end]
        parts.append(
            "".join(
                letter
                for (number, _), letter in zip(domain.numbers, residues, strict=True)
                if not any(first <= number <= last for first, last in loops)
            )
        )
    return "/".join(parts)


def recovery(native: VariableDomain, design: VariableDomain, name: str) -> float | None:
    """Return the share of a native CDR's residues that a design has at the same number; None if it has no such CDR.

    For CDRs of one length this is the share of equal residues.
    """
    spans = [each.cdrs.get(f"CDR-{name}") for each in (native, design)]
    if spans[0] is None or spans[1] is None or spans[0][0] == spans[0][1]:
        return None
    wanted, given = (
        dict(zip(each.numbers[span[0] - each.start : span[1] - each.start], each.sequence[slice(*span)], strict=True))
        for each, span in zip((native, design), spans, strict=True)
        if span is not None
    )
    return sum(given.get(number) == letter for number, letter in wanted.items()) / len(wanted)


def pseudo_log_likelihood(text: str, places: Sequence[int], total_logps: TotalLogps) -> float:
    """Return the mean log-probability of residues given all others, on both sides, under a model of whole texts.

    The probability of a residue is that of the text among the twenty that differ there only, so a model that reads
    from left to right tells what a masked one is asked for.

    Parameters
    ----------
    text : str
        A sentence.
    places : sequence of int
        Which of its characters are asked about.
    total_logps : callable
        Called once with the text and all its single exchanges.

    Returns
    -------
    float
        Nats a residue; 0 is certainty, -3.0 is blind guessing.
    """
    exchanged = [
        text[:place] + letter + text[place + 1 :] for place in places for letter in AMINO_ACIDS if letter != text[place]
    ]
    logps = np.asarray(total_logps([text, *exchanged]), dtype=np.float64)
    found, start = [], 1
    for place in places:
        count = len(AMINO_ACIDS) - (text[place] in AMINO_ACIDS)
        found.append(logps[0] - np.logaddexp.reduce([logps[0], *logps[start : start + count]]))
        start += count
    return float(np.mean(found))
