"""How a model is put to work: what makes samples (one engine, one a device, or a server), what scores texts."""

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
    """Makes completions of requests."""

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield the completions as they are finished; each holds its request's place."""


def parse_devices(text: str) -> tuple[str, ...]:
    """Return the devices of ``--devices``: ``0,1`` are the first two CUDA devices.

    Raises
    ------
    UsageError
        If a name is missing.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise UsageError(f"--devices {text!r} lacks a name", hint="give them like 0,1 or cuda:0,cuda:1")
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
    """Load the model, and return what a record says of it and what makes the samples.

    Parameters
    ----------
    devices : str, optional
        A worker on each, see :func:`parse_devices`.
    """
    if devices is not None:
        places = parse_devices(devices)
        workers = Workers(places, load, backend, sampling, batch_size=batch_size, seed=seed)
        return workers.info, workers
    model = checkpoint.load()
    return model.info, engine_of(model, sampling, batch_size=batch_size, seed=seed)


def engine_of(model: Backend | Completer, sampling: Sampling, *, batch_size: int, seed: int) -> Runner:
    """Return what makes samples with a loaded model."""
    if isinstance(model, Completer):
        return CompletionEngine(model, sampling, batch_size=batch_size, seed=seed)
    return Engine(model, sampling, batch_size=batch_size, seed=seed)


@lru_cache(maxsize=1)
def likelihood_of(load: LoadOptions, backend: str) -> Likelihood:
    """Return a model that scores texts, loaded once a process, whoever asks for it."""
    checkpoint = open_model(load, backend)
    return Likelihood(checkpoint.load(), checkpoint.context_tokens)


def in_request_order(completions: Iterable[Completion]) -> Iterator[Completion]:
    """Yield the completions of a run in the order of its requests."""
    return in_order((completion.index, completion) for completion in completions)
