"""``logos generate --dry-run``: show the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode

if TYPE_CHECKING:
    from logos_cli.backends.base import MemoryPlan
    from logos_cli.workflows.generate.plan import GenerationPlan


def show_plan(plan: GenerationPlan, given: str | None) -> ExitCode:
    """Print the resolved options, and the numbers of prompts and samples."""
    n_good, longest, failed = 0, 0, 0
    for prompt in plan.prepared_prompts(given):
        if prompt.sentence is None:
            failed += 1
            terminal().error(f"{prompt.id}: {prompt.error}")
            continue
        n_good += 1
        longest = max(longest, len(plan.checkpoint.tokenizer.encode(prompt.sentence.text)))
    shown = plan.describe() | {
        "prompts": n_good,
        "prompts_unusable": failed,
        "longest_prompt_tokens": longest,
        "answers" if plan.beam else "samples": n_good * (plan.beam or plan.n_samples),
    }
    if n_good:
        shown |= _memory(plan.memory(longest))
    width = max(map(len, shown))
    for key, value in shown.items():
        typer.echo(f"{key:<{width}}  {value}")
    if not failed:
        return ExitCode.OK
    return ExitCode.PARTIAL if n_good else ExitCode.USAGE


def _memory(memory: MemoryPlan | None) -> dict[str, object]:
    """Return the memory of a run, in words."""
    if memory is None:
        return {}
    free = "unknown" if memory.free_bytes is None else _size(memory.free_bytes)
    cache = (memory.batch_size + 1) * memory.cache_bytes_per_sequence
    return {
        "device": memory.device,
        "dtype": memory.dtype,
        "memory_free": free,
        "memory_weights": _size(memory.weights_bytes),
        "memory_cache_per_sequence": _size(memory.cache_bytes_per_sequence),
        "memory_cache": _size(cache),
        "batch_size": memory.batch_size,
    }


def _size(n_bytes: int) -> str:
    """Return a number of bytes with its unit."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes / (1 << 10):.1f} KiB"
