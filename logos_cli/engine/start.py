"""Start a model: the engine that samples (one, one for each device, or a server), or the model that scores texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Protocol

from logos_cli.backends.base import Backend, Checkpoint, Completer, LoadOptions, ModelInfo, open_model
from logos_cli.engine.likelihood import Likelihood
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Engine, Request
from logos_cli.engine.texts import CompletionEngine
from logos_cli.engine.workers import Workers
from logos_cli.errors import UsageError
from logos_cli.processes.order import in_order


class Runner(Protocol):
    """An engine that completes requests."""

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield completions as they finish, each with the index of its request."""


def parse_devices(text: str) -> tuple[str, ...]:
    """Return the devices of ``--devices``: ``0,1`` are the first two CUDA devices.

    Raises
    ------
    UsageError
        If a name is empty.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise UsageError(f"--devices {text!r} has an empty name", hint="write 0,1 or cuda:0,cuda:1")
    return tuple(f"cuda:{name}" if name.isdigit() else name for name in names)


def start_engine(
    checkpoint: Checkpoint,
    load: LoadOptions,
    backend: str,
    sampling: Sampling,
    *,
    batch_size: int,
    seed: int,
    devices: str | None = None,
) -> tuple[ModelInfo, Runner]:
    """Load the model, and return its provenance for records and the engine.

    Parameters
    ----------
    devices : str, optional
        One worker for each device, see :func:`parse_devices`.
    """
    if devices is not None:
        places = parse_devices(devices)
        workers = Workers(places, load, backend, sampling, batch_size=batch_size, seed=seed)
        return workers.info, workers
    model = checkpoint.load()
    return model.info, engine_of(model, sampling, batch_size=batch_size, seed=seed)


def engine_of(model: Backend | Completer, sampling: Sampling, *, batch_size: int, seed: int) -> Runner:
    """Return the engine of a loaded model."""
    if isinstance(model, Completer):
        return CompletionEngine(model, sampling, batch_size=batch_size, seed=seed)
    return Engine(model, sampling, batch_size=batch_size, seed=seed)


@lru_cache(maxsize=1)
def likelihood_of(load: LoadOptions, backend: str) -> Likelihood:
    """Return a model that scores texts, which each process loads once."""
    checkpoint = open_model(load, backend)
    return Likelihood(checkpoint.load(), checkpoint.context_tokens)


def in_request_order(completions: Iterable[Completion]) -> Iterator[Completion]:
    """Yield the completions of a run in the order of its requests."""
    return in_order((completion.index, completion) for completion in completions)
