"""The language model of a run, loaded once a process, whichever families ask for it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from logos_cli.backends.base import LoadOptions, open_model

if TYPE_CHECKING:
    from logos_cli.engine.likelihood import Likelihood


@lru_cache(maxsize=1)
def likelihood_of(load: LoadOptions, backend: str) -> Likelihood:
    """Return a model that scores texts."""
    from logos_cli.engine.likelihood import Likelihood

    checkpoint = open_model(load, backend)
    return Likelihood(checkpoint.load(), checkpoint.context_tokens)
