"""Protein properties beside Biopython's, editing figures beside their definition, tables of fitness by hand."""

from __future__ import annotations

import csv
import lzma
import math
from itertools import combinations
from pathlib import Path
from random import Random

import numpy as np
import pytest
from Bio.SeqUtils.ProtParam import ProteinAnalysis

from logos_cli.errors import InputError
from logos_cli.evaluators.base import Context, Subject, Unavailable
from logos_cli.evaluators.proteins import properties
from logos_cli.evaluators.proteins.editing import Difficulty, Pool, base_pool, diversity, median, nearest
from logos_cli.evaluators.proteins.oracle import OracleOptions, train_oracle
from logos_cli.evaluators.proteins.plugin import PLUGIN
from logos_cli.evaluators.proteins.tables import check_fitness, ndcg, rank_quality, top_recall
from logos_cli.evaluators.reference import ReferenceSet
from logos_cli.grammar import Form
from logos_cli.objects.base import to_text
from logos_cli.objects.protein import Protein
from logos_cli.records import Record
from logos_cli.tasks.design.baselines import blosum62
from logos_cli.tasks.design.mutations import mutant, mutations

ALL = tuple(metric.name for metric in (*PLUGIN.metrics, *PLUGIN.summary_metrics))
LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def subject(sequence: str) -> Subject:
    item = Protein(sequence)
    return Subject(Record("x", "protein", to_text(item)), item, Form.PROTEIN)


