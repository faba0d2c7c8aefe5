"""Several processes: ranks, sums over all processes, and parameters in shards.

Started by ``torchrun`` or ``accelerate launch``, which both set ``RANK``, ``LOCAL_RANK`` and ``WORLD_SIZE``.
Whole copies of the model (data parallel) sum their gradients once a step, after all micro batches; with
``sharding = "fsdp"`` parameters, gradients and optimizer state lie in shards (PyTorch's ``fully_shard``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import torch
from torch import distributed

from logos_cli.errors import UsageError

_TIMEOUT: Final = timedelta(minutes=30)
_BUCKET: Final = 1 << 24
"""Numbers of gradients that are summed together (64 MiB)."""


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """The processes of a run.

    Attributes
    ----------
    rank, size : int
        Number of this process, and of all processes.
    device : torch.device
        Device of this process.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def sum(self, values: Iterable[float]) -> list[float]:
        """Return each number summed over the processes."""
        tensor = torch.tensor(list(values), dtype=torch.float64, device=self.device)
        if self.size > 1:
            distributed.all_reduce(tensor)
        out: list[float] = tensor.tolist()
        return out

    def wait(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            self.sum([0.0])

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Sum the gradients of whole copies of a model."""
        if self.size == 1:
            return
        gradients = []
        for parameter in parameters:
            if parameter.requires_grad:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                gradients.append(parameter.grad)
        bucket: list[torch.Tensor] = []
        for number, gradient in enumerate(gradients, 1):
            bucket.append(gradient)
            if number == len(gradients) or sum(part.numel() for part in bucket) >= _BUCKET:
                flat = torch.cat([part.flatten() for part in bucket])
                distributed.all_reduce(flat)
                for part, summed in zip(bucket, torch.split(flat, [part.numel() for part in bucket]), strict=True):
                    part.copy_(summed.view_as(part))
                bucket = []


def environment_number(name: str, default: int) -> int:
    """Return a whole number from the environment, as launchers set them."""
    text = os.environ.get(name, "")
    return int(text) if text.isdigit() else default


def start(device: str = "auto") -> ProcessGroup:
    """Join the other processes, if there are any, and return the group.

    Raises
    ------
    UsageError
        If there is no such device.
    """
    rank, size = environment_number("RANK", 0), environment_number("WORLD_SIZE", 1)
    place = _device(device, environment_number("LOCAL_RANK", 0))
    if size > 1 and not distributed.is_initialized():
        if place.type == "cuda":
            torch.cuda.set_device(place)
        distributed.init_process_group("nccl" if place.type == "cuda" else "gloo", timeout=_TIMEOUT)
    return ProcessGroup(rank, size, place)


def end() -> None:
    """Leave the other processes."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def _device(name: str, local_rank: int) -> torch.device:
    kind, _, number = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (number and not number.isdigit()):
        raise UsageError(f"there is no device {name!r}", hint="auto, cpu, cuda, cuda:N or mps")
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if kind == "auto":
        kind = "cuda" if has_cuda else "mps" if has_mps else "cpu"
    if kind == "cuda":
        index = int(number) if number else local_rank
        n_devices = torch.cuda.device_count() if has_cuda else 0
        if index >= n_devices:
            raise UsageError(
                f"there is no device cuda:{index} here",
                hint=f"this machine has {n_devices} CUDA devices; start one process a device, or use --device cpu",
            )
        return torch.device("cuda", index)
    if kind == "mps" and not has_mps:
        raise UsageError("there is no device 'mps' here", hint="use --device cpu")
    return torch.device(kind)


def shard(root: torch.nn.Module, layers: Iterable[torch.nn.Module], precision: torch.dtype) -> None:
    """Put the parameters in shards: one unit for each layer, one for the rest."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    kind = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    mesh = init_device_mesh(kind, (distributed.get_world_size(),))
    policy = MixedPrecisionPolicy(param_dtype=precision, reduce_dtype=torch.float32)
    for layer in layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(root, mesh=mesh, mp_policy=policy)


def reshard(root: torch.nn.Module) -> None:
    """Put parameters back in shards after a forward pass that no backward pass follows."""
    parts: Any = root.modules()
    for part in parts:
        if hasattr(part, "reshard"):  # a module after fully_shard
            part.reshard()


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Return a whole tensor of its shards; every process must call this."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def like(value: torch.Tensor, pattern: Any) -> torch.Tensor:
    """Return a whole tensor in the form of ``pattern``: on its device, and in shards if that is."""
    value = value.to(pattern.device)
    if not hasattr(pattern, "device_mesh"):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value, pattern.device_mesh, pattern.placements)
