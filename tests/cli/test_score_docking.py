"""Scores that dock: the values of ``logos dock``, in shared maps, null with the reason where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from logos_cli.errors import InputError, UsageError
from logos_cli.evaluators.base import Context
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.records import Record
from tests import receptors

for _library in ("meeko", "openmm", "pdbfixer", "vina"):
    pytest.importorskip(_library)

from logos_cli import dock, score
from logos_cli.docking import session as sessions
from logos_cli.docking.engines.worker import DockingPool, start_pool
from logos_cli.docking.options import DockOptions, ReceptorSpec
from logos_cli.docking.results import VINA_VERSION
from logos_cli.workflows.score import batches
from logos_cli.workflows.score.metrics import metric_of

pytestmark = pytest.mark.usefixtures("preloaded_workers")
OPTIONS = DockOptions(exhaustiveness=1, n_poses=2, cpu=1)
ITEMS = [Molecule(smiles) for smiles in ("CCO", "OB(O)C", "CCN", "Cc1ccccc1", "CCS")]


@pytest.fixture(scope="module")
def receptor(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("docking") / "complex.pdb"
    path.write_text(receptors.with_ligand())
    return str(path)


def _values(records: list[Record], name: str) -> list[Any]:
    return [record.scores[name]["value"] if name in record.scores else None for record in records]


def test_scores_are_those_of_dock_in_one_set_of_processes(receptor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pools: list[DockingPool] = []

    def counted(*setup: Any) -> DockingPool:
        pools.append(start_pool(*setup))
        return pools[-1]

    docked = list(dock(receptor, ITEMS, OPTIONS))
    monkeypatch.setattr(sessions, "start_pool", counted)
    monkeypatch.setattr(batches, "_SMALL_BATCH", 3)  # two batches
    items = [*ITEMS, Protein("MKV")]
    scored = list(score(items, metrics=("vina", "vina_efficiency"), receptor=ReceptorSpec(receptor, OPTIONS)))
    for name in ("vina", "vina_efficiency"):
        assert _values(scored, name) == [*_values(docked, name), None]
    assert "is B, which Vina does not know" in scored[1].scores["vina"]["reason"]
    assert scored[1].text == "<MoleculeS>OB(O)C<MoleculeE>"
    assert "do not apply to the form protein" in scored[5].scores["vina"]["reason"]
    assert scored[0].scores["vina"]["unit"] == "kcal/mol"
    assert scored[0].scores["vina"]["receptor"] == receptor
    assert scored[0].scores["vina"]["version"] == VINA_VERSION
    assert len(pools) == 1
    assert not any(pool.is_running for pool in pools)


def test_a_run_that_is_left_ends_its_processes(receptor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pools: list[DockingPool] = []

    def counted(*setup: Any) -> DockingPool:
        pools.append(start_pool(*setup))
        return pools[-1]

    monkeypatch.setattr(sessions, "start_pool", counted)
    monkeypatch.setattr(batches, "_SMALL_BATCH", 2)
    scored = score(ITEMS, metrics=("vina",), receptor=ReceptorSpec(receptor, OPTIONS))
    assert next(iter(scored)).scores["vina"]["value"] < 0
    scored.close()  # type: ignore[attr-defined]
    assert pools
    assert not any(pool.is_running for pool in pools)


def test_what_cannot_be_docked_into_is_said_first(receptor: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="vina needs a receptor"):
        score(ITEMS, metrics=("vina",))
    with pytest.raises(InputError, match="no such file"):
        score(ITEMS, metrics=("vina",), receptor=ReceptorSpec(str(tmp_path / "nowhere.pdb"), OPTIONS))
    metric = metric_of("vina")
    assert metric is not None
    assert all(Context(receptor=ReceptorSpec(receptor)).offers(need) for need in metric.needs)
    assert metric.version == VINA_VERSION


def test_the_command_docks_ranks_and_explains(logos: Any, receptor: str) -> None:
    fast = ("--receptor", receptor, "--exhaustiveness", "1", "--cpu", "1")
    smiles = "CCO a\nCc1ccccc1 b\nOB(O)C c\n"
    done = logos("score", "-", "--metrics", "vina,mw", *fast, "--top", "2", "--by", "vina", stdin=smiles, code=0)
    best, second = (json.loads(line) for line in done.stdout.splitlines())
    assert {best["id"], second["id"]} == {"a", "b"}
    assert best["scores"]["vina"]["value"] <= second["scores"]["vina"]["value"] < 0
    assert "1 without a value" in done.stderr
    told = logos("score", "--explain", "--metrics", "docking", code=0).stdout
    assert "needs a receptor" in told
    assert "kcal/mol" in told
    refused = logos("score", "-", "--metrics", "vina", stdin=smiles, code=2)
    assert "--receptor FILE" in refused.stderr
    stray = logos("score", "-", "--exhaustiveness", "4", stdin=smiles, code=2)
    assert "give --receptor" in stray.stderr


def test_scores_that_docked_records_have_are_used_without_a_receptor(logos: Any) -> None:
    lines = [
        Record(str(value), "molecule", "<MoleculeS>CCO<MoleculeE>", scores={"vina": {"value": value}}).to_json()
        for value in (-3.0, -7.5)
    ]
    done = logos("score", "-", "--metrics", "none", "--where", "vina<-5", stdin="\n".join(lines), code=0)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["-7.5"]
