"""Docking: the same poses whatever the workers, and one bad ligand costs one record."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from rdkit import Chem

from logos_cli.errors import InputError, MissingError, MoleculeError, UsageError
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.records import Record, Status
from tests import receptors

for _library in ("meeko", "openmm", "pdbfixer"):
    pytest.importorskip(_library)

from logos_cli.chemistry.rmsd import rmsd
from logos_cli.docking.contacts import Contact, ContactFinder, consistency
from logos_cli.docking.engines import engines
from logos_cli.docking.engines.worker import Docked, DockingSetup, Task, dock_one, start_pool
from logos_cli.docking.ligand import LigandOptions
from logos_cli.docking.receptor.preparation import Receptor, ResidueId
from logos_cli.io.input import Input
from logos_cli.processes.failure import Failure
from logos_cli.workflows.dock import docking
from logos_cli.workflows.dock.docking import BoxOptions, DockOptions, DockTally

LIGANDS = ("Cc1ccccc1", "CCO", "CC(=O)NCCO")


def _options(**choices: object) -> DockOptions:
    chosen: dict[str, object] = {"exhaustiveness": 1, "n_poses": 3, "cpu": 1} | choices
    return DockOptions(**chosen)  # type: ignore[arg-type]


def _dock(path: Path, ligands: object, **choices: object) -> list[Record]:
    tally = choices.pop("tally", None)
    return list(docking.dock(path, ligands, _options(**choices), tally=tally))  # type: ignore[arg-type]


# -- with Vina ---------------------------------------------------------------------------------------


@pytest.fixture
def vina() -> None:
    pytest.importorskip("vina")


@pytest.mark.usefixtures("vina", "preloaded_workers")
class TestVina:
    @pytest.mark.slow
    def test_results_do_not_depend_on_the_number_of_workers(self, complex_file: Path) -> None:
        items = [Molecule(smiles) for smiles in LIGANDS]
        one, two = (_dock(complex_file, items, cpu=n, seed=5) for n in (1, 2))
        other = _dock(complex_file, items[2], seed=6)
        poses = [[record.extra["docking"]["pose"] for record in records] for records in (one, two, other)]
        assert poses[0] == poses[1]
        assert poses[0][2] != poses[2][0]
        assert [record.scores["vina"]["value"] for record in one] == [record.scores["vina"]["value"] for record in two]
        assert all(record.scores["vina"]["value"] < 0 for record in one)

    def test_seed_0_is_a_seed(self, complex_file: Path) -> None:
        first, second = _dock(complex_file, [Molecule("CC(=O)NCCO")] * 2, seed=0)
        assert first.extra["docking"]["pose"] == second.extra["docking"]["pose"]
        assert engines.Search(seed=0).vina_seed != 0

    def test_poses_keep_the_bonds_and_stereo_of_the_record(self, complex_file: Path) -> None:
        smiles = "C[C@H](N)C(=O)N/C=C/Cl"
        record = _dock(complex_file, Molecule(smiles), ph=None)[0]
        pose = Chem.MolFromMolBlock(record.extra["docking"]["pose"])
        Chem.AssignStereochemistryFrom3D(pose)
        assert Chem.MolToSmiles(pose) == Chem.MolToSmiles(Chem.MolFromSmiles(smiles))

    def test_poses_are_ranked_inside_the_box(self, complex_file: Path, target: tuple[Receptor, engines.Target]) -> None:
        run = docking.Docking(complex_file, _options(box=BoxOptions(ligand="MBN", add_angstrom=5.0)))
        found = next(run.results(Molecule("Cc1ccccc1")))
        scores = [pose.vina_kcal_per_mol for pose in found.poses]
        assert scores == sorted(scores)
        assert [pose.rank for pose in found.poses] == list(range(1, len(scores) + 1))
        for pose in found.poses:
            heavy = pose.molecule.GetConformer().GetPositions()[:7]
            assert target[1].box.contains(heavy, 0.5).all()
        best = found.record.scores
        assert best["vina_efficiency"]["value"] == pytest.approx(best["vina"]["value"] / 7, abs=1e-3)

    def test_given_pose_is_scored_and_relaxed(self, complex_file: Path, sdf_file: Path) -> None:
        scored = _dock(complex_file, sdf_file, mode="score", reference=str(sdf_file))[0]
        relaxed = _dock(complex_file, sdf_file, mode="minimize", reference=str(sdf_file))[0]
        assert scored.extra["docking"]["poses"][0]["rmsd_angstrom"] == pytest.approx(0, abs=1e-3)
        assert relaxed.extra["docking"]["poses"][0]["rmsd_angstrom"] > 0
        assert relaxed.scores["vina"]["value"] <= scored.scores["vina"]["value"]

    @pytest.mark.slow
    def test_docked_records_are_scored_again_alike(self, complex_file: Path) -> None:
        docked = _dock(complex_file, Molecule("Cc1ccccc1"))[0]
        again = _dock(complex_file, docked, mode="score")[0]
        assert again.scores["vina"]["value"] == pytest.approx(docked.scores["vina"]["value"], abs=0.3)

    def test_pose_outside_the_box_is_an_error_record(self, complex_file: Path, sdf_file: Path) -> None:
        box = BoxOptions(center_angstrom=receptors.centre(), size_angstrom=(5.0, 5.0, 5.0))
        record = _dock(complex_file, sdf_file, mode="score", box=box)[0]
        assert record.status is Status.ERROR
        assert "outside the box" in str(record.reason)

    def test_bad_ligands_cost_one_record_each(self, complex_file: Path) -> None:
        tally = DockTally()
        items = [
            Molecule("CCO"),
            Molecule("OB(O)c1ccccc1"),
            Protein("MKV"),
            Record("x", "", "nonsense"),
            Molecule("CCN"),
        ]
        records = _dock(complex_file, items, tally=tally)
        assert [record.status.value for record in records] == ["ok", "error", "error", "error", "ok"]
        assert (tally.docked, tally.failed, tally.unusable, tally.requested) == (2, 1, 2, 5)
        assert "is B" in str(records[1].reason)
        assert "a protein is no ligand" in str(records[2].reason)

    def test_what_contradicts_its_site_is_flagged(self, complex_file: Path) -> None:
        from logos_cli.formats.base import ReadOptions
        from logos_cli.formats.detect import detect

        with Input(str(complex_file)) as source:
            entry = next(iter(detect(source).read(source, ReadOptions())))
        from logos_cli.objects.base import to_text

        assert entry.item is not None
        record = Record(entry.id, "complex", to_text(entry.item), source=entry.source)
        tally = DockTally()
        here = _dock(complex_file, record, tally=tally)[0].extra["docking"]["site"]
        assert here["in_site"] > 0.5
        assert not here["contradicts"]
        assert tally.contradicting == 0
        far = receptors.peptide().splitlines()[0]
        x, y, z = (float(far[start : start + 8]) for start in (30, 38, 46))
        box = BoxOptions(center_angstrom=(x, y, z), size_angstrom=(10.0, 10.0, 10.0))
        there = _dock(complex_file, record, box=box, tally=tally)[0].extra["docking"]["site"]
        assert there["contradicts"]
        assert tally.contradicting == 1

    def test_ligands_of_several_sites_go_each_to_its_own(self, tmp_path: Path) -> None:
        path = tmp_path / "two.pdb"
        path.write_text(receptors.with_two_ligands())
        places = [{"ligand": {"chain": "A", "number": number}} for number in (301, 401, 401)]
        items = [
            Record(str(row), "molecule", "<MoleculeS>CCO<MoleculeE>", source=place) for row, place in enumerate(places)
        ]
        items[2] = Record("2", "", "", Status.ERROR, "broken")
        tally = DockTally()
        records = _dock(path, items, tally=tally)
        assert [record.id for record in records] == ["0", "1", "2"]
        origins = [record.extra["docking"]["box"]["origin"] for record in records if record.status is Status.OK]
        assert origins == ["MBN A:301", "MBN A:401"]
        assert (tally.docked, tally.unusable) == (2, 1)
        given = _dock(path, items[:1], box=BoxOptions(ligand="A:401"))
        boxes = {record.extra["docking"]["box"]["origin"] for record in given if record.status is Status.OK}
        assert boxes == {"MBN A:401"}

    def test_dock_of_the_package(self, complex_file: Path) -> None:
        from logos_cli import dock

        [record] = dock(complex_file, Molecule("CCO"), exhaustiveness=1, cpu=1)
        assert record.scores["vina"]["value"] < 0
        with pytest.raises(UsageError, match="no option 'exhaustive'"):
            dock(complex_file, Molecule("CCO"), exhaustive=1)

    def test_poses_are_checked(self, complex_file: Path) -> None:
        pytest.importorskip("posebusters")
        told = _dock(complex_file, Molecule("Cc1ccccc1"), check=True)[0].extra["docking"]["checks"]
        assert told["tests"] > 10
        assert told["valid"] == (not told["failed"])

    def test_ring_conformers_are_docked_and_the_best_kept(self, target: tuple[Receptor, engines.Target]) -> None:
        engine = engines.start("vina", target[1], engines.Search(exhaustiveness=1, n_poses=3))
        try:
            one, several = (dock_one(engine, Task("OC1CCCCC1"), LigandOptions(ring_conformers=n)) for n in (1, 2))
        finally:
            engine.close()
        assert any("2 ring conformers" in note for note in several.notes)
        assert list(several.scores_kcal_per_mol) == sorted(several.scores_kcal_per_mol)
        assert 1 <= len(several.poses) <= 3
        assert several.scores_kcal_per_mol[0] <= one.scores_kcal_per_mol[0]

    def test_nothing_touches_the_network(
        self, target: tuple[Receptor, engines.Target], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("a socket was opened")

        monkeypatch.setattr(socket, "socket", refuse)
        engine = engines.start("vina", target[1], engines.Search(exhaustiveness=1))
        try:
            done = dock_one(engine, Task("CCO"), LigandOptions())
        finally:
            engine.close()
        assert done.scores_kcal_per_mol[0] < 0

    @pytest.mark.parametrize("mode", ["dock", "score", "minimize"])
    def test_program_says_what_the_package_says(
        self, complex_file: Path, sdf_file: Path, mode: Literal["dock", "score", "minimize"]
    ) -> None:
        if shutil.which("vina") is None:
            pytest.skip("no program vina on the PATH: its command line was not run")
        told = [_dock(complex_file, sdf_file, mode=mode, engine=each)[0] for each in ("vina", "vina-binary")]
        scores = [record.scores["vina"]["value"] for record in told]
        assert scores[0] == pytest.approx(scores[1], abs=0.01)
        poses = [Chem.MolFromMolBlock(record.extra["docking"]["pose"]) for record in told]
        assert rmsd(*poses) < 0.1


# -- the pool, with an engine that misbehaves ----------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program ``vina`` on the PATH that fails, crashes its worker or hangs as the ligand's size says."""
    path = tmp_path / "bin" / "vina"
    path.parent.mkdir()
    path.write_text(
        f"""#!{sys.executable}
import os, signal, sys, time
arguments = dict(zip(sys.argv[1::1], sys.argv[2::1]))
text = open(arguments["--ligand"]).read()
n_atoms = text.count("ATOM")
if n_atoms == 3:
    os.kill(os.getppid(), signal.SIGSEGV)
    time.sleep(5)
if n_atoms == 4:
    time.sleep(60)
if n_atoms == 5:
    sys.exit("no such option")
head = "MODEL 1\\nREMARK VINA RESULT:    -1.5      0.000      0.000\\n"
open(arguments["--out"], "w").write(head + text + "ENDMDL\\n")
"""
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")
    yield path


def _setup(target: tuple[Receptor, engines.Target]) -> DockingSetup:
    return DockingSetup("vina-binary", target[1], engines.Search(), LigandOptions(ph=None))


def test_crash_and_hang_cost_their_ligand_only(program: Path, target: tuple[Receptor, engines.Target]) -> None:
    smiles = ["CC", "CCC", "CC", "CCCC", "CC", "CCCCC", "CC"]
    with start_pool(_setup(target), 1, 3.0) as workers:
        found = list(workers.map(map(Task, smiles)))
    assert [isinstance(each, Docked) for each in found] == [True, False, True, False, True, False, True]
    crash, hang, fault = (each.error for each in found if isinstance(each, Failure))
    assert signal.Signals.SIGSEGV.name in crash.message
    assert "stopped after 3 s" in hang.message
    assert "no such option" in fault.message
    assert isinstance(found[0], Docked)
    assert found[0].scores_kcal_per_mol == (-1.5,)


def test_workers_do_not_read_each_others_ligands(program: Path, target: tuple[Receptor, engines.Target]) -> None:
    smiles = ["C" * n for n in (2, 6, 7, 8, 9, 10)] * 4
    program.write_text(program.read_text().replace("if n_atoms == 3", "time.sleep(0.05)\nif n_atoms == -1"))
    with start_pool(_setup(target), 3) as workers:
        found = [each for each in workers.map(map(Task, smiles)) if isinstance(each, Docked)]
    assert [Chem.MolToSmiles(Chem.RemoveHs(Chem.Mol(each.poses[0]))) for each in found] == smiles


def test_pool_ends_when_it_is_left_though_a_ligand_takes_long(
    program: Path, target: tuple[Receptor, engines.Target]
) -> None:
    workers = start_pool(_setup(target), 1)
    asked = workers.map([Task("CC"), Task("CCCC")])  # the second hangs for a minute
    try:
        assert isinstance(next(asked), Docked)
    finally:
        start = time.monotonic()
        workers.close()
    assert time.monotonic() - start < 2
    assert not workers.is_running


def test_engines_are_named_and_missed() -> None:
    with pytest.raises(UsageError, match="no docking engine"):
        engines.choose("autodock")
    with pytest.raises(MissingError) as caught:
        engines.choose("unidock")
    assert "pip install 'logos-cli[dock]'" in str(caught.value.hint)


def test_auto_without_anything_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logos_cli.docking.libraries.is_installed", lambda name: False)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingError) as caught:
        engines.choose("auto")
    assert "pip install 'logos-cli[dock]'" in str(caught.value.hint)


@pytest.mark.parametrize(
    "choices",
    [{"exhaustiveness": 0}, {"n_poses": 0}, {"seed": -1}, {"cpu": 0}, {"seconds_per_ligand": 0.0}, {"mode": "guess"}],
)
def test_options_that_make_no_sense(choices: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        _options(**choices)


# -- boxes -------------------------------------------------------------------------------------------


def test_box_of_the_only_ligand(complex_file: Path) -> None:
    run = docking.Docking(complex_file, _options(engine="auto" if _has_vina() else "vina-binary"))
    positions = run.model.positions_of([i for i, name in enumerate(run.model.residues.names) if name == "MBN"])
    assert np.allclose(run.place.box.center_angstrom, (positions.min(0) + positions.max(0)) / 2, atol=1e-3)
    assert np.allclose(run.place.box.size_angstrom, np.ptp(positions, axis=0) + 8, atol=1e-3)


def _has_vina() -> bool:
    from logos_cli.docking.libraries import is_installed

    return is_installed("vina")


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (BoxOptions(ligand="ATP"), "no ligand 'ATP'"),
        (BoxOptions(site="A:999"), "no residue"),
        (BoxOptions(ligand="nowhere.sdf"), "no such file"),
        (BoxOptions(ligand="MBN", size_angstrom=(0.0, 1.0, 1.0)), "no volume"),
    ],
)
def test_boxes_that_are_not_there(complex_file: Path, program: Path, box: BoxOptions, words: str) -> None:
    run = docking.Docking(complex_file, _options(box=box, engine="vina-binary"))
    with pytest.raises((UsageError, InputError), match=words):
        _ = run.place


