"""mmJSON gives the entries of the mmCIF that it was made from."""

from __future__ import annotations

from pathlib import Path

import gemmi
import pytest

from logos_cli import encode


def _mmjson(cif: Path) -> str:
    return gemmi.cif.read(str(cif)).as_json(mmjson=True)


def test_mmjson_reads_as_its_mmcif(checkout: Path, tmp_path: Path) -> None:
    """Whatever its name: text, residue map and ligand are the same."""
    cif = checkout / "examples" / "complex.cif"
    path = tmp_path / "complex.json"
    path.write_text(_mmjson(cif))
    (expected,), (record,) = list(encode(str(cif))), list(encode(str(path), verify=True))
    assert record.text == expected.text
    assert record.source["format"] == "mmjson"
    assert record.source["verify"]["identical"]
    different = {key for key in expected.source if record.source[key] != expected.source[key]}
    assert different == {"path", "sha256", "format"}


def test_mmjson_of_the_pdb(shared_data: Path, tmp_path: Path) -> None:
    cif = min((shared_data / "complexes" / "posebusters_raw_mmcif").glob("*.cif*"))
    path = tmp_path / "entry"
    path.write_text(_mmjson(cif))
    assert [record.text for record in encode(str(path))] == [record.text for record in encode(str(cif))]


@pytest.mark.parametrize("cut", [200, 3000])
def test_mmjson_that_is_cut_off_is_refused(checkout: Path, tmp_path: Path, cut: int) -> None:
    (tmp_path / "a.mmjson").write_text(_mmjson(checkout / "examples" / "complex.cif")[:cut])
    (record,) = encode(str(tmp_path / "a.mmjson"))
    assert record.status == "error"
    assert "not a readable structure file" in (record.reason or "")
