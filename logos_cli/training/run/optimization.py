"""Optimizers and the learning rate over time."""

from __future__ import annotations

import math

import torch

from logos_cli.training.config import OptimizerConfig, ScheduleConfig
from logos_cli.training.run.muon import Muon


def build_optimizers(
    model: torch.nn.Module, config: OptimizerConfig, device: torch.device
) -> list[torch.optim.Optimizer]:
    """Return AdamW alone, or Muon for the matrices inside the layers and AdamW for the rest.

    Each parameter group has its learning rate before the schedule as ``base_lr``.
    """
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            inner = parameter.ndim == 2 and "embed" not in name and "lm_head" not in name
            (matrices if inner else others).append(parameter)
    adamw: list[dict[str, object]] = [{"params": others, "weight_decay": 0.0}]
    optimizers: list[torch.optim.Optimizer] = []
    if config.name == "muon":
        optimizers.append(Muon(matrices, config.matrix_learning_rate, config.weight_decay))
    else:
        adamw.insert(0, {"params": matrices, "weight_decay": config.weight_decay})
    groups = [group for group in adamw if group["params"]]
    if groups:
        betas = (config.beta1, config.beta2)
        optimizers.append(
            torch.optim.AdamW(groups, lr=config.learning_rate, betas=betas, fused=device.type in ("cuda", "cpu"))
        )
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
    return optimizers


def set_learning_rate(optimizers: list[torch.optim.Optimizer], factor: float) -> None:
    """Set every learning rate to ``factor`` times the configured one."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor


def learning_rate_factor(config: ScheduleConfig, step: int) -> float:
    """Return the factor of the learning rates in ``step`` (from 0)."""
    warmup = min(1.0, (step + 1) / max(1, config.n_warmup_steps))
    if step < config.n_warmup_steps or config.name == "constant":
        return warmup
    n_falling = config.n_decay_steps if config.name == "wsd" else config.n_steps - config.n_warmup_steps
    left = min(1.0, (config.n_steps - step) / max(1, n_falling))
    if config.name == "cosine":
        left = 0.5 * (1.0 - math.cos(math.pi * left))
    return config.final_factor + (1.0 - config.final_factor) * max(0.0, left)


def is_decaying(config: ScheduleConfig, step: int) -> bool:
    """Return whether the step is in the decay phase, which may have another mixture."""
    return config.n_decay_steps > 0 and step >= config.n_steps - config.n_decay_steps
