"""Devices, precision, threads and memory of PyTorch."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from logos_cli.backends.threads import fastest_threads
from logos_cli.errors import DeviceLostError, DeviceMemoryError, UsageError
from logos_cli.processes.environment import usable_cores

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")
QUANTIZED = ("int8", "nf4")
"""Types of weights only; computations have one of :data:`DTYPES`."""

_SPINS = "1000"
"""Iterations of GNU OpenMP's waiting loop, of about 20 ns each; other implementations of OpenMP ignore it."""

_ALLOCATOR = ("can't allocate memory", "not enough memory", "DefaultCPUAllocator", "MPS backend out of memory")
_LOST = ("CUDA error", "CUDNN", "cuda runtime error", "NCCL", "device-side", "unspecified launch failure")


def prepare() -> None:
    """Limit the spinning of PyTorch's idle threads, which slows down other programs.

    They spin for some microseconds: the operations of a small model follow each other so closely that sleeping threads
    would cost more time than the operations. The library reads the setting when it is loaded; a user's own setting
    has priority.
    """
    if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn PyTorch's errors of memory and of lost devices into those of logos."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            "the device is out of memory", hint="use a smaller batch (-b), --dtype bfloat16, or a smaller model"
        ) from error
    except RuntimeError as error:
        text = str(error)
        if any(part in text for part in _ALLOCATOR):
            raise DeviceMemoryError("out of memory", hint="use a smaller batch (-b) or a smaller model") from error
        if any(part in text for part in _LOST):
            raise DeviceLostError(
                f"the GPU stopped working: {text.strip().splitlines()[0]}",
                hint="finished records are kept; check nvidia-smi and the kernel log before running the rest",
            ) from error
        raise


def choose_device(name: str) -> torch.device:
    """Return the device with a name; ``auto`` selects a GPU if there is one.

    Raises
    ------
    UsageError
        If this machine has no such device.
    """
    import torch

    available = devices()
    if name == "auto":
        name = next((kind for kind in ("cuda", "mps") if any(device.startswith(kind) for device in available)), "cpu")
    if name == "cuda":
        name = "cuda:0"
    if name not in available:
        raise UsageError(f"this machine has no device {name!r}", hint=f"devices: {', '.join(available)}")
    return torch.device(name)


def devices() -> dict[str, str]:
    """Return the devices of this machine with a description."""
    import torch

    available = {"cpu": f"{torch.get_num_threads()} threads"}
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(number)
            available[f"cuda:{number}"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if torch.backends.mps.is_available():
        available["mps"] = "Apple GPU"
    return available


def choose_dtype(name: str, device: torch.device, stored: str, *, mixes_half: bool = False) -> torch.dtype:
    """Return the type of the computation.

    Parameters
    ----------
    name : str
        ``auto`` is the checkpoint's type on a GPU; on a CPU float32, unless the checkpoint is in bfloat16 and the
        processor has instructions for it, or in float16 and the backend mixes it with float32.
    stored : str
        Type of the weights in safetensors.
    mixes_half : bool
        Whether the backend multiplies weights in float16 with rows in float32 on a CPU (:func:`multiplies_half`).
    """
    import torch

    if name == "auto":
        if stored not in ("BF16", "F16"):
            name = "float32"
        elif device.type == "cpu":
            name = "float32"
            if stored == "BF16" and computes(torch.bfloat16):
                name = "bfloat16"
            elif stored == "F16" and mixes_half:
                name = "float16"
        else:
            name = "bfloat16" if stored == "BF16" else "float16"
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def computes(dtype: torch.dtype) -> bool:
    """Whether this processor has matrix instructions for a type (AVX-512 BF16, AMX, Arm BF16); it emulates others."""
    import torch

    if dtype is torch.float32:
        return True
    try:
        if dtype is not torch.bfloat16 or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False  # PyTorch does not report whether it emulates float16
        # the check above is true for every AVX-512
        wide = "AVX512" in torch.backends.cpu.get_cpu_capability()
        return sys.platform == "darwin" or (wide and bool(torch.cpu._is_avx512_bf16_supported()))
    except (AttributeError, RuntimeError):
        return False


def multiplies_half() -> bool:
    """Whether PyTorch has FBGEMM's products of weights in half precision, in float32: on x86 with AVX2."""
    import torch

    return "fbgemm" in torch.backends.quantized.supported_engines and hasattr(
        torch.ops.quantized, "linear_prepack_fp16"
    )


def free_bytes(device: torch.device) -> int | None:
    """Return the free memory of a device; None if unknown."""
    import torch

    if device.type == "cuda":
        # the unused cache of this process is free for it
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + idle
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory())
    return free_host_bytes()


def free_host_bytes() -> int | None:
    """Return the free memory of the machine, or of this process where it may use less; None if unknown."""
    limits = [limit for limit in (_available_bytes(), _group_bytes()) if limit is not None]
    return max(min(limits), 0) if limits else None


def _available_bytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):  # not Linux
        return None


def _group_bytes() -> int | None:
    """Return the free memory within the limit of a container or Slurm job; None without a limit."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        return None if limit == "max" else int(limit) - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no limit
        return None


def default_threads() -> int:
    """Return the largest number of threads: that of PyTorch, or fewer if this process may use fewer cores."""
    return min(_initial_threads(), usable_cores())


@cache
def _initial_threads() -> int:
    """Return PyTorch's number of threads before a model changes it."""
    import torch

    return torch.get_num_threads()


def set_fastest_threads(step: Callable[[], object]) -> None:
    """Set the fastest number of CPU threads.

    In a small model, threads that wait for each other can cost more time than they save, and far more on a busy
    machine. The texts do not depend on it.
    """
    import torch

    torch.set_num_threads(fastest_threads(default_threads(), lambda number: _step_s(step, number))[0])


def _step_s(step: Callable[[], object], threads: int) -> float:
    """Return the shortest time of a few steps."""
    import torch

    torch.set_num_threads(threads)
    times = []
    with torch.inference_mode():
        for _ in range(4):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
    return min(times)
