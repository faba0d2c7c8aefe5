"""Checkpoints to resume a run exactly: weights, optimizers, position in the data, step.

Safetensors files hold whole tensors under the names of their parameters, so that another number of processes can
resume the run. The data order is a function of seed and step, and dropout (of adapters) is seeded by step, so no random
state is stored.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from logos_cli.errors import InputError, OutputError
from logos_cli.records.json_text import parse_json
from logos_cli.training.run.distributed import like, whole

_PREFIX: Final = "step-"
_WEIGHTS, _OPTIMIZER, _STATE = "weights.safetensors", "optimizer.safetensors", "state.json"
_AVERAGE: Final = "average.safetensors"

Optimizers = Sequence[torch.optim.Optimizer]


def _trained(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return {name: part for name, part in model.named_parameters() if part.requires_grad}


def _moments(model: torch.nn.Module, optimizers: Optimizers) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the state of the optimizers for each parameter, as ``name|key``."""
    names = {id(part): name for name, part in _trained(model).items()}
    for optimizer in optimizers:
        for part, memory in optimizer.state.items():
            for key, value in memory.items():
                tensor = value if isinstance(value, torch.Tensor) else torch.tensor(value)
                yield f"{names[id(part)]}|{key}", tensor


def _host(tensor: torch.Tensor) -> torch.Tensor:
    return whole(tensor.detach()).cpu().contiguous()


def save(
    directory: Path,
    step: int,
    model: torch.nn.Module,
    optimizers: Optimizers,
    state: dict[str, Any],
    *,
    average: Mapping[str, torch.Tensor] | None = None,
    n_kept: int = 1,
    writes: bool = True,
) -> Path:
    """Write a checkpoint beside the earlier ones, then remove all but the last ``n_kept``.

    ``average`` is the moving average of the weights, if there is one.

    It is written under a temporary name and renamed, so that a full disk or a kill does not damage the last one.
    Every process calls this; the one with ``writes`` writes.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = directory / f"{_PREFIX}{step:08}"
    weights = {name: _host(part) for name, part in _trained(model).items()}
    moments = {name: _host(part) for name, part in _moments(model, optimizers)}
    if not writes:
        return path
    with written_whole(path, f"the checkpoint of step {step} cannot be written") as temporary:
        save_file(weights, temporary / _WEIGHTS)
        save_file(moments, temporary / _OPTIMIZER)
        if average is not None:
            save_file({name: part.cpu().contiguous() for name, part in average.items()}, temporary / _AVERAGE)
        (temporary / _STATE).write_text(json.dumps({"step": step, **state}, indent=1), encoding="utf-8")
    for old in sorted(directory.glob(f"{_PREFIX}*"))[:-n_kept]:
        if old != path:
            shutil.rmtree(old, ignore_errors=True)
    return path


@contextmanager
def written_whole(path: Path, complaint: str) -> Iterator[Path]:
    """Yield a temporary directory that replaces ``path`` when it is complete.

    Raises
    ------
    OutputError
        If something cannot be written; ``path`` is then unchanged.
    """
    temporary = path.with_name(f"tmp-{path.name}")
    aside = path.with_name(f"old-{path.name}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        for file in filter(Path.is_file, temporary.rglob("*")):
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        if path.exists():
            path.rename(aside)
        temporary.rename(path)
    except (OSError, RuntimeError, SafetensorError) as error:  # safetensors and torch wrap a full disk
        raise OutputError(
            f"{complaint}: {error}",
            source=str(path.parent),
            hint="the earlier files are complete; free some space and resume",
        ) from error
    finally:
        if aside.exists() and not path.exists():
            aside.rename(path)
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(temporary, ignore_errors=True)


def latest(directory: Path) -> Path | None:
    """Return the last checkpoint of a directory."""
    return max(directory.glob(f"{_PREFIX}*"), default=None)


def read_state(path: Path) -> dict[str, Any]:
    """Return the state that :func:`save` stored beside the tensors, and ``step``.

    Raises
    ------
    InputError
        If it is damaged.
    """
    try:
        state: dict[str, Any] = parse_json((path / _STATE).read_text(encoding="utf-8"))
        state["step"] = int(state["step"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
    return state


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"the checkpoint is damaged: {error}",
        source=str(path),
        hint="remove it; the run goes on from the one before, if there is one, or from the beginning",
    )


@torch.no_grad()
def load(
    path: Path, model: torch.nn.Module, optimizers: Optimizers, average: Mapping[str, torch.Tensor] | None = None
) -> None:  # fmt: skip
    """Fill model, optimizers and the moving average of the weights.

    Raises
    ------
    InputError
        If the checkpoint is damaged or is of another model.
    """
    trained = _trained(model)
    try:
        with safe_open(path / _WEIGHTS, framework="pt") as stored:
            if set(stored.keys()) != set(trained):
                raise ValueError("it is of another model")  # noqa: TRY301 - reported as damage below
            for name, part in trained.items():
                part.copy_(like(stored.get_tensor(name), part))
        if average is not None:
            with safe_open(path / _AVERAGE, framework="pt") as stored:
                for name, tensor in average.items():
                    tensor.copy_(stored.get_tensor(name))
        with safe_open(path / _OPTIMIZER, framework="pt") as stored:
            memory: dict[str, dict[str, torch.Tensor]] = {}
            for key in stored.keys():  # noqa: SIM118 - no mapping, though it looks like one
                name, _, what = key.rpartition("|")
                memory.setdefault(name, {})[what] = stored.get_tensor(key)
        names = {id(part): name for name, part in trained.items()}
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                for part in group["params"]:
                    if remembered := memory.get(names[id(part)]):
                        optimizer.state[part] = {
                            what: like(value, part) if value.shape == part.shape and value.ndim else value
                            for what, value in remembered.items()
                        }
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _damaged(path, error) from error
