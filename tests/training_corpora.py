"""A small real corpus and a small configuration for tests of training."""

from __future__ import annotations

from pathlib import Path

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
from logos_cli.training.corpus.shards import Corpus
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.corpus.writer import CorpusWriter

NANO = data_path("tokenizers", "logos-nano")
CONFIG = TrainConfig(
    model=ModelConfig(hidden_size=32, intermediate_size=64, n_layers=2, n_heads=2, context_length=128),
    data=DataConfig(weights={"molecule": 0.7, "retrosynthesis": 0.3}, n_step_tokens=512, n_micro_tokens=256),
    optimizer=OptimizerConfig(name="muon"),
    schedule=ScheduleConfig(n_steps=6, n_decay_steps=2, n_warmup_steps=2),
    evaluation=EvaluationConfig(every_steps=3, n_tokens=1000, n_samples=0),
    run=RunConfig(precision="fp32", log_every_steps=1, device="cpu"),
)


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
