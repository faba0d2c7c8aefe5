"""Crystal CIFs that the tests write: cutting, disorder, solvent, molecules, and bad files."""

from __future__ import annotations

import gzip
import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from logos_cli.crystal.fragments import lattice, lowest_terms, n_nets
from logos_cli.errors import FormatError, LogosError, StructureError
from logos_cli.formats.crystal import PLUGIN
from logos_cli.grammar import Form
from logos_cli.objects.base import to_text
from logos_cli.objects.material import Material, material_from_blocks
from logos_cli.objects.molecule import Molecule
from logos_cli.workflows.encode import encode
from tests.crystals import GRID_CELL, MOF5, Atom, cif, cubic, embedded, grid, only, read, shifted, terephthalate

BDC = "O=C([O-])c1ccc(C(=O)[O-])cc1"
GRID = Material("[Zn]", (BDC, BDC))


def test_grid_gives_metal_and_linkers() -> None:
    entry = only(cif(grid(), name="grid"))
    assert entry.error is None
    assert entry.id == "grid"
    assert entry.item == GRID
    assert to_text(entry.item).count(BDC) == 2
    source = entry.source
    assert source["n_atoms"] == 33
    assert source["formula"] == "C16 H8 O8 Zn"
    assert sum(source["atoms"].values()) == 33
    assert source["periodicity"] == 2
    assert source["linker_charge"] == -4
    assert source["nodes"][0]["labels"] == ["M1"]
    assert source["cell"]["lengths_angstrom"] == pytest.approx(list(GRID_CELL))
    (linker,) = source["linkers"]
    assert linker["n_in_cell"] == 2
    assert len(linker["labels"]) == 12
    (note,) = source["notes"]
    assert note.startswith("charges do not add up: nodes +2, linkers -4, free ions +0 in the cell")


@pytest.mark.parametrize("seed", range(5))
def test_result_does_not_depend_on_origin_order_and_supercell(seed: int) -> None:
    rng = random.Random(seed)
    atoms = shifted(grid(), (rng.uniform(-30, 30), rng.uniform(-30, 30), rng.uniform(-30, 30)))
    copies = [1 + rng.randrange(2), 1 + rng.randrange(2), 1 + rng.randrange(2)]
    a, b, c = GRID_CELL
    many = [
        atom
        for x in range(copies[0])
        for y in range(copies[1])
        for z in range(copies[2])
        for atom in shifted(atoms, (x * a, y * b, z * c))
    ]
    rng.shuffle(many)
    entry = only(cif(many, (a * copies[0], b * copies[1], c * copies[2])))
    assert entry.item == GRID
    assert entry.source["formula_units_in_cell"] == copies[0] * copies[1] * copies[2]


def test_symmetry_is_expanded_and_special_positions_counted_once() -> None:
    unique = [atom for atom in grid() if "y" not in atom.label]
    entry = only(cif(unique, operations=("x,y,z", "y,x,z", "-x,-y,-z", "-y,-x,-z")))
    assert entry.item == GRID
    assert entry.source["n_atoms"] == 33


def test_missing_hydrogens_are_added_and_noted() -> None:
    entry = only(cif(grid(hydrogens=False)))
    assert entry.item == GRID
    assert any("hydrogens on carbon are missing" in note for note in entry.source["notes"])


@pytest.mark.parametrize("gone", [{"Hx1"}, {"Hx1", "Hy4"}, {"Hx1", "Hx2", "Hx4"}])
def test_single_missing_hydrogens_are_added_and_noted(gone: set[str]) -> None:
    entry = only(cif([atom for atom in grid() if atom.label not in gone]))
    assert entry.item == GRID
    assert any("hydrogens on carbon are missing" in note for note in entry.source["notes"])


METHYL = {"Cc1ccccc1": 3, "CC(=O)Nc1ccccc1": 3, "c1ccccc1": 1}


@pytest.mark.parametrize("smiles", METHYL)
def test_molecule_without_some_hydrogens(smiles: str) -> None:
    atoms = embedded(smiles)
    hydrogens = [n for n, atom in enumerate(atoms) if atom.element == "H"][: METHYL[smiles]]
    kept = [atom for n, atom in enumerate(atoms) if n not in hydrogens]
    entry = only(cif(kept, (15.0, 16.0, 17.0)))
    assert isinstance(entry.item, Molecule)
    assert entry.item.smiles == Chem.CanonSmiles(smiles)


