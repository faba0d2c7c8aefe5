"""A corpus on disk: sentences as token shards, one set of ``.npy`` files per domain and split, and a manifest.

A domain is one source of like sentences (``retrosynthesis``, ``antibody``); training mixes domains by weight.
The corpus has the vocabulary of its tokens. :mod:`~logos_cli.training.corpus.writer` writes it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import InputError
from logos_cli.records.json_text import parse_json
from logos_cli.training.corpus.vocabulary import Vocabulary

FORMAT: Final = 2
MANIFEST: Final = "manifest.json"
SHARDS: Final = "shards"
TOKENIZER: Final = "tokenizer"
SPLITS: Final = ("train", "valid")
ARRAYS: Final = ("tokens", "ends", "answers")

Tokens = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, slots=True)
class Shard:
    """The sentences of one domain and split, memory-mapped.

    Attributes
    ----------
    tokens : ndarray of uint16 or uint32, shape (n_tokens,)
        All sentences, each from begin token (if the vocabulary has one) to end token.
    ends : ndarray of int64, shape (n_sentences,)
        End of each sentence in ``tokens``.
    answers : ndarray of uint32, shape (n_sentences,)
        Start of the answer in each sentence.
    """

    tokens: Tokens
    ends: NDArray[np.int64]
    answers: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> Tokens:
        start = self.ends[index - 1] if index else 0
        return self.tokens[start : self.ends[index]]

    def answer_start(self, index: int) -> int:
        """Return the position in a sentence of the first token of the task's answer.

        That is the token after ``<Search>``, ``<React>``, ``<ReverseReact>`` or ``<Trans>``; in a complex, the
        tag that opens its ligand; 1 for a form without a prompt.
        """
        return int(self.answers[index])

    @property
    def n_tokens(self) -> int:
        """Tokens of all sentences."""
        return len(self.tokens)

    @property
    def mean_length(self) -> float:
        """Tokens per sentence."""
        return len(self.tokens) / len(self)


class Corpus:
    """A corpus directory.

    Parameters
    ----------
    directory : Path
    tokenizer_sha256 : str, optional
        :attr:`Vocabulary.sha256` of the model that is trained on the corpus.

    Raises
    ------
    InputError
        If it is not a corpus, or was made with another tokenizer than ``tokenizer_sha256``.
    """

    def __init__(self, directory: Path, tokenizer_sha256: str | None = None) -> None:
        path = directory / MANIFEST
        try:
            manifest = parse_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputError(
                "not a corpus: it has no manifest", source=str(directory), hint=_hint_for(directory)
            ) from error
        except (OSError, ValueError) as error:
            raise InputError(
                "not a corpus: its manifest cannot be read", source=str(path), hint="build it again"
            ) from error
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            known = manifest.get("format") if isinstance(manifest, dict) else None
            raise InputError(
                f"corpus format {known!r} is not known", source=str(path), hint="logos corpus build writes it anew"
            )
        self.manifest: dict[str, Any] = manifest
        self.directory = directory
        if tokenizer_sha256 is not None:
            self.check_tokenizer(tokenizer_sha256)

    def check_tokenizer(self, sha256: str) -> None:
        """Refuse a model with another vocabulary than the corpus.

        Raises
        ------
        InputError
            If ``sha256`` (:attr:`Vocabulary.sha256`) is another.
        """
        if self.manifest["tokenizer"]["sha256"] != sha256:
            raise InputError(
                "the corpus was made with another tokenizer",
                source=str(self.directory),
                hint="build the corpus with --tokenizer set to the model that you train",
            )

    @cached_property
    def sha256(self) -> str:
        """Hash of the manifest, which holds the hashes of all shards."""
        return file_sha256(self.directory / MANIFEST)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer of the corpus.

        Raises
        ------
        InputError
            If its files were altered.
        """
        vocabulary = Vocabulary.load(self.directory / TOKENIZER)
        if vocabulary.sha256 != self.manifest["tokenizer"]["sha256"]:
            raise InputError(
                "the tokenizer of the corpus was altered",
                source=str(self.directory / TOKENIZER),
                hint="copy or build the corpus again",
            )
        return vocabulary

    @property
    def weights(self) -> dict[str, float]:
        """Default share of each domain in the tokens of training."""
        return dict(self.manifest["weights"])

    @property
    def context_length(self) -> int:
        """Largest number of tokens of a sentence."""
        return int(self.manifest["context_length"])

    def files(self) -> dict[str, str]:
        """Return the name of every file but the manifest, relative to the directory, with its hash."""
        found = {f"{TOKENIZER}/{name}": value for name, value in self.manifest["tokenizer"]["files"].items()}
        for splits in self.manifest["domains"].values():
            for entry in splits.values():
                found |= {f"{SHARDS}/{name}": value for name, value in entry["files"].items()}
        return found

    def verify(self) -> None:
        """Compare every file with its hash.

        Raises
        ------
        InputError
            If a file is missing, cut off or altered; the error names the first one.
        """
        for name in self.files():
            self.verify_file(name)

    def verify_file(self, name: str) -> None:
        """Compare one of :meth:`files` with the manifest.

        Raises
        ------
        InputError
            If it is missing, cut off or altered.
        """
        path = self.directory / name
        try:
            found = file_sha256(path)
        except OSError as error:
            raise InputError(
                f"a file of the corpus cannot be read: {error.strerror}", source=str(path), hint="copy it again"
            ) from error
        if found != self.files()[name]:
            raise InputError(
                "the file differs from the manifest: it was cut off or altered",
                source=str(path),
                hint="copy it again, or build the corpus again",
            )

    def shards(self, split: str) -> dict[str, Shard]:
        """Return the shards of a split by domain, in the order of their names.

        Raises
        ------
        InputError
            If a shard is missing, or its length differs from the manifest.
        """
        found = {}
        for domain, splits in sorted(self.manifest["domains"].items()):
            if split in splits:
                found[domain] = self._shard(domain, split, splits[split])
        return found

    def _shard(self, domain: str, split: str, entry: dict[str, Any]) -> Shard:
        base = self.directory / SHARDS / f"{domain}.{split}"
        try:
            shard = Shard(*(np.load(f"{base}.{name}.npy", mmap_mode="r") for name in ARRAYS))
        except (OSError, ValueError) as error:
            raise InputError(
                "a shard of the corpus cannot be read: missing or cut off",
                source=str(base),
                hint="logos corpus verify names the damaged files",
            ) from error
        lengths = (len(shard), len(shard.answers), shard.n_tokens)
        if lengths != (entry["n_sentences"], entry["n_sentences"], entry["n_tokens"]):
            raise InputError(
                "the length of a shard differs from the manifest",
                source=str(base),
                hint="logos corpus verify names the damaged files",
            )
        return shard


def _hint_for(directory: Path) -> str:
    if not directory.exists():
        return "there is no such directory"
    if (directory / "build").is_dir():
        return "its build was interrupted: go on with logos corpus build … --resume"
    return "logos corpus build makes one"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
