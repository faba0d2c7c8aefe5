"""``logos decode`` as a user runs it: sentences and records to files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from logos_cli.errors import ExitCode
from tests.cli.conftest import Logos

SENTENCES = (
    "<ProteinS>MKTAYIAKQR<ProteinE>\n<AntibodyS>EVQL<AntibodyE><AntibodyS>DIQM<AntibodyE>\n"
    "<MoleculeS>CC(=O)Oc1ccccc1C(=O)O<MoleculeE>\n"
    "<MoleculeS>CC(=O)O<MoleculeE><MoleculeS>CCO<MoleculeE><React><MoleculeS>CCOC(C)=O<MoleculeE>\n"
)


def test_the_writers_named_by_the_help_are_those_that_exist() -> None:
    from logos_cli.cli.commands.decode import _WRITERS
    from logos_cli.workflows.decode import writers

    assert set(_WRITERS) == set(writers())


def test_fasta(logos: Any) -> None:
    done = logos("decode", "--to", "fasta", stdin="<ProteinS>MKTAYIAKQR<ProteinE>\n<ProteinS>ACDE<ProteinE>\n", code=0)
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith(">")] == ["MKTAYIAKQR", "ACDE"]
    assert len({line for line in lines if line.startswith(">")}) == 2
    assert done.stderr == "2 records: 2 ok\n"


def test_smiles_and_reaction_smiles(logos: Any) -> None:
    molecule, reaction = SENTENCES.splitlines()[2:]
    assert logos("decode", "--to", "smi", stdin=molecule, code=0).stdout.split()[0] == "CC(=O)Oc1ccccc1C(=O)O"
    assert logos("decode", "--to", "smi", stdin=reaction, code=0).stdout.split()[0] == "CC(=O)O.CCO>>CCOC(C)=O"


@pytest.mark.parametrize("arguments", [[], ["--3d"]])
def test_sdf_in_two_and_three_dimensions(logos: Any, tmp_path: Path, arguments: list[str]) -> None:
    from rdkit import Chem

    logos("decode", "-o", "out.sdf", *arguments, stdin=SENTENCES.splitlines()[2], code=0)
    (molecule,) = Chem.SDMolSupplier(str(tmp_path / "out.sdf"))
    assert Chem.MolToSmiles(molecule) == "CC(=O)Oc1ccccc1C(=O)O"
    conformer = molecule.GetConformer()
    depth = max(abs(conformer.GetAtomPosition(index).z) for index in range(molecule.GetNumAtoms()))
    assert conformer.Is3D() == bool(arguments)
    assert (depth > 0.1) == bool(arguments)


def test_csv_and_json(logos: Any) -> None:
    done = logos("decode", "--to", "csv", stdin=SENTENCES, code=0)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["kind"] for row in rows] == ["protein", "antibody", "molecule", "reaction"]
    found = json.loads(logos("decode", "--to", "json", stdin=SENTENCES, code=0).stdout)
    assert [item["kind"] for item in found] == ["protein", "antibody", "molecule", "reaction"]


@pytest.mark.parametrize("name", ["out.fasta", "out.fasta.gz", "out.fa"])
def test_the_extension_chooses_the_format(logos: Any, tmp_path: Path, name: str) -> None:
    logos("decode", "-o", name, stdin="<ProteinS>MKV<ProteinE>\n", code=0)
    again = logos("encode", tmp_path / name, "-f", "text", code=0)
    assert again.stdout == "<ProteinS>MKV<ProteinE>\n"


def test_ids_are_carried(logos: Any) -> None:
    records = logos("encode", stdin=">P12345 some enzyme\nMKTAYIAKQR\n", code=0).stdout
    assert logos("decode", "--to", "fasta", stdin=records, code=0).stdout.startswith(">P12345")


def test_what_a_format_cannot_say_is_told_and_the_rest_is_written(logos: Any) -> None:
    done = logos("decode", "--to", "fasta", stdin=SENTENCES, code=ExitCode.PARTIAL)
    assert "MKTAYIAKQR" in done.stdout
    assert sum(line.startswith("error: ") for line in done.stderr.splitlines()) == 2
    assert done.stderr.splitlines()[-1].startswith("4 records: 2 ok, 2 error")


def test_a_malformed_sentence_among_good_ones(logos: Any) -> None:
    text = "<ProteinS>MKV<ProteinE>\n<ProteinS>MKV\n<ProteinS>ACD<ProteinE>\n"
    done = logos("decode", "--to", "fasta", stdin=text, code=ExitCode.PARTIAL)
    assert done.stdout.count(">") == 2
    assert "error: stdin:2: the sentence ends too early" in done.stderr.splitlines()


def test_many_complaints_do_not_flood_the_terminal(logos: Any) -> None:
    done = logos("decode", "--to", "fasta", stdin="<MoleculeS>C<MoleculeE>\n" * 500, code=ExitCode.USAGE)
    assert len(done.stderr.splitlines()) < 30
    assert done.stderr.endswith("500 records: 0 ok, 500 error\n")


def test_a_format_must_be_named(logos: Any) -> None:
    done = logos("decode", stdin=SENTENCES, code=ExitCode.USAGE)
    assert "--to" in done.stderr
    done = logos("decode", "-o", "out.nonsense", stdin=SENTENCES, code=ExitCode.USAGE)
    assert ".nonsense" in done.stderr


def test_there_and_back(logos: Any) -> None:
    """Sequences and molecules survive sentence → file → sentence."""
    for to, text in (("fasta", "<ProteinS>MKTAYIAKQR<ProteinE>\n"), ("smi", SENTENCES.splitlines()[2] + "\n")):
        native = logos("decode", "--to", to, stdin=text, code=0).stdout
        assert logos("encode", "-f", "text", stdin=native, code=0).stdout == text


def test_what_the_command_before_told_is_not_told_again(logos: Any, tmp_path: Path) -> None:
    """Of a pipe; of a file that was kept, whoever reads it may not have seen it."""
    failed = '{"id": "a", "text": "", "status": "error", "reason": "no such atom"}\n'
    lines = failed + '{"id": "b", "text": "<MoleculeS>CCO<MoleculeE>"}\n'
    (tmp_path / "kept.jsonl").write_text(lines)
    for command in (("decode", "--to", "smi"), ("score", "--metrics", "qed")):
        piped = logos(*command, "-", stdin=lines, code=ExitCode.PARTIAL)
        assert "no such atom" not in piped.stderr
        assert "1 error" in piped.stderr or "1 in error" in piped.stderr
        kept = logos(*command, "kept.jsonl", code=ExitCode.PARTIAL)
        assert kept.stderr.count("no such atom") == 1


def test_invalid_records_go_only_where_their_status_goes(logos: Any) -> None:
    lines = [
        {"id": "good", "text": "<MoleculeS>CCO<MoleculeE>"},
        {"id": "bad", "text": "<MoleculeS>C1CC<MoleculeE>", "status": "invalid", "reason": "unclosed ring"},
    ]
    stdin = "".join(json.dumps(line) + "\n" for line in lines)
    done = logos("decode", "--to", "smi", stdin=stdin, code=0)
    assert done.stdout.split() == ["CCO", "good"]
    assert done.stderr == "2 records: 1 ok, 1 invalid\n"
    rows = list(csv.DictReader(io.StringIO(logos("decode", "--to", "csv", stdin=stdin, code=0).stdout)))
    assert [(row["id"], row["status"], row["reason"]) for row in rows] == [
        ("good", "ok", ""),
        ("bad", "invalid", "unclosed ring"),
    ]


def test_a_file_for_each_record_in_a_directory(logos: Any, tmp_path: Path) -> None:
    """Named by the ids, however they are written; what cannot be written is counted."""
    lines = [
        {"schema": 1, "id": id, "kind": "protein", "text": f"<ProteinS>{text}<ProteinE>", "status": "ok"}
        for id, text in (("a:1/x", "MKT"), ("a 1 x", "MKA"), ("b", "MUU"))
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = logos("decode", "in.jsonl", "--to", "alphafold3", "-o", "jobs/", code=3)
    assert "residue 2 of chain A is U" in done.stderr
    assert sorted(path.name for path in (tmp_path / "jobs").iterdir()) == ["a_1_x.json", "a_1_x_2.json"]
    assert json.loads((tmp_path / "jobs" / "a_1_x_2.json").read_text())["name"] == "a 1 x"
    logos("decode", "in.jsonl", "--to", "alphafold3", "-o", "jobs", code=2)  # they exist
    logos("decode", "in.jsonl", "--to", "alphafold3", "-o", "jobs", "--overwrite", code=3)
    logos("decode", "in.jsonl", "--to", "p2rank", "-o", "jobs/", code=2)


def test_binary_tables(logos: Any, tmp_path: Path) -> None:
    """By the ending, compressed, and into a pipe."""
    import sqlite3

    from pyarrow import parquet

    logos("decode", "-o", "out.parquet", stdin=SENTENCES, code=0)
    assert parquet.read_table(tmp_path / "out.parquet").column("kind").to_pylist()[0] == "protein"
    logos("decode", "-o", "out.sqlite.gz", stdin=SENTENCES, code=0)
    done = logos("encode", "out.sqlite.gz", "--as", "molecule", "-f", "text", code=3)
    assert done.stdout == SENTENCES.splitlines(keepends=True)[2]
    logos("decode", "-o", "out.db", stdin=SENTENCES, code=0)
    with sqlite3.connect(tmp_path / "out.db") as database:
        assert database.execute("SELECT count(*) FROM records").fetchone() == (4,)
    database.close()


@pytest.mark.parametrize("name", ["x.svg", "x.fasta", "x.csv.gz", "x.xlsx"])
def test_input_without_a_record_to_write_leaves_no_file(logos: Any, tmp_path: Path, name: str) -> None:
    done = logos("decode", "-o", name, stdin="<MoleculeS>CCO<ProteinE>\nno sentence\n", code=ExitCode.USAGE)
    assert "2 records: 0 ok, 2 error" in done.stderr
    assert not list(tmp_path.glob("x.*"))
    (tmp_path / name).write_text("an earlier result")
    logos("decode", "-o", name, "--overwrite", stdin="no sentence\n", code=ExitCode.USAGE)
    assert (tmp_path / name).read_text() == "an earlier result"


def test_a_reaction_among_sequences_is_still_drawn(logos: Any, tmp_path: Path) -> None:
    done = logos("decode", "-o", "x.svg", stdin=SENTENCES, code=ExitCode.PARTIAL)
    assert "has no molecule to draw" in done.stderr
    assert (tmp_path / "x.svg").read_text().count("<svg") == 3


@pytest.mark.parametrize("form", ["complex", "search", "site"])
@pytest.mark.parametrize("to", ["csv", "tsv", "xlsx"])
def test_a_row_that_was_more_than_its_columns_is_refused(
    logos: Logos, checkout: Path, tmp_path: Path, form: str, to: str
) -> None:
    """A table of complexes was read as its proteins, with "ok"."""
    logos("encode", checkout / "examples" / "complex.cif", "--as", form, "-o", "x.jsonl", code=0)
    logos("decode", "x.jsonl", "-o", f"x.{to}", code=0)
    done = logos("encode", f"x.{to}", code=2)
    assert f"the row is of kind {form}" in done.stderr
    assert "--as FORM" in done.stderr
    [part] = logos("encode", f"x.{to}", "--as", "protein", code=0).stdout.splitlines()
    assert json.loads(part)["kind"] == "protein"


def test_a_kind_of_a_table_of_the_user_refuses_nothing(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("kind,sequence\ncomplex,MKTAYIAK\n")
    assert json.loads(logos("encode", "x.csv", code=0).stdout)["text"] == "<ProteinS>MKTAYIAK<ProteinE>"


@pytest.mark.parametrize("to", ["cif", "poscar", "pml", "boltz", "p2rank"])
def test_an_error_names_its_record_once(logos: Logos, to: str, tmp_path: Path) -> None:
    text = "<MaterialS><MetalS>[Cu][Cu]<MetalE><MoleculeS>O=C([O-])c1ccccc1<MoleculeE><MaterialE>"
    path = tmp_path / "frameworks.txt"
    path.write_text(f"{text}\n", encoding="utf-8")
    done = logos("decode", path, "--to", to, code=ExitCode.USAGE)
    assert "frameworks.txt:1: " in done.stderr
    assert done.stderr.count("frameworks.txt:1") == 1
