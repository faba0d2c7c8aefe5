"""``logos score --draw``: what was kept, as a picture."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Logos

SMILES = "CCO ethanol\nc1ccccc1 benzene\nCC(=O)Oc1ccccc1C(=O)O aspirin\n"


def test_the_kept_molecules_are_drawn(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "m.smi").write_text(SMILES)
    logos("score", "m.smi", "--metrics", "qed", "--top", "2", "--by", "qed", "--draw", "g.svg", "-o", "k.smi", code=0)
    root = ET.parse(tmp_path / "g.svg").getroot()
    assert root.attrib["width"] == "500px"  # two cells
    assert len((tmp_path / "k.smi").read_text().splitlines()) == 2


def test_a_picture_of_pixels(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "m.smi").write_text(SMILES)
    logos("score", "m.smi", "--metrics", "qed", "--draw", "g.png", "-o", "k.jsonl", code=0)
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")


def test_drawings_that_cannot_be_made_are_refused_before_the_work(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "m.smi").write_text(SMILES)
    (tmp_path / "there.svg").touch()
    assert "SVG or a PNG" in logos("score", "m.smi", "--draw", "g.pdf", code=2).stderr
    assert "the output exists" in logos("score", "m.smi", "--draw", "there.svg", code=2).stderr
    none_left = logos("score", "m.smi", "--metrics", "qed", "--where", "qed>2", "--draw", "g.svg", "-o", "k.smi")
    assert "a drawing holds 1 to" in none_left.stderr
    assert not (tmp_path / "g.svg").exists()


def test_a_framework_is_drawn_by_its_building_blocks(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(
        '{"schema": 1, "id": "mof", "kind": "material", "text": "<MaterialS><MetalS>[Zn]<MetalE><MoleculeS>'
        'O=C([O-])c1ccc(C(=O)[O-])cc1<MoleculeE><MaterialE>", "status": "ok"}\n',
        encoding="utf-8",
    )
    logos("score", "m.jsonl", "--draw", "g.svg", "-o", "k.jsonl")
    drawing = (tmp_path / "g.svg").read_text()
    assert "no molecule to draw" not in drawing
    assert drawing.count("<path") > 10


def test_a_long_molecule_makes_no_other_small(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "m.smi").write_text(f"{'C' * 30} long\nc1ccccc1 benzene\n")
    logos("score", "m.smi", "--metrics", "none", "--draw", "g.svg", "-o", "k.jsonl")
    bonds = re.findall(
        r"class='bond-0 [^>]*d='M ([\d.]+),([\d.]+) L ([\d.]+),([\d.]+)", (tmp_path / "g.svg").read_text()
    )
    firsts = [math.dist(map(float, bond[:2]), map(float, bond[2:])) for bond in bonds]
    assert max(firsts) > 3 * firsts[0]


def test_a_picture_is_not_written_through_a_link(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "m.smi").write_text("CCO a\n")
    (tmp_path / "other").write_text("kept")
    (tmp_path / "g.png.part").symlink_to(tmp_path / "other")
    logos("score", "m.smi", "--metrics", "qed", "--draw", "g.png", "-o", "k.jsonl", code=0)
    assert (tmp_path / "other").read_text() == "kept"
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")
