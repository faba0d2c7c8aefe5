"""Bounds of sizes: what exceeds one is an error that names its variable, and another bound can be set."""

from __future__ import annotations

import os
import re
from pathlib import Path

import gemmi
import pytest

from logos_cli import limits
from logos_cli.chemistry.molecule_records import mol2_records, sdf_records
from logos_cli.cli.app import run_app
from logos_cli.cli.effective import effective
from logos_cli.crystal.cell import read_unit_cell
from logos_cli.errors import InputError, LogosError, MoleculeError, StructureError, UsageError
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.io.input import Input
from logos_cli.structure.ligand.perception import connect


@pytest.fixture(autouse=True)
def unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in limits.LIMITS.values():
        monkeypatch.setenv(limit.variable, "")


def test_the_page_lists_all_with_their_defaults(checkout: Path) -> None:
    page = (checkout / "docs" / "reference" / "command-line.md").read_text()
    rows = re.findall(r"^\| `(LOGOS_MAX_\w+)` \| `(\w+)` \| ([\d,]+) \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(each.variable, each.name, f"{each.default:,}", each.what) for each in limits.LIMITS.values()]


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "9" * 30])
def test_what_is_no_bound_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGOS_MAX_LINE_MIB", text)
    with pytest.raises(UsageError, match=f"LOGOS_MAX_LINE_MIB is {text}; it must be a whole number above 0"):
        _ = limits.LINE.value


@pytest.mark.parametrize("records", [sdf_records, mol2_records])
def test_a_record(records: object, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["@<TRIPOS>MOLECULE", *["x" * 1000] * 2000]
    monkeypatch.setenv("LOGOS_MAX_RECORD_MIB", "1")
    with pytest.raises(InputError, match="begins at line 1 is larger than 1 MiB") as caught:
        list(records(lines))  # type: ignore[operator]
    assert "LOGOS_MAX_RECORD_MIB" in (caught.value.hint or "")
    monkeypatch.setenv("LOGOS_MAX_RECORD_MIB", "3")
    assert len(list(records(lines))) == 1  # type: ignore[operator]


def test_a_reaction_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.rdf"
    path.write_text("$RDFILE 1\n$DATM 1\n$RFMT\n" + "x\n" * (1 << 20))
    monkeypatch.setenv("LOGOS_MAX_RECORD_MIB", "1")
    with Input(str(path)) as source, pytest.raises(InputError, match="is larger than 1 MiB"):
        list(detect(source).read(source, ReadOptions()))


def test_atoms_of_a_ligand(monkeypatch: pytest.MonkeyPatch) -> None:
    atoms = [6, 6, 6], [(0.0, 0.0, 0.0), (1.5, 0.0, 0.0), (3.0, 0.0, 0.0)]
    assert connect(*atoms).GetNumBonds() == 2
    monkeypatch.setenv("LOGOS_MAX_LIGAND_ATOMS", "2")
    with pytest.raises(MoleculeError, match="3 atoms are too many") as caught:
        connect(*atoms)
    assert caught.value.hint == "set LOGOS_MAX_LIGAND_ATOMS to allow more"


_SALT = """\
data_salt
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 Na 0 0 0
Cl1 Cl 0.5 0.5 0.5
"""


def test_atoms_of_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    block = gemmi.cif.read_string(_SALT).sole_block()
    assert len(read_unit_cell(block).elements) == 8
    monkeypatch.setenv("LOGOS_MAX_CELL_ATOMS", "7")
    with pytest.raises(StructureError, match="more than 7 atoms") as caught:
        read_unit_cell(block)
    assert "LOGOS_MAX_CELL_ATOMS" in (caught.value.hint or "")


def test_a_ligand_that_is_docked(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("meeko")
    from logos_cli.docking.ligand import LigandOptions, prepare, read_ligand

    def prepared() -> object:
        return prepare(read_ligand("CCCO", None), "butanol", LigandOptions())

    prepared()
    for variable, message in (("HEAVY_ATOMS", "4 heavy atoms"), ("ROTATABLE_BONDS", "bonds turn")):
        monkeypatch.setenv(f"LOGOS_MAX_DOCKED_{variable}", "1")
        with pytest.raises(LogosError, match=message) as caught:
            prepared()
        assert f"LOGOS_MAX_DOCKED_{variable}" in (caught.value.hint or "")
        monkeypatch.setenv(f"LOGOS_MAX_DOCKED_{variable}", "")


def test_a_configuration_file_sets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "logos.toml"
    monkeypatch.setenv("LOGOS_CONFIG", str(file))
    file.write_text("seed = 3\n[limits]\nline_mib = 7\ncell-atoms = 9\n")
    monkeypatch.setenv("LOGOS_MAX_CELL_ATOMS", "11")
    run_app(["grammar", "check", "<MoleculeS>C<MoleculeE>"])
    assert (limits.LINE.value, limits.CELL.value) == (7, 11)
    rows = {row.option: (row.value, row.source, row.is_used) for row in effective([file])}
    assert rows["limits.line_mib"] == (7, str(file), True)
    assert rows["limits.cell_atoms"] == (9, str(file), False)
    assert rows["LOGOS_MAX_CELL_ATOMS"] == ("11", "environment", True)
    assert "LOGOS_MAX_LINE_MIB" not in rows
    for wrong, message in (
        ("lines_mib = 7", "there is no limit lines_mib"),
        ("line_mib = 0", r"limits.line_mib is 0; it must be"),
        ("line_mib = true", r"limits.line_mib is True; it must be"),
        ('line_mib = "7"', r"limits.line_mib is '7'; it must be"),
    ):
        file.write_text(f"[limits]\n{wrong}\n")
        with pytest.raises(UsageError, match=message) as caught:
            run_app(["grammar", "check", "<MoleculeS>C<MoleculeE>"])
        assert caught.value.source == str(file)
    assert os.environ["LOGOS_MAX_LINE_MIB"] == "7"
