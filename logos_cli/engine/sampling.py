"""Sampling parameters, in a module without numerical libraries."""

from __future__ import annotations

import math
from dataclasses import dataclass

from logos_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters.

    Attributes
    ----------
    temperature : float
        Divides the logits; 0 selects the likeliest token (greedy).
    top_k : int
        Keep this many likeliest tokens; 0 keeps all.
    top_p : float
        Keep the likeliest tokens that together reach this probability; 1 keeps all.
    min_p : float
        Keep the tokens with at least this part of the probability of the likeliest; 0 keeps all.
    repetition_penalty : float
        Divides positive and multiplies negative logits of the tokens in prompt and answer; 1 has no effect.
    max_new_tokens : int
        Number of new tokens after which a sequence is cut.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    max_new_tokens: int = 1000

    def __post_init__(self) -> None:
        rules = (
            ("temperature", self.temperature >= 0, "0 or more"),
            ("top_k", isinstance(self.top_k, int) and self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("min_p", 0 <= self.min_p <= 1, "between 0 and 1"),
            ("repetition_penalty", self.repetition_penalty > 0, "above 0"),
            ("max_new_tokens", isinstance(self.max_new_tokens, int) and self.max_new_tokens >= 1, "1 or more"),
        )
        for name, is_valid, wanted in rules:
            value = getattr(self, name)
            if not (is_valid and (isinstance(value, int) or math.isfinite(value))):
                raise UsageError(f"{name.replace('_', '-')} is {value}; it must be {wanted}")

    @property
    def cuts(self) -> bool:
        """Whether unlikely tokens are excluded."""
        return self.temperature == 0 or self.top_k > 0 or self.top_p < 1 or self.min_p > 0
