"""Log-probabilities of given tokens: one pass over ragged sequences, without padding and without a cache.

The tokens of many sequences stand one after another in one long row of matrix products; only attention knows
where each begins. What sequences begin with in common (the prompt that samples were made from, the wild type
before a mutation, a few atoms in which two SMILES begin) is computed once: the sequences are sorted, and each brings
only the tokens that the one before it has not brought. A sequence then is a *path*, the places of its tokens in the
row, of which the last are new. The last token of a sequence is only asked for, never read.
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
from torch.nn.functional import pad, rms_norm, scaled_dot_product_attention

from logos_cli.backends.torch.decoder import Decoder

_TOKENS = {"cpu": 1024, "mps": 4096, "cuda": 16_384}
"""Tokens of one pass, unless a single sequence is longer."""

_FEWEST_TOKENS = 256
"""Passes of a CPU are made no smaller than that to give each thread one: weights are read again for each."""

_PASSES_EACH = 2
"""So many passes a thread are made at least, where there is enough to read: they do not all take as long."""

_LOGITS = {"cpu": 1 << 22, "mps": 1 << 24, "cuda": 1 << 28}
"""Logits that are held at a time."""

_LEAST_SHARED = 4
"""A shorter common beginning is computed again: to gather it for attention would cost more."""

_LEAST_UNASKED = 0.5
"""Where less than this of a path is shared, attention is computed for all of it: that takes no mask, and causal
attention computes half of what a mask only hides."""

_WASTE = 1.25
"""Attention off the CPU runs over sequences of like length together, padded to at most so many times their sum."""


@dataclass(slots=True)
class _Path:
    """A sequence in a pass: the places of all its tokens but the last, and what is asked at each, the next token.

    The last ``n_new`` places are those of tokens that it has brought itself.
    """

    index: int
    places: NDArray[np.int64]
    n_new: int
    wanted: Sequence[int]

    @property
    def n_asked(self) -> int:
        """For how many of the last places attention is computed: the new, or all."""
        n_all = len(self.places)
        return self.n_new if self.n_new <= (1 - _LEAST_UNASKED) * n_all else n_all


_Pass = tuple[list[int], list[int], list[_Path]]
"""Tokens, their positions, and the paths through them."""


@dataclass(slots=True)
class _Reads:
    """Paths whose attention is computed together, padded to the longest.

    ``queries`` (B, n) and ``keys`` (B, m) are places in the row, or a slice of it, for one path. ``seen``
    (B, 1, n, m) is None where queries and keys are the same, and each simply sees those before it. ``kept`` (B * n)
    tells the queries of new tokens from padding and from what is known; ``written`` are their places.
    """

    queries: Tensor | slice
    keys: Tensor | slice
    seen: Tensor | None
    kept: Tensor | slice
    written: Tensor | slice


def token_logps(decoder: Decoder, sequences: Sequence[Sequence[int]]) -> list[NDArray[np.float64]]:
    """Return the natural log-probability of each token but the first of each sequence."""
    found: list[NDArray[np.float64]] = [np.empty(0)] * len(sequences)
    most = _TOKENS.get(decoder.device.type, 2048)
    n_threads = torch.get_num_threads() if decoder.device.type == "cpu" else 1
    if n_threads > 1:
        share = sum(map(len, sequences)) // (_PASSES_EACH * n_threads)
        most = max(min(_FEWEST_TOKENS, most), min(most, share))
    # the longest first: attention makes them last, and the threads are to end together
    passes = sorted(_passes(sequences, most), key=lambda each: -max(len(path.places) for path in each[2]))
    run = partial(_run, decoder)
    for (_, _, paths), logps in zip(passes, _side_by_side(run, passes, n_threads), strict=True):
        start = 0
        for path in paths:
            end = start + len(path.places)
            found[path.index] = logps[start:end]
            start = end
    return found


def _side_by_side(
    run: Callable[..., NDArray[np.float64]], passes: Sequence[_Pass], n_threads: int
) -> Iterator[NDArray[np.float64]]:
    """Yield what passes give, in order; several run at a time, each with a thread of its own.

    Threads that share every single product wait for each other after each, and for whatever part of it is not shared
    out. Where there are fewer passes than threads, that is the better way all the same.
    """
    if n_threads == 1 or len(passes) < n_threads:
        yield from starmap(run, passes)
        return
    pool = ThreadPoolExecutor(n_threads, "logps", torch.set_num_threads, (1,))
    try:
        yield from pool.map(torch.inference_mode()(run), *zip(*passes, strict=True))
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(n_threads)  # some of what the threads set is everybody's


def _passes(sequences: Sequence[Sequence[int]], most: int) -> Iterator[_Pass]:
    """Yield the tokens of each pass, their positions, and the paths through them."""
    tokens: list[int] = []
    positions: list[int] = []
    paths: list[_Path] = []
    before: Sequence[int] = ()
    for index in sorted(range(len(sequences)), key=lambda each: tuple(sequences[each])):
        sequence, wanted = sequences[index][:-1], sequences[index][1:]
        if not sequence:
            continue
        shared = _n_shared(before, sequence) if paths else 0
        shared = shared if shared >= min(_LEAST_SHARED, len(sequence)) else 0
        if paths and len(tokens) + len(sequence) - shared > most:
            yield tokens, positions, paths
            tokens, positions, paths, shared = [], [], [], 0
        fresh = np.arange(len(tokens), len(tokens) + len(sequence) - shared)
        known = paths[-1].places[:shared] if shared else fresh[:0]
        paths.append(_Path(index, np.concatenate([known, fresh]), len(fresh), wanted))
        tokens += sequence[shared:]
        positions += range(shared, len(sequence))
        before = sequence
    if paths:
        yield tokens, positions, paths


def _n_shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens two sequences begin with in common."""
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
        reads = [_reads(group, stage.device) for group in _groups(paths, stage.device)]
        places = ids[1].to(stage.device)
        cos, sin = stage.cos[places][:, None], stage.sin[places][:, None]
        hidden = hidden.to(stage.device)
        eps, width = decoder.config.norm_eps, (decoder.config.hidden_size,)
        for layer in stage.layers:
            qkv = layer.qkv(rms_norm(hidden, width, layer.norm_in, eps))
            read = _attend(*decoder.split(qkv, layer, cos, sin), reads)
            hidden += layer.out(read)
            hidden += layer.down(layer.gated(rms_norm(hidden, width, layer.norm_mlp, eps)))
    return _gather(decoder, hidden, paths)


