"""Top-k of reactions on sets small enough to count by hand, and on USPTO-50K's own test reactions."""

from __future__ import annotations

import csv
import json
import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from logos_cli.backends.base import LoadOptions
from logos_cli.errors import GrammarError, InputError, LogosError
from logos_cli.evaluators.base import Context, Subject, Unavailable
from logos_cli.evaluators.reactions.plugin import PLUGIN
from logos_cli.evaluators.reactions.ranking import (
    Answer,
    Proposal,
    canonical_answer,
    largest_molecule,
    max_frag_rank,
    prompt_of,
    rank_of,
    ranked_answers,
    top_k,
)
from logos_cli.evaluators.reference import ReferenceSet
from logos_cli.grammar import Form, parse
from logos_cli.objects.base import from_sentence, to_text
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record

ESTER = "CCOC(C)=O"
ACID, ALCOHOL, CHLORIDE = "CC(=O)O", "CCO", "CC(=O)Cl"
ALL = tuple(metric.name for metric in (*PLUGIN.metrics, *PLUGIN.summary_metrics))


def subject(reactants: Sequence[str], product: str = ESTER, form: Form = Form.RETROSYNTHESIS, **more: Any) -> Subject:
    return read(to_text(Reaction(tuple(reactants), product), form), form, **more)


def read(text: str, form: Form = Form.RETROSYNTHESIS, **more: Any) -> Subject:
    record = Record("x", form.value, text, **more)
    try:
        return Subject(record, from_sentence(parse(text, form)), form)
    except GrammarError as error:
        return Subject(record, None, form, error)


def truth_of(path: Path, lines: Sequence[str]) -> Context:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Context(truth=ReferenceSet(str(path)))


def figures(subjects: Sequence[Subject], context: Context) -> dict[str, Any]:
    seen = [PLUGIN.observe(each, context) for each in subjects]
    return {name: each.value for name, each in PLUGIN.summarise(seen, ALL, context).items()}


def test_order_atom_maps_writing_and_parting_do_not_matter() -> None:
    wanted = canonical_answer([ALCOHOL, ACID])
    assert canonical_answer(["OCC", "OC(C)=O"]) == wanted
    assert canonical_answer(["OCC.OC(C)=O"]) == wanted
    assert canonical_answer(["[CH3:1][CH2:2][OH:3]", "[CH3:4][C:5](=[O:6])[OH:7]"]) == wanted
    assert canonical_answer([ALCOHOL, ALCOHOL, ACID]) != wanted, "a multiset, not a set"
    assert canonical_answer(["C[C@H](N)O"]) != canonical_answer(["C[C@@H](N)O"]), "isomeric"


def test_answers_are_ranked_by_frequency_then_likelihood_without_repeats() -> None:
    a, b, c, d = (("C",), ("CC",), ("CCC",), ("CCCC",))
    proposals = [
        Proposal(a, -1.0),
        Proposal(b, -5.0),
        Proposal(b, -6.0),
        Proposal(None, -0.1),
        Proposal(c, -0.5),
        Proposal(d, None),
    ]
    assert ranked_answers(proposals) == [b, c, a, d]
    assert ranked_answers([Proposal(a, -9.0, 2), Proposal(b, -1.0, 3), Proposal(a, -1.0, 1)]) == [a, b]
    assert ranked_answers([]) == []
    assert ranked_answers([Proposal(b, None), Proposal(a, None), Proposal(b, None), Proposal(a, None)]) == [b, a]
    assert ranked_answers([Proposal(d, -1.0), Proposal(a, -1.0), Proposal(c, -1.0)]) == [d, a, c], (
        "ties: order of the file"
    )
    assert rank_of(a, [b, c, a]) == 3
    assert rank_of(d, [b, c, a]) is None


def test_max_frag_looks_at_the_largest_molecule_only() -> None:
    truth: Answer = ("CCCC", "O")
    assert largest_molecule(truth) == "CCCC"
    assert max_frag_rank(truth, [("C", "CC"), ("CC", "N"), ("CCCC", "N")]) == 2, "CC is counted once"
    assert max_frag_rank(truth, [("C",)]) is None


def test_top_k_counts_right_answers_that_were_not_found() -> None:
    ranks = [1, 4, None, 2]
    assert [top_k(ranks, k).value for k in (1, 3, 5)] == [0.25, 0.5, 0.75]
    assert top_k(ranks, 1).n == 4
    assert top_k([], 1).value is None


