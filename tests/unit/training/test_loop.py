"""The loop: it learns, stops on a signal, goes on exactly, and keeps the last good checkpoint."""

from __future__ import annotations

import errno
import os
import signal
import time
from dataclasses import replace

import pytest
import torch

from logos_cli.errors import DeviceMemoryError, InputError, OutputError, UsageError
from logos_cli.training.config import ModelConfig
from logos_cli.training.config_file import with_values
from logos_cli.training.corpus.shards import Corpus
from logos_cli.training.resolve import resolve
from logos_cli.training.run import checkpoint
from logos_cli.training.run.journal import Journal, read_journal
from logos_cli.training.run.loop import Trainer, TrainingError
from logos_cli.training.run.report import Silent
from logos_cli.training.run.signals import RunEnd
from tests.training_corpora import CONFIG, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def trainer(corpus: Corpus, directory, listener=None, **values) -> Trainer:
    config = with_values(CONFIG, {key.replace("__", "."): value for key, value in values.items()})
    return Trainer(corpus, resolve(config, corpus), directory, listener=listener)


def weights(run: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in run.learner.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_the_held_out_loss_falls_and_samples_become_sentences(corpus, tmp_path):
    run = trainer(
        corpus,
        tmp_path,
        schedule__n_steps=60,
        schedule__n_decay_steps=20,
        evaluation__every_steps=0,
        evaluation__n_samples=8,
        evaluation__max_new_tokens=60,
        evaluation__temperature=0.5,
    )
    before = run.evaluate()
    assert before["molecule"]["loss"] == pytest.approx(5.6, abs=0.3)
    assert run.run() is RunEnd.FINISHED
    last = [line for line in read_journal(tmp_path / "log.jsonl") if "evaluation" in line][-1]
    found = last["evaluation"]["molecule"]
    assert found["loss"] < 1.0
    assert found["perplexity"] == pytest.approx(2.718281828 ** found["loss"], rel=1e-3)
    assert found["n_samples"] == 8
    assert found["well_formed"] >= 0.8
    assert run.best["step"] == 60
    assert (tmp_path / "best" / "model.safetensors").exists()


def test_a_resumed_run_equals_an_uninterrupted_one(corpus, tmp_path):
    whole = trainer(corpus, tmp_path / "whole")
    assert whole.run() is RunEnd.FINISHED
    part = trainer(corpus, tmp_path / "part")
    for _ in range(3):
        part.advance()
    part.save()
    part.advance()  # lost: after the checkpoint
    resumed = trainer(corpus, tmp_path / "part")
    assert (resumed.step, resumed.n_tokens) == (3, part.n_tokens - (part.n_tokens - resumed.n_tokens))
    assert resumed.run() is RunEnd.FINISHED
    assert same(weights(whole), weights(resumed))
    assert resumed.n_tokens == whole.n_tokens
    assert resumed.epochs() == whole.epochs()
    logged = [line["step"] for line in read_journal(tmp_path / "part" / "log.jsonl") if "loss" in line]
    assert logged == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGUSR1, marks=pytest.mark.slow)]
)
def test_a_signal_ends_the_run_after_a_checkpoint(corpus, tmp_path, number):
    before = signal.getsignal(number)

    class Kill(Silent):
        def stepped(self, report):
            if report.step == 3:
                os.kill(os.getpid(), number)

    run = trainer(corpus, tmp_path, Kill(), schedule__n_steps=10**6)
    wanted = RunEnd.INTERRUPTED if number == signal.SIGINT else RunEnd.TERMINATED
    assert run.run() is wanted
    assert signal.getsignal(number) is before
    assert checkpoint.read_state(checkpoint.latest(tmp_path / "checkpoints"))["step"] == 3
    assert trainer(corpus, tmp_path, schedule__n_steps=10**6).step == 3


def test_a_signal_in_a_step_abandons_it(corpus, tmp_path, monkeypatch):
    run = trainer(corpus, tmp_path, schedule__n_steps=10**6)
    run.advance()
    run.signals.received = signal.SIGTERM
    before = weights(run)
    assert run.advance() is RunEnd.TERMINATED
    assert run.step == 1
    assert same(before, weights(run))


