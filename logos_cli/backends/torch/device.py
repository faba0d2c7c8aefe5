"""Where PyTorch computes: devices, precision, threads and memory."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from logos_cli.backends.threads import WORTH
from logos_cli.errors import DeviceLostError, DeviceMemoryError, UsageError

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")
QUANTIZED = ("int8", "nf4")
"""Types of weights alone; what is computed has one of the others."""

_SPINS = "1000"
"""Turns of GNU OpenMP's waiting loop, of about 20 ns each; other implementations of OpenMP do not read it."""

_ALLOCATOR = ("can't allocate memory", "not enough memory", "DefaultCPUAllocator", "MPS backend out of memory")
_LOST = ("CUDA error", "CUDNN", "cuda runtime error", "NCCL", "device-side", "unspecified launch failure")


def prepare() -> None:
    """Keep idle threads of PyTorch from spinning for long, which steals time from whatever else runs here.

    They spin for some microseconds: the operations of a small model follow each other so closely that putting
    threads to sleep in between costs more than running them. It is read when the library is loaded; a user's
    own setting stays.
    """
    if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn PyTorch's errors of memory and of lost devices into ours."""
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
                hint="finished records are kept; see nvidia-smi and the kernel's log before running the rest",
            ) from error
        raise


def choose_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` takes a GPU if there is one.

    Raises
    ------
    UsageError
        If there is no such device here.
    """
    import torch

    seen = devices()
    if name == "auto":
        name = next((kind for kind in ("cuda", "mps") if any(device.startswith(kind) for device in seen)), "cpu")
    if name == "cuda":
        name = "cuda:0"
    if name not in seen:
        raise UsageError(f"there is no device {name!r} here", hint=f"devices of this machine: {', '.join(seen)}")
    return torch.device(name)


def devices() -> dict[str, str]:
    """Return the devices of this machine with a description."""
    import torch

    found = {"cpu": f"{torch.get_num_threads()} threads"}
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(number)
            found[f"cuda:{number}"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    return found


def choose_dtype(name: str, device: torch.device, stored: str) -> torch.dtype:
    """Return the type to compute in.

    Parameters
    ----------
    name : str
        ``auto`` takes the checkpoint's on a GPU; on a CPU float32, unless the checkpoint is in half precision
        and the processor has instructions for bfloat16.
    stored : str
        What safetensors calls the type of the weights.
    """
    import torch

    if name == "auto":
        if stored not in ("BF16", "F16"):
            name = "float32"
        elif device.type == "cpu":
            name = "bfloat16" if stored == "BF16" and computes(torch.bfloat16) else "float32"
        else:
            name = "bfloat16" if stored == "BF16" else "float16"
    chosen: torch.dtype = getattr(torch, name)
    return chosen


def computes(dtype: torch.dtype) -> bool:
    """Whether this processor has instructions for products of a type (AVX-512 BF16, AMX, Arm BF16): it emulates others."""
    import torch

    if dtype is torch.float32:
        return True
    try:
        if dtype is not torch.bfloat16 or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False  # for float16 nothing tells emulation from instructions
        # PyTorch says so of every AVX-512
        wide = "AVX512" in torch.backends.cpu.get_cpu_capability()
        return sys.platform == "darwin" or (wide and bool(torch.cpu._is_avx512_bf16_supported()))
    except (AttributeError, RuntimeError):
        return False


def free_bytes(device: torch.device) -> int | None:
    """Return the memory that is free on a device; None if it cannot be told."""
    import torch

    if device.type == "cuda":
        # what this process has cached and does not use is free to it
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + idle
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory()) - int(torch.mps.driver_allocated_memory())
    return _free_host_bytes()


def _free_host_bytes() -> int | None:
    limits = [found for found in (_available_bytes(), _group_bytes()) if found is not None]
    return max(min(limits), 0) if limits else None


def _available_bytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):  # not Linux
        return None


def _group_bytes() -> int | None:
    """Return what the limit of a container or of a Slurm job leaves."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        return None if limit == "max" else int(limit) - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no such limit here
        return None


def default_threads() -> int:
    """Return the most threads that may be used here: those of PyTorch, or fewer if Slurm grants fewer."""
    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    most = _threads_at_first()
    return min(most, int(slurm)) if slurm.isdigit() and int(slurm) else most


@cache
def _threads_at_first() -> int:
    """Return PyTorch's number of threads before any model has changed it."""
    import torch

    return torch.get_num_threads()


def set_fastest_threads(step: Callable[[], object]) -> None:
    """Use as many CPU threads as are found to help.

    Threads that wait for each other cost a small model more than they give, and far more on a busy machine: a
    step is timed with 1, 2, 4 … threads, as long as more are faster. The texts are the same in any case.
    """
    import torch

    most = default_threads()
    best, least_s = 1, _step_s(step, 1)
    for number in (*(2**i for i in range(1, most.bit_length()) if 2**i < most), most):
        seconds = _step_s(step, number)
        if seconds > WORTH * least_s:
            break
        best, least_s = number, seconds
    torch.set_num_threads(best)


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