def test_the_prompt_of_a_malformed_answer_is_known() -> None:
    whole = to_text(Reaction((ACID, ALCOHOL), ESTER), Form.RETROSYNTHESIS)
    assert prompt_of(whole[:-4], Form.RETROSYNTHESIS) == (ESTER,)
    forward = to_text(Reaction((ALCOHOL, ACID), ESTER), Form.REACTION)
    assert prompt_of(forward, Form.REACTION) == canonical_answer((ACID, ALCOHOL))
    assert prompt_of("<MoleculeS>CC", Form.RETROSYNTHESIS) is None


def test_values_of_single_proposals(tmp_path: Path) -> None:
    context = truth_of(tmp_path / "truth.smi", [f"{ALCOHOL}.{ACID}>>{ESTER}", f"CCCO.{ACID}>>CCCOC(C)=O"])
    PLUGIN.prepare(ALL, context)
    right = PLUGIN.score(subject([ACID, "OCC"]), ALL, context)
    assert right == {
        "reaction_valid": True,
        "balanced": True,
        "atom_economy": pytest.approx(83.02, abs=0.01),
        "exact_match": True,
        "max_frag_match": True,
    }
    wrong = PLUGIN.score(subject([ALCOHOL, CHLORIDE]), ALL, context)
    assert (wrong["exact_match"], wrong["max_frag_match"]) == (False, False)
    half = PLUGIN.score(subject([ACID, "C"]), ALL, context)
    assert half["max_frag_match"] is True
    assert half["exact_match"] is False
    assert half["balanced"] is False
    assert isinstance(half["atom_economy"], Unavailable)
    assert "1 C" in half["atom_economy"].reason
    unknown = PLUGIN.score(subject([ACID], "CCCCC"), ALL, context)
    assert isinstance(unknown["exact_match"], Unavailable)


def test_a_molecule_that_rdkit_rejects_is_no_answer(tmp_path: Path) -> None:
    context = truth_of(tmp_path / "truth.smi", [f"{ALCOHOL}.{ACID}>>{ESTER}"])
    values = PLUGIN.score(subject(["C1CC", ALCOHOL]), ALL, context)
    assert values["reaction_valid"] is False
    assert values["exact_match"] is False
    assert isinstance(values["balanced"], Unavailable)


def test_figures_of_a_set_counted_by_hand(tmp_path: Path) -> None:
    """Two products asked, one not: the ester's right answer is second, that of the amide is not given."""
    context = truth_of(
        tmp_path / "truth.smi", [f"{ALCOHOL}.{ACID}>>{ESTER}", "CN.CC(=O)Cl>>CNC(C)=O", "CCCO.CC(=O)O>>CCCOC(C)=O"]
    )
    ester = [
        subject([ALCOHOL, CHLORIDE], sample={"logp": -2.0}),
        subject([CHLORIDE, ALCOHOL], sample={"logp": -3.0}),
        subject([ALCOHOL, ACID], sample={"logp": -1.0}),
        read(to_text(Reaction((ACID,), ESTER), Form.RETROSYNTHESIS)[:-3]),
    ]
    amide = [subject(["CN", "CC(=O)O"], "CNC(C)=O"), subject(["C(", "C"], "CNC(C)=O")]
    found = figures([*ester, *amide], context)
    assert [found[f"top_{k}"] for k in (1, 3, 5, 10, 50)] == [0.0, 0.5, 0.5, 0.5, 0.5]
    assert [found[f"top_{k}_max_frag"] for k in (1, 3)] == [0.0, 0.5]
    assert found["truth_asked"] == pytest.approx(2 / 3)
    assert found["readable_rate"] == pytest.approx(4 / 6)
    assert found["round_trip_rate"] is None


def test_ranks_of_records_are_kept_and_directions_are_not_mixed(tmp_path: Path) -> None:
    context = truth_of(tmp_path / "truth.smi", [f"{ALCOHOL}.{ACID}>>{ESTER}"])
    ranked = [
        subject([ALCOHOL, CHLORIDE], scores={"rank": {"value": 2}, "round_trip": {"value": False}}),
        subject([ALCOHOL, ACID], scores={"rank": {"value": 1}, "round_trip": {"value": True}}),
    ]
    found = figures(ranked, context)
    assert found["top_1"] == 1.0
    assert (found["round_trip_rate"], found["round_trip_coverage"]) == (0.5, 1.0)
    mixed = [*ranked, subject([ALCOHOL, ACID], form=Form.REACTION)]
    seen = [PLUGIN.observe(each, context) for each in mixed]
    figure = PLUGIN.summarise(seen, ALL, context)["top_1"]
    assert figure.value is None
    assert "mix both directions" in (figure.reason or "")


