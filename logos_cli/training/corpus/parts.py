"""Parts of a corpus: files with the encoded sentences of one stretch of the input."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import InputError, OutputError
from logos_cli.grammar import Form
from logos_cli.records.json_text import parse_json
from logos_cli.training.corpus.encoder import Encoded, SentenceEncoder
from logos_cli.training.corpus.shards import ARRAYS

_DIGEST_BYTES: Final = 8

Group = tuple[str, str, str]
"""Domain, split, form."""


@dataclass(slots=True)
class CorpusPart:
    """Sentences of one stretch of the input, before they are encoded.

    Attributes
    ----------
    texts : dict
        Sentences by domain, split and form.
    dropped : dict
        Numbers of dropped sentences by domain and reason.
    facts : dict
        Further facts of this part for the shards; JSON values.
    """

    texts: dict[Group, list[str]] = field(default_factory=dict)
    dropped: dict[str, Counter[str]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, domain: str, split: str, form: Form | str, text: str) -> None:
        """Add one sentence."""
        self.texts.setdefault((domain, split, str(form)), []).append(text)

    def drop(self, domain: str, reason: str, count: int = 1) -> None:
        """Count dropped sentences."""
        self.dropped.setdefault(domain, Counter())[reason] += count

    def write(self, path: Path, encoder: SentenceEncoder, context_length: int) -> None:
        """Encode and write the part under a temporary name, then rename it.

        Raises
        ------
        OutputError
            If it cannot be written; the parts before it stay as they are.
        """
        arrays: dict[str, NDArray[Any]] = {}
        groups: list[Group] = []
        for group, texts in sorted(self.texts.items()):
            encoded = encoder.encode(texts, Form(group[2]) if group[2] else None)
            digests = _digests(texts)
            short = np.diff(encoded.ends, prepend=0) <= context_length
            if n_long := int((~short).sum()):
                self.drop(group[0], f"longer than {context_length} tokens", n_long)
            encoded = encoded.only(short)
            number = len(groups)
            groups.append(group)
            arrays |= {f"{name}{number}": getattr(encoded, name) for name in ARRAYS}
            arrays[f"digests{number}"] = digests[short]
        meta = {"groups": groups, "dropped": self.dropped, "facts": self.facts}
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("wb") as stream:
                np.savez(stream, **arrays)  # type: ignore[arg-type]
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise cannot_write(error, path) from error


def _digests(texts: Sequence[str]) -> NDArray[np.uint64]:
    joined = b"".join(hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest() for text in texts)
    return np.frombuffer(joined, dtype=np.uint64)


def cannot_write(error: OSError, path: Path) -> OutputError:
    """Return the error of a part, shard or manifest that cannot be written."""
    return OutputError(
        f"cannot be written: {error.strerror or error}",
        source=str(path),
        hint="finished parts are kept: free some space, then go on with --resume",
    )


class StoredPart:
    """A part on disk; its arrays are read at each access."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # opened here, as numpy does not close a file that it cannot read
            self._stream = path.open("rb")
        except OSError as error:
            raise _damaged(path) from error
        try:
            self._file = np.load(self._stream)
            meta = parse_json(self._file["meta"].tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            self._stream.close()
            raise _damaged(path) from error
        self.groups: list[Group] = [(domain, split, form) for domain, split, form in meta["groups"]]
        self.dropped: dict[str, dict[str, int]] = meta["dropped"]
        self.facts: dict[str, Any] = meta["facts"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._stream.close()

    def digests(self, number: int) -> NDArray[np.uint64]:
        """Return the digests of the sentences of one group."""
        found: NDArray[np.uint64] = self._array("digests", number)
        return found

    def encoded(self, number: int) -> Encoded:
        """Return the sentences of one group."""
        return Encoded(*(self._array(name, number) for name in ARRAYS))

    def _array(self, name: str, number: int) -> Any:
        try:
            return self._file[f"{name}{number}"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise _damaged(self.path) from error


def _damaged(path: Path) -> InputError:
    return InputError(
        "a part of the build is damaged", source=str(path), hint="remove this file and go on with --resume"
    )
