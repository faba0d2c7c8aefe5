"""The vocabulary of a GGUF file, from its metadata."""

from __future__ import annotations

from logos_cli.checkpoints.gguf.header import GgufHeader
from logos_cli.checkpoints.tokenizer import byte_level
from logos_cli.errors import ModelError

_PREFIX = "tokenizer.ggml."
_CONTROL, _USER_DEFINED, _UNUSED = 3, 4, 5
_KINDS = range(1, 7)


class GgufVocabulary:
    """Tokens, kinds and merges, with the checks that llama.cpp does not make.

    Attributes
    ----------
    tokens : list of bytes
        Bytes by id, as :attr:`Tokenizer.vocabulary`. Rows of the embedding without a token are empty; those at the
        end are dropped.
    special_ids : frozenset of int
        Control tokens.

    Raises
    ------
    ModelError
        If the file has another kind of tokenizer, or a damaged one.
    """

    def __init__(self, header: GgufHeader) -> None:
        self._metadata = header.metadata
        model = self._metadata.get(f"{_PREFIX}model")
        if model != "gpt2":
            raise ModelError(
                f"the tokenizer has the kind {model!r}, which is not byte-level BPE",
                hint="logos reads the tokenizers of Llama 3 and Qwen, and of its own models",
            )
        texts = self._list("tokens", str)
        kinds = self._list("token_type", int)
        if len(kinds) != len(texts) or any(kind not in _KINDS for kind in kinds):
            raise ModelError(f"the {len(kinds):,} token types do not fit the {len(texts):,} tokens")
        if len(set(texts)) != len(texts) or any("\0" in str(text) for text in texts):
            raise ModelError("the vocabulary has a token twice, or a token with a null character")
        self._check_merges()
        self._check_ids(len(texts))
        self.special_ids = frozenset(i for i, kind in enumerate(kinds) if kind == _CONTROL)
        self.tokens = [_bytes(i, text, kind) for i, (text, kind) in enumerate(zip(texts, kinds, strict=True))]
        while self.tokens and kinds[len(self.tokens) - 1] == _UNUSED:
            self.tokens.pop()

    def _list(self, key: str, kind: type) -> list[object]:
        values = self._metadata.get(f"{_PREFIX}{key}")
        if not isinstance(values, list) or not all(type(value) is kind for value in values):
            raise ModelError(f"{_PREFIX}{key} in the header is missing or wrong")
        return values

    def _check_merges(self) -> None:
        for merge in self._list("merges", str):
            left, _, right = str(merge).partition(" ")
            if not left or not right or " " in right:
                raise ModelError(f"the tokenizer has the merge {merge!r}, which is not a pair")

    def _check_ids(self, n_tokens: int) -> None:
        for key, value in self._metadata.items():
            is_id = key.startswith(_PREFIX) and key.endswith("_token_id")
            if is_id and not (type(value) is int and 0 <= value < n_tokens):
                raise ModelError(f"the header gives {key} as {value!r}; there are {n_tokens:,} tokens")
        for name, default in (("bos", "bos"), ("eos", "eos")):
            wanted = self._metadata.get(f"{_PREFIX}add_{name}_token")
            if wanted and f"{_PREFIX}{default}_token_id" not in self._metadata:
                raise ModelError(f"the header asks for a {name.upper()} token and has none")

    @property
    def eos_id(self) -> int | None:
        """The token that ends a text."""
        eos_id = self._metadata.get(f"{_PREFIX}eos_token_id")
        return int(eos_id) if eos_id is not None else None


def _bytes(token: int, text: object, kind: object) -> bytes:
    """Return the bytes that a token stands for."""
    if kind == _UNUSED:
        return b""
    if kind in (_CONTROL, _USER_DEFINED):
        return str(text).encode("utf-8", errors="surrogateescape")
    try:
        return byte_level(str(text))
    except UnicodeEncodeError as error:
        raise ModelError(f"the tokenizer is not byte-level BPE (token {token} is {text!r})") from error
