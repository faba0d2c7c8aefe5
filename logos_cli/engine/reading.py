"""Read texts once, instead of sampling: how probable another token is at places of a given text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from logos_cli.backends.base import Tokenizer
from logos_cli.engine.likelihood import Reader
from logos_cli.engine.sampler import check_numbers
from logos_cli.engine.scheduler import Completion, Finish, Request

RESIDUES: Final = "ACDEFGHIKLMNPQRSTVWY"
"""The twenty residues, in the order of :func:`residue_ids`."""


class ReadingEngine:
    """Answers requests with a reading; what an engine is to samples.

    The ``logps`` of a completion are the log-probabilities of the alternative at each place, where only it or the
    token of the text may follow.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions in the order of the requests; texts are read alone, so that none changes another's bits."""
        for index, request in enumerate(requests):
            logps: Sequence[float] = ()
            if (reading := request.reading) is not None:
                text, n = request.prompt, len(request.prompt) - 1
                own, other = self._reader.token_logps([text, text], [text[1:], [reading.alternative] * n])
                check_numbers(own)
                check_numbers(other)
                places = np.array(reading.places, dtype=int) - 1
                logps = (other - np.logaddexp(own, other))[places].tolist()
            yield Completion(request, (), tuple(logps), Finish.STOP, index)


def residue_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the token of each of the twenty residues, for a tokenizer that reads residues."""
    return tuple(tokenizer.encode(2 * RESIDUES)[-len(RESIDUES) :])


def reads_residues(tokenizer: Tokenizer) -> bool:
    """Return whether each residue of a sequence is a token of its own, so that another could stand before it."""
    return len(tokenizer.encode(2 * RESIDUES)) - len(tokenizer.encode(RESIDUES)) == len(RESIDUES)
