"""Ranked reactions, variants, designs, scaffolds and frameworks, made with the embedded model."""

from __future__ import annotations

import csv
import io
import json
import lzma
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from logos_cli import decode, generate
from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.chemistry.smiles import canonical_smiles, parse_smiles
from logos_cli.engine.likelihood import Likelihood, ScoredText
from logos_cli.errors import GrammarError, InputError, LogosError, MoleculeError, UsageError
from logos_cli.formats.base import WriteOptions
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.material import Material, material_from_blocks
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record, Status
from logos_cli.workflows.decode import writers
from logos_cli.workflows.generate.tally import GenerateTally

_AMIDE = "CC(=O)Nc1ccc(OCc2ccccc2)cc1"
_GB1 = "MTYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVDGEWTYDDATKTFTVTE"


def _make(task: str, prompts: Any = None, **options: Any) -> list[Record]:
    return list(generate(task, prompts, seed=7, device="cpu", threads=1, **options))


def _scores(record: Record) -> dict[str, Any]:
    return {name: score["value"] for name, score in record.scores.items()}


@cache
def _likelihood() -> Likelihood:
    checkpoint = open_model(LoadOptions(device="cpu", threads=1))
    return Likelihood(checkpoint.load(), checkpoint.context_tokens)


def _logps(texts: Sequence[str]) -> list[float]:
    """Return the log-likelihoods of whole sentences, read by the model and not written."""
    found = []
    for scored in _likelihood().score(list(texts)):
        assert isinstance(scored, ScoredText)
        found.append(float(scored.all.sum()))
    return found


def _written(records: Sequence[Record], to: str) -> str:
    stream = io.StringIO()
    writer = writers()[to](stream, WriteOptions())
    for record in records:
        writer.write(record, decode(record))
    writer.close()
    return stream.getvalue()


# ---- reactions -------------------------------------------------------------------------------------------


@cache
def _retro() -> list[Record]:
    return _make("retrosynthesis", _AMIDE, n_samples=32, round_trip=True)


def test_samples_become_ranked_sets_of_reactants() -> None:
    samples = _make("retrosynthesis", _AMIDE, samples=True)
    assert len(samples) == 32
    answers: Counter[tuple[str, ...]] = Counter()
    likeliest: dict[tuple[str, ...], float] = {}
    for sample in samples:
        found = decode(sample)
        if sample.status is not Status.OK or not isinstance(found, Reaction):
            continue
        answer = tuple(sorted(canonical_smiles(smiles) for smiles in found.reactants))
        answers[answer] += 1
        likeliest[answer] = max(likeliest.get(answer, -1e9), sample.sample["logp"])
    order = sorted(answers, key=lambda answer: (-answers[answer], -likeliest[answer]))
    results = _retro()
    assert [decode(record).reactants for record in results] == order  # type: ignore[union-attr]
    for rank, (record, answer) in enumerate(zip(results, order, strict=True), 1):
        assert record.id == f"prompt:reaction{rank}"
        scores = record.scores
        assert scores["rank"]["value"] == rank
        assert scores["frequency"]["count"] == answers[answer] == len(record.sample["samples"])
        assert scores["frequency"]["value"] == pytest.approx(answers[answer] / 32, abs=1e-4)
        assert scores["logp"]["value"] == likeliest[answer]
        assert record.sample["n_samples"] == 32
    assert len(results) > 3
    assert [record.text for record in _make("retrosynthesis", _AMIDE, n_samples=32, top=2)] == [
        r.text for r in results[:2]
    ]


def test_the_round_trip_is_what_the_forward_model_finds_likeliest() -> None:
    seen = set()
    for record in _retro()[:4]:
        reaction = decode(record)
        (answer,) = _make("reaction", reaction, n_samples=1, samples=True, temperature=0.0, repetition_penalty=1.0)
        product = decode(answer)
        assert isinstance(product, Reaction)
        predicted = canonical_smiles(product.product)
        told = record.scores["round_trip"]
        assert told["predicted"] == predicted
        assert told["value"] is (predicted == canonical_smiles(_AMIDE))
        seen.add(told["value"])
    assert True in seen


