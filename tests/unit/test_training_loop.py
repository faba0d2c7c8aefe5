"""The loop: it learns, stops on a signal, goes on exactly, and keeps the last good checkpoint."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
import torch

from logos_cli.errors import InputError, MissingError, OutputError, UsageError
from logos_cli.grammar.spec import Kind
from logos_cli.resources import data_path
from logos_cli.training import checkpoint
from logos_cli.training.corpus import Corpus, CorpusWriter, SentenceEncoder
from logos_cli.training.loop import Trainer, TrainingError, evaluate
from logos_cli.training.options import ModelShape, TrainOptions

ENCODER = SentenceEncoder(data_path("tokenizers", "logos-nano"))
SHAPE = ModelShape(hidden_size=32, intermediate_size=64, n_layers=2, n_heads=2, context_length=128)
OPTIONS = TrainOptions(
    shape=SHAPE, weights={"molecule": 1.0}, n_steps=6, n_decay_steps=2, n_warmup_steps=2, n_step_tokens=512,
    n_micro_tokens=256, bf16=False, eval_every=3, log_every=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    directory = tmp_path_factory.mktemp("corpus")
    writer = CorpusWriter(ENCODER, context_length=128)
    for split, start in (("valid", 1), ("train", 2)):
        smiles = ("C" * n + "O" * m for n in range(start, 30, 2) for m in range(1, 20))
        writer.add("molecule", split, (f"{Kind.MOLECULE.start}{x}{Kind.MOLECULE.end}" for x in smiles))
    writer.write(directory, {})
    return Corpus(directory, ENCODER.sha256)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def lines(directory) -> list[dict]:
    return [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]


def test_the_held_out_loss_falls(corpus, tmp_path):
    trainer = Trainer(
        corpus, ENCODER, replace(OPTIONS, n_steps=40, n_decay_steps=10, eval_every=40), tmp_path
    )
    before = evaluate(trainer.model, trainer.held_out, trainer.pad_id, OPTIONS)["molecule"]
    assert trainer.run()
    after = lines(tmp_path)[-1]["evaluation"]["molecule"]
    assert before == pytest.approx(5.6, abs=0.3)
    assert after < 1.0


def test_a_resumed_run_equals_an_uninterrupted_one(corpus, tmp_path):
    whole = Trainer(corpus, ENCODER, OPTIONS, tmp_path / "whole")
    assert whole.run()
    part = Trainer(corpus, ENCODER, OPTIONS, tmp_path / "part")
    for _ in range(3):
        part._train_step()
    part.save()
    resumed = Trainer(corpus, ENCODER, OPTIONS, tmp_path / "part")
    assert (resumed.step, resumed.n_tokens) == (3, part.n_tokens)
    assert resumed.run()
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(resumed)[name]), name
    assert resumed.n_tokens == whole.n_tokens


def test_sigterm_ends_the_run_after_a_checkpoint(corpus, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    trainer = Trainer(corpus, ENCODER, replace(OPTIONS, n_steps=10**6), tmp_path)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    assert not trainer.run()
    timer.join()
    assert signal.getsignal(signal.SIGTERM) is before
    state = json.loads((checkpoint.latest(tmp_path) / "state.json").read_text())
    assert state["step"] == trainer.step > 0


def test_other_options_are_refused_but_the_length_may_change(corpus, tmp_path):
    Trainer(corpus, ENCODER, OPTIONS, tmp_path).save()
    longer = Trainer(corpus, ENCODER, replace(OPTIONS, n_steps=9, n_decay_steps=4), tmp_path)
    assert longer.options.n_steps == 9
    with pytest.raises(UsageError, match="learning_rate"):
        Trainer(corpus, ENCODER, replace(OPTIONS, learning_rate=1.0), tmp_path)


def test_a_full_disk_leaves_the_checkpoint_before(corpus, tmp_path, monkeypatch):
    trainer = Trainer(corpus, ENCODER, OPTIONS, tmp_path)
    first = trainer.save()
    trainer._train_step()

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match="No space left"):
        trainer.save()
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [first.name]
    assert Trainer(corpus, ENCODER, OPTIONS, tmp_path).step == 0


@pytest.mark.parametrize("name", ["model.safetensors", "optimizers.pt", "state.json"])
def test_a_damaged_checkpoint_is_an_input_error(corpus, tmp_path, name):
    path = Trainer(corpus, ENCODER, OPTIONS, tmp_path).save() / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="damaged"):
        Trainer(corpus, ENCODER, OPTIONS, tmp_path)


def test_a_loss_that_is_no_number_stops_the_run(corpus, tmp_path):
    trainer = Trainer(corpus, ENCODER, OPTIONS, tmp_path)
    with torch.no_grad():
        trainer.model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="step 0"):
        trainer.run()


def test_the_log_holds_loss_and_evaluation(corpus, tmp_path):
    Trainer(corpus, ENCODER, OPTIONS, tmp_path).run()
    losses = [line["loss"] for line in lines(tmp_path) if "loss" in line]
    steps = [line["step"] for line in lines(tmp_path) if "evaluation" in line]
    assert len(losses) == 6
    assert steps == [3, 6]


def test_warm_up_stable_decay():
    options = replace(OPTIONS, n_steps=100, n_warmup_steps=10, n_decay_steps=20, decay_weights={"ion": 1.0})
    factors = [options.learning_rate_factor(step) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert set(factors[9:80]) == {1.0}
    assert factors[80:] == pytest.approx([(20 - n) / 20 for n in range(20)])
    assert options.weights_at(79) == {"molecule": 1.0}
    assert options.weights_at(80) == {"ion": 1.0}


def test_training_loads_no_chemistry():
    code = (
        "import sys, logos_cli.training.loop\n"
        "print({'rdkit', 'gemmi', 'Bio', 'biotite', 'pymatgen', 'llguidance'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_a_torch_without_muon_says_what_to_install(corpus, tmp_path, monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(MissingError, match=r"torch 2\.9"):
        Trainer(corpus, ENCODER, OPTIONS, tmp_path)
