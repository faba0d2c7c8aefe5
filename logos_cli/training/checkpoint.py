"""Checkpoints from which a run goes on exactly: weights, optimizers, place in the data, step.

Nothing in training draws from a global random state (the data order is a function of seed and step, and there
is no dropout), so none is stored.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model

from logos_cli.errors import InputError, OutputError, UsageError
from logos_cli.training.options import TrainOptions

_PREFIX: Final = "step-"
_MAY_CHANGE: Final = frozenset(
    {"n_steps", "n_decay_steps", "checkpoint_every_s", "eval_every", "log_every", "compile"}
)


def save(
    directory: Path,
    step: int,
    model: torch.nn.Module,
    optimizers: list[torch.optim.Optimizer],
    options: TrainOptions,
    state: dict[str, Any],
) -> Path:
    """Write a checkpoint beside the earlier one, then remove the earlier one.

    It is written under a temporary name and renamed, so that a full disk or a kill leaves the last one whole.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = directory / f"{_PREFIX}{step:07}"
    temporary = directory / f"tmp-{step:07}"
    content = {"step": step, "options": asdict(options), **state}
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        save_model(model, str(temporary / "model.safetensors"))
        torch.save([optimizer.state_dict() for optimizer in optimizers], temporary / "optimizers.pt")
        (temporary / "state.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch reports a full disk as RuntimeError
        shutil.rmtree(temporary, ignore_errors=True)
        raise OutputError(
            f"the checkpoint of step {step} cannot be written: {error}",
            source=str(directory), hint="the one before is whole; make room and resume",
        ) from error  # fmt: skip
    for old in directory.glob(f"{_PREFIX}*"):
        if old != path:
            shutil.rmtree(old)
    return path


def latest(directory: Path) -> Path | None:
    """Return the last checkpoint of a run's directory."""
    return max(directory.glob(f"{_PREFIX}*"), default=None)


def load(
    path: Path, model: torch.nn.Module, optimizers: list[torch.optim.Optimizer], options: TrainOptions
) -> dict[str, Any]:
    """Fill model and optimizers and return the stored state (``step`` and what :func:`save` was given).

    Raises
    ------
    UsageError
        If the run was made with other options; its length alone may change.
    InputError
        If the checkpoint is damaged.
    """
    try:
        state: dict[str, Any] = json.loads((path / "state.json").read_text(encoding="utf-8"))
        now = json.loads(json.dumps(asdict(options)))
        changed = [key for key in now if key not in _MAY_CHANGE and state["options"].get(key) != now[key]]
        if changed:
            raise UsageError(
                f"the run was begun with other options: {', '.join(changed)}",
                source=str(path), hint="resume with the same ones, or begin a new run",
            )  # fmt: skip
        load_model(model, str(path / "model.safetensors"))
        for optimizer, stored in zip(
            optimizers, torch.load(path / "optimizers.pt", weights_only=True), strict=True
        ):
            optimizer.load_state_dict(stored)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError("the checkpoint is damaged", source=str(path)) from error
    return state