@pytest.mark.slow
def test_atoms_that_are_missing_are_told_or_the_proposal_is_dropped() -> None:
    told = _make("retrosynthesis", _AMIDE, temperature=1.3, top_p=1.0)
    assert {record.scores["balanced"]["value"] for record in told} == {True, False}
    for record in told:
        balanced, economy = record.scores["balanced"], record.scores["atom_economy"]
        assert (economy["value"] is None) is not balanced["value"]
        assert balanced["value"] or balanced["reason"] == economy["reason"]
    kept = _make("retrosynthesis", _AMIDE, balance="drop", temperature=1.3, top_p=1.0)
    assert [record.text for record in kept] == [r.text for r in told if r.scores["balanced"]["value"]]
    assert [record.scores["rank"]["value"] for record in kept] == list(range(1, len(kept) + 1))
    rich = _make("retrosynthesis", _AMIDE, atom_economy=80.0)
    assert rich
    assert all(record.scores["atom_economy"]["value"] >= 80 for record in rich)


@pytest.mark.slow
def test_published_retrosyntheses_are_found_among_the_first(shared_data: Path) -> None:
    with lzma.open(shared_data / "reactions" / "uspto50k.csv.xz", "rt", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "test"][:1200:240]
    records = _make("retrosynthesis", [row["product"] for row in rows], n_samples=16, max_new_tokens=120)
    found = 0
    for number, row in enumerate(rows, 1):
        ranked = [decode(r) for r in records if r.id.startswith(f"prompt:{number}:")]
        truth = tuple(sorted(map(canonical_smiles, row["reactants"].split("."))))
        found += truth in [each.reactants for each in ranked if isinstance(each, Reaction)]
    assert found >= 2


@pytest.mark.parametrize(
    ("product", "message"),
    [
        ("CC(=O)O.CCN", "the product is 2 molecules: CC(=O)O.CCN"),
        ("C1CC", "unclosed ring"),
        ("CCO>>CC.[Na+]", "the product is 2 molecules"),
    ],
)
def test_a_product_is_one_molecule(product: str, message: str) -> None:
    with pytest.raises(MoleculeError) as caught:
        _make("retrosynthesis", product)
    assert message in caught.value.message


def test_bad_products_in_a_list_do_not_end_the_run() -> None:
    records = _make("retrosynthesis", [_AMIDE, "CCO.CCN", "CCOC(C)=O"], n_samples=2, max_new_tokens=60)
    assert [record.status for record in records if record.id.startswith("prompt:2")] == [Status.ERROR]
    assert {record.id.rpartition(":")[0] for record in records if record.status is Status.OK} >= {"prompt:1"}


def test_products_of_reactants_are_ranked() -> None:
    records = _make("reaction", "CC(=O)Cl.Nc1ccc(OCc2ccccc2)cc1", n_samples=12)
    assert canonical_smiles(_AMIDE) in [record.text.rpartition("<MoleculeS>")[2][:-11] for record in records]
    assert sum(record.scores["frequency"]["count"] for record in records) == records[0].sample["n_valid"]
    assert "round_trip" not in records[0].scores
    with pytest.raises(UsageError, match="has no option 'round_trip'"):
        _make("reaction", "CC", round_trip=True)


def test_made_up_products_are_samples() -> None:
    records = _make("retrosynthesis", n_samples=2, max_new_tokens=200)
    assert all("rank" not in record.scores for record in records)


# ---- frameworks ------------------------------------------------------------------------------------------


def test_frameworks_tell_their_key_and_can_be_ranked() -> None:
    samples = _make("material", n_samples=12)
    valid = [record for record in samples if record.status is Status.OK]
    assert valid
    for record in valid:
        key = record.scores["mofkey"]["value"]
        assert key.endswith(".MOFkey-v1")
        assert key.split(".")[0].isalpha()
    ranked = _make("material", n_samples=12, top=100)
    assert len(ranked) == len({record.text for record in ranked})
    assert sum(record.scores["frequency"]["count"] for record in ranked) == len(valid)
    for record in ranked:
        material = decode(record)
        assert isinstance(material, Material)
        assert material_from_blocks([material.metal], material.linkers) == material
        assert "mofkey" in record.scores
    with pytest.raises(MoleculeError, match="contains no metal"):
        _make("material", "CCO")


