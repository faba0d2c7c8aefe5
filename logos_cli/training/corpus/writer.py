"""Write a corpus: parts first, then shards without repeats, with little memory.

Parts are independent of each other: several processes can make them, and they survive a kill. :func:`write_shards`
reads them in order, finds repeats by the digests of all sentences, and copies the kept sentences into shards. It needs
8 bytes of digest per sentence, and more while they are sorted.
"""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.errors import InputError
from logos_cli.io.json_types import to_json
from logos_cli.training.corpus.encoder import Encoded, dtype_for
from logos_cli.training.corpus.parts import StoredPart, cannot_write
from logos_cli.training.corpus.shards import ARRAYS, FORMAT, MANIFEST, SHARDS, SPLITS, TOKENIZER, file_sha256
from logos_cli.training.corpus.vocabulary import Vocabulary

BUILD: Final = "build"
"""Directory of an unfinished build, inside that of the corpus."""

SEEN, HELD_OUT = "seen before", "held out in another place"


@dataclass(slots=True)
class _Choice:
    """The kept sentences of all parts."""

    wanted: dict[tuple[int, int], NDArray[np.bool_]]
    sizes: dict[tuple[str, str], list[int]]
    forms: dict[tuple[str, str], set[str]]
    dropped: dict[str, Counter[str]]


def _choose(parts: Sequence[Path]) -> _Choice:
    """Keep the first of equal sentences; held-out ones come before those for training."""
    found: dict[str, list[tuple[int, int, str, NDArray[np.uint64]]]] = {split: [] for split in SPLITS}
    choice = _Choice({}, {}, {}, {})
    for index, path in enumerate(parts):
        with StoredPart(path) as part:
            for domain, reasons in part.dropped.items():
                choice.dropped.setdefault(domain, Counter()).update(reasons)
            for number, (domain, split, form) in enumerate(part.groups):
                found[split].append((index, number, domain, part.digests(number)))
                choice.forms.setdefault((domain, split), set()).add(form)
    ordered = [*found["valid"], *found["train"]]
    digests = np.concatenate([row[3] for row in ordered]) if ordered else np.empty(0, np.uint64)
    n_valid = sum(len(row[3]) for row in found["valid"])
    first, held_out = _first_of_equals(digests, n_valid)
    start = 0
    for index, number, domain, own in ordered:
        end = start + len(own)
        choice.wanted[index, number] = first[start:end]
        n_held_out = int(held_out[start:end].sum())
        n_seen = len(own) - int(first[start:end].sum()) - n_held_out
        counts = choice.dropped.setdefault(domain, Counter())
        counts.update({reason: n for reason, n in ((SEEN, n_seen), (HELD_OUT, n_held_out)) if n})
        start = end
    return choice


