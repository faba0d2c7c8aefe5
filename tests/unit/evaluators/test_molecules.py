"""Molecules as records are scored, alone and as a set, beside a reference set and what logos-nano knows."""

from __future__ import annotations

import builtins
import math
import pickle

import pytest

from logos_cli.errors import InputError, LogosError, MissingError, is_out_of_memory
from logos_cli.evaluators.base import Context, Subject, Unavailable
from logos_cli.evaluators.molecules import properties, reference
from logos_cli.evaluators.molecules.plugin import PLUGIN
from logos_cli.evaluators.novelty import KeyKind, embedded_index
from logos_cli.evaluators.reference import ReferenceSet
from logos_cli.grammar import Form
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.records import Record
from tests.molecule_sets import generated_set, reference_set

METRICS = [metric.name for metric in PLUGIN.metrics]
FIGURES = [metric.name for metric in PLUGIN.summary_metrics]
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
ALONE = Context()


def subject(smiles: str | None) -> Subject:
    item = None if smiles is None else Molecule(smiles)
    return Subject(Record("1", Form.MOLECULE, ""), item, Form.MOLECULE, None if item else LogosError("cut"))


def score(smiles: str, context: Context = ALONE) -> dict:
    return PLUGIN.score(subject(smiles), METRICS, context)


def figures(smiles: list[str | None], context: Context = ALONE) -> dict:
    seen = [PLUGIN.observe(subject(each), context) for each in smiles]
    return PLUGIN.summarise(pickle.loads(pickle.dumps(seen)), FIGURES, context)


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Context:
    path = tmp_path_factory.mktemp("reference") / "known.smi"
    path.write_text("\n".join([*reference_set(), ASPIRIN]) + "\n", encoding="utf-8")
    return Context(reference=ReferenceSet(str(path)))


def test_aspirin():
    found = score(ASPIRIN)
    # PubChem CID 2244: 180.16 g/mol, 63.6 Å², 1 donor, 13 heavy atoms; DrugBank: QED of Bickerton et al. 0.55
    assert found["mw"] == pytest.approx(180.16, abs=0.01)
    assert found["tpsa"] == pytest.approx(63.6, abs=0.01)
    assert (found["hbd"], found["heavy_atoms"], found["rings"], found["lipinski_violations"]) == (1, 13, 1, 0)
    assert found["qed"] == pytest.approx(0.55, abs=0.01)
    assert found["fsp3"] == pytest.approx(1 / 9)  # one of nine carbons, not of 13 atoms
    assert found["scaffold"] == "c1ccccc1"
    assert found["alerts"] == "Brenk phenol_ester"
    assert (found["pains"], found["brenk"]) == (0, 1)
    assert found["molecule_valid"] is True
    assert 1 < found["sa"] < 2.5
    assert isinstance(found["molecule_novel"], Unavailable)


def test_alerts_are_named():
    found = score("O=C1C(=Cc2ccccc2)SC(=S)N1CC")
    assert found["pains"] == 1
    assert found["alerts"].startswith("PAINS ene_rhod_A(235); Brenk ")
    assert found["moses_filters"] is False


def test_a_molecule_that_is_none_says_why():
    found = score("c1ccccc")
    assert found.pop("molecule_valid") is False
    assert {type(value) for value in found.values()} == {Unavailable}
    assert "unclosed ring" in found["qed"].reason


def test_what_has_no_carbon_has_no_share_of_them():
    found = score("O")
    assert found["fsp3"] == Unavailable("the molecule has no carbon")
    assert found["scaffold"] == ""


def test_the_ligand_of_a_complex_is_scored():
    ligand = Subject(Record("1", Form.COMPLEX, ""), Complex((Protein("MK", (0,)),), ASPIRIN), Form.COMPLEX)
    assert PLUGIN.score(ligand, ["qed"], ALONE) == {"qed": score(ASPIRIN)["qed"]}


def test_batches_are_scored_as_single_records(context):
    smiles = generated_set()[:40]
    rows = PLUGIN.score_batch([subject(each) for each in smiles], METRICS, context)
    assert [repr(row) for row in rows] == [repr(score(each, context)) for each in smiles]