# ---- variants of a protein -------------------------------------------------------------------------------


def test_variants_are_ranked_by_the_likelihood_of_the_whole_sequence() -> None:
    records = _make("protein", _GB1, max_mutations=2, positions="24-40", n_samples=8)
    sequences = [decode(record).sequence for record in records]  # type: ignore[union-attr]
    assert len(sequences) == len(set(sequences)) > 3
    *logps, wild_type = _logps([*(record.text for record in records), f"<ProteinS>{_GB1}<ProteinE>"])
    assert logps == sorted(logps, reverse=True)
    for record, sequence, logp in zip(records, sequences, logps, strict=True):
        scores = _scores(record)
        changes = [f"{a}{place}{b}" for place, (a, b) in enumerate(zip(_GB1, sequence, strict=True), 1) if a != b]
        assert scores["mutations"] == (":".join(changes) or "WT")
        assert scores["n_mutations"] == len(changes) <= 2
        assert scores["delta_logp"] == pytest.approx(logp - wild_type, abs=2e-3)


@pytest.mark.slow
def test_mutations_are_spread_over_the_chain() -> None:
    records = _make("protein", _GB1, max_mutations=3, n_samples=16)
    places = [int(change[1:-1]) for r in records for change in r.scores["mutations"]["value"].split(":")]
    assert len(places) > 32
    assert max(Counter(places).values()) < 6
    assert sum(place > len(_GB1) // 2 for place in places) > len(places) / 4
    assert all(record.scores["n_mutations"]["value"] <= 3 for record in records)
    again = _make("protein", _GB1, max_mutations=3, n_samples=16, batch_size=5)
    assert [record.text for record in again] == [record.text for record in records]


def test_an_oracle_ranks_variants(tmp_path: Path) -> None:
    script = tmp_path / "count.py"
    script.write_text("import sys\nfor line in sys.stdin: print(line.count('K'))\n", encoding="utf-8")
    options: dict[str, Any] = {"max_mutations": 3, "positions": "2-20", "n_samples": 8}
    records = _make("protein", _GB1, oracle=f"{sys.executable} {script}", **options)
    fitness = [record.scores["fitness"]["value"] for record in records]
    assert fitness == [record.text.count("K") for record in records]
    assert fitness == sorted(fitness, reverse=True)
    assert records[0].scores["fitness"]["wild_type"] == _GB1.count("K")
    assert records[0].sample["options"]["oracle"].endswith("count.py")


def test_a_model_of_fitness_ranks_by_measured_values(tmp_path: Path, shared_data: Path) -> None:
    import joblib
    from sklearn.linear_model import Ridge

    from logos_cli.tasks.design.oracle import one_hot

    with lzma.open(shared_data / "fitness" / "gb1_flip.csv.xz", "rt", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))[:1500]
    wild_type = next(row["sequence"] for row in rows)
    model = Ridge().fit(one_hot([row["sequence"] for row in rows]), [float(row["fitness"]) for row in rows])
    joblib.dump(model, tmp_path / "gb1.joblib")
    records = _make(
        "protein",
        wild_type,
        oracle=str(tmp_path / "gb1.joblib"),
        trust_pickle=True,
        max_mutations=2,
        positions="39-41,54",
        n_samples=6,
    )
    expected = model.predict(one_hot([decode(record).sequence for record in records]))  # type: ignore[union-attr]
    assert [record.scores["fitness"]["value"] for record in records] == pytest.approx(list(expected))
    assert list(expected) == sorted(expected, reverse=True)


def test_proteins_of_other_lengths_have_no_fitness_and_the_reason(tmp_path: Path) -> None:
    from logos_cli.training.assay.regression import train_regression

    variants = ["MKTAYIAKQR"[:place] + "W" + "MKTAYIAKQR"[place + 1 :] for place in range(10)]
    train_regression("protein", variants, np.arange(10.0), method="ridge").write(tmp_path, {})
    for n_free, is_known in ((4, True), (5, False)):
        records = _make("protein", "MKTAYI", template=f"MKTAYI{{X:{n_free}}}", oracle=str(tmp_path), n_samples=3)
        for record in records:
            fitness = record.scores["fitness"]
            assert (fitness["value"] is not None) == ("table_logp" in record.scores) == is_known
            assert is_known or "trained on have 10" in fitness["reason"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"oracle": "false"}, "ended with status 1"),
        ({"oracle": "no-such-program"}, "not found"),
        ({"oracle": "cat", "samples": True}, "--samples ranks nothing"),
        ({"oracle_input": "fasta"}, "needs --oracle"),
    ],
)
def test_an_oracle_that_does_not_work_ends_the_run_before_it_begins(options: dict[str, Any], message: str) -> None:
    with pytest.raises(LogosError, match=message):
        _make("protein", "MKTAYI", max_mutations=1, **options)


