"""Speed of training against a plain loop, in tokens a second and in model FLOP utilisation.

``python -m tests.bench.bench_training [--device cuda] [--threads 2] [--corpus DIR]`` prints a table; under
pytest (marker ``bench``) the ratio at every size is held against its bound. Both loops see the same sentences.
The plain one is what one would write first, and not badly: ``LlamaForCausalLM`` with its own loss, sentences of
a step sorted by length and padded, bf16 autocast, AdamW, no compilation. Rounds alternate, so that whatever else
the machine does hits both; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from logos_cli.grammar.spec import Kind
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
from logos_cli.training.corpus.packing import Example
from logos_cli.training.corpus.shards import Corpus
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.resolve import resolve
from logos_cli.training.run.loop import Trainer
from tests.bench.data import require_data
from tests.training_corpora import CorpusWriter

SHAPES = {
    "1.2M": ModelConfig(hidden_size=128, intermediate_size=344, n_layers=6, n_heads=4),
    "3.7M": ModelConfig(hidden_size=224, intermediate_size=608, n_layers=6, n_heads=7),
    "9.9M": ModelConfig(hidden_size=320, intermediate_size=864, n_layers=8, n_heads=10),
}
CUDA_SHAPES = {"30M": ModelConfig(hidden_size=512, intermediate_size=1408, n_layers=9, n_heads=8, context_length=4096)}
BOUND = 1.3
_LENGTHS = {
    "molecule": (48, 0.35, 0.45),
    "reaction": (105, 0.3, 0.25),
    "antibody": (122, 0.05, 0.1),
    "protein": (330, 0.5, 0.2),
}
"""Median length in characters, its logarithmic spread, and share of the tokens: near those of real corpora."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over the rounds of one size."""

    plain_tokens_per_s: float
    tokens_per_s: float
    mfu: float
    plain_mfu: float

    @property
    def ratio(self) -> float:
        return self.tokens_per_s / self.plain_tokens_per_s


def write_corpus(directory: Path, context_length: int, n_sentences: int = 3000) -> Corpus:
    """Write sentences of random letters whose lengths are spread as those of real corpora are."""
    random = np.random.default_rng(0)
    writer = CorpusWriter(directory, Vocabulary.load(data_path("tokenizers", "logos-nano")), context_length)
    letters = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", dtype="S1")
    for domain, (median, spread, _) in _LENGTHS.items():
        sentences = []
        for length in random.lognormal(np.log(median), spread, n_sentences):
            n_letters = min(int(length), context_length - 8)
            body = b"".join(random.choice(letters, n_letters)).decode()
            sentences.append(f"{Kind.PROTEIN.start}{body}{Kind.PROTEIN.end}")
        writer.add(domain, "train", sentences)
    writer.finish()
    return Corpus(directory)


