"""The smaller contract: a model, such as a served one, that completes whole texts and cannot be stepped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from logos_cli.checkpoints.tokens import Tokenizer
from logos_cli.errors import ModelError


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a record says of the model that made it.

    ``revision`` is the hub's commit, ``sha256`` the digest of the weights where these are local files; for
    weights in several files it is the digest of their digests in order of name. ``batch_invariant``: a text depends on
    nothing that runs beside it, see :class:`~logos_cli.backends.base.Capabilities`.
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
    """One completion to ask of a :class:`Completer`, sampled as :class:`~logos_cli.engine.sampler.Sampling` says.

    Attributes
    ----------
    stop : str, optional
        The tag that ends the answer, which is kept.
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
    """What a :class:`Completer` answers.

    Attributes
    ----------
    logps : tuple of float
        Log-probability of each token; NaN where the server does not tell.
    stopped : bool
        The text came to its end; else it was cut at the limit.
    """

    text: str
    logps: tuple[float, ...]
    stopped: bool


class Completer(ABC):
    """A model that completes whole texts and samples for itself, such as a server.

    It cannot be stepped, so constraints are not put upon it while it samples: what comes back is checked.

    Attributes
    ----------
    tokenizer : Tokenizer
        Ours, for prompts and answers as text; the server has its own.
    hides_tags : bool
        Whether it leaves special tokens out of its answers.
    """

    info: ModelInfo
    tokenizer: Tokenizer
    hides_tags: bool = False

    @abstractmethod
    def complete(self, query: TextQuery) -> TextAnswer:
        """Complete one text; may be called from several threads at once.

        Raises
        ------
        MissingError
            If the server cannot be reached, or fails again and again.
        ModelError
            If it refuses the request.
        """

    def read(self, text: str) -> list[tuple[str, float]] | None:  # noqa: ARG002
        """Return the tokens of a given text, each with its log-probability given those before it.

        Returns
        -------
        list of (str, float) or None
            NaN for the first token; None if the text is longer than the model reads.

        Raises
        ------
        ModelError
            If the server does not tell.
        """
        raise ModelError(
            "this server does not tell how probable given texts are",
            hint="run the model here (--backend torch or llamacpp)",
        )