def _gather(decoder: Decoder, hidden: Tensor, paths: Sequence[_Path]) -> NDArray[np.float64]:
    """Return the log-probability of what is wanted at each place of all paths; sums are in float32 or better.

    A place that many paths go through has its logits computed once.
    """
    places = np.concatenate([path.places for path in paths])
    order = np.argsort(places, kind="stable")
    asked = places[order]
    wanted = torch.from_numpy(np.concatenate([path.wanted for path in paths])[order]).to(hidden.device)
    sorted_logps = np.empty(len(order))
    at_once = max(1, _LOGITS.get(hidden.device.type, 1 << 22) // decoder.config.vocabulary_size)
    for start in range(0, len(hidden), at_once):
        part = slice(*np.searchsorted(asked, [start, start + at_once]))
        if part.start == part.stop:
            continue
        logits = decoder.logits(hidden[start : start + at_once]).float()
        rows = torch.from_numpy(asked[part] - start).to(hidden.device)
        chosen = logits[rows, wanted[part]].double() - logits.logsumexp(-1).double()[rows]
        sorted_logps[part] = chosen.cpu().numpy()
    found = np.empty(len(order))
    found[order] = sorted_logps
    return found


def _groups(paths: Sequence[_Path], device: torch.device) -> Iterator[list[_Path]]:
    """Yield paths whose attention is computed together: on a CPU each alone, which pads nothing."""
    new = [path for path in paths if path.n_new]
    if device.type == "cpu":
        yield from ([path] for path in new)
        return
    group: list[_Path] = []
    total = 0
    for path in sorted(new, key=lambda each: (len(each.places), each.n_new), reverse=True):
        total += len(path.places)
        if group and len(group[0].places) * (len(group) + 1) > _WASTE * total:
            yield group
            group, total = [], len(path.places)
        group.append(path)
    if group:
        yield group


def _reads(group: Sequence[_Path], device: torch.device) -> _Reads:
    """Return the places that the attention of a group reads and writes."""
    if len(group) == 1:
        return _reads_of_one(group[0], device)
    keys = _padded([path.places for path in group])
    queries = _padded([path.places[-path.n_asked :] for path in group])
    n_all, n_asked, n_new = torch.tensor([(len(path.places), path.n_asked, path.n_new) for path in group]).T
    place = torch.arange(queries.shape[1])
    kept = ((place < n_asked[:, None]) & (place >= (n_asked - n_new)[:, None])).flatten()
    seen = None
    if (n_asked < n_all).any():  # else padding lies behind what anyone sees
        ends = (n_all - n_asked)[:, None] + place
        seen = (torch.arange(keys.shape[1]) <= ends[..., None])[:, None].to(device)
    written = queries.flatten()[kept]
    return _Reads(queries.to(device), keys.to(device), seen, kept.to(device), written.to(device))


def _padded(rows: Sequence[NDArray[np.int64]]) -> Tensor:
    most = max(map(len, rows))
    return torch.stack([pad(torch.from_numpy(row), (0, most - len(row))) for row in rows])


def _reads_of_one(path: _Path, device: torch.device) -> _Reads:
    new = slice(int(path.places[-path.n_new]), int(path.places[-1]) + 1)
    n_all, n_asked = len(path.places), path.n_asked
    if n_all == path.n_new:
        return _Reads(new, new, None, slice(None), new)
    keys = torch.from_numpy(path.places)[None].to(device)
    if n_all == n_asked:
        return _Reads(keys, keys, None, slice(-path.n_new, None), new)
    seen = torch.arange(n_all) <= torch.arange(n_all - n_asked, n_all)[:, None]
    return _Reads(new, keys, seen[None, None].to(device), slice(None), new)


def _attend(query: Tensor, key: Tensor, value: Tensor, reads: Sequence[_Reads]) -> Tensor:
    """Return what the queries read, shape (N, H * D)."""
    out = torch.zeros_like(query)
    for each in reads:
        read = scaled_dot_product_attention(
            _heads(query, each.queries),
            _heads(key, each.keys),
            _heads(value, each.keys),
            attn_mask=each.seen,
            is_causal=each.seen is None,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        out[each.written] = read.transpose(1, 2).flatten(0, 1)[each.kept]
    return out.flatten(1)


def _heads(rows: Tensor, places: Tensor | slice) -> Tensor:
    """Return the rows at some places by head, shape (B, heads, places, D)."""
    taken = rows[places][None] if isinstance(places, slice) else rows[places]
    return taken.transpose(1, 2)