@pytest.mark.parametrize("smiles", ["CC(=O)Nc1ccccc1", "c1cn[nH]c1"])
def test_hydrogen_on_free_nitrogen_is_added(smiles: str) -> None:
    atoms = embedded(smiles)
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    (lost,) = [
        atom.GetIdx()
        for atom in molecule.GetAtoms()
        if atom.GetSymbol() == "H" and atom.GetNeighbors()[0].GetSymbol() == "N"
    ]
    entry = only(cif([atom for n, atom in enumerate(atoms) if n != lost], (15.0, 16.0, 17.0)))
    assert isinstance(entry.item, Molecule)
    assert entry.item.smiles == Chem.CanonSmiles(smiles)
    assert any("nitrogens" in note for note in entry.source["notes"])


def test_disorder_groups_keep_the_major_part() -> None:
    ring = [atom for atom in shifted(terephthalate("x", tilt=30.0), (GRID_CELL[0] / 2, 0, 0)) if "X" not in atom.label]
    minor = [replace(atom, label=f"{atom.label}B", occupancy=0.3, group="2") for atom in ring if atom.element != "O"]
    major = [replace(atom, occupancy=0.7, group="1") if atom.label[:2] in {"Cx", "Hx"} else atom for atom in grid()]
    entry = only(cif([*minor, *major]))
    assert entry.item == GRID
    assert any(note.startswith("disorder: 10 atoms") for note in entry.source["notes"])


def test_overlap_without_groups_is_resolved_by_occupancy() -> None:
    ring = [atom for atom in shifted(terephthalate("x", tilt=30.0), (GRID_CELL[0] / 2, 0, 0)) if "X" not in atom.label]
    minor = [replace(atom, label=f"{atom.label}B", occupancy=0.4) for atom in ring if atom.element != "O"]
    major = [replace(atom, occupancy=0.6) if atom.label[:2] in {"Cx", "Hx"} else atom for atom in grid()]
    entry = only(cif([*minor, *major]))
    assert entry.item == GRID
    assert any("partly occupied atoms" in note or "merged" in note for note in entry.source["notes"])


def water(at: tuple[float, float, float], tag: str = "W") -> list[Atom]:
    x, y, z = at
    return [
        Atom(f"O{tag}", "O", at),
        Atom(f"H{tag}1", "H", (x + 0.76, y, z + 0.59)),
        Atom(f"H{tag}2", "H", (x - 0.76, y, z + 0.59)),
    ]


def test_free_and_bound_solvent_are_reported_apart() -> None:
    atoms = [*grid(), *water((0.0, 0.0, 2.1)), *water((5.17, 5.17, 4.5), "F")]
    entry = only(cif(atoms, (*GRID_CELL[:2], 12.0)))
    assert entry.item == GRID
    assert entry.source["solvent"] == {"bound": {"O": 1}, "free": {"O": 1}}
    assert sum(entry.source["atoms"].values()) == entry.source["n_atoms"] == 39


def test_blocks_of_one_name_in_several_files_have_ids_of_their_own(shared_data: Path, tmp_path: Path) -> None:
    for name in ("ZIF-8-RASPA", "P1-Cu-BTC"):
        text = gzip.decompress((shared_data / "mofs" / "cif" / f"{name}.cif.gz").read_bytes()).decode()
        (tmp_path / f"{name}.cif").write_text(re.sub(r"(?m)^data_\S*", "data_same", text, count=1))
    twice = "".join(path.read_text() for path in sorted(tmp_path.iterdir()))
    found = [record.id for record in encode([str(path) for path in sorted(tmp_path.iterdir())])]
    assert found == ["P1-Cu-BTC:same", "ZIF-8-RASPA:same"]
    (tmp_path / "twice.cif").write_text(twice)
    assert [record.id for record in encode(str(tmp_path / "twice.cif"))] == ["same", "same#2"]


def test_what_the_sentence_cannot_carry_is_listed() -> None:
    atoms = [*grid(), *water((0.0, 0.0, 2.1))]
    listed = PLUGIN.not_carried(only(cif(atoms, (*GRID_CELL[:2], 12.0))))
    assert listed[0] == "coordinates of 36 atoms, unit cell and symmetry"
    assert "bound solvent: 1 O" in listed
    assert PLUGIN.not_carried(only(BAD["no cell"][0])) == []