def test_two_ways_to_say_where_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        BoxOptions(ligand="MBN", site="A:105")


@pytest.mark.parametrize(("flaw", "words"), [("flat", "two-dimensional"), ("zero", "at one point")])
def test_box_around_coordinates_that_are_none(
    complex_file: Path, program: Path, tmp_path: Path, flaw: str, words: str
) -> None:
    path = tmp_path / "ligand.sdf"
    block = receptors.ligand_block(**{flaw: True})
    path.write_text(block.replace("3D", "2D", 1) + "$$$$\n")
    with pytest.raises((MoleculeError, InputError), match=words):
        _ = docking.Docking(complex_file, _options(box=BoxOptions(ligand=str(path)), engine="vina-binary")).place


def test_ligand_that_is_bonded_to_the_protein_is_said(complex_file: Path, program: Path) -> None:
    """The crystal ligand of this receptor lies within a bond of a glutamate."""
    notes = docking.Docking(complex_file, _options(engine="vina-binary")).place.notes
    assert "MBN A:301 is bonded to GLU A:123 in the crystal; poses are searched without that bond" in notes


def test_empty_stream(complex_file: Path, program: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.smi"
    empty.write_text("")
    records = _dock(complex_file, empty, engine="vina-binary")
    assert [record.status for record in records] == [Status.ERROR]
    with pytest.raises(InputError, match="no ligand"):
        _dock(complex_file, [], engine="vina-binary")


# -- geometry ----------------------------------------------------------------------------------------


def test_contacts_are_those_of_plain_distances(target: tuple[Receptor, engines.Target], sdf_file: Path) -> None:
    receptor = target[0]
    pose = Chem.MolFromMolFile(str(sdf_file))
    found = {contact.residue: contact.distance_angstrom for contact in ContactFinder(receptor).find(pose)}
    positions, owners, residues = receptor.heavy
    ligand = pose.GetConformer().GetPositions()
    away = np.linalg.norm(positions[:, None] - ligand[None], axis=2).min(axis=1)
    wanted = {residues[owner][1]: away[owners == owner].min() for owner in set(owners[away <= 4.5].tolist())}
    assert found.keys() == wanted.keys()
    assert all(found[residue] == pytest.approx(wanted[residue], abs=1e-4) for residue in found)
    assert list(found.values()) == sorted(found.values())


def test_consistency_counts_residues() -> None:
    places = [ResidueId(("A", number, "")) for number in range(6)]
    contacts = [Contact("ALA", place, 4.0) for place in places[:4]]
    agreement = consistency(contacts, places[3:])
    assert agreement is not None
    assert (agreement.in_site, agreement.covered, agreement.contradicts) == (0.25, 1 / 3, True)
    assert consistency([], places) is None


def test_rmsd_counts_symmetry_and_moves_nothing() -> None:
    block = receptors.ligand_block()
    pose, reference = Chem.MolFromMolBlock(block), Chem.MolFromMolBlock(block)
    conformer = pose.GetConformer()
    places = [conformer.GetAtomPosition(row) for row in range(7)]
    for row, other in ((2, 6), (6, 2), (3, 5), (5, 3)):  # the ring turned over
        conformer.SetAtomPosition(row, places[other])
    assert rmsd(pose, reference) == pytest.approx(0, abs=1e-4)
    for row in range(7):
        conformer.SetAtomPosition(row, [places[row].x + 3.0, places[row].y, places[row].z])
    assert rmsd(pose, reference) == pytest.approx(3, abs=1e-4)


def test_rmsd_of_a_carboxylate_and_of_another_molecule() -> None:
    acid, ion = (Chem.AddHs(Chem.MolFromSmiles(smiles)) for smiles in ("CC(=O)O", "CC(=O)[O-]"))
    for molecule in (acid, ion):
        conformer = Chem.Conformer(molecule.GetNumAtoms())
        for row, place in enumerate(((0, 0, 0), (1.5, 0, 0), (2.1, 1.1, 0), (2.1, -1.1, 0))):
            conformer.SetAtomPosition(row, [float(value) for value in place])
        molecule.AddConformer(conformer)
    swapped = Chem.Mol(ion)
    one, two = (swapped.GetConformer().GetAtomPosition(row) for row in (2, 3))
    swapped.GetConformer().SetAtomPosition(2, two)
    swapped.GetConformer().SetAtomPosition(3, one)
    assert rmsd(swapped, acid) == pytest.approx(0, abs=1e-4)
    with pytest.raises(MoleculeError, match="another molecule"):
        rmsd(Chem.MolFromMolBlock(receptors.ligand_block()), acid)
