"""The page of docked ligands: the best are kept, what they say is told, and nothing of theirs becomes markup."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from rdkit import Chem

from logos_cli.docking.receptor.preparation import Receptor
from logos_cli.records import Record, Status
from logos_cli.report.docking import BestLigands
from logos_cli.report.plots import histogram
from logos_cli.structure.read import load
from tests import receptors

gemmi = pytest.importorskip("gemmi")


@pytest.fixture(scope="module")
def receptor() -> Receptor:
    from logos_cli.docking.receptor.preparation import as_mmcif

    cif = as_mmcif(load(receptors.peptide().encode(), "peptide.pdb").structure)
    return Receptor("peptide.pdb", None, "", "", cif, "key", ())


def record(id: str, vina: float, **docking: Any) -> Record:
    made = Record(id, "molecule", "<MoleculeS>Cc1ccccc1<MoleculeE>")
    made.scores["vina"] = {"value": vina, "unit": "kcal/mol", "better": "lower"}
    made.extra["docking"] = {
        "pose": receptors.ligand_block(),
        "contacts": [{"residue": "LYS A:109", "distance_angstrom": 2.94, "kinds": ["hydrophobic"]}],
        **docking,
    }
    return made


def scenes(page: str) -> dict[str, Any]:
    found = re.search(r"window\.logosPoses = (\{.*?\});\n", page, re.DOTALL)
    assert found is not None
    value: dict[str, Any] = json.loads(found[1])
    return value


def test_the_best_are_shown_in_their_order(receptor: Receptor) -> None:
    best = BestLigands(2)
    for id, score in (("a", -3.0), ("b", -7.5), ("c", -5.0), ("d", -5.0)):
        best.add(record(id, score), receptor)
    failed = record("e", -9.0)
    failed.status = Status.ERROR
    best.add(failed, receptor)
    page = best.page("5 requested → 4 docked")
    assert re.findall(r"</span>(\w)</button></h3>", page) == ["b", "c"]
    assert "All 4 docked ligands" in page
    assert "−7.50" in page
    shown = scenes(page)
    assert len(shown["receptors"]) == 1  # once for all ligands
    assert [pose["title"] for pose in shown["poses"]] == ["b  −7.50 kcal/mol", "c  −5.00 kcal/mol"]
    assert shown["poses"][0]["near"] == [["A", 109]]


def test_checks_site_and_notes_are_told(receptor: Receptor) -> None:
    best = BestLigands()
    checks = {"valid": False, "failed": ["internal_energy"], "tests": 20}
    site = {"in_site": 0.25, "covered": 0.5, "contradicts": True}
    best.add(record("x", -1, checks=checks, site=site, notes=["stripped Cl"]), receptor)
    page = best.page()
    assert "19 of 20 tests passed; failed: internal energy" in page
    assert "25% of the contacts" in page
    assert page.count('class="verdict bad"') == 2
    assert "stripped Cl" in page


def test_names_are_text_not_markup(receptor: Receptor) -> None:
    best = BestLigands()
    best.add(record("</script><img src=x onerror=alert(1)>", -1.0), receptor)
    page = best.page("<em>account</em>")
    assert "<img" not in page
    assert "<em>" not in page


def test_lines_join_the_nearest_polar_atoms(receptor: Receptor) -> None:
    """A water's oxygen in place of a ligand, 2.9 Å from the lysine's nitrogen."""
    nitrogen = receptor.structure[0]["A"]["109"][0].sole_atom("NZ").pos
    molecule = Chem.MolFromSmiles("O")
    conformer = Chem.Conformer(1)
    conformer.SetAtomPosition(0, [nitrogen.x + 2.9, nitrogen.y, nitrogen.z])
    molecule.AddConformer(conformer)
    kinds = ["hydrogen_bond"]
    contact = {"residue": "LYS A:109", "distance_angstrom": 2.9, "kinds": kinds}
    best = BestLigands()
    best.add(record("w", -1.0, pose=Chem.MolToMolBlock(molecule), contacts=[contact]), receptor)
    ((start, end, _),) = scenes(best.page())["poses"][0]["lines"]
    assert start["x"] == pytest.approx(nitrogen.x, abs=1e-3)
    assert end["x"] - start["x"] == pytest.approx(2.9, abs=1e-3)


def test_nothing_to_show_is_said() -> None:
    assert "No ligand has a pose" in BestLigands().page("1 requested → 0 docked (1 failed)")


def test_histogram_counts_every_value() -> None:
    svg = histogram([-9.1, -9.0, -7.2, -3.3, -3.3], scores_shown=[-9.1], unit="kcal/mol")
    light = re.findall(r'fill-opacity=".35"><title>(\d+)</title>', svg)
    assert sum(map(int, light)) == 5
    assert re.findall(r'fill-opacity="1"><title>(\d+)</title>', svg) == ["1"]
    assert "<rect" in histogram([-5.0, -5.0])  # no spread
