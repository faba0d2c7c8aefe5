"""Llama and Qwen3 decoders over a cache with one row per sequence.

The models of ``transformers`` have one cache for a batch, whose sequences begin and end together, and their import
takes five seconds. Here each row of the cache is a sequence at its own position, so that one can begin while others
continue. A test compares the logits with those of ``transformers``.

The layers of a network too large for one device form *stages*, one for each device, that run one after another.

Shapes: R rows (sequences), L tokens of one prompt, H query heads in groups of G per key head (K of them), D
the width of a head, T positions of the cache, V logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import chain

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from logos_cli.backends.torch.layers import Layer, Weights, make_layer
from logos_cli.backends.torch.linear import ROWS_OF_HALF, Half, computed_in, layout, make_linear, rms_norm
from logos_cli.checkpoints.config import DecoderConfig, stage_of_layer
from logos_cli.checkpoints.rotary import angles

KEYS = 64
"""Attention runs over a multiple of this many positions, so that sums over positions split into vectors in the same
way for every length."""

_ROWS = 8
"""Multiple of the number of rows where bits depend on it. Products of fewer rows use other code, which rounds
differently, and the text of a sequence would depend on the size of its batch."""

_BLOCK_ROWS = 16
_CHUNK = {"cpu": 256, "mps": 512, "cuda": 4096}


@dataclass(slots=True)
class _Stage:
    """Consecutive layers on one device."""

    device: torch.device
    layers: list[Layer]
    cos: Tensor
    sin: Tensor
    caches: list[tuple[Tensor, Tensor]]
    """Keys and values of each layer, shape (R, K, T, D)."""


@dataclass(slots=True)
class _Block:
    """Rows that attend to the same number of positions, with the bias that hides positions beyond the end of each."""

    start: int
    stop: int
    n_keys: int
    bias: Tensor


@dataclass(frozen=True, slots=True)
class _Span:
    """Consecutive tokens of one row: ``n`` tokens of a pass from ``first``, at the positions from ``start``."""

    row: int
    first: int
    n: int
    start: int


@dataclass(slots=True)
class _PassLayout:
    """Positions of the tokens of a pass: one in each of the first rows, or spans of several rows."""

    cos: Tensor
    sin: Tensor
    positions: Tensor | None = None
    rows: Tensor | None = None
    blocks: Sequence[_Block] = ()
    spans: Sequence[_Span] = ()


class Decoder:
    """The network and its cache.

    Parameters
    ----------
    tensors : dict
        Weights by the names of ``transformers``, all of one dtype, each on the device of its stage. The decoder
        removes them when it copies them to its own layout.
    devices : sequence of torch.device, optional
        The device of each stage; default: the device of the embedding.
    quantization : str, optional
        Type of the matrices of the layers in fewer bits, see :mod:`.quantized`; they may be on another device than
        their stage.

    Raises
    ------
    ModelError
        If a tensor is missing, has another shape, or is not part of these networks.
    """

    def __init__(
        self,
        config: DecoderConfig,
        tensors: dict[str, Tensor],
        devices: Sequence[torch.device] = (),
        quantization: str | None = None,
    ) -> None:
        self.config = config
        vocabulary, width = config.vocabulary_size, config.hidden_size
        self.embedding = Weights(tensors).pop("model.embed_tokens.weight", vocabulary, width)
        self.device = self.embedding.device
        self.dtype = computed_in(self.embedding.dtype, self.device)
        """Type of sums and cache; the matrices may have fewer bits."""
        weights = Weights(tensors, self.dtype)
        self.norm = weights.pop("model.norm.weight", width)
        places = list(devices) or [self.device]
        head = self.embedding if config.tied else weights.pop("lm_head.weight", vocabulary, width)
        self.head = make_linear(head.to(places[-1]))
        # one more than the context: in a step of other rows, a full row writes its padding there
        n_angles = -(-(config.context_tokens + 1) // KEYS) * KEYS
        half = torch.from_numpy(angles(config, n_angles))
        both = torch.cat((half, half), dim=-1)
        self.stages = [
            _Stage(place, [], both.cos().to(place, self.dtype), both.sin().to(place, self.dtype), [])
            for place in places
        ]
        for index in range(config.n_layers):
            stage = self.stages[stage_of_layer(index, config.n_layers, len(places))]
            stage.layers.append(make_layer(weights, index, config, stage.device, quantization))
        weights.refuse_rest(tied=config.tied)
        on_cpu = all(place.type == "cpu" for place in places)
        self.exact = quantization is None and on_cpu and layout(self.embedding.dtype).exact
        """Whether the logits of a row are the same bits in every batch and with every number of threads."""
        self.row_multiple = _ROWS
        if self.exact:
            self.row_multiple = ROWS_OF_HALF if layout(self.embedding.dtype).linear is Half else 1
        """Steps and prompts have a multiple of this many rows."""
        self.n_rows = 0
        """Rows of the cache."""
        self.n_positions = 0
        """Positions of a row of the cache."""

    @property
    def n_parameters(self) -> int:
        """Size of the network; tied embeddings count once."""
        total = self.embedding.numel() + self.norm.numel()
        total += 0 if self.config.tied else self.head.n_parameters
        for layer in (layer for stage in self.stages for layer in stage.layers):
            weights = (getattr(layer, field.name) for field in fields(layer))
            total += sum(
                weight.numel() if isinstance(weight, Tensor) else weight.n_parameters
                for weight in weights
                if weight is not None
            )
        return total

    def reserve(self, n_rows: int, n_positions: int) -> None:
        """Allocate a cache for this many rows and positions; existing rows keep their content.

        The allocation is layer by layer, so that old and new cache are never in memory together.
        """
        rows, positions = min(n_rows, self.n_rows), min(n_positions, self.n_positions)
        self.n_rows, self.n_positions = 0, 0
        for stage in self.stages:
            if rows * positions == 0:
                stage.caches = []
            for index in range(len(stage.layers)):
                fresh = self._empty_cache(stage.device, n_rows, n_positions)
                if rows * positions == 0:
                    stage.caches.append(fresh)
                    continue
                for new, old in zip(fresh, stage.caches[index], strict=True):
                    new[:rows, :, :positions] = old[:rows, :, :positions]
                stage.caches[index] = fresh
        self.n_rows, self.n_positions = n_rows, n_positions

    def _empty_cache(self, device: torch.device, n_rows: int, n_positions: int) -> tuple[Tensor, Tensor]:
        """Return keys and values of one layer, shape (R, K, T, D).

        On a CPU the memory layout of keys is (R, K, D, T): a product with one query then adds whole rows, which is
        twice as fast as the short scalar products.
        """
        heads, width = self.config.n_kv_heads, self.config.head_dim
        # zeros, because a masked position has weight 0, and 0 times NaN is NaN
        values = torch.zeros((n_rows, heads, n_positions, width), device=device, dtype=self.dtype)
        if device.type != "cpu":
            return torch.zeros_like(values), values
        keys = torch.zeros((n_rows, heads, width, n_positions), device=device, dtype=self.dtype)
        return keys.transpose(2, 3), values

    def release(self) -> None:
        """Free the cache."""
        self.n_rows, self.n_positions = 0, 0
        for stage in self.stages:
            stage.caches = []

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first positions of a row to another."""
        for stage in self.stages:
            for cache in chain.from_iterable(stage.caches):
                cache[target, :, :length] = cache[source, :, :length]

    def prefill(self, rows: Sequence[int], prompts: Sequence[Sequence[int]]) -> Tensor:
        """Run prompts in empty rows; return the logits after the last token of each, shape (len(rows), V)."""
        # the last token does not see the padding, which later steps overwrite
        padded = [[*prompt, *[0] * (-len(prompt) % self.row_multiple)] for prompt in prompts]
        last: dict[int, Tensor] = {}
        for spans in _passes(rows, [len(tokens) for tokens in padded], _CHUNK.get(self.device.type, 512)):
            pieces = [padded[i][span.start : span.start + span.n] for i, span in spans]
            ids = torch.tensor([*chain(*pieces)], dtype=torch.long, device=self.device)
            hidden = self.embed(ids)
            for stage in self.stages:
                place = self._spans(stage, [span for _, span in spans])
                hidden = self._run(stage, hidden.to(stage.device), place)
            for i, span in spans:
                end = len(prompts[i]) - 1 - span.start
                if 0 <= end < span.n:
                    last[i] = hidden[span.first + end]
        states = torch.stack([last[i] for i in range(len(prompts))])
        return self.logits(pad(states, (0, 0, 0, -len(states) % self.row_multiple)))[: len(states)]

    def step(self, tokens: Sequence[int], positions: Sequence[int], n_used: int | None = None) -> Tensor:
        """Run one token in each of the first R rows, at that row's position; return logits, shape (R, V).

        Parameters
        ----------
        n_used : int, optional
            Rows from this one on only pad the products: they attend to nothing.
        """
        ids = torch.tensor([list(tokens), list(positions)], device=self.device)
        return self.step_tensors(ids[0], ids[1], self.blocks(positions[:n_used]))

    def blocks(self, positions: Sequence[int]) -> list[tuple[int, int, int]]:
        """Return (start, stop, n_keys): neighbouring rows and their number of attended positions.

        On a CPU, blocks save short rows the cost of the longest; on other devices fewer and larger operations are
        faster.
        """
        size = _BLOCK_ROWS if self.device.type == "cpu" else len(positions)
        blocks: list[tuple[int, int, int]] = []
        for start in range(0, len(positions), size):
            stop = min(start + size, len(positions))
            used = max(positions[start:stop]) + 1
            n_keys = min(-(-used // KEYS) * KEYS, self.n_positions)
            if blocks and blocks[-1][2] == n_keys:
                blocks[-1] = (blocks[-1][0], stop, n_keys)
            else:
                blocks.append((start, stop, n_keys))
        return blocks

    def step_tensors(self, tokens: Tensor, positions: Tensor, blocks: Sequence[tuple[int, int, int]]) -> Tensor:
        """Run a step whose inputs are on the first device; no tensor is copied to the host."""
        hidden = self.embed(tokens)
        for stage in self.stages:
            place = self._rows(stage, positions.to(stage.device), blocks)
            hidden = self._run(stage, hidden.to(stage.device), place)
        return self.logits(hidden)

    def embed(self, tokens: Tensor) -> Tensor:
        """Return the input of the first layer, shape (N, width)."""
        return self.embedding[tokens].to(self.dtype)

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logits of each row of the last layer's output, shape (N, V)."""
        normed = rms_norm(hidden, self.norm.shape, self.norm.to(hidden.device), self.config.norm_eps)
        return self.head(normed)

    def _rows(self, stage: _Stage, positions: Tensor, blocks: Sequence[tuple[int, int, int]]) -> _PassLayout:
        kv_heads = self.config.n_kv_heads
        most = max(n_keys for _, _, n_keys in blocks)
        beyond = torch.arange(most, device=stage.device) > positions[:, None]
        hidden = torch.zeros(beyond.shape, dtype=self.dtype, device=stage.device)
        hidden = hidden.masked_fill_(beyond, float("-inf"))
        biases = (hidden[start:stop, None, :n_keys] for start, stop, n_keys in blocks)
        row_blocks = [
            _Block(*block, bias.expand(-1, kv_heads, -1).reshape(-1, 1, block[2]))
            for block, bias in zip(blocks, biases, strict=True)
        ]
        rows = torch.arange(len(positions), device=stage.device)
        return _PassLayout(stage.cos[positions][:, None], stage.sin[positions][:, None], positions, rows, row_blocks)

    def _spans(self, stage: _Stage, spans: Sequence[_Span]) -> _PassLayout:
        cos, sin = (
            torch.cat([table[span.start : span.start + span.n] for span in spans])[:, None]
            for table in (stage.cos, stage.sin)
        )
        return _PassLayout(cos, sin, spans=spans)

    def _run(self, stage: _Stage, hidden: Tensor, place: _PassLayout) -> Tensor:
        """Run the layers of a stage, which overwrite ``hidden``, shape (N, width)."""
        eps, width = self.config.norm_eps, (self.config.hidden_size,)
        for layer, cache in zip(stage.layers, stage.caches, strict=True):
            qkv = layer.qkv(rms_norm(hidden, width, layer.norm_in, eps))
            query, key, value = self.split(qkv, layer, place.cos, place.sin)
            attend = self._attend_spans if place.spans else self._attend
            hidden += layer.out(attend(query, key, value, cache, place))
            hidden += layer.down(layer.gated(rms_norm(hidden, width, layer.norm_mlp, eps)))
        return hidden

    def split(self, qkv: Tensor, layer: Layer, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries (N, H, D), keys and values (N, K, D); queries and keys are normed and rotated."""
        config = self.config
        heads, width = config.n_heads + config.n_kv_heads, config.head_dim
        split = qkv.view(len(qkv), -1, width)
        both = split[:, :heads]
        if layer.norm_qk is not None:
            both = rms_norm(both, (width,), None, config.norm_eps) * layer.norm_qk
        rotated = torch.cat((-both[..., width // 2 :], both[..., : width // 2]), dim=-1)
        both = both * cos + rotated * sin
        return both[:, : config.n_heads], both[:, config.n_heads :], split[:, heads:]

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, cache: tuple[Tensor, Tensor], place: _PassLayout
    ) -> Tensor:
        """Write one new position of each row and return the attention output, (R, H * D)."""
        n, kv_heads, width = len(query), self.config.n_kv_heads, self.config.head_dim
        keys, values = cache
        keys[place.rows, :, place.positions] = key
        values[place.rows, :, place.positions] = value
        query = query.reshape(n * kv_heads, -1, width)
        outputs = []
        for block in place.blocks:
            rows = slice(block.start, block.stop)
            block_keys = keys[rows, :, : block.n_keys].flatten(0, 1)
            queries = query[block.start * kv_heads : block.stop * kv_heads]
            scores = torch.baddbmm(block.bias, queries, block_keys.transpose(1, 2), alpha=width**-0.5)
            weights = scores.softmax(dim=-1, dtype=torch.float32).to(self.dtype)
            outputs.append(torch.bmm(weights, values[rows, :, : block.n_keys].flatten(0, 1)))
        joined = (outputs[0] if len(outputs) == 1 else torch.cat(outputs)).view(place.blocks[-1].stop, -1)
        return joined if len(joined) == n else pad(joined, (0, 0, 0, n - len(joined)))

    def _attend_spans(
        self, query: Tensor, key: Tensor, value: Tensor, cache: tuple[Tensor, Tensor], place: _PassLayout
    ) -> Tensor:
        """Write the new positions of some rows and return the attention output, (N, H * D)."""
        outputs = []
        for span in place.spans:
            new, end = slice(span.first, span.first + span.n), span.start + span.n
            keys, values = (tensor[span.row, None, :, :end] for tensor in cache)
            keys[0, :, span.start :] = key[new].transpose(0, 1)
            values[0, :, span.start :] = value[new].transpose(0, 1)
            mask = None
            if span.start:
                positions = torch.arange(end, device=query.device)
                mask = positions <= positions[span.start :, None]
            else:
                keys = key[new].transpose(0, 1)[None]
            output = scaled_dot_product_attention(
                query[new].transpose(0, 1)[None],
                keys,
                values,
                attn_mask=mask,
                is_causal=mask is None,
                enable_gqa=self.config.n_heads != self.config.n_kv_heads,
            )
            outputs.append(output[0].transpose(0, 1).reshape(span.n, -1))
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _passes(rows: Sequence[int], lengths: Sequence[int], most: int) -> list[list[tuple[int, _Span]]]:
    """Distribute prompts over passes of at most ``most`` tokens; return (prompt, span) of each pass.

    A prompt is cut at multiples of ``most`` from its own beginning, so that its spans, and with them the bits of its
    logits, do not depend on its neighbours.
    """
    passes: list[list[tuple[int, _Span]]] = []
    used = most
    for i, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        for start in range(0, length, most):
            n = min(most, length - start)
            if used + n > most:
                passes.append([])
                used = 0
            passes[-1].append((i, _Span(row, used, n, start)))
            used += n
    return passes
