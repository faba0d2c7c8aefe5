"""Several processes read and score what one process does, and what ends them costs one record."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from logos_cli.evaluators.base import Context
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Status
from logos_cli.workflows.score.batches import Scorer
from logos_cli.workflows.score.metrics import select

_LOST = ("kills", "faults")


def _deadly(number: int) -> NoReturn:
    os.kill(os.getpid(), number)
    raise AssertionError("the process goes on")


def _entry(name: str) -> Entry:
    return Entry(name, Molecule("CCO"), {"path": "x.smi"})


def _entries() -> list[Entry]:
    return [
        *(Entry(f"before{n}", None, later=(_entry, (f"before{n}",), {})) for n in range(40)),
        Entry("kills", None, {"path": "x.smi"}, later=(_deadly, (signal.SIGKILL,), {})),
        Entry("faults", None, {"path": "x.smi"}, later=(_deadly, (signal.SIGSEGV,), {})),
        *(Entry(f"after{n}", Molecule("CCN")) for n in range(40)),
    ]


def _scorer(jobs: int) -> Scorer:
    context = Context()
    return Scorer(select(("heavy_atoms", "qed"), (), context), context, ReadOptions(), jobs)


def test_an_entry_that_ends_the_process_that_reads_it_is_an_error() -> None:
    found = list(_scorer(jobs=2).run(_entries()))
    assert [each.record.id for each in found] == [entry.id for entry in _entries()]
    lost = [each for each in found if each.record.status is Status.ERROR]
    assert tuple(each.record.id for each in lost) == _LOST
    for each, end in zip(lost, ("SIGKILL", "SIGSEGV"), strict=True):
        assert end in str(each.record.reason)
        assert each.record.source == {"path": "x.smi"}
        assert not each.has_object
    assert all(each.record.scores["heavy_atoms"]["value"] == 3 for each in found if each not in lost)


def test_lines_are_those_of_the_whole_records() -> None:
    entries = [entry for entry in _entries() if entry.id not in _LOST]
    lines = [each.line for each in _scorer(jobs=2).run(entries, as_lines=True)]
    assert lines == [each.record.to_json() for each in _scorer(jobs=1).run(entries)]
    assert all('"qed"' in str(line) for line in lines)
