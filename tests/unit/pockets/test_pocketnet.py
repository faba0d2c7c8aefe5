"""Pockets by PocketNet: the package's own scores and pockets, in less time."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from pocketnet import PocketPredictor, feat
from pocketnet.structure import Structure

from logos_cli.errors import StructureError
from logos_cli.pockets.base import ProteinAtoms
from logos_cli.pockets.pocketnet.network import make_graph, point_scores
from logos_cli.pockets.pocketnet.plugin import PLUGIN
from logos_cli.pockets.pocketnet.surface import describe_points, surface_points
from logos_cli.structure import read as reading
from logos_cli.structure.model import StructureModel
from logos_cli.structure.types import Role


def protein_atoms(path: Path, n_residues: int | None = None) -> tuple[StructureModel, ProteinAtoms]:
    """Return a structure and the atoms of its proteins, or of their first residues."""
    data = path.read_bytes()
    loaded = reading.load(gzip.decompress(data) if path.suffix == ".gz" else data, path.name)
    model = StructureModel(loaded, path.name)
    return model, ProteinAtoms.of(model, model.residues.with_role(Role.PROTEIN)[:n_residues])


@pytest.fixture(scope="module")
def predictor() -> PocketPredictor:
    return PocketPredictor("cpu")


@pytest.fixture
def small(checkout: Path) -> ProteinAtoms:
    return protein_atoms(checkout / "examples" / "complex.cif")[1]


@pytest.fixture
def real(shared_data: Path) -> tuple[StructureModel, ProteinAtoms]:
    """Most of a dihydrofolate reductase, without its ligand."""
    return protein_atoms(shared_data / "complexes" / "posebusters" / "5sd5_HWI.pdb.gz", 110)


def test_the_points_and_their_descriptions_are_those_of_the_package(small: ProteinAtoms) -> None:
    types, elements = (torch.from_numpy(each) for each in feat.atom_types(small.residue_names, small.names))
    positions = torch.from_numpy(small.positions)
    points, normals = surface_points(positions, elements)
    wanted, wanted_normals = feat.sas_points(positions, elements)
    assert torch.equal(points, wanted)
    assert torch.equal(normals, wanted_normals)
    described = describe_points(points, normals, positions, elements)
    expected = feat.point_feats(wanted, wanted_normals, positions, elements)
    # a ray may meet a cell on its border one step earlier or later
    assert (described - expected).abs().gt(1e-5).float().mean() < 1e-3
    assert len(types) == len(positions)


def test_the_pockets_are_those_that_the_package_found(real: tuple[StructureModel, ProteinAtoms]) -> None:
    """What version 0.3.0 gives for these residues, measured once; the slow test computes it."""
    model, atoms = real
    first, second = PLUGIN.find(atoms).pockets
    assert first.score == pytest.approx(22.214, abs=0.01)
    assert first.probability == pytest.approx(0.912, abs=0.005)
    assert first.centre_angstrom == pytest.approx((9.202, 0.886, 13.758), abs=0.02)
    assert second.score == pytest.approx(9.255, abs=0.01)
    assert second.probability == pytest.approx(0.155, abs=0.005)
    assert second.centre_angstrom == pytest.approx((18.329, -3.526, 13.375), abs=0.02)
    lining = {model.residues.numbers[row] for row in first.residues}
    assert {5, 6, 7, 27, 31, 46, 49, 50, 94, 100} <= lining  # the active site of a dihydrofolate reductase


@pytest.mark.slow
def test_the_pockets_are_those_of_the_package(
    real: tuple[StructureModel, ProteinAtoms], predictor: PocketPredictor
) -> None:
    model, atoms = real
    table = model.residues
    columns = {
        "name": atoms.names,
        "res": atoms.residue_names,
        "rid": [table.numbers[row] for row in atoms.rows],
        "icode": [table.insertions[row] for row in atoms.rows],
        "chain": [table.chains[row] for row in atoms.rows],
        "element": atoms.elements,
    }
    structure = Structure(
        **{key: np.array(value) for key, value in columns.items()},
        xyz=atoms.positions,
        bfactor=np.zeros(len(atoms.names), np.float32),
    )
    wanted = predictor.predict(structure)
    types, elements = (torch.from_numpy(each) for each in feat.atom_types(atoms.residue_names, atoms.names))
    positions, points = torch.from_numpy(atoms.positions), torch.from_numpy(wanted.points)
    described = describe_points(*surface_points(positions, elements), positions, elements)
    graph = make_graph(predictor.models[0], types, positions, points, described)
    scores = torch.stack([point_scores(network, graph) for network in predictor.models]).mean(dim=0)
    assert (scores - torch.from_numpy(wanted.point_scores)).abs().max() < 1e-3
    assert (scores - torch.from_numpy(wanted.point_scores)).abs().median() < 1e-6
    found = PLUGIN.find(atoms)
    assert len(found.pockets) == len(wanted.pockets) > 0
    for mine, theirs in zip(found.pockets, wanted.pockets, strict=True):
        assert mine.score == pytest.approx(theirs.score, abs=0.01)
        assert mine.probability == pytest.approx(theirs.probability, abs=0.005)
        assert mine.centre_angstrom == pytest.approx(theirs.center, abs=0.02)
    own = {f"{table.chains[row]}:{table.numbers[row]}": score for row, score in found.residue_scores.items()}
    assert own == pytest.approx(wanted.residue_scores, abs=2e-3)


def test_a_fragment_has_no_pocket(small: ProteinAtoms) -> None:
    few = ProteinAtoms(
        small.names[:20], small.residue_names[:20], small.elements[:20], small.positions[:20], small.rows[:20]
    )
    with pytest.raises(StructureError, match="20 atoms are too few"):
        PLUGIN.find(few)


def test_the_result_does_not_depend_on_the_frame(small: ProteinAtoms) -> None:
    """Moved by whole cells of the grid, the protein has the same pockets."""
    moved = ProteinAtoms(
        small.names, small.residue_names, small.elements, small.positions + np.float32(8.0), small.rows
    )
    here, there = PLUGIN.find(small), PLUGIN.find(moved)
    assert [pocket.residues for pocket in here.pockets] == [pocket.residues for pocket in there.pockets]
    for one, other in zip(here.pockets, there.pockets, strict=True):
        assert np.array(other.centre_angstrom) - 8.0 == pytest.approx(np.array(one.centre_angstrom), abs=0.01)
