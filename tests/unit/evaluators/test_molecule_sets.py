"""Figures of sets of molecules are those of the published code of MOSES and GuacaMol on the same sets."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import QED, Descriptors, GraphDescriptors

from logos_cli.errors import MoleculeError
from logos_cli.evaluators.molecules.kl import (
    bertz_complexity,
    descriptors,
    divergences,
    kl_score,
    similarity_fingerprint,
)
from logos_cli.evaluators.molecules.properties import MeasuredMolecule, sa_scorer
from logos_cli.evaluators.molecules.reference import MoleculeReference
from logos_cli.evaluators.molecules.sets import (
    ChemNetDistance,
    FingerprintSet,
    cosine_similarity,
    internal_diversity,
    novelty,
    pack,
    uniqueness,
)
from logos_cli.evaluators.molecules.summary import MoleculeSet, observe_molecule
from logos_cli.evaluators.reference import ReferenceSet
from logos_cli.evaluators.statistics import distance, share
from tests.molecule_sets import generated_set, reference_set

PUBLISHED = json.loads((Path(__file__).parents[2] / "golden" / "molecule_scores.json").read_text(encoding="utf-8"))
MOSES, EACH, GUACAMOL = PUBLISHED["moses"], PUBLISHED["moses_each"], PUBLISHED["guacamol"]


def read(smiles: str) -> MeasuredMolecule | None:
    try:
        return MeasuredMolecule(smiles)
    except MoleculeError:
        return None


@pytest.fixture(scope="module")
def generated() -> list[MeasuredMolecule]:
    return [molecule for smiles in generated_set() if (molecule := read(smiles))]


@pytest.fixture(scope="module")
def reference() -> list[MeasuredMolecule]:
    return [MeasuredMolecule(smiles) for smiles in reference_set()]


def test_the_sets_are_those_that_the_published_code_was_given():
    for name, made in (("generated", generated_set()), ("reference", reference_set())):
        assert hashlib.sha256("\n".join(made).encode()).hexdigest() == PUBLISHED["sha256"][name]


def test_validity():
    found = share(read(smiles) is not None for smiles in generated_set())
    assert found.value == pytest.approx(MOSES["valid"]) == pytest.approx(GUACAMOL["validity"])
    assert found.n == 250
    assert 0.90 < found.low < found.value < found.high < 0.98


def test_uniqueness(generated):
    keys = [molecule.canonical_smiles for molecule in generated]
    for k in (50, 200):
        assert uniqueness(keys, k).value == pytest.approx(MOSES[f"unique@{k}"])
    assert uniqueness(keys, 1000).value is None
    assert uniqueness([molecule.flat_smiles for molecule in generated]).value == pytest.approx(GUACAMOL["uniqueness"])


def test_novelty(generated, reference):
    trained = {molecule.canonical_smiles for molecule in reference}
    assert novelty([m.canonical_smiles for m in generated], trained).value == pytest.approx(MOSES["Novelty"])
    flat = {molecule.flat_smiles for molecule in reference}
    # GuacaMol divides by the number of molecules asked for, which differ in SMILES with stereochemistry
    asked = len({molecule.canonical_smiles for molecule in generated})
    found = novelty([molecule.flat_smiles for molecule in generated], flat)
    assert found.value * found.n / asked == pytest.approx(GUACAMOL["novelty"])


def test_internal_diversity(generated):
    found = internal_diversity([molecule.fingerprint for molecule in generated])
    assert [each.value for each in found] == pytest.approx([MOSES["IntDiv"], MOSES["IntDiv2"]], abs=1e-6)
    for each in found:
        assert each.low < each.value < each.high
    assert internal_diversity([])[0].reason


def test_the_interval_of_diversity_is_that_of_resampled_sets(generated):
    """The expansion stands for a bootstrap that computes every pair again."""
    fingerprints = [molecule.fingerprint for molecule in generated]
    rng = np.random.default_rng(3)
    drawn = []
    for _ in range(120):
        again = [fingerprints[place] for place in rng.integers(len(fingerprints), size=len(fingerprints))]
        drawn.append([each.value for each in internal_diversity(again)])
    for each, values in zip(internal_diversity(fingerprints), np.array(drawn).T, strict=True):
        assert (each.high - each.low) / 3.92 == pytest.approx(np.std(values), rel=0.25)


@pytest.mark.parametrize(("name", "step"), [("SNN/Test", 1), ("SNN/TestSF", 2)])
def test_nearest_neighbours(generated, reference, name, step):
    known = FingerprintSet(pack(molecule.fingerprint for molecule in reference[::step]))
    found = np.mean([known.nearest(row) for row in pack(m.fingerprint for m in generated)])
    assert found == pytest.approx(MOSES[name], abs=1e-6)


@pytest.mark.parametrize("old_numpy", [False, True])
def test_similarities_are_those_of_rdkit(generated, reference, old_numpy, monkeypatch):
    if old_numpy:
        monkeypatch.delattr(np, "bitwise_count", raising=False)
    monkeypatch.setattr("logos_cli.evaluators.molecules.sets._AT_ONCE", 7)  # several pieces, the last one short
    empty = DataStructs.ExplicitBitVect(1024)
    fingerprints = [empty, *(molecule.fingerprint for molecule in reference[:40])]
    known = FingerprintSet(pack(fingerprints))
    assert len(known) == 41
    for each in (empty, *(molecule.fingerprint for molecule in generated[:10])):
        wanted = DataStructs.BulkTanimotoSimilarity(each, fingerprints)
        wanted[0] = 1.0 if each is empty else 0.0  # RDKit gives two empty ones 0 or 1 by its version
        row = pack([each])[0]
        assert known.similarities(row) == pytest.approx(np.array(wanted))
        assert known.similarities(row, 9) == pytest.approx(np.array(wanted[:9]))
        assert known.nearest(row) == pytest.approx(max(wanted))


@pytest.mark.parametrize(("suffix", "step"), [("Test", 1), ("TestSF", 2)])
def test_fragments_and_scaffolds(generated, reference, suffix, step):
    known = Counter(part for molecule in reference[::step] for part in molecule.fragments)
    found = cosine_similarity([molecule.fragments for molecule in generated], known, "fragment")
    assert found.value == pytest.approx(MOSES[f"Frag/{suffix}"])
    assert found.low < found.value < found.high
    known = Counter(part for molecule in reference[::step] for part in moses_scaffold(molecule))
    found = cosine_similarity([moses_scaffold(molecule) for molecule in generated], known, "scaffold")
    assert found.value == pytest.approx(MOSES[f"Scaf/{suffix}"])
    assert cosine_similarity([()], known, "scaffold").reason == "no molecule of the set has a scaffold"


def moses_scaffold(molecule: MeasuredMolecule) -> list[str]:
    return molecule.ring_system_scaffold


def test_parts_of_each_molecule(generated):
    assert [sorted(molecule.fragments) for molecule in generated] == EACH["fragments"]
    assert [moses_scaffold(molecule) for molecule in generated] == [[s] if s else [] for s in EACH["scaffolds"]]


def test_filters(generated):
    assert [molecule.moses_filters for molecule in generated] == EACH["filters"]
    assert share(molecule.moses_filters for molecule in generated).value == pytest.approx(MOSES["Filters"])
    assert {bool(molecule.pains_alerts) for molecule in generated} == {True, False}


@pytest.mark.parametrize(("name", "of"), [("logP", "logp"), ("SA", "sa"), ("QED", "qed"), ("weight", "mw")])
def test_distances_of_properties(generated, reference, name, of):
    found = distance([getattr(m, of) for m in generated], [getattr(m, of) for m in reference])
    # molsets brings an older SA scorer of its own
    assert found.value == pytest.approx(MOSES[name], rel=0.02 if name == "SA" else 1e-6)


def flat(molecules: list[MeasuredMolecule]) -> tuple[np.ndarray, np.ndarray]:
    """The different molecules without stereochemistry, as the benchmark describes them."""
    unique = {molecule.flat_smiles: molecule for molecule in molecules}
    rows = np.array([descriptors(molecule) for molecule in unique.values()])
    return rows, np.stack([similarity_fingerprint(molecule.molecule) for molecule in unique.values()])


def test_divergence_of_guacamol(generated, reference):
    sides = flat(reference), flat(generated)
    assert divergences(*sides) == pytest.approx(GUACAMOL["kl_divergences"], rel=1e-6)
    assert kl_score(*sides).value == pytest.approx(GUACAMOL["kl_score"])
    assert kl_score(sides[0], sides[0]).value == pytest.approx(1)
    alike = (np.repeat(sides[0][0][:1], 9, axis=0), np.repeat(sides[0][1][:1], 9, axis=0))
    assert "the same value" in kl_score(sides[0], alike).reason
    assert "5 distinct" in kl_score(sides[0], (sides[1][0][:3], sides[1][1][:3])).reason


def test_chemnet_distance(generated, reference):
    pytest.importorskip("fcd_torch")
    found = ChemNetDistance()([m.canonical_smiles for m in generated], [m.canonical_smiles for m in reference])
    assert found == pytest.approx(MOSES["FCD/Test"], rel=1e-3)


def test_bertz_complexity_is_that_of_rdkit(generated):
    others = ("C", "[H+]", "CC", "C#N", "CC.O", "[Na+].[Cl-]", "[2H]C", "N->[Fe]", "*CC", "C" * 130)
    for molecule in [each.molecule for each in generated] + [Chem.MolFromSmiles(each) for each in others]:
        assert bertz_complexity(molecule) == pytest.approx(GraphDescriptors.BertzCT(molecule), rel=1e-9)


@pytest.mark.parametrize(
    ("smiles", "passes"),
    [
        ("CCO", True),
        ("CC(=O)Nc1ccc(F)cc1", True),
        ("FC(Cl)Br", True),
        ("[2H]CCO", True),
        ("CC[NH3+]", False),
        ("C[N+](=O)[O-]", False),
        ("CCI", False),
        ("C[Si](C)(C)C", False),
        ("C1CCCCCCC1", False),
    ],
)
def test_elements_charges_and_rings_of_moses(smiles, passes):
    assert MeasuredMolecule(smiles).moses_filters is passes


def test_lone_protons_are_compared_in_silence(tmp_path, capfd):
    """RDKit warns of a hydrogen without neighbours each time that it reads one."""
    smiles = ["CCO.[Cl-].[H+]", "[H+]", "NCc1ccccc1.[H+]"] * 3
    Chem.MolFromSmiles(smiles[0])
    assert "hydrogen atom without neighbors" in capfd.readouterr().err
    path = tmp_path / "salts.smi"
    path.write_text("\n".join(smiles))
    reference = MoleculeReference(ReferenceSet(str(path)))
    seen = MoleculeSet([observe_molecule(MeasuredMolecule(each), reference) for each in smiles], reference)
    assert seen.figure("snn").value == 1
    assert seen.figure("molecule_novelty").value == seen.figure("guacamol_novelty").value == 0
    assert seen.figure("qed_distance").value == 0
    if find_spec("fcd_torch"):
        assert ChemNetDistance()(smiles, smiles) == pytest.approx(0, abs=1e-3)
    assert not capfd.readouterr().err


def test_quick_properties_are_those_of_rdkit(generated):
    for molecule in generated:
        assert molecule.qed == pytest.approx(QED.qed(molecule.molecule), abs=1e-12)
        assert molecule.sa == sa_scorer().calculateScore(molecule.molecule)
        assert molecule.flat_smiles == Chem.MolToSmiles(molecule.molecule, isomericSmiles=False)
        assert molecule.logp == Descriptors.MolLogP(molecule.molecule)
        assert molecule.rotatable_bonds == Descriptors.NumRotatableBonds(molecule.molecule)


def test_screened_alerts_are_those_of_rdkits_catalogue(generated, reference):
    from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

    catalogues = FilterCatalogParams.FilterCatalogs
    everything = FilterCatalog(FilterCatalogParams(catalogues.PAINS))
    for molecule in [*generated, *reference]:
        expected = sorted(entry.GetDescription() for entry in everything.GetMatches(molecule.molecule))
        assert sorted(molecule.pains_alerts) == expected
