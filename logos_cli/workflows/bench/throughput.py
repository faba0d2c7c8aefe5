"""Measure the speed of a model, beside the limits of the machine and the speed of a plain script."""

from __future__ import annotations

import math
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from logos_cli.backends.base import Backend, LoadOptions, TensorBackend, open_model
from logos_cli.backends.device import default_threads
from logos_cli.checkpoints.config import DecoderConfig
from logos_cli.checkpoints.tokenizer import read_json
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Engine, Request
from logos_cli.errors import UsageError
from logos_cli.workflows.bench.models import random_checkpoint, random_gguf, random_shape
from logos_cli.workflows.bench.naive import naive_run

_BITS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}

_TURNS = 10
"""Turns of two backends in each repetition."""

_READ_TOKENS = 4096
"""Largest number of prompt tokens that are read together, to measure the rate."""


@dataclass(frozen=True, slots=True)
class ThroughputOptions:
    """The measurements of a run.

    Attributes
    ----------
    shape : str
        Shape of a random checkpoint, see :data:`~logos_cli.workflows.bench.models.SHAPES`.
    load : LoadOptions
        What computes the model; there is one device.
    batches : tuple of int
        Numbers of sequences at a time.
    n_samples, prompt_tokens, max_new_tokens : int
        Sizes of the run from end to end: samples of one prompt.
    naive : bool
        Do the same run by a plain script, in turns with ours, so that other load on the machine slows both.
    naive_samples : int, optional
        Samples of the plain script, if fewer: it is slow, and its rate is the same.
    repeats : int
        Measurements of each kind.
    file_type : str
        Type of the GGUF, for the backend llamacpp.
    beside : str, optional
        Another backend whose steps are measured in turns with those of the first.
    """

    shape: str = "9m"
    load: LoadOptions = field(default_factory=lambda: LoadOptions(backend="torch", dtype="float32"))
    batches: tuple[int, ...] = (1, 64)
    n_samples: int = 128
    prompt_tokens: int = 64
    max_new_tokens: int = 400
    naive: bool = False
    naive_samples: int | None = None
    repeats: int = 3
    file_type: str = "q8_0"
    beside: str | None = None
    seed: int = 0


class Machine(TypedDict):
    """The limits of the machine."""

    device: str
    threads: int
    torch: str
    python: str
    bandwidth_bytes_per_s: float
    matmul_flop_per_s: float


class MeasuredModel(TypedDict):
    """The model that is measured."""

    shape: str
    parameters: int
    weights_bytes: int
    backend: str
    device: str
    dtype: str


class MeasuredRun(TypedDict):
    """The run from end to end."""

    samples: int
    prompt_tokens: int
    max_new_tokens: int
    repeats: int


class BatchRow(TypedDict, total=False):
    """The measurements at one batch size, with those of the plain script and of the other backend if they were run."""

    batch_size: int
    prefill_tokens_per_s: float
    prefill_of_matmul: float
    step_s: float
    decode_tokens_per_s: float
    decode_of_roofline: float
    useful_tokens_per_s: float
    useful_tokens_per_s_median: float
    naive_useful_tokens_per_s: float
    times_naive: float
    beside_decode_tokens_per_s: float
    times_beside: float


class ThroughputResult(TypedDict):
    """A measurement, JSON-ready."""

    machine: Machine
    model: MeasuredModel
    run: MeasuredRun
    rows: list[BatchRow]


def throughput(options: ThroughputOptions, progress: Callable[[str], None] = lambda _: None) -> ThroughputResult:
    """Measure one shape on one backend.

    Parameters
    ----------
    progress : callable
        Called with the name of each step.
    """
    load = options.load
    if load.dtype not in _BITS:
        raise UsageError(f"--dtype {load.dtype} cannot be measured", hint=f"one of {', '.join(_BITS)}")
    with tempfile.TemporaryDirectory(prefix="logos-bench-") as folder:
        progress(f"a random checkpoint of shape {options.shape}")
        place = Path(folder)
        backend, shape, n_bytes, read_bytes = _loaded(options, load.backend, place)
        other = None if options.beside is None else _loaded(options, options.beside, place)[0]
        progress("the limits of the machine")
        machine = _machine(backend, options)
        rows = []
        for batch_size in options.batches:
            progress(f"{batch_size} {'sequence' if batch_size == 1 else 'sequences'} at a time")
            rows.append(_measure(backend, shape, read_bytes, batch_size, options, machine))
            if other is not None:
                rows[-1] |= _steps_in_turns(backend, other, batch_size, options)
        if options.naive:
            progress("the same run by a plain script")
            directory = random_checkpoint(options.shape, place / "plain", load.dtype, options.seed)
            _pair(backend, directory, options, rows[-1])
    return {
        "machine": machine,
        "model": {
            "shape": options.shape,
            "parameters": shape.n_parameters,
            "weights_bytes": n_bytes,
            "backend": load.backend,
            "device": backend.info.device,
            "dtype": backend.info.dtype,
        },
        "run": {
            "samples": options.n_samples,
            "prompt_tokens": options.prompt_tokens,
            "max_new_tokens": options.max_new_tokens,
            "repeats": options.repeats,
        },
        "rows": rows,
    }


