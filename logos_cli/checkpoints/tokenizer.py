"""Tokenizers of Hugging Face models (``tokenizer.json``): byte-level BPE, and SentencePiece with byte fallback."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path

from logos_cli.checkpoints.tokens import Tokenizer
from logos_cli.errors import ModelError
from logos_cli.io.json_types import JsonObject
from logos_cli.records.json_text import parse_json

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_MOST_GAPS = 1 << 20
"""Ids without a token, beyond which a tokenizer is broken: each takes memory."""


@cache
def byte_of_character() -> dict[str, int]:
    """Return the byte of each character of a byte-level vocabulary.

    Printable Latin-1 characters are their own bytes; U+0100 and the next characters are the other 68 bytes in order
    (the convention of GPT-2, which all byte-level BPE vocabularies follow).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(rest)}


@cache
def _latin_1() -> dict[int, str]:
    """Return the table that translates the byte-level alphabet to bytes as Latin-1, and its other characters to none."""
    table = byte_of_character()
    return dict.fromkeys(range(256), "\uffff") | {ord(character): chr(byte) for character, byte in table.items()}


def byte_level(token: str) -> bytes:
    """Return the bytes of a token in the byte-level alphabet.

    Raises
    ------
    UnicodeEncodeError
        If a character is not in the alphabet.
    """
    return token.translate(_latin_1()).encode("latin-1")


def read_json(path: Path) -> JsonObject:
    """Return a JSON object of a model directory.

    Raises
    ------
    ModelError
        If the file is missing, or is not a JSON object.
    """
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"the model directory has no {path.name}", hint="download it completely") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path.name} cannot be read: {error}", hint="download the model again") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path.name} is not a JSON object", hint="download the model again")
    return data


def _falls_back(data: JsonObject) -> bool:
    """Return whether characters without a token become tokens of their bytes, as in SentencePiece (Mistral, Gemma)."""
    decoder = data.get("decoder") or {}
    parts = decoder.get("decoders", [decoder])
    return any(part.get("type") == "ByteFallback" for part in parts)


def _without_prefix(data: JsonObject) -> JsonObject:
    """Return a tokenizer that puts no space before a text."""
    changed = dict(data)
    normalizer = changed.get("normalizer") or {}
    if normalizer.get("type") == "Prepend":
        changed["normalizer"] = None
    elif normalizer.get("type") == "Sequence":
        kept = [each for each in normalizer["normalizers"] if each.get("type") != "Prepend"]
        changed["normalizer"] = {**normalizer, "normalizers": kept}
    splitter = changed.get("pre_tokenizer") or {}
    if splitter.get("type") == "Metaspace":
        changed["pre_tokenizer"] = {**splitter, "prepend_scheme": "never"}
    return changed


def _fallback_bytes(token: str, *, is_added: bool) -> bytes:
    """Return the bytes of a token: ``<0x0A>`` is a byte, and U+2581 stands for a space."""
    if is_added:
        return token.encode()
    if match := _BYTE.fullmatch(token):
        return bytes([int(match[1], 16)])
    return token.replace("\u2581", " ").encode()


class HubTokenizer(Tokenizer):
    """The tokenizer of a model directory.

    Parameters
    ----------
    directory : Path
        Directory with ``tokenizer.json``.
    eos_ids : sequence of int
        Ids that end a text, from the model's configuration.
    """

    def __init__(self, directory: Path, eos_ids: Sequence[int]) -> None:
        from tokenizers import Tokenizer as FastTokenizer

        file = directory / "tokenizer.json"
        if not file.is_file():
            raise ModelError(
                "the model directory has no tokenizer.json", hint="convert its tokenizer to the fast format"
            )
        try:
            data = read_json(file)
            self._falls_back = _falls_back(data)
            # a space before the first letter of every text would separate it from the tag before it
            changed = json.dumps(_without_prefix(data)) if self._falls_back else None
            self._fast = FastTokenizer.from_file(str(file)) if changed is None else FastTokenizer.from_str(changed)
        except ModelError:
            raise
        except Exception as error:  # the library raises no narrower class
            raise ModelError(f"tokenizer.json cannot be read: {error}", hint="download the model again") from error
        self._fast.no_truncation()
        self._fast.no_padding()
        self._eos_ids = tuple(eos_ids)

    @property
    def is_byte_level(self) -> bool:
        """Whether every token is text in the byte-level alphabet, without a byte fallback."""
        return not self._falls_back

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Ids of the special tokens."""
        return frozenset(i for i, token in self._fast.get_added_tokens_decoder().items() if token.special)

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """Ids that end a text."""
        return self._eos_ids

    @cached_property
    def vocabulary(self) -> Sequence[bytes]:
        """The bytes of every token by id.

        Raises
        ------
        ModelError
            If a token has a character outside the byte-level alphabet, and the tokenizer has no byte fallback.
        """
        added = self._fast.get_added_tokens_decoder()
        by_id: dict[int, str] = {i: token for token, i in self._fast.get_vocab(with_added_tokens=True).items()}
        if max(by_id) > _MOST_GAPS + 4 * len(by_id):
            raise ModelError(
                f"the tokenizer has the id {max(by_id):,} among {len(by_id):,} tokens", hint="download the model again"
            )
        if self._falls_back:
            return [_fallback_bytes(by_id.get(i, ""), is_added=i in added) for i in range(max(by_id) + 1)]
        out = [b""] * (max(by_id) + 1)
        for i, token in by_id.items():
            try:
                out[i] = token.encode() if i in added else byte_level(token)
            except UnicodeEncodeError as error:
                raise ModelError(
                    f"the tokenizer is neither byte-level BPE nor has it a byte fallback (token {i} is {token!r})",
                    hint="logos reads tokenizers like those of Llama, Qwen, Mistral and Gemma, and of its own models",
                ) from error
        return out

    def encode(self, text: str, *, whole: bool = True) -> list[int]:
        """Return the ids of a text."""
        ids: list[int] = self._fast.encode(text, add_special_tokens=whole).ids
        return ids
