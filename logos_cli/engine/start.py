"""What makes the samples of a run: one engine, one a device, or a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, Protocol

from logos_cli.backends.base import Checkpoint, Completer, LoadOptions, ModelInfo
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Engine, Request
from logos_cli.engine.texts import CompletionEngine
from logos_cli.engine.workers import Workers
from logos_cli.errors import UsageError


class Runner(Protocol):
    """Makes completions of requests."""

    def run(
        self, requests: Iterable[Request], *, order: Literal["input", "completed"] = "input"
    ) -> Iterator[Completion]:
        """Yield the completions."""


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
    kind = CompletionEngine if isinstance(model, Completer) else Engine
    return model.info, kind(model, sampling, batch_size=batch_size, seed=seed)  # type: ignore[arg-type]
