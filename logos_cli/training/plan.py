"""The plan of a run without training: parameters, tokens, passes over each domain, memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

from logos_cli.checkpoints.locate import first_line
from logos_cli.errors import ModelError
from logos_cli.training.config import TrainConfig
from logos_cli.training.corpus.shards import Corpus
from logos_cli.training.model import Base, context_tokens, count_parameters, new_model, require_transformers
from logos_cli.training.resolve import longest_sentence
from logos_cli.training.run.optimization import is_decaying

_ADAMW_BYTES: Final = 8
_MUON_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class DomainPlan:
    """The part of one domain in a run.

    Attributes
    ----------
    share : float
        Share of the tokens of the whole run.
    n_tokens : int
        Tokens seen.
    epochs : float
        Passes over each sentence.
    n_sentences : int
        Sentences of the training split.
    answer_only : bool
        Whether only the answer counts in the loss.
    """

    share: float
    n_tokens: int
    epochs: float
    n_sentences: int
    answer_only: bool


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run before it begins.

    Attributes
    ----------
    model : str
        Architecture and shape.
    n_parameters, n_trained : int
        All parameters (shared ones once), and trained ones.
    n_steps, n_tokens : int
        Steps and tokens of the whole run.
    longest : int
        Tokens of the longest sentence.
    memory_bytes : int
        Weights, gradients, optimizer and activations of one process, estimated.
    domains : dict of str to DomainPlan
    """

    model: str
    n_parameters: int
    n_trained: int
    n_steps: int
    n_tokens: int
    longest: int
    memory_bytes: int
    domains: dict[str, DomainPlan]


def make_plan(config: TrainConfig, corpus: Corpus, base: Base | None, n_processes: int = 1) -> RunPlan:
    """Return the plan of a resolved configuration.

    Raises
    ------
    InputError
        If a sentence is longer than the model's context.
    """
    require_transformers()
    with torch.device("meta"):
        model = _shape(config, corpus, base)
    n_parameters, n_trained = count_parameters(model)
    if config.lora is not None:
        linear = [
            part
            for name, part in model.named_modules()
            if isinstance(part, torch.nn.Linear) and name.rsplit(".", 1)[-1] in config.lora.targets
        ]
        n_trained = config.lora.rank * sum(part.in_features + part.out_features for part in linear)
    longest = longest_sentence(corpus, config, context_tokens(model))
    domains = _domains(config, corpus)
    shape = model.config
    return RunPlan(
        model=f"{shape.model_type}, {shape.num_hidden_layers} layers of {shape.hidden_size}",
        n_parameters=n_parameters,
        n_trained=n_trained,
        n_steps=config.schedule.n_steps,
        n_tokens=config.schedule.n_steps * config.data.n_step_tokens,
        longest=longest,
        memory_bytes=_memory(config, model, n_parameters, n_trained, longest, n_processes),
        domains=domains,
    )


def _shape(config: TrainConfig, corpus: Corpus, base: Base | None) -> Any:
    if base is None:
        return new_model(config.model, corpus.vocabulary, config.run.seed)
    from transformers import AutoConfig, AutoModelForCausalLM

    make: Any = AutoModelForCausalLM

    try:
        shape = AutoConfig.from_pretrained(base.path, trust_remote_code=False, local_files_only=True)
        shape.vocab_size = max(shape.vocab_size, corpus.vocabulary.n_tokens)
        return make.from_config(shape, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"transformers cannot make the model: {first_line(error)}", source=str(base.path)) from error


def _domains(config: TrainConfig, corpus: Corpus) -> dict[str, DomainPlan]:
    schedule, data = config.schedule, config.data
    n_decay = sum(is_decaying(schedule, step) for step in range(schedule.n_steps)) if data.decay_weights else 0
    phases: list[tuple[int, Mapping[str, float]]] = [
        (schedule.n_steps - n_decay, data.weights),
        (n_decay, data.decay_weights),
    ]
    shards = corpus.shards("train")
    found = {}
    for name, shard in shards.items():
        seen = sum(
            steps * data.n_step_tokens * weights.get(name, 0.0) / sum(weights.values())
            for steps, weights in phases
            if steps
        )
        if seen:
            found[name] = DomainPlan(
                share=seen / (schedule.n_steps * data.n_step_tokens),
                n_tokens=round(seen),
                epochs=seen / max(1, shard.n_tokens),
                n_sentences=len(shard),
                answer_only="*" in data.answer_only or name in data.answer_only,
            )
    return found


def _memory(config: TrainConfig, model: Any, n_parameters: int, n_trained: int, longest: int, n_processes: int) -> int:
    """Estimate the bytes of one process.

    These are weights (float32, or half precision if frozen), gradients, moments, activations and logits. The backward
    pass of a decoder layer needs about 16 numbers of the hidden size and 6 of the inner size for each token, and without
    a fused kernel also the attention scores.
    """
    n_frozen = n_parameters - n_trained if config.lora is not None else 0
    moments = _ADAMW_BYTES if config.optimizer.name == "adamw" else _MUON_BYTES
    states = 4 * (n_parameters - n_frozen) + 2 * n_frozen + (4 + moments) * n_trained
    if config.run.sharding == "fsdp":
        states //= n_processes
    shape, width = model.config, 4 if config.run.precision == "fp32" else 2
    n_tokens = max(config.data.n_micro_tokens, longest)
    inner = int(getattr(shape, "intermediate_size", 4 * shape.hidden_size))
    per_token = 16 * shape.hidden_size + 6 * inner
    if config.run.attention in ("auto", "eager"):
        per_token += 4 * shape.num_attention_heads * min(longest, 512)
    n_layers = 1 if config.run.gradient_checkpointing else shape.num_hidden_layers
    activations = width * n_tokens * (n_layers * per_token + shape.num_hidden_layers * shape.hidden_size)
    logits = 12 * min(n_tokens, 4096) * shape.vocab_size
    return int(states + activations + logits)
