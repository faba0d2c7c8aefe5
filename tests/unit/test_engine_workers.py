"""Several devices: two processes on the CPU make what one makes."""

from __future__ import annotations

import os
import signal

import pytest

from logos_cli import generate
from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Engine, Request
from logos_cli.engine.workers import Workers
from logos_cli.errors import LogosError, UsageError
from logos_cli.workflows._engines import parse_devices

SAMPLING = Sampling(max_new_tokens=8)


def _requests(n_prompts: int, n_samples: int) -> list[Request]:
    tokenizer = open_model(LoadOptions(), "fake").tokenizer
    prompts = [tuple(tokenizer.encode("<ProteinS>MKTAYIAK"[: 12 + number])) for number in range(n_prompts)]
    return [Request(f"{p}#{n}", prompts[p]) for p in range(n_prompts) for n in range(n_samples)]


def _workers(devices: tuple[str, ...] = ("cpu", "cpu"), backend: str = "fake") -> Workers:
    return Workers(devices, LoadOptions(threads=1), backend, SAMPLING, batch_size=3, seed=7)


def test_two_workers_make_what_one_engine_makes() -> None:
    requests = _requests(3, 13)
    backend = open_model(LoadOptions(device="cpu", threads=1), "fake").load()
    alone = list(Engine(backend, SAMPLING, batch_size=5, seed=7).run(requests))  # type: ignore[arg-type]
    workers = _workers()
    assert workers.info.device == "cpu,cpu"
    together = list(workers.run(requests))
    assert together == alone
    assert [each.index for each in together] == list(range(39))


def test_a_worker_that_dies_is_an_error_after_what_is_finished() -> None:
    workers = _workers()
    completions = workers.run(_requests(1, 400))
    for _ in range(3):
        next(completions)
    os.kill(workers._workers[1].process.pid, signal.SIGKILL)
    with pytest.raises(LogosError, match=r"the worker on cpu ended by signal 9"):
        list(completions)
    assert all(worker.process.poll() is not None for worker in workers._workers)


def test_a_worker_that_cannot_load_says_why() -> None:
    with pytest.raises(UsageError, match="there is no device 'cuda:97'"):
        _workers(("cpu", "cuda:97"), "torch")


def test_a_run_that_is_left_early_leaves_no_process() -> None:
    workers = _workers()
    completions = workers.run(_requests(1, 100))
    next(completions)
    completions.close()  # type: ignore[attr-defined]
    assert all(worker.process.poll() is not None for worker in workers._workers)


def test_devices_are_named_as_numbers_or_names() -> None:
    assert parse_devices("0,1") == ("cuda:0", "cuda:1")
    assert parse_devices("cpu, cuda:2") == ("cpu", "cuda:2")
    with pytest.raises(UsageError, match="lacks a name"):
        parse_devices("0,,1")
    with pytest.raises(UsageError, match="exclude each other"):
        generate("molecule", device="cuda", devices="0,1")


def test_the_workflow_shares_out_its_samples() -> None:
    options = {"n_samples": 6, "max_new_tokens": 12, "threads": 1, "batch_size": 3}
    shared = list(generate("molecule", "CC", devices="cpu,cpu", **options))
    alone = list(generate("molecule", "CC", device="cpu", **options))
    assert [record.text for record in shared] == [record.text for record in alone]
    assert shared[0].sample["device"] == "cpu,cpu"
