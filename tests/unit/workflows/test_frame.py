"""Records as a DataFrame, and as HTML in a notebook."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from logos_cli import encode, score, to_frame
from logos_cli.errors import MissingError
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.material import Material
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record, Status


def test_scores_are_columns_with_units() -> None:
    frame = to_frame(score(["CCO", "c1ccccc1", "C1CC"], form="molecule", metrics="mw,qed"))
    assert list(frame.columns[:7]) == ["id", "kind", "text", "status", "reason", "mw", "qed"]
    assert frame["mw"].dtype == np.float64
    assert frame["mw"].round(1).tolist()[:2] == [46.1, 78.1]
    assert np.isnan(frame["mw"][2])
    assert "unclosed ring" in frame["reason"][2]
    assert frame["status"].tolist() == ["ok", "ok", "error"]
    assert frame.attrs["units"] == {"mw": "Da"}


def test_what_records_have_besides_is_flattened() -> None:
    record = Record(
        "a",
        "protein",
        "<ProteinS>MK<ProteinE>",
        source={"path": "x.fasta", "notes": ["one"]},
        sample={"logp": -1.5},
        scores={"id": {"value": 3}, "plain": 0.5},  # type: ignore[dict-item]
        extra={"docking": {"engine": "vina", "pose": "a\nb"}, "plain": "other"},
    )
    frame = to_frame(record)
    assert frame.to_dict("records") == [
        {
            "id": "a",
            "kind": "protein",
            "text": "<ProteinS>MK<ProteinE>",
            "status": "ok",
            "reason": None,
            "scores.id": 3,
            "plain": 0.5,
            "sample.logp": -1.5,
            "source.path": "x.fasta",
            "source.notes": ["one"],
            "docking.engine": "vina",
            "extra.plain": "other",
        }
    ]


def test_no_records_are_a_frame_with_the_first_columns() -> None:
    frame = to_frame([])
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["id", "kind", "text", "status", "reason"]
    assert frame.empty
    with pytest.raises(TypeError, match="takes records, not an object of type str"):
        to_frame(["CCO"])  # type: ignore[list-item]


def test_pandas_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingError, match="pandas, which is not installed") as caught:
        to_frame([])
    assert caught.value.hint == "pip install pandas"


@pytest.mark.parametrize(
    ("given", "is_drawn", "shown"),
    [
        ("<MoleculeS>CCO<MoleculeE>", True, "CCO"),
        ("<ProteinS>MK<ProteinE>", False, "sequence (2)"),
        (Antibody(("EVQL", "DIQM")), False, "light (4)"),
        (Reaction(("CC(=O)O", "OCC"), "CC(=O)OCC"), True, "CC(=O)OCC"),
        (Material("[Zn][O][Zn]", ("O=C([O-])c1ccc(C(=O)[O-])cc1",)), True, "linkers"),
        ("<ProteinS>M<PocketS>K<PocketE><ProteinE><MoleculeS>CCO<MoleculeE>", True, "K2"),
    ],
)
def test_a_notebook_shows_a_record(given: object, is_drawn: bool, shown: str) -> None:
    (record,) = encode(given)
    html = record._repr_html_()
    ET.fromstring(html)  # well formed
    assert ("<svg" in html) is is_drawn
    assert shown in html


def test_html_escapes_and_says_what_is_wrong() -> None:
    record = Record(
        "<b>&", "molecule", "", Status.ERROR, "broken <i>", scores={"mw": {"value": None, "reason": "no <u>"}}
    )
    html = record._repr_html_()
    ET.fromstring(html)
    assert not any(tag in html for tag in ("<b>", "<i>", "<u>"))
    assert "error: broken &lt;i&gt;" in html
    assert "none: no &lt;u&gt;" in html


def test_a_molecule_that_cannot_be_drawn_is_a_table() -> None:
    html = Record("a", "molecule", "<MoleculeS>C1CC(<MoleculeE>", Status.INVALID, "broken")._repr_html_()
    assert "<svg" not in html
    assert "C1CC(" in html


def test_scores_are_shown_with_their_units(checkout: Path) -> None:
    (first, *_) = score(checkout / "examples" / "molecules.smi", metrics="mw")
    assert "180.2 Da" in first._repr_html_()
