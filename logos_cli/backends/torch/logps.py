"""Log-probabilities of given tokens: one pass over ragged sequences, without padding and without a cache.

The tokens of many sequences form one long row of matrix products; only attention distinguishes the sequences. A
common beginning of sequences (the prompt of samples, the wild type before a mutation, the first atoms of two SMILES)
is computed once: the sequences are sorted, and each adds only the tokens that the sequence before it lacks. A
sequence is then a *path*: the places of its tokens in the row, of which the last are new. The last token of a sequence
is only predicted, never read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import starmap

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from logos_cli.backends.torch.decoder import Decoder
from logos_cli.backends.torch.linear import rms_norm

_TOKENS = {"cpu": 1024, "mps": 4096, "cuda": 16_384}
"""Most tokens of one pass, unless a single sequence is longer."""

_FEWEST_TOKENS = 256
"""Fewest tokens of a pass on a CPU, because each pass reads the weights again."""

_PASSES_EACH = 2
"""Smallest number of passes for each thread, if there are enough tokens: passes take different times."""

_LOGITS = {"cpu": 1 << 22, "mps": 1 << 24, "cuda": 1 << 28}
"""Most logits in memory at a time."""

_LEAST_SHARED = 4
"""A shorter common beginning is computed again, because gathering it for attention would cost more."""

_LEAST_UNASKED = 0.5
"""If a smaller part of a path is shared, attention is computed for the whole path: it then needs no mask, and causal
attention skips the half that a mask only hides."""

_WASTE = 1.25
"""Largest padding, as a multiple of the tokens, of sequences whose attention is computed together off the CPU."""


@dataclass(slots=True)
class _Path:
    """A sequence in a pass: the places of all its tokens but the last, and the next token at each.

    The last ``n_new`` places are those of the tokens that it adds.
    """

    index: int
    places: NDArray[np.int64]
    n_new: int
    wanted: Sequence[int]

    @property
    def n_queries(self) -> int:
        """Number of the last places with attention: the new ones, or all."""
        n_all = len(self.places)
        return self.n_new if self.n_new <= (1 - _LEAST_UNASKED) * n_all else n_all


_Pass = tuple[list[int], list[int], list[_Path]]
"""Tokens, their positions, and the paths through them."""


@dataclass(slots=True)
class _Attention:
    """Attention of several paths together, padded to the longest.

    ``queries`` (B, n) and ``keys`` (B, m) are places in the row, or a slice of it for one path. ``seen``
    (B, 1, n, m) is the mask, or None if queries and keys are the same and attention is causal. ``kept`` (B * n)
    selects the queries of new tokens; ``written`` are their places.
    """

    queries: Tensor | slice
    keys: Tensor | slice
    seen: Tensor | None
    kept: Tensor | slice
    written: Tensor | slice


def token_logps(
    decoder: Decoder, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]
) -> list[NDArray[np.float64]]:
    """Return the natural log-probability of each wanted token: one for each token of a sequence but the first."""
    logps: list[NDArray[np.float64]] = [np.empty(0)] * len(sequences)
    most = _TOKENS.get(decoder.device.type, 2048)
    n_threads = torch.get_num_threads() if decoder.device.type == "cpu" else 1
    if n_threads > 1:
        share = sum(map(len, sequences)) // (_PASSES_EACH * n_threads)
        most = max(min(_FEWEST_TOKENS, most), min(most, share))
    # the longest first: their attention takes longest, and the threads should end together
    passes = sorted(_passes(sequences, wanted, most), key=lambda item: -max(len(path.places) for path in item[2]))
    run = partial(_run, decoder)
    for (_, _, paths), pass_logps in zip(passes, _run_in_threads(run, passes, n_threads), strict=True):
        start = 0
        for path in paths:
            end = start + len(path.places)
            logps[path.index] = pass_logps[start:end]
            start = end
    return logps


def _run_in_threads(
    run: Callable[..., NDArray[np.float64]], passes: Sequence[_Pass], n_threads: int
) -> Iterator[NDArray[np.float64]]:
    """Yield the results of passes in order; several run at a time, each in its own thread.

    Threads that share every product wait for each other after each, and for its serial part. With fewer passes than
    threads, sharing products is faster all the same.
    """
    if n_threads == 1 or len(passes) < n_threads:
        yield from starmap(run, passes)
        return
    pool = ThreadPoolExecutor(n_threads, "logps", torch.set_num_threads, (1,))
    try:
        yield from pool.map(torch.inference_mode()(run), *zip(*passes, strict=True))
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(n_threads)  # the threads also change global settings


def _passes(sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]], most: int) -> Iterator[_Pass]:
    """Yield the tokens of each pass, their positions, and the paths through them."""
    tokens: list[int] = []
    positions: list[int] = []
    paths: list[_Path] = []
    before: Sequence[int] = ()
    for index in sorted(range(len(sequences)), key=lambda index: tuple(sequences[index])):
        sequence = sequences[index][:-1]
        if not sequence:
            continue
        shared = _n_shared(before, sequence) if paths else 0
        shared = shared if shared >= min(_LEAST_SHARED, len(sequence)) else 0
        if paths and len(tokens) + len(sequence) - shared > most:
            yield tokens, positions, paths
            tokens, positions, paths, shared = [], [], [], 0
        fresh = np.arange(len(tokens), len(tokens) + len(sequence) - shared)
        known = paths[-1].places[:shared] if shared else fresh[:0]
        paths.append(_Path(index, np.concatenate([known, fresh]), len(fresh), wanted[index]))
        tokens += sequence[shared:]
        positions += range(shared, len(sequence))
        before = sequence
    if paths:
        yield tokens, positions, paths


def _n_shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Return the length of the common beginning of two sequences."""
    most = min(len(first), len(second))
    return next((place for place in range(most) if first[place] != second[place]), most)


