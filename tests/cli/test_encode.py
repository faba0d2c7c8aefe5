"""``logos encode`` as a user runs it: inputs, outputs, accounting. What each format holds is tested with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from logos_cli.errors import ExitCode
from logos_cli.grammar.spec import Kind, Operator

FASTA = ">sp|P1|ONE first protein\nMKTAYIAKQR\nQISFVKSHFS\n>two\nACDEFGHIKL\n"
SMILES = "CCO ethanol\nc1ccccc1 benzene\n"


def _records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_records_into_a_pipe(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_text(FASTA)
    done = logos("encode", "a.fasta", code=0)
    one, two = _records(done.stdout)
    assert one["text"] == "<ProteinS>MKTAYIAKQRQISFVKSHFS<ProteinE>"
    assert (one["schema"], one["kind"], one["status"]) == (1, "protein", "ok")
    assert one["source"]["path"] == "a.fasta"
    assert len(one["source"]["sha256"]) == 64
    assert two["text"] == "<ProteinS>ACDEFGHIKL<ProteinE>"
    assert done.stderr == "2 records: 2 ok\n"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
def test_sentences_on_a_terminal(logos_argv: list[str], logos_env: dict[str, str], tmp_path: Path) -> None:
    from tests.cli.test_grammar import on_terminal

    (tmp_path / "a.fasta").write_text(FASTA)
    shown = on_terminal([*logos_argv, "encode", str(tmp_path / "a.fasta")], logos_env | {"NO_COLOR": "1"})
    first, sentence, _, second = shown.splitlines()[:4]
    assert first.endswith("ONE  protein")
    assert [sentence, second] == ["<ProteinS>MKTAYIAKQRQISFVKSHFS<ProteinE>", "<ProteinS>ACDEFGHIKL<ProteinE>"]


def test_the_content_decides_not_the_name(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "wrong.pdb").write_text(SMILES)
    (tmp_path / "wrong.smi").write_text(FASTA)
    kinds = [record["kind"] for record in _records(logos("encode", "wrong.pdb", "wrong.smi", code=0).stdout)]
    assert kinds == ["molecule", "molecule", "protein", "protein"]


@pytest.mark.parametrize("how", ["-", None])
def test_standard_input(logos: Any, how: str | None) -> None:
    arguments = ["encode", "-f", "text", *([how] if how else [])]
    assert logos(*arguments, stdin=SMILES, code=0).stdout == (
        "<MoleculeS>CCO<MoleculeE>\n<MoleculeS>c1ccccc1<MoleculeE>\n"
    )


def test_directories_and_lists_of_files(logos: Any, tmp_path: Path) -> None:
    deep = tmp_path / "data" / "deep"
    deep.mkdir(parents=True)
    (tmp_path / "data" / "b.smi").write_text(SMILES)
    (deep / "a.fasta").write_text(FASTA)
    (tmp_path / "data" / "notes.docx").write_bytes(b"PK\x03\x04")
    (tmp_path / "list.txt").write_text("data/deep/a.fasta\ndata/b.smi\n")
    from_directory = _records(logos("encode", "data", code=0).stdout)
    from_list = _records(logos("encode", "@list.txt", code=0).stdout)
    assert len(from_directory) == 4
    assert sorted(record["text"] for record in from_directory) == sorted(record["text"] for record in from_list)
    assert [record["kind"] for record in from_list] == ["protein", "protein", "molecule", "molecule"]


def test_a_directory_with_nothing_to_read(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = logos("encode", "empty", code=ExitCode.USAGE)
    assert "empty" in done.stderr
    assert "Traceback" not in done.stderr


def test_one_bad_file_does_not_harm_the_others(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_text(FASTA)
    (tmp_path / "empty.fasta").write_text("")
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)) * 20)
    done = logos("encode", "empty.fasta", "noise.bin", "nowhere.pdb", "a.fasta", code=ExitCode.PARTIAL)
    records = _records(done.stdout)
    assert [record["status"] for record in records] == ["error", "error", "error", "ok", "ok"]
    for record in records[:3]:
        assert record["reason"]
        assert record["text"] == ""
    assert done.stderr.endswith("5 records: 2 ok, 3 error\n")


def test_text_and_token_ids_hold_the_good_records_only(logos: Any) -> None:
    fasta = ">a\nMK1\n>b\nMKV\n"
    assert logos("encode", "-f", "text", stdin=fasta, code=3).stdout == "<ProteinS>MKV<ProteinE>\n"
    ids = logos("encode", "-f", "ids", stdin=fasta, code=3).stdout
    assert len(ids.splitlines()) == 1
    assert len(ids.split()) == 3 + 2 + 1, "three residues, two tags, and what begins every text"


def test_what_is_encoded_is_well_formed_and_encoding_again_changes_nothing(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_text(FASTA)
    once = logos("encode", "a.fasta", code=0).stdout
    logos("grammar", "check", stdin=once, code=0)
    assert logos("encode", "-", stdin=once, code=0).stdout == once


def test_unknown_keys_of_records_go_through(logos: Any) -> None:
    line = json.dumps(
        {
            "schema": 1,
            "id": "x",
            "kind": "molecule",
            "text": "<MoleculeS>C<MoleculeE>",
            "status": "ok",
            "plate": "B7",
            "sample": {"seed": 4},
            "scores": {"qed": {"value": 0.5}},
        }
    )
    (record,) = _records(logos("encode", stdin=line, code=0).stdout)
    assert record == json.loads(line)
    broken = json.loads(line) | {"text": "<MoleculeS>"}
    (record,) = _records(logos("encode", stdin=json.dumps(broken), code=ExitCode.USAGE).stdout)
    assert (record["status"], record["plate"], record["sample"]) == ("error", "B7", {"seed": 4})


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_order_of_records_does_not_depend_on_jobs(logos: Any, tmp_path: Path, jobs: str) -> None:
    for number in range(12):
        (tmp_path / f"{number:02}.fasta").write_text(f">p{number}\nMK{'A' * (number + 1)}\n" * (50 - 4 * number))
    names = sorted(path.name for path in tmp_path.glob("*.fasta"))
    records = _records(logos("encode", *names, "--jobs", jobs, code=0).stdout)
    assert [record["source"]["path"] for record in records] == sorted(record["source"]["path"] for record in records)
    assert len(records) == sum(50 - 4 * number for number in range(12))


def test_verify_says_what_it_proved(logos: Any) -> None:
    done = logos("encode", "--verify", "-q", stdin=FASTA, code=0)
    for record in _records(done.stdout):
        assert record["source"]["verify"]["identical"] is True
    assert "2 identical after decoding, 0 different" in logos("encode", "--verify", stdin=FASTA, code=0).stderr


def test_a_form_that_the_content_cannot_take(logos: Any) -> None:
    done = logos("encode", "--as", "reaction", stdin=FASTA, code=ExitCode.USAGE)
    assert "cannot be written as reaction" in done.stderr


def test_antibodies_from_fasta(logos: Any) -> None:
    done = logos("encode", "--as", "antibody", "-f", "text", stdin=">h\nEVQLVESGG\n", code=0)
    assert done.stdout == "<AntibodyS>EVQLVESGG<AntibodyE>\n"


def test_reactions_both_ways(logos: Any) -> None:
    line = "CC(=O)O.CCO>>CCOC(C)=O\n"
    forward = logos("encode", "-f", "text", "--as", "reaction", stdin=line, code=0).stdout.strip()
    backward = logos("encode", "-f", "text", "--as", "retrosynthesis", stdin=line, code=0).stdout.strip()
    left, right = forward.split("<React>")
    assert backward == f"{right}<ReverseReact>{left}"


def test_a_million_residues_in_one_line(logos: Any) -> None:
    done = logos("encode", "-f", "text", stdin=f">long\n{'MKTAYIAKQR' * 100_000}\n", code=0)
    assert len(done.stdout) == 1_000_000 + len("<ProteinS><ProteinE>\n")


def test_the_python_twin(logos_env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_text(FASTA)
    code = (
        "from logos_cli import decode, encode\n"
        "records = list(encode('a.fasta'))\n"
        "print([record.id for record in records], [decode(record).sequence[:3] for record in records])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=logos_env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "['MKT', 'ACD']" in done.stdout


def test_the_python_twin_takes_objects_and_refuses_what_it_does_not_know() -> None:
    from logos_cli import decode, encode
    from logos_cli.errors import UsageError
    from logos_cli.objects.molecule import Molecule

    (record,) = encode(Molecule("CCO"))
    assert record.text == "<MoleculeS>CCO<MoleculeE>"
    assert decode(record) == Molecule("CCO")
    assert decode(record.text) == Molecule("CCO")
    with pytest.raises(UsageError, match="no option 'nonsense'"):
        list(encode("a.fasta", nonsense=1))
    with pytest.raises(UsageError, match="unknown form"):
        list(encode("a.fasta", form="protien"))


def test_sequences_become_search_sentences_without_a_known_site(logos: Any, tmp_path: Path) -> None:
    file = tmp_path / "p.fasta"
    file.write_text(">p\nMKTAYIAKQR\n")
    done = logos("encode", str(file), "--as", "search", "-f", "text", code=ExitCode.OK)
    chain = f"{Kind.PROTEIN.start}MKTAYIAKQR{Kind.PROTEIN.end}"
    assert done.stdout == f"{chain}{Operator.SEARCH}{chain}\n"


def test_a_record_is_written_at_another_level(logos: Any) -> None:
    site = f"{Kind.PROTEIN.start}M{Kind.POCKET.start}G{Kind.POCKET.end}{Kind.PROTEIN.end}"
    ligand = f"{Kind.MOLECULE.start}CC{Kind.MOLECULE.end}"
    done = logos("encode", "--as", "complex", "--level", "3", "-f", "text", stdin=site + ligand, code=ExitCode.OK)
    assert done.stdout == f"{site.replace('>G<', '>NCC(=O)O<')}{ligand}\n"


def test_an_invalid_record_stays_what_it_is(logos: Any) -> None:
    record = {"id": "x", "kind": "molecule", "text": Kind.MOLECULE.start, "status": "invalid", "reason": "cut"}
    done = logos("encode", stdin=json.dumps(record))
    assert json.loads(done.stdout) == {"schema": 1, **record}


def test_notes_are_summed_up_where_the_output_has_no_place_for_them(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "a.smi").write_text("C |^1:0|\nC[C@H](O)N |&1:1|\nN[C@H](C)O |&1:1|\n")
    done = logos("encode", "a.smi", "-f", "text", code=0)
    assert done.stdout.splitlines()[0] == "<MoleculeS>[CH3]<MoleculeE>"
    assert done.stderr.splitlines() == [
        "note: not carried: stereo group &1: a mixture of both hands (atoms 2) (2 records)",
        "note: the CXSMILES extension |^1:0| is written into the SMILES (1 record)",
        "3 records: 3 ok",
    ]
    assert logos("encode", "a.smi", "-f", "jsonl", code=0).stderr == "3 records: 3 ok\n"


def test_a_number_is_no_language_model(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_text(FASTA)
    done = logos("encode", "a.fasta", "--model", "2", code=ExitCode.USAGE)
    assert "--model-number 2" in done.stderr
    assert not done.stdout


def test_options_of_structures_are_named_where_no_input_is_one(logos: Any, checkout: Path) -> None:
    examples = checkout / "examples"
    options = ("--chain", "A", "--cutoff", "5")
    done = logos("encode", examples / "seq.fasta", *options, code=0)
    assert "warning: no input is a structure, so --cutoff and --chain have no effect" in done.stderr
    assert "no effect" not in logos("encode", examples / "complex.cif", *options, code=0).stderr
    assert "no effect" not in logos("encode", examples / "seq.fasta", examples / "complex.cif", *options, code=0).stderr
