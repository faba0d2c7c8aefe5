"""Encode sentences to token ids, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import InputError
from logos_cli.grammar import TAGS, Form
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.training.corpus.shards import Tokens
from logos_cli.training.corpus.vocabulary import PAYLOAD, Vocabulary

# Bytes that no sentence contains (payloads are ASCII) replace the tags, begin and end while a whole batch of sentences
# is looked up at once. This is 50 times faster than the tokenizer, sentence by sentence.
_TAG_CODES = {tag: chr(0x80 + index) for index, tag in enumerate(TAGS)}
_BOS_CODE, _EOS_CODE = "\x90", "\x91"

ANSWER_TAGS = {
    Form.SEARCH: Operator.SEARCH.value,
    Form.REACTION: Operator.REACT.value,
    Form.RETROSYNTHESIS: Operator.REVERSE_REACT.value,
    Form.TRANSFORMATION: Operator.TRANS.value,
}
"""The tag before the answer of a form; the answer of a complex begins with the ligand's own tag."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch of sentences.

    Attributes
    ----------
    tokens : ndarray of uint16 or uint32, shape (n_tokens,)
    ends : ndarray of int64, shape (n_sentences,)
        End of each sentence in ``tokens``.
    answers : ndarray of uint32, shape (n_sentences,)
        Start of the answer in each sentence.
    """

    tokens: Tokens
    ends: NDArray[np.int64]
    answers: NDArray[np.uint32]

    def only(self, wanted: NDArray[np.bool_]) -> Encoded:
        """Return the sentences for which ``wanted`` is true."""
        if wanted.all():
            return self
        lengths = np.diff(self.ends, prepend=0)
        return Encoded(self.tokens[np.repeat(wanted, lengths)], np.cumsum(lengths[wanted]), self.answers[wanted])


def dtype_for(vocabulary: Vocabulary) -> np.dtype[np.unsignedinteger[Any]]:
    """Return the smallest type for all ids: uint16, or uint32 for vocabularies above 65,536."""
    return np.dtype(np.uint16 if vocabulary.n_tokens <= 1 << 16 else np.uint32)


class SentenceEncoder:
    """Encodes with a vocabulary: by a table of bytes if every payload character is one token, else by BPE."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.dtype: np.dtype[np.unsignedinteger[Any]] = dtype_for(vocabulary)
        self._table = self._byte_table() if vocabulary.is_one_token_a_character() else None

    def _byte_table(self) -> Tokens:
        table: Tokens = np.zeros(256, dtype=self.dtype)
        for character in PAYLOAD:
            table[ord(character)] = self.vocabulary.tokenizer.encode(character, add_special_tokens=False).ids[0]
        for tag, code in _TAG_CODES.items():
            table[ord(code)] = self.vocabulary.id_of(tag)
        table[ord(_BOS_CODE)] = self.vocabulary.bos_id or 0
        table[ord(_EOS_CODE)] = self.vocabulary.eos_id
        return table

    @property
    def by_table(self) -> bool:
        """Whether sentences are encoded by a table, which is fast."""
        return self._table is not None

    def encode(self, sentences: Sequence[str], form: Form | None = None) -> Encoded:
        """Return the ids of all sentences, each from begin to end token, with their ends and answers.

        Parameters
        ----------
        form : Form, optional
            The form of all these sentences; None if they have no prompt.

        Raises
        ------
        InputError
            If a sentence has a character that no payload may have.
        """
        if not sentences:
            return Encoded(np.empty(0, self.dtype), np.empty(0, np.int64), np.empty(0, np.uint32))
        plain = "".join(sentences)
        if not (plain.isascii() and plain.isprintable() and " " not in plain):
            raise InputError("a sentence has white space or a character that is not ASCII")
        table = self._table
        tokens, ends = self._tokenize(sentences) if table is None else self._look_up(sentences, table)
        return Encoded(tokens, ends, self._answers(tokens, ends, form))

    def _look_up(self, sentences: Sequence[str], table: Tokens) -> tuple[Tokens, NDArray[np.int64]]:
        bos = _BOS_CODE if self.vocabulary.bos_id is not None else ""
        text = f"{bos}{f'{_EOS_CODE}{bos}'.join(sentences)}{_EOS_CODE}"
        for tag, code in _TAG_CODES.items():
            text = text.replace(tag, code)
        codes = np.frombuffer(text.encode("latin-1"), dtype=np.uint8)
        return table[codes], np.flatnonzero(codes == ord(_EOS_CODE)) + 1

    def _tokenize(self, sentences: Sequence[str]) -> tuple[Tokens, NDArray[np.int64]]:
        vocabulary = self.vocabulary
        begin = [] if vocabulary.bos_id is None else [vocabulary.bos_id]
        tail = [vocabulary.eos_id]
        batch = vocabulary.tokenizer.encode_batch_fast(list(sentences), add_special_tokens=False)
        arrays = [np.array(begin + encoding.ids + tail, dtype=self.dtype) for encoding in batch]
        return np.concatenate(arrays), np.cumsum([len(array) for array in arrays], dtype=np.int64)

    def _answers(self, tokens: Tokens, ends: NDArray[np.int64], form: Form | None) -> NDArray[np.uint32]:
        """Return the start of each answer: its tag occurs once in a sentence of its form."""
        if form is None or (form is not Form.COMPLEX and form not in ANSWER_TAGS):
            return np.ones(len(ends), dtype=np.uint32)
        tag = Kind.MOLECULE.start if form is Form.COMPLEX else ANSWER_TAGS[form]
        places = np.flatnonzero(tokens == self.vocabulary.id_of(tag))
        if len(places) != len(ends) or (places >= ends).any() or (places[1:] < ends[:-1]).any():
            raise InputError(f"a sentence among these is not of the form {form}")
        starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
        return (places - starts + (form is not Form.COMPLEX)).astype(np.uint32)