def test_the_time_given_is_kept(corpus, tmp_path):
    run = trainer(corpus, tmp_path, schedule__n_steps=10**6)
    start = time.monotonic()
    assert run.run(deadline=start + 1.5) is RunEnd.TIME_UP
    assert time.monotonic() - start < 8
    assert checkpoint.read_state(checkpoint.latest(tmp_path / "checkpoints"))["step"] == run.step > 0


def test_another_configuration_is_refused_but_the_length_may_change(corpus, tmp_path):
    trainer(corpus, tmp_path).save()
    assert trainer(corpus, tmp_path, schedule__n_steps=9).step == 0
    with pytest.raises(UsageError, match=r"learning_rate: 0.003 -> 1.0"):
        trainer(corpus, tmp_path, optimizer__learning_rate=1.0)
    other = write_corpus(tmp_path / "other", longest=20)
    with pytest.raises(UsageError, match="corpus: "):
        trainer(other, tmp_path)


def test_a_full_disk_leaves_the_checkpoint_before(corpus, tmp_path, monkeypatch):
    run = trainer(corpus, tmp_path)
    first = run.save()
    run.advance()

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        run.save()
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [first.name]
    assert trainer(corpus, tmp_path).step == 0


def test_as_many_checkpoints_as_wanted_are_kept(corpus, tmp_path):
    run = trainer(corpus, tmp_path, run__n_checkpoints=2)
    for _ in range(3):
        run.advance()
        run.save()
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000002", "step-00000003"]


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_an_input_error(corpus, tmp_path, name):
    path = trainer(corpus, tmp_path).save() / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="damaged"):
        trainer(corpus, tmp_path)


def test_a_loss_that_is_no_number_names_step_and_sentences(corpus, tmp_path):
    run = trainer(corpus, tmp_path)
    run.advance()
    first = run.save()
    with torch.no_grad():
        run.learner.model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"loss of step 1 is nan; sentences: (molecule|retrosynthesis):\d+"):
        run.run()
    assert checkpoint.latest(tmp_path / "checkpoints") == first


def test_answer_only_counts_answers_only(corpus, tmp_path):
    run = trainer(corpus, tmp_path / "a", data__answer_only=["retrosynthesis"], data__weights={"retrosynthesis": 1})
    share = run.feed.get(0)
    reacting = run.vocabulary.id_of("<ReverseReact>")
    for plan in share.plans:
        for example in plan.examples:
            assert example.tokens[example.first_target - 1] == reacting
    assert 0 < share.n_targets < 0.7 * share.n_tokens
    all_of_it = trainer(corpus, tmp_path / "b", data__weights={"retrosynthesis": 1}).feed.get(0)
    assert all_of_it.n_targets > share.n_targets
    assert all_of_it.n_tokens == share.n_tokens


def test_the_mixture_follows_weights_and_phases(corpus, tmp_path):
    run = trainer(
        corpus, tmp_path, data__decay_weights={"molecule": 1.0}, schedule__n_steps=200, schedule__n_decay_steps=50
    )
    assert run.feed.weights(149) == {"molecule": 0.7, "retrosynthesis": 0.3}
    assert run.feed.weights(150) == {"molecule": 1.0}
    tokens = {"molecule": 0, "retrosynthesis": 0}
    for step in range(40):
        for plan in run.feed.get(step).plans:
            for example in plan.examples:
                tokens[example.domain] += len(example.tokens)
    assert tokens["molecule"] / sum(tokens.values()) == pytest.approx(0.7, abs=0.05)


def test_names_that_are_no_domain_are_refused(corpus):
    for key in ("data.weights", "data.decay_weights"):
        with pytest.raises(UsageError, match="no domain moleculs"):
            resolve(with_values(CONFIG, {key: {"moleculs": 1}}), corpus)
    with pytest.raises(UsageError, match="no domain x"):
        resolve(with_values(CONFIG, {"data.answer_only": ["x"]}), corpus)
    assert set(resolve(with_values(CONFIG, {"data.weights": {}}), corpus).data.weights) == {
        "molecule",
        "retrosynthesis",
    }