def levenshtein(one: str, other: str) -> int:
    """The textbook's recurrence."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        above, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (a != b))
    return row[-1]


def random_sequences(count: int, length: int, seed: int = 0) -> list[str]:
    draw = Random(seed)
    return ["".join(draw.choices(LETTERS, k=length + draw.randrange(3))) for _ in range(count)]


# -- single chains -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", ["G", "MKV", "KKKKKK", "DDDDE", *random_sequences(8, 150)])
def test_properties_are_those_of_protparam(sequence: str) -> None:
    values = PLUGIN.score(subject(sequence), ALL, Context())
    expected = ProteinAnalysis(sequence)
    assert values["n_residues"] == len(sequence)
    assert values["protein_mass"] == pytest.approx(expected.molecular_weight(), rel=1e-4)
    assert values["gravy"] == pytest.approx(expected.gravy())
    assert values["charge_ph7"] == pytest.approx(expected.charge_at_pH(7.0), abs=1e-6)
    # Biopython's search does not leave the range from 4.05 to 12
    if 4.06 < (point := expected.isoelectric_point()) < 11.99:
        assert values["isoelectric_point"] == pytest.approx(point, abs=0.01)


def test_a_residue_without_a_mass_has_a_reason() -> None:
    values = PLUGIN.score(subject("MKXV"), ALL, Context())
    assert isinstance(values["protein_mass"], Unavailable)
    assert "residue X" in values["protein_mass"].reason
    assert isinstance(values["gravy"], Unavailable)
    assert isinstance(properties.molecular_weight("MUOK"), float)


@pytest.mark.parametrize("letter", "BZXUO")
def test_a_residue_without_a_charge_has_a_reason(letter: str) -> None:
    for sequence in (f"MK{letter}V", f"{letter}MKV", f"MKV{letter}", letter):
        values = PLUGIN.score(subject(sequence), ALL, Context())
        for name in ("charge_ph7", "isoelectric_point"):
            assert values[name] == Unavailable(f"the charge of residue {letter} is unknown")


def test_leucine_or_isoleucine_has_what_both_have() -> None:
    values, *both = (PLUGIN.score(subject(f"MK{letter}V"), ALL, Context()) for letter in "JLI")
    for name in ("n_residues", "protein_mass", "charge_ph7", "isoelectric_point"):
        assert values[name] == both[0][name] == both[1][name]
    assert values["gravy"] == Unavailable("the hydropathy of residue J is unknown")


def test_a_residue_that_blosum62_lacks_has_no_sum() -> None:
    assert blosum62("MKCV", "MRCL") == 2 + 1
    assert blosum62("MKCV", "MKUV") is None
    assert blosum62("MKUV", "MRUV") == 2


# -- sets ----------------------------------------------------------------------------------------------------


def test_diversity_and_novelty_follow_their_definitions() -> None:
    designs, pool = random_sequences(12, 30), random_sequences(20, 30, seed=1)
    pairs = [levenshtein(one, other) for one, other in combinations(designs, 2)]
    found = diversity([*designs, designs[0]])
    assert found.value == pytest.approx(sum(pairs) / len(pairs))
    assert found.n == 12
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high
    assert nearest(designs, pool) == [min(levenshtein(one, other) for other in pool) for one in designs]
    assert diversity(["AAA", "AAA"]).value is None
    with pytest.raises(InputError):
        nearest(designs, [])


def test_figures_of_a_set_with_a_base_pool(tmp_path: Path) -> None:
    path = tmp_path / "pool.fasta"
    path.write_text(">a\nMKVLA\n>b\nMKVLAAA\n")
    context = Context(reference=ReferenceSet(str(path)))
    PLUGIN.prepare(ALL, context)
    subjects = [subject(sequence) for sequence in ("MKVLA", "MKVLC", "WWVLAAA")]
    values = PLUGIN.score_batch(subjects, ALL, context)
    assert [each["distance_to_reference"] for each in values] == [0, 1, 2]
    observed = [PLUGIN.observe(each, context) for each in [*subjects, subjects[0]]]
    found = PLUGIN.summarise([each for each in observed if each], ALL, context)
    assert found["protein_novelty_median"].value == 1.0
    assert found["protein_novelty_median"].n == 3, "different sequences"
    assert found["protein_diversity"].value == pytest.approx((1 + 4 + 5) / 3)


def test_a_reference_set_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "molecules.smi"
    path.write_text("CCO\nCCN\n")
    with pytest.raises(InputError, match="no proteins"):
        PLUGIN.prepare(["distance_to_reference"], Context(reference=ReferenceSet(str(path))))


def test_medians_and_diversity_by_hand() -> None:
    assert median([1.0, 2.0, 10.0]).value == 2.0
    assert median([]).value is None
    found = diversity(["AACC", "ACCC", "AACC", "AAAC"])
    assert (found.value, found.n) == (pytest.approx((1 + 1 + 2) / 3), 3)
    assert diversity(["AACC", "AACC"]).value is None


def test_base_pool_takes_its_percentiles_and_keeps_away_from_the_best() -> None:
    wild = "A" * 10
    sequences = [wild[:k] + "W" * (10 - k) for k in range(11)]
    fitness = [float(k) for k in range(11)]  # the more of the wild type, the fitter; the best percent is the last
    assert base_pool(sequences, fitness, Difficulty(0, 30, 7)) == [0, 1, 2, 3]
    assert base_pool(sequences, fitness, Difficulty(20, 40, 7)) == [2, 3]
    with pytest.raises(InputError, match="mutations or more"):
        base_pool(sequences, fitness, Difficulty(50, 100, 6))


def test_base_pools_of_aav_are_those_of_ggs(shared_data: Path) -> None:
    """GGS has 2,139 and 3,448 of 44,156; the shared table is 86 % of theirs."""
    with lzma.open(shared_data / "fitness" / "aav.csv.xz", "rt", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    sequences, fitness = [row["sequence"] for row in rows], [float(row["score"]) for row in rows]
    share = len(rows) / 44_156
    for pool, published in ((Pool.MEDIUM, 2139), (Pool.HARD, 3448)):
        found = base_pool(sequences, fitness, pool.value)
        assert len(found) == pytest.approx(published * share, rel=0.05), pool.name


# -- the oracle ----------------------------------------------------------------------------------------------


def test_an_oracle_learns_additive_effects_and_interactions() -> None:
    draw = np.random.default_rng(0)
    rows = draw.integers(20, size=(3000, 10))
    effects = draw.normal(size=(10, 20))
    fitness = np.tanh(effects[np.arange(10), rows].sum(axis=1) / 2) + 5.0
    sequences = ["".join(LETTERS[letter] for letter in row) for row in rows]
    oracle = train_oracle(sequences, fitness, OracleOptions(seed=3))
    assert oracle.held_out.n == 300
    assert oracle.held_out.value is not None
    assert oracle.held_out.value > 0.9
    again = train_oracle(sequences, fitness, OracleOptions(seed=3))
    assert oracle(sequences[:50]) == again(sequences[:50]), "seeded"
    assert np.mean(oracle(sequences)) == pytest.approx(fitness.mean(), abs=0.05), "in the unit of the table"
    assert oracle([]) == []
    assert np.isfinite(oracle(["X" * 10])).all()


def test_an_oracle_refuses_what_does_not_fit() -> None:
    with pytest.raises(InputError, match="sequence 2 has 3 residues, the sequences of the oracle's table have 4"):
        train_oracle(["AAAA", "AAA"], [1.0, 2.0])
    with pytest.raises(InputError, match="row 1 is not a finite number"):
        train_oracle(["AAAA", "AAAC"], [math.nan, 2.0])
    with pytest.raises(InputError, match="equal"):
        train_oracle(["AAAA", "AAAC"], [2.0, 2.0])
    with pytest.raises(InputError, match="2 sequences and 1"):
        train_oracle(["AAAA", "AAAC"], [2.0])


@pytest.mark.slow
def test_an_oracle_of_aav_ranks_held_out_variants(shared_data: Path) -> None:
    with lzma.open(shared_data / "fitness" / "aav.csv.xz", "rt", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    oracle = train_oracle([row["sequence"] for row in rows], [float(row["score"]) for row in rows])
    assert oracle.held_out.value is not None
    assert oracle.held_out.value > 0.85


# -- tables of fitness ---------------------------------------------------------------------------------------


def test_mutants_are_made_of_the_wild_type() -> None:
    assert mutant("MKVLA", "K2R") == "MRVLA"
    assert mutant("MKVLA", "K2R:A5G") == mutant("MKVLA", "A5G, K2R") == "MRVLG"
    assert mutant("MKVLA", "K1R", first_residue=0) == "MRVLA"
    assert mutant("MKVLA", "WT") == mutant("MKVLA", "") == "MKVLA"
    assert ":".join(mutations("MKVLA", mutant("MKVLA", "K2R:A5G"))) == "K2R:A5G"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("V2R", r"V2R does not fit the wild type: position 2 is K, not V \(the position after it is V"),
        ("M2R", r"position 2 is K, not M \(the position before it is M"),
        ("K2R:A6G", "A6G does not fit the wild type, whose positions are 1 to 5"),
        ("K2R:K2G", "K2R:K2G changes position 2 twice"),
        ("K2", "'K2' is not a substitution"),
    ],
)
def test_a_mutant_that_does_not_fit_says_which_position(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        mutant("MKVLA", text)
    assert caught.value.span is not None
    assert text[caught.value.span.start : caught.value.span.end] in caught.value.message


def test_a_table_with_nan_is_refused() -> None:
    with pytest.raises(InputError, match="row 2, 4 is not a finite number"):
        check_fitness([1.0, math.nan, 2.0, math.inf])
    with pytest.raises(InputError, match="no rows"):
        check_fitness([])
    with pytest.raises(InputError, match="row 1"):
        rank_quality([0.0, 1.0, 2.0], [math.nan, 1.0, 2.0])
    with pytest.raises(InputError, match="the score of row 3"):
        rank_quality([0.0, 1.0, math.nan], [0.0, 1.0, 2.0])
    with pytest.raises(InputError, match="2 scores for 3"):
        rank_quality([0.0, 1.0], [0.0, 1.0, 2.0])


def test_rank_quality_by_hand() -> None:
    """Twenty variants: the best tenth is two of them; the scores find one of them, in the second place."""
    fitness = np.arange(20.0)
    scores = fitness.copy()
    scores[0] = 100.0  # the worst is thought to be the best
    gains = fitness / 19.0
    expected = (gains[0] + gains[19] / math.log2(3)) / (gains[19] + gains[18] / math.log2(3))
    assert ndcg(scores, fitness) == pytest.approx(expected)
    assert top_recall(scores, fitness) == 0.5
    found = rank_quality(scores, fitness)
    assert found.ndcg.value == pytest.approx(expected)
    assert found.top_recall.n == 20
    perfect = rank_quality(fitness, fitness)
    assert (perfect.spearman.value, perfect.ndcg.value, perfect.top_recall.value) == (1.0, 1.0, 1.0)
    assert rank_quality(fitness[:5], fitness[:5]).ndcg.value is None
    assert rank_quality(fitness, np.ones(20)).ndcg.value is None
