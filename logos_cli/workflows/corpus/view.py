"""The domains, the size and the sentences of a corpus."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from logos_cli.errors import UsageError
from logos_cli.records import Record
from logos_cli.training.corpus.shards import MANIFEST, SPLITS, Corpus


@dataclass(frozen=True, slots=True)
class DomainInfo:
    """One row of ``logos corpus info``; counts by split."""

    domain: str
    forms: tuple[str, ...]
    n_sentences: dict[str, int]
    n_tokens: dict[str, int]
    weight: float
    dropped: dict[str, int]


def domains_of(corpus: Corpus) -> Iterator[DomainInfo]:
    """Yield the domains of a corpus, including those without a kept sentence."""
    manifest = corpus.manifest
    for domain in sorted({*manifest["domains"], *manifest["dropped"]}):
        splits = manifest["domains"].get(domain, {})
        yield DomainInfo(
            domain,
            tuple(sorted({form for entry in splits.values() for form in entry["forms"]})),
            {split: splits[split]["n_sentences"] if split in splits else 0 for split in SPLITS},
            {split: splits[split]["n_tokens"] if split in splits else 0 for split in SPLITS},
            corpus.weights.get(domain, 0.0),
            manifest["dropped"].get(domain, {}),
        )


def size_of(corpus: Corpus) -> int:
    """Return the size of all files of a corpus, in bytes."""
    found = 0
    for name in (*corpus.files(), MANIFEST):
        try:
            found += os.stat(corpus.directory / name).st_size  # noqa: PTH116
        except OSError:
            continue  # `verify` reports which is missing
    return found


def sentences_of(corpus: Corpus, wanted: Sequence[str], split: str, n: int) -> Iterator[Record]:
    """Yield sentences of a corpus as records with the id ``domain:index``.

    Parameters
    ----------
    wanted : sequence of str
        ``domain``, for its first ``n`` sentences, or ``domain:index``, counted from 0.

    Raises
    ------
    UsageError
        If the split has no such domain or sentence.
    """
    shards, tokenizer = corpus.shards(split), corpus.vocabulary.tokenizer
    control = {corpus.vocabulary.bos_id, corpus.vocabulary.eos_id, corpus.vocabulary.pad_id}
    for name in wanted:
        domain, _, number = name.partition(":")
        shard = shards.get(domain)
        if shard is None:
            raise UsageError(
                f"the split {split} has no domain {domain!r}",
                source=str(corpus.directory),
                hint=f"it has {', '.join(shards) or 'none'}",
            )
        if number and not (number.isdigit() and int(number) < len(shard)):
            raise UsageError(
                f"{domain} has no sentence {number!r}",
                source=str(corpus.directory),
                hint=f"they are numbered from 0 to {len(shard) - 1}",
            )
        kind = corpus.manifest["domains"][domain][split]["forms"]
        for index in [int(number)] if number else range(min(n, len(shard))):
            ids = [token for token in shard[index].tolist() if token not in control]
            text = tokenizer.decode(ids, skip_special_tokens=False)
            yield Record(f"{domain}:{index}", kind[0], text)
