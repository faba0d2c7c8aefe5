"""Pockets by fpocket: read from our atoms as from a file of the structure."""

from __future__ import annotations

from pathlib import Path

import fpocket_rs
import gemmi
import pytest

from logos_cli.errors import StructureError
from logos_cli.pockets import fpocket
from logos_cli.pockets.fpocket import PLUGIN
from tests.unit.pockets.test_pocketnet import protein_atoms


def test_the_pockets_are_those_of_the_file(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "complexes" / "posebusters" / "5sd5_HWI.pdb.gz"
    model, atoms = protein_atoms(path)
    structure = gemmi.read_structure(str(path))
    structure.setup_entities()
    structure.remove_ligands_and_waters()
    structure.remove_hydrogens()
    structure.remove_alternative_conformations()
    structure.write_pdb(str(tmp_path / "protein.pdb"))
    wanted = fpocket_rs.detect_pockets(str(tmp_path / "protein.pdb"))
    found = PLUGIN.find(atoms)
    assert len(found.pockets) == wanted["n_pockets"] > 3
    assert [pocket.score for pocket in found.pockets] == sorted((p.score for p in found.pockets), reverse=True)
    # volumes are estimated at random, and scores with them: the order of near ones may change
    theirs = {frozenset(map(tuple, each["residues"])): each for each in wanted["pockets"]}
    for mine in found.pockets[:3]:
        named = {(model.residues.chains[row], model.residues.numbers[row]) for row in mine.residues}
        lining, same = max(theirs.items(), key=lambda item: len(item[0] & named))
        assert lining <= named
        assert mine.score == pytest.approx(same["score"], abs=0.02)
        assert mine.probability is None


def test_a_protein_that_it_never_ends_with_is_an_error(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """7SIU keeps fpocket-rs busy for ever, which is how the limit was found to be needed."""
    _, atoms = protein_atoms(shared_data / "complexes" / "posebusters" / "7siu_9ID.pdb.gz")
    monkeypatch.setattr(fpocket, "LIMIT_S", 2.0)
    with pytest.raises(StructureError, match=r"did not end in 2 s"):
        PLUGIN.find(atoms)