def test_terminal_halide_and_hydroxide_stay_in_the_node() -> None:
    chloride = only(cif([*grid(), Atom("Cl1", "Cl", (0, 0, 2.2))], (*GRID_CELL[:2], 12.0)))
    assert chloride.item == material_from_blocks(["[Zn][Cl]"], [BDC, BDC])
    hydroxide = [Atom("OH", "O", (0, 0, 1.95)), Atom("HO", "H", (0.5, 0.5, 2.6))]
    assert only(cif([*grid(), *hydroxide], (*GRID_CELL[:2], 12.0))).item == Material("[OH][Zn]", (BDC, BDC))


def test_rod_is_cut_at_its_bridging_oxide() -> None:
    entry = only(cif([*grid("V", tilt=0.0), Atom("O9", "O", (0.0, 0.0, 1.95))], (*GRID_CELL[:2], 3.9)))
    assert entry.item == material_from_blocks(["[V]"], ["[O-2]", BDC, BDC])
    assert any("rods" in note for note in entry.source["notes"])
    assert entry.source["periodicity"] == 3


def test_two_layers_are_two_pieces_of_one_material() -> None:
    a, b, c = GRID_CELL
    entry = only(cif([*grid(), *shifted(grid(), (a / 2, b / 2, c / 2))]))
    assert entry.item == GRID
    assert entry.source["formula_units_in_cell"] == 2


@pytest.mark.parametrize(
    ("loops", "expected"),
    [
        ([(1, 0, 0), (0, 1, 0), (0, 0, 1)], (3, 1)),
        ([(2, 0, 0), (0, 1, 0), (0, 0, 1)], (3, 2)),
        ([(1, 1, 0), (1, -1, 0), (0, 0, 1), (2, 0, 0)], (3, 2)),
        ([(0, 1, 1), (1, 0, 1), (1, 1, 0)], (3, 2)),
        ([(1, 0, 0), (2, 0, 0)], (1, 1)),
        ([(1, 1, 0), (0, 0, 3), (1, 1, 3)], (2, 1)),
        ([], (0, 1)),
    ],
)
def test_nets_from_translations(loops: list[tuple[int, int, int]], expected: tuple[int, int]) -> None:
    assert n_nets(loops) == expected
    assert len(lattice(loops)) == expected[0]


def test_lowest_terms() -> None:
    assert lowest_terms([6, 9, 3]) == 3
    assert lowest_terms([]) == 1


MOLECULES = [
    "c1ccccc1",
    "N#Cc1ccncc1",
    "C[C@H](N)C(=O)O",
    "C[C@@H](N)C(=O)O",
    "O=C(O)/C=C/C(=O)O",
    "O=C(O)/C=C\\C(=O)O",
    "O=[N+]([O-])c1ccc(Cl)cc1",
    "CS(=O)(=O)c1ccccc1",
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "CN=[N+]=[N-]",
    "O=C1C=CC(=O)C=C1",
    "N#CC(C#N)=C1C=CC(=C(C#N)C#N)C=C1",
    "CC(=O)Oc1ccccc1C(=O)O",
    "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O",
    "O=P(O)(O)c1ccccc1",
    "FC(F)(F)c1ccc(Br)cc1",
    "c1ccc2[nH]cnc2c1",
    "c1ccc(-c2ccccn2)nc1",
]


@pytest.mark.parametrize("smiles", MOLECULES)
def test_molecule_in_a_box_comes_back_with_its_stereo(smiles: str) -> None:
    entry = only(cif(embedded(smiles), (15.0, 16.0, 17.0)))
    assert entry.error is None
    assert isinstance(entry.item, Molecule)
    assert entry.item.smiles == Chem.CanonSmiles(smiles)


def test_cocrystal_gives_each_molecule_once() -> None:
    left, right = embedded("c1ccccc1"), shifted(embedded("CC(=O)O"), (7.5, 8.0, 8.5))
    entries = read(cif([*left, *right], (15.0, 16.0, 17.0), name="co"))
    assert [entry.id for entry in entries] == ["co:1", "co:2"]
    assert {entry.item.smiles for entry in entries if isinstance(entry.item, Molecule)} == {"c1ccccc1", "CC(=O)O"}


def test_crystal_without_metal_is_no_material() -> None:
    entry = only(cif(embedded("c1ccccc1"), (15.0, 15.0, 15.0)), Form.MATERIAL)
    assert isinstance(entry.error, StructureError)
    assert "no metal" in entry.error.message
    assert entry.item is None


def test_framework_is_not_read_as_molecules() -> None:
    entry = only(cif(grid()), Form.MOLECULE)
    assert entry.error is not None
    assert "metal" in entry.error.message


