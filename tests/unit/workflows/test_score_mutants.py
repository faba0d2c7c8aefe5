"""Variants of a wild type: how mutations are written, what does not fit, tables with holes."""

from __future__ import annotations

from pathlib import Path

import pytest

from logos_cli.backends.base import LoadOptions
from logos_cli.errors import InputError, LogosError, UsageError
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.protein import Protein
from logos_cli.records import Status
from logos_cli.workflows.score.mutants import MutantScoring, MutantTable, WildType
from logos_cli.workflows.score.scoring import ScoreOptions

WT = WildType(Protein("MKTAYIAKQR"))


@pytest.mark.parametrize(
    ("text", "first", "sequence"),
    [
        ("M1A", 1, "AKTAYIAKQR"),
        ("K2R:T3S", 1, "MRSAYIAKQR"),
        ("K2R,T3S", 1, "MRSAYIAKQR"),
        ("K2R T3S", 1, "MRSAYIAKQR"),
        ("M0A", 0, "AKTAYIAKQR"),
        ("R136K", 127, "MKTAYIAKQK"),
        ("wt", 1, WT.sequence),
        ("", 1, WT.sequence),
        ("M1M", 1, WT.sequence),
    ],
)
def test_mutations(text: str, first: int, sequence: str) -> None:
    assert WT.mutated(text, first) == sequence


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("A45G", "positions are 1 to 10"),
        ("R2K", "position 2 is K, not R"),
        ("K0R", "positions are 1 to 10"),
        ("2R", "'2R' is not a substitution"),
        ("K2", "not a substitution"),
        ("K2*", "not a substitution"),
        ("M1A:M1C", "changes position 1 twice"),
        ("delK2", "not a substitution"),
    ],
)
def test_what_does_not_fit_says_where(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        WT.mutated(text)
    assert says in caught.value.message


def test_the_wild_type_is_read_from_files_and_sequences(tmp_path: Path) -> None:
    assert WildType.read("mktay").sequence == "MKTAY"
    fasta = tmp_path / "wt.fasta"
    fasta.write_text(">a\nMKTAY\n")
    assert WildType.read(str(fasta)).item == Protein("MKTAY")
    fasta.write_text(">a\nMKTAY\n>b\nMK\n")
    with pytest.raises(InputError, match="one sequence"):
        WildType.read(str(fasta))
    smiles = tmp_path / "a.smi"
    smiles.write_text("CCO ethanol\n")
    with pytest.raises(InputError, match="molecule"):
        WildType.read(str(smiles))
    pair = tmp_path / "pair.logos"
    pair.write_text("<AntibodyS>EVQL<AntibodyE><AntibodyS>DIQM<AntibodyE>\n")
    with pytest.raises(InputError, match="two chains"):
        WildType.read(str(pair))
    pair.write_text("<AntibodyS>EVQL<AntibodyE>\n")
    assert WildType.read(str(pair)).text("AVQL") == "<AntibodyS>AVQL<AntibodyE>"
    assert WildType(Antibody(("EVQL",))).sequence == "EVQL"
    with pytest.raises(LogosError, match="no such file"):
        WildType.read(str(tmp_path / "absent.fasta"))


@pytest.mark.parametrize("hole", ["nan", "NaN", "", "n/a", "inf"])
def test_a_fitness_that_is_no_number_is_refused_with_its_line(tmp_path: Path, hole: str) -> None:
    table = tmp_path / "m.csv"
    table.write_text(f"mutant,fitness\nM1A,1.5\nK2R,{hole}\n")
    with pytest.raises(InputError) as caught:
        MutantTable(str(table), WT)
    assert caught.value.source == f"{table}:3"


def test_columns(tmp_path: Path) -> None:
    table = tmp_path / "m.tsv"
    table.write_text("Mutation\tDMS_score\tnote\nM1A\t1\tx\nA9C\t2\ty\nK2R:T3S\t3\tz\nM1A\t4\tw\n")
    read = MutantTable(str(table), WT)
    assert (read.mutations, read.fitness) == ("Mutation", "DMS_score")
    records = list(read.records())
    assert [record.id for record in records] == ["M1A", "A9C", "K2R:T3S", "M1A_2"]
    assert [record.status for record in records] == [Status.OK, Status.ERROR, Status.OK, Status.OK]
    assert "position 9 is Q, not A" in (records[1].reason or "")
    assert records[2].source["mutations"] == "K2R:T3S"
    assert records[2].source["columns"] == {"note": "z"}
    with pytest.raises(UsageError, match="no column 'x'"):
        MutantTable(str(table), WT, "x")
    table.write_text("name,value\na,1\n")
    with pytest.raises(InputError, match="no column of mutations"):
        MutantTable(str(table), WT)
    table.write_text("mutant,fitness\n")
    with pytest.raises(InputError, match="no rows"):
        MutantTable(str(table), WT)
    table.write_text("sequence,fitness\nAKTAYIAKQR,1\nMKTAYIAKQ,2\n")
    first, second = MutantTable(str(table), WT).records()
    assert first.source["mutations"] == "M1A"
    assert (second.status, second.source["mutations"]) == (Status.OK, "R10del")
    table.write_text("mutant,fitness\nK2_T3insGS,1\nQ9_R10del,2\n")
    assert [record.text for record in MutantTable(str(table), WT).records()] == [
        "<ProteinS>MKGSTAYIAKQR<ProteinE>",
        "<ProteinS>MKTAYIAK<ProteinE>",
    ]
    table.write_text("sequence,fitness\nWWWWW,1\n")
    (other,) = MutantTable(str(table), WT).records()
    assert "another protein" in (other.reason or "")


def test_the_ratio_is_of_whole_sequences_and_the_wild_type_is_zero(tmp_path: Path) -> None:
    table = tmp_path / "m.csv"
    table.write_text("mutant,fitness\nwt,0\nM1A,1\nK2R:T3S,2\nY5W,0.5\n")
    read = MutantTable(str(table), WT)
    run = MutantScoring(read, ScoreOptions(metrics=("logp_ratio", "logp"), load=LoadOptions(device="cpu", threads=1)))
    records = [each.record for each in run.records()]
    values = [[record.scores[name]["value"] for name in ("logp_ratio", "logp")] for record in records]
    assert values[0][0] == 0
    for ratio, logp in values:
        assert ratio == pytest.approx(logp - values[0][1], abs=1e-5)
    rows = {row.metric.name: row.estimate for row in run.summary()}
    assert rows["fitness_spearman"].n == 4
    assert rows["fitness_spearman"].value is not None
    (best,) = MutantScoring(read, ScoreOptions(load=LoadOptions(device="cpu", threads=1), top=1)).records()
    assert best.record.scores["logp_ratio"]["value"] == max(value[0] for value in values)
