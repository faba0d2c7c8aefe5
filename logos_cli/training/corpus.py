"""Sentences as token shards on disk: one pair of ``.npy`` files per domain and split, and a manifest.

A domain is one source of like sentences (``retrosynthesis``, ``antibody``); training mixes domains by weight.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import InputError, ModelError
from logos_cli.grammar import TAGS
from tokenizers import Tokenizer

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SPLITS: Final = ("train", "valid")

Tokens = NDArray[np.uint16]

# Bytes that no sentence contains (payloads are ASCII) stand for the tags and for begin and end while a whole
# batch of sentences is looked up at once: 50 times faster than the tokenizer, sentence by sentence.
_TAG_CODES = {tag: chr(0x80 + index) for index, tag in enumerate(TAGS)}
_BOS_CODE, _EOS_CODE = "\x90", "\x91"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class SentenceEncoder:
    """Sentences to token ids, for tokenizers that write every payload character as one token.

    Parameters
    ----------
    directory : Path
        Holds ``tokenizer.json`` and ``tokenizer_config.json``.

    Raises
    ------
    ModelError
        If a tag or a printable ASCII character is not exactly one token.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / "tokenizer.json"
        tokenizer = Tokenizer.from_file(str(path))
        names = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
        self.sha256 = _sha256(path)
        self.n_tokens = tokenizer.get_vocab_size()
        roles = [tokenizer.token_to_id(names[f"{role}_token"]) for role in ("bos", "eos", "pad")]
        self.bos_id, self.eos_id, self.pad_id = (-1 if number is None else number for number in roles)
        if min(self.bos_id, self.eos_id, self.pad_id) < 0:
            raise ModelError("the tokenizer lacks a token for begin, end or padding", source=str(path))
        self._table = np.zeros(256, dtype=np.uint16)
        codes = {chr(byte): chr(byte) for byte in range(0x21, 0x7F)} | {
            c: tag for tag, c in _TAG_CODES.items()
        }
        for code, text in codes.items():
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            if len(ids) != 1:
                raise ModelError(
                    f"{text!r} is {len(ids)} tokens of this tokenizer, not one",
                    source=str(path), hint="this corpus format is for one token a character",
                )  # fmt: skip
            self._table[ord(code)] = ids[0]
        self._table[ord(_BOS_CODE)] = self.bos_id
        self._table[ord(_EOS_CODE)] = self.eos_id

    def encode(self, sentences: Sequence[str]) -> tuple[Tokens, NDArray[np.int64]]:
        """Return the ids of all sentences, each from begin to end token, and where each one ends.

        Raises
        ------
        InputError
            If a sentence holds a character that no payload may hold.
        """
        if not sentences:
            return np.empty(0, np.uint16), np.empty(0, np.int64)
        plain = "".join(sentences)
        if not (plain.isascii() and plain.isprintable() and " " not in plain):
            raise InputError("a sentence holds white space or a character that is not ASCII")
        text = f"{_BOS_CODE}{f'{_EOS_CODE}{_BOS_CODE}'.join(sentences)}{_EOS_CODE}"
        for tag, code in _TAG_CODES.items():
            text = text.replace(tag, code)
        codes = np.frombuffer(text.encode("latin-1"), dtype=np.uint8)
        return self._table[codes], np.flatnonzero(codes == ord(_EOS_CODE)) + 1


