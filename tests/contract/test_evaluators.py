"""What every family of scores keeps to."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter

import pytest

from logos_cli import registry
from logos_cli.evaluators.base import Context, Estimate, Evaluator, Need, Subject, Unavailable
from logos_cli.grammar import FORMS, Form, parse
from logos_cli.objects.base import from_sentence
from logos_cli.records import Record

FAMILIES: dict[str, Evaluator] = registry.load_all("evaluators")
SENTENCES = {
    Form.PROTEIN: "<ProteinS>MKVLAA<ProteinE>",
    Form.ANTIBODY: "<AntibodyS>EVQLVES<AntibodyE>",
    Form.MOLECULE: "<MoleculeS>c1ccccc1CO<MoleculeE>",
    Form.REACTION: "<MoleculeS>CCO<MoleculeE><MoleculeS>CC(=O)O<MoleculeE><React><MoleculeS>CCOC(C)=O<MoleculeE>",
    Form.RETROSYNTHESIS: "<MoleculeS>CCOC(C)=O<MoleculeE><ReverseReact><MoleculeS>CCO<MoleculeE>",
    Form.MATERIAL: "<MaterialS><MetalS>[Zn]<MetalE><MoleculeS>CC(=O)O<MoleculeE><MaterialE>",
    Form.SEARCH: "<ProteinS>MKV<ProteinE><Search><ProteinS>M<PocketS>K<PocketE>V<ProteinE>",
    Form.SITE: "<ProteinS>M<PocketS>K<PocketE>V<ProteinE>",
    Form.COMPLEX: "<ProteinS>M<PocketS>K<PocketE>V<ProteinE><MoleculeS>CCO<MoleculeE>",
}


def subject(form: Form) -> Subject:
    text = SENTENCES[form]
    return Subject(Record("x", form.value, text), from_sentence(parse(text, form)), form)


def cheap(family: Evaluator) -> list[str]:
    return [metric.name for metric in family.metrics if not metric.needs]


def test_names_of_scores_are_unique_among_all_families() -> None:
    names = Counter(
        metric.name for family in FAMILIES.values() for metric in (*family.metrics, *family.summary_metrics)
    )
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_describes_itself(name: str) -> None:
    family = FAMILIES[name]
    assert family.name == name
    assert family.help.endswith((".", ")"))
    assert family.forms <= set(FORMS)
    for metric in (*family.metrics, *family.summary_metrics):
        assert metric.help.strip().endswith("."), metric.name
        assert metric.version, metric.name
        assert set(metric.needs) <= set(Need), metric.name


@pytest.mark.parametrize(
    ("name", "form"),
    [(name, form) for name, family in FAMILIES.items() for form in SENTENCES if form in family.forms],
)
def test_values_are_what_was_declared(name: str, form: Form) -> None:
    family, context = FAMILIES[name], Context()
    wanted = cheap(family)
    (values,) = family.score_batch([subject(form)], wanted, context)
    assert set(values) <= {metric.name for metric in family.metrics}
    assert set(wanted) <= set(values), "each is there, or says why not"
    for value in values.values():
        assert isinstance(value, float | int | bool | str | Unavailable)
        if isinstance(value, Unavailable):
            assert value.reason
    seen = family.observe(subject(form), context)
    assert pickle.loads(pickle.dumps(seen)) == seen or "nan" in repr(seen)


@pytest.mark.parametrize("name", FAMILIES)
def test_figures_without_records_claim_nothing(name: str) -> None:
    family = FAMILIES[name]
    wanted = [metric.name for metric in family.summary_metrics if not metric.needs]
    found = family.summarise([], wanted, Context())
    assert set(found) <= {metric.name for metric in family.summary_metrics}
    for figure in found.values():
        assert isinstance(figure, Estimate)
        assert figure.n == 0
        assert not figure.value


def test_loading_the_families_loads_no_heavy_library() -> None:
    code = (
        "import sys; from logos_cli import registry; registry.load_all('evaluators');"
        "print([name for name in ('numpy', 'scipy', 'rdkit', 'torch', 'gemmi', 'anarcii', 'rapidfuzz')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
