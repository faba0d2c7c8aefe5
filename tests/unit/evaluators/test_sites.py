"""Scores of binding sites on structures built atom by atom, and on real complexes."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest

from logos_cli.errors import GrammarError, InputError
from logos_cli.evaluators.base import Context, Subject, Unavailable
from logos_cli.evaluators.reference import ReferenceSet
from logos_cli.evaluators.sites.geometry import dca, dcc, ligand_ranks, n_found, top_n
from logos_cli.evaluators.sites.plugin import PLUGIN
from logos_cli.evaluators.sites.truth import site_truth
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.grammar import Form, parse
from logos_cli.io.input import Input
from logos_cli.objects.base import from_sentence, to_text
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.records import Record

ALL = tuple(metric.name for metric in (*PLUGIN.metrics, *PLUGIN.summary_metrics))
SEQUENCE = "ACDEFGHIKLMNPQRSTVWY"


def subject(text: str, form: Form = Form.SEARCH, **more: Any) -> Subject:
    record = Record("x", form.value, text, **more)
    try:
        return Subject(record, from_sentence(parse(text, form)), form)
    except GrammarError as error:
        return Subject(record, None, form, error)


def site(sequence: str, places: Iterable[int], rank: int | None = None, **more: Any) -> Subject:
    scores = {} if rank is None else {"rank": {"value": rank}}
    item = Complex((Protein(sequence, tuple(places)),))
    return subject(to_text(item, Form.SEARCH), scores=scores, **more)


def figures(subjects: Sequence[Subject], context: Context) -> dict[str, Any]:
    seen = [PLUGIN.observe(each, context) for each in subjects]
    assert pickle.loads(pickle.dumps(seen)) == seen
    found = PLUGIN.summarise([each for each in seen if each is not None], ALL, context)
    return {name: each.value for name, each in found.items()}


def build(path: Path, ligands: dict[str, list[tuple[float, float, float]]]) -> Context:
    """Write twenty residues along x, 4 Å apart, each one CA atom and one CB at y = 1.5, and ligands."""
    structure = gemmi.Structure()
    structure.name = path.stem
    structure.add_model(gemmi.Model(1))
    chain = gemmi.Chain("A")
    for number, letter in enumerate(SEQUENCE, 1):
        residue = gemmi.Residue()
        residue.name = gemmi.expand_one_letter(letter, gemmi.ResidueKind.AA)
        residue.seqid = gemmi.SeqId(str(number))
        for name, y in (("N", -1.4), ("CA", 0.0), ("C", -0.7), ("CB", 1.5)):
            _add_atom(residue, name, (4.0 * (number - 1) + (1.0 if name == "C" else 0.0), y, 0.0))
        chain.add_residue(residue)
    structure[0].add_chain(chain)
    other = gemmi.Chain("B")
    for number, (name, positions) in enumerate(ligands.items(), 1):
        residue = gemmi.Residue()
        residue.name = name
        residue.het_flag = "H"
        residue.seqid = gemmi.SeqId(str(number))
        for count, position in enumerate(positions):
            _add_atom(residue, f"C{count}", position)
        other.add_residue(residue)
    structure[0].add_chain(other)
    structure.setup_entities()
    structure.write_pdb(str(path))
    return Context(truth=ReferenceSet(str(path)))


def _add_atom(residue: gemmi.Residue, name: str, position: tuple[float, float, float]) -> None:
    atom = gemmi.Atom()
    atom.name = name
    atom.element = gemmi.Element(name[0])
    atom.pos = gemmi.Position(*position)
    atom.occ = 1.0
    residue.add_atom(atom)


def ring(x: float, y: float, n_atoms: int = 6) -> list[tuple[float, float, float]]:
    return [
        (x + 1.4 * math.cos(angle), y, 1.4 * math.sin(angle))
        for angle in np.linspace(0, 2 * math.pi, n_atoms, endpoint=False)
    ]


def test_distances_by_hand() -> None:
    ligand = np.array([[0.0, 0.0, 0.0], [4.0, 0.0, 0.0]])
    centre = np.array([5.0, 0.0, 0.0])
    assert dca(centre, ligand) == 1.0
    assert dcc(centre, ligand) == 3.0


def test_ranks_and_top_n_by_hand() -> None:
    """Three sites and two ligands: the first ligand is met by the third site, the other by the first."""
    distances = [[9.0, 4.0], [5.0, 1.0], [3.9, 20.0]]
    assert ligand_ranks(distances) == [3, 1]
    assert ligand_ranks([[4.001, 8.0]]) == [None, None]
    assert ligand_ranks([]) == []
    assert (n_found([3, 1]), n_found([3, 1], 2), n_found([None, None], 99)) == (1, 2, 0)
    structures: list[list[int | None]] = [[3, 1], [1], [None], []]
    assert (top_n(structures).value, top_n(structures, 2).value) == (0.5, 0.75)
    assert top_n(structures).n == 3, "a structure without relevant ligands is no unit"
    assert top_n([]).value is None


def test_relevant_ligands_of_a_built_structure(tmp_path: Path) -> None:
    """Of four small molecules only the two rings count: a fragment and a distant one do not."""
    context = build(
        tmp_path / "toy.pdb",
        {"LIG": ring(8.0, 4.5), "FRG": ring(24.0, 4.5, 4), "FAR": ring(60.0, 30.0), "LI2": ring(56.0, 4.5)},
    )
    assert context.truth is not None
    (structure,) = site_truth(context.truth).structures
    assert structure.titles == ("LIG B:1", "LI2 B:4")
    assert np.allclose(structure.ligands[0].mean(axis=0), [8.0, 4.5, 0.0], atol=1e-3)
    # the ring's atoms are at y = 4.5 and |x - 8| ≤ 1.4, so CB atoms (y = 1.5) at x = 4, 8, 12 are within 4.5 Å
    assert structure.chains[0].sites[SEQUENCE] == {1, 2, 3, 13, 14, 15}


def test_values_of_one_site_by_hand(tmp_path: Path) -> None:
    context = build(tmp_path / "toy.pdb", {"LIG": ring(8.0, 4.5)})
    PLUGIN.prepare(ALL, context)
    given = {"site": {"centre_angstrom": [8.0, 4.5, 0.0]}}
    values = PLUGIN.score(site(SEQUENCE, (2, 3, 4), extra=given), ALL, context)
    assert values["n_site_residues"] == 3
    assert values["site_fraction"] == 0.15
    # true positives 2, false positives 1, false negatives 1, true negatives 16
    expected = {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "iou": 0.5, "mcc": (32 - 1) / 51}
    assert {name: values[f"site_{name}"] for name in expected} == pytest.approx(expected)
    assert values["dca"] == pytest.approx(1.4, abs=1e-3)
    assert values["dcc"] == pytest.approx(0.0, abs=1e-3)


def test_without_a_given_centre_it_is_that_of_the_residues(tmp_path: Path) -> None:
    context = build(tmp_path / "toy.pdb", {"LIG": ring(8.0, 4.5)})
    near = PLUGIN.score(site(SEQUENCE, (1, 2, 3)), ALL, context)
    far = PLUGIN.score(site(SEQUENCE, (14, 15, 16)), ALL, context)
    assert isinstance(near["dca"], float)
    assert isinstance(far["dca"], float)
    assert near["dca"] < 6 < 40 < far["dca"]
    empty = PLUGIN.score(site(SEQUENCE, ()), ALL, context)
    assert isinstance(empty["dca"], Unavailable)
    assert "coordinates" in empty["dca"].reason
    assert isinstance(empty["site_precision"], Unavailable)
    assert (empty["site_recall"], empty["site_f1"], empty["site_mcc"]) == (0.0, 0.0, 0.0)


def test_a_centre_in_the_frame_of_another_file_is_not_taken(tmp_path: Path) -> None:
    context = build(tmp_path / "toy.pdb", {"LIG": ring(8.0, 4.5)})
    given = {"site": {"centre_angstrom": [8.0, 4.5, 0.0]}}
    source = {"path": "apo.pdb", "sha256": "0" * 64}
    far = PLUGIN.score(site(SEQUENCE, (14, 15, 16), extra=given, source=source), ALL, context)
    assert isinstance(far["dca"], float)
    assert far["dca"] > 40


def test_figures_of_ranked_sites_by_hand(tmp_path: Path) -> None:
    """Two ligands; sites 1 and 4 meet them: Top-n finds one, Top-(n+2) both."""
    context = build(tmp_path / "toy.pdb", {"LIG": ring(8.0, 4.5), "LI2": ring(56.0, 4.5)})

    def at(rank: int, x: float, places: tuple[int, ...]) -> Subject:
        return site(SEQUENCE, places, rank, extra={"site": {"centre_angstrom": [x, 4.5, 0.0]}})

    predicted = [at(4, 56.0, (13, 14, 15)), at(1, 8.0, (1, 2, 3)), at(2, 30.0, (7, 8)), at(3, 70.0, (17,))]
    found = figures(predicted, context)
    assert (found["top_n"], found["top_n_plus_2"]) == (0.5, 1.0)
    assert (found["top_n_dcc"], found["top_n_plus_2_dcc"]) == (0.5, 1.0)
    # the first two sites together: 1, 2, 3, 7, 8 of 1, 2, 3, 13, 14, 15
    assert found["site_precision_pooled"] == pytest.approx(3 / 5)
    assert found["site_recall_pooled"] == pytest.approx(3 / 6)
    assert found["site_iou_pooled"] == pytest.approx(3 / 8)
    assert found["structures_asked"] == 1.0


def test_a_malformed_answer_counts_as_no_site(tmp_path: Path) -> None:
    context = build(tmp_path / "toy.pdb", {"LIG": ring(8.0, 4.5)})
    whole = to_text(Complex((Protein(SEQUENCE, (1,)),)), Form.SEARCH)
    found = figures([subject(whole[:-5])], context)
    assert (found["top_n"], found["structures_asked"], found["site_recall_pooled"]) == (0.0, 1.0, 0.0)


def test_residue_truth_without_structures(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_text(site(SEQUENCE, (1, 2)).record.to_json() + "\n" + site(SEQUENCE, (2, 3)).record.to_json() + "\n")
    context = Context(truth=ReferenceSet(str(path)))
    values = PLUGIN.score(site(SEQUENCE, (1, 2, 3)), ALL, context)
    assert values["site_f1"] == 1.0, "sites of one sequence are taken together"
    assert isinstance(values["dca"], Unavailable)
    found = figures([site(SEQUENCE, (1, 2, 3), 1), site("ACDE", (1,), 1)], context)
    assert found["site_f1_pooled"] == 1.0
    assert found["top_n"] is None
    other = PLUGIN.score(site("ACDE", (1,)), ALL, context)
    assert isinstance(other["site_f1"], Unavailable)
    assert "sequence" in other["site_f1"].reason


def test_of_two_structures_of_one_sequence_the_record_says_which(tmp_path: Path) -> None:
    build(tmp_path / "one.pdb", {"LIG": ring(8.0, 4.5)})
    build(tmp_path / "two.pdb", {"LIG": ring(56.0, 4.5)})
    context = Context(truth=ReferenceSet(str(tmp_path)))
    given = {"site": {"centre_angstrom": [56.0, 4.5, 0.0]}}
    unsaid = PLUGIN.score(site(SEQUENCE, (1,), extra=given), ALL, context)
    assert isinstance(unsaid["dca"], Unavailable)
    assert "2 structures" in unsaid["dca"].reason
    said = PLUGIN.score(site(SEQUENCE, (1,), extra=given, source={"path": "somewhere/two.pdb"}), ALL, context)
    assert said["dca"] == pytest.approx(1.4, abs=1e-3)


def test_a_truth_without_sites_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.fasta"
    path.write_text(f">a\n{SEQUENCE}\n")
    with pytest.raises(InputError, match="no binding site"):
        PLUGIN.prepare(["site_f1"], Context(truth=ReferenceSet(str(path))))


def test_without_a_truth_only_sizes_are_known() -> None:
    assert PLUGIN.score(site(SEQUENCE, (1,)), ALL, Context()) == {"n_site_residues": 1, "site_fraction": 0.05}
    assert figures([site(SEQUENCE, (1,))], Context()) == {}


def test_true_residues_of_real_complexes_meet_their_ligands(shared_data: Path, tmp_path: Path) -> None:
    """The residues that line each ligand, as the prediction of a site: every ligand is met at its rank."""
    folder = shared_data / "complexes" / "posebusters_raw_mmcif"
    paths = sorted(folder.iterdir())[:12]
    predicted: list[Subject] = []
    for path in paths:
        with closing(Input(str(path))) as source:
            for rank, entry in enumerate(detect(source).read(source, ReadOptions(form=Form.SEARCH)), 1):
                assert isinstance(entry.item, Complex)
                text = to_text(entry.item, Form.SEARCH)
                predicted.append(subject(text, source=entry.source, scores={"rank": {"value": rank}}))
    truth = tmp_path / "structures"
    truth.mkdir()
    for path in paths:
        (truth / path.name).symlink_to(path)
    context = Context(truth=ReferenceSet(str(truth)))
    found = figures(predicted, context)
    assert found["structures_asked"] == 1.0
    assert found["top_n"] == found["top_n_plus_2"] == 1.0
    assert found["top_n_dcc"] > 0.9
    assert found["site_precision_pooled"] == found["site_recall_pooled"] == 1.0
