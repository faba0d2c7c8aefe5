"""Real frameworks give the nodes and linkers that the literature gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from logos_cli.errors import StructureError
from logos_cli.objects.base import to_text
from logos_cli.objects.material import Material, material_from_blocks
from tests.bench.figures_mofs import (
    EXPECTED_ERRORS,
    TEXTBOOK,
    bonds,
    mofid_records,
    problem,
    read_one,
    textbook_material,
)


def cif(data: Path, name: str) -> Path:
    return data / "mofs" / "cif" / f"{name}.cif.gz"


@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_framework(shared_data: Path, name: str) -> None:
    entry = read_one(cif(shared_data, name))
    assert entry.error is None
    assert entry.item == textbook_material(name)
    assert to_text(entry.item)
    assert sum(entry.source["atoms"].values()) == entry.source["n_atoms"]


@pytest.mark.parametrize("name", EXPECTED_ERRORS)
def test_no_framework_is_refused_with_a_reason(shared_data: Path, name: str) -> None:
    entry = read_one(cif(shared_data, name))
    assert isinstance(entry.error, StructureError)
    assert EXPECTED_ERRORS[name] in entry.error.message
    assert entry.error.source is not None
    assert name in entry.error.source


def test_both_files_of_mil47_agree(shared_data: Path) -> None:
    assert read_one(cif(shared_data, "MIL-47-P1-RASPA")).item == read_one(cif(shared_data, "MIL-47-RASPA")).item


HYPOTHETICAL = [
    "hMOF-1000268",
    "hMOF-1253",
    "hMOF-22785",
    "hMOF-2000592",
    "hMOF-37232",
    "hMOF-5006114",
    "hMOF-5009591",
    "hMOF-5028316",
    "hMOF-5030355",
    "hMOF-5033367",
    "hMOF-5054015",
    "hMOF-7001714",
    "hypotheticalMOF_7002752_0_0_4_28_28_0",
]
"""Among the 89: rods, interpenetration, overlapping substituents, endless contacts, capping benzoates."""


@pytest.mark.parametrize("name", HYPOTHETICAL)
def test_hypothetical_framework_is_complete(shared_data: Path, name: str) -> None:
    assert problem(read_one(cif(shared_data, name))) is None


def test_interpenetration_of_a_name_is_found(shared_data: Path) -> None:
    assert read_one(cif(shared_data, "hypotheticalMOF_1_i_0_j_0_k_0_m_0_cat_1")).source["n_nets"] == 2
    assert read_one(cif(shared_data, "VUSKEA_clean")).source["n_nets"] == 1


def test_solvent_of_experimental_structures(shared_data: Path) -> None:
    mil88 = read_one(cif(shared_data, "01_MIL-88")).source
    assert mil88["solvent"]["bound"] == {"CO": 6}
    assert any("merged" in note for note in mil88["notes"])
    pcn250 = read_one(cif(shared_data, "80_PCN-250")).source
    assert pcn250["solvent"]["bound"] == {"O": 24}


@pytest.mark.parametrize("name", ["80_PCN-250", "P1-Cu-BTC", "super_nu1000"])
def test_bonds_are_those_that_the_file_lists(shared_data: Path, name: str) -> None:
    listed, found = bonds(cif(shared_data, name))
    assert len(listed) > 20
    assert found == listed


def test_mofid_entry_and_cif_give_the_same_sentence(shared_data: Path) -> None:
    (record,) = [record for record in mofid_records(shared_data) if "ABAVIJ_clean" in record["ids"]]
    item = read_one(cif(shared_data, "ABAVIJ_clean")).item
    assert isinstance(item, Material)
    assert item.distinct() == material_from_blocks(record["nodes"], record["linkers"])


@pytest.mark.parametrize("name", ["gemmi_1011031", "gemmi_2013551", "gemmi_2242624", "gemmi_4003024"])
def test_inorganic_crystals_are_refused(shared_data: Path, name: str) -> None:
    entry = read_one(shared_data / "complexes" / "formats" / f"{name}.cif.gz")
    assert isinstance(entry.error, StructureError)
    assert "inorganic" in entry.error.message or "endless network" in entry.error.message
