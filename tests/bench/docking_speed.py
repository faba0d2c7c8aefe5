"""How long docking takes beside the same calls to Vina without our layers, and with two workers beside one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rdkit import Chem

from logos_cli.chemistry.smiles import parse_smiles
from logos_cli.docking import libraries
from logos_cli.docking.box import Box
from logos_cli.docking.engines.engines import Search
from logos_cli.docking.ligand import LigandOptions, prepare
from logos_cli.docking.place import BoxOptions
from logos_cli.docking.receptor.preparation import prepare as prepare_receptor
from logos_cli.docking.receptor.preparation import read_model
from logos_cli.io.input import Input
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Status
from logos_cli.workflows.dock.docking import DockOptions, dock
from tests.bench.docking_pockets import SEED, SIDE_ANGSTROM, Library, Pocket

HEAVY_ATOMS = 12


def speed_row(pocket: Pocket, library: Library, count: int, exhaustiveness: int) -> dict[str, Any]:
    """Time the same ligands three times: Vina alone, our run with one worker, and with two.

    Every time holds the start of the processes and the maps of the box; the receptor is prepared before.
    """
    smiles = library.like([HEAVY_ATOMS] * count, pocket.name)
    box = Box.around(pocket.reference().GetConformer().GetPositions(), 0, pocket.name, (SIDE_ANGSTROM,) * 3)
    with Input(str(pocket.receptor)) as source:
        receptor = prepare_receptor(read_model(source), box)
    search = Search(exhaustiveness=exhaustiveness, seed=SEED)
    bare = _bare(receptor.rigid_pdbqt, box, smiles, search)
    ours = {n: _ours(pocket, box, smiles, search, n) for n in (1, 2)}
    return {
        "name": pocket.name,
        "ok": True,
        "n": count,
        "exhaustiveness": exhaustiveness,
        **bare,
        "one_worker_s": ours[1],
        "two_workers_s": ours[2],
    }


def _bare(receptor_pdbqt: str, box: Box, smiles: Sequence[str], search: Search) -> dict[str, float]:
    """Return the seconds of preparing the ligands, and of Vina's maps and searches."""
    start = time.perf_counter()
    pdbqts = [prepare(parse_smiles(each), each, LigandOptions(seed=SEED)).pdbqt for each in smiles]
    prepared = time.perf_counter()
    vina = libraries.load("vina")
    engine = vina.Vina(sf_name="vina", cpu=1, seed=search.vina_seed, verbosity=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "receptor.pdbqt")
        path.write_text(receptor_pdbqt, encoding="ascii")
        engine.set_receptor(str(path))
        engine.compute_vina_maps(list(box.center_angstrom), list(box.size_angstrom))
        for pdbqt in pdbqts:
            engine.set_ligand_from_string(pdbqt)
            engine.dock(exhaustiveness=search.exhaustiveness, n_poses=search.n_poses)
            engine.energies(search.n_poses, search.energy_range_kcal_per_mol)
            engine.poses(search.n_poses, search.energy_range_kcal_per_mol)
    return {"prepare_s": prepared - start, "vina_s": time.perf_counter() - prepared}


def _ours(pocket: Pocket, box: Box, smiles: Sequence[str], search: Search, n_workers: int) -> float:
    options = DockOptions(
        BoxOptions(center_angstrom=box.center_angstrom, size_angstrom=box.size_angstrom),
        exhaustiveness=search.exhaustiveness,
        seed=SEED,
        cpu=n_workers,
    )
    start = time.perf_counter()
    records = list(dock(pocket.receptor, [Molecule(str(Chem.CanonSmiles(each))) for each in smiles], options))
    wall_s = time.perf_counter() - start
    if any(record.status is not Status.OK for record in records):
        raise RuntimeError("a ligand was not docked: the times do not compare")
    return wall_s


def speed_summary(rows: Sequence[dict[str, Any]]) -> None:
    """Print ratios of the total times."""
    for row in rows:
        vina, prepare_s, one, two = (row[key] for key in ("vina_s", "prepare_s", "one_worker_s", "two_workers_s"))
        print(
            f"{row['n']} ligands at exhaustiveness {row['exhaustiveness']}: Vina {vina:.1f} s, "
            f"preparing {prepare_s:.1f} s, one worker {one:.1f} s, two {two:.1f} s"
        )
        print(f"one worker / (Vina and preparing): {one / (vina + prepare_s):.3f}")
        print(f"one worker / Vina: {one / vina:.3f}")
        print(f"two workers: {one / two:.2f} times the throughput of one")
