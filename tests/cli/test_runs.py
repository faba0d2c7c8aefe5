"""Bulk commands in the directory of a run, and ``logos runs``, as a user has them."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from logos_cli.errors import ExitCode

SMILES = "".join(f"{'C' * (number % 11 + 1)}O mol{number}\n" for number in range(300)) + "CC( bad\nC1CC open\n"
MESSAGE = "going on"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    (tmp_path / "library.smi").write_text(SMILES)
    return tmp_path / "library.smi"


def merged(logos: Any, run: str) -> str:
    return str(logos("runs", "merge", run, code=0).stdout)


def test_shards_merge_to_what_one_process_writes(logos: Any, library: Path) -> None:
    plain = logos("encode", library, "-f", "jsonl", code=ExitCode.PARTIAL).stdout
    for number in (3, 1, 2):
        logos("encode", library, "-o", "run/", "--shard", f"{number}/3")
    assert merged(logos, "run") == plain
    done = logos("runs", "verify", "run", code=0)
    assert done.stdout == "run: complete: 302 entries: 300 ok, 2 failed\n"
    logos("runs", "merge", "run", "-o", "all.jsonl.gz", code=0)
    assert logos("encode", "all.jsonl.gz", "-f", "jsonl").stdout.count("\n") == 302


def test_a_shard_goes_to_standard_output_as_well(logos: Any, library: Path) -> None:
    parts = [logos("encode", library, "--shard", f"{number}/2", "-f", "jsonl").stdout for number in (1, 2)]
    ids = [json.loads(line)["id"] for part in parts for line in part.splitlines()]
    assert len(ids) == len(set(ids)) == 302
    environment = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "1"}
    environment["SLURM_ARRAY_TASK_STEP"] = "1"
    assert logos("encode", library, "--shard", "auto", "-f", "jsonl", env=environment).stdout == parts[1]


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        signal.SIGINT,
        *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGTERM, signal.SIGUSR1)),
    ],
)
def test_a_run_that_is_stopped_goes_on(
    logos: Any, preloaded_argv: list[str], logos_env: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "large.smi").write_text("".join(f"{'C' * (n % 11 + 1)}O mol{n}\n" for n in range(24_000)))
    plain = logos("encode", "large.smi", "-f", "jsonl", code=0).stdout
    rng = random.Random(number)
    codes = []
    for _ in range(3):
        run = subprocess.Popen(
            [*preloaded_argv, "encode", "large.smi", "-o", "run/", "--resume"],
            cwd=tmp_path,
            env=logos_env,
            stderr=subprocess.PIPE,
        )
        results = tmp_path / "run" / "results" / "1-of-1.index"
        before = results.stat().st_size if results.exists() else 0
        while run.poll() is None and (results.stat().st_size if results.exists() else 0) == before:
            time.sleep(0.01)
        time.sleep(0.1 * rng.random())
        run.send_signal(number)
        _, errors = run.communicate()
        codes.append(run.returncode)
        if number is not signal.SIGKILL and run.returncode:
            assert re.search(rb"run/ has [0-9,]+ finished record", errors)
            assert b"hint: go on with: logos encode large.smi -o run/ --resume" in errors
    wanted = {signal.SIGKILL: -9, signal.SIGINT: 130}.get(number, 143)
    assert set(codes) <= {wanted, 0}
    assert wanted in codes
    done = logos("encode", "large.smi", "-o", "run/", "--resume", code=0)
    assert MESSAGE in done.stderr
    assert merged(logos, "run") == plain
    logos("runs", "verify", "run", code=0)


def test_records_in_error_are_done_again(logos: Any, library: Path) -> None:
    logos("encode", library, "-o", "run/", code=ExitCode.PARTIAL)
    before = merged(logos, "run")
    done = logos("encode", library, "-o", "run/", "--retry", "failed")
    assert "2 records: 0 ok, 2 error" in done.stderr
    assert merged(logos, "run") == before
    assert "complete" in logos("runs", "verify", "run", code=0).stdout


def test_status_shows_states_and_reasons(logos: Any, library: Path, tmp_path: Path) -> None:
    logos("encode", library, "-o", "run/", "--shard", "1/2")
    done = logos("runs", "status", "run", code=ExitCode.PARTIAL)
    assert "logos encode" in done.stdout
    assert "waiting" in done.stdout
    assert " of 302 entries, " in done.stdout
    logos("encode", library, "-o", "run/", "--shard", "2/2")
    found = json.loads(logos("runs", "status", "run", "--json", code=0).stdout)
    assert found["counts"] == {"ok": 300, "invalid": 0, "failed": 2, "skipped": 0}
    assert sum(found["reasons"].values()) == 2
    assert (found["n_requested"], found["seconds_left"]) == (302, None)
    state = tmp_path / "run" / "results" / "2-of-2.state.json"
    content = json.loads(state.read_text()) | {"state": "running", "seconds": 2.0}
    content["counts"] = {"ok": content["n_before"] + 50}
    state.write_text(json.dumps(content))
    assert 0 <= json.loads(logos("runs", "status", "run", "--json").stdout)["seconds_left"] < 6
    state.write_text(json.dumps(content | {"seconds": -3.0}))  # a clock that was set back
    assert json.loads(logos("runs", "status", "run", "--json").stdout)["shards"][1]["records_per_s"] is None
    state.write_text(json.dumps(content | {"state": "finished"}))
    assert [shard["state"] for shard in found["shards"]] == ["finished", "finished"]
    assert logos("runs", "list", code=0).stdout == "run\tencode\t302 records\t2 finished\n"


def test_a_run_that_lacks_a_shard_is_not_merged_unasked(logos: Any, library: Path) -> None:
    logos("encode", library, "-o", "run/", "--shard", "1/2")
    assert "1 shard is not done" in logos("runs", "merge", "run", code=ExitCode.USAGE).stderr
    assert logos("runs", "merge", "run", "--partial", code=0).stdout
    refused = logos("runs", "verify", "run", code=ExitCode.FAILED)
    assert "shard 2 of 2 is waiting" in refused.stderr
    assert "entries are missing from the results: " in refused.stderr
    assert f"{library}: entry " in refused.stderr


def test_ids_are_unique_over_all_files(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "one.fasta").write_text(">a\nMKV\n>a\nMKT\n")
    (tmp_path / "two.fasta").write_text(">a\nMKW\n")
    logos("encode", "one.fasta", "two.fasta", "-o", "run/", code=0)
    assert [json.loads(line)["id"] for line in merged(logos, "run").splitlines()] == ["one:a", "one:a_2", "two:a"]
    assert json.loads(logos("encode", "two.fasta", code=0).stdout)["id"] == "a"


def test_structures_are_dealt_out_by_file(logos: Any, checkout: Path, tmp_path: Path) -> None:
    example = (checkout / "examples" / "complex.cif").read_bytes()
    for number in range(6):
        (tmp_path / f"s{number}.cif").write_bytes(example)
    names = [f"s{number}.cif" for number in range(6)]
    plain = logos("encode", *names, "--as", "search", "-f", "jsonl", code=0).stdout
    for number in (1, 2):
        logos("encode", *names, "--as", "search", "-o", "run/", "--shard", f"{number}/2", "-j", "2")
    assert merged(logos, "run") == plain
    assert "6 ok" in logos("runs", "verify", "run", code=0).stdout


def test_scores_of_a_run_are_those_of_a_file(logos: Any, library: Path) -> None:
    plain = logos("score", library, "--metrics", "qed", "--where", "mw>60", "-f", "jsonl", code=ExitCode.PARTIAL).stdout
    for number in (1, 2):
        logos("score", library, "--metrics", "qed", "--where", "mw>60", "-o", "run/", "--shard", f"{number}/2")
    assert merged(logos, "run") == plain
    found = json.loads(logos("runs", "status", "run", "--json", code=0).stdout)
    assert found["counts"]["skipped"] > 0  # what the filter left out
    assert "complete" in logos("runs", "verify", "run", code=0).stdout
    # a run is read like a file
    again = logos("score", "run", "--metrics", "none", "-f", "jsonl")
    assert sorted(again.stdout.splitlines()) == sorted(plain.splitlines())
    assert logos("decode", "run", "--to", "smi").stdout.count("\n") == plain.count('"status": "ok"')
    refused = logos("score", library, "--top", "3", "--by", "qed", "-o", "top/", code=ExitCode.USAGE)
    assert "--top ranks all records of a run" in refused.stderr


def test_samples_do_not_depend_on_shards(logos: Any) -> None:
    plain = logos("generate", "molecule", "-n", "9", "--seed", "3", "-f", "jsonl", code=0).stdout
    for number in (2, 1):
        logos("generate", "molecule", "-n", "9", "--seed", "3", "-o", "run/", "--shard", f"{number}/2", code=0)
    assert merged(logos, "run") == plain
    assert "complete: 9 entries" in logos("runs", "verify", "run", code=0).stdout
    texts = [json.loads(line)["text"] for line in plain.splitlines()]
    assert len(set(texts)) > 5  # tasks of an array do not write the same molecules


def test_more_shards_than_samples_are_no_failure(logos: Any) -> None:
    for number in (1, 2, 3):
        logos("generate", "molecule", "-n", "1", "-o", "run/", "--shard", f"{number}/3", code=0)
    assert "complete: 1 entry" in logos("runs", "verify", "run", code=0).stdout


def test_results_of_several_samples_belong_to_their_prompt(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "products.smi").write_text("CC(=O)Oc1ccccc1C(=O)O aspirin\nCC(=O)NC1CCCCC1 amide\nCCOC(C)=O ester\n")
    arguments = ("generate", "retrosynthesis", "--prompt", "products.smi", "-n", "2")
    plain = logos(*arguments, "-f", "jsonl").stdout
    for number in (1, 2):
        logos(*arguments, "-o", "run/", "--shard", f"{number}/2")
    assert merged(logos, "run") == plain
    logos("runs", "verify", "run", code=0)


def test_explanations_of_a_run(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "few.smi").write_text("CCO a\nCCN b\nCCC c\n")
    plain = logos("explain", "few.smi", "-f", "json", code=0).stdout
    for number in (1, 2):
        logos("explain", "few.smi", "-o", "run/", "--shard", f"{number}/2")
    assert merged(logos, "run") == plain


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--shard", "5/4"), "there is no shard 5 of 4"),
        (("--shard", "x"), "'x' is no shard"),
        (("--shard", "auto"), "this is not a task of a job array"),
        (("--resume", "-o", "x.jsonl"), "--resume, --retry, --force and --compress need the directory of a run"),
        (("-o", "run/", "--retry", "all"), "unknown value of --retry: 'all'"),
        (("-o", "run/", "-f", "text"), "the directory of a run holds records"),
        (("-o", "run/", "--resume", "--overwrite"), "--overwrite begins anew, but --resume goes on"),
    ],
)
def test_what_is_refused(logos: Any, library: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in logos("encode", library, *arguments, code=ExitCode.USAGE).stderr


def test_another_command_or_input_is_refused_with_the_difference(logos: Any, library: Path) -> None:
    logos("encode", library, "-o", "run/")
    other = logos("score", library, "-o", "run/", "--resume", code=ExitCode.USAGE).stderr
    assert "the run was begun differently: command: encode -> score" in other
    assert "has results" in logos("encode", library, "-o", "run/", code=ExitCode.USAGE).stderr
    library.write_text(SMILES.replace("mol7\n", "mol7b\n"))
    changed = logos("encode", library, "-o", "run/", "--resume", code=ExitCode.USAGE).stderr
    assert "inputs.sha256: " in changed
    forced = logos("encode", library, "-o", "run/", "--resume", "--force", code=ExitCode.USAGE).stderr
    assert "entry 8 is mol7b, but was another one when the run was begun" in forced


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
def test_a_full_disk_is_reported_and_the_run_goes_on(logos: Any, library: Path, tmp_path: Path) -> None:
    logos("encode", library, "-o", "run/", code=ExitCode.PARTIAL)
    whole = merged(logos, "run")
    results = tmp_path / "run" / "results"
    (results / "1-of-1.index").unlink()
    (results / "1-of-1.jsonl").unlink()
    (results / "1-of-1.jsonl").symlink_to("/dev/full")
    done = logos("encode", library, "-o", "run/", "--resume", code=ExitCode.FAILED)
    assert "no space is left on the device" in done.stderr
    assert "then go on with --resume" in done.stderr
    (results / "1-of-1.jsonl").unlink()
    logos("encode", library, "-o", "run/", "--resume", code=ExitCode.PARTIAL)
    assert merged(logos, "run") == whole


def test_no_file_is_left_where_a_run_has_no_such_results(logos: Any, library: Path, tmp_path: Path) -> None:
    logos("encode", library, "-o", "run/")
    assert "no .sdf results" in logos("runs", "merge", "run", "-o", "all.sdf", code=ExitCode.USAGE).stderr
    assert not (tmp_path / "all.sdf").exists()


@pytest.mark.slow
def test_an_interrupted_run_of_several_workers_loses_nothing(
    logos: Any, preloaded_argv: list[str], logos_env: dict[str, str], tmp_path: Path
) -> None:
    """Workers finish later records first; at Ctrl-C these are kept, and the earlier ones are done again."""
    (tmp_path / "large.smi").write_text("".join(f"{'C' * (n % 11 + 1)}O mol{n}\n" for n in range(2_000)))
    arguments = ("score", "large.smi", "--metrics", "qed,sa", "--jobs", "2")
    plain = logos(*arguments, "-o", "plain.jsonl", code=0)
    assert plain.returncode == 0
    index = tmp_path / "run" / "results" / "1-of-1.index"
    for _ in range(2):
        command = [*preloaded_argv, *arguments, "-o", "run/", "--resume"]
        run = subprocess.Popen(command, cwd=tmp_path, env=logos_env, stderr=subprocess.DEVNULL)
        before = index.stat().st_size if index.exists() else 0
        while run.poll() is None and (index.stat().st_size if index.exists() else 0) == before:
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        run.wait()
    logos(*arguments, "-o", "run/", "--resume", code=0)
    assert merged(logos, "run") == (tmp_path / "plain.jsonl").read_text()
    assert "complete: 2,000 entries: 2,000 ok" in logos("runs", "verify", "run", code=0).stdout


def test_samples_of_an_interrupted_run_are_those_of_a_whole_one(
    logos: Any, preloaded_argv: list[str], logos_env: dict[str, str], tmp_path: Path
) -> None:
    arguments = ("generate", "molecule", "-n", "18", "--seed", "2", "-b", "6")
    plain = logos(*arguments, "-f", "jsonl", code=0).stdout
    index = tmp_path / "run" / "results" / "1-of-1.index"
    command = [*preloaded_argv, *arguments, "-o", "run/"]
    run = subprocess.Popen(command, cwd=tmp_path, env=logos_env, stderr=subprocess.DEVNULL)
    while run.poll() is None and not (index.exists() and index.stat().st_size):
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    run.wait()
    logos(*arguments, "-o", "run/", "--resume", code=0)
    assert merged(logos, "run") == plain
    assert "complete: 18 entries" in logos("runs", "verify", "run", code=0).stdout


@pytest.mark.parametrize("command", [("encode",), ("score", "--metrics", "qed"), ("explain",)])
def test_a_shard_whose_entries_are_all_in_error_is_done(logos: Any, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Its job must not fail: it is so by chance, and the merge depends on it."""
    (tmp_path / "bad.smi").write_text("CC( bad\n")
    codes = {logos(*command, "bad.smi", "-o", "run/", "--shard", f"{number}/2").returncode for number in (1, 2)}
    assert codes == {ExitCode.OK, ExitCode.PARTIAL}
    assert "1 failed" in logos("runs", "verify", "run", code=0).stdout