def test_a_sentence_longer_than_the_context_is_refused(corpus, tmp_path):
    with pytest.raises(InputError, match=r"sentence of \d+ tokens, and the model a context of 32"):
        trainer(corpus, tmp_path, model__context_length=32)


def test_a_token_outside_the_vocabulary_is_refused(tmp_path):
    import numpy as np

    corpus = write_corpus(tmp_path / "corpus")
    path = tmp_path / "corpus" / "shards" / "molecule.train.tokens.npy"
    tokens = np.load(path)
    tokens[3] = 60_000
    np.save(path, tokens)
    run = trainer(corpus, tmp_path / "run", data__weights={"molecule": 1})
    with pytest.raises(InputError, match="molecule has token 60000"):
        for _ in range(30):
            run.advance()


def test_a_log_line_cut_off_by_a_kill_is_left_out(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss": 2}\n{"step": 9, "loss": 2}\n{"st')
    Journal(tmp_path, 5)
    assert [line["step"] for line in read_journal(tmp_path / "log.jsonl")] == [1]


@pytest.mark.parametrize(
    "values",
    [
        {"optimizer.name": "adamw", "model.architecture": "qwen3", "model.n_kv_heads": 1},
        {"run.gradient_checkpointing": True, "model.tie_embeddings": False},
        pytest.param({"run.precision": "bf16", "schedule.n_steps": 7}, marks=pytest.mark.slow),  # it is slow on a CPU
        {"run.attention": "sdpa", "schedule.name": "cosine"},
    ],
    ids=str,
)
def test_other_shapes_and_ways_to_compute_learn_too(corpus, tmp_path, values):
    config = with_values(CONFIG, {"schedule.n_steps": 12, "evaluation.every_steps": 0, **values})
    run = Trainer(corpus, resolve(config, corpus), tmp_path)
    assert run.run() is RunEnd.FINISHED
    losses = [line["loss"] for line in read_journal(tmp_path / "log.jsonl") if "loss" in line]
    assert losses[-1] < losses[0] - 0.5


def test_what_is_exported_is_what_was_trained(corpus, tmp_path):
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    from logos_cli.backends.base import LoadOptions, open_model

    run = trainer(corpus, tmp_path / "run")
    run.run()
    path = run.export(tmp_path / "model")
    again = AutoModelForCausalLM.from_pretrained(path)
    assert same(weights(run), again.state_dict())
    tokenizer = PreTrainedTokenizerFast.from_pretrained(path)
    assert len(tokenizer) == run.vocabulary.n_tokens
    backend = open_model(LoadOptions(str(path), device="cpu")).load()
    backend.reserve(1)
    ids = backend.tokenizer.encode("<MoleculeS>CC")
    logits = torch.from_numpy(backend.prefill(0, ids))
    with torch.no_grad():
        wanted = again(torch.tensor([ids])).logits[0, -1]
    assert torch.allclose(logits.flatten(), wanted, atol=1e-4)


def test_heads_may_be_of_a_width_of_their_own(corpus, tmp_path):
    shape = ModelConfig(hidden_size=32, n_heads=2, head_dim=8, intermediate_size=64, n_layers=1, context_length=128)
    run = Trainer(corpus, resolve(replace(CONFIG, model=shape), corpus), tmp_path)
    assert run.learner.model.config.head_dim == 8
    assert run.learner.flops_of.width == 16


def test_averaged_weights_are_measured_written_and_resumed(corpus, tmp_path):
    values = {"optimizer__average": 0.5, "evaluation__every_steps": 0, "schedule__n_steps": 5}
    whole = trainer(corpus, tmp_path / "whole", **values)
    steps = []
    for _ in range(3):
        whole.advance()
        steps.append(weights(whole))
    name = next(iter(whole.learner.average.tensors))
    first = dict(trainer(corpus, tmp_path / "new", **values).learner.module.named_parameters())[name].detach()
    wanted = first
    for number, step in enumerate(steps, 1):
        kept = min(0.5, number / (number + 10))
        wanted = kept * wanted + (1 - kept) * step[name.removeprefix("model.")]
    assert torch.allclose(whole.learner.average.tensors[name], wanted, atol=1e-6)
    own = weights(whole)
    assert whole.run() is RunEnd.FINISHED
    part = trainer(corpus, tmp_path / "part", **values)
    for _ in range(3):
        part.advance()
    part.save()
    resumed = trainer(corpus, tmp_path / "part", **values)
    assert same(own, weights(resumed))
    assert resumed.run() is RunEnd.FINISHED
    assert same(whole.learner.average.tensors, resumed.learner.average.tensors)
    from safetensors.torch import load_file

    whole.export(tmp_path / "model")
    written = load_file(tmp_path / "model" / "model.safetensors")
    assert torch.equal(written[name.removeprefix("model.")], whole.learner.average.tensors[name])
    assert not torch.equal(written[name.removeprefix("model.")], weights(whole)[name.removeprefix("model.")])


class OutOfMemory:
    """A device whose memory holds micro batches of so many tokens only; it runs out in the middle of the backward pass."""

    def __init__(self, run: Trainer, most: int) -> None:
        self.most = most
        self.n_failed = 0
        self._n_tokens = 0
        run.learner.module.register_forward_pre_hook(self._note)
        # a parameter of the first layer: those of the others have their gradients by then
        next(run.learner.model.get_decoder().layers[0].parameters()).register_hook(self._fail)

    def _note(self, _module, inputs):
        self._n_tokens = inputs[0].numel()
        if not torch.is_grad_enabled():
            self._fail(None)

    def _fail(self, _gradient):
        if self._n_tokens > self.most:
            self.n_failed += 1
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("values", [{}, pytest.param({"optimizer__name": "adamw"}, marks=pytest.mark.slow)])
def test_micro_batches_are_halved_where_the_memory_runs_out_and_the_steps_are_the_same(
    corpus, tmp_path, values, monkeypatch
):
    # in bfloat16, where a processor has it, Muon turns a last digit of a gradient into a hundredth of a step
    monkeypatch.setattr("logos_cli.training.run.muon.product_dtype", lambda _device: torch.float32)
    seen = []

    class Note(Silent):
        def halved(self, step, n_tokens):
            seen.append((step, n_tokens))

    values |= {"data__n_step_tokens": 1024, "data__n_micro_tokens": 1024, "evaluation__n_tokens": 3000}
    whole = trainer(corpus, tmp_path / "whole", **values)
    assert whole.run() is RunEnd.FINISHED
    small = trainer(corpus, tmp_path / "small", Note(), **values)
    device = OutOfMemory(small, 300)
    assert small.run() is RunEnd.FINISHED
    assert device.n_failed == len(seen) >= 1
    assert seen[0][0] == 1
    assert small.learner.most_tokens <= 300
    assert (small.n_tokens, small.n_targets) == (whole.n_tokens, whole.n_targets)
    one, other = weights(whole), weights(small)
    assert all(torch.allclose(one[name], other[name], rtol=1e-3, atol=2e-5) for name in one)
    losses = [
        [line["loss"] for line in read_journal(tmp_path / name / "log.jsonl") if "loss" in line]
        for name in ("whole", "small")
    ]
    assert losses[1] == pytest.approx(losses[0], abs=2e-4)


def test_evaluation_is_halved_too_and_one_row_that_does_not_fit_is_an_error(corpus, tmp_path):
    run = trainer(corpus, tmp_path / "run", evaluation__n_tokens=3000, data__n_micro_tokens=1024)
    before = run.evaluate()
    device = OutOfMemory(run, 300)
    assert run.evaluate() == {name: pytest.approx(found, abs=2e-4) for name, found in before.items()}
    assert device.n_failed >= 1
    device.most = 1
    with pytest.raises(DeviceMemoryError, match="out of memory") as caught:
        run.advance()
    assert "gradient_checkpointing" in (caught.value.hint or "")
