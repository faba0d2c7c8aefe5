"""Draw residues of finished samples again, each given all others of its block.

A model that reads from left to right does not know, while it writes a loop, what follows. Gibbs sampling does: each
residue is drawn with the probabilities that the model gives the whole block with each of the twenty residues in its
place, one after the other in random order, and with the run's temperature and cuts. Swept over often enough, samples at
temperature 1 without a cut have the model's own distribution of the loop given both sides of it (S. Geman and D. Geman
1984, 10.1109/TPAMI.1984.4767596).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.engine.likelihood import TokenSpans
from logos_cli.engine.reading import RESIDUES, read_logps, residue_ids
from logos_cli.engine.sampler import check_numbers, choose, sample_generator
from logos_cli.engine.scheduler import Completion, Engine, Finish, Request
from logos_cli.grammar.spec import Kind

_AT_A_TIME: Final = 32
"""Most samples that are drawn again together: each is read with twenty residues at a place, and a run shows progress."""


class GibbsEngine:
    """Draws parts of samples again, where requests have a :class:`~.redraw.Redraw`; what an engine is to other samples.

    Requests are completed a batch at a time, since reading needs the memory of the sequences.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        tokenizer = engine.backend.tokenizer
        self._spans = TokenSpans(tokenizer)
        self._closing = frozenset(tokenizer.tag_ids[kind.end] for kind in Kind)

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions as they finish."""
        remaining, first = iter(requests), 0
        while batch := list(islice(remaining, min(self._engine.n_slots, _AT_A_TIME))):
            for completion in self._redrawn([*self._engine.run(batch)]):
                yield replace(completion, index=first + completion.index)
            first += len(batch)

    def _redrawn(self, completions: Sequence[Completion]) -> Iterator[Completion]:
        """Yield completions with the wanted parts drawn again, where their text has such parts."""
        chains = [self._chain(completion) for completion in completions]
        moving = [chain for chain in chains if chain is not None]
        residues = residue_ids(self._engine.backend.tokenizer)
        while due := [chain for chain in moving if chain.order]:
            self._draw(due, residues)
        logps = iter(read_logps(self._engine.backend, [chain.sequence for chain in moving]))
        for completion, chain in zip(completions, chains, strict=True):
            yield completion if chain is None else chain.finished(next(logps))

    def _chain(self, completion: Completion) -> _Chain | None:
        """Return the state of a sample whose text has parts to draw again; None of any other."""
        redraw, given = completion.request.redraw, completion.request.given
        answer = self._engine.backend.tokenizer.decode(completion.tokens)
        match = None if redraw is None else re.fullmatch(redraw.pattern, given + answer)
        if redraw is None or match is None or completion.finish is not Finish.STOP:
            return None
        spans = self._spans.of(answer, completion.tokens)
        free = [match.span(number) for number in range(1, match.re.groups + 1)]
        closing = [index for index, token in enumerate(completion.tokens) if token in self._closing]
        places: dict[int, _Place] = {}
        for index, span in enumerate(spans):
            place = len(given) + span.start
            if span.end == span.start + 1 and any(start <= place < end for start, end in free):
                permitted = _permitted(match.re, match.string, place)
                horizon = next((end for end in closing if end > index), len(spans) - 1)
                if len(permitted) > 1:
                    places[index] = _Place(horizon, permitted)
        generator = sample_generator(self._engine.seed, f"{completion.request.id}\0redraw")
        order = [int(place) for _ in range(redraw.n_sweeps) for place in generator.permutation([*places])]
        return _Chain(completion, list(completion.tokens), places, order[::-1], generator)

    def _draw(self, chains: Sequence[_Chain], residues: Sequence[int]) -> None:
        """Draw the next residue of each chain."""
        logps = iter(
            read_logps(self._engine.backend, [variant for chain in chains for variant in chain.variants(residues)])
        )
        for chain in chains:
            place = chain.order.pop()
            first = len(chain.completion.request.prompt) + place - 1
            permitted = chain.places[place].permitted
            scores = np.array([next(logps)[first:].sum() for _ in permitted])
            check_numbers(scores)
            chain.tokens[place] = residues[permitted[self._choose(scores, chain.generator.random())]]

    def _choose(self, scores: NDArray[np.float64], draw: float) -> int:
        """Return an index by its log-probability, up to a constant, as tokens are chosen; nothing has been seen before."""
        logits = (scores - scores.max()).astype(np.float32)[np.newaxis]
        sampling = replace(self._engine.sampling, repetition_penalty=1.0)
        chosen, _ = choose(logits, sampling, np.array([draw]), seen=np.zeros(logits.shape, np.bool_))
        return int(chosen[0])


@dataclass(frozen=True, slots=True)
class _Place:
    """A place that is drawn again.

    Attributes
    ----------
    horizon : int
        The place of the tag that ends its block: what follows says little about it.
    permitted : tuple of int
        Which of the twenty residues may stand there.
    """

    horizon: int
    permitted: tuple[int, ...]


@dataclass(slots=True)
class _Chain:
    """A sample that is drawn again.

    Attributes
    ----------
    tokens : list of int
        Its present answer.
    places : dict
        By the number of the token.
    order : list of int
        The places that are yet to be drawn, the next one last.
    """

    completion: Completion
    tokens: list[int]
    places: dict[int, _Place]
    order: list[int]
    generator: np.random.Generator = field(repr=False)

    def variants(self, residues: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """Yield the sequence with each permitted residue at the next place, up to the end of the block."""
        number = self.order[-1]
        place = self.places[number]
        before = (*self.completion.request.prompt, *self.tokens[:number])
        after = self.tokens[number + 1 : place.horizon + 1]
        return ((*before, residues[residue], *after) for residue in place.permitted)

    @property
    def sequence(self) -> tuple[int, ...]:
        """The prompt and the present answer."""
        return (*self.completion.request.prompt, *self.tokens)

    def finished(self, logps: NDArray[np.float64]) -> Completion:
        """Return the sample as it is now, with the log-probabilities of its sequence."""
        own = logps[len(self.completion.request.prompt) - 1 :]
        return replace(self.completion, tokens=tuple(self.tokens), logps=tuple(own.tolist()))


def _permitted(pattern: re.Pattern[str], text: str, place: int) -> tuple[int, ...]:
    """Return which of the twenty residues a pattern permits at a place of a text, the others as they are."""
    before, after = text[:place], text[place + 1 :]
    return tuple(number for number, letter in enumerate(RESIDUES) if pattern.fullmatch(before + letter + after))
