"""``logos corpus``: what it prints, how it ends, and that a killed build goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Logos

SMILES = "CCO ethanol\nCCN\nC1CC open\nCCO again\n"


def tree(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_the_accounting_sums(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "m.smi").write_text(SMILES)
    done = logos("corpus", "build", "m.smi", "-o", "corpus", "--valid-share", "0", code=3)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0].startswith("error: m.smi: open: RDKit rejects the SMILES C1CC")
    assert lines[1] == "4 records: 3 used, 1 rejected (molecule not accepted)"
    assert lines[2] == "3 sentences: 2 to train on, 0 held out, 1 repeated"
    assert lines[3].startswith("corpus: 14 tokens in ")
    assert len(lines) == 4
    quiet = logos("corpus", "build", "m.smi", "-o", "corpus", "--overwrite", "--valid-share", "0", "-q", code=3)
    assert quiet.stderr.splitlines() == lines[:1]


def test_info_is_a_table_and_json(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "m.smi").write_text(SMILES)
    logos("corpus", "build", "m.smi", "-o", "corpus", "--valid-share", "0", code=3)
    header, row = (line.split("\t") for line in logos("corpus", "info", "corpus", code=0).stdout.splitlines())
    assert dict(zip(header, row, strict=True)) == {
        "domain": "molecule",
        "forms": "molecule",
        "train": "2",
        "train_tokens": "14",
        "valid": "0",
        "valid_tokens": "0",
        "weight": "1.0",
        "dropped": "1",
    }
    manifest = json.loads(logos("corpus", "info", "corpus", "--json", code=0).stdout)
    assert manifest["records"]["rejected"] == {"molecule not accepted": 1}
    assert manifest["sources"][0]["path"] == "m.smi"


def test_standard_input_and_a_model_directory(logos: Logos, tmp_path: Path, checkout: Path) -> None:
    model = checkout / "tokenizers" / "logos-nano"
    logos("corpus", "build", "-o", "corpus", "--tokenizer", str(model), stdin=">a\nMKV\n>b\nMKVL\n", code=0)
    assert "protein" in logos("corpus", "info", "corpus", code=0).stdout
    logos("corpus", "verify", "corpus", code=0)


def test_verify_names_the_altered_shard(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "m.smi").write_text("CCO\nCCN\n")
    logos("corpus", "build", "m.smi", "-o", "corpus", code=0)
    path = tmp_path / "corpus" / "shards" / "molecule.train.tokens.npy"
    path.write_bytes(path.read_bytes()[:-2])
    done = logos("corpus", "verify", "corpus", code=2)
    assert "molecule.train.tokens.npy" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.smi", "-o", "c"], "there is no such file"),
        (["m.smi", "-o", "m.smi"], "the output is a file"),
        (["m.smi", "-o", "c", "--forms", "molecul"], "did you mean molecule"),
        (["m.smi", "-o", "c", "--tokenizer", "nowhere"], "there is no such model"),
        (["m.smi", "-o", "c", "--tokenizer", "empty"], "no tokenizer.json"),
        (["m.smi", "-o", "c", "--resume", "--overwrite"], "give one of them"),
        (["m.smi", "-o", "c", "--weights", "m.smi"], "m.smi: not TOML: "),
        (["m.smi", "-o", "c", "--rejects", "gone/x.jsonl"], "does not exist"),
        (["m.smi"], "--output"),
    ],
)
def test_bad_usage_ends_with_2_and_says_what(logos: Logos, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "m.smi").write_text("CCO\n")
    (tmp_path / "empty").mkdir()
    done = logos("corpus", "build", *arguments)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "internal error" not in done.stderr


def test_a_build_that_was_killed_before_it_wrote_anything_is_begun_anew(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "m.smi").write_text("CCO\nCCN\n")
    (tmp_path / "corpus" / "build" / "results").mkdir(parents=True)
    for output in ("corpus", "new"):
        logos("corpus", "build", "m.smi", "-o", output, "--resume", code=0)
        again = ("corpus", "build", "m.smi", "-o", output, "--resume")
        manifest = (tmp_path / output / "manifest.json").read_bytes()
        for shard in ((), ("--shard", "2/3")):
            assert "nothing is left" in logos(*again, *shard, code=0).stderr
        assert (tmp_path / output / "manifest.json").read_bytes() == manifest
        assert "complete, and its parts are gone" in logos(*again, "--retry", "failed", code=2).stderr


@pytest.mark.skipif(sys.platform != "linux", reason="file names are any bytes on Linux only")
def test_a_source_whose_name_is_not_utf8(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "d") + b"/\xff.smi")).write_text("CCO\n")
    for more in ((), ("--resume",)):
        logos("corpus", "build", "d", "-o", "corpus", "--valid-share", "0", *more, code=0)
    assert json.loads((tmp_path / "corpus" / "manifest.json").read_text())["sources"][0]["path"] == "d/\udcff.smi"
    logos("encode", "d", "-o", "run/", code=0)
    logos("encode", "d", "-o", "run/", "--resume", code=0)


def test_a_closed_pipe_ends_quietly(
    logos_argv: list[str], logos_env: dict[str, str], logos: Logos, tmp_path: Path
) -> None:
    (tmp_path / "m.smi").write_text("CCO\n")
    logos("corpus", "build", "m.smi", "-o", "corpus", "--valid-share", "0", code=0)
    line = " ".join(logos_argv) + " corpus info corpus --json | head -1"
    done = subprocess.run(line, shell=True, cwd=tmp_path, env=logos_env, capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"{\n", b"")


def test_info_and_verify_need_no_chemistry(logos: Logos, logos_env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "m.smi").write_text("CCO\n")
    logos("corpus", "build", "m.smi", "-o", "corpus", "--valid-share", "0", code=0)
    blocked = tmp_path / "blocked"
    for name in ("rdkit", "gemmi", "biotite", "torch", "transformers"):
        (blocked / name).mkdir(parents=True)
        (blocked / name / "__init__.py").write_text(f"raise ImportError('{name} is not here')\n")
    env = {"PYTHONPATH": f"{blocked}{os.pathsep}{logos_env['PYTHONPATH']}"}
    logos("corpus", "info", "corpus", env=env, code=0)
    logos("corpus", "verify", "corpus", env=env, code=0)


# -- kills ---------------------------------------------------------------------------------------------------


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Enough records for several parts."""
    rng = random.Random(8)
    path = tmp_path / "p.fasta"
    path.write_text("".join(f">{n}\n{''.join(rng.choices('ACDEFGHIKLMNPQRSTVWY', k=60))}\n" for n in range(30_000)))
    return path


