"""Programs that take Vina's options, each with its own: stand-ins that refuse what the real ones refuse.

What each takes and writes was read in its source: Vina 1.2 and Uni-Dock 1.1 (``main.cpp``), smina and gnina
(``main.cpp``, ``result_info.cpp``).
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

for _library in ("meeko", "openmm", "pdbfixer"):
    pytest.importorskip(_library)

from logos_cli.docking.engines import engines
from logos_cli.docking.engines.worker import Docked, Task, dock_one
from logos_cli.docking.ligand import LigandOptions
from logos_cli.docking.receptor.preparation import Receptor
from logos_cli.errors import MoleculeError

Target = tuple[Receptor, engines.Target]

_BOX = [f"--{what}_{axis}" for what in ("center", "size") for axis in "xyz"]
_COMMON = ["--receptor", "--flex", "--ligand", "--out", *_BOX, "--seed", "--cpu", "--exhaustiveness", "--num_modes"]
_VINA = [*_COMMON, "--energy_range", "--scoring"]
_SMINA = [*_COMMON, "--energy_range"]
_GNINA = [*_COMMON, "--cnn_scoring"]
_UNIDOCK = [*_VINA, "--gpu_batch", "--dir"]
_SWITCHES = {
    "vina": ["--score_only", "--local_only"],
    "smina": ["--quiet", "--score_only", "--minimize"],
    "gnina": ["--quiet", "--score_only", "--minimize"],
    "unidock": ["--score_only", "--local_only"],
}
_VALUES = {"vina": _VINA, "smina": _SMINA, "gnina": _GNINA, "unidock": _UNIDOCK}
_ENGINES = {"vina-binary": "vina", "smina": "smina", "gnina": "gnina", "unidock": "unidock"}

_STAND_IN = """#!{python}
import json, os, sys
name, values, switches = {name!r}, {values!r}, {switches!r}
given, words = {{}}, sys.argv[1:]
while words:
    word = words.pop(0)
    if word in switches:
        given[word] = True
    elif word in values:
        given[word] = words.pop(0)
    else:
        sys.exit(f"Command line parse error: unrecognised option '{{word}}'")
json.dump(given, open({log!r}, "w"))
ligand = open(given.get("--gpu_batch") or given["--ligand"]).read()
affinities = [-7.25, -6.5, -3.0]
written = [1, 2, 3][: int(given.get("--num_modes", 1))]
if name in ("smina", "gnina"):
    end = "\\n" if name == "smina" else ""
    extra = end + "REMARK minimizedRMSD 0.5" + end if "--minimize" in given else end
    heads = [f"REMARK minimizedAffinity {{affinities[n - 1]}}{{extra}}" for n in written]
else:
    heads = [f"REMARK VINA RESULT:    {{affinities[n - 1]:.3f}}      0.000      0.000\\n" for n in written]
poses = "".join(f"MODEL {{n}}\\n{{heads[n - 1]}}{{ligand}}ENDMDL\\n" for n in written)
if name in ("vina", "unidock") and "--score_only" in given:
    print("Estimated Free Energy of Binding   : -7.250 (kcal/mol) [=(1)+(2)+(3)+(4)]")
elif name in ("vina", "unidock") and "--local_only" in given:
    print("Estimated Free Energy of Binding   : -7.250 (kcal/mol) [=(1)+(2)+(3)+(4)]")
    open(given["--out"], "w").write(ligand)
elif "--gpu_batch" in given:
    base = os.path.basename(given["--gpu_batch"]).removesuffix(".pdbqt")
    open(os.path.join(given["--dir"], base + "_out.pdbqt"), "w").write(poses)
else:
    open(given["--out"], "w").write(poses)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a stand-in on the PATH; return the file where it tells what it was called with."""

    def make(name: str) -> Path:
        path, log = tmp_path / name, tmp_path / f"{name}.json"
        path.write_text(
            _STAND_IN.format(
                python=sys.executable, name=name, values=_VALUES[name], switches=_SWITCHES[name], log=str(log)
            )
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        return log

    return make


def _run(engine: str, target: engines.Target, mode: engines.Mode, **choices: float) -> Docked:
    search = engines.Search(mode=mode, n_poses=3, exhaustiveness=4, **choices)  # type: ignore[arg-type]
    started = engines.start(engines.choose(engine), target, search)
    try:
        return dock_one(started, Task("CC(=O)NCCO"), LigandOptions(ph=None))
    finally:
        started.close()


@pytest.mark.parametrize("engine", _ENGINES)
@pytest.mark.parametrize("mode", ["dock", "score", "minimize"])
def test_each_program_takes_what_it_is_given(
    engine: str, mode: engines.Mode, target: Target, install: Callable[[str], Path]
) -> None:
    log = install(_ENGINES[engine])
    done = _run(engine, target[1], mode)
    # the third pose lies beyond the range, whether the program knows of one or not
    assert done.scores_kcal_per_mol == ((-7.25, -6.5) if mode == "dock" else (-7.25,))
    assert len(done.poses) == len(done.scores_kcal_per_mol)
    given = json.loads(log.read_text())
    assert ("--exhaustiveness" in given) == (mode == "dock")
    center = [float(given[f"--center_{axis}"]) for axis in "xyz"]
    assert np.allclose(center, target[1].box.center_angstrom)


def test_poses_within_the_range_are_kept(target: Target, install: Callable[[str], Path]) -> None:
    install("gnina")
    done = _run("gnina", target[1], "dock", energy_range_kcal_per_mol=5.0)
    assert done.scores_kcal_per_mol == (-7.25, -6.5, -3.0)


def test_unidock_docks_on_the_gpu_unless_side_chains_move(target: Target, install: Callable[[str], Path]) -> None:
    log = install("unidock")
    _run("unidock", target[1], "dock")
    assert "--gpu_batch" in json.loads(log.read_text())
    flexible = engines.Target(target[1].rigid_pdbqt, "BEGIN_RES PHE A 105\n", target[1].box)
    _run("unidock", flexible, "dock")
    assert {"--ligand", "--flex"} <= json.loads(log.read_text()).keys()


def test_an_option_that_a_program_does_not_know_is_told(
    target: Target, install: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("vina")
    monkeypatch.setitem(engines.PROGRAMS, "vina-binary", engines.Program("vina", ("--cnn",)))
    with pytest.raises(MoleculeError, match=r"vina ended with status 1: .*unrecognised option '--cnn'"):
        _run("vina-binary", target[1], "dock")
