"""Model, corpus and data that the parts of the figures share."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import torch
from rdkit import Chem, rdBase
from transformers import AutoModelForCausalLM

from logos_cli.backends.base import Backend, LoadOptions, open_model
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Engine, Finish, Request
from logos_cli.training.corpus.shards import Corpus, Shard
from logos_cli.training.corpus.vocabulary import Vocabulary
from tests.bench.ngram import NgramModel

SEED: Final = 20
BATCH_SIZE: Final = 64
AS_IT_IS: Final = Sampling()
_EVERY_S: Final = 30.0
_DECODED: Final = 50_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sample:
    """A sampled text, its prompt included.

    Attributes
    ----------
    whole : bool
        Whether the model ended it; False means that it was cut at the limit.
    """

    text: str
    whole: bool


class HeldOut:
    """The corpus, and what is computed from its training shards once for all models.

    Domains are called as the corpus calls them.
    """

    def __init__(self, directory: Path) -> None:
        self.corpus = Corpus(directory)
        self.vocabulary: Vocabulary = self.corpus.vocabulary
        self.train: dict[str, Shard] = self.corpus.shards("train")
        self.valid: dict[str, Shard] = self.corpus.shards("valid")
        self.ngram = cache(self._ngram)

    def _ngram(self, domain: str, order: int, limit: int | None = None) -> NgramModel:
        """Return the n-gram model of a training shard, or of ``limit`` tokens of it, drawn at random."""
        shard = self.train[domain]
        tokens, ends = np.asarray(shard.tokens), np.asarray(shard.ends)
        if limit is not None and limit < len(tokens):
            rows = [shard[index] for index in self.picked(domain, limit, "train")]
            tokens, ends = np.concatenate(rows), np.cumsum([len(row) for row in rows])
        return NgramModel(tokens, ends, self.vocabulary.n_tokens, order)

    def sentences(self, domain: str, split: str) -> Iterator[str]:
        """Yield the sentences of a domain as text, in the order of the shard."""
        shard = (self.train if split == "train" else self.valid).get(domain)
        for start in range(0, len(shard) if shard else 0, _DECODED):
            assert shard is not None
            rows = (shard[i] for i in range(start, min(start + _DECODED, len(shard))))
            for row in rows:
                yield self.vocabulary.decode(row)

    def picked(self, domain: str, n_tokens: int, split: str = "valid") -> list[int]:
        """Return sentences drawn at random, as many as ``n_tokens`` tokens, the last one beyond it."""
        shard = (self.train if split == "train" else self.valid)[domain]
        order = np.random.default_rng(SEED).permutation(len(shard))
        lengths = np.diff(np.asarray(shard.ends), prepend=0)[order]
        count = int(np.searchsorted(np.cumsum(lengths), n_tokens)) + 1
        return [int(index) for index in order[:count]]


class Bench:
    """One model to be measured.

    Parameters
    ----------
    model : Path
        The directory of a model.
    held_out : HeldOut
    data : Path
        The folder of public data sets.
    scale : float
        Share of the full sample sizes.
    seen : mapping, optional
        Tokens by domain that the model was trained on, where an n-gram model of as many is wanted too.
    """

    def __init__(
        self,
        model: Path,
        held_out: HeldOut,
        data: Path,
        scale: float = 1.0,
        device: str = "auto",
        seen: Mapping[str, int] | None = None,
    ) -> None:
        self.directory = model
        self.held_out = held_out
        self.data = data
        self.scale = scale
        self.seen = dict(seen or {})
        checkpoint = open_model(LoadOptions(str(model), backend="torch", device=device, offline=True))
        held_out.corpus.check_tokenizer(Vocabulary.load(model).sha256)
        self.backend: Backend = checkpoint.load()
        self.context_tokens = checkpoint.context_tokens

    @cached_property
    def network(self) -> Any:
        """The model of ``transformers``, for likelihoods: it reads whole batches of sentences."""
        network = AutoModelForCausalLM.from_pretrained(self.directory, local_files_only=True, dtype=torch.float32)
        return network.eval().to(self.backend.info.device)

    @property
    def facts(self) -> dict[str, Any]:
        """What the figures are figures of."""
        return {
            "name": self.directory.name,
            "n_parameters": sum(parameter.numel() for parameter in self.network.parameters()),
            "weights_sha256": self.backend.info.sha256,
            "corpus_sha256": self.held_out.corpus.sha256,
            "scale": self.scale,
            "seen": self.seen,
        }

    def size(self, count: int) -> int:
        """Return a sample size at the scale that was asked for."""
        return max(1, round(count * self.scale))

    def ids(self, text: str) -> tuple[int, ...]:
        """Return what the model reads for the beginning of a sentence."""
        return tuple(self.backend.tokenizer.encode(text))

    def id_of(self, tag: str) -> int:
        """Return the id of a tag."""
        return self.backend.tokenizer.tag_ids[tag]

    def sample(
        self,
        prompts: str | Sequence[str],
        count: int,
        max_new_tokens: int,
        end: str | None = None,
        values: Sampling = AS_IT_IS,
    ) -> list[Sample]:
        """Return samples of the model without a constraint.

        Parameters
        ----------
        prompts : str or sequence of str
        count : int
            Samples of each prompt.
        end : str, optional
            A tag that ends a sample, as the end token always does.
        values : Sampling
            Temperature, cuts and penalty; by default the model's own probabilities.
        """
        opened = [prompts] if isinstance(prompts, str) else list(prompts)
        last, total = self.id_of(end) if end else None, count * len(opened)
        sampling = replace(values, max_new_tokens=max_new_tokens)
        engine = Engine(self.backend, sampling, batch_size=min(BATCH_SIZE, total), seed=SEED)
        requests = (
            Request(f"{prompt}#{number}", ids, end=last)
            for prompt, ids in zip(opened, map(self.ids, opened), strict=True)
            for number in range(count)
        )
        decode = self.backend.tokenizer.decode
        made = watch(engine.run(requests), total, f"samples of {opened[0][-20:]}")
        return [
            Sample(opened[number // count] + decode(one.tokens), one.finish is Finish.STOP)
            for number, one in enumerate(made)
        ]


def say(text: str) -> None:
    """Print progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def watch(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Yield the items and say now and then how many there were."""
    last = time.monotonic()
    for number, item in enumerate(items, 1):
        yield item
        if time.monotonic() - last > _EVERY_S:
            last = time.monotonic()
            say(f"  {what}: {number} of {total}")


def canonical(smiles: str) -> str | None:
    """Return the canonical SMILES, None if RDKit accepts no molecule."""
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    return Chem.MolToSmiles(molecule) if molecule is not None and molecule.GetNumAtoms() else None
