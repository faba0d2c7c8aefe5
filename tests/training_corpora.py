"""A small real corpus and a small configuration for tests of training."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from logos_cli.errors import LogosError
from logos_cli.grammar import Form
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.resources import data_path
from logos_cli.training.config import (
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    ScheduleConfig,
    TrainConfig,
)
from logos_cli.training.corpus.encoder import SentenceEncoder
from logos_cli.training.corpus.parts import CorpusPart
from logos_cli.training.corpus.shards import Corpus
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.corpus.writer import BUILD, install, write_shards

NANO = data_path("tokenizers", "logos-nano")
CONFIG = TrainConfig(
    model=ModelConfig(hidden_size=32, intermediate_size=64, n_layers=2, n_heads=2, context_length=128),
    data=DataConfig(weights={"molecule": 0.7, "retrosynthesis": 0.3}, n_step_tokens=512, n_micro_tokens=256),
    optimizer=OptimizerConfig(name="muon"),
    schedule=ScheduleConfig(n_steps=6, n_decay_steps=2, n_warmup_steps=2),
    evaluation=EvaluationConfig(every_steps=3, n_tokens=1000, n_samples=0),
    run=RunConfig(precision="fp32", log_every_steps=1, device="cpu"),
)


class CorpusWriter:
    """Writes a corpus from sentences in hand.

    Parameters
    ----------
    directory : Path
        Of the corpus; what it holds of an earlier one is replaced when :meth:`finish` has all.
    vocabulary : Vocabulary
    context_length : int
        Sentences of more tokens than this, begin and end token counted, are dropped and counted.

    Notes
    -----
    Of equal sentences one is kept, whatever its domain: one that is held out if there is one, else the first.
    """

    def __init__(self, directory: Path, vocabulary: Vocabulary, context_length: int = 2048) -> None:
        self.directory = directory
        self.vocabulary = vocabulary
        self.context_length = context_length
        self._encoder = SentenceEncoder(vocabulary)
        self._build = directory / BUILD
        self._parts: list[Path] = []
        self._build.mkdir(parents=True, exist_ok=True)

    def add(self, domain: str, split: str, sentences: Iterable[str], form: Form | None = None) -> None:
        """Add sentences of one form; without it their answers begin where they begin."""
        part = CorpusPart({(domain, split, form.value if form else ""): list(sentences)})
        self._write(part)

    def drop(self, domain: str, reason: str, count: int = 1) -> None:
        """Count what became no sentence."""
        part = CorpusPart()
        part.drop(domain, reason, count)
        self._write(part)

    def _write(self, part: CorpusPart) -> None:
        path = self._build / f"{len(self._parts):06}.npz"
        part.write(path, self._encoder, self.context_length)
        self._parts.append(path)

    def finish(
        self, facts: Mapping[str, Any] | None = None, weights: Mapping[str, float] | None = None
    ) -> dict[str, Any]:
        """Write shards and manifest, and return the manifest; ``facts`` are added to it."""
        stage = self._build / "new"
        try:
            manifest = write_shards(self._parts, stage, self.vocabulary, self.context_length, weights, facts)
            install(stage, self.directory)
        except LogosError:
            shutil.rmtree(stage, ignore_errors=True)
            raise
        shutil.rmtree(self._build)
        return manifest


def molecule(smiles: str) -> str:
    return f"{Kind.MOLECULE.start}{smiles}{Kind.MOLECULE.end}"


def write_corpus(directory: Path, vocabulary: Vocabulary | None = None, longest: int = 30) -> Corpus:
    """Write alkanes and alcohols, and what makes one of the other."""
    writer = CorpusWriter(directory, vocabulary or Vocabulary.load(NANO), context_length=128)
    for split, start in (("valid", 1), ("train", 2)):
        alcohols = ["C" * n + "O" * m for n in range(start, longest, 2) for m in range(1, 10)]
        writer.add("molecule", split, map(molecule, alcohols))
        writer.add(
            "retrosynthesis",
            split,
            [molecule(x) + Operator.REVERSE_REACT + molecule(x.replace("O", "")) + molecule("O") for x in alcohols],
            Form.RETROSYNTHESIS,
        )
    writer.finish({"sources": [{"path": "alcohols.smi", "licence": "CC0"}]})
    return Corpus(directory)
