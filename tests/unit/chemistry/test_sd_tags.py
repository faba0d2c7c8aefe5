"""Data fields of an SDF, read and kept by docking."""

from __future__ import annotations

import io

import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from logos_cli.chemistry.sd_tags import read_tags
from logos_cli.records import Record
from tests.structures import read

BLOCK = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
FIELDS = ">  <SRC>  (9) \nnaïve\n\n> <two lines>\nfirst\nsecond\n\n> <empty>\n\n> 25 <ID> \nX-1\n"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_fields_of_a_record(ends: str):
    record = (f"x{BLOCK}{FIELDS}").replace("\n", ends)
    assert read_tags(record) == {"SRC": "naïve", "two lines": "first\nsecond", "empty": "", "ID": "X-1"}
    assert read_tags(BLOCK) == {}


def test_records_of_a_file_carry_them():
    entries = read(f"x{BLOCK}{FIELDS}\n$$$$\ny{BLOCK}$$$$\n")
    assert [entry.source.get("tags", {}).get("SRC") for entry in entries] == ["naïve", None]


def test_poses_keep_them():
    from logos_cli.docking.results import DockedLigand, Pose
    from logos_cli.workflows.dock.output import write_sdf

    molecule = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    assert rdDistGeom.EmbedMolecule(molecule, randomSeed=1) == 0
    record = Record("x", "molecule", "", source={"tags": {"SRC": "here", "vina": "measured", "two": "a\nb"}})
    stream = io.StringIO()
    write_sdf(DockedLigand(record, [Pose(molecule, 1, -5.0), Pose(molecule, 2, -4.0)]), stream)
    for entry, vina in zip(stream.getvalue().split("$$$$\n"), ("-5.000", "-4.000"), strict=False):
        tags = read_tags(entry)
        assert (tags["SRC"], tags["two"], tags["vina"], tags["input_vina"]) == ("here", "a\nb", vina, "measured")
