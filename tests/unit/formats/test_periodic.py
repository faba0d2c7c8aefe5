"""Crystals by pymatgen: the same framework whatever the file, POSCAR out, and what must be refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Molecule, Structure
from pymatgen.io.vasp import Poscar

from logos_cli import encode
from logos_cli.errors import LogosError
from logos_cli.formats.base import WriteOptions
from logos_cli.formats.periodic.write import PoscarWriter
from logos_cli.records import Record
from logos_cli.workflows.decode import decode
from tests.crystals import cif, grid

_KINDS = {"poscar": "poscar", "cssr": "cssr", "xsf": "xsf", "json": "pymatgen-json"}


def _grid(**choices: bool) -> Structure:
    return Structure.from_str(cif(grid(**choices)), fmt="cif")


def _one(path: Path, text: str, **choices: object) -> Record:
    path.write_text(text)
    (record,) = encode(str(path), **choices)  # type: ignore[arg-type]
    return record


def _poscar(record: Record) -> str:
    stream = io.StringIO()
    PoscarWriter(stream, WriteOptions()).write(record, decode(record))
    return stream.getvalue()


@pytest.mark.parametrize("kind", _KINDS)
def test_a_framework_is_the_same_from_every_file(kind: str, tmp_path: Path) -> None:
    expected = _one(tmp_path / "grid.cif", cif(grid()))
    record = _one(tmp_path / "grid", str(_grid().to(fmt=kind)), verify=True)
    assert record.text == expected.text
    assert record.text.startswith("<MaterialS><MetalS>[Zn]")
    assert record.source["format"] == _KINDS[kind]
    assert record.source["formula"] == expected.source["formula"]
    assert record.source["nodes"][0]["labels"] == ["Zn1"]
    assert record.source["verify"]["identical"]
    assert "sha256" in record.source


@pytest.mark.parametrize("kind", ["cif", *_KINDS])
def test_poscar_has_the_atoms_of_the_file(kind: str, tmp_path: Path) -> None:
    text = cif(grid()) if kind == "cif" else str(_grid().to(fmt=kind))
    written = Poscar.from_str(_poscar(_one(tmp_path / "grid", text))).structure
    expected = _grid()
    assert written.composition == expected.composition
    assert written.lattice.abc == pytest.approx(expected.lattice.abc, abs=1e-3)
    for site in expected:
        near = written.get_sites_in_sphere(site.coords, 0.01)
        assert [other.species for other in near] == [site.species]


def test_symmetry_is_expanded_and_solvent_kept_in_a_poscar(tmp_path: Path) -> None:
    text = cif([atom for atom in grid() if atom.element == "Zn" or atom.xyz[2] >= 0], operations=("x,y,z", "x,y,-z"))
    written = Poscar.from_str(_poscar(_one(tmp_path / "grid.cif", text))).structure
    assert written.composition == _grid().composition


def test_several_structures_in_json(tmp_path: Path) -> None:
    """An array, JSON lines, and one object that is no crystal among others."""
    good, molecule = _grid().as_dict(), Molecule(["O", "H", "H"], [[0, 0, 0], [0, 0, 1], [0, 1, 0]]).as_dict()
    (tmp_path / "a.json").write_text(json.dumps([good, molecule, good], default=float))
    first, second, third = encode(str(tmp_path / "a.json"))
    assert first.text == third.text != ""
    assert [record.id for record in (first, second, third)] == ["a", "a_2", "a_3"]
    assert third.source["record"] == 3
    assert second.status == "error"
    assert "Molecule is no crystal" in (second.reason or "")
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(one, default=float) + "\n" for one in (good, good)))
    assert [record.text for record in encode(str(tmp_path / "b.jsonl"))] == [first.text] * 2
    assert Poscar.from_str(_poscar(third)).structure.composition == _grid().composition


def test_a_volume_for_the_scale_and_cartesian_coordinates(tmp_path: Path) -> None:
    """A negative scale is the volume, also of Cartesian coordinates, which pymatgen would multiply by it."""
    plain = str(_grid().to(fmt="poscar"))
    lines = Poscar(_grid()).get_str(direct=False).splitlines()
    assert lines[7].lower().startswith("c")
    lines[1] = f"-{_grid().volume}"
    record = _one(tmp_path / "POSCAR", "\n".join(lines))
    assert record.text == _one(tmp_path / "CONTCAR", plain).text
    assert record.source["cell"]["volume_angstrom3"] == pytest.approx(_grid().volume, abs=0.01)


_MGO = "MgO\n1.0\n4.2 0 0\n0 4.2 0\n0 0 4.2\nMg O\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n"
_CSSR = "4.2 4.2 4.2\n90 90 90 SPGR =  1 P 1    OPT = 1\n2 0\n0 MgO\n1 Mg1 0.0 0.0 0.0\n2 O1 0.5 0.5 0.5\n"
_XSF = "CRYSTAL\nPRIMVEC\n4.2 0 0\n0 4.2 0\n0 0 4.2\nPRIMCOORD\n2 1\n12 0 0 0\n8 2.1 2.1 2.1\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (_MGO, "has no carbon"),  # read whole
        (_MGO.replace("1.0", "0.0", 1), "unit cell is impossible"),
        (_MGO.replace("4.2 0 0", "1e3080 0 0"), "unit cell is impossible"),
        (_MGO.replace("Mg O\n", ""), "does not name its elements"),
        (_MGO.replace("Mg O\n", "Mg O C\n"), "3 element symbols and 2 counts"),
        (_MGO.replace("Direct\n", ""), "neither Direct nor Cartesian"),
        (_MGO.replace("0.5 0.5 0.5\n", ""), "states 2 atoms and has 1"),
        (_MGO + "0.1 0.2 0.3\n", "states 2 atoms and has more"),
        (_MGO.replace("1.0\n", "1.0 1.0 2.0\n", 1), "three scale factors"),
        (_MGO.replace("0.5 0.5 0.5", "0.5 x 0.5"), "pymatgen cannot read the poscar"),
        (_CSSR, "has no carbon"),
        (_CSSR.replace("SPGR =  1 P 1 ", "SPGR = 225 F m -3 m"), "space group 225"),
        (_CSSR.replace("\n2 0\n", "\n2 1\n"), "not fractional"),
        (_CSSR.replace("\n2 0\n", "\n3 0\n"), "states 3 atoms, but 2 are complete"),
        (_CSSR.replace("2 O1 0.5", "2 O1 5e-1"), "states 2 atoms, but 1 are complete"),
        (_XSF, "has no carbon"),
        (_XSF.replace("CRYSTAL", "SLAB"), "periodic in two direction"),
        (_XSF.replace("8 2.1 2.1 2.1\n", ""), "states 2 atoms, but 1 are complete"),
        (_XSF + "8 1.0 1.0 1.0\n", "pymatgen cannot read the xsf"),
        ('{"@module": "pymatgen.core.structure", "@class": "Structure"}', "pymatgen cannot read the structure"),
        ('{"@module": "pymatgen.core.structure", "@class": ', "not JSON"),
    ],
)
def test_what_would_be_guessed_is_refused(text: str, what: str, tmp_path: Path) -> None:
    record = _one(tmp_path / "file", text)
    assert record.status == "error"
    assert what in (record.reason or "")


def test_a_layer_is_no_crystal(tmp_path: Path) -> None:
    layer = Structure(Lattice(_grid().lattice.matrix, pbc=(True, True, False)), ["C"], [[0, 0, 0]])
    assert "periodic in three" in (_one(tmp_path / "a.json", layer.to(fmt="json")).reason or "")


def test_a_poscar_that_cannot_be_right_is_refused(tmp_path: Path) -> None:
    """Without coordinates, without the hydrogens of the sentence, of a file that has changed, of two crystals."""
    path = tmp_path / "grid.cif"
    record = _one(path, cif(grid()))
    sentence = Record("made", "material", record.text)
    with pytest.raises(LogosError, match="does not come from a crystal"):
        _poscar(sentence)
    with pytest.raises(LogosError, match="hydrogens of the sentence are not in the file"):
        _poscar(_one(tmp_path / "bare.cif", cif(grid(hydrogens=False))))
    writer = PoscarWriter(io.StringIO(), WriteOptions())
    writer.write(record, decode(record))
    with pytest.raises(LogosError, match="a POSCAR is one crystal"):
        writer.write(record, decode(record))
    path.write_text(path.read_text() + "\n")
    with pytest.raises(LogosError, match="has changed since"):
        _poscar(record)


def test_verify_notes_what_pymatgen_reads_otherwise(tmp_path: Path) -> None:
    text = cif(grid()).replace("M1 Zn ", "M1 Zn2+ ")
    states = "loop_\n_atom_type_symbol\n_atom_type_oxidation_number\nZn2+ {}\nC 0\nH 0\nO 0\n"
    other = _one(tmp_path / "a.cif", text + states.format(3), verify=True)
    assert "pymatgen reads the oxidation state +3 for Zn, gemmi +2" in other.source["notes"]
    same = _one(tmp_path / "b.cif", text + states.format(2), verify=True)
    assert not [note for note in same.source["notes"] if "pymatgen" in note]
    missing = text.replace("M1 Zn2+ 0.000000 0.000000 0.000000 1.0", "M1 Zn2+ 0.000000 0.000000 0.000000 3.0")
    assert missing != text
    assert "Occupancy 3" in " ".join(_one(tmp_path / "c.cif", missing, verify=True).source["notes"])


def test_real_frameworks_are_the_same_from_their_poscar(shared_data: Path, tmp_path: Path) -> None:
    """The smallest ones of public collections, whose CIFs have symmetry or not."""
    paths = sorted((shared_data / "mofs" / "cif").glob("*.cif*"), key=lambda path: path.stat().st_size)
    n_same = 0
    for path in paths[:12]:
        for record in encode(str(path)):
            if record.status == "ok":
                assert _one(tmp_path / "POSCAR", _poscar(record)).text == record.text, path.name
                n_same += 1
    assert n_same > 8