def test_proteins_at_large_are_ranked_when_asked() -> None:
    assert len(_make("protein", "MKTAYIAKQR", n_samples=3, max_new_tokens=60)) == 3
    ranked = _make("protein", "MKTAYIAKQR", n_samples=3, top=2, template="MKTAYIAKQR{X:5}")
    assert [record.scores["rank"]["value"] for record in ranked] == [1, 2]


# ---- antibodies ------------------------------------------------------------------------------------------


def _antibodies(shared_data: Path, n: int, *, paired: bool) -> list[dict[str, Any]]:
    found = []
    path = shared_data / "antibodies" / "antibodies.train.jsonl.xz"
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            # long enough at both ends for the domain to be whole
            whole = row.get("cdrh3") and 110 < len(row["heavy"]) < 130 and row["heavy"].endswith("VSS")
            if whole and row.get("cdr_scheme") == "imgt" and (not paired or (row["light"] and row.get("cdrl3"))):
                found.append(row)
            if len(found) == 40 * n:
                return found[::40]
    raise AssertionError("too few antibodies")


@pytest.mark.slow
def test_designs_keep_the_framework_of_real_antibodies(shared_data: Path) -> None:
    pytest.importorskip("anarcii")
    rows = _antibodies(shared_data, 2, paired=False)
    prompts = [Antibody((row["heavy"],)) for row in rows]
    tally = GenerateTally()
    records = _make("antibody", prompts, cdr="H3", length="6-18", n_samples=4, tally=tally)
    assert len(records) == tally.unique
    assert tally.unique + tally.invalid + tally.repeated == 8
    assert tally.invalid == tally.refused.total() < 4
    for number, row in enumerate(rows, 1):
        before, _, after = row["heavy"].rpartition(row["cdrh3"])
        designs = [record for record in records if record.id.startswith(f"prompt:{number}:design")]
        assert designs
        for record in designs:
            loop = record.scores["cdr_h3"]["value"]
            assert 6 <= len(loop) <= 18
            assert record.text == f"<AntibodyS>{before}{loop}{after}<AntibodyE>"
        *logps, given = _logps([*(r.text for r in designs), f"<AntibodyS>{row['heavy']}<AntibodyE>"])
        assert logps == sorted(logps, reverse=True)
        for record, logp in zip(designs, logps, strict=True):
            assert record.scores["delta_logp"]["value"] == pytest.approx(logp - given, abs=2e-3)