def _loaded(options: ThroughputOptions, name: str, place: Path) -> tuple[Backend, DecoderConfig, int, int]:
    """Return a random model on a backend, its shape, the bytes of its weights, and those that every step reads."""
    load = options.load
    if name == "llamacpp":
        path = random_gguf(options.shape, place / f"{options.shape}.gguf", options.file_type, options.seed)
        shape, n_bytes, read_bytes = _gguf_sizes(path)
    else:
        path = random_checkpoint(options.shape, place / options.shape, load.dtype, options.seed)
        shape = DecoderConfig.from_json(read_json(path / "config.json"))
        each = 4 if load.dtype == "float32" else 2
        n_bytes, read_bytes = shape.n_parameters * each, shape.matmul_parameters * each
    dtype = "auto" if name == "llamacpp" else load.dtype
    backend = open_model(replace(load, backend=name, model=str(path), dtype=dtype)).load()
    if not isinstance(backend, Backend):
        raise UsageError("a served model cannot be measured", hint="measure the server with its own tools")
    return backend, shape, n_bytes, read_bytes


def _steps_in_turns(ours: Backend, other: Backend, batch_size: int, options: ThroughputOptions) -> BatchRow:
    """Return the steps of two backends, which take turns: other load on the machine meets both."""
    slots, tokens, prompt = list(range(batch_size)), [40] * batch_size, _prompt(options)
    for backend in (ours, other):
        backend.reserve(batch_size)
        for slot in slots:
            backend.prefill(slot, prompt)
    ratios, least_s = [], math.inf
    for _ in range(_TURNS * options.repeats):
        our_s, other_s = (_best_s(partial(_waited(backend)[1], slots, tokens), 2) for backend in (ours, other))
        ratios.append(other_s / our_s)
        least_s = min(least_s, other_s)
    return {"beside_decode_tokens_per_s": batch_size / least_s, "times_beside": statistics.median(ratios)}


def _gguf_sizes(path: Path) -> tuple[DecoderConfig, int, int]:
    """Return the shape of a GGUF, the bytes of its tensors, and those that every step reads."""
    from logos_cli.checkpoints.gguf.header import read_gguf

    tensors = read_gguf(path).tensors
    n_bytes = sum(entry.n_bytes for entry in tensors.values())
    # a step reads only a few rows of an embedding that is not also the head
    looked_up = tensors["token_embd.weight"].n_bytes if "output.weight" in tensors else 0
    return random_shape(path.stem), n_bytes, n_bytes - looked_up


