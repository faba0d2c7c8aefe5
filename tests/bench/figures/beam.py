"""Beam search over a backend, many prompts at a time.

Every prompt owns a block of slots, and the next prompt takes the block when it is done. Scores are summed
log-probabilities without a correction for length; since they only fall, a prompt is done when no open beam can
overtake the answers that are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from logos_cli.backends.base import Backend
from logos_cli.engine.sampler import log_softmax


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A complete answer, without the token that ends it."""

    tokens: tuple[int, ...]
    logp: float


@dataclass(slots=True)
class _Search:
    """One prompt under way; ``slots[i]`` holds the open beam ``tokens[i]``."""

    index: int
    block: int
    limit: int
    slots: list[int]
    tokens: list[tuple[int, ...]]
    scores: NDArray[np.float64]
    logps: NDArray[np.float64]
    done: list[Hypothesis] = field(default_factory=list)


class BeamSearch:
    """Finds the likeliest answers.

    Parameters
    ----------
    backend : Backend
    width : int
        Open beams, and answers, of a prompt.
    n_parallel : int
        Prompts at a time.
    """

    def __init__(self, backend: Backend, width: int = 10, n_parallel: int = 12) -> None:
        self.backend = backend
        self.width = width
        self.n_parallel = n_parallel
        self._eos = list(backend.tokenizer.eos_ids)

    def run(self, prompts: Sequence[Sequence[int]], limits: Sequence[int]) -> Iterator[list[Hypothesis]]:
        """Yield the answers of each prompt, best first, in the order of the prompts.

        Parameters
        ----------
        limits : sequence of int
            Tokens of the longest answer, the ending one counted, by prompt.
        """
        n_parallel = min(self.n_parallel, len(prompts))
        self.backend.reserve(n_parallel * self.width)
        queue = iter(range(len(prompts)))
        free, active, turn = list(range(n_parallel)), list[_Search](), 0
        answers: dict[int, list[Hypothesis]] = {}
        while turn < len(prompts):
            while free and (index := next(queue, None)) is not None:
                active.append(self._begin(index, free.pop(0), prompts[index], limits[index]))
            for search in active:
                self._advance(search)
            for search in [search for search in active if not search.tokens]:
                answers[search.index] = search.done
                active.remove(search)
                free.append(search.block)
            self._step(active)
            while turn in answers:
                yield answers.pop(turn)
                turn += 1

    def _begin(self, index: int, block: int, prompt: Sequence[int], limit: int) -> _Search:
        slot = block * self.width
        logits = self.backend.prefill(slot, prompt)
        limit = min(limit, self.backend.context_tokens - len(prompt))
        return _Search(index, block, limit, [slot], [()], np.zeros(1), log_softmax(logits[None]))

    def _advance(self, search: _Search) -> None:
        """Replace the open beams by the best of what can follow them; close those that end."""
        totals = search.scores[:, None] + search.logps
        for token in self._eos:
            ended = zip(search.tokens, totals[:, token].tolist(), strict=True)
            search.done += [Hypothesis(tokens, score) for tokens, score in ended]
        search.done = sorted(search.done, key=lambda answer: -answer.logp)[: self.width]
        totals[:, self._eos] = -np.inf
        flat = totals.ravel()
        count = min(len(flat), self.width)
        best = np.argpartition(-flat, count - 1)[:count]
        best = best[np.argsort(-flat[best], kind="stable")]
        scores = flat[best]
        chosen = [divmod(code, totals.shape[1]) for code in best[np.isfinite(scores)].tolist()]
        cut = bool(chosen) and len(search.tokens[0]) + 1 >= search.limit
        settled = len(search.done) == self.width and scores[0] <= search.done[-1].logp
        if cut or settled:
            chosen = []
        self._move(search, chosen)
        search.scores = scores[: len(chosen)]

    def _move(self, search: _Search, chosen: list[tuple[int, int]]) -> None:
        """Give each beam that goes on a slot with its history: the first child stays where its parent was."""
        block = range(search.block * self.width, (search.block + 1) * self.width)
        parents = {parent for parent, _ in chosen}
        kept = {search.slots[parent] for parent in parents}
        for slot in search.slots:
            if slot not in kept:
                self.backend.free(slot)
        spare = iter([slot for slot in block if slot not in kept])
        slots, tokens, waiting = [], [], set(parents)
        for parent, token in chosen:
            home = search.slots[parent]
            if parent in waiting:
                waiting.remove(parent)
                slots.append(home)
            else:
                slot = next(spare)
                self.backend.copy(home, slot)
                slots.append(slot)
            tokens.append((*search.tokens[parent], token))
        search.slots, search.tokens = slots, tokens

    def _step(self, active: Sequence[_Search]) -> None:
        """Let the backend read the new tokens of all beams."""
        chosen = {
            slot: tokens[-1] for search in active for slot, tokens in zip(search.slots, search.tokens, strict=True)
        }
        if not chosen:
            return
        slots = sorted(chosen)  # as the engine gives them
        logps = log_softmax(self.backend.step(slots, [chosen[slot] for slot in slots]))
        row_of = {slot: row for row, slot in enumerate(slots)}
        for search in active:
            search.logps = logps[[row_of[slot] for slot in search.slots]]
