"""The smaller contract: a model that completes whole texts and cannot be stepped, such as a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from logos_cli.checkpoints.tokens import Tokenizer
from logos_cli.errors import ModelError


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The model in the provenance of a record.

    ``revision`` is the commit on the hub, ``sha256`` the digest of local weights; for weights in several files it is
    the digest of their digests in order of name. ``batch_invariant`` is that of
    :class:`~logos_cli.backends.base.Capabilities`.
    """

    model: str
    backend: str
    device: str
    dtype: str
    batch_invariant: bool = False
    revision: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class TextQuery:
    """One request to a :class:`Completer`, with the fields of :class:`~logos_cli.engine.sampler.Sampling`.

    Attributes
    ----------
    stop : str, optional
        The tag that ends the answer, of which it is a part.
    """

    prompt: str
    seed: int
    max_new_tokens: int
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    stop: str | None = None


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """The answer of a :class:`Completer`.

    Attributes
    ----------
    logps : tuple of float
        Log-probability of each token; NaN where the server does not report it.
    stopped : bool
        Whether the text is complete; else it was cut at the limit.
    """

    text: str
    logps: tuple[float, ...]
    stopped: bool


class Completer(ABC):
    """A model that completes whole texts and samples itself, such as a server.

    It cannot be stepped, so that constraints cannot guide its sampling: the engine checks its answers.

    Attributes
    ----------
    tokenizer : Tokenizer
        The tokenizer of logos for prompts and answers as text; the server has its own.
    hides_tags : bool
        Whether its answers lack special tokens.
    """

    info: ModelInfo
    tokenizer: Tokenizer
    hides_tags: bool = False

    @abstractmethod
    def complete(self, query: TextQuery) -> TextAnswer:
        """Complete one text; several threads may call it at once.

        Raises
        ------
        MissingError
            If the server cannot be reached, or fails in every try.
        ModelError
            If the server refuses the request.
        """

    def read(self, _text: str, /) -> list[tuple[str, float]] | None:
        """Return the tokens of a given text, each with its log-probability given those before it.

        Returns
        -------
        list of (str, float) or None
            NaN for the first token; None if the text is longer than the model's context.

        Raises
        ------
        ModelError
            If the server does not report them.
        """
        raise ModelError(
            "this server does not report log-probabilities of given texts",
            hint="run the model on this machine (--backend torch or llamacpp)",
        )
