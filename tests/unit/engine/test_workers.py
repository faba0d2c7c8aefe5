"""Several devices: two processes on the CPU make what one makes."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Pipe
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from logos_cli import generate
from logos_cli.backends.base import Backend, LoadOptions, open_model
from logos_cli.engine.likelihood import Likelihood
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Engine, Request
from logos_cli.engine.start import in_request_order
from logos_cli.engine.workers import MOST_KILLED, Message, Readers, Worker, Workers
from logos_cli.errors import DeviceLostError, LogosError, UsageError
from logos_cli.processes.failure import Failure

SAMPLING = Sampling(max_new_tokens=8)


def _requests(n_prompts: int, n_samples: int) -> list[Request]:
    tokenizer = open_model(LoadOptions(backend="fake")).tokenizer
    prompts = [tuple(tokenizer.encode("<ProteinS>MKTAYIAK"[: 12 + number])) for number in range(n_prompts)]
    return [Request(f"{p}#{n}", prompts[p]) for p in range(n_prompts) for n in range(n_samples)]


def _workers(devices: str = "cpu,cpu", backend: str = "fake") -> Workers:
    return Workers(LoadOptions(backend=backend, devices=devices, threads=1), SAMPLING, batch_size=3, seed=7)


def test_two_workers_make_what_one_engine_makes() -> None:
    requests = _requests(3, 13)
    workers = _workers()
    assert workers.info.device == "cpu,cpu"
    together = list(in_request_order(workers.run(requests)))
    assert together == _alone(requests)
    assert [each.index for each in together] == list(range(39))


def _alone(requests: list[Request]) -> list[Completion]:
    backend = open_model(LoadOptions(device="cpu", threads=1, backend="fake")).load()
    return list(in_request_order(Engine(backend, SAMPLING, batch_size=5, seed=7).run(requests)))  # type: ignore[arg-type]


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize(
    ("number", "outcome"), [(signal.SIGKILL, "it is started again"), (signal.SIGSEGV, "its work goes to the others")]
)
def test_nothing_is_lost_that_lies_at_a_worker_that_dies(
    when: str, number: signal.Signals, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    requests = _requests(4, 50)
    workers = _workers()
    completions = in_request_order(workers.run(requests))
    # late: all requests have been handed out, and the workers told so
    n_before = 3 if when == "early" else len(requests) - 8
    done = [next(completions) for _ in range(n_before)]
    os.kill(workers._workers[1].child.pid, number)
    assert [*done, *completions] == _alone(requests)
    if when == "early":
        assert caplog.messages == [f"the worker on cpu ended by signal {number} ({number.name}); {outcome}"]
        assert len(workers.alive) == (2 if number == signal.SIGKILL else 1)
    assert list(in_request_order(workers.run(requests[:7]))) == _alone(requests[:7])
    workers.close()


def test_a_worker_that_loses_its_device_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    requests = _requests(2, 60)
    workers = _workers()
    completions = in_request_order(workers.run(requests))
    done = [next(completions)]
    here, there = Pipe()
    there.send(Failure(DeviceLostError("the GPU stopped working: CUDA error")))
    lost = workers._workers[0].child.connection
    workers._workers[0].child.connection = here
    assert [*done, *completions] == _alone(requests)
    assert "the GPU stopped working" in caplog.text
    workers.close()
    lost.close()


def test_a_worker_that_is_killed_while_it_loads_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    receive = Worker.receive
    killed = []

    def kill_first(worker: Worker) -> Message | None:
        if not killed:
            killed.append(worker.child.pid)
            os.kill(worker.child.pid, signal.SIGKILL)
            worker.child.connection.close()
        return receive(worker)

    monkeypatch.setattr(Worker, "receive", kill_first)
    workers = _workers()
    assert [worker.setup.batch_size for worker in workers._workers] == [1, 3]
    assert killed[0] not in [worker.child.pid for worker in workers._workers]
    requests = _requests(2, 5)
    assert list(in_request_order(workers.run(requests))) == _alone(requests)


def test_when_all_workers_have_died_it_is_an_error_after_what_is_finished() -> None:
    workers = _workers()
    completions = in_request_order(workers.run(_requests(1, 400)))
    done = [next(completions) for _ in range(3)]
    workers._n_killed = MOST_KILLED - 1  # one is started again, and killed again
    for worker in workers._workers:
        os.kill(worker.child.pid, signal.SIGKILL)
    with pytest.raises(LogosError, match=r"the worker on cpu ended by signal 9"):
        for each in completions:
            done.append(each)
            for worker in workers.alive:
                if worker.child.is_running:
                    os.kill(worker.child.pid, signal.SIGKILL)
    assert [each.index for each in done[:3]] == [0, 1, 2]
    assert not any(worker.child.is_running for worker in workers._workers)


def test_workers_serve_one_run_after_another() -> None:
    workers = _workers()
    for n_samples in (5, 2):
        requests = _requests(3, n_samples)
        assert list(in_request_order(workers.run(requests))) == _alone(requests)
    processes = [worker.child._process for worker in workers._workers]
    assert all(process.poll() is None for process in processes)
    del workers
    gc.collect()
    assert all(process.poll() is not None for process in processes)


@pytest.mark.slow
def test_a_worker_that_cannot_load_says_why() -> None:
    with pytest.raises(UsageError, match="no device 'cuda:97'"):
        _workers("cpu,cuda:97", "torch")


def test_a_run_that_is_left_early_leaves_no_process() -> None:
    workers = _workers()
    completions = workers.run(_requests(1, 100))
    next(completions)
    completions.close()  # type: ignore[attr-defined]
    assert not any(worker.child.is_running for worker in workers._workers)


def test_devices_are_named_as_numbers_or_names() -> None:
    assert LoadOptions(devices="0,1").places == ("cuda:0", "cuda:1")
    assert LoadOptions(devices="cpu, cuda:2").places == ("cpu", "cuda:2")
    assert LoadOptions(device="mps").places == ("mps",)
    with pytest.raises(UsageError, match="lacks a name"):
        _ = LoadOptions(devices="0,,1").places
    with pytest.raises(UsageError, match="exclude each other"):
        generate("molecule", device="cuda", devices="0,1")


@pytest.mark.slow
def test_the_workflow_shares_out_its_samples() -> None:
    options = {"n_samples": 6, "max_new_tokens": 12, "threads": 1, "batch_size": 3}
    shared = list(generate("molecule", "CC", devices="cpu,cpu", **options))
    alone = list(generate("molecule", "CC", device="cpu", **options))
    assert [record.text for record in shared] == [record.text for record in alone]
    assert shared[0].sample["device"] == "cpu,cpu"


def _rows() -> list[list[int]]:
    tokenizer = open_model(LoadOptions(backend="fake")).tokenizer
    return [tokenizer.encode("<MoleculeS>" + "CNO"[n % 3] * (n % 7 + 1) + "<MoleculeE>") for n in range(23)]


def _readers() -> Readers:
    load = LoadOptions(backend="fake", devices="cpu,cpu", threads=1)
    return Readers(load, open_model(load).tokenizer)


def test_two_readers_find_what_one_backend_finds() -> None:
    readers, rows = _readers(), _rows()
    backend = open_model(LoadOptions(backend="fake")).load()
    assert isinstance(backend, Backend)
    for some in (rows, rows[:1], []):
        expected = backend.token_logps(some)
        found = readers.token_logps(some)
        assert [each.tolist() for each in found] == [each.tolist() for each in expected]
    readers.close()


def test_nothing_is_lost_that_lies_at_a_reader_that_dies(caplog: pytest.LogCaptureFixture) -> None:
    readers, rows = _readers(), _rows()
    expected = [each.tolist() for each in readers.token_logps(rows)]
    for number in (signal.SIGKILL, signal.SIGSEGV):
        os.kill(readers._workers[0].child.pid, number)
        assert [each.tolist() for each in readers.token_logps(rows)] == expected
    assert caplog.messages == [
        "the worker on cpu ended by signal 9 (SIGKILL); it is started again",
        "the worker on cpu ended by signal 11 (SIGSEGV); its work goes to the others",
    ]
    os.kill(readers._workers[1].child.pid, signal.SIGSEGV)
    with pytest.raises(LogosError, match="the worker on cpu ended by signal 11"):
        readers.token_logps(rows)


def test_no_more_texts_than_the_batch_size_are_read_together() -> None:
    class Counting:
        tokenizer = open_model(LoadOptions(backend="fake")).tokenizer
        sizes: ClassVar[list[int]] = []

        def token_logps(self, sequences: Sequence[Sequence[int]]) -> list[NDArray[np.float64]]:
            self.sizes.append(len(sequences))
            return [np.zeros(len(each) - 1) for each in sequences]

    reader = Counting()
    assert len(Likelihood(reader, 100, batch_size=4).score(["<ProteinS>MK"] * 10)) == 10
    assert reader.sizes == [4, 4, 2]
