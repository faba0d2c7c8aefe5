"""Several processes on a CPU: the result is that of one, and another number of them can go on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from logos_cli.errors import UsageError
from logos_cli.training.config_file import with_values
from logos_cli.training.resolve import resolve
from logos_cli.training.run import checkpoint
from logos_cli.training.run.distributed import ProcessGroup, start
from logos_cli.training.run.journal import read_journal
from logos_cli.training.run.loop import Trainer
from tests.training_corpora import CONFIG, write_corpus

_WORKER = """
import json, sys
from pathlib import Path
from logos_cli.training.config_file import with_values
from logos_cli.training.run import distributed
from logos_cli.training.config import TrainConfig
from logos_cli.training.corpus.shards import Corpus
from logos_cli.training.run.loop import Trainer
from logos_cli.training.resolve import resolve
corpus, directory, jobs = Corpus(Path(sys.argv[1])), Path(sys.argv[2]), json.loads(sys.argv[3])
world = distributed.start("cpu")
for name, tables in jobs.items():
    flat = {f"{t}.{k}": v for t, part in tables.items() if part for k, v in part.items()}
    config = resolve(with_values(TrainConfig(), flat), corpus)
    trainer = Trainer(corpus, config, directory / name, world=world)
    print(trainer.run(), trainer.step)
    trainer.export(directory / name / "model")
distributed.end()
"""


def run_processes(n: int, corpus: Path, directory: Path, jobs: dict[str, dict]) -> None:
    """Do what torchrun does: the same program ``n`` times, told who it is by its environment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(n),
        "OMP_NUM_THREADS": "1",
        "USE_LIBUV": "0",
    }
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(corpus), str(directory), json.dumps(jobs)],
            env={**env, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(n)
    ]
    try:
        for worker in workers:
            _, stderr = worker.communicate(timeout=240)
            assert worker.returncode == 0, stderr[-3000:]
    finally:
        for worker in workers:
            worker.kill()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["copies", "shards"])
def test_two_processes_do_what_one_does_and_one_goes_on(tmp_path, name):
    corpus = write_corpus(tmp_path / "corpus")
    # not Muon, whose bfloat16 iterations turn last bits into per cents of the weights
    plain = with_values(
        CONFIG,
        {
            "schedule.n_steps": 4,
            "schedule.n_decay_steps": 0,
            "optimizer.name": "adamw",
            "optimizer.learning_rate": 1e-3,
        },
    )
    config = plain if name == "copies" else with_values(plain, {"run.sharding": "fsdp"})
    run_processes(2, tmp_path / "corpus", tmp_path, {name: config.to_dict()})
    alone = Trainer(corpus, resolve(config, corpus), tmp_path / f"{name}-alone")
    alone.run()
    one, two = (list(read_journal(tmp_path / run / "log.jsonl")) for run in (f"{name}-alone", name))
    assert [line["n_tokens"] for line in one] == [line["n_tokens"] for line in two]
    losses = [[line["loss"] for line in log if "loss" in line] for log in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    held_out = [[line["mean_loss"] for line in log if "mean_loss" in line] for log in (one, two)]
    assert held_out[1] == pytest.approx(held_out[0], rel=1e-3)
    model = load_file(tmp_path / name / "model" / "model.safetensors")
    for key, part in alone.learner.model.named_parameters():
        # sums in another order differ in their last bits; AdamW makes more of it where a gradient is near 0
        assert (model[key] - part).norm() < 0.005 * part.norm(), key
    # one process goes on where two left off, from whole tensors
    longer = with_values(config, {"schedule.n_steps": 6})
    resumed = Trainer(corpus, resolve(longer, corpus), tmp_path / name)
    assert resumed.step == 4
    stored = load_file(checkpoint.latest(tmp_path / name / "checkpoints") / "weights.safetensors")
    for key, part in resumed.learner.module.named_parameters():
        assert torch.equal(stored[key], part)
    resumed.run()
    assert resumed.step == 6


def test_the_device_is_checked():
    with pytest.raises(UsageError, match="no device 'gpu'"):
        start("gpu")
    with pytest.raises(UsageError, match=r"no device cuda:99"):
        start("cuda:99")
    assert start("cpu") == ProcessGroup(0, 1, torch.device("cpu"))
