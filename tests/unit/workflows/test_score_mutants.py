"""Variants of a wild type: how mutations are written, what does not fit, tables with holes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from logos_cli.backends.base import LoadOptions
from logos_cli.errors import InputError, LogosError, UsageError
from logos_cli.evaluators.base import Estimate
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.protein import Protein
from logos_cli.records import Status
from logos_cli.workflows.score.mutants import BASELINES, SPEARMAN, MutantScoring, MutantTable, WildType
from logos_cli.workflows.score.scoring import ScoreOptions
from logos_cli.workflows.score.summary import SummaryRow

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


def summary_of(table: Path, text: str) -> dict[str, SummaryRow]:
    """Return the figures of a table, whose variants have a likelihood ratio of 0 each."""
    table.write_text(text)
    run = MutantScoring(MutantTable(str(table), WT), ScoreOptions(metrics=("n_residues",)))
    for record in run.table.records():
        record.scores["logp_ratio"] = {"value": 0.0}
        run._add_pair(record)
    return {row.metric.name: row for row in run.summary()}


def test_the_baselines_are_those_of_a_table_computed_by_hand(tmp_path: Path) -> None:
    # BLOSUM62: M>A -1, A>G 0, K>R 2, K>R and T>S 2 + 1: in the order of the fitness
    rows = summary_of(tmp_path / "m.csv", "mutant,fitness\nK2R,3\nM1A,1\nK2R:T3S,4\nA4G,2\n")
    assert rows["fitness_spearman_blosum62"].estimate.value == pytest.approx(1)
    # fewer mutations are better: ranks 3, 3, 3 and 1 of -1, -1, -1 and -2, against 1, 2, 3 and 4
    assert rows["fitness_spearman_mutations"].estimate.value == pytest.approx(-3 / math.sqrt(3 * 5))
    assert rows["fitness_spearman_mutations"].estimate.n == 4
    # the wild type has no mutation and no change of BLOSUM62
    rows = summary_of(tmp_path / "m.csv", "mutant,fitness\nwt,3\nM1A,2\nK2R:T3S,1\n")
    assert rows["fitness_spearman_mutations"].estimate.value == pytest.approx(1)
    assert rows["fitness_spearman_blosum62"].estimate.value == pytest.approx(-0.5)  # 0, -1 and 3 against 3, 2 and 1


def test_blosum62_has_no_value_where_a_length_differs(tmp_path: Path) -> None:
    rows = summary_of(tmp_path / "m.csv", "mutant,fitness\nM1A,3\nK2_T3insGS,2\nK2R:T3S:Y5W,1\n")
    assert rows["fitness_spearman_blosum62"].estimate.value is None
    assert "insertions or deletions" in str(rows["fitness_spearman_blosum62"].estimate.reason)
    # the insertion has two mutations
    assert rows["fitness_spearman_mutations"].estimate.value == pytest.approx(1)


def test_only_baselines_that_are_better_than_the_model_are_named(tmp_path: Path) -> None:
    table = tmp_path / "m.csv"
    table.write_text("mutant,fitness\nM1A,1\n")
    run = MutantScoring(MutantTable(str(table), WT), ScoreOptions())

    def better(own: float | None, mutations: float | None, blosum62: float | None) -> list[str]:
        values = (own, mutations, blosum62)
        return run.better_baselines(
            [
                SummaryRow(metric, "set", Estimate.unknown("none") if value is None else Estimate(value, 9))
                for metric, value in zip((SPEARMAN, *BASELINES.values()), values, strict=True)
            ]
        )

    assert better(0.3, 0.5, 0.2) == ["the number of mutations (0.500)"]
    assert better(0.1, 0.5, 0.2) == ["the number of mutations (0.500)", "BLOSUM62 (0.200)"]
    assert better(-0.4, None, -0.2) == ["BLOSUM62 (-0.200)"]
    assert better(0.5, 0.5, 0.5) == []
    assert better(None, 0.5, 0.5) == []


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