def _run(
    decoder: Decoder, tokens: Sequence[int], positions: Sequence[int], paths: Sequence[_Path]
) -> NDArray[np.float64]:
    """Return the log-probabilities of all paths, one after another."""
    spare = [0] * (-len(tokens) % decoder.row_multiple)
    ids = torch.tensor([[*tokens, *spare], [*positions, *spare]], device=decoder.device)
    hidden = decoder.embed(ids[0])
    for stage in decoder.stages:
        groups = [_attention_of(group, stage.device) for group in _groups(paths, stage.device)]
        places = ids[1].to(stage.device)
        cos, sin = stage.cos[places][:, None], stage.sin[places][:, None]
        hidden = hidden.to(stage.device)
        eps, width = decoder.config.norm_eps, (decoder.config.hidden_size,)
        for layer in stage.layers:
            qkv = layer.qkv(rms_norm(hidden, width, layer.norm_in, eps))
            hidden += layer.out(_attend(*decoder.split(qkv, layer, cos, sin), groups))
            hidden += layer.down(layer.gated(rms_norm(hidden, width, layer.norm_mlp, eps)))
    return _gather(decoder, hidden, paths)


def _gather(decoder: Decoder, hidden: Tensor, paths: Sequence[_Path]) -> NDArray[np.float64]:
    """Return the log-probability of the next token at each place of all paths; sums are in float32 or better.

    The logits of a place are computed once, even if many paths share it.
    """
    places = np.concatenate([path.places for path in paths])
    order = np.argsort(places, kind="stable")
    sorted_places = places[order]
    wanted = torch.from_numpy(np.concatenate([path.wanted for path in paths])[order]).to(hidden.device)
    sorted_logps = np.empty(len(order))
    at_once = max(1, _LOGITS.get(hidden.device.type, 1 << 22) // decoder.config.vocabulary_size)
    for start in range(0, len(hidden), at_once):
        part = slice(*np.searchsorted(sorted_places, [start, start + at_once]))
        if part.start == part.stop:
            continue
        logits = decoder.logits(hidden[start : start + at_once]).float()
        rows = torch.from_numpy(sorted_places[part] - start).to(hidden.device)
        part_logps = logits[rows, wanted[part]].double() - logits.logsumexp(-1).double()[rows]
        sorted_logps[part] = part_logps.cpu().numpy()
    logps = np.empty(len(order))
    logps[order] = sorted_logps
    return logps


def _groups(paths: Sequence[_Path], device: torch.device) -> Iterator[list[_Path]]:
    """Yield groups of paths whose attention is computed together: on a CPU each alone, without padding."""
    new = [path for path in paths if path.n_new]
    if device.type == "cpu":
        yield from ([path] for path in new)
        return
    group: list[_Path] = []
    total = 0
    for path in sorted(new, key=lambda path: (len(path.places), path.n_new), reverse=True):
        total += len(path.places)
        if group and len(group[0].places) * (len(group) + 1) > _WASTE * total:
            yield group
            group, total = [], len(path.places)
        group.append(path)
    if group:
        yield group


def _attention_of(group: Sequence[_Path], device: torch.device) -> _Attention:
    """Return the places that the attention of a group reads and writes."""
    if len(group) == 1:
        return _attention_of_one(group[0], device)
    keys = _stack_padded([path.places for path in group])
    queries = _stack_padded([path.places[-path.n_queries :] for path in group])
    n_all, n_queries, n_new = torch.tensor([(len(path.places), path.n_queries, path.n_new) for path in group]).T
    place = torch.arange(queries.shape[1])
    kept = ((place < n_queries[:, None]) & (place >= (n_queries - n_new)[:, None])).flatten()
    seen = None
    if (n_queries < n_all).any():  # else no query sees the padding
        ends = (n_all - n_queries)[:, None] + place
        seen = (torch.arange(keys.shape[1]) <= ends[..., None])[:, None].to(device)
    written = queries.flatten()[kept]
    return _Attention(queries.to(device), keys.to(device), seen, kept.to(device), written.to(device))


def _stack_padded(rows: Sequence[NDArray[np.int64]]) -> Tensor:
    most = max(map(len, rows))
    return torch.stack([pad(torch.from_numpy(row), (0, most - len(row))) for row in rows])


def _attention_of_one(path: _Path, device: torch.device) -> _Attention:
    new = slice(int(path.places[-path.n_new]), int(path.places[-1]) + 1)
    n_all, n_queries = len(path.places), path.n_queries
    if n_all == path.n_new:
        return _Attention(new, new, None, slice(None), new)
    keys = torch.from_numpy(path.places)[None].to(device)
    if n_all == n_queries:
        return _Attention(keys, keys, None, slice(-path.n_new, None), new)
    seen = torch.arange(n_all) <= torch.arange(n_all - n_queries, n_all)[:, None]
    return _Attention(new, keys, seen[None, None].to(device), slice(None), new)


def _attend(query: Tensor, key: Tensor, value: Tensor, groups: Sequence[_Attention]) -> Tensor:
    """Return the attention output of all places, shape (N, H * D)."""
    outputs = torch.zeros_like(query)
    for group in groups:
        output = scaled_dot_product_attention(
            _heads(query, group.queries),
            _heads(key, group.keys),
            _heads(value, group.keys),
            attn_mask=group.seen,
            is_causal=group.seen is None,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        outputs[group.written] = output.transpose(1, 2).flatten(0, 1)[group.kept]
    return outputs.flatten(1)


def _heads(rows: Tensor, places: Tensor | slice) -> Tensor:
    """Return the rows at some places by head, shape (B, heads, places, D)."""
    selected = rows[places][None] if isinstance(places, slice) else rows[places]
    return selected.transpose(1, 2)
