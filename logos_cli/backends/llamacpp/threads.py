"""Threads and rows for llama.cpp on this machine: the fastest number of threads, and the rows of a step.

llama.cpp's threads spin while they wait for each other: with one for each core on a busy machine, a step can take a
hundred times as long as with one thread. Loading a model measures the times, and so does the work later.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from logos_cli.backends.llamacpp.library import LOG, LlamaContext, LlamaModel
from logos_cli.backends.threads import fastest_threads
from logos_cli.checkpoints.gguf.header import GgufHeader
from logos_cli.processes.environment import usable_cores

_TIMED_ROWS = 8
_TIMED_S = 0.2
_POSITIONS = 256


def best_threads(model: LlamaModel, kv_type: str) -> int:
    """Return the fastest number of threads for a step."""
    most = usable_cores()
    if most == 1:
        return 1
    context = LlamaContext(model, _TIMED_ROWS, _POSITIONS, kv_type, 1)
    best, least_s = fastest_threads(most, lambda number: step_s(context, number))
    context.close()
    LOG.info("%d of %d threads are fastest: %.1f ms for a step of %d rows", best, most, 1e3 * least_s, _TIMED_ROWS)
    return best


def step_s(context: LlamaContext, threads: int) -> float:
    """Return the median time of a step: the fastest would not be typical."""
    context.set_threads(threads)
    slots = range(_TIMED_ROWS)
    times: list[float] = []
    while len(times) < 2 or (len(times) < 9 and sum(times) < _TIMED_S):
        start = time.perf_counter()
        context.decode([0] * _TIMED_ROWS, [0] * _TIMED_ROWS, slots, _TIMED_ROWS)
        times.append(time.perf_counter() - start)
        for slot in slots:
            context.cut(slot, 0)
    return sorted(times)[len(times) // 2] if len(times) > 2 else min(times)


@dataclass(frozen=True, slots=True)
class Rows:
    """Numbers of rows for steps in which the logits of a row do not depend on the batch, to the last bit.

    llama.cpp multiplies few rows by other code than many, and the rest of a group by other code than the group; each
    code adds in its own order.
    """

    least: int
    multiple: int = 1

    def pad(self, n_rows: int) -> int:
        """Return the number of rows, padding included, of a step of ``n_rows``."""
        return -(-max(n_rows, self.least) // self.multiple) * self.multiple


ANY = Rows(1)
_KNOWN = (ANY, Rows(2), Rows(4), Rows(4, 4), Rows(8), Rows(8, 4), Rows(8, 8))
"""The cheapest first."""

_FLOATS = {"f32", "f16", "bf16"}
_ADDED, _MOST_ROUNDS = 200_000_000, 16
_COMPARED = (1, 2, 4, 5, 8, 9, 12, 16)


def invariant_rows(model: LlamaModel, header: GgufHeader, kv_type: str, threads: int) -> Rows | None:
    """Return the numbers of rows for which steps of a model are batch-invariant.

    For matrices of floating-point numbers they are known: one row is added up in another order than many. For others
    they depend on the processor and on the version of llama.cpp, and are measured.

    Returns
    -------
    Rows or None
        None if no numbers of rows are batch-invariant.
    """
    matrices = [entry for entry in header.tensors.values() if len(entry.shape) > 1]
    if {entry.type for entry in matrices} <= _FLOATS:
        return Rows(2)
    # the fewer the summands, the more rarely another order changes the sum
    n_rounds = max(1, min(_MOST_ROUNDS, _ADDED // sum(entry.n_elements for entry in matrices)))
    results: dict[int, set[bytes]] = {}
    context = LlamaContext(model, max(_COMPARED), _POSITIONS, kv_type, threads)
    for n_rows in _COMPARED:
        rows: list[list[bytes]] = [[] for _ in range(n_rows)]
        for place in range(n_rounds):
            token = (7 * place + 1) % model.n_vocabulary
            logits = context.decode([token] * n_rows, [place] * n_rows, range(n_rows), n_rows)
            for row, row_logits in zip(rows, logits, strict=True):
                row.append(row_logits.tobytes())
        results[n_rows] = {b"".join(row) for row in rows}
        for slot in range(n_rows):
            context.cut(slot, 0)
    context.close()
    for rule in _KNOWN:
        permitted = [logits for n_rows, logits in results.items() if rule.pad(n_rows) == n_rows]
        if len(set().union(*permitted)) == 1:
            return rule
    return None