@pytest.mark.slow
def test_loops_of_a_pair_are_designed_together(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("anarcii")
    (row,) = _antibodies(shared_data, 1, paired=True)
    light = tmp_path / "light.fasta"
    light.write_text(f">l\n{row['light']}\n", encoding="utf-8")
    records = _make("antibody", Antibody((row["heavy"],)), cdr="H1,H3,L3", light=str(light), n_samples=2)
    for record in records:
        heavy, light_chain = decode(record).chains  # type: ignore[union-attr]
        assert len(heavy) == len(row["heavy"])
        assert len(light_chain) == len(row["light"])
        assert heavy.startswith(row["heavy"][:20])
        assert light_chain.endswith(row["light"].rpartition(row["cdrl3"])[2])
        assert {"cdr_h1", "cdr_h3", "cdr_l3", "delta_logp"} <= set(record.scores)
        assert len(record.scores["cdr_l3"]["value"]) == len(row["cdrl3"])
    (same,) = _make("antibody", f"{row['heavy']}:{row['light']}", cdr="H1,H3,L3", n_samples=1)
    assert same.text in [record.text for record in records]


@pytest.mark.parametrize(
    ("prompt", "options", "error", "message"),
    [
        ("MKTAYIAKQRQISFVK", {"cdr": "H3"}, InputError, "does not number as an antibody"),
        ("MKTAYIAKQRQISFVK", {"cdr": "H4"}, UsageError, "there is no CDR 'H4'"),
        ("MKTAYIAKQRQISFVK", {"length": "8"}, UsageError, "--length needs --cdr"),
        ("MKTAYIAKQRQISFVK", {"sweeps": 1}, UsageError, "--sweeps needs free parts"),
        ("MKTAYIAKQRQISFVK", {"cdr": "H3", "sweeps": -1}, UsageError, "sweeps"),
        ("MKTAYIAKQRQISFVK", {"cdr": "H3", "length": "L3:8"}, UsageError, "not designed"),
        ("MKTAYIAKQRQISFVK", {"cdr": "H3", "template": "MK{X}"}, UsageError, "a template exclude each other"),
        ("MKTAYIAKQRQISFVK", {"cdr": "H3", "constrain": "off"}, UsageError, "--cdr is a constraint"),
        ("MKTAYIAKQRQISFVK", {"cdr": "H3", "light": "no/such.fasta"}, InputError, "no such file"),
        (None, {"cdr": "H3"}, UsageError, "needs an antibody"),
        ("<AntibodyS>EVQ", {"cdr": "H3"}, UsageError, "needs an antibody"),
    ],
)
def test_designs_that_cannot_be(
    prompt: str | None, options: dict[str, Any], error: type[LogosError], message: str
) -> None:
    pytest.importorskip("anarcii")
    with pytest.raises(error, match=message):
        _make("antibody", prompt, **options)


def test_a_light_chain_is_one(tmp_path: Path) -> None:
    pytest.importorskip("anarcii")
    two = tmp_path / "two.fasta"
    two.write_text(">a\nDIQMTQ\n>b\nDIQMTQ\n", encoding="utf-8")
    with pytest.raises(InputError, match="the file holds 2 chains"):
        _make("antibody", "EVQL", cdr="H3", light=str(two))


def test_edits_of_a_light_chain_leave_the_heavy_one_alone() -> None:
    pair = Antibody(("EVQLVESGG", "DIQMTQSPSSLSAS"))
    records = _make("antibody", pair, max_mutations=1, n_samples=4)
    for record in records:
        found = decode(record)
        assert isinstance(found, Antibody)
        assert found.chains[0] == pair.chains[0]
        n_changed = sum(a != b for a, b in zip(found.chains[1], pair.chains[1], strict=True))
        assert record.scores["n_mutations"]["value"] == n_changed <= 1


# ---- scaffolds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scaffold", ["c1ccncc1{X:3,15}", "c1cc({X})ncc1[R2]", "CC(=O)N[*:1]"])
def test_molecules_grow_from_their_scaffold(scaffold: str) -> None:
    core = parse_smiles("CC(=O)N" if scaffold.startswith("CC") else "c1ccncc1")
    records = _make("molecule", scaffold=scaffold, n_samples=6, constrain="chemistry")
    valid = [record for record in records if record.status is Status.OK]
    assert len(valid) >= 5
    for record in valid:
        molecule = decode(record)
        assert isinstance(molecule, Molecule)
        grown = parse_smiles(molecule.smiles)
        assert grown.HasSubstructMatch(core)
        assert grown.GetNumHeavyAtoms() > core.GetNumHeavyAtoms()
    assert len({record.text for record in valid}) > 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scaffold": "c1ccncc1"}, UsageError, "no growth point"),
        ({"scaffold": "c1cc{X}"}, MoleculeError, "not a SMILES by itself"),
        ({"scaffold": "c1ccncc1{Q}"}, GrammarError, "not a free part"),
        ({"scaffold": "c1ccncc1{X}", "template": "C{X}"}, UsageError, "exclude each other"),
        ({"scaffold": "c1ccncc1{X}", "constrain": "off"}, UsageError, "--scaffold is a constraint"),
    ],
)
def test_scaffolds_that_cannot_be(options: dict[str, Any], error: type[LogosError], message: str) -> None:
    with pytest.raises(error, match=message):
        _make("molecule", **options)


