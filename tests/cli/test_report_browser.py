"""Reports in a real browser without a network: the page opens, and structures are drawn."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from logos_cli.report.page import Page, Structure
from logos_cli.report.plots import Range, ranges

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: reports were not opened in a browser")

GLYCINES = "".join(
    f"ATOM  {4 * i + n + 1:5d}  {name:<3s} GLY A{i + 1:4d}    {3.8 * i + dx:8.3f}{dy:8.3f}{0.0:8.3f}  1.00  0.00"
    f"           {name[0]}\n"
    for i in range(4)
    for n, (name, dx, dy) in enumerate((("N", 0.0, 0.0), ("CA", 1.4, 0.3), ("C", 2.4, -0.8), ("O", 2.2, -2.0)))
)


def opened(page: Page | str, tmp_path: Path) -> tuple[str, str]:
    """Return the document after its scripts have run, and what the browser complained of."""
    path = tmp_path / "report.html"
    path.write_text(page if isinstance(page, str) else page.render(), encoding="utf-8")
    done = subprocess.run(
        [
            str(BROWSER),
            *FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=10000",
            "--enable-logging=stderr",
            "--log-level=0",
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, "\n".join(complaints)


def test_a_structure_is_drawn(tmp_path: Path) -> None:
    page = Page("structures")
    page.plot(ranges([Range("figure", 1.0, 0.5, 1.5)]))
    page.structure(Structure(GLYCINES, styles=[({}, {"stick": {}})]))
    document, complaints = opened(page, tmp_path)
    found = re.search(r'id="structure-1"[^>]*data-ready="(\d+)"', document)
    assert found is not None, complaints
    assert found[1] == "16"
    assert "<canvas" in document
    assert "Refused" not in complaints  # the page's own policy does not get in its way


@pytest.mark.slow
def test_docked_ligands_are_shown_in_their_pocket(tmp_path: Path) -> None:
    pytest.importorskip("meeko")
    from logos_cli.docking.receptor.preparation import Receptor, as_mmcif
    from logos_cli.records import Record
    from logos_cli.report.docking import BestLigands
    from logos_cli.structure.read import load
    from tests import receptors

    structure = load(receptors.peptide().encode(), "peptide.pdb").structure
    n_atoms = structure[0].count_atom_sites()
    best = BestLigands()
    for id in ("one", "two"):
        record = Record(id, "molecule", "<MoleculeS>Cc1ccccc1<MoleculeE>")
        record.scores["vina"] = {"value": -4.0, "unit": "kcal/mol"}
        contact = {"residue": "LYS A:109", "distance_angstrom": 3.0, "kinds": ["hydrogen_bond"]}
        record.extra["docking"] = {"pose": receptors.ligand_block(), "contacts": [contact]}
        best.add(record, Receptor("peptide.pdb", None, "", "", as_mmcif(structure), "key", ()))
    click = "<script>addEventListener('load', () => document.querySelectorAll('.pose')[1].click())</script>"
    document, complaints = opened(best.page().replace("</body>", f"{click}</body>"), tmp_path)
    found = re.search(r'id="pose-viewer"[^>]*>', document)
    assert found is not None, complaints
    assert f'data-ready="{n_atoms}"' in found[0], complaints
    assert 'data-atoms="7"' in found[0]
    assert 'data-shown="2"' in found[0]
    assert re.search(r'id="pose-name">two', document) is not None
    assert "Refused" not in complaints
