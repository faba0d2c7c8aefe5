"""Runs on disk: whatever a process leaves behind, going on gives what an undisturbed run gives."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from logos_cli.errors import DefectError, FormatError, InputError, OutputError, UsageError
from logos_cli.io.selection import Shard
from logos_cli.processes.lock import LockedError
from logos_cli.records import Record, Status
from logos_cli.runs import merge
from logos_cli.runs.description import Description, differences
from logos_cli.runs.directory import RunOptions, is_run, open_shard, read_run
from logos_cli.runs.index import ROW
from logos_cli.runs.journal import files_of
from logos_cli.runs.merge import iter_merged, merged_rows
from logos_cli.runs.rows import Outcome
from logos_cli.runs.status import status_of, verify

N = 300
WHOLE = Shard()


def record(number: int) -> Record:
    """Return a record; some are in error, and all have characters of several bytes."""
    id = f"mol{number}"
    if number % 10 == 3:
        return Record(id, "molecule", "", Status.ERROR, "an Ångström too far")
    return Record(
        id, "molecule", f"<MoleculeS>{'C' * (number % 17 + 1)}<MoleculeE>", extra={"note": "é" * (number % 5)}
    )


def description(n_shards: int = 1, **arguments: object) -> Description:
    return Description("encode", {"cutoff": 4.5, **arguments}, (), n_shards, "1.0")


def work(
    path: Path, shard: Shard = WHOLE, *, stop_after: int | None = None, pause_s: float = 0.0, **how: object
) -> int:
    """Do the entries of a shard; return how many records were written. Every seventh entry gives no record."""
    n_written = 0
    attached = str(how.pop("attached", "")) or None
    with open_shard(path, description(shard.count), RunOptions(shard, **how), attached=attached) as run:  # type: ignore[arg-type]
        place = run.selection.of_file(0, "x.smi")
        place.units = run.selection.pending
        for number in range(N):
            if not place.takes(f"mol{number}"):
                continue
            if number % 7 == 5:
                continue
            if n_written == stop_after:
                raise KeyboardInterrupt
            made = record(number)
            if attached:
                run.write_part(made.id, made.status, made.to_json(), f"pose {number}\n".encode())
            else:
                run.write(made.id, made.status, made.to_json())
            n_written += 1
            if pause_s:
                time.sleep(pause_s)
        run.selection.note_end(0, place.n_seen)
    return n_written


def merged(path: Path, attached: str | None = None) -> bytes:
    return b"".join(iter_merged(path, attached))


@pytest.fixture
def undisturbed(tmp_path: Path) -> bytes:
    work(tmp_path / "undisturbed")
    return merged(tmp_path / "undisturbed")


def test_an_undisturbed_run_holds_every_record_in_order(tmp_path, undisturbed):
    lines = undisturbed.decode().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [f"mol{number}" for number in range(N) if number % 7 != 5]
    found = verify(tmp_path / "undisturbed")
    assert found.is_complete
    assert found.n_requested == N
    assert found.counts[Outcome.SKIPPED] == sum(number % 7 == 5 for number in range(N))
    assert is_run(tmp_path / "undisturbed")
    assert not is_run(tmp_path)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("n_shards", [1, 2, 5])
def test_any_number_of_shards_and_interruptions_gives_the_same(tmp_path, undisturbed, n_shards, compress):
    path = tmp_path / "run"
    rng = random.Random(n_shards)
    for number in range(n_shards, 0, -1):
        shard = Shard(number, n_shards)
        for _ in range(rng.randrange(4)):
            with pytest.raises(KeyboardInterrupt):
                work(path, shard, stop_after=rng.randrange(1, 20), resume=True, compress=compress)
        work(path, shard, resume=True, compress=compress and number > 1)  # what was begun compressed stays so
    assert merged(path) == undisturbed
    for number in range(1, n_shards + 1):
        results = files_of(path, Shard(number, n_shards))[0]
        if compress and number > 1:
            assert results.name == f"{number}-of-{n_shards}.jsonl.gz"
        if results.suffix == ".gz":
            assert set(gzip.decompress(results.read_bytes()).splitlines()) <= set(undisturbed.splitlines())
    assert verify(path).is_complete
    assert work(path, Shard(1, n_shards), resume=True) == 0


def kill_while_working(path: Path, after_s: float) -> None:
    child = multiprocessing.get_context("fork").Process(
        target=work, args=(path,), kwargs={"resume": True, "pause_s": 0.001, "attached": ".sdf"}
    )
    child.start()
    time.sleep(after_s)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()


@pytest.mark.slow
def test_kills_at_any_moment_lose_and_double_nothing(tmp_path):
    work(tmp_path / "whole", attached=".sdf")
    path = tmp_path / "run"
    rng = random.Random(1)
    for _ in range(8):
        kill_while_working(path, 0.05 + 0.25 * rng.random())
    work(path, resume=True, attached=".sdf")
    assert merged(path) == merged(tmp_path / "whole")
    assert merged(path, ".sdf") == merged(tmp_path / "whole", ".sdf")
    assert verify(path).is_complete


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_results_that_are_cut_anywhere_are_mended(tmp_path, undisturbed, cut, compress):
    path = tmp_path / "run"
    work(path, compress=compress)
    results, index, _ = files_of(path, Shard())
    os.truncate(results, results.stat().st_size - cut)  # also within a character of several bytes
    work(path, resume=True)
    assert merged(path) == undisturbed
    os.truncate(index, index.stat().st_size - cut)
    work(path, resume=True)
    assert merged(path) == undisturbed
    assert index.stat().st_size == N * ROW.itemsize


def test_a_compressed_file_that_is_cut_at_any_byte_is_mended(tmp_path, undisturbed):
    path = tmp_path / "run"
    work(path, compress=True)
    results, index, _ = files_of(path, Shard())
    content, rows, rng = results.read_bytes(), index.read_bytes(), random.Random(3)
    for _ in range(40):
        results.write_bytes(content[: rng.randrange(len(content) + 1)])
        index.write_bytes(rows[: rng.randrange(len(rows) + 1)])
        list(iter_merged(path))  # what is whole can be read before it is mended
        assert status_of(path).n_done <= N
        work(path, resume=True)
        assert merged(path) == undisturbed
        assert gzip.decompress(results.read_bytes()) == undisturbed


def test_damaged_members_are_refused(tmp_path):
    path = tmp_path / "run"
    work(path, compress=True)
    results, _, _ = files_of(path, Shard())
    content = bytearray(results.read_bytes())
    content[len(content) // 2] ^= 0xFF
    results.write_bytes(content)
    with pytest.raises(FormatError, match="damaged"):
        merged(path)
    results.write_bytes(gzip.compress(b"{}\n" * 20))  # of another program
    with pytest.raises(FormatError, match="damaged"):
        work(path, resume=True)


@pytest.mark.parametrize("compress", [False, True])
def test_failed_records_are_done_again(tmp_path, undisturbed, compress):
    path = tmp_path / "run"
    work(path, attached=".sdf", compress=compress)
    n_failed = sum(number % 10 == 3 and number % 7 != 5 for number in range(N))
    assert status_of(path).counts[Outcome.FAILED] == n_failed
    assert work(path, retry="failed", attached=".sdf") == n_failed
    assert merged(path) == undisturbed
    assert verify(path).is_complete
    assert merged(path, ".sdf").splitlines() == [f"pose {n}".encode() for n in range(N) if n % 7 != 5]


def test_records_that_come_out_of_their_order_before_an_end_lose_nothing(tmp_path, undisturbed):
    """Workers that finish later entries first: these are written when a run is interrupted, the others are done again."""
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt), open_shard(path, description(), RunOptions(WHOLE)) as run:
        place = run.selection.of_file(0, "x.smi")
        place.units = run.selection.pending
        for number in range(20):
            place.takes(f"mol{number}")
        for number in (0, 1, 7, 11):
            run.write(f"mol{number}", record(number).status, record(number).to_json())
        raise KeyboardInterrupt
    assert status_of(path).counts[Outcome.SKIPPED] == 0
    work(path, resume=True)
    assert merged(path) == undisturbed
    found = verify(path)
    assert found.is_complete
    assert found.counts[Outcome.SKIPPED] == sum(number % 7 == 5 for number in range(N))


def test_a_retry_that_was_interrupted_goes_on_with_what_it_removed(tmp_path):
    def files(*, fails: bool, stop: bool = False, **how: object) -> list[str]:
        done = []
        with open_shard(path, description(), RunOptions(WHOLE, **how)) as run:  # type: ignore[arg-type]
            for number, name in enumerate(("a.cif", "b.cif", "c.cif")):
                place = run.selection.of_file(number, name)
                place.units = run.selection.pending
                if stop:
                    raise KeyboardInterrupt
                if not place.is_finished and place.takes(name, whole_file=True):
                    status = Status.ERROR if fails and name == "a.cif" else Status.OK
                    run.write(name, status, Record(name, "material", "", status).to_json())
                    done.append(name)
                run.selection.note_end(number, place.n_seen)
        return done

    path = tmp_path / "run"
    assert files(fails=True) == ["a.cif", "b.cif", "c.cif"]
    with pytest.raises(KeyboardInterrupt):
        files(fails=False, stop=True, retry="failed")
    assert files(fails=False, resume=True) == ["a.cif"]
    assert [json.loads(line)["status"] for line in merged(path).splitlines()] == ["ok"] * 3
    assert verify(path).is_complete


def test_rewriting_that_was_interrupted_is_finished_or_undone(tmp_path, undisturbed):
    path = tmp_path / "run"
    work(path)
    results, index, _ = files_of(path, Shard())
    results.with_name(f"{results.name}.part").write_bytes(b"half of it")  # the index is not there: undone
    work(path, resume=True)
    assert merged(path) == undisturbed
    # all parts are there, and the first is in its place already: finished
    content = index.read_bytes()
    results.write_bytes(b"")
    index.with_name(f"{index.name}.part").write_bytes(b"")
    assert work(path, resume=True) > 0
    assert merged(path) == undisturbed
    assert index.read_bytes() == content


def test_reasons_and_states(tmp_path):
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        work(path, Shard(2, 3), stop_after=40)
    found = status_of(path)
    assert [shard.state for shard in found.shards] == ["waiting", "interrupted", "waiting"]
    assert set(found.reasons) == {"an Ångström too far"}
    lacking = verify(path)
    assert not lacking.is_complete
    assert [shard.shard.number for shard in lacking.unfinished] == [1, 2, 3]


def test_what_lacks_and_what_is_doubled_is_named(tmp_path):
    path = tmp_path / "run"
    for number in (1, 2):
        work(path, Shard(number, 2))
    one, other = (files_of(path, Shard(number, 2)) for number in (1, 2))
    rows = one[1].read_bytes()
    one[1].write_bytes(rows[: -ROW.itemsize])
    found = verify(path)
    assert (found.n_missing, found.n_doubled) == (1, 0)
    one[1].write_bytes(rows)
    other[0].write_bytes(other[0].read_bytes() + one[0].read_bytes())
    other[1].write_bytes(other[1].read_bytes() + rows)
    assert verify(path).n_doubled == len(rows) // ROW.itemsize


def test_a_run_that_was_begun_with_something_else_is_refused(tmp_path):
    path = tmp_path / "run"
    work(path)
    other = description(cutoff=6.0)
    with (
        pytest.raises(UsageError, match=r"begun differently: arguments\.cutoff: 4\.5 -> 6\.0"),
        open_shard(path, other, RunOptions(Shard(), resume=True)),
    ):
        pass
    with open_shard(path, other, RunOptions(Shard(), resume=True, force=True)):
        pass
    with (
        pytest.raises(UsageError, match="n_shards: 1 -> 2"),
        open_shard(path, description(2), RunOptions(Shard(1, 2), resume=True)),
    ):
        pass


def test_results_are_not_overwritten_unasked(tmp_path, undisturbed):
    path = tmp_path / "run"
    work(path)
    with pytest.raises(UsageError, match="shard 1 of 1 has results"):
        work(path)
    work(path, overwrite=True)
    assert merged(path) == undisturbed


def test_a_changed_file_is_refused(tmp_path):
    inputs = tmp_path / "x.smi"
    inputs.write_text("CCO\n")
    before = Description("encode", {}, (str(inputs),), 1, "1.0").to_dict()
    inputs.write_text("CCN\n")
    after = Description("encode", {}, (str(inputs),), 1, "1.0").to_dict()
    assert [each.split(":")[0] for each in differences(before, after)] == ["inputs.sha256"]


def test_two_processes_on_one_shard(tmp_path):
    path = tmp_path / "run"
    with open_shard(path, description(), RunOptions(Shard())):
        child = multiprocessing.get_context("fork").Process(target=_expect_lock, args=(path,))
        child.start()
        child.join()
        assert child.exitcode == 0


def _expect_lock(path: Path) -> None:
    with pytest.raises(LockedError, match=rf"another process \({os.getppid()} on .* is working on this shard"):
        work(path, resume=True)


def test_a_record_of_no_entry_is_a_defect(tmp_path):
    with (
        pytest.raises(DefectError, match="'x' belongs to no entry"),
        open_shard(tmp_path / "run", description(), RunOptions(Shard())) as run,
    ):
        run.write("x", Status.OK, "{}")


def test_no_directory_of_a_run(tmp_path):
    with pytest.raises(InputError, match="no directory of a run"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text('{"command": "train"}')
    with pytest.raises(InputError, match="that of another program"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json is damaged"):
        read_run(tmp_path)
    with pytest.raises(OutputError):
        work(Path("/proc/nowhere"))


@pytest.mark.parametrize("n_shards", [1, 2])
def test_rows_are_whole_wherever_a_block_ends(
    tmp_path: Path, undisturbed: bytes, monkeypatch: pytest.MonkeyPatch, n_shards: int
) -> None:
    for number in range(1, n_shards + 1):
        work(tmp_path / "run", Shard(number, n_shards))
    monkeypatch.setattr(merge, "_COPIED", 100)
    assert list(merged_rows(tmp_path / "run")) == [json.loads(line) for line in undisturbed.splitlines()]


def test_shards_that_were_not_begun_cost_nothing_to_merge(tmp_path):
    n_shards = 10**9
    for number in (7, 30):
        with open_shard(tmp_path / "run", description(n_shards), RunOptions(Shard(number, n_shards))) as run:
            place = run.selection.of_file(0, "a")
            place.units = run.selection.pending
            place.takes("mol", whole_file=True)
            run.write("mol", Status.OK, json.dumps(number))
    assert b"".join(iter_merged(tmp_path / "run")).splitlines() == [b"7", b"30"]