def test_a_scaffold_is_the_prompt() -> None:
    with pytest.raises(UsageError, match="--scaffold and a prompt"):
        _make("molecule", "CCO", scaffold="c1ccncc1{X}")


# ---- what is written -------------------------------------------------------------------------------------


def test_a_csv_of_results_has_a_column_a_score() -> None:
    rows = list(csv.DictReader(io.StringIO(_written(_retro(), "csv"))))
    assert [row["scores.rank"] for row in rows] == [str(rank) for rank in range(1, len(rows) + 1)]
    assert {row["product"] for row in rows} == {_AMIDE}
    assert {row["scores.round_trip"] for row in rows} <= {"true", "false"}
    assert {row["sample.n_samples"] for row in rows} == {"32"}


def test_a_table_hoists_what_all_rows_share_and_parts_prompts() -> None:
    first, *rest = _written(_retro()[:3], "table").splitlines()
    assert first == "prompt"
    assert rest[0] == f"product: {_AMIDE}"
    header = next(line for line in rest if line.startswith("rank"))
    assert header.split()[0:2] == ["rank", "frequency"]
    assert header.split()[-1] == "reactants"
    body = rest[rest.index(header) + 1 :]
    assert [line.split()[0] for line in body] == ["1", "2", "3"]
    starts = {len(line) - len(line.split()[-1]) for line in (header, *body)}
    assert len(starts) == 1, "columns are aligned"
    other = [Record(f"x:{n}", "molecule", "<MoleculeS>CC<MoleculeE>", sample={"prompt": "x"}) for n in (1, 2)]
    both = _written([*_retro()[:1], *other], "table")
    assert "\n\nx\nsmiles: CC\nid\nx:1\nx:2\n" in both
    assert _written([], "table") == ""


def test_many_rows_are_pages_side_by_side() -> None:
    reaction = _retro()[0]
    root = ET.fromstring(_written([reaction] * 48, "svg"))
    space = "{http://www.w3.org/2000/svg}"
    pages = root.findall(f"{space}g")
    assert len(pages) == 5
    assert float(root.get("height", 0)) < 2500
    assert [page.findall(f"{space}text")[-1].text for page in pages][-1] == "page 5 of 5"
    assert sum(len(page.findall(f"{space}svg")) for page in pages) == 48
    widths = [float(page.find(f"{space}svg").get("width", "").removesuffix("px")) for page in pages]  # type: ignore[union-attr]
    starts = [float(page.get("transform", "").removeprefix("translate(").partition(",")[0]) for page in pages]
    assert all(right >= left + width for left, width, right in zip(starts, widths, starts[1:], strict=False))
    assert starts[-1] + widths[-1] <= float(root.get("width", 0))


def test_a_drawing_holds_every_record() -> None:
    material = Record(
        "m", "material", "<MaterialS><MetalS>[Zn]<MetalE><MoleculeS>CC<MoleculeE><MoleculeS>CC<MoleculeE><MaterialE>"
    )
    molecules = [Record(f"a<{n}>", "molecule", "<MoleculeS>CCO<MoleculeE>") for n in range(5)]
    root = ET.fromstring(_written([*_retro()[:2], *molecules, material], "svg"))
    space = "{http://www.w3.org/2000/svg}"
    titles = [node.text for node in root.findall(f"{space}text")]
    assert titles[0] is not None
    assert titles[0].startswith("prompt:reaction1 · frequency ")
    assert titles[2] == "a<0>"
    drawings = root.findall(f"{space}svg")
    assert len(drawings) == 8
    boxes = [
        tuple(float(node.get(name, "").removesuffix("px")) for name in ("x", "y", "width", "height"))
        for node in drawings
    ]
    for number, (x, y, width, height) in enumerate(boxes):
        assert x + width <= float(root.get("width", 0))
        assert y + height <= float(root.get("height", 0))
        for left, top, wide, high in boxes[:number]:
            apart = x >= left + wide or left >= x + width or y >= top + high or top >= y + height
            assert apart, "drawings do not overlap"
    with pytest.raises(UsageError, match="no molecule to draw"):
        writers()["svg"](io.StringIO(), WriteOptions()).write(Record("p", "protein", ""), Protein("MK"))
