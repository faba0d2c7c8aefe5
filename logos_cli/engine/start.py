"""Start a model: the engine that samples (one, one for each device, or a server), or the model that scores texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from logos_cli.backends.base import Backend, Checkpoint, Completer, LoadOptions, ModelInfo, open_model
from logos_cli.engine.likelihood import Likelihood
from logos_cli.engine.local import LocalEngine
from logos_cli.engine.local import Runner as Runner
from logos_cli.engine.reading import ReadingEngine
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion
from logos_cli.engine.texts import CompletionEngine
from logos_cli.engine.workers import Readers, Workers
from logos_cli.errors import UsageError
from logos_cli.processes.order import in_order


def start_engine(
    checkpoint: Checkpoint, load: LoadOptions, sampling: Sampling, *, batch_size: int, seed: int
) -> tuple[ModelInfo, Runner]:
    """Load the model, on each device if ``load`` names several; return what describes it and what makes samples.

    Parameters
    ----------
    batch_size : int
        The most sequences at a time on each device.
    """
    if load.devices is not None:
        workers = Workers(load, sampling, batch_size=batch_size, seed=seed)
        return workers.info, workers
    model = model_of(load) if _keeps_models else checkpoint.load()
    return model.info, engine_of(model, sampling, batch_size=batch_size, seed=seed)


def engine_of(model: Backend | Completer, sampling: Sampling, *, batch_size: int, seed: int) -> Runner:
    """Return the engine of a loaded model."""
    if isinstance(model, Completer):
        return CompletionEngine(model, sampling, batch_size=batch_size, seed=seed)
    return LocalEngine(model, sampling, batch_size=batch_size, seed=seed)


def start_reading(checkpoint: Checkpoint, load: LoadOptions) -> tuple[ModelInfo, Runner]:
    """Load the model, on each device if ``load`` names several; return what describes it and what reads texts.

    Raises
    ------
    UsageError
        If the model is on a server.
    """
    reader = checkpoint.load() if load.devices is None else Readers(load, checkpoint.tokenizer)
    if isinstance(reader, Completer):
        raise UsageError("a model on a server cannot read a text in one pass", hint="give -n, which samples")
    return reader.info, ReadingEngine(reader)


def start_likelihood(checkpoint: Checkpoint, load: LoadOptions) -> Likelihood:
    """Load the model, on each device if ``load`` names several, and return what scores texts."""
    reader = checkpoint.load() if load.devices is None else Readers(load, checkpoint.tokenizer)
    return Likelihood(reader, checkpoint.context_tokens, batch_size=load.batch_size)


_keeps_models = False


def keep_models() -> None:
    """Keep a model for the commands that follow in this process: for workers that do one part of a run after another."""
    global _keeps_models
    _keeps_models = True


def n_loaded() -> int:
    """Return how many models were loaded by :func:`model_of`."""
    return model_of.cache_info().misses


# -- once a process, whoever asks -----------------------------------------------------------------------------


@lru_cache(maxsize=1)
def checkpoint_of(load: LoadOptions) -> Checkpoint:
    """Return the configuration and tokenizer of a model."""
    return open_model(load)


def name_of(load: LoadOptions) -> str:
    """Return the name of a model: of one on a server, that which the server gives it."""
    return load.model if load.base_url is None else checkpoint_of(load).name


@lru_cache(maxsize=1)
def model_of(load: LoadOptions) -> Backend | Completer:
    """Return a loaded model, on one device."""
    return checkpoint_of(load).load()


@lru_cache(maxsize=1)
def likelihood_of(load: LoadOptions) -> Likelihood:
    """Return what scores texts with a model; on one device it shares the model with :func:`runner_of`."""
    checkpoint = checkpoint_of(load)
    if load.devices is not None:
        return start_likelihood(checkpoint, load)
    return Likelihood(model_of(load), checkpoint.context_tokens, batch_size=load.batch_size)


def runner_of(load: LoadOptions, sampling: Sampling, *, batch_size: int, seed: int) -> Runner:
    """Return what makes samples with a model."""
    if load.devices is not None:
        return Workers(load, sampling, batch_size=batch_size, seed=seed)
    return engine_of(model_of(load), sampling, batch_size=batch_size, seed=seed)


def in_request_order(completions: Iterable[Completion]) -> Iterator[Completion]:
    """Yield the completions of a run in the order of its requests."""
    return in_order(((completion.index, completion) for completion in completions), yields_rest=True)