class CorpusWriter:
    """Collects the sentences of all domains and writes the shards.

    Parameters
    ----------
    encoder : SentenceEncoder
    context_length : int
        Sentences of more tokens than this, begin and end token counted, are dropped and counted.

    Notes
    -----
    A sentence that came before is dropped and counted, whatever its domain and split: what was added first
    stays. Add the held-out sentences first.
    """

    def __init__(self, encoder: SentenceEncoder, context_length: int) -> None:
        self.encoder = encoder
        self.context_length = context_length
        self.dropped: Counter[str] = Counter()
        self._seen: set[bytes] = set()
        self._parts: dict[tuple[str, str], list[tuple[Tokens, NDArray[np.int64]]]] = {}

    def add(self, domain: str, split: str, sentences: Iterable[str]) -> int:
        """Add sentences and return how many were kept."""
        fresh = []
        for sentence in sentences:
            digest = hashlib.blake2b(sentence.encode(), digest_size=8).digest()
            if digest in self._seen:
                self.dropped[f"{domain}: seen before"] += 1
                continue
            self._seen.add(digest)
            fresh.append(sentence)
        tokens, ends = self.encoder.encode(fresh)
        lengths = np.diff(ends, prepend=0)
        short = lengths <= self.context_length
        if n_long := int((~short).sum()):
            self.dropped[f"{domain}: longer than {self.context_length} tokens"] += n_long
            tokens, ends = tokens[np.repeat(short, lengths)], np.cumsum(lengths[short])
        if ends.size:
            self._parts.setdefault((domain, split), []).append((tokens, ends))
        return int(short.sum())

    def drop(self, domain: str, reason: str, count: int = 1) -> None:
        """Count records that became no sentence."""
        self.dropped[f"{domain}: {reason}"] += count

    def write(self, directory: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Write shards and manifest, and return the manifest; ``facts`` are added to it."""
        directory.mkdir(parents=True, exist_ok=True)
        domains: dict[str, dict[str, Any]] = {}
        for (domain, split), parts in sorted(self._parts.items()):
            tokens = np.concatenate([tokens for tokens, _ in parts])
            ends = np.cumsum(np.concatenate([np.diff(ends, prepend=0) for _, ends in parts]))
            files = {}
            for name, array in (("tokens", tokens), ("ends", ends)):
                path = directory / f"{domain}.{split}.{name}.npy"
                np.save(path, array)
                files[path.name] = _sha256(path)
            domains.setdefault(domain, {})[split] = {
                "n_sentences": len(ends), "n_tokens": len(tokens), "files": files
            }  # fmt: skip
        manifest = {
            "format": FORMAT,
            "tokenizer_sha256": self.encoder.sha256,
            "context_length": self.context_length,
            "domains": domains,
            "dropped": dict(sorted(self.dropped.items())),
            **facts,
        }
        path = directory / MANIFEST
        path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return manifest


@dataclass(frozen=True, slots=True)
class Shard:
    """The sentences of one domain and split, memory-mapped.

    Attributes
    ----------
    tokens : ndarray of uint16, shape (n_tokens,)
    ends : ndarray of int64, shape (n_sentences,)
        Where each sentence ends in ``tokens``.
    """

    tokens: Tokens
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> Tokens:
        start = self.ends[index - 1] if index else 0
        return self.tokens[start : self.ends[index]]

    @property
    def mean_length(self) -> float:
        """Tokens per sentence."""
        return len(self.tokens) / len(self)


class Corpus:
    """A corpus directory.

    Raises
    ------
    InputError
        If it is no corpus, or if it was made with another tokenizer than ``tokenizer_sha256``.
    """

    def __init__(self, directory: Path, tokenizer_sha256: str) -> None:
        path = directory / MANIFEST
        try:
            self.manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError("not a corpus: its manifest cannot be read", source=str(path)) from error
        if self.manifest.get("format") != FORMAT:
            raise InputError(f"corpus format {self.manifest.get('format')!r} is not known", source=str(path))
        if self.manifest["tokenizer_sha256"] != tokenizer_sha256:
            raise InputError(
                "the corpus was made with another tokenizer", source=str(path), hint="build the corpus again"
            )
        self.directory = directory

    @property
    def sha256(self) -> str:
        """Hash of the manifest, which holds the hashes of all shards."""
        return _sha256(self.directory / MANIFEST)

    def shards(self, split: str) -> dict[str, Shard]:
        """Return the shards of a split by domain.

        Raises
        ------
        InputError
            If a shard is missing or is not as long as the manifest says.
        """
        found = {}
        for domain, splits in self.manifest["domains"].items():
            if split not in splits:
                continue
            base = self.directory / f"{domain}.{split}"
            try:
                shard = Shard(*(np.load(f"{base}.{name}.npy", mmap_mode="r") for name in ("tokens", "ends")))
            except (OSError, ValueError) as error:
                raise InputError("a shard of the corpus cannot be read", source=str(base)) from error
            if (len(shard), len(shard.tokens)) != (splits[split]["n_sentences"], splits[split]["n_tokens"]):
                raise InputError(
                    "a shard of the corpus is not as long as its manifest says", source=str(base)
                )
            found[domain] = shard
        return found
