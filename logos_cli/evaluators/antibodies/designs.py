"""CDR designs compared with their native antibodies: recovery by position, and plausibility.

Recovery follows RADAb (Wang et al. 2025): the share of the native CDR's residues that the design repeats at the same
numbered position, with CDRs after Chothia (H3 is 95 to 102). RADAb's plausibility is the mean masked
pseudo-log-likelihood under an antibody language model. Here it is computed with the model of the run, so the two
scales differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from logos_cli.objects.antibody_numbering import VariableDomain

TotalLogps = Callable[[Sequence[str]], Sequence[float]]
"""Returns the log-likelihood (nats) of each whole text."""

AMINO_ACIDS: Final = "ACDEFGHIKLMNPQRSTVWY"

_LOOPS: Final = {"H": ((27, 40), (55, 74), (105, 117)), "L": ((24, 40), (56, 69), (105, 117))}
"""IMGT numbers of every residue that IMGT, Chothia or Kabat assigns to a CDR."""


def cdr(domain: VariableDomain, name: str) -> str | None:
    """Return the residues of a CDR (``H3``); None if the chain lacks it or a part of it."""
    span = domain.cdrs.get(f"CDR-{name}")
    return None if span is None else domain.sequence[slice(*span)]


def framework(domains: Sequence[VariableDomain]) -> str:
    """Return the residues of all chains that no scheme assigns to a CDR, the heavy chain first.

    Parameters
    ----------
    domains : sequence of VariableDomain
        Variable domains in IMGT numbers.
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
    """Return the share of a native CDR's residues that a design has at the same number.

    For CDRs of equal length this is the share of equal residues. None if either antibody lacks the CDR.
    """
    native_residues, design_residues = _cdr_residues(native, name), _cdr_residues(design, name)
    if not native_residues or design_residues is None:
        return None
    matches = (design_residues.get(number) == letter for number, letter in native_residues.items())
    return sum(matches) / len(native_residues)


def _cdr_residues(domain: VariableDomain, name: str) -> dict[tuple[int, str], str] | None:
    """Return the residues of a CDR by their numbers; None if the chain lacks the CDR."""
    span = domain.cdrs.get(f"CDR-{name}")
    if span is None:
        return None
    numbers = domain.numbers[span[0] - domain.start : span[1] - domain.start]
    return dict(zip(numbers, domain.sequence[slice(*span)], strict=True))


def pseudo_log_likelihood(text: str, places: Sequence[int], total_logps: TotalLogps) -> float:
    """Return the mean log-probability of residues given all others, on both sides, under a model of whole texts.

    The probability of a residue is that of the text among the twenty texts that differ in this residue only, so that
    a model that reads from left to right can replace a masked one.

    Parameters
    ----------
    text : str
        A sentence.
    places : sequence of int
        Positions of the residues in the text.
    total_logps : callable
        Called once with the text and all its single substitutions.

    Returns
    -------
    float
        Nats a residue: 0 for certainty, -3.0 for random guessing.
    """
    substituted = [
        text[:place] + letter + text[place + 1 :] for place in places for letter in AMINO_ACIDS if letter != text[place]
    ]
    logps = np.asarray(total_logps([text, *substituted]), dtype=np.float64)
    conditional, start = [], 1
    for place in places:
        count = len(AMINO_ACIDS) - (text[place] in AMINO_ACIDS)
        conditional.append(logps[0] - np.logaddexp.reduce([logps[0], *logps[start : start + count]]))
        start += count
    return float(np.mean(conditional))
