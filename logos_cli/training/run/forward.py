"""The loss of packed sentences under any causal language model, and its number of operations."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from logos_cli.errors import UsageError
from logos_cli.training.config import RunConfig
from logos_cli.training.corpus.packing import MicroBatch, block_mask, dense_mask

_PLAIN_HEADS: Final = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Architectures with logits that are just the output embeddings times the last hidden state."""

_LARGE_VOCABULARY: Final = 1 << 15
_CHUNK: Final = 2_048
_DTYPES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def dtype_of(precision: str) -> torch.dtype:
    """Return the dtype of matrix products."""
    return _DTYPES[precision]


class SentenceLoss(torch.nn.Module):
    """A causal language model that returns the cross-entropy of the tokens in the loss.

    Logits are computed for those tokens only. With a large vocabulary they are computed a part at a time, and again in the
    backward pass, since they would take more memory than the model.

    Parameters
    ----------
    model : PreTrainedModel or PeftModel
    attention : {"eager", "sdpa", "flex"}
    mask_dtype : torch.dtype
        Type of the additive mask of eager and sdpa.
    """

    def __init__(self, model: Any, attention: str, mask_dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self._attention = attention
        self._mask_dtype = mask_dtype
        inner = self.inner
        inner.set_attn_implementation({"flex": "flex_attention"}.get(attention, attention))
        self._plain = inner.config.model_type in _PLAIN_HEADS

    @property
    def inner(self) -> Any:
        """The transformers model, adapters injected or not."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    def forward(
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        documents: torch.Tensor,
        targets: torch.Tensor,
        labels: torch.Tensor,
        mask: Any = None,
        weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the cross-entropy in nats, the weighted sum over the labels."""
        inner = self.inner
        if mask is None:
            mask = dense_mask(documents, self._mask_dtype)
        inputs = {"input_ids": input_ids, "position_ids": position_ids, "attention_mask": mask, "use_cache": False}
        if not self._plain:
            logits = inner(**inputs).logits.flatten(0, 1)[targets]
            return _summed(logits, labels, weights)
        hidden = inner.get_decoder()(**inputs).last_hidden_state.flatten(0, 1)[targets]
        head = inner.get_output_embeddings()
        if inner.config.vocab_size < _LARGE_VOCABULARY:
            return _cross_entropy(head, hidden, labels, weights)
        hiddens, wanted = torch.split(hidden, _CHUNK), torch.split(labels, _CHUNK)
        weighted = [None] * len(wanted) if weights is None else torch.split(weights, _CHUNK)
        total: torch.Tensor = hidden.new_zeros((), dtype=torch.float32)
        for part in zip(hiddens, wanted, weighted, strict=True):
            total = total + checkpoint(_cross_entropy, head, *part, use_reentrant=False)
        return total


def _cross_entropy(
    head: torch.nn.Module, hidden: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None
) -> torch.Tensor:
    return _summed(head(hidden), labels, weights)


def _summed(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    if weights is None:
        return functional.cross_entropy(logits.float(), labels, ignore_index=-100, reduction="sum")
    each = functional.cross_entropy(logits.float(), labels, ignore_index=-100, reduction="none")
    return (each * weights).sum()


def choose_attention(run: RunConfig, device: torch.device) -> str:
    """Return the kernel of ``attention``, also for ``auto``.

    On a CPU plain attention is 1.3 times faster than the fused kernel at rows of 128 to 256 tokens.

    Raises
    ------
    UsageError
        If the kernel cannot train on the device.
    """
    if run.attention == "auto":
        if device.type == "cuda":
            return "flex" if run.compile else "sdpa"
        return "eager" if device.type == "cpu" else "sdpa"
    if run.attention == "flex" and (device.type != "cuda" or not run.compile):
        raise UsageError(
            'attention = "flex" needs a CUDA device and compile = true', hint='take "auto", "sdpa" or "eager"'
        )
    return run.attention


def check_precision(run: RunConfig, device: torch.device, n_processes: int) -> None:
    """Refuse a precision that cannot train here.

    Raises
    ------
    UsageError
        If it cannot.
    """
    if run.precision == "fp16" and (device.type != "cuda" or n_processes > 1):
        raise UsageError(
            "fp16 trains on one CUDA device only", hint='take precision = "bf16", which needs no loss scaling'
        )


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Return the context in which matrix products have the precision."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype_of(precision))


def loss_sum(forward: Any, batch: MicroBatch, attention: str, precision: str) -> torch.Tensor:
    """Return the cross-entropy of a micro batch in nats, summed; ``forward`` is a (compiled) SentenceLoss."""
    mask = block_mask(batch.documents) if attention == "flex" else None
    with autocast(batch.input_ids.device, precision):
        loss: torch.Tensor = forward(
            batch.input_ids, batch.position_ids, batch.documents, batch.targets, batch.labels, mask, batch.weights
        )
    return loss


@dataclass(frozen=True, slots=True)
class FlopCount:
    """Floating-point operations of training, forward and backward, without padding and recomputation.

    6 N T + 6 L W P for a step, with T its tokens and P the sum of the squared lengths of its sentences: a causal
    sentence of n tokens has n^2 / 2 pairs; each costs 2 W operations for the scores and 2 W for the values, and
    twice that again in the backward pass. A frozen parameter has no gradient and counts for 4 instead of 6.

    Attributes
    ----------
    n_matrix, n_frozen : int
        N: parameters that take part in matrix products (the input embedding only if it is the output embedding
        too), and how many of them are not trained.
    n_layers, width : int
        L, and W: heads times their width.
    """

    n_matrix: int
    n_frozen: int
    n_layers: int
    width: int

    @classmethod
    def of(cls, model: Any) -> FlopCount:
        """Return the count of a transformers model, before its parameters are put in shards."""
        config = model.config
        embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings()
        parts = list(model.parameters())
        if head is None or head.weight is not embedding:
            parts = [part for part in parts if part is not embedding]
        n_matrix = sum(part.numel() for part in parts)
        n_frozen = sum(part.numel() for part in parts if not part.requires_grad)
        n_heads = int(getattr(config, "num_attention_heads", 1))
        width = n_heads * int(getattr(config, "head_dim", None) or config.hidden_size // n_heads)
        return cls(n_matrix, n_frozen, int(config.num_hidden_layers), width)

    def step(self, n_tokens: int, n_pairs: int) -> float:
        """Return the operations of a step; ``n_pairs`` is the sum of squared lengths."""
        return (6.0 * self.n_matrix - 2.0 * self.n_frozen) * n_tokens + 6.0 * self.n_layers * self.width * n_pairs


def matrix_flops_per_s(device: torch.device, precision: str, budget_s: float = 0.3) -> float:
    """Return the best measured rate of matrix products of this device."""
    size = 8_192 if device.type == "cuda" else 1_024
    dtype = dtype_of(precision)
    a = torch.randn(size, size, device=device).to(dtype)
    b = torch.randn(size, size, device=device).to(dtype)
    best, end = 0.0, time.monotonic() + budget_s
    n_done = 0
    while n_done < 4 or time.monotonic() < end:
        _synchronize(device)
        start = time.perf_counter()
        a @ b
        _synchronize(device)
        best = max(best, 2.0 * size**3 / (time.perf_counter() - start))
        n_done += 1
    return best


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
