"""``logos score`` and ``logos explain`` as a user meets them."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Logos

RECORDS = (
    '{"text": "<MoleculeS>CCO<MoleculeE>", "id":"a","my key": [1,2], "n": 1.50}\n'
    '{ "schema":1,"id":"b","kind":"molecule","text":"<MoleculeS>c1ccccc1<MoleculeE>","status":"ok",'
    '"scores":{"vina":{"value":-7.90,"better":"lower"}} }\n'
    '{"id": "c", "kind": "molecule", "text": "<MoleculeS>CC", "status": "invalid", "reason": "cut"}\n'
    '{"id": "d", "kind": "molecule", "text": "", "status": "error", "reason": "lost"}\n'
)
CHEAP = ("--metrics", "qed,heavy_atoms")


def test_nothing_but_scores_changes(logos: Logos) -> None:
    done = logos("score", "-", *CHEAP, stdin=RECORDS, code=3)
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(
        '{"text": "<MoleculeS>CCO<MoleculeE>", "id":"a","my key": [1,2], "n": 1.50, "scores": {"heavy_atoms": '
    )
    assert '"vina":{"value":-7.90,"better":"lower"}, "heavy_atoms": {"value": 6, "version": "1"}' in lines[1]
    for line, given in zip(lines, RECORDS.splitlines(), strict=True):
        read, before = json.loads(line), json.loads(given)
        assert {**read, "scores": None} == {**before, "scores": None}
    values = [json.loads(line)["scores"]["qed"] for line in lines]
    assert values[0]["value"] == pytest.approx(0.4068, abs=1e-4)
    assert values[0]["version"]
    assert values[2]["value"] is None
    assert values[2]["reason"]
    assert "4 records → 2 scored (1 malformed, 1 in error)" in done.stderr


def test_filters_and_rankings(logos: Logos) -> None:
    done = logos("score", "-", *CHEAP, "--where", "vina < -7", stdin=RECORDS, code=3)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["b"]
    assert "→ 1 kept" in done.stderr
    assert "3 without a value" in done.stderr
    top = logos("score", "-", "--metrics", "none", "--top", "1", "--by", "heavy_atoms", "--descending", stdin=RECORDS)
    assert [json.loads(line)["id"] for line in top.stdout.splitlines()] == ["b"]
    assert "1 below the top" in top.stderr
    undecided = logos("score", "-", "--metrics", "none", "--top", "1", "--by", "heavy_atoms", stdin=RECORDS, code=2)
    assert "--ascending or --descending" in undecided.stderr


@pytest.mark.parametrize("name", ["kept.jsonl", "kept.csv"])
def test_a_filter_that_keeps_nothing_leaves_no_file(logos: Logos, tmp_path: Path, name: str) -> None:
    kept = tmp_path / name
    command = ("score", "-", *CHEAP, "-o", str(kept), "--overwrite", "--where")
    logos(*command, "qed>0.1", stdin=RECORDS, code=3)
    assert kept.stat().st_size
    done = logos(*command, "qed>0.99", stdin=RECORDS, code=3)  # nor one of an earlier run
    assert f"nothing was kept: no record meets the conditions; {kept} is not written" in done.stderr
    assert "→ 0 kept" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_filter_on_a_score_of_the_records_loads_no_model(logos: Logos) -> None:
    line = '{"id":"a","kind":"molecule","text":"<MoleculeS>CCO<MoleculeE>","scores":{"ppl":{"value":2.5}}}\n'
    done = logos("score", "-", "--metrics", "none", "--where", "ppl<3", "--model", "no/such-model", stdin=line, code=0)
    assert done.stdout == line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--where", "qedd>0.5"), "did you mean qed"),
        (("--where", "qed=1"), "equality is written =="),
        (("--where", "qed>0.5 and"), "this is no condition"),
        (("--metrics", "moleculs"), "did you mean molecules"),
        (("--by", "qed"), "go with --top"),
        (("--top", "3"), "--by METRIC"),
        (("--fitness", "x"), "--mutants"),
        (("--metrics", "logp_ratio"), "--wild-type FILE"),
        (("--where", "internal_diversity_1>0.5"), "of the whole set"),
        (("--where", "heavy_atoms", "--metrics", "heavy_atoms"), "compare it: heavy_atoms > 0.5"),
        (("--metrics", "qed", "--json", "-f", "smi"), "write them with -o FILE"),
        (("--mutants", "x.csv", "--wild-type", "MKT"), "and 2 are given: -, MKT"),
    ],
)
def test_what_cannot_be_asked_for(logos: Logos, arguments: tuple[str, ...], says: str) -> None:
    done = logos("score", "-", *arguments, stdin=RECORDS, code=2)
    assert done.stdout == ""
    assert says in done.stderr


@pytest.mark.parametrize(
    ("given", "metrics", "is_used"),
    [
        (("--truth", "no-such.smi"), "qed", False),
        (("--reference", "known.smi"), "qed", False),
        (("--reference", "known.smi"), "molecule_novel", True),
        (("--wild-type", "MKT"), "qed", False),
        (("--blocks",), "qed", False),
        (("--receptor", "no-such.pdb"), "qed", False),
    ],
)
def test_an_input_that_no_score_uses_is_named(
    logos: Logos, given: tuple[str, ...], metrics: str, is_used: bool, tmp_path: Path
) -> None:
    (tmp_path / "known.smi").write_text("CCO\n")
    given = tuple(str(tmp_path / each) if each == "known.smi" else each for each in given)
    line = '{"id":"a","kind":"molecule","text":"<MoleculeS>CCO<MoleculeE>"}\n'
    done = logos("score", "-", "--metrics", metrics, *given, stdin=line, code=0)
    assert (f"warning: {given[0]} is not used: no score that is computed needs it" in done.stderr) is not is_used


def test_a_reference_set_is_used_by_scores_that_can_do_without(logos: Logos, tmp_path: Path) -> None:
    line = '{"id":"a","kind":"material","text":"<MaterialS><MetalS>[Zn]<MetalE><MoleculeS>c1cnccn1<MoleculeE><MaterialE>"}\n'
    known = tmp_path / "known.jsonl"
    known.write_text(line)
    done = logos("score", "-", "--metrics", "materials", "--reference", str(known), stdin=line, code=0)
    assert "is not used" not in done.stderr


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_empty_input(logos: Logos, content: str) -> None:
    done = logos("score", "-", *CHEAP, stdin=content, code=2)
    assert "error: <stdin>" in done.stderr


def test_a_reference_of_another_kind(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "wrong.fasta").write_text(">a\nMKTAYIAKQR\n")
    done = logos("score", "-", "--metrics", "molecule_novel", "--reference", "wrong.fasta", stdin=RECORDS, code=2)
    assert "wrong.fasta" in done.stderr
    assert done.stdout == ""


def _inputs() -> dict[str, str]:
    smiles = [f"{'C' * (1 + n % 40)}O" for n in range(100)] + ["C1CC", "c1ccccc1"]
    given = {"kind": "molecule", "status": "ok"}
    records = [
        json.dumps({"id": f"r{n}", **given, "text": f"<MoleculeS>{each}<MoleculeE>"}) for n, each in enumerate(smiles)
    ]
    unusable = ['{"id": "bad", "kind": "molecule", "text": "", "status": "error", "reason": "lost"}', "{broken"]
    return {
        "x.smi": "".join(f"{each} m{n}\n" for n, each in enumerate(smiles)),
        "x.csv": "smiles,dose\n" + "".join(f"{each},{n}\n" for n, each in enumerate(smiles)),
        "x.jsonl": "\n".join([*records, *unusable]) + "\n",
    }


_MORE = [("-f", "csv"), ("--where", "heavy_atoms>20"), ("--top", "3", "--by", "qed")]


@pytest.mark.usefixtures("preloaded_workers")
@pytest.mark.parametrize(
    ("name", "more"),
    [
        *((name, ()) for name in _inputs()),
        *zip(_inputs(), _MORE, strict=True),
        *(
            pytest.param(name, more, marks=pytest.mark.slow)
            for row, name in enumerate(_inputs())
            for column, more in enumerate(_MORE)
            if row != column
        ),
    ],
)
def test_processes_give_the_same(logos: Logos, tmp_path: Path, name: str, more: tuple[str, ...]) -> None:
    (tmp_path / name).write_text(_inputs()[name])
    one = logos("score", name, "--metrics", "qed,heavy_atoms", *more, code=3)
    two = logos("score", name, "--metrics", "qed,heavy_atoms", *more, "--jobs", "2", code=3)
    assert one.stdout == two.stdout
    assert one.stderr == two.stderr
    assert one.stdout


def test_lines_of_processes_are_those_of_one(logos: Logos, tmp_path: Path) -> None:
    for name, content in _inputs().items():
        (tmp_path / name).write_text(content)
    for jobs in "12":
        logos("score", *_inputs(), "--metrics", "qed", "-q", "-o", f"run{jobs}/", "--jobs", jobs, code=3)
    one, two = ((tmp_path / f"run{jobs}" / "results" / "1-of-1.jsonl").read_text() for jobs in "12")
    assert one == two
    assert len(one.splitlines()) == 308
    assert one.count('"status": "error"') == 4


def test_formats_and_figures(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "x.smi").write_text("CCO a\nc1ccccc1 b\n")
    logos("score", "x.smi", *CHEAP, "-o", "out.csv", "--summary", "sum.json", code=0)
    with (tmp_path / "out.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["scores.heavy_atoms"] for row in rows] == ["3", "6"]
    figures = json.loads((tmp_path / "sum.json").read_text())
    heavy = figures["metrics"]["heavy_atoms"]
    assert (heavy["value"], heavy["n"], heavy["version"]) == (4.5, 2, "1")
    assert heavy["low"] == 3
    assert figures["records"]["total"] == figures["records"]["scored"] == 2
    done = logos("score", "x.smi", *CHEAP, "--json", code=0)
    assert json.loads(done.stdout) == figures
    again = logos("score", "x.smi", *CHEAP, "--summary", "sum.json", code=2)
    assert "the output exists" in again.stderr


def test_the_data_dictionary(logos: Logos) -> None:
    done = logos("score", "--explain", "--metrics", "qed,likelihood", code=0)
    assert "exp of the mean cross-entropy" in done.stdout
    assert "qed" in done.stdout
    listed = json.loads(logos("score", "--explain", "--json", code=0).stdout)
    assert {"name", "definition", "unit", "better", "version", "source", "needs"} <= set(listed[0])
    assert {"ppl", "qed", "sa"} <= {row["name"] for row in listed}


def test_likelihood_and_blocks(logos: Logos) -> None:
    text = "<MoleculeS>CCO<MoleculeE><React><MoleculeS>CC=O<MoleculeE>\n"
    done = logos("score", "-", "--metrics", "likelihood", "--blocks", stdin=text, code=0)
    scores = json.loads(done.stdout)["scores"]
    assert scores["logp_block_2"]["value"] == scores["logp_answer"]["value"]
    assert scores["logp_block_1"]["value"] > scores["logp"]["value"]
    assert scores["ppl"]["model"] == "logos-nano"
    assert scores["logp_ratio"] == {
        "value": None,
        "reason": "the wild type was not given (--wild-type)",
        "unit": "nat",
        "better": "higher",
        "version": "1",
        "model": "logos-nano",
    }


def test_variants(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("mutant,fitness\nM1A,1\nA5G,0\nK2R:T3S,2\nY4W,1.5\n")
    done = logos("score", "--mutants", "m.csv", "--wild-type", "MKTYAIAKQR", code=0)
    assert len(done.stdout.splitlines()) == 4
    assert "fitness_spearman" in done.stderr
    assert "one wild type" in logos("score", "--mutants", "m.csv", code=2).stderr
    (tmp_path / "m.csv").write_text("mutant,fitness\nM1A,1\nA9G,0\n")
    done = logos("score", "--mutants", "m.csv", "--wild-type", "MKTYAIAKQR", code=3)
    assert "position 9 is Q, not A" in done.stderr
    (tmp_path / "m.csv").write_text("mutant,fitness\nM1A,1\nA5G,nan\n")
    done = logos("score", "--mutants", "m.csv", "--wild-type", "MKTYAIAKQR", code=2)
    assert "m.csv:3" in done.stderr
    assert done.stdout == ""


def test_baselines_of_variants_are_in_the_table_and_a_better_one_is_named(logos: Logos, tmp_path: Path) -> None:
    # the fitness is the sum of BLOSUM62, which no model ranks better
    sums = {"M1A": -1, "K2R": 2, "A5G": 0, "Y4W": 2, "K2R:T3S": 3, "T3P:K8E": 0, "M1P:Q9G": -4, "R10W:Y4P": -6}
    arguments = ("score", "--mutants", "m.csv", "--wild-type", "MKTYAIAKQR")

    def write(values: dict[str, float]) -> None:
        lines = (f"{variant},{value}\n" for variant, value in values.items())
        (tmp_path / "m.csv").write_text("mutant,fitness\n" + "".join(lines))

    write(sums)
    done = logos(*arguments, code=0)
    assert "fitness_spearman_mutations" in done.stderr
    (row,) = [line for line in done.stderr.splitlines() if "fitness_spearman_blosum62" in line]
    assert re.search(r"\b1(\.0+)?\b", row)
    assert re.search(r"BLOSUM62 \(1\.000\) ranks? these variants better than the model", done.stderr)
    # a fitness that is the model's own figure: nothing is better
    records = [json.loads(line) for line in done.stdout.splitlines()]
    write({record["source"]["mutations"]: record["scores"]["logp_ratio"]["value"] for record in records})
    done = logos(*arguments, code=0)
    assert "fitness_spearman_blosum62" in done.stderr
    assert "better than the model" not in done.stderr


def test_explain(logos: Logos, tmp_path: Path) -> None:
    text = "<MoleculeS>CC(=O)Oc1ccccc1C(=O)O<MoleculeE>"
    shown = logos("explain", text, code=0).stdout
    assert "\x1b" not in shown
    lines = shown.splitlines()
    place = lines.index(text)
    assert len(lines[place + 1]) == len(text) - len("<MoleculeE>") + 1
    assert set(lines[place + 1]) <= set("0123456789 ")
    data = json.loads(logos("explain", text, "-f", "json", code=0).stdout)
    assert "".join(token["text"] for token in data["tokens"]) == text
    total = sum(token["logp"] for token in data["tokens"] if token["logp"] is not None)
    assert total == pytest.approx(data["whole"]["logp"], abs=1e-3)
    assert data["kind"] == "molecule"
    wrong = logos("explain", text, "-o", "x.cif", code=1)
    assert "no residues to show" in wrong.stderr
    assert "no such file" in logos("explain", "absent.jsonl", code=2).stderr
    assert "no record is named" in logos("explain", text, "--id", "x", code=2).stderr


def test_explain_colours_on_demand(logos: Logos) -> None:
    shown = logos("explain", "<MoleculeS>CCO<MoleculeE>", env={"FORCE_COLOR": "1", "TERM": "xterm"}, code=0).stdout
    assert "\x1b[" in shown
    assert "probability" in shown


def test_explain_as_b_factors(logos: Logos, tmp_path: Path, shared_data: Path) -> None:
    import gemmi

    source = next(iter(sorted((shared_data / "complexes" / "plip").glob("1aku.pdb*"))))
    logos("encode", source, "--as", "search", "-o", "one.jsonl")
    logos("explain", "one.jsonl", "--limit", "1", "-o", "surprise.cif", code=0)
    record = json.loads((tmp_path / "one.jsonl").read_text().splitlines()[0])
    data = json.loads(logos("explain", "one.jsonl", "--limit", "1", "-f", "json", code=0).stdout)
    residues = record["text"].split("<ProteinE>")[0].removeprefix("<ProteinS>")
    logps = [token["logp"] for token in data["tokens"] if token["text"]][1 : len(residues) + 1]
    structure = gemmi.read_structure(str(tmp_path / "surprise.cif"))
    chain = record["source"]["residues"][0]["chain"]
    written = [residue[0].b_iso for residue in structure[0][chain] if residue[0].b_iso]
    assert written == pytest.approx([-logp for logp in logps], abs=0.01)


def test_a_shard_reports_the_figures_of_the_set_that_it_leaves_out(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "x.smi").write_text("CCO\nCCN\nCCC\nc1ccccc1\n")
    shard = ("score", "x.smi", "--metrics", "internal_diversity_1,qed", "--shard", "1/1", "-f", "jsonl")
    assert "a shard has no figures of the set (internal_diversity_1)" in logos(*shard, code=0).stderr
    done = logos(*shard, "--summary", "s.json", code=0)
    assert "a shard has no figures" not in done.stderr
    assert "internal_diversity_1" in (tmp_path / "s.json").read_text()
    assert "a shard has no figures" not in logos(*shard[:3], "qed", *shard[4:], code=0).stderr
