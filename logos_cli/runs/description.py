"""Describe a run by its command, arguments and inputs, and compare descriptions."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from logos_cli.errors import InputError
from logos_cli.io import places
from logos_cli.io.json_types import JsonMapping, JsonObject

_WHOLE_BYTES: Final = 1 << 30
"""Most bytes of inputs that are hashed completely; larger ones by the length, beginning and end of each file."""
_END_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Description:
    """The command, arguments and inputs that all shards and sessions of a run share.

    Attributes
    ----------
    command : str
    arguments : dict
        Values of the arguments that change results, by name.
    inputs : list of str
        Files in their order.
    n_shards : int
    version : str
        Version of the program.
    """

    command: str
    arguments: JsonObject
    inputs: tuple[str, ...]
    n_shards: int
    version: str

    def to_dict(self) -> JsonObject:
        """Return the part of ``run.json`` that must not change."""
        return {
            "command": self.command,
            "arguments": self.arguments,
            "n_shards": self.n_shards,
            "version": self.version,
            "inputs": {"files": list(self.inputs), "sha256": fingerprint(self.inputs)},
        }


def fingerprint(paths: Sequence[str]) -> str:
    """Return a hash of files: of their whole content or, if they are large, of length, beginning and end.

    Standard input is not hashed: its entries are compared one by one.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    digest = hashlib.sha256()
    files = [path for path in paths if path != "-" and places.is_file(path)]
    try:
        is_small = sum(Path(path).stat().st_size for path in files) <= _WHOLE_BYTES
        for path in files:
            digest.update(f"{path}\0{Path(path).stat().st_size}\0".encode("utf-8", "surrogateescape"))
            with Path(path).open("rb") as stream:
                if is_small:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
                    continue
                digest.update(stream.read(_END_BYTES))
                stream.seek(-min(_END_BYTES, os.fstat(stream.fileno()).st_size), os.SEEK_END)
                digest.update(stream.read())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", source=str(error.filename)) from error
    return digest.hexdigest()


def differences(before: JsonMapping, now: JsonMapping, prefix: str = "") -> Iterator[str]:
    """Yield the differences between two descriptions: ``arguments.cutoff: 4.5 -> 6.0``."""
    for name in [*before, *(each for each in now if each not in before)]:
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            yield from differences(old, new, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}: {_short(old)} -> {_short(new)}"


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
