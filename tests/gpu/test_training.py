"""Training on a CUDA device: ``python -m pytest -m gpu tests/gpu/test_training.py``."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from logos_cli.training.config_file import with_values
from logos_cli.training.corpus.shards import Corpus
from logos_cli.training.resolve import resolve
from logos_cli.training.run.journal import read_journal
from logos_cli.training.run.loop import Trainer
from logos_cli.training.run.signals import RunEnd
from tests.training_corpora import CONFIG, write_corpus

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
    # what inductor and its tools warn of is not ours
    pytest.mark.filterwarnings("default"),
]
GPU = with_values(
    CONFIG,
    {
        "run.device": "cuda",
        "model.hidden_size": 64,
        "data.n_step_tokens": 4096,
        "data.n_micro_tokens": 1024,
        "schedule.n_steps": 12,
        "schedule.n_decay_steps": 4,
        "evaluation.every_steps": 0,
    },
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def losses(corpus: Corpus, directory: Path, **values: object) -> list[float]:
    config = with_values(GPU, {key.replace("__", "."): value for key, value in values.items()})
    assert Trainer(corpus, resolve(config, corpus), directory).run() is RunEnd.FINISHED
    return [line["loss"] for line in read_journal(directory / "log.jsonl") if "loss" in line]


def test_flex_attention_learns_as_the_plain_kernel_on_the_cpu_does(corpus: Corpus, tmp_path: Path) -> None:
    plain = losses(corpus, tmp_path / "cpu", run__device="cpu")
    sdpa = losses(corpus, tmp_path / "sdpa", run__precision="fp32")
    flex = losses(corpus, tmp_path / "flex", run__precision="bf16", run__compile=True)
    assert sdpa == pytest.approx(plain, rel=0.01)
    assert flex == pytest.approx(plain, rel=0.05)
    assert flex[-1] < flex[0] - 0.5


def test_the_step_is_compiled_once(corpus: Corpus, tmp_path: Path) -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    config = with_values(GPU, {"run.compile": True, "run.precision": "bf16"})
    run = Trainer(corpus, resolve(config, corpus), tmp_path)
    run.advance()
    n_graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    for _ in range(5):
        run.advance()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == n_graphs


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_run_goes_on_after_a_checkpoint(corpus: Corpus, tmp_path: Path, precision: str) -> None:
    config = resolve(with_values(GPU, {"run.precision": precision, "optimizer.name": "adamw"}), corpus)
    whole = Trainer(corpus, config, tmp_path / "whole")
    whole.run()
    part = Trainer(corpus, config, tmp_path / "part")
    for _ in range(5):
        part.advance()
    part.save()
    resumed = Trainer(corpus, config, tmp_path / "part")
    assert resumed.step == 5
    assert resumed.run() is RunEnd.FINISHED
    for one, other in zip(whole.learner.module.parameters(), resumed.learner.module.parameters(), strict=True):
        assert torch.allclose(one, other, atol=2e-3)


def test_samples_and_exports_work_from_the_device(corpus: Corpus, tmp_path: Path) -> None:
    config = with_values(GPU, {"run.compile": True, "run.precision": "bf16", "evaluation.n_samples": 2})
    run = Trainer(corpus, resolve(config, corpus), tmp_path)
    assert run.run() is RunEnd.FINISHED
    assert (run.export(tmp_path / "model") / "model.safetensors").exists()
