"""Tokenizers: text to token ids and back, with one token for each tag of the grammar."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

from logos_cli.errors import ModelError
from logos_cli.grammar import TAGS

_SPLIT = re.compile(f"({'|'.join(map(re.escape, TAGS))})")


class Tokenizer(ABC):
    """Text to token ids and back, with one token for each of the sixteen tags."""

    @property
    @abstractmethod
    def vocabulary(self) -> Sequence[bytes]:
        """The bytes of every token by id; those of a special token are its name."""

    @property
    @abstractmethod
    def special_ids(self) -> frozenset[int]:
        """Ids of the special tokens: tags and control tokens."""

    @property
    @abstractmethod
    def eos_ids(self) -> tuple[int, ...]:
        """Ids that end a text."""

    @abstractmethod
    def encode(self, text: str, *, whole: bool = True) -> list[int]:
        """Return the ids of a text; ``whole`` adds the BOS token that the model expects."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids with tags and without control tokens; broken UTF-8 is replaced."""
        vocabulary, hidden = self.vocabulary, self._control_ids
        return b"".join(vocabulary[i] for i in ids if i not in hidden).decode("utf-8", errors="replace")

    @cached_property
    def _control_ids(self) -> frozenset[int]:
        return self.special_ids - frozenset(self.tag_ids.values())

    @cached_property
    def tag_ids(self) -> dict[str, int]:
        """The id of each tag.

        Raises
        ------
        ModelError
            If a tag is not a single token: the model was not trained for this grammar.
        """
        vocabulary = self.vocabulary
        known = {vocabulary[i]: i for i in sorted(self.special_ids)}
        missing = [tag for tag in TAGS if tag.encode() not in known]
        if missing:
            listed = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
            raise ModelError(
                f"the tokenizer lacks {len(missing)} of the {len(TAGS)} tags of the grammar: {listed}",
                hint="the model must be trained on LOGOS sentences, with each tag as one special token; "
                "logos train --from adds them",
            )
        return {tag: known[tag.encode()] for tag in TAGS}


class CharacterTokenizer(Tokenizer):
    """A tokenizer without a model: the tags, a BOS and an EOS token, and every byte."""

    def __init__(self) -> None:
        control = (b"<|bos|>", b"<|eos|>")
        self._vocabulary = [*(tag.encode() for tag in TAGS), *control, *(bytes([i]) for i in range(256))]
        self._ids = {tag: i for i, tag in enumerate(TAGS)}
        self._bos, self._eos, self._first_byte = len(TAGS), len(TAGS) + 1, len(TAGS) + 2

    @property
    def vocabulary(self) -> Sequence[bytes]:
        """The bytes of every token by id."""
        return self._vocabulary

    @property
    def special_ids(self) -> frozenset[int]:
        """Ids of the tags, BOS and EOS."""
        return frozenset(range(self._first_byte))

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """The EOS token."""
        return (self._eos,)

    def encode(self, text: str, *, whole: bool = True) -> list[int]:
        """Return one id for each tag and for each byte of other text."""
        ids = [self._bos] if whole else []
        for part in _SPLIT.split(text):
            ids += [self._ids[part]] if part in self._ids else [self._first_byte + byte for byte in part.encode()]
        return ids
