"""What somebody sees who uses the program for the first time: statements of docs/contributing/first-use.md."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from logos_cli.errors import ExitCode

if TYPE_CHECKING:
    from tests.cli.conftest import Logos

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
_FIGURES = {
    "figures_bio_scores": ("nowhere",),
    "figures_nano": ("measure", "losses", "--data", "nowhere"),
    "bench_encode_structures": ("--data", "nowhere"),
    "bench_molecule_scores": ("--data", "nowhere"),
    "bench_training": ("--corpus", "nowhere"),
}


def test_the_page_names_tests_that_exist(checkout: Path) -> None:
    page = (checkout / "docs" / "contributing" / "first-use.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+)` in `(tests/[\w/]+\.py)`", page)
    assert len(named) >= 30
    for name, path in named:
        assert f"def {name}(" in (checkout / path).read_text(encoding="utf-8"), (name, path)


@pytest.mark.slow
def test_the_first_command_takes_little_processor_time(
    logos_argv: list[str], logos_env: dict[str, str], checkout: Path
) -> None:
    """Less than twice of what is asked, for machines that do other work: PyTorch alone would take half of that."""
    if sys.platform == "win32":
        pytest.skip("POSIX counts the time of a process that has ended")
    import resource

    command = [*logos_argv, "generate", "protein", "--prompt", "examples/seq.fasta", "-n", "4", "--device", "cpu"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=logos_env, cwd=checkout, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 12


def test_no_answer_of_a_retrosynthesis_is_the_product(logos: Logos) -> None:
    done = logos("generate", "retrosynthesis", ASPIRIN, "-f", "jsonl", code=ExitCode.OK)
    answers = [json.loads(line)["text"].partition("<ReverseReact>")[2] for line in done.stdout.splitlines()]
    assert answers
    assert f"<MoleculeS>{ASPIRIN}<MoleculeE>" not in answers
    assert re.search(r"\d+ answered with the product", done.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
def test_samples_on_a_terminal_are_a_table_with_what_to_do_next(
    logos_argv: list[str], logos_env: dict[str, str]
) -> None:
    from tests.cli.test_grammar import on_terminal

    shown = on_terminal(
        [*logos_argv, "generate", "molecule", "-n", "2"], logos_env | {"NO_COLOR": "1", "COLUMNS": "80"}
    )
    lines = shown.splitlines()
    assert any(line.split()[:2] == ["id", "logp"] for line in lines)
    assert any(line.startswith("next: keep them with -o ") for line in lines)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
def test_figures_and_a_corpus_are_whole_at_80_columns(
    logos: Logos, logos_argv: list[str], logos_env: dict[str, str], tmp_path: Path
) -> None:
    from tests.cli.test_grammar import on_terminal

    narrow = logos_env | {"NO_COLOR": "1", "COLUMNS": "80"}
    wild_type = "MQYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVDGEWTYDDATKTFTVTE"
    variants = tmp_path / "variants.csv"
    variants.write_text("mutant,fitness\nV39A,0.3\nD40A,0.5\nV39A:D40G,0.1\n")
    command = ["score", "--mutants", str(variants), "--wild-type", wild_type, "-o", str(tmp_path / "scored.jsonl")]
    shown = on_terminal([*logos_argv, *command], narrow)
    assert "…" not in shown.replace(" … ", "")  # those of the intervals
    row = next(line for line in shown.splitlines() if line.startswith("logp_ratio"))
    assert len(row.rstrip()) <= 80
    assert row.split()[-2:] == ["3", "nat"]
    proteins = tmp_path / "p.fasta"
    proteins.write_text(f">a\n{wild_type}\n")
    reactions = tmp_path / "r.smi"
    reactions.write_text("CC(=O)Cl.Nc1ccccc1>>CC(=O)Nc1ccccc1\n")
    logos("corpus", "build", proteins, reactions, "-o", tmp_path / "corpus", "--valid-share", "0", code=ExitCode.OK)
    shown = on_terminal([*logos_argv, "corpus", "info", str(tmp_path / "corpus")], narrow)
    assert "…" not in shown
    assert ["protein", "1", "60", "0", "0", "60", "0"] in [line.split()[:7] for line in shown.splitlines()]
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80


def test_heads_of_a_table_are_whole_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    from logos_cli.objects.reaction import Reaction
    from logos_cli.records import Record
    from tests.unit.formats.test_table_text import _lines

    names = ("rank", "frequency", "logp", "balanced", "atom_economy", "round_trip")
    scores: dict[str, Any] = {name: {"value": -1.9469 if name == "logp" else 0.3125} for name in names}
    scores |= {"balanced": {"value": True}, "round_trip": {"value": False}}
    text = f"<MoleculeS>{ASPIRIN}<MoleculeE><ReverseReact><MoleculeS>CC(=O)Cl<MoleculeE>"
    record = Record("p:reaction1", "retrosynthesis", text, scores=scores)
    lines = _lines([(record, Reaction(("CC(=O)Cl", "O=C(O)c1ccccc1O"), ASPIRIN))] * 2, monkeypatch, 80)
    assert "round_trip" in " ".join(lines)
    assert max(map(len, lines)) <= 80


def test_an_ending_that_names_no_format_hints_at_options_that_exist(logos: Logos, checkout: Path) -> None:
    done = logos("encode", checkout / "examples" / "complex.cif", "-o", "out.xyz", code=ExitCode.USAGE)
    assert "the extension .xyz names no record format" in done.stderr
    named = re.findall(r"(?<![\w-])(--?[a-z]+)", done.stderr.partition("hint:")[2])
    shown = logos("encode", "--help", code=ExitCode.OK).stdout
    assert named
    assert all(option in shown for option in named)


@pytest.mark.parametrize("empty", ["", " "])
def test_a_shell_variable_without_a_value_is_an_empty_prompt(logos: Logos, empty: str) -> None:
    done = logos("generate", "molecule", empty, code=ExitCode.USAGE)
    assert "error: the prompt is empty" in done.stderr
    assert "is a directory" not in done.stderr


def test_a_mistyped_task_is_corrected(logos: Logos) -> None:
    done = logos("generate", "protien", code=ExitCode.USAGE)
    assert "Did you mean 'protein'" in done.stderr


def test_the_embedded_model_is_quantized_to_a_type_that_fits(logos: Logos, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    done = logos("models", "quantize", "logos-nano", "-o", "n.gguf", code=ExitCode.OK)
    assert "q8_0" in done.stdout + done.stderr
    assert (tmp_path / "n.gguf").stat().st_size < 7e6


def test_a_page_of_structures_explains_its_colours() -> None:
    from logos_cli.report.explanations import ExplainedSentence, explanation_page

    page = explanation_page([ExplainedSentence("x", "", [("M", -0.1)], "data_x\n")], "logos-nano")
    assert "Blue: 0, expected; white: 2.5; red: 5 and more" in page
    assert "above 0.9" in page


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ("figures_nano", "bench_training") else name
        for name in _FIGURES
    ],
)
def test_a_benchmark_of_the_repository_without_data_names_the_path(name: str, checkout: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", f"tests.bench.{name}", *_FIGURES[name]]
    done = subprocess.run(
        [*command[:3], *(str(tmp_path / "nowhere") if word == "nowhere" else word for word in command[3:])],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.USAGE
    assert str(tmp_path / "nowhere") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("retrosynthesis CCO --samples --top 2", "--top shapes the results, and --samples writes"),
        ("retrosynthesis CCO --samples --round-trip --balance drop", "--balance and --round-trip shape the results"),
        ("reaction CCO --samples --atom-economy 90", "--atom-economy shapes the results"),
        ("site MKTAYIAKQR -n 4 --samples --min-frequency 0.3", "--min-frequency shapes the results"),
        ("site MKTAYIAKQR --method model --pocket-engine fpocket", "--method model does not use --pocket-engine"),
        ("site MKTAYIAKQR -n 4 --pocket-engine fpocket", "--method model does not use --pocket-engine"),
        ("site MKTAYIAKQR --method geometry --residues 5", "--method geometry does not use --residues"),
        ("protein MKT --revision main", "logos-nano is on this machine and has no revision 'main'"),
        ("antibody EVQL --scheme chothia", "--scheme needs --cdr"),
        ("ligand MKTAYIAKQR --site 3 --cutoff 6", "--site names the residues of the pocket, and --cutoff would"),
        ("ligand MKTAYIAKQR --site 3 --ligand BEN", "and --ligand would"),
    ],
)
def test_an_option_without_an_effect_is_refused(logos: Logos, arguments: str, says: str) -> None:
    done = logos("generate", *arguments.split(), code=ExitCode.USAGE)
    assert done.stdout == ""
    assert says in done.stderr
    assert "hint: " in done.stderr


def test_a_corpus_is_not_compressed(logos: Logos) -> None:
    done = logos("corpus", "build", "-", "-o", "corpus", "--compress", stdin=">a\nMKTAYIAK\n", code=ExitCode.USAGE)
    assert "a corpus has no records to compress" in done.stderr


@pytest.mark.parametrize(
    ("positions", "says"),
    [
        ("3-1", "the range 3-1 runs backwards: write 1-3"),
        ("2,9", "there is no position 9: the sequence runs from 1 to 8"),
        ("0", "there is no position 0: the sequence runs from 1 to 8"),
    ],
)
def test_a_position_that_does_not_exist_is_named(logos: Logos, positions: str, says: str) -> None:
    done = logos("generate", "protein", "--edit", "MKTAYIAK", "--positions", positions, code=ExitCode.USAGE)
    assert says in done.stderr


def test_sampling_of_what_is_read_once_is_named(logos: Logos) -> None:
    given = ("generate", "site", "MKTAYIAKQRQISFVKSHFSRQ", "-f", "text")
    done = logos(*given, "--temperature", "0.5", "--top-k", "3", code=ExitCode.OK)
    assert "warning: no sample is drawn, so --temperature, --top-k has no effect; -n draws that many" in done.stderr
    assert done.stdout == logos(*given, code=ExitCode.OK).stdout
    assert "no sample is drawn" not in logos(*given, "--temperature", "0.5", "-n", "2").stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--to smi --3d", "smi has no use for --3d"),
        ("--to fasta --seed 3", "fasta has no use for --seed"),
        ("--to sdf --seed 3", "--seed needs --3d"),
        ("--to sdf --topology pcu", "sdf has no use for --topology"),
        ("--to parquet --raw-cells", "parquet has no use for --raw-cells"),
    ],
)
def test_an_option_of_another_format_is_refused(logos: Logos, arguments: str, says: str) -> None:
    done = logos("decode", *arguments.split(), stdin="<MoleculeS>CCO<MoleculeE>\n", code=ExitCode.USAGE)
    assert done.stdout == ""
    assert says in done.stderr
    drawn = logos("decode", "--to", "sdf", "--3d", "--seed", "3", stdin="<MoleculeS>CCO<MoleculeE>\n", code=ExitCode.OK)
    assert "3D" in drawn.stdout
