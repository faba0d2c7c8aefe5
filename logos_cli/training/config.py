"""The configuration of a training run, as nested frozen dataclasses: one for each table of a configuration file.

:mod:`~logos_cli.training.config_file` reads them from TOML and checks them key by key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal


def _bounded(default: Any, low: float | None = None, high: float | None = None) -> Any:
    """Return a field for a number from ``low`` to ``high``, both included."""
    return field(default=default, metadata={"low": low, "high": high})


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Table ``[model]``: the model to train.

    Attributes
    ----------
    base : str, optional
        Directory or hub name of the model to start from; the other keys are then not used.
    revision : str, optional
        Branch, tag or commit of ``base`` on the hub.
    architecture : {"llama", "qwen3"}
        Architecture of a new model.
    n_kv_heads, head_dim : int, optional
        Key and value heads (default: as many as query heads), and their width (default:
        ``hidden_size / n_heads``).
    context_length : int
        Tokens of the longest sentence.
    tie_embeddings : bool
        Input and output embeddings are one matrix.
    """

    base: str | None = None
    revision: str | None = None
    architecture: Literal["llama", "qwen3"] = "llama"
    hidden_size: int = _bounded(160, 8)
    intermediate_size: int = _bounded(448, 8)
    n_layers: int = _bounded(5, 1)
    n_heads: int = _bounded(5, 1)
    n_kv_heads: int | None = _bounded(None, 1)
    head_dim: int | None = _bounded(None, 2)
    context_length: int = _bounded(2048, 16)
    rope_theta: float = _bounded(10_000.0, 1.0)
    tie_embeddings: bool = True


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Table ``[data]``: the mixture of sentences, and the weights of their tokens in the loss.

    Attributes
    ----------
    weights, decay_weights : dict of str to float
        Share of each domain in the tokens seen (default: that of the corpus), and in the decay phase of the
        schedule (default: the same); they need not sum to one.
    answer_only : tuple of str
        Domains in which only the answer of the task counts in the loss (post-training); ``"*"`` is all.
    prompt_weight : float
        Weight of the tokens of their prompts in the loss; 0 leaves them out.
    tag_weight : float
        Weight of the decision to tag a residue or not in the answer of a search; other tokens have 1.
    n_step_tokens, n_micro_tokens : int
        Tokens of one optimizer step over all processes, and of one forward pass of one of them.
    verify : bool
        First compare every file of the corpus with its hash.
    """

    weights: dict[str, float] = field(default_factory=dict)
    decay_weights: dict[str, float] = field(default_factory=dict)
    answer_only: tuple[str, ...] = ()
    prompt_weight: float = _bounded(0.0, 0.0, 1.0)
    tag_weight: float = _bounded(1.0, 0.0)
    n_step_tokens: int = _bounded(8_192, 1)
    n_micro_tokens: int = _bounded(4_096, 16)
    verify: bool = True


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """Table ``[optimizer]``.

    Attributes
    ----------
    name : {"adamw", "muon"}
        ``muon`` uses Muon for the weight matrices inside the layers, and AdamW for embeddings and norms.
    learning_rate : float
        Learning rate of AdamW.
    matrix_learning_rate : float
        Learning rate of Muon.
    weight_decay : float
        Weight decay of matrices; embeddings and vectors have none.
    max_gradient_norm : float
        Norm to which longer gradients are clipped.
    average : float
        Share of the past that the moving average of the weights keeps in a step (0.998 is about the last 500
        steps). The average is evaluated and written. 0 turns it off.
    """

    name: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = _bounded(3e-3, 0.0)
    matrix_learning_rate: float = _bounded(0.02, 0.0)
    weight_decay: float = _bounded(0.01, 0.0)
    beta1: float = _bounded(0.9, 0.0, 1.0)
    beta2: float = _bounded(0.95, 0.0, 1.0)
    max_gradient_norm: float = _bounded(1.0, 0.0)
    average: float = _bounded(0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """Table ``[schedule]``: the number of steps, and the learning rate over time.

    Attributes
    ----------
    name : {"wsd", "cosine", "linear", "constant"}
        ``wsd``: warm-up, stable, then linear decay over the last ``n_decay_steps``; the others decay right after the
        warm-up (``constant`` never).
    final_factor : float
        Share of the learning rate at the end.
    """

    name: Literal["wsd", "cosine", "linear", "constant"] = "wsd"
    n_steps: int = _bounded(1000, 1)
    n_warmup_steps: int = _bounded(50, 0)
    n_decay_steps: int = _bounded(300, 0)
    final_factor: float = _bounded(0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """Table ``[evaluation]``: measurements on held-out sentences during training.

    Attributes
    ----------
    every_steps : int
        0 evaluates at the end only.
    n_tokens : int
        Approximate number of held-out tokens of each domain.
    n_samples : int
        Samples of each domain, for the share of well-formed ones; 0 turns it off.
    max_new_tokens : int
        A longer sample counts as not well formed.
    """

    every_steps: int = _bounded(500, 0)
    n_tokens: int = _bounded(8_192, 16)
    n_samples: int = _bounded(4, 0)
    max_new_tokens: int = _bounded(256, 1)
    temperature: float = _bounded(1.0, 0.0)


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Table ``[run]``: the computation, and the kept files.

    Attributes
    ----------
    precision : {"bf16", "fp16", "fp32"}
        Precision of matrix products; weights and optimizer stay in float32.
    compile : bool
        Compile the model: this takes a minute, and steps are then 1.3 to 1.9 times as fast. A CPU needs a C++ compiler.
    attention : {"auto", "eager", "sdpa", "flex"}
        ``auto``: flex on CUDA if the model is compiled, else sdpa on GPUs, eager on a CPU.
    sharding : {"none", "fsdp"}
        Over several processes: whole copies of the model, or its parameters, gradients and optimizer
        state in shards.
    threads : int, optional
        CPU threads of one process (default: what ``OMP_NUM_THREADS`` or Slurm gives, else all cores).
    n_checkpoints : int
        Number of kept checkpoints, the last ones.
    keep_best : bool
        Keep the model with the lowest held-out loss in ``best/``.
    export_dtype : {"auto", "float32", "bfloat16", "float16"}
        Type of the written weights; ``auto`` is that of the base model, else float32.
    """

    seed: int = _bounded(20, 0)
    precision: Literal["bf16", "fp16", "fp32"] = "bf16"
    compile: bool = False
    attention: Literal["auto", "eager", "sdpa", "flex"] = "auto"
    gradient_checkpointing: bool = False
    device: str = "auto"
    threads: int | None = _bounded(None, 1)
    sharding: Literal["none", "fsdp"] = "none"
    checkpoint_every_minutes: float = _bounded(5.0, 0.0)
    n_checkpoints: int = _bounded(1, 1)
    keep_best: bool = True
    log_every_steps: int = _bounded(20, 1)
    export_dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """Table ``[lora]``: train low-rank adapters of a base model instead of the model (needs peft).

    Attributes
    ----------
    targets : tuple of str
        Names of the linear layers that get adapters.
    merge : bool
        Write the model with the adapters merged into its weights, too.
    """

    rank: int = _bounded(16, 1)
    alpha: float = _bounded(32.0, 0.0)
    dropout: float = _bounded(0.0, 0.0, 1.0)
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    merge: bool = True


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A whole configuration file: it determines a run, together with corpus and code."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    run: RunConfig = field(default_factory=RunConfig)
    lora: LoraConfig | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the tables as JSON values."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return data