def test_the_forward_direction(tmp_path: Path) -> None:
    context = truth_of(tmp_path / "truth.smi", [f"{ALCOHOL}.{ACID}>>{ESTER}"])
    asked = [
        subject([ACID, ALCOHOL], product, Form.REACTION, sample={"logp": logp})
        for product, logp in (("CCO", -1.0), ("CC(=O)OCC", -2.0))
    ]
    found = figures(asked, context)
    assert (found["top_1"], found["top_3"]) == (0.0, 1.0)


def test_the_model_of_the_run_says_what_reactants_lead_to(monkeypatch: pytest.MonkeyPatch) -> None:
    from logos_cli import generate
    from logos_cli.evaluators.reactions import forward_model

    load = LoadOptions(device="cpu", dtype="float32", threads=1)
    context = Context(load=load)
    # in the order in which the score writes them: the model's answer depends on it
    (made,) = generate("reaction", f"{ACID}.{ALCOHOL}", n_samples=1, temperature=0.0, dtype="float32", device="cpu")
    predicted = parse(made.text, Form.REACTION).right[0].payload
    other = "CCCCCCCCCCCC"
    subjects = [
        subject([ACID, ALCOHOL], predicted),
        subject([ALCOHOL, ACID], other),
        subject(["C("], other),
        subject([ACID, ALCOHOL], predicted, Form.REACTION),
    ]
    asked = []
    products_of = forward_model.products_of
    monkeypatch.setattr(
        forward_model, "products_of", lambda sets, *rest: asked.extend(sets) or products_of(sets, *rest)
    )
    PLUGIN.prepare(["round_trip"], context)
    found = [values["round_trip"] for values in PLUGIN.score_batch(subjects, ["round_trip"], context)]
    assert found[:2] == [True, False]
    assert isinstance(found[2], Unavailable)
    assert isinstance(found[3], Unavailable)
    assert "retrosynthesis" in found[3].reason
    assert asked == [canonical_answer([ACID, ALCOHOL])]  # once for both
    rates = figures(subjects[:2], context)
    assert (rates["round_trip_rate"], rates["round_trip_coverage"]) == (0.5, 0.5)
    PLUGIN.prepare([], context)
    assert figures(subjects[:2], context)["round_trip_rate"] is None


def test_reactants_that_the_model_cannot_read_have_no_round_trip() -> None:
    context = Context(load=LoadOptions(device="cpu", dtype="float32", threads=1))
    long = subject(["C" * 3000], "CC")
    (values,) = PLUGIN.score_batch([long], ["round_trip"], context)
    told = values["round_trip"]
    assert isinstance(told, Unavailable)
    assert "the model reads at most 2048" in told.reason


def test_a_truth_of_another_kind_is_refused(tmp_path: Path) -> None:
    context = truth_of(tmp_path / "molecules.smi", ["CCO", "CCC"])
    with pytest.raises(InputError, match="no reactions"):
        PLUGIN.prepare(["top_1"], context)


def test_the_right_answers_of_uspto_find_themselves(shared_data: Path, tmp_path: Path) -> None:
    """Answers given as they stand are right whatever atom maps and order the truth has."""
    with lzma.open(shared_data / "reactions" / "uspto50k.csv.xz", "rt", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "test"][:200]
    context = truth_of(
        tmp_path / "truth.smi", [f"{'.'.join(reversed(row['reactants'].split('.')))}>>{row['product']}" for row in rows]
    )
    asked = [subject(row["reactants"].split("."), row["product"], scores={"rank": {"value": 1}}) for row in rows]
    found = figures(asked, context)
    assert found["top_1"] == found["truth_asked"] == found["readable_rate"] == 1.0
    for each in asked[:20]:
        assert PLUGIN.score(each, ALL, context)["exact_match"] is True


def test_observations_travel_between_processes(tmp_path: Path) -> None:
    import pickle

    seen = PLUGIN.observe(subject([ACID, ALCOHOL]), Context())
    assert pickle.loads(pickle.dumps(seen)) == seen
    assert json.loads(json.dumps(PLUGIN.score(subject([ACID, ALCOHOL]), ALL, Context())))["reaction_valid"]


def test_errors_are_those_of_the_library() -> None:
    with pytest.raises(LogosError):
        canonical_answer(["C1CC"])