def start(argv: list[str], env: dict[str, str], tmp_path: Path, *more: str) -> subprocess.Popen[str]:
    command = [*argv, "corpus", "build", "p.fasta", "-o", "killed", *more]
    return subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)


def wait_for_parts(tmp_path: Path, process: subprocess.Popen[str], count: int) -> None:
    for _ in range(2400):
        if len(list((tmp_path / "killed" / "build" / "parts").glob("*.npz"))) >= count or process.poll() is not None:
            return
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_build_gives_the_same_corpus_in_the_end(
    logos: Logos, preloaded_argv: list[str], logos_env: dict[str, str], tmp_path: Path, large: Path
) -> None:
    logos("corpus", "build", "p.fasta", "-o", "whole", code=0)
    for jobs, kill in (("1", signal.SIGKILL), ("2", signal.SIGINT), ("1", signal.SIGTERM)):
        more = ("--resume",) if (tmp_path / "killed" / "build").exists() else ()
        before = len(list((tmp_path / "killed").rglob("*.npz")))
        process = start(preloaded_argv, logos_env, tmp_path, "--jobs", jobs, *more)
        wait_for_parts(tmp_path, process, before + 1)
        process.send_signal(kill)
        _, told = process.communicate(timeout=60)
        assert process.returncode in (-9, 130, 143, 0)
        assert "Traceback" not in told
        if process.returncode in (130, 143):
            assert "--resume" in told
        if process.returncode == 0:
            break
    if (tmp_path / "killed" / "build").exists():
        logos("corpus", "build", "p.fasta", "-o", "killed", "--resume", code=0)
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")


@pytest.mark.slow
def test_shards_are_merged_to_the_same_corpus(logos: Logos, tmp_path: Path, large: Path) -> None:
    (tmp_path / "m.smi").write_text("".join(f"C1CCCC1{'C' * n} m{n}\n" for n in range(9)) + "xx bad\n")
    (tmp_path / "n.smi").write_text("".join(f"{'C' * 150}{'O' * (n % 9)} m{n}\n" for n in range(7000)))
    names = ("p.fasta", "m.smi", "n.smi")
    logos("corpus", "build", *names, "-o", "whole", code=3)
    for shard in ("2/2", "1/2"):
        logos("corpus", "merge", "killed", code=2)
        logos("corpus", "build", *names, "-o", "killed", "--shard", shard, "--resume")
    assert "complete: 3 entries" in logos("runs", "verify", "killed/build", code=0).stdout
    logos("corpus", "merge", "killed", code=3)
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")


def test_sentences_are_shown_by_domain_and_by_number(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "m.smi").write_text("CCO\nCCN\nCCC\n")
    logos("corpus", "build", "m.smi", "-o", "corpus", "--valid-share", "0", code=0)
    every = logos("corpus", "show", "corpus", "molecule", code=0).stdout.splitlines()
    assert sorted(every) == [f"<MoleculeS>{smiles}<MoleculeE>" for smiles in ("CCC", "CCN", "CCO")]
    assert logos("corpus", "show", "corpus", "molecule", "--limit", "2", code=0).stdout.splitlines() == every[:2]
    done = logos("corpus", "show", "corpus", "molecule:2", "molecule:0", "-f", "jsonl", code=0)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(record["id"], record["text"]) for record in records] == [
        ("molecule:2", every[2]),
        ("molecule:0", every[0]),
    ]


def test_what_a_corpus_does_not_hold_is_not_shown(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "m.smi").write_text("CCO\n")
    logos("corpus", "build", "m.smi", "-o", "corpus", "--valid-share", "0", code=0)
    assert "it has molecule" in logos("corpus", "show", "corpus", "protein", code=2).stderr
    assert "numbered from 0 to 0" in logos("corpus", "show", "corpus", "molecule:1", code=2).stderr