def with_base(config: TrainConfig, base: str) -> TrainConfig:
    """Return the configuration with another base model."""
    return replace(config, model=replace(config.model, base=base))


MAY_CHANGE: Final = frozenset(
    {
        "schedule.n_steps",
        "schedule.n_decay_steps",
        "data.n_micro_tokens",
        "data.verify",
        "evaluation.every_steps",
        "evaluation.n_tokens",
        "evaluation.n_samples",
        "evaluation.max_new_tokens",
        "evaluation.temperature",
        "run.compile",
        "run.attention",
        "run.gradient_checkpointing",
        "run.device",
        "run.threads",
        "run.sharding",
        "run.checkpoint_every_minutes",
        "run.n_checkpoints",
        "run.keep_best",
        "run.log_every_steps",
        "run.export_dtype",
        "lora.merge",
    }
)
"""Keys that may differ when a run is resumed: its length, its reports, and its computation."""


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return ``key: old -> new`` for each key that affects the outcome and differs between two tables."""
    # a key that did not exist yet had its default
    defaults = _flat(TrainConfig().to_dict())
    before, now = defaults | _flat(old), defaults | _flat(new)
    return [
        f"{key}: {json.dumps(before.get(key))} -> {json.dumps(now.get(key))}"
        for key in sorted(before.keys() | now.keys())
        if key not in MAY_CHANGE and before.get(key) != now.get(key)
    ]


def _flat(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{table}.{key}": value
        for table, values in tables.items()
        if isinstance(values, Mapping)
        for key, value in values.items()
    }
