"""``logos explain -o page.html``: coloured sentences that open without a network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Logos

ASPIRIN = "<MoleculeS>CC(=O)Oc1ccccc1C(=O)O<MoleculeE>"


def test_tokens_become_coloured_text(logos: Logos, tmp_path: Path) -> None:
    logos("explain", ASPIRIN, "-o", "page.html", code=0)
    html = (tmp_path / "page.html").read_text()
    spans = re.findall(r'<span style="background:([^"]+)" title="([^"]*)">([^<]*)</span>', html)
    told = [(colour, title, text) for colour, title, text in spans if title]
    assert "".join(text for _, _, text in told) == ASPIRIN.replace("<", "&lt;").replace(">", "&gt;")
    for colour, title, _ in told:
        assert (colour == "transparent") == (float(title.split()[0]) >= 0.9)
    assert html.startswith("<!doctype html>")
    assert "<script" not in html  # nothing to draw, nothing to run


def test_a_structure_is_shown_with_its_values(logos: Logos, checkout: Path, tmp_path: Path) -> None:
    source = checkout / "examples" / "complex.cif"
    logos("explain", source, "-o", "page.html", code=0)
    html = (tmp_path / "page.html").read_text()
    assert "window.logosStructures" in html
    assert '"prop": "b"' in html
