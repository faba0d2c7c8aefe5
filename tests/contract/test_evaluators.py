"""What every family of metrics owes to those who use it."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace

import pytest

from logos_cli import registry
from logos_cli.evaluators.base import Context, Evaluator, Subject
from logos_cli.grammar import Form, parse
from logos_cli.objects.base import from_sentence
from logos_cli.records import Record
from logos_cli.workflows.score.batches import score_batch
from logos_cli.workflows.score.metrics import Selection, catalogue, evaluators, select

NAMES = registry.names("evaluators")
_LONG = "plausibility_"
"""Figures for which a large model looks at every residue; tests of the family have them."""
_SENTENCES = {
    Form.PROTEIN: "<ProteinS>MKTAYIAKQR<ProteinE>",
    Form.ANTIBODY: "<AntibodyS>EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKGRFTISADTSKNTAYLQ"
    "MNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS<AntibodyE>",
    Form.MOLECULE: "<MoleculeS>CCO<MoleculeE>",
    Form.SITE: "<ProteinS>MK<PocketS>T<PocketE>AYI<ProteinE>",
    Form.SEARCH: "<ProteinS>MKTAYI<ProteinE><Search><ProteinS>MK<PocketS>T<PocketE>AYI<ProteinE>",
    Form.COMPLEX: "<ProteinS>MK<PocketS>T<PocketE>AYI<ProteinE><MoleculeS>CCO<MoleculeE>",
    Form.MATERIAL: "<MaterialS><MetalS>[Zn]<MetalE><MoleculeS>O=C([O-])c1ccc(C(=O)[O-])cc1<MoleculeE><MaterialE>",
    Form.REACTION: "<MoleculeS>CC(=O)O<MoleculeE><MoleculeS>CO<MoleculeE><React><MoleculeS>CC(=O)OC<MoleculeE>",
    Form.RETROSYNTHESIS: "<MoleculeS>CC(=O)OC<MoleculeE><ReverseReact><MoleculeS>CC(=O)O<MoleculeE>"
    "<MoleculeS>CO<MoleculeE>",
}


def _subjects() -> list[Subject]:
    found = []
    for form, text in _SENTENCES.items():
        sentence = parse(text)
        assert sentence.form is form
        found.append(Subject(Record(form.value, form.value, text), from_sentence(sentence), form))
        found.append(Subject(Record(f"bad {form}", form.value, text[:-3]), None, form))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_plugin_is_named_as_its_file_and_explains_itself(name: str) -> None:
    family: Evaluator = registry.load("evaluators", name)
    assert isinstance(family, Evaluator)
    assert family.name == name
    assert family.help.endswith(".")
    assert family.forms
    for metric in (*family.metrics, *family.summary_metrics):
        assert re.fullmatch(r"[a-z][a-z0-9_]*#?", metric.name), metric.name
        assert metric.help.endswith("."), metric.name
        assert metric.source or metric.better is None, metric.name
        assert metric.version, metric.name


def test_names_are_unique_among_families() -> None:
    names = [m.name for family in evaluators().values() for m in (*family.metrics, *family.summary_metrics)]
    assert sorted(names) == sorted(set(names))
    assert set(names) == set(catalogue())
    assert not set(names) & {*NAMES, "default", "all", "none"}


@pytest.mark.parametrize("name", NAMES)
def test_every_form_gives_values_and_observations_that_travel(name: str) -> None:
    context = Context()
    whole = select((name,), (), context)
    records = {
        family: tuple(each for each in names if not each.startswith(_LONG)) for family, names in whole.records.items()
    }
    selection = replace(whole, records=records)
    subjects = _subjects()
    family = evaluators()[name]
    family.prepare(selection.wanted(name), context)
    outcomes = score_batch(subjects, selection, context, [name])
    known = {*selection.records.get(name, ())}
    for subject, outcome in zip(subjects, outcomes, strict=True):
        for metric in known - {each for each in known if each.endswith("#")}:
            score = outcome.scores[metric]
            assert (score["value"] is None) == ("reason" in score), (metric, score)
            assert score["version"]
        if subject.form in family.forms and subject.item is not None:
            assert set(outcome.scores) <= known | {each for each in outcome.scores if re.search(r"\d$", each)}
        pickle.loads(pickle.dumps((subject, outcome)))
    seen = [outcome.observations[name] for outcome in outcomes if name in outcome.observations]
    figures = family.summarise(seen, selection.sets.get(name, ()), context)
    assert set(figures) <= set(selection.sets.get(name, ()))
    for figure in figures.values():
        assert figure.value is not None or figure.reason


@pytest.mark.parametrize("name", NAMES)
def test_batches_give_what_single_records_give(name: str) -> None:
    family, context = evaluators()[name], Context()
    selection: Selection = select((name,), (), context)
    wanted = [each for each in selection.records.get(name, ()) if not catalogue()[each].metric.needs]
    subjects = [each for each in _subjects() if each.item is not None and each.form in family.forms]
    if wanted:
        together = family.score_batch(subjects, wanted, context)
        assert [family.score_batch([each], wanted, context)[0] for each in subjects] == together