class PlainLoop:
    """What one would write first."""

    def __init__(self, trainer: Trainer, n_micro_tokens: int) -> None:
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.manual_seed(0)
        shape = LlamaConfig(**{**trainer.learner.model.config.to_dict(), "pad_token_id": trainer.vocabulary.pad_id})
        self.device = trainer.world.device
        self.model = LlamaForCausalLM(shape).to(self.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self.pad_id = trainer.vocabulary.pad_id
        self.n_micro_tokens = n_micro_tokens

    def batches(self, examples: Sequence[Example]) -> list[list[Example]]:
        found: list[list[Example]] = []
        for example in sorted(examples, key=lambda example: len(example.tokens)):
            if found and (len(found[-1]) + 1) * len(example.tokens) <= self.n_micro_tokens:
                found[-1].append(example)
            else:
                found.append([example])
        return found

    def advance(self, examples: Sequence[Example]) -> None:
        self.model.train()
        batches = self.batches(examples)
        n_targets = sum(len(example.tokens) - 1 for example in examples)
        for batch in batches:
            width = max(len(example.tokens) for example in batch)
            ids = torch.full((len(batch), width), self.pad_id)
            labels = torch.full((len(batch), width), -100)
            for row, example in enumerate(batch):
                tokens = torch.from_numpy(example.tokens.astype(np.int64))
                ids[row, : len(tokens)] = labels[row, : len(tokens)] = tokens
            ids, labels = ids.to(self.device), labels.to(self.device)
            mask = (labels >= 0).long()
            with torch.autocast(self.device.type, torch.bfloat16):
                loss = self.model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
            (loss * int((labels[:, 1:] >= 0).sum()) / n_targets).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def _timed(action: Callable[[], Any], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(config: TrainConfig, corpus: Corpus, n_rounds: int, n_warm: int = 2) -> Speed:
    """Time both loops in turns, one step each a round."""
    with tempfile.TemporaryDirectory() as directory:
        trainer = Trainer(corpus, resolve(config, corpus), Path(directory))
        plain = PlainLoop(trainer, config.data.n_micro_tokens)
        device = trainer.world.device
        n_tokens: list[int] = []
        ours, theirs, flops = [], [], []
        for number in range(n_warm + n_rounds):
            before = trainer.mixture.state()
            examples = trainer.mixture.draw(number, config.data.n_step_tokens, trainer.config.data.weights)
            trainer.mixture.restore(before)
            seconds = _timed(trainer.advance, device), _timed(lambda: plain.advance(examples), device)  # noqa: B023
            if number < n_warm:
                continue
            n_tokens.append(sum(len(example.tokens) for example in examples))
            pairs = sum(len(example.tokens) ** 2 for example in examples)
            flops.append(trainer.learner.flops_of.step(n_tokens[-1], pairs))
            ours.append(seconds[0])
            theirs.append(seconds[1])
        trainer.feed.close()
        peak = trainer.matrix_flops_per_s
    mean_tokens, mean_flops = statistics.mean(n_tokens), statistics.mean(flops)
    own, other = statistics.median(ours), statistics.median(theirs)
    return Speed(mean_tokens / other, mean_tokens / own, mean_flops / own / peak, mean_flops / other / peak)


def configuration(shape: ModelConfig, device: str) -> TrainConfig:
    """Return what is measured: the settings that the shipped configurations use."""
    gpu = device.startswith("cuda")
    return TrainConfig(
        model=shape,
        data=DataConfig(
            weights={name: share for name, (_, _, share) in _LENGTHS.items()},
            n_step_tokens=262_144 if gpu else 8_192,
            n_micro_tokens=65_536 if gpu else 4_096,
            verify=False,
        ),
        optimizer=OptimizerConfig(name="muon"),
        schedule=ScheduleConfig(n_steps=10_000),
        evaluation=EvaluationConfig(n_samples=0),
        run=RunConfig(device=device, compile=True),
    )


@pytest.mark.bench
@pytest.mark.parametrize("name", SHAPES)
def test_training_is_faster_than_a_plain_loop(name: str, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", 2048)
    speed = measure(configuration(SHAPES[name], "cpu"), corpus, n_rounds=6)
    print(f"{name}: {speed.ratio:.2f} times a plain loop, {speed.tokens_per_s:,.0f} tokens/s, MFU {speed.mfu:.0%}")
    assert speed.ratio >= BOUND


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--corpus", type=Path, help="measure on a corpus instead of sentences of random letters")
    parser.add_argument("--sizes", nargs="*", help=f"of {', '.join([*SHAPES, *CUDA_SHAPES])}")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--set", action="append", default=[], help="table.key=value of the configuration")
    args = parser.parse_args()
    if args.corpus:
        require_data(parser, args.corpus, "*")
    if args.threads:
        torch.set_num_threads(args.threads)
    from logos_cli.training.config_file import parse_setting

    gpu = args.device.startswith("cuda")
    shapes = {**SHAPES, **CUDA_SHAPES}
    names = args.sizes or ([*SHAPES, *CUDA_SHAPES] if gpu else [*SHAPES])
    print("size   plain tokens/s  ours tokens/s  ratio  plain MFU  ours MFU")
    with tempfile.TemporaryDirectory() as directory:
        corpus = Corpus(args.corpus) if args.corpus else write_corpus(Path(directory) / "corpus", 2048)
        for name in names:
            config = configuration(shapes[name], args.device)
            if args.corpus:
                config = replace(config, data=replace(config.data, weights={}))
            config = config.with_values(dict(map(parse_setting, args.set)))
            speed = measure(config, corpus, args.rounds)
            print(
                f"{name:<7}{speed.plain_tokens_per_s:>14,.0f}{speed.tokens_per_s:>15,.0f}{speed.ratio:>7.2f}"
                f"{speed.plain_mfu:>11.1%}{speed.mfu:>10.1%}",
                flush=True,
            )
            print(json.dumps({"size": name, "ratio": round(speed.ratio, 3), "mfu": round(speed.mfu, 4)}), flush=True)


if __name__ == "__main__":
    main()
