"""How to choose tokens: values only, so that what names them loads no numerical library."""

from __future__ import annotations

import math
from dataclasses import dataclass

from logos_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose a token.

    Attributes
    ----------
    temperature : float
        Divides the logits; 0 always takes the likeliest token.
    top_k : int
        Keep this many likeliest tokens; 0 keeps all.
    top_p : float
        Keep the likeliest tokens that together reach this probability; 1 keeps all.
    min_p : float
        Keep the tokens at least this likely compared with the likeliest; 0 keeps all.
    repetition_penalty : float
        Divides positive logits, and multiplies negative ones, of the tokens of prompt and answer; 1 is none.
    max_new_tokens : int
        Tokens after which a sequence is cut.
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
            ("top_k", self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("min_p", 0 <= self.min_p <= 1, "between 0 and 1"),
            ("repetition_penalty", self.repetition_penalty > 0, "above 0"),
            ("max_new_tokens", self.max_new_tokens >= 1, "1 or more"),
        )
        for name, good, wanted in rules:
            value = getattr(self, name)
            if not (good and math.isfinite(value)):
                raise UsageError(f"{name.replace('_', '-')} is {value}; it must be {wanted}")

    @property
    def cuts(self) -> bool:
        """Whether some tokens are left out for being unlikely."""
        return self.temperature == 0 or self.top_k > 0 or self.top_p < 1 or self.min_p > 0
