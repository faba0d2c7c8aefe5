"""Adaptation to a table of measured values, on real variants."""

from __future__ import annotations

import csv
import json
import lzma

import numpy as np
import pytest

from logos_cli.errors import InputError, UsageError
from logos_cli.evaluators.statistics import spearman
from logos_cli.tasks.design.surrogate import Surrogate, open_any_oracle
from logos_cli.training.assay.adapt import AdaptRequest, adapt
from logos_cli.training.assay.regression import train_regression
from logos_cli.training.assay.table import held_out, n_mutations, read_assay, reference_of


@pytest.fixture
def variants(shared_data, tmp_path):
    with lzma.open(shared_data / "fitness" / "aav.csv.xz", "rt") as stream:
        rows = [(row["sequence"], row["score"]) for row in csv.DictReader(stream) if row["score"]]
    chosen = np.random.default_rng(0).permutation(len(rows))[:240]
    path = tmp_path / "aav.csv"
    path.write_text("sequence,fitness\n" + "".join(f"{rows[i][0]},{rows[i][1]}\n" for i in chosen))
    return path


def write(path, rows, header="sequence,fitness"):
    path.write_text("\n".join((header, *rows)) + "\n")
    return str(path)


SEQUENCES = ["".join(np.random.default_rng(n).choice(list("ACDEFGHIKL"), 12)) for n in range(40)]


def test_rows_are_counted_and_repeats_averaged(tmp_path):
    rows = [f"{each},{n}" for n, each in enumerate(SEQUENCES)]
    path = write(tmp_path / "a.csv", [*rows, f"{SEQUENCES[0]},10", "MKTAY,", "MKTAY,nan"])
    assay = read_assay(path)
    assert (assay.kind, assay.column, len(assay.values)) == ("protein", "fitness", 40)
    assert (assay.n_repeated, assay.n_unmeasured, assay.values[0]) == (1, 2, 5.0)


def test_a_molecule_is_one_row_however_its_smiles_is_written(tmp_path):
    """Its copies would else be held out beside those that are trained on."""
    rows = [f"{'C' * n}O,{n}" for n in range(1, 41)]
    assay = read_assay(write(tmp_path / "a.csv", [*rows, "OCC,4", "C(O)C,6"], "smiles,activity"))
    assert (assay.kind, len(assay.values), len(assay.texts), assay.n_repeated) == ("molecule", 40, 40, 2)
    assert assay.values[assay.payloads.index("CCO")] == 4.0


def test_cells_without_a_value_are_those_of_spreadsheets_and_pandas(tmp_path):
    cells = (
        "NULL",
        "N/A",
        "#N/A",
        "-",
        "NaN",
        "None",
        "<NA>",
        " ",
        "n.d.",
        "?",
        "not determined",
        "not tested",
        "pending",
    )
    rows = [f"{each},{n}" for n, each in enumerate(SEQUENCES)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["séquence,Fitness (µM)", *rows, *(f"MKTAY,{cell}" for cell in cells)]), encoding="utf-8")
    assay = read_assay(str(path), column="séquence", value="Fitness (µM)")
    assert (len(assay.values), assay.n_unmeasured) == (40, len(cells))


def test_words_for_a_missing_sequence_are_not_trained_on(tmp_path):
    rows = [f"{each},{n}" for n, each in enumerate(SEQUENCES)]
    assay = read_assay(write(tmp_path / "a.csv", [*rows, "NA,1", "nan,2", "None,3"]))
    assert (len(assay.values), assay.n_refused) == (40, 3)
    assert not {"NA", "NAN", "NONE"} & set(assay.payloads)


def test_what_cannot_be_learned_from_is_refused(tmp_path):
    rows = [f"{each},{n}" for n, each in enumerate(SEQUENCES)]
    with pytest.raises(InputError, match=r"'>10'.* is not a number"):
        read_assay(write(tmp_path / "a.csv", [*rows, "MKTAY,>10"]))
    with pytest.raises(InputError, match="all measured values are equal"):
        read_assay(write(tmp_path / "b.csv", [f"{each},1" for each in SEQUENCES]))
    with pytest.raises(InputError, match="30 are needed"):
        read_assay(write(tmp_path / "c.csv", rows[:5]))
    with pytest.raises(UsageError, match="no column with measured values"):
        read_assay(write(tmp_path / "d.csv", rows, "sequence,colour"))
    with pytest.raises(InputError, match="1 different proteins have a value"):
        read_assay(write(tmp_path / "wt.csv", [f"MKTAY,{each}" for each in rows], "sequence,mutated,fitness"))
    with pytest.raises(UsageError, match="no row has a measured value"):
        read_assay(write(tmp_path / "f.csv", [f"{each}," for each in SEQUENCES]))
    for cell in ("12 nM", "0,5", "1_000", "TRUE", "5%"):
        with pytest.raises(InputError, match="is not a number") as refused:
            read_assay(write(tmp_path / "g.csv", [*rows, f'MKTAY,"{cell}"']))
        assert "without a unit" in str(refused.value.hint)
    with pytest.raises(UsageError, match=r"leaves 4 of 40 rows; 20 are needed to train"):
        held_out(read_assay(write(tmp_path / "h.csv", rows)), 0.9, "random", 0, None)
    with pytest.raises(UsageError, match="no column 'brightness'"):
        read_assay(write(tmp_path / "e.csv", rows), value="brightness")


