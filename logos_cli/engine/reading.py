"""Read texts once, instead of sampling: how probable a given answer is, or another token at places of a given text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.backends.base import Backend, Tokenizer
from logos_cli.engine.likelihood import Reader
from logos_cli.engine.sampler import check_numbers
from logos_cli.engine.scheduler import Completion, Finish, Request
from logos_cli.errors import DeviceMemoryError

_AT_A_TIME: Final = 256
"""Most answers that are read together."""

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


class AnswerEngine:
    """Reads answers that requests bring along; what an engine is to samples.

    The ``logps`` of a completion are those of its tokens; they are missing where prompt and answer together are longer than
    the model reads.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions in the order of the requests."""
        numbered = enumerate(requests)
        while batch := list(islice(numbered, _AT_A_TIME)):
            sequences = [(*request.prompt, *(request.answer or ())) for _, request in batch]
            fits = [len(sequence) <= self._backend.context_tokens for sequence in sequences]
            read = iter(read_logps(self._backend, list(compress(sequences, fits))))
            for (index, request), is_read in zip(batch, fits, strict=True):
                logps: Sequence[float] = ()
                if is_read:
                    own = next(read)[len(request.prompt) - 1 :]
                    check_numbers(own)
                    logps = own.tolist()
                yield Completion(request, request.answer or (), tuple(logps), Finish.STOP, index)


def read_logps(reader: Reader, sequences: Sequence[Sequence[int]]) -> list[NDArray[np.float64]]:
    """Return the log-probabilities of sequences, as :meth:`Reader.token_logps`; fewer at a time where memory is short.

    Raises
    ------
    DeviceMemoryError
        If not even one fits.
    """
    try:
        return reader.token_logps(sequences) if sequences else []
    except DeviceMemoryError:
        if len(sequences) == 1:
            raise
    half = len(sequences) // 2
    return read_logps(reader, sequences[:half]) + read_logps(reader, sequences[half:])


def residue_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the token of each of the twenty residues, for a tokenizer that reads residues."""
    return tuple(tokenizer.encode(2 * RESIDUES)[-len(RESIDUES) :])


def reads_residues(tokenizer: Tokenizer) -> bool:
    """Return whether each residue of a sequence is a token of its own, so that another could stand before it."""
    return len(tokenizer.encode(2 * RESIDUES)) - len(tokenizer.encode(RESIDUES)) == len(RESIDUES)