def _best_s(action: Callable[[], object], repeats: int) -> float:
    """Return the shortest of several times: other programs on the machine lengthen the others."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def _machine(backend: Backend, options: ThroughputOptions) -> Machine:
    """Measure memory bandwidth and the rate of matrix products on the model's device."""
    import torch

    torch.set_num_threads(options.load.threads or default_threads())
    device = torch.device(backend.info.device if options.load.backend == "torch" else "cpu")
    gpu = device.type == "cuda"
    kind: torch.dtype = getattr(torch, options.load.dtype)
    size = 8192 if gpu else 1024
    left, right = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
    memory = torch.zeros((1 << 30) if gpu else (1 << 26), device=device)

    def waited(action: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            action()
            if gpu:
                torch.cuda.synchronize(device)

        return run

    repeats = max(5, options.repeats)
    product_s = _best_s(waited(lambda: left @ right), repeats)
    read_s = _best_s(waited(memory.sum), repeats)
    name = torch.cuda.get_device_name(device) if gpu else platform.processor() or platform.machine()
    return {
        "device": name,
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "bandwidth_bytes_per_s": memory.numel() * 4 / read_s,
        "matmul_flop_per_s": 2 * size**3 / product_s,
    }


def _prompt(options: ThroughputOptions) -> tuple[int, ...]:
    return (16, *(30 + (7 * i) % 200 for i in range(options.prompt_tokens - 1)))


def _measure(
    backend: Backend,
    shape: DecoderConfig,
    read_bytes: int,
    batch_size: int,
    options: ThroughputOptions,
    machine: Machine,
) -> BatchRow:
    prompt = _prompt(options)
    backend.reserve(batch_size + 1)
    read, step = _waited(backend)
    n_prompts = max(1, min(batch_size, _READ_TOKENS // len(prompt)))

    def prefill() -> None:
        read(range(n_prompts), [prompt] * n_prompts)
        for slot in range(n_prompts):
            backend.free(slot)

    prefill_s = _best_s(prefill, options.repeats)
    for slot in range(batch_size):
        backend.prefill(slot, prompt)
    slots, tokens = list(range(batch_size)), [40] * batch_size
    step_s = _best_s(lambda: step(slots, tokens), 5 * options.repeats)
    position = options.prompt_tokens + 5 * options.repeats
    each = 4 if backend.info.dtype == "float32" else 2
    moved = read_bytes + batch_size * position * shape.cache_elements_per_token * each
    flop = 2 * batch_size * shape.matmul_parameters
    bound_s = max(moved / machine["bandwidth_bytes_per_s"], flop / machine["matmul_flop_per_s"])
    head = shape.vocabulary_size * shape.hidden_size  # runs after the last token of a prompt only
    prefill_flop = 2 * n_prompts * (len(prompt) * (shape.matmul_parameters - head) + head)
    useful = [_end_to_end(backend, batch_size, options) for _ in range(options.repeats)]
    return {
        "batch_size": batch_size,
        "prefill_tokens_per_s": n_prompts * len(prompt) / prefill_s,
        "prefill_of_matmul": prefill_flop / prefill_s / machine["matmul_flop_per_s"],
        "step_s": step_s,
        "decode_tokens_per_s": batch_size / step_s,
        "decode_of_roofline": bound_s / step_s,
        "useful_tokens_per_s": max(useful),
        "useful_tokens_per_s_median": statistics.median(useful),
    }


def _waited(backend: Backend) -> tuple[Callable[..., object], Callable[..., object]]:
    """Return the functions to time, for prompts and for steps; logits that stay on the device are not copied."""
    if not (isinstance(backend, TensorBackend) and backend.capabilities.device_logits):
        return backend.prefill_many, backend.step
    import torch

    wait = torch.cuda.synchronize if backend.info.device.startswith("cuda") else torch.mps.synchronize

    def read(*args: Any) -> None:
        backend.prefill_tensor(*args)
        wait()

    def step(*args: Any) -> None:
        backend.step_tensor(*args)
        wait()

    return read, step


def _end_to_end(backend: Backend, batch_size: int, options: ThroughputOptions) -> float:
    """Return the tokens of answers per second, log-probabilities included."""
    engine = Engine(backend, _sampling(options), batch_size=batch_size, seed=options.seed)
    requests = (Request(f"bench#{number}", _prompt(options)) for number in range(options.n_samples))
    start = time.perf_counter()
    n_tokens = sum(len(completion.tokens) for completion in engine.run(requests))
    return n_tokens / (time.perf_counter() - start)


def _sampling(options: ThroughputOptions) -> Sampling:
    """Return the sampling of the published scripts, but for their top-p of 0.85: random logits have no tail."""
    return Sampling(temperature=1.2, repetition_penalty=1.05, max_new_tokens=options.max_new_tokens)


def _pair(backend: Backend, directory: Path, options: ThroughputOptions, row: BatchRow) -> None:
    """Run ours and the plain script in turns; add the script's best rate and the median ratio."""
    import torch

    device = backend.info.device if options.load.backend == "torch" else "cpu"
    ratios, rates = [], []
    for repeat in range(options.repeats):
        ours = _end_to_end(backend, row["batch_size"], options)
        torch.set_num_threads(options.load.threads or default_threads())  # our run changes the number of threads
        theirs = naive_run(
            directory,
            _prompt(options),
            _sampling(options),
            options.naive_samples or options.n_samples,
            device=device,
            dtype=options.load.dtype,
            seed=options.seed + repeat,
        )
        rates.append(theirs["tokens"] / theirs["seconds"])
        ratios.append(ours / rates[-1])
    row["naive_useful_tokens_per_s"] = max(rates)
    row["times_naive"] = statistics.median(ratios)


def parse_batches(text: str) -> tuple[int, ...]:
    """Return batch sizes given as ``1,16,64``.

    Raises
    ------
    UsageError
        If they are not positive numbers.
    """
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise UsageError(f"{text!r} are not batch sizes", hint="give them like 1,16,64")
    return sizes


def as_markdown(results: Sequence[ThroughputResult]) -> str:
    """Return a table of several measurements."""
    head = (
        "shape",
        "backend",
        "device",
        "dtype",
        "threads",
        "batch",
        "prefill tok/s",
        "of matmul",
        "decode tok/s",
        "of roofline",
        "useful tok/s",
        "x naive",
        "beside tok/s",
        "x beside",
    )
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    lines += ["| " + " | ".join(cells) + " |" for result in results for cells in table_cells(result)]
    return "\n".join(lines)


def table_cells(result: ThroughputResult) -> list[tuple[str, ...]]:
    """Return the rows of a measurement as text."""
    model, machine = result["model"], result["machine"]
    return [
        (
            model["shape"],
            model["backend"],
            model["device"],
            model["dtype"],
            str(machine["threads"]),
            str(row["batch_size"]),
            f"{row['prefill_tokens_per_s']:,.0f}",
            f"{row['prefill_of_matmul']:.0%}",
            f"{row['decode_tokens_per_s']:,.0f}",
            f"{row['decode_of_roofline']:.0%}",
            f"{row['useful_tokens_per_s']:,.0f}",
            f"{row['times_naive']:.1f}" if "times_naive" in row else "",
            f"{row['beside_decode_tokens_per_s']:,.0f}" if "beside_decode_tokens_per_s" in row else "",
            f"{row['times_beside']:.2f}" if "times_beside" in row else "",
        )
        for row in result["rows"]
    ]
