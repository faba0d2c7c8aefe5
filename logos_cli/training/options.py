"""What a training run is told: the model's shape, the mixture and the schedule."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A Llama model; input and output embeddings are one matrix."""

    hidden_size: int = 160
    intermediate_size: int = 448
    n_layers: int = 6
    n_heads: int = 5
    context_length: int = 2048


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Everything that decides the outcome of a run, beside corpus and code.

    Attributes
    ----------
    weights, decay_weights : dict of str to float
        Share of each domain in the tokens seen, and in the decay phase; need not sum to one.
    n_steps, n_decay_steps : int
        Steps in all, and how many of them, the last ones, lower the learning rate linearly to zero
        (warm-up, stable, decay).
    n_step_tokens, n_micro_tokens : int
        Tokens of one optimizer step and of one forward pass.
    matrix_learning_rate, learning_rate : float
        Of the weight matrices inside the layers (Muon), and of embeddings and norms (AdamW).
    bf16 : bool
        Matrix products in bfloat16 (autocast); weights and optimizer stay in float32.
    compile : bool
        Compile the model (needs a C++ compiler): takes a minute, then 1.3 to 1.9 times as fast. Results
        differ by rounding.
    """

    shape: ModelShape = field(default_factory=ModelShape)
    weights: dict[str, float] = field(default_factory=dict)
    decay_weights: dict[str, float] = field(default_factory=dict)
    n_steps: int = 1000
    n_decay_steps: int = 300
    n_warmup_steps: int = 50
    n_step_tokens: int = 8_192
    n_micro_tokens: int = 4096
    matrix_learning_rate: float = 0.02
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    bf16: bool = True
    compile: bool = False
    seed: int = 20
    checkpoint_every_s: float = 180.0
    eval_every: int = 500
    log_every: int = 20

    def learning_rate_factor(self, step: int) -> float:
        """Return what the learning rates are multiplied with in ``step`` (from 0)."""
        warmup = min(1.0, (step + 1) / max(1, self.n_warmup_steps))
        decay = min(1.0, (self.n_steps - step) / max(1, self.n_decay_steps))
        return min(warmup, decay)

    def weights_at(self, step: int) -> dict[str, float]:
        """Return the mixture of a step."""
        decaying = step >= self.n_steps - self.n_decay_steps
        return self.decay_weights if decaying and self.decay_weights else self.weights
