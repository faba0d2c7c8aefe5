"""A small complex to dock to, made once a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rdkit import Chem

from tests import receptors

if TYPE_CHECKING:
    from logos_cli.docking.engines.engines import Target
    from logos_cli.docking.receptor.preparation import Receptor


@pytest.fixture(scope="session")
def complex_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("docking") / "complex.pdb"
    path.write_text(receptors.with_ligand())
    return path


@pytest.fixture(scope="session")
def sdf_file(complex_file: Path) -> Path:
    path = complex_file.with_name("toluene.sdf")
    path.write_text(f"toluene{receptors.ligand_block()}$$$$\n")
    return path


@pytest.fixture(scope="session")
def target(complex_file: Path, sdf_file: Path) -> tuple[Receptor, Target]:
    from logos_cli.docking.box import Box
    from logos_cli.docking.engines import engines
    from logos_cli.docking.receptor.preparation import ReceptorOptions, prepare, read_model
    from logos_cli.io.input import Input

    positions = Chem.MolFromMolFile(str(sdf_file)).GetConformer().GetPositions()
    box = Box.around(positions, 5.0)
    with Input(str(complex_file)) as source:
        receptor = prepare(read_model(source), box, ReceptorOptions(), occupied=positions, cache=False)
    return receptor, engines.Target(receptor.rigid_pdbqt, receptor.flexible_pdbqt, box)
