"""The tokenizer of llama.cpp."""

from __future__ import annotations

from collections.abc import Sequence

from logos_cli.backends.llamacpp.library import LlamaModel
from logos_cli.checkpoints.gguf.vocabulary import GgufVocabulary
from logos_cli.checkpoints.tokens import Tokenizer


class GgufTokenizer(Tokenizer):
    """The tokenizer of llama.cpp for a GGUF file."""

    def __init__(self, vocabulary: GgufVocabulary, model: LlamaModel) -> None:
        self._vocabulary = vocabulary
        self._model = model
        eos = vocabulary.eos_id
        ends = [i for i in sorted(vocabulary.special_ids) if i != eos and model.ends(i)]
        self._eos_ids = (*(() if eos is None else (eos,)), *ends)

    @property
    def vocabulary(self) -> Sequence[bytes]:
        """The bytes of every token by id."""
        return self._vocabulary.tokens

    @property
    def special_ids(self) -> frozenset[int]:
        """Ids of the control tokens."""
        return self._vocabulary.special_ids

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """Ids that end a text: first that of the file, then others that llama.cpp recognises by name."""
        return self._eos_ids

    def encode(self, text: str, *, whole: bool = True) -> list[int]:
        """Return the ids of a text."""
        return self._model.encode(text, whole=whole)