def test_without_contrib_there_is_no_sa_and_a_reason(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("rdkit.Contrib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    properties.sa_scorer.cache_clear()
    try:
        PLUGIN.prepare(["sa"], ALONE)
        found = score("CCCCCCCC")
    finally:
        properties.sa_scorer.cache_clear()
        properties.measure.cache_clear()
    assert "Contrib/SA_Score" in found["sa"].reason
    assert "pip install" in found["sa"].reason
    assert found["qed"] > 0


def test_lack_of_memory_for_a_library_is_no_property_of_a_molecule(monkeypatch):
    real = builtins.__import__

    def without_memory(name, *args, **kwargs):
        if name.startswith("rdkit.Contrib"):
            raise ImportError("sascorer.so: failed to map segment from shared object")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_memory)
    properties.sa_scorer.cache_clear()
    try:
        with pytest.raises(MissingError) as caught:
            score("CCCCCCCC")
    finally:
        properties.sa_scorer.cache_clear()
        properties.measure.cache_clear()
    assert is_out_of_memory(caught.value)


def test_beside_a_reference_set(context):
    found = score(ASPIRIN, context)
    assert (found["molecule_novel"], found["nearest_similarity"]) == (False, 1.0)
    found = score("OCC(O)CO", context)
    assert found["molecule_novel"] is True
    assert 0 < found["nearest_similarity"] < 0.5


def test_figures_of_a_set(context):
    found = figures([*generated_set(), None], context)
    assert set(found) == set(FIGURES)
    assert found["molecule_validity"].n == 251
    assert found["molecule_validity"].value == pytest.approx(236 / 251)
    for name in ("unique_at_1000", "unique_at_10000", "fcd"):
        assert found[name].value is None
        assert found[name].reason
    for name in set(FIGURES) - {"unique_at_1000", "unique_at_10000", "fcd"}:
        assert math.isfinite(found[name].value), name
        assert found[name].n > 0
    exact = {"n_scaffolds", "guacamol_kl"}
    for name, figure in found.items():
        if figure.value is not None and name not in exact:
            assert figure.low <= figure.value <= figure.high, name
    assert found["snn"].value > 0.5


def test_figures_need_a_reference_set_for_comparing():
    found = figures(["CCO", "CCN", None])
    assert found["snn"].reason == "no reference set is given"
    assert found["molecule_validity"].value == pytest.approx(2 / 3)
    assert found["n_scaffolds"].value == 0


def test_figures_of_nothing():
    assert {figure.value for figure in figures([]).values()} <= {None, 0}
    assert {figure.value for figure in figures([None]).values()} <= {None, 0}


def test_a_large_reference_set_is_drawn_from(context, monkeypatch):
    monkeypatch.setattr(reference, "MOST_NEIGHBOURS", 100)
    monkeypatch.setattr(reference, "MOST_COMPARED", 50)
    large = reference.MoleculeReference(context.reference, seed=1)
    assert large.n == 301
    assert len(large.smiles) == 50
    assert len(set(large.smiles) & {score(each)["smiles"] for each in reference_set()[50:]}) > 25
    assert len(large.keys) > 250
    with pytest.raises(InputError, match="301 molecules"):
        assert large.fingerprints is None


def test_a_reference_set_of_another_kind(tmp_path):
    path = tmp_path / "proteins.fasta"
    path.write_text(">one\nMKTAYIAKQR\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no molecules or complexes, but 1 proteins"):
        PLUGIN.prepare(["molecule_novel"], Context(reference=ReferenceSet(str(path))))


def test_novelty_beside_what_the_model_was_trained_on():
    # a drug of every collection, and a chain that nobody registers
    assert score("CC(C)Cc1ccc(cc1)C(C)C(=O)O")["molecule_novel_nano"] is False
    assert score("FC(F)(F)OCCN(CC#C)C(=O)c1cc2sccc2[se]1")["molecule_novel_nano"] is True
    assert len(embedded_index().keys(KeyKind.MOLECULE)) > 600_000
