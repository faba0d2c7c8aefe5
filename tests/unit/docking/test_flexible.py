"""Flexible side chains: where each pose has them, in the record and in the receptor."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest
from rdkit import Chem

from logos_cli.errors import StructureError
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Status
from tests import receptors

for _library in ("meeko", "openmm", "pdbfixer"):
    pytest.importorskip(_library)

from logos_cli.docking.contacts import ContactFinder
from logos_cli.docking.engines import engines
from logos_cli.docking.libraries import is_installed
from logos_cli.docking.receptor import flexible
from logos_cli.docking.receptor.preparation import Receptor, ReceptorOptions, ResidueId
from logos_cli.workflows.dock import docking
from logos_cli.workflows.dock.docking import BoxOptions, DockOptions

needs_vina = pytest.mark.skipif(not is_installed("vina"), reason="the vina package is not installed")


def _options(**choices: object) -> DockOptions:
    return DockOptions(**{"exhaustiveness": 1, "n_poses": 3, "cpu": 1} | choices)  # type: ignore[arg-type]


@needs_vina
@pytest.mark.usefixtures("preloaded_workers")
def test_side_chain_that_moves(complex_file: Path) -> None:
    pytest.importorskip("posebusters")
    x, y, z = receptors.centre()
    box = BoxOptions(center_angstrom=(x, y, z), size_angstrom=(24.0, 24.0, 24.0))
    wanted = ReceptorOptions(flexible=("A:105",))
    run = docking.Docking(complex_file, _options(receptor=wanted, box=box, check=True))
    found = next(run.results(Molecule("CCO")))
    told = found.record.extra["docking"]
    assert found.record.status is Status.OK, found.reason
    assert Chem.MolFromMolBlock(told["pose"]).GetNumAtoms() == 3
    assert all(pose.side_chains for pose in found.poses)
    (chain,) = flexible.from_json(told["flexible"])
    assert chain == found.poses[0].side_chains[0]
    assert (chain.name, str(chain.residue)) == ("PHE", "A:105")
    before = {atom.name: atom.pos.tolist() for atom in _phenylalanine(run.receptor)}
    moved = flexible.placed(run.receptor, [chain])
    after = {atom.name: atom.pos.tolist() for atom in _phenylalanine(moved)}
    assert moved.key != run.receptor.key
    assert after["CA"] == pytest.approx(before["CA"], abs=2e-3)
    assert dict(chain.atoms)["CZ"] == pytest.approx(after["CZ"])
    ring = [[here[name] for name in ("CG", "CZ")] for here in (before, after)]
    lengths = [float(np.linalg.norm(np.subtract(*pair))) for pair in ring]
    assert lengths[0] == pytest.approx(lengths[1], abs=0.02)  # it turned, and stayed a ring
    contacts = ContactFinder(moved).find(found.poses[0].molecule)
    assert [contact.to_json() for contact in contacts] == told["contacts"]
    assert told["checks"]["tests"] > 5
    assert not any("out of the box" in note for note in told["receptor"]["notes"])


@needs_vina
def test_side_chain_beyond_the_box_is_said(complex_file: Path) -> None:
    small = BoxOptions(center_angstrom=receptors.centre(), size_angstrom=(4.0, 4.0, 4.0))
    run = docking.Docking(complex_file, _options(receptor=ReceptorOptions(flexible=("A:105",)), box=small))
    assert any("PHE A:105: flexible, but reaching out of the box" in note for note in run.receptor.notes)


def _phenylalanine(receptor: Receptor) -> gemmi.Residue:
    (residue,) = [each for each in receptor.structure[0]["A"] if each.seqid.num == 105]
    return residue


def test_flexible_atoms_are_read_model_by_model(target: tuple[Receptor, engines.Target]) -> None:
    """A program that writes no side chains tells of none; what is not the receptor's is refused."""
    atom = "ATOM      1  CA  PHE A 105       3.308  -6.080  -5.768  1.00  0.00    +0.000 C "
    ligand = atom.replace("PHE A 105", "UNL     1")
    model = f"MODEL 1\n{ligand}\nBEGIN_RES PHE A 105\n{atom}\nEND_RES PHE A 105\nENDMDL\n"
    one, none = flexible.positions_of(f"{model}MODEL 2\n{ligand}\nENDMDL\n")
    assert one.tolist() == [[3.308, -6.08, -5.768]]
    assert none.shape == (0, 3)
    assert flexible.side_chains(target[0], none) == ()
    with pytest.raises(StructureError, match="1 flexible atoms, the receptor 0"):
        flexible.side_chains(target[0], one)


def test_side_chains_of_a_record() -> None:
    given = flexible.SideChain("ARG", ResidueId(("A", -5, "B")), (("CA", (1.0, 2.0, 3.0)),))
    assert flexible.from_json([given.to_json()]) == (given,)
    assert flexible.pdb_lines([given]) == (
        "ATOM      1  CA  ARG A  -5B      1.000   2.000   3.000  1.00  0.00           C"
    )
