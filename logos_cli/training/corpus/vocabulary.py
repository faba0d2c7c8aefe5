"""The tokenizer of a model, with the missing ones of the sixteen tags added as special tokens.

It needs only ``tokenizers``, and takes any ``tokenizer.json``: that of ``logos-nano``, of Llama 3, of Qwen. A corpus
stores the result, so that training needs the corpus alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from logos_cli.errors import ModelError, OutputError
from logos_cli.grammar import TAGS
from logos_cli.grammar.spec import RESIDUES, SMILES
from logos_cli.records.json_text import parse_json
from tokenizers import AddedToken, Tokenizer

PAYLOAD: Final = "".join(sorted(RESIDUES | SMILES))
"""Every character that a payload may have."""

_TOKENIZER, _CONFIG = "tokenizer.json", "tokenizer_config.json"


class Vocabulary:
    """A tokenizer that has all tags, and tokens for begin and end.

    Parameters
    ----------
    content : bytes
        A ``tokenizer.json``.
    config : mapping
        The ``tokenizer_config.json`` beside it, with the tokens for begin, end and padding.
    roles : mapping, optional
        Ids for ``bos``, ``eos`` and ``pad`` if ``config`` names none (from a model's ``config.json``).
    source : str, optional
        The file, for messages.

    Attributes
    ----------
    tokenizer : tokenizers.Tokenizer
        The tokenizer with all tags, without truncation and padding.
    sha256 : str
        Hash of the ``tokenizer.json`` that :meth:`save` writes; that of the file if no tag was added.
    n_tokens : int
        One more than the largest id: the smallest number of rows of an embedding.
    bos_id : int or None
        None if the tokenizer has no begin token (Qwen).
    eos_id, pad_id : int
        Padding is the end token if the tokenizer has no other.
    added : tuple of str
        The tags that were added, in the order of their ids.

    Raises
    ------
    ModelError
        If the tokenizer cannot be read, has no end token, or lacks a character of payloads.
    """

    def __init__(
        self,
        content: bytes,
        config: Mapping[str, Any],
        roles: Mapping[str, int] | None = None,
        source: str | None = None,
    ) -> None:
        try:
            self.tokenizer = Tokenizer.from_str(content.decode("utf-8"))
        except Exception as error:  # the library raises no narrower class
            raise ModelError(
                f"the tokenizer cannot be read: {error}", source=source, hint="download the model again"
            ) from error
        present = self.tokenizer.get_vocab(with_added_tokens=True)
        self.added = tuple(tag for tag in TAGS if tag not in present)
        if self.added:
            self.tokenizer.add_special_tokens([AddedToken(tag, special=True, normalized=False) for tag in self.added])
            content = self.tokenizer.to_str().encode()
        self._content = content
        self._config = dict(config)
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.n_tokens = 1 + max(self.tokenizer.get_vocab(with_added_tokens=True).values())
        self._find_roles(roles or {}, source)
        self._check(source)

    def _find_roles(self, roles: Mapping[str, int], source: str | None) -> None:
        found = {role: self._role(role, roles.get(role)) for role in ("bos", "eos", "pad")}
        if found["eos"] is None:
            raise ModelError("the tokenizer has no end token", source=source, hint=f'add "eos_token" to its {_CONFIG}')
        self.bos_id: int | None = found["bos"]
        self.eos_id: int = found["eos"]
        self.pad_id: int = self.eos_id if found["pad"] is None else found["pad"]

    def _role(self, role: str, otherwise: int | None) -> int | None:
        named = self._config.get(f"{role}_token")
        text = named.get("content") if isinstance(named, dict) else named
        found: int | None = self.tokenizer.token_to_id(text) if isinstance(text, str) else None
        return otherwise if found is None else found

    def _check(self, source: str | None) -> None:
        """Refuse a tokenizer that splits a tag or loses a character of a payload."""
        split = [tag for tag in TAGS if len(self._plain(tag)) != 1]
        if split:
            raise ModelError(
                f"the tokenizer does not write {', '.join(split)} as one token",
                source=source,
                hint="remove it from the vocabulary; logos adds the tags as special tokens",
            )
        unknown = self.tokenizer.token_to_id(str(getattr(self.tokenizer.model, "unk_token", None)))
        lost = [
            character
            for character in PAYLOAD
            if unknown in (ids := self._plain(f"{TAGS[0]}{character}{TAGS[1]}"))
            or character not in self.tokenizer.decode(ids[1:-1], skip_special_tokens=False)
        ]
        if lost:
            raise ModelError(
                f"the vocabulary is too small: it has no token for {' '.join(lost)}",
                source=source,
                hint="choose a tokenizer that has a token for every byte, as those of Llama 3 and Qwen have",
            )

    def _plain(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def id_of(self, token: str) -> int:
        """Return the id of a token, e.g. of a tag.

        Raises
        ------
        ModelError
            If there is no such token.
        """
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise ModelError(f"the vocabulary has no token {token}")
        return found

    def encode(self, text: str) -> list[int]:
        """Return the ids of one sentence from begin token (if there is one) to end token."""
        begin = [] if self.bos_id is None else [self.bos_id]
        return [*begin, *self._plain(text), self.eos_id]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; begin, end and padding are left out, tags are kept."""
        silent = {self.bos_id, self.eos_id, self.pad_id}
        text: str = self.tokenizer.decode([int(i) for i in ids if int(i) not in silent], skip_special_tokens=False)
        return text

    def is_one_token_a_character(self) -> bool:
        """Return whether every character of a payload and every tag is one token."""
        state = json.loads(self._content)
        model = state["model"]
        if model.get("type") != "BPE" or state.get("normalizer") or model.get("ignore_merges"):
            return False
        alphabet = set(PAYLOAD)
        pairs: Sequence[Any] = model.get("merges") or ()
        for pair in pairs:
            if alphabet.issuperset("".join(pair.split(" ") if isinstance(pair, str) else pair)):
                return False
        return all(len(self._plain(character)) == 1 for character in PAYLOAD)

    @classmethod
    def load(cls, directory: Path) -> Vocabulary:
        """Return the vocabulary of a model directory, from its tokenizer files.

        Raises
        ------
        ModelError
            If the directory has no ``tokenizer.json``, or it cannot be used.
        """
        path = directory / _TOKENIZER
        try:
            content = path.read_bytes()
        except OSError as error:
            why = "has no tokenizer.json" if isinstance(error, FileNotFoundError) else f"{error.strerror}"
            raise ModelError(
                f"the model directory {why}", source=str(directory), hint="convert its tokenizer to the fast format"
            ) from error
        config = _json(directory / "special_tokens_map.json") | _json(directory / _CONFIG)
        roles: dict[str, int] = {}
        for name in ("generation_config.json", "config.json"):
            for role in ("bos", "eos", "pad"):
                number = _json(directory / name).get(f"{role}_token_id")
                number = number[0] if isinstance(number, list) and number else number
                if isinstance(number, int):
                    roles.setdefault(role, number)
        return cls(content, config, roles, str(path))

    def save(self, directory: Path) -> None:
        """Write ``tokenizer.json`` and ``tokenizer_config.json``, which transformers and logos load.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        config = {key: value for key, value in self._config.items() if key != "added_tokens_decoder"}
        config.setdefault("tokenizer_class", "PreTrainedTokenizerFast")
        for role, number in (("bos", self.bos_id), ("eos", self.eos_id), ("pad", self.pad_id)):
            if number is not None:
                config[f"{role}_token"] = self.tokenizer.id_to_token(number)
        extra = config.get("additional_special_tokens") or []
        config["additional_special_tokens"] = [*extra, *(tag for tag in TAGS if tag not in extra)]
        try:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / _TOKENIZER).write_bytes(self._content)
            text = json.dumps(config, indent=1, ensure_ascii=False) + "\n"
            (directory / _CONFIG).write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"the tokenizer cannot be written: {error.strerror}", source=str(directory)) from error


def _json(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file; an empty one if there is no such file.

    Raises
    ------
    ModelError
        If it is damaged.
    """
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot be read: {error}", source=str(path), hint="download the model again") from error
    return data if isinstance(data, dict) else {}
