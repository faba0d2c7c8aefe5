"""``logos generate`` as a user runs it."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from logos_cli import registry
from logos_cli.errors import ExitCode

_FAKE = ("--backend", "fake", "--max-new-tokens", "40")


def _records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_embedded_model_completes_a_fasta_file(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "seq.fasta").write_text(">P1\nMKTAYIAKQRQISFVKSHFSRQ\n>P2\nMAGGSRLLV\n")
    done = logos("generate", "protein", "--prompt", "seq.fasta", "-n", 2, "--offline", "--max-new-tokens", 100)
    records = _records(done.stdout)
    assert [record["id"] for record in records] == [f"P{p}#000{n}" for p in (1, 2) for n in (1, 2)]
    assert all(record["sample"]["model"] == "logos-nano" for record in records)
    assert all(record["text"].startswith("<ProteinS>M") for record in records)
    assert "4 requested →" in done.stderr
    assert done.returncode in (ExitCode.OK, ExitCode.PARTIAL)
    again = logos("generate", "protein", "--prompt", "seq.fasta", "-n", 2, "-b", 3, "--max-new-tokens", 100)
    assert again.stdout == done.stdout


def test_upstream_spellings_are_accepted_and_not_shown(logos: Any, tmp_path: Path) -> None:
    done = logos(
        "generate",
        "protein",
        "--backend",
        "fake",
        "--num_samples",
        2,
        "--top_p",
        0.5,
        "--max_new_tokens",
        30,
        "--model_path",
        "logos-nano",
        "--results_dir",
        "out",
        code=ExitCode.OK,
    )
    assert done.stdout == ""
    records = _records((tmp_path / "out" / "protein.jsonl").read_text())
    assert [record["sample"]["top_p"] for record in records] == [0.5, 0.5]
    shown = logos("generate", "protein", "--help", code=ExitCode.OK).stdout
    assert "--num-samples" in shown
    assert "num_samples" not in shown
    assert "results_dir" not in shown
    both = logos("generate", "protein", *_FAKE, "-n", 3, "--num_samples", 2, code=ExitCode.USAGE)
    assert "another spelling" in both.stderr


def test_the_output_extension_chooses_the_format(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text("<MoleculeS>CCO<MoleculeE>\n<MoleculeS>C1C<MoleculeE>\n")
    arguments = ("generate", "molecule", *_FAKE, "--model", "script.txt", "-n", 20, "--top-p", 1)
    logos(*arguments, "-o", "out.smi", code=ExitCode.OK)
    lines = (tmp_path / "out.smi").read_text().splitlines()
    assert lines
    assert all(line.split()[0] == "CCO" for line in lines)
    text = logos(*arguments, "-f", "text", code=ExitCode.OK).stdout.splitlines()
    assert set(text) == {"<MoleculeS>CCO<MoleculeE>", "<MoleculeS>C1C<MoleculeE>"}
    assert logos(*arguments, "-o", "out.smi").returncode == ExitCode.USAGE
    assert logos(*arguments, "-o", "x.png").returncode == ExitCode.USAGE


def test_generate_reads_what_encode_and_generate_write(logos: Any) -> None:
    sites = logos(
        "generate", "site", *_FAKE, "-p", "MKTAYIAK", "-n", 2, "--samples", "--max-new-tokens", 100, code=ExitCode.OK
    ).stdout
    ligands = logos("generate", "ligand", *_FAKE, "-p", "-", "-n", 2, stdin=sites)
    records = _records(ligands.stdout)
    assert [record["id"] for record in records] == [f"prompt#000{p}#000{n}" for p in (1, 2) for n in (1, 2)]
    assert all("<PocketS>" in record["text"] for record in records)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("protien",), "Did you mean 'protein'"),
        (("site",), "site needs a prompt"),
        (("protein", "-p", "seq.fasta"), "there is no such file"),
        (("protein", "-p", "MKT1"), "not a residue"),
        (("protein", "-p", "<MoleculeS>C"), "is not the beginning of a sentence"),
        (("molecule", "--temperature", "-1"), "temperature"),
        (("molecule", "--top-p", "2"), "top-p is 2.0; it must be"),
        (("molecule", "--model", "no/such/model/at/all"), "there is no such model"),
        (("molecule", "--backend", "tensorflow"), "unknown backend"),
        (("protein", "-p", "M" * 9000), "9,002 tokens long"),
        (("molecule", "-o", "missing/out.smi"), "does not exist"),
    ],
)
def test_bad_requests_are_one_message_and_no_output(arguments: tuple[str, ...], said: str, logos: Any) -> None:
    extra = () if "--backend" in arguments else ("--backend", "fake")
    done = logos("generate", *arguments, *extra)
    assert done.returncode in (ExitCode.USAGE, ExitCode.FAILED)
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_released_model_that_is_not_here_is_missing_offline(logos: Any, tmp_path: Path) -> None:
    done = logos(
        "generate",
        "protein",
        "--model",
        "LOGOS-Hub/LOGOS-8B",
        "--offline",
        env={"HF_HOME": str(tmp_path)},
        code=ExitCode.MISSING,
    )
    assert "logos models pull LOGOS-Hub/LOGOS-8B" in done.stderr


def test_partial_failure_and_no_success_are_told_by_the_exit_code(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "mixed.fasta").write_text(">a\nMKT\n>b\nM1\n")
    done = logos("generate", "protein", *_FAKE, "-p", "mixed.fasta", code=ExitCode.PARTIAL)
    assert [record["status"] for record in _records(done.stdout)][1] == "error"
    assert "1 never begun" in done.stderr
    (tmp_path / "script.txt").write_text("<MoleculeS>C1<MoleculeE>")
    none = logos("generate", "molecule", *_FAKE, "--model", "script.txt", code=ExitCode.PARTIAL)
    assert "0 valid" in none.stderr
    (tmp_path / "bad.fasta").write_text(">b\nM1\n")
    logos("generate", "protein", *_FAKE, "-p", "bad.fasta", code=ExitCode.USAGE)


def test_a_dry_run_shows_the_resolved_plan(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "in.fasta").write_text(">a\nMKT\n>b\nMKTAY\n")
    done = logos("generate", "protein", "--dry-run", "-p", "in.fasta", "-n", 5, "--seed", 7, code=ExitCode.OK)
    plan = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert plan["samples"] == "10"
    assert plan["seed"] == "7"
    assert plan["prompts"] == "2"
    assert plan["longest_prompt_tokens"] == "7"
    assert plan["temperature"] == "1.0"  # as logos-nano wants it
    task = logos("generate", "molecule", "--dry-run", "--top-k", 7, code=ExitCode.OK).stdout
    plan = dict(line.split(maxsplit=1) for line in task.splitlines())
    assert (plan["temperature"], plan["top_p"], plan["top_k"]) == ("1.2", "0.85", "7")
    chosen = logos("generate", "protein", "--dry-run", "--temperature", 0.3, code=ExitCode.OK).stdout
    plan = dict(line.split(maxsplit=1) for line in chosen.splitlines())
    assert (plan["temperature"], plan["top_p"]) == ("0.3", "1.0")


def test_the_group_lists_every_task_in_a_line(logos: Any) -> None:
    shown = logos("generate", "--help", code=ExitCode.OK).stdout
    for name, task in registry.load_all("tasks").items():
        assert re.search(rf"^ +{name} +{re.escape(task.help)}$", shown, re.MULTILINE)


def test_a_task_shows_what_concerns_it_only(logos: Any) -> None:
    def shown(task: str) -> set[str]:
        return set(re.findall(r"--[a-z][a-z-]*", logos("generate", task, "--help", code=ExitCode.OK).stdout))

    site, protein, ligand = shown("site"), shown("protein"), shown("ligand")
    assert {"--min-frequency", "--samples", "--chain", "--until", "--num-samples"} <= site
    assert not {"--template", "--edit", "--positions", "--reference", "--pocket", "--cutoff", "--level"} & site
    assert {"--template", "--edit", "--max-mutations", "--positions", "--reference"} <= protein
    assert {"--pocket", "--site", "--level", "--ligand", "--cutoff", "--template"} <= ligand
    assert "--edit" not in ligand
    done = logos("generate", "site", "MKT", "--template", "MK{X}", code=ExitCode.USAGE)
    assert "error: no such option: --template" in done.stderr


def test_options_may_stand_before_the_task(logos: Any) -> None:
    after = logos("generate", "protein", *_FAKE, "-n", 3, "--seed", 5, code=ExitCode.OK)
    for before in (("-n", 3, "--seed", 5, "protein", *_FAKE), ("--seed=5", "-n3", *_FAKE, "-b", 2, "protein")):
        assert logos("generate", *before, code=ExitCode.OK).stdout == after.stdout
    given = logos("generate", "-n", 3, "--offline", "protein", "MKT", *_FAKE, "--seed", 5, code=ExitCode.OK)
    assert given.stdout == logos("generate", "protein", "-p", "MKT", *_FAKE, "-n3", "--seed", 5).stdout
    assert "error: name a task" in logos("generate", "-n", 3, code=ExitCode.USAGE).stderr


def test_the_prompt_is_given_once(logos: Any) -> None:
    twice = logos("generate", "protein", "MKT", "-p", "MAA", code=ExitCode.USAGE)
    assert "PROMPT and --prompt exclude each other" in twice.stderr
    edit = logos("generate", "protein", "MKT", "--edit", "MAA", code=ExitCode.USAGE)
    assert "the wild type is the prompt" in edit.stderr


def test_until_and_dropped_records(logos: Any, tmp_path: Path) -> None:
    sentences = [f"<MoleculeS>{smiles}<MoleculeE>" for smiles in ("CCO", "OCC", "C(C", "CN", "CO")]
    (tmp_path / "script.txt").write_text("\n".join(sentences))
    arguments = ("generate", "molecule", *_FAKE, "--model", "script.txt", "--top-p", 1)
    done = logos(*arguments, "--until", "valid=40,unique=3", "--drop-invalid", code=ExitCode.OK)
    records = _records(done.stdout)
    assert len(records) == 40
    assert {record["status"] for record in records} == {"ok"}
    assert int(done.stderr.split()[0]) > len(records)
    short = logos(*arguments, "--until", "unique=9", "-n", 30, code=ExitCode.PARTIAL)
    assert "1 prompt did not reach unique=9" in short.stderr
    assert "did you mean unique" in logos(*arguments, "--until", "uniqe=9", code=ExitCode.USAGE).stderr


def test_time_that_is_up_is_no_failure(logos: Any) -> None:
    done = logos("generate", "protein", *_FAKE, "-n", 1000000, "--time", "2s", code=ExitCode.OK)
    assert "the time is up" in done.stderr
    n_made = len(done.stdout.splitlines())
    assert n_made
    counts = {
        name.strip(): int(number.replace(",", ""))
        for number, name in re.findall(r"([0-9][0-9,]*) ([a-z ]+)", done.stderr)
    }
    assert counts["requested"] == 1_000_000
    assert counts["not begun in time"] == 1_000_000 - n_made
    assert "is not a time" in logos("generate", "protein", "--time", "soon", code=ExitCode.USAGE).stderr


def test_reference_sets(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text("<MoleculeS>OCC<MoleculeE>\n<MoleculeS>CN<MoleculeE>")
    (tmp_path / "known.smi").write_text("CCO ethanol\n")
    arguments = ("generate", "molecule", *_FAKE, "--model", "script.txt", "--top-p", 1, "-n", 20)
    done = logos(*arguments, "--reference", "known.smi", code=ExitCode.OK)
    assert "2 unique → 1 novel" in done.stderr
    for record in _records(done.stdout):
        assert record["scores"]["novel"]["value"] == ("CN" in record["text"])
    (tmp_path / "wrong.fasta").write_text(">a\nMKTAYIAK\n")
    wrong = logos(*arguments, "--reference", "wrong.fasta", code=ExitCode.USAGE)
    assert "cannot be compared with a protein" in wrong.stderr


def test_sites_of_a_structure_in_every_format(logos: Any, tmp_path: Path, checkout: Path) -> None:
    example = checkout / "examples" / "complex.cif"
    done = logos("generate", "site", example, "-n", 6, "-o", "sites.jsonl", code=ExitCode.OK)
    records = _records((tmp_path / "sites.jsonl").read_text())
    assert records
    assert f"; sites: {len(records)}" in done.stderr
    logos("generate", "site", example, "-n", 6, "-o", "sites.csv", code=ExitCode.OK)
    rows = list(csv.DictReader((tmp_path / "sites.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == [record["id"] for record in records]
    assert all(row["residue_ids"] and row["center_x"] for row in rows)
    for name, sign in (("sites.cif", "_atom_site."), ("sites.pml", "select site_"), ("sites.cxc", "name site_")):
        logos("generate", "site", example, "-n", 6, "-o", name, code=ExitCode.OK)
        assert sign in (tmp_path / name).read_text()
    again = logos("decode", "sites.jsonl", "--to", "p2rank", code=ExitCode.OK)
    assert again.stdout == (tmp_path / "sites.csv").read_text()
    prompts = logos("generate", "ligand", "sites.jsonl", "-n", 1, "--max-new-tokens", 60)
    assert len(_records(prompts.stdout)) == len(records)


@pytest.mark.slow
def test_sites_of_a_structure_from_a_pipe(logos: Any, logos_process: Any, tmp_path: Path, checkout: Path) -> None:
    example = checkout / "examples" / "complex.cif"
    content = example.read_bytes()
    named = _records(logos("generate", "site", example, "-n", 6, code=ExitCode.OK).stdout)
    piped = _records(logos("generate", "site", "-", "-n", 6, stdin=content, code=ExitCode.OK).stdout)
    # samples depend on the prompt's id, which is that of the input: only what is done with them is the same
    assert {record["site"]["clustered_by"] for record in (*named, *piped)} == {"space"}
    assert all(record["site"]["centre_angstrom"] for record in piped)
    assert {record["source"]["sha256"] for record in piped} == {record["source"]["sha256"] for record in named}
    logos("generate", "site", "-", "-n", 6, "-o", "sites.cif", stdin=content, code=ExitCode.OK)
    assert (tmp_path / "sites.cif").read_text().startswith("data_stdin")
    script = logos("generate", "site", "-", "-n", 6, "-o", "sites.pml", stdin=content)
    assert script.returncode == ExitCode.FAILED
    assert "came from a pipe, and a script needs a file" in script.stderr
    later = logos_process("decode", "-", "--to", "cif", stdin=json.dumps(piped[0]))
    assert "the standard input of another run" in later.stderr


def test_a_pocket_told_residue_by_residue(logos: Any, checkout: Path) -> None:
    example = checkout / "examples" / "complex.cif"
    source = json.loads(logos("encode", example, "--as", "protein").stdout.splitlines()[0])["source"]
    chain, numbers = source["residues"][0]["chain"], source["residues"][0]["numbers"]
    named = f"{chain}:{numbers[3]},{chain}:{numbers[5]}"
    done = logos("generate", "ligand", example, "--site", named, "-n", 1, "--max-new-tokens", 30)
    (record,) = _records(done.stdout)
    assert record["text"].count("<PocketS>") == 2
    assert record["sample"]["options"] == {"site": named}
    absent = logos("generate", "ligand", example, "--site", f"{chain}:9999", code=ExitCode.USAGE)
    assert f"there is no residue {chain}:9999" in absent.stderr


def test_quiet_is_quiet(logos: Any) -> None:
    assert logos("generate", "protein", *_FAKE, "-q", "-n", 2).stderr == ""


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_a_signal_keeps_the_finished_records(
    sent: signal.Signals, code: ExitCode, preloaded_argv: list[str], logos_env: dict[str, str], tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [*preloaded_argv, "generate", "protein", "--backend", "fake", "-n", "1000000", "-b", "4", "-o", "out.jsonl"],
        cwd=tmp_path,
        env=logos_env,
        stderr=subprocess.PIPE,
    )
    part = tmp_path / "out.jsonl.part"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (part.exists() and part.stat().st_size):
        time.sleep(0.1)
    process.send_signal(sent)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"Traceback" not in stderr
    records = _records(part.read_text())
    assert f"out.jsonl.part holds {len(records):,} finished record".encode() in stderr
    numbers = [int(record["id"].rpartition("#")[2]) for record in records]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))  # in order; what was still under way at the end is left out
    assert len(numbers) >= numbers[-1] - 3


def test_a_closed_pipe_ends_quietly(logos_argv: list[str], logos_env: dict[str, str], tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*logos_argv, "generate", "protein", "--backend", "fake", "-n", "100000"],
        cwd=tmp_path,
        env=logos_env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b'{"schema"')
    process.stdout.close()
    assert process.wait(timeout=60) == ExitCode.OK
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
