"""All that a model on this machine does with requests: each goes to the engine that answers its kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Final, Protocol

from logos_cli.backends.base import Backend
from logos_cli.engine.beam import BeamEngine
from logos_cli.engine.gibbs import GibbsEngine
from logos_cli.engine.reading import AnswerEngine
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Engine, Request


class Runner(Protocol):
    """An engine that completes requests."""

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions as they finish, each with the index of its request."""


_KINDS: Final = ("answer", "beam", "redraw")
"""Fields of a request for something else than a sample from left to right."""


class LocalEngine:
    """Completes requests of all kinds with one backend.

    Parameters
    ----------
    batch_size : int
        The most sequences at a time.
    """

    def __init__(self, backend: Backend, sampling: Sampling, *, batch_size: int, seed: int) -> None:
        sampler = Engine(backend, sampling, batch_size=batch_size, seed=seed)
        self._engines: dict[str | None, Runner] = {
            None: sampler,
            "answer": AnswerEngine(backend),
            "beam": BeamEngine(backend, batch_size=batch_size, max_new_tokens=sampling.max_new_tokens),
            "redraw": GibbsEngine(sampler),
        }

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions as they finish; those of one kind end before those of another begin."""
        first = 0
        for kind, group in groupby(requests, key=_kind_of):
            count = 0
            for completion in self._engines[kind].run(group):
                count += 1
                yield replace(completion, index=first + completion.index)
            first += count


def _kind_of(request: Request) -> str | None:
    return next((kind for kind in _KINDS if getattr(request, kind) is not None), None)