@pytest.mark.parametrize("limit", [pytest.param("-Sn 90", marks=pytest.mark.slow), "-n 90"])
def test_more_shards_than_a_process_may_open_files(
    logos: Any, logos_argv: list[str], logos_env: dict[str, str], library: Path, limit: str
) -> None:
    """A soft limit is raised; under a hard one files are opened again for each piece."""
    for number in range(1, 61):
        logos("encode", library, "-o", "run/", "--shard", f"{number}/60")
    command = f"ulimit {limit} && {' '.join(logos_argv)} runs merge run/"
    done = subprocess.run(
        ["bash", "-c", command], cwd=library.parent, env=logos_env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == logos("encode", library, "-f", "jsonl").stdout


def test_merging_few_records_at_a_time_is_the_same(logos: Any, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from logos_cli.runs import merge

    for number in range(1, 8):
        logos("encode", library, "-o", "run/", "--shard", f"{number}/7")
    whole = merged(logos, "run")
    monkeypatch.setattr(merge, "_BYTES", 1)
    pieces = list(merge.iter_merged(library.parent / "run"))
    assert len(pieces) > 1
    assert b"".join(pieces).decode() == whole


@pytest.mark.parametrize(
    ("arguments", "n_lines"),
    [
        (("score", "run", "--metrics", "qed", "-f", "jsonl"), 3),
        (("decode", "run", "--to", "smi"), 3),
        (("encode", "run", "-f", "text"), 3),
        (("explain", "run", "-f", "json"), 3),
        (("grammar", "check", "run"), 0),
    ],
)
def test_commands_read_a_run(logos: Any, tmp_path: Path, arguments: tuple[str, ...], n_lines: int) -> None:
    (tmp_path / "few.smi").write_text("CCO a\nCCN b\nCCC c\n")
    for number in (1, 2):
        logos("encode", "few.smi", "-o", "run/", "--shard", f"{number}/2", code=0)
    done = logos(*arguments)
    assert done.returncode in (0, 3), done.stderr
    assert done.stdout.count("\n") == n_lines
    if arguments[0] == "grammar":
        assert "3 sentences: 3 well formed" in done.stderr


def test_docking_reads_a_run(logos: Any, checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "few.smi").write_text("CCO a\n")
    logos("encode", "few.smi", "-o", "run/", code=0)
    receptor = checkout / "examples" / "complex.cif"
    assert "exhaustiveness" in logos("dock", "-r", receptor, "-l", "run", "--dry-run", code=0).stdout
