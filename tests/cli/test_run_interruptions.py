"""Runs of the bulk commands: any shards, workers and interruptions give the results of one undisturbed process."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import pytest

from logos_cli.runs.journal import files_of
from logos_cli.runs.shards import parse_shard

pytestmark = pytest.mark.usefixtures("preloaded_workers")
MOLECULES: Final = "".join(f"{'C' * (n % 7 + 1)}{'O' if n % 3 else 'N'} mol{n}\n" for n in range(24)) + "CC( bad\n"
COMMANDS: Final = {
    "encode": ("encode", "few.smi"),
    "score": ("score", "few.smi", "--metrics", "qed,sa"),
    "explain": ("explain", "few.smi", "-b", "1"),  # in larger batches the last digits depend on their neighbours
    "generate": ("generate", "retrosynthesis", "--prompt", "products.smi", "-n", "2"),
    "samples": ("generate", "molecule", "-n", "8", "--seed", "5"),
}


def tear(run: Path, rng: random.Random) -> None:
    """Leave the files of a shard as a kill leaves them: ended anywhere, the index no later than the records."""
    for index in (run / "results").glob("*.index"):
        if rng.random() < 0.3:
            continue
        os.truncate(index, rng.randrange(index.stat().st_size + 1))
        if rng.random() < 0.5:
            results = files_of(run, parse_shard(index.stem))[0]
            os.truncate(results, rng.randrange(results.stat().st_size + 1))


def run_shards(logos: Any, command: tuple[str, ...], seed: int, whole: str) -> None:
    """Run a command in a random number of shards that are torn and go on, and compare the merged results."""
    rng = random.Random(seed)
    n_shards = rng.randint(1, 4)
    workers = ("-j", str(rng.randint(1, 2))) if command[0] in ("encode", "score") else ()
    order = rng.sample(range(1, n_shards + 1), n_shards)
    name = f"run{seed}"
    for attempt in range(rng.randint(1, 3)):
        for number in order:
            compress = ("--compress",) if rng.random() < 0.5 else ()
            logos(*command, *workers, "-o", f"{name}/", "--shard", f"{number}/{n_shards}", "--resume", *compress)
        if attempt:
            assert logos("runs", "merge", name, code=0).stdout == whole
        tear(Path(name), rng)
    for number in order:
        logos(*command, *workers, "-o", f"{name}/", "--shard", f"{number}/{n_shards}", "--resume")
    assert "complete: " in logos("runs", "verify", name, code=0).stdout
    assert logos("runs", "merge", name, code=0).stdout == whole


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in ("score", "samples") else name for name in COMMANDS]
)
def test_torn_shards_give_the_results_of_a_whole_run(
    logos: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.smi").write_text(MOLECULES)
    (tmp_path / "products.smi").write_text("CC(=O)Oc1ccccc1C(=O)O aspirin\nCC(=O)NC1CCCCC1 amide\nCCOC(C)=O ester\n")
    logos(*COMMANDS[name], "-o", "whole/")
    whole = logos("runs", "merge", "whole", code=0).stdout
    assert whole
    for seed in range(3 if name == "encode" else 1):
        run_shards(logos, COMMANDS[name], seed, whole)


@pytest.mark.cluster  # docks for half a minute
def test_torn_docking_gives_the_results_of_a_whole_run(
    logos: Any, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.smi").write_text("CCO a\nCC( bad\nCCN b\nC1CC open\n")
    receptor = str(checkout / "examples" / "complex.cif")
    command = ("dock", "-r", receptor, "-l", "few.smi", "--exhaustiveness", "1", "--num-modes", "2", "--seed", "1")
    logos(*command, "-o", "run/", "--compress")
    whole, poses = logos("runs", "merge", "run", code=0).stdout, (tmp_path / "run/results/1-of-1.sdf").read_bytes()
    rng = random.Random(2)
    for _ in range(2):
        tear(tmp_path / "run", rng)
        logos(*command, "-o", "run/", "--resume")
        assert logos("runs", "merge", "run", code=0).stdout == whole
        assert (tmp_path / "run/results/1-of-1.sdf").read_bytes() == poses


@pytest.mark.parametrize("arguments", [("score", "run", "--metrics", "qed"), ("decode", "run"), ("explain", "run")])
def test_commands_read_compressed_records(logos: Any, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "few.smi").write_text(MOLECULES)
    for number in range(1, 31):  # of so many shards some have no record
        logos("encode", "few.smi", "-o", "run/", "--shard", f"{number}/30", "--compress")
    (tmp_path / "few.jsonl").write_text(logos("runs", "merge", "run", code=0).stdout)
    plain = logos(arguments[0], "few.jsonl", *arguments[2:])
    found = logos(*arguments)
    assert sorted(found.stdout.splitlines()) == sorted(plain.stdout.splitlines())
    assert found.returncode == plain.returncode
    assert "25\t" in logos("runs", "list", code=0).stdout.replace(" ", "\t").replace(",", "")


def test_an_interruption_counts_compressed_records(
    tmp_path: Path, logos_argv: list[str], logos_env: dict[str, str]
) -> None:
    (tmp_path / "large.smi").write_text("".join(f"{'C' * (n % 30 + 1)}O m{n}\n" for n in range(300_000)))
    words = [*logos_argv, "encode", "large.smi", "-o", "run/", "--compress"]
    with subprocess.Popen(words, cwd=tmp_path, env=logos_env, stderr=subprocess.PIPE, text=True) as process:
        results = tmp_path / "run" / "results" / "1-of-1.jsonl.gz"
        while not results.exists() or results.stat().st_size < 100_000:
            time.sleep(0.01)
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    n_lines = gzip.decompress(results.read_bytes()).count(b"\n")
    assert n_lines > 1000
    assert f"run/ has {n_lines:,} finished records" in errors