def _first_of_equals(digests: NDArray[np.uint64], n_valid: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each digest whether it is the first of its kind, and if not, whether the first is held out."""
    order = np.argsort(digests, kind="stable")
    begins = np.ones(len(digests), dtype=bool)
    ranked = digests[order]
    begins[1:] = ranked[1:] != ranked[:-1]
    del ranked
    first = np.empty(len(digests), dtype=bool)
    first[order] = begins
    leaders = order[begins]
    is_held_out = np.empty(len(digests), dtype=bool)
    is_held_out[order] = (leaders < n_valid)[np.cumsum(begins) - 1]
    is_held_out &= ~first
    is_held_out[:n_valid] = False
    return first, is_held_out


class _NpyFile:
    """A one-dimensional ``.npy`` of known length, written piece by piece."""

    def __init__(self, path: Path, dtype: np.dtype[Any], length: int) -> None:
        self._stream = path.open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(self._stream, header)
        self._dtype = dtype

    def write(self, array: NDArray[Any]) -> None:
        self._stream.write(np.ascontiguousarray(array, dtype=self._dtype).data)

    def close(self) -> None:
        self._stream.close()


class _ShardFiles:
    """The three files of one domain and split."""

    def __init__(self, directory: Path, name: str, dtype: np.dtype[Any], n_sentences: int, n_tokens: int) -> None:
        self.paths = {array: directory / f"{name}.{array}.npy" for array in ARRAYS}
        self.n_sentences, self.n_tokens = n_sentences, n_tokens
        kinds = {"tokens": dtype, "ends": np.dtype(np.int64), "answers": np.dtype(np.uint32)}
        sizes = {"tokens": n_tokens, "ends": n_sentences, "answers": n_sentences}
        self._files = {array: _NpyFile(self.paths[array], kinds[array], sizes[array]) for array in ARRAYS}
        self._offset = 0

    def add(self, encoded: Encoded) -> None:
        self._files["tokens"].write(encoded.tokens)
        self._files["ends"].write(encoded.ends + self._offset)
        self._files["answers"].write(encoded.answers)
        self._offset += len(encoded.tokens)

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def write_shards(
    parts: Sequence[Path],
    directory: Path,
    vocabulary: Vocabulary,
    context_length: int,
    weights: Mapping[str, float] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write shards, tokenizer and manifest of the sentences of all parts, and return the manifest.

    Parameters
    ----------
    parts : sequence of Path
        The parts in order; the first of equal sentences is kept.
    directory : Path
        The output directory; it is made, and has no files of these names.
    weights : mapping, optional
        Shares of the domains; by default they are proportional to the square root of the domain's tokens.
    facts : mapping, optional
        Further keys of the manifest.

    Raises
    ------
    InputError
        If no sentence is left for training, or ``weights`` do not fit the domains.
    OutputError
        If the device is full; the parts are unchanged.
    """
    choice = _choose(parts)
    dtype = dtype_for(vocabulary)
    for index, number, domain, split, encoded in _kept(parts, choice):
        del index, number
        sizes = choice.sizes.setdefault((domain, split), [0, 0])
        sizes[0] += len(encoded.ends)
        sizes[1] += len(encoded.tokens)
    trained = {domain: n_tokens for (domain, split), (_, n_tokens) in choice.sizes.items() if split == "train"}
    if not trained:
        raise InputError("no sentence is left to train on", hint="see the counts above")
    weights = checked_weights(weights, trained)
    try:
        shards = _copy(parts, choice, directory / SHARDS, dtype)
        vocabulary.save(directory / TOKENIZER)
        manifest = {
            "format": FORMAT,
            "tokenizer": {
                "sha256": vocabulary.sha256,
                "n_tokens": vocabulary.n_tokens,
                "added": list(vocabulary.added),
                "files": {path.name: file_sha256(path) for path in sorted((directory / TOKENIZER).iterdir())},
            },
            "dtype": dtype.name,
            "context_length": context_length,
            "domains": shards,
            "weights": weights,
            "dropped": {
                domain: dict(sorted(reasons.items())) for domain, reasons in sorted(choice.dropped.items()) if reasons
            },
            **(facts or {}),
        }
        text = to_json(manifest, indent=1) + "\n"
        (directory / MANIFEST).write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(error, directory) from error
    return manifest


def _kept(parts: Sequence[Path], choice: _Choice) -> Iterator[tuple[int, int, str, str, Encoded]]:
    for index, path in enumerate(parts):
        with StoredPart(path) as part:
            for number, (domain, split, _) in enumerate(part.groups):
                wanted = choice.wanted[index, number]
                if wanted.any():
                    yield index, number, domain, split, part.encoded(number).only(wanted)


def _copy(parts: Sequence[Path], choice: _Choice, directory: Path, dtype: np.dtype[Any]) -> dict[str, dict[str, Any]]:
    directory.mkdir(parents=True)
    with ExitStack() as stack:
        open_files: dict[tuple[str, str], _ShardFiles] = {}
        for (domain, split), (n_sentences, n_tokens) in sorted(choice.sizes.items()):
            files = _ShardFiles(directory, f"{domain}.{split}", dtype, n_sentences, n_tokens)
            stack.callback(files.close)
            open_files[domain, split] = files
        for _, _, domain, split, encoded in _kept(parts, choice):
            open_files[domain, split].add(encoded)
    domains: dict[str, dict[str, Any]] = {}
    for (domain, split), files in open_files.items():
        domains.setdefault(domain, {})[split] = {
            "forms": sorted(choice.forms[domain, split] - {""}),
            "n_sentences": files.n_sentences,
            "n_tokens": files.n_tokens,
            "files": {path.name: file_sha256(path) for path in files.paths.values()},
        }
    return domains


def checked_weights(weights: Mapping[str, float] | None, n_tokens: Mapping[str, int]) -> dict[str, float]:
    """Return shares that sum to one, for each domain with training sentences.

    Parameters
    ----------
    weights : mapping or None
        None makes them proportional to the square root of the domain's tokens: a domain that is a hundred times
        larger is seen ten times as often.
    n_tokens : mapping
        Training tokens of each domain.

    Raises
    ------
    InputError
        If a weight names an unknown domain, a domain has no weight, or a weight is not a number from 0.
    """
    if weights is None:
        weights = {domain: math.sqrt(count) for domain, count in n_tokens.items()}
    if unknown := sorted(set(weights) - set(n_tokens)):
        from difflib import get_close_matches

        near = get_close_matches(unknown[0], n_tokens, n=1)
        raise InputError(
            f"there are weights for {', '.join(unknown)}, but the corpus has no such domain",
            hint=f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(n_tokens))}",
        )
    if missing := sorted(set(n_tokens) - set(weights)):
        raise InputError(f"there is no weight for {', '.join(missing)}", hint="give 0 to leave a domain out")
    values = {domain: weights[domain] for domain in sorted(weights)}
    usable = all(isinstance(v, int | float) and math.isfinite(v) and v >= 0 for v in values.values())
    if not usable or not sum(values.values()):
        raise InputError("weights are numbers from 0, and not all of them 0")
    total = sum(values.values())
    return {domain: round(value / total, 6) for domain, value in values.items()}


def install(stage: Path, directory: Path) -> None:
    """Replace the corpus in ``directory`` by the one that :func:`write_shards` wrote to ``stage``.

    The manifest is removed first and moved last: a directory without one is not a corpus, whatever else is in it.
    """
    try:
        (directory / MANIFEST).unlink(missing_ok=True)
        for name in (SHARDS, TOKENIZER):
            shutil.rmtree(directory / name, ignore_errors=True)
            (stage / name).rename(directory / name)
        (stage / MANIFEST).rename(directory / MANIFEST)
    except OSError as error:
        raise cannot_write(error, directory) from error