def edited(old: str, new: str) -> str:
    text = cif(grid())
    assert old in text
    return text.replace(old, new, 1)


def sites(*atoms: Atom) -> str:
    return cif([*grid(), *atoms])


BAD = {
    "no cell": (edited("_cell_length_b", "_cell_dummy_b"), "no unit cell: _cell_length_b missing"),
    "zero cell": (edited("_cell_length_c 9.0000", "_cell_length_c 0"), "unit cell is impossible"),
    "flat cell": (edited("_cell_angle_gamma 90", "_cell_angle_gamma 179.999"), "unit cell is impossible"),
    "cell not a number": (edited("_cell_length_c 9.0000", "_cell_length_c ?"), "unit cell is impossible"),
    "nan coordinates": (edited("M1 Zn 0.000000", "M1 Zn nan"), "M1 has coordinates that are not numbers"),
    "text coordinates": (edited("M1 Zn 0.000000", "M1 Zn abc"), "M1 has coordinates that are not numbers"),
    "unknown element": (edited("M1 Zn", "M1 Qq"), "unknown element"),
    "unknown operation": (edited("'x,y,z'", "'x,y,q'"), "symmetry operation cannot be read"),
    "overlap": (sites(Atom("N99", "N", (5.17 + 1.39 + 0.6, 0.0, 0.1))), "overlap"),
    "atom missing": (cif([atom for atom in grid() if atom.label not in {"Cx1", "Hx1"}]), "no molecule"),
    "discrete complex": (cif(grid()[:17], (30.0, 31.0, 32.0)), "discrete complex"),
    "no carbon": (cif([Atom("Na1", "Na", (0, 0, 0)), Atom("Cl1", "Cl", (2.8, 0, 0))], (5.6, 5.6, 5.6)), "inorganic"),
    "crowded": (cif([Atom(f"C{n}", "C", (n * 0.6, 0, 0)) for n in range(9)], (5.4, 1.1, 1.1)), "cannot fit"),
    "no atoms": (cif([]).split("_atom_site_label")[0].removesuffix("loop_\n"), "no atoms"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_structures_say_what_and_where(name: str) -> None:
    text, part = BAD[name]
    entry = only(text)
    assert isinstance(entry.error, StructureError)
    assert part in entry.error.message
    assert entry.error.hint
    assert entry.error.source == "<stdin>: data_test"
    assert entry.form is Form.MATERIAL
    assert entry.item is None


def test_overlap_names_the_atoms() -> None:
    entry = only(BAD["overlap"][0])
    assert entry.error is not None
    assert "N99" in entry.error.message


def test_missing_atom_names_its_neighbours() -> None:
    entry = only(BAD["atom missing"][0])
    assert entry.error is not None
    assert "Cx0" in entry.error.message or "Cx2" in entry.error.message


def test_unknown_space_group_without_operations() -> None:
    named = "_space_group_name_H-M_alt 'P 9 9 9'\n"
    text = cif(grid()).replace("loop_\n_space_group_symop_operation_xyz\n'x,y,z'\n", named)
    error = only(text).error
    assert error is not None
    assert "space group" in error.message
    plain = only(text.replace(named, ""))
    assert plain.item == GRID
    assert any("no symmetry" in note for note in plain.source["notes"])


NO_CIF = ["", "hello world", "data_x\nloop_\n_a\n", "data_x\n_a 'b\n", "data_x\nloop_\n_a\n_b\n1\n"]


@pytest.mark.parametrize("text", NO_CIF)
def test_no_cif_raises_a_format_error(text: str) -> None:
    with pytest.raises((FormatError, StructureError)) as caught:
        entries = read(text)
        raise entries[0].error or AssertionError
    assert "<stdin>" in str(caught.value)
    assert caught.value.hint


def test_several_blocks_one_bad() -> None:
    good, bad = cif(grid(), name="good"), BAD["no cell"][0].replace("data_test", "data_bad")
    entries = read("data_global\n_publ_section_title 'none'\n" + bad + good + good)
    assert [entry.id for entry in entries] == ["bad", "good", "good#2"] or len(entries) == 2
    assert entries[0].error is not None
    assert entries[1].item == GRID


@pytest.mark.parametrize(
    ("head", "mine"),
    [
        (cif(grid())[:400], True),
        ("#comment\n\ndata_x\n_symmetry_equiv_pos_as_xyz x,y,z\n", True),
        ("data_1ABC\n_entry.id 1ABC\nloop_\n_atom_site.group_PDB\n_atom_site.Cartn_x\n", False),
        ("data_HEM\n_chem_comp.id HEM\n", False),
        (">sp|P1|x\nMKV\n", False),
        ("c1ccccc1 benzene\n", False),
        ("", False),
    ],
)
def test_sniffs_by_content(head: str, mine: bool) -> None:
    assert (PLUGIN.sniff(head.encode()) > 0.5) is mine


@pytest.mark.fuzz
def test_mutated_files_never_crash() -> None:
    original = cif([*grid(), *water((0.0, 0.0, 2.1))], (*GRID_CELL[:2], 12.0)).encode()
    rng = random.Random(5)
    n_read = 0
    for _ in range(150):
        data = bytearray(original)
        for _ in range(rng.choice((1, 2, 8))):
            at = rng.randrange(len(data))
            choice = rng.randrange(4)
            if choice == 0:
                del data[at:]
                data += b"\n"
            elif choice == 1:
                data[at] = rng.randrange(256)
            elif choice == 2:
                data[at:at] = rng.choice((b" nan ", b"?", b"'", b"\n;", b"1e308", b"loop_\n", b"-"))
            else:
                del data[at : at + rng.randrange(60)]
        try:
            for entry in read(bytes(data)):
                assert (entry.item is None) is (entry.error is not None)
                n_read += entry.item is not None
        except LogosError as error:
            assert error.message
    assert n_read > 2


def test_tiny_and_skewed_cells_are_bonded_right() -> None:
    # Three atoms of one linear chain in a cell of 3.9 Å: periodic images bond to themselves.
    atoms = [Atom("Ag1", "Ag", (0, 0, 0)), Atom("C1", "C", (2.1, 0, 0)), Atom("N1", "N", (3.25, 0, 0))]
    entry = only(cif(atoms, (5.3, 4.0, 4.0)))
    assert entry.item == Material("[Ag]", ("[C-]#N",))
    assert entry.source["periodicity"] == 1
    assert np.isclose(entry.source["cell"]["volume_angstrom3"], 5.3 * 16)


@pytest.mark.parametrize("tilt", [15.0, 30.0, 45.0, 60.0, 75.0])
def test_half_occupied_ring_across_a_mirror_is_one_ring(tilt: float) -> None:
    half = [
        replace(atom, occupancy=0.5) if atom.label[:2] in {"Cx", "Hx"} and atom.label[2:] not in {"0", "3"} else atom
        for atom in grid(tilt=tilt)
        if "y" not in atom.label
    ]
    other = [atom for atom in grid() if "y" in atom.label]
    entry = only(cif([*half, *other], operations=("x,y,z", "x,-y,z")))
    assert entry.item == GRID
    assert any(note.startswith("disorder: 8") for note in entry.source["notes"])


UIO66 = """Zr1 Zr 0.1196 0 0 1
O1 O 0.0558 0.0558 0.0558 1
O2 O 0.1680 0 0.0928 1
C1 C 0.1516 0 0.1516 1
C2 C 0.2025 0 0.2025 1
C3 C 0.2674 0 0.1852 1
H3 H 0.2809 0 0.1347 1"""


def test_textbook_mof5_from_its_asymmetric_unit() -> None:
    entry = only(cubic("MOF-5", 25.832, MOF5))
    assert entry.item == material_from_blocks(["[Zn][O]([Zn])([Zn])[Zn]"], [BDC] * 3)
    assert entry.source["n_atoms"] == 424
    assert entry.source["formula_units_in_cell"] == 8
    assert entry.source["n_nets"] == 1
    assert entry.source["linker_charge"] == -6


def test_textbook_uio66_from_its_asymmetric_unit() -> None:
    entry = only(cubic("UiO-66", 20.7004, UIO66))
    assert isinstance(entry.item, Material)
    assert entry.item.linkers == (BDC,) * 6
    assert entry.item.metal.count("Zr") == 6
    assert entry.item.metal.count("[O]") == 8


def test_half_occupied_hydrogens_are_taken_as_there_and_noted() -> None:
    source = only(cubic("UiO-66", 20.7004, UIO66 + "\nH1 H 0.0825 0.0825 0.0825 0.5")).source
    assert source["nodes"][0]["smiles"].count("[OH]") == 8
    assert "32 atoms of the cell are only partly occupied and are kept" in source["notes"]
