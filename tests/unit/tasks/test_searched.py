"""Answers of beam searches with the shipped model."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pytest

from logos_cli import generate
from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.chemistry.smiles import canonical_smiles
from logos_cli.chemistry.smiles_variants import along
from logos_cli.engine.likelihood import Likelihood, ScoredText, answer_start
from logos_cli.errors import UsageError
from logos_cli.formats.base import Entry
from logos_cli.grammar import Form, parse
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record, Status
from logos_cli.workflows.decode import decode
from logos_cli.workflows.generate.tally import GenerateTally

_AMIDE = "CC(=O)Nc1ccc(OCc2ccccc2)cc1"
_REACTANTS = "CC(=O)Cl.Nc1ccc(OCc2ccccc2)cc1"


def _make(task: str, prompts: Any = None, **options: Any) -> list[Record]:
    return list(generate(task, prompts, device="cpu", threads=1, **options))


@cache
def _found(task: str) -> list[Record]:
    return _make(task, _AMIDE if task == "retrosynthesis" else _REACTANTS)


@cache
def _likelihood() -> Likelihood:
    checkpoint = open_model(LoadOptions(device="cpu", threads=1))
    return Likelihood(checkpoint.load(), checkpoint.context_tokens)


def _logp_of_answer(text: str, form: Form) -> float:
    """Return the log-probability of what stands after the operator and its tag, as the model reads it."""
    (scored,) = _likelihood().score([text])
    assert isinstance(scored, ScoredText)
    start = answer_start(parse(text, form))
    return float(scored.between(start, len(text)).sum())


def _reaction(record: Record) -> Reaction:
    found = decode(record)
    assert isinstance(found, Reaction)
    return found


def _block(smiles: str) -> str:
    return f"{Kind.MOLECULE.start}{smiles}{Kind.MOLECULE.end}"


@pytest.mark.parametrize("task", ["reaction", "retrosynthesis"])
def test_answers_are_distinct_and_told_how_they_were_found(task: str) -> None:
    found = _found(task)
    assert len({record.text for record in found}) == len(found) >= 3
    for rank, record in enumerate(found, 1):
        assert record.status is Status.OK
        assert record.scores["rank"]["value"] == rank
        assert record.scores["probability"]["value"] == pytest.approx(
            math.exp(record.scores["logp"]["value"]), rel=1e-3
        )
        assert "frequency" not in record.scores
        sample = record.sample
        assert (sample["method"], sample["beam"], sample["n_samples"]) == ("beam search", 10, 10)
        assert not {"seed", "temperature", "top_p", "repetition_penalty"} & sample.keys()


def test_sets_of_reactants_are_ranked_by_their_likelihood_and_have_it() -> None:
    found = _found("retrosynthesis")
    logps = [record.scores["logp"]["value"] for record in found]
    assert logps == sorted(logps, reverse=True)
    samples = _make("retrosynthesis", _AMIDE, beam=10, samples=True)
    assert len(samples) == 10
    own = [sample.sample["logp"] for sample in samples]
    assert own == sorted(own, reverse=True)
    opening = len(f"{_block(_AMIDE)}{Operator.REVERSE_REACT}{Kind.MOLECULE.start}")
    (scored,) = _likelihood().score([samples[0].text])
    assert isinstance(scored, ScoredText)
    # the end of the text, which the search counts as well, is no character
    assert own[0] <= float(scored.between(opening, len(samples[0].text)).sum()) + 1e-3


def test_texts_of_one_answer_count_together() -> None:
    """The likelihood of an answer is that of all of its texts that were found."""
    by_id = {sample.id: sample for sample in _make("reaction", _REACTANTS, beam=10, samples=True)}
    several = 0
    for record in _found("reaction"):
        texts = [by_id[id] for id in record.sample["samples"]]
        answers = {canonical_smiles(_reaction(text).product) for text in texts}
        assert answers == {canonical_smiles(_reaction(record).product)}
        together = math.log(sum(math.exp(text.sample["logp"]) for text in texts))
        assert record.scores["logp"]["value"] == pytest.approx(together, abs=2e-3)
        several += len(texts) > 1
    assert several


def test_products_are_ranked_by_the_likelihood_in_both_directions() -> None:
    found = _found("reaction")
    both = [record.scores["logp"]["value"] + record.scores["logp_backward"]["value"] for record in found]
    assert both == sorted(both, reverse=True)
    assert _reaction(found[0]).product == canonical_smiles(_AMIDE)
    reactants = sorted(map(canonical_smiles, _REACTANTS.split(".")))
    for record in found[:3]:
        product = _reaction(record).product
        texts = {
            _block(product) + Operator.REVERSE_REACT + "".join(map(_block, spelling))
            for spelling in (reactants, along(reactants, product))
        }
        logps = [_logp_of_answer(text, Form.RETROSYNTHESIS) for text in texts]
        together = math.log(sum(map(math.exp, logps)))
        assert record.scores["logp_backward"]["value"] == pytest.approx(together, abs=2e-3)


def test_forward_only_is_the_order_of_the_products_alone() -> None:
    found = _make("reaction", _REACTANTS, directions="forward")
    logps = [record.scores["logp"]["value"] for record in found]
    assert logps == sorted(logps, reverse=True)
    assert "logp_backward" not in found[0].scores
    assert {record.text for record in found} == {record.text for record in _found("reaction")}


def test_the_best_are_taken_after_both_directions_are_known() -> None:
    assert [record.text for record in _make("reaction", _REACTANTS, top=2)] == [
        record.text for record in _found("reaction")[:2]
    ]


def test_neither_seed_nor_neighbours_change_the_answers() -> None:
    alone = [(record.text, record.scores["rank"]) for record in _found("retrosynthesis")]
    prompts = [Entry(f"p{n}", Molecule(smiles)) for n, smiles in enumerate(("CCOC(C)=O", _AMIDE, "CC(=O)NC"))]
    beside = [record for record in _make("retrosynthesis", prompts, seed=5) if record.sample["prompt"] == "p1"]
    assert [(record.text, record.scores["rank"]) for record in beside] == alone


def test_several_processes_find_the_same() -> None:
    prompts = [Entry(f"p{n}", Molecule(smiles)) for n, smiles in enumerate((_AMIDE, "CCOC(C)=O", "CC(=O)NC"))]
    one = _make("retrosynthesis", prompts, beam=12)
    two = list(generate("retrosynthesis", prompts, devices="cpu,cpu", threads=1, batch_size=24, beam=12))
    assert [(record.id, record.text) for record in two] == [(record.id, record.text) for record in one]


def test_a_wider_beam_finds_more_and_keeps_the_best() -> None:
    wide = _make("retrosynthesis", _AMIDE, beam=25)
    assert wide[0].sample["beam"] == 25
    assert len(wide) > len(_found("retrosynthesis"))
    assert wide[0].text == _found("retrosynthesis")[0].text


@pytest.mark.parametrize("choice", [{"n_samples": 4}, {"temperature": 1.0}, {"until": "valid=2"}, {"samples": True}])
def test_what_asks_for_samples_gets_them(choice: dict[str, Any]) -> None:
    tally = GenerateTally()
    records = _make("reaction", "CCO.CC(=O)O", tally=tally, **choice)
    assert tally.requested > 0
    assert all("beam" not in record.sample and "temperature" in record.sample for record in records)


def test_without_a_prompt_reactions_are_drawn() -> None:
    first, second = (_make("reaction", n_samples=None, seed=seed)[0] for seed in (1, 2))
    assert first.text != second.text
    assert "temperature" in first.sample


@pytest.mark.parametrize("task", ["molecule", "protein"])
def test_any_task_searches_on_request(task: str) -> None:
    made = _make(task, "CCO" if task == "molecule" else "MKT", beam=3, max_new_tokens=12)
    logps = [record.sample["logp"] for record in made if record.sample["finish"] == "stop"]
    assert len(made) == 3
    assert logps == sorted(logps, reverse=True)
    assert made[0].sample["beam"] == 3


def test_a_search_takes_a_template_and_sweeps_nothing() -> None:
    made = _make("protein", template="MK{X:2}DE", beam=4)
    assert len({record.text for record in made}) == 4
    assert all(record.status is Status.OK and record.sample["options"]["sweeps"] == 0 for record in made)


@pytest.mark.parametrize(
    ("task", "choice", "fault"),
    [
        ("reaction", {"beam": 5, "n_samples": 3}, "n-samples"),
        ("reaction", {"beam": 5, "top_p": 0.5}, "top-p"),
        ("reaction", {"beam": 0}, "must be 1 or more"),
        ("reaction", {"directions": "both", "n_samples": 3}, "beam search"),
        ("reaction", {"directions": "both", "temperature": 1.0}, "beam search"),
        ("molecule", {"beam": 5, "constrain": "chemistry"}, "chemistry"),
        ("protein", {"beam": 5, "max_mutations": 2}, "edit"),
        ("protein", {"beam": 5, "template": "MK{X:2}DE", "sweeps": 2}, "sweeps"),
        ("site", {"beam": 5}, "no beam search"),
    ],
)
def test_what_excludes_a_search_is_refused(task: str, choice: dict[str, Any], fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        _make(task, "MKTAYIAKQR" if task in ("protein", "site") else "CCO.CC(=O)O", **choice)
