"""The pool of processes: results of every item, whatever becomes of the processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from logos_cli.errors import (
    DefectError,
    DeviceMemoryError,
    GrammarError,
    LogosError,
    SystemFaultError,
    TimeLimitError,
    UsageError,
)
from logos_cli.processes.failure import Failure, describe_end, result_of
from logos_cli.processes.pool import Pool
from tests.unit.processes.obedient import Obedient, unable


@pytest.fixture(params=[False, True], ids=["spawned", "inheriting"])
def pool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pool[Path, str, str]]:
    with Pool(Obedient, tmp_path, 2, inherit=request.param, seconds_per_item=20) as pool:
        yield pool
    assert not pool.is_running


def _pids() -> set[int]:
    return {int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()}


@pytest.mark.parametrize("n", [0, 1, 2, 500])
def test_results_come_in_the_order_of_the_items(pool: Pool[Path, str, str], n: int) -> None:
    items = [f"say {number}" for number in range(n)]
    assert list(pool.map(items)) == [f"{item}!" for item in items]
    assert sorted(pool.run(items)) == [(number, f"{item}!") for number, item in enumerate(items)]
    assert len(pool.workers) == min(n, 2)


def test_setup_is_prepared_once_for_all_processes(pool: Pool[Path, str, str], tmp_path: Path) -> None:
    list(pool.map(["sleep 0.05"] * 4))
    assert len(pool.workers) == 2
    assert len(list(tmp_path.glob("start-*"))) == (1 if sys.platform == "linux" else 2)
    pool.close()
    assert (tmp_path / "closed").exists()


def test_large_items_and_results_do_not_block_each_other(pool: Pool[Path, str, str]) -> None:
    items = ["big 3000000", "say " + "y" * 3_000_000] * 6
    found = list(pool.map(items))
    assert [len(result_of(each)) for each in found] == [3_000_000, 3_000_005] * 6


def test_items_are_drawn_as_they_are_needed(pool: Pool[Path, str, str]) -> None:
    drawn = 0

    def endless() -> Iterator[str]:
        nonlocal drawn
        while True:
            drawn += 1
            yield f"say {drawn}"

    results = pool.map(endless(), ahead=3)
    assert [next(results) for _ in range(20)] == [f"say {number}!" for number in range(1, 21)]
    assert drawn <= 20 + 3 * 2 + 2
    results.close()  # type: ignore[attr-defined]
    assert not pool.is_running


def test_a_slow_item_holds_up_no_more_than_its_worker(pool: Pool[Path, str, str]) -> None:
    began = time.monotonic()
    numbers = [number for number, _ in pool.run(["sleep 1.5", *["say"] * 30])]
    assert numbers[0] == 1
    assert 0 in numbers[-2:]  # beside it, only what its worker was given in advance
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("death", "message"), [("die 11", r"ended by signal 11 \(SIGSEGV\)"), ("exit 3", "ended with status 3")]
)
def test_a_worker_that_dies_costs_its_item_and_is_replaced(
    pool: Pool[Path, str, str], death: str, message: str
) -> None:
    items = ["say a", death, *[f"say {number}" for number in range(20)], death, "say z"]
    found = list(pool.map(items))
    assert [isinstance(each, Failure) and each.is_lost for each in found] == [item == death for item in items]
    assert isinstance(found[1], Failure)
    with pytest.raises(LogosError, match=message):
        result_of(found[1])
    assert [each for each in found if isinstance(each, str)] == [f"{item}!" for item in items if item != death]


def test_what_the_system_kills_is_tried_once_more_alone(pool: Pool[Path, str, str], tmp_path: Path) -> None:
    items = ["sleep 0.1", "die-once 9", *["say a"] * 5, "die 9", "say z"]
    found = list(pool.map(items))
    assert [isinstance(each, Failure) for each in found] == [item == "die 9" for item in items]
    assert found[1] == "die-once 9!"
    assert isinstance(found[7], Failure)
    assert found[7].error.hint == "there may be too little memory"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each worker prepares its own work")
def test_the_process_that_starts_workers_is_replaced(pool: Pool[Path, str, str]) -> None:
    items = ["sleep 0.1", "orphan-once 9", *[f"say {number}" for number in range(10)]]
    first = pool.map(["say x", "say y"])
    assert list(first) == ["say x!", "say y!"]
    assert list(pool.map(items)) == [f"{item}!" for item in items]
    assert len(list(pool.map(items[2:]))) == 10


def test_a_fault_of_the_system_is_reported_by_name(pool: Pool[Path, str, str]) -> None:
    full, good = pool.map(["raise full", "say a"])
    assert isinstance(full, Failure)
    assert isinstance(full.error, SystemFaultError)
    assert (full.error.source, full.error.message) == ("x", "no space is left on the device")
    assert good == "say a!"


def test_an_item_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    with Pool(Obedient, tmp_path, 2, seconds_per_item=1.0, prefetch=False) as pool:
        began = time.monotonic()
        found = list(pool.map(["sleep 60", "say a", "sleep 0.1", "sleep 60"]))
    assert [type(each) for each in found] == [Failure, str, str, Failure]
    assert isinstance(found[0], Failure)
    assert isinstance(found[0].error, TimeLimitError)
    assert found[0].error.message == "stopped after 1 s"
    assert time.monotonic() - began < 15


def test_errors_keep_what_they_say(pool: Pool[Path, str, str]) -> None:
    grammar, usage, memory, defect, unpicklable, good = pool.map(
        ["raise grammar", "raise usage", "raise memory", "raise defect", "unpicklable", "say a"]
    )
    assert isinstance(grammar, Failure)
    assert isinstance(grammar.error, GrammarError)
    assert (grammar.error.span, grammar.error.expected) == ((3, 5), ("</a>",))
    assert isinstance(usage, Failure)
    assert isinstance(usage.error, UsageError)
    assert isinstance(memory, Failure)
    assert isinstance(memory.error, DeviceMemoryError)
    assert isinstance(defect, Failure)
    assert isinstance(defect.error, DefectError)
    assert defect.error.message == "internal error: ValueError: seven"
    assert "in _raise" in defect.error.__notes__[0]
    assert isinstance(unpicklable, Failure)
    assert "pickle" in unpicklable.error.message
    assert good == "say a!"


def test_what_cannot_be_prepared_is_raised_at_once() -> None:
    with pytest.raises(UsageError, match="cannot start it"):
        list(Pool(unable, "it", 2).map(["x"]))


def test_what_a_worker_prints_does_not_come_between(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\nfrom logos_cli.processes.pool import Pool\n"
        "from tests.unit.processes.obedient import Obedient\n"
        f"with Pool(Obedient, Path({str(tmp_path)!r}), 2, inherit=True) as pool:\n"
        "    print('before')\n    print(list(pool.map(['print loud', 'say a'])))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "before\n['print loud!', 'say a!']\n"
    assert done.stderr == ""


def test_a_run_that_raises_ends_its_processes(pool: Pool[Path, str, str]) -> None:
    def items() -> Iterator[str]:
        yield "sleep 30"
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(pool.map(items()))
    assert not pool.is_running
    assert time.monotonic() - began < 10


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("inherit", [False, True])
def test_processes_end_with_the_one_that_started_them(tmp_path: Path, inherit: bool) -> None:
    program = (
        "import os, signal\nfrom pathlib import Path\nfrom logos_cli.processes.pool import Pool\n"
        "from tests.unit.processes.obedient import Obedient\n"
        f"pool = Pool(Obedient, Path({str(tmp_path)!r}), 2, inherit={inherit})\n"
        "run = pool.map(['say a', 'sleep 60', 'sleep 60'])\nnext(run)\n"
        "print(pool._nursery.pid, *(worker.pid for worker in pool.workers), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pids = {int(word) for word in done.stdout.split()}
    assert len(pids) == 3
    until = time.monotonic() + 10
    while pids & _pids() and time.monotonic() < until:
        time.sleep(0.05)
    assert not pids & _pids()


def test_a_process_whose_parent_has_ended_writes_nothing(tmp_path: Path) -> None:
    program = (
        "import os, sys, time\n"
        "from multiprocessing.connection import Pipe\n"
        "from logos_cli.processes.child import main\n"
        "here, there = Pipe()\n"
        "here.send((time.sleep, 0.2))\n"  # the work that is prepared; the answer finds nobody
        "here.close()\n"
        "main(there.fileno(), None, 'logos_cli.processes._nursery', 'serve')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_the_end_of_a_process_is_named() -> None:
    assert describe_end(3) == "with status 3"
    assert describe_end(-9) == "by signal 9 (SIGKILL)"
    assert describe_end(-200) == "by signal 200"


def test_items_that_cannot_be_drawn_are_an_error_after_the_results_before(pool: Pool[Path, str, str]) -> None:
    def items() -> Iterator[str]:
        yield "sleep 0.3"
        yield "say b"
        raise UsageError("no third")

    results = pool.map(items())
    assert [next(results), next(results)] == ["sleep 0.3!", "say b!"]
    with pytest.raises(UsageError, match="no third"):
        next(results)
    assert list(pool.map(["say c"])) == ["say c!"]