def test_a_split_by_mutations_keeps_the_farthest_apart(variants):
    assay = read_assay(str(variants))
    reference = reference_of(assay.payloads)
    aside = set(held_out(assay, 0.2, "mutations", 0, reference))
    counts = [n_mutations(reference, each) for each in assay.payloads]
    assert min(counts[row] for row in aside) >= max(counts[row] for row in range(len(counts)) if row not in aside)
    assert held_out(assay, 0.2, "random", 3, None) == held_out(assay, 0.2, "random", 3, None)


@pytest.mark.parametrize("method", ["ridge", "gp"])
def test_an_oracle_predicts_held_out_variants_and_is_read_as_it_was_written(variants, tmp_path, method):
    assay = read_assay(str(variants))
    oracle = train_regression("protein", assay.payloads[:180], assay.values[:180], method=method)
    oracle.write(tmp_path, {})
    mean, covariance = oracle.posterior(assay.payloads[180:])
    assert spearman(mean, assay.values[180:]).low > 0.3
    assert (np.diag(covariance) > 0).all()
    read = open_any_oracle(str(tmp_path))
    assert isinstance(read, Surrogate)
    assert np.allclose(read.predict(assay.payloads[180:]), mean, rtol=1e-3, atol=1e-3)
    known = np.mean(read.deviations(assay.payloads[:60]))
    assert known < np.mean(read.deviations(SEQUENCES_28)), "a stranger is less certain than a variant of the table"
    with pytest.raises(InputError, match="substitutions only"):
        read.predict(["MKTAY"])


SEQUENCES_28 = ["W" * 28, "C" * 28]


def test_a_batch_is_diverse(variants):
    assay = read_assay(str(variants))
    oracle = train_regression("protein", assay.payloads[:140], assay.values[:140], method="gp")
    best = max(assay.payloads[140:], key=lambda each: oracle.predict([each])[0])
    # many near relatives of the best one, and others
    relatives = (best[:place] + "A" + best[place + 1 :] for place in range(len(best)))
    candidates = list(dict.fromkeys((*relatives, *assay.payloads[140:])))
    chosen = [place for place, _ in oracle.acquire(candidates, 12)]
    mean, covariance = oracle.posterior(candidates)
    bound = mean + 2 * np.sqrt(np.diag(covariance))
    greedy = np.argsort(-bound)[:12]
    assert chosen[0] == greedy[0]
    assert len(set(chosen)) == 12
    noise = oracle.numbers["noise"] * np.eye(12)
    information = [np.linalg.slogdet(covariance[np.ix_(rows, rows)] + noise)[1] for rows in (chosen, greedy)]
    assert information[0] > information[1], "the batch tells more than the twelve best alone"
    assert len(oracle.acquire(candidates, 4, "ei")) == 4


@pytest.mark.slow
def test_a_model_is_adapted(variants, tmp_path):
    adapted = adapt(AdaptRequest(str(variants), tmp_path / "model", n_epochs=1, threads=1))
    facts = json.loads((tmp_path / "model" / "assay.json").read_text())
    assert facts["n_held_out"] == 48
    assert set(facts["spearman"]) == {
        "adapted model", "model before", "fewer mutations", "BLOSUM62", "ridge on one-hot"
    }  # fmt: skip
    assert adapted.correlations["adapted model"].value > adapted.correlations["model before"].value
    assert {"config.json", "model.safetensors", "tokenizer.json", "oracle.json", "oracle.safetensors", "README.md"} <= {
        path.name for path in (tmp_path / "model").iterdir()
    }
    with pytest.raises(UsageError, match="something already"):
        adapt(AdaptRequest(str(variants), tmp_path / "model"))


@pytest.mark.parametrize("method", ["gp", "ridge"])
def test_predictions_are_those_of_the_joint_distribution(variants, method):
    assay = read_assay(str(variants))
    oracle = train_regression("protein", assay.payloads[:100], assay.values[:100], method=method)
    mean, covariance = oracle.posterior(assay.payloads[100:130])
    assert oracle.predict(assay.payloads[100:130]) == pytest.approx(mean.tolist())
    assert oracle.deviations(assay.payloads[100:130]) == pytest.approx(np.sqrt(np.diag(covariance)).tolist())


def test_values_that_cannot_be_ranked_do_not_end_the_training(tmp_path):
    """The rows that stop it may all have one value, as in an assay of few hits: then its last epoch is kept."""
    path = write(tmp_path / "hits.csv", [f"{each},{int(n < 2)}" for n, each in enumerate(SEQUENCES)])
    adapted = adapt(AdaptRequest(path, tmp_path / "model", n_epochs=2, oracle="ridge"))
    assert np.isnan(adapted.result.curve).all()
    assert adapted.result.n_steps > 0
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_molecules_have_an_oracle_too(shared_data):
    smiles = [f"{'C' * n}{tail}" for n in range(1, 16) for tail in ("O", "N", "Cl", "C(=O)O")]
    values = np.array([each.count("C") + 3.0 * each.count("O") for each in smiles])
    oracle = train_regression("molecule", smiles[::2], values[::2], sign=-1.0)
    assert spearman(oracle.posterior(smiles[1::2])[0], values[1::2]).value > 0.8
    assert oracle.lower_is_better
    assert np.allclose(oracle.predict(["CCO"])[0], -oracle.posterior(["CCO"])[0])
