"""A plain script for comparison: batches of sixteen that wait for their longest, then a forward pass per sample."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from logos_cli.engine.sampler import Sampling
from logos_cli.errors import MissingError

BATCH_SIZE = 16


class NaiveRun(TypedDict):
    """The time of a run, without loading, and the tokens of its answers."""

    seconds: float
    tokens: int


def naive_run(
    directory: Path, prompt: Sequence[int], sampling: Sampling, n_samples: int, *, device: str, dtype: str, seed: int
) -> NaiveRun:
    """Complete one prompt with ``transformers.generate``, and compute perplexities one at a time."""
    import torch

    try:
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging
    except ImportError as error:
        raise MissingError(
            "the paired reference needs transformers", hint="pip install 'transformers>=5.1', or leave out --naive"
        ) from error
    quiet: Any = logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        directory, dtype=getattr(torch, dtype), trust_remote_code=False, use_safetensors=True
    )
    model = loaded.to(device).eval()
    ends = model.generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends])
    torch.manual_seed(seed)
    n_tokens, start = 0, time.perf_counter()
    with torch.inference_mode():
        for first in range(0, n_samples, BATCH_SIZE):
            rows = torch.tensor([list(prompt)] * min(BATCH_SIZE, n_samples - first), device=device)
            out = model.generate(
                rows,
                attention_mask=torch.ones_like(rows),
                do_sample=True,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                top_k=sampling.top_k,
                repetition_penalty=sampling.repetition_penalty,
                max_new_tokens=sampling.max_new_tokens,
            )
            for row in out.tolist():
                answer = row[len(prompt) :]
                length = next((i + 1 for i, token in enumerate(answer) if token in ends), len(answer))
                n_tokens += length
                text = torch.tensor([row[: len(prompt) + length]], device=device)
                float(model(text, labels=text).loss.exp())
    return {"seconds": time.perf_counter() - start, "tokens": n_tokens}
