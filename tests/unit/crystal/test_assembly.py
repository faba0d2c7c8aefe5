"""Frameworks in three dimensions: parents with known cells, and what is refused."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("pormake") is None:  # not imported here: it writes a log into the working directory
    pytest.skip("needs pormake", allow_module_level=True)

from logos_cli.crystal.assembly.assemble import assemble
from logos_cli.crystal.assembly.linkers import read_linker
from logos_cli.crystal.assembly.nodes import NODES
from logos_cli.crystal.assembly.turn import Placed, turn_linkers
from logos_cli.errors import LogosError, MissingError, OutputError
from logos_cli.formats.base import WriteOptions
from logos_cli.objects.material import Material, material_from_blocks
from logos_cli.records import Record
from logos_cli.workflows.decode import decode, writers
from logos_cli.workflows.encode import encode

ZN4O, CU2, ZN2 = "[Zn][O]([Zn])([Zn])[Zn]", "[Cu][Cu]", "[Zn][Zn]"
ZR6 = "[O]12[Zr]34[OH]5[Zr]62[OH]2[Zr]71[OH]4[Zr]14[O]3[Zr]35[O]6[Zr]2([O]71)[OH]43"
DABCO, BPDC = "C1CN2CCN1CC2", "O=C([O-])c1ccc(-c2ccc(C(=O)[O-])cc2)cc1"
BDC, BTC = "O=C([O-])c1ccc(C(=O)[O-])cc1", "O=C([O-])c1cc(C(=O)[O-])cc(C(=O)[O-])c1"


def framework(node: str, *linkers: str) -> Material:
    return material_from_blocks([node], linkers)


@pytest.mark.parametrize(
    ("node", "linker", "net", "cell", "density"),
    [
        # measured cells in Å and densities of the empty frameworks in g/cm³; MOF-5 has two nodes a cell length
        (ZN4O, BDC, "pcu", 25.83 / 2, 0.59),
        pytest.param(ZR6, BDC, "fcu", 20.75, 1.22, marks=pytest.mark.slow),
        pytest.param(CU2, BTC, "tbo", 26.34, 0.88, marks=pytest.mark.slow),
    ],
)
def test_known_frameworks_have_their_cells(
    node: str, linker: str, net: str, cell: float, density: float, tmp_path: Path
) -> None:
    made = assemble(framework(node, linker), net, "known")
    assert made.density == pytest.approx(density, rel=0.05)
    (tmp_path / "known.cif").write_text(made.cif)
    (record,) = encode(str(tmp_path / "known.cif"))
    assert record.source["cell"]["lengths_angstrom"] == pytest.approx([cell] * 3, rel=0.02)
    assert record.source["cell"]["angles_degree"] == pytest.approx([90] * 3, abs=0.01)
    assert record.source["n_atoms"] == made.n_atoms
    found = decode(record)
    assert isinstance(found, Material)
    assert found.distinct() == framework(node, linker)


def _lengths(cif: str) -> list[float]:
    return [float(line.split()[1]) for line in cif.splitlines() if line.startswith("_cell_length")]


def test_a_pillared_paddle_wheel_has_its_cell() -> None:
    """Zn2(bdc)2(dabco), measured without guests: a = 10.93, c = 9.61 Å (Dybtsev et al. 2004)."""
    made = assemble(framework(ZN2, BDC, DABCO), "pcu", "dmof")
    assert sorted(_lengths(made.cif)) == pytest.approx([9.61, 10.93, 10.93], rel=0.02)


@pytest.mark.slow
def test_several_dicarboxylates_stand_on_an_axis_each() -> None:
    made = assemble(framework(ZN2, BDC, BPDC, "c1cc(-c2ccncc2)ccn1"), "pcu", "two")
    assert len({round(length, 1) for length in _lengths(made.cif)}) == 3
    unit = assemble(framework(ZN2, BDC, BDC, DABCO), "pcu", "unit")  # the sentence of a formula unit
    assert unit.n_atoms == 54
    twice = sorted(_lengths(assemble(framework(ZN4O, BDC, BPDC, BPDC), "pcu", "twice").cif))
    assert twice[0] < twice[1] - 3
    assert twice[1] == pytest.approx(twice[2])


def test_the_same_framework_is_assembled_again() -> None:
    once, again = (assemble(framework(ZN4O, BDC), "pcu", "a").cif for _ in range(2))
    assert once == again


@pytest.mark.parametrize(
    ("node", "linkers", "net", "reason"),
    [
        ("[Zn]", (BDC,), "pcu", "the geometry of the node .Zn. is not known"),
        (ZN4O, (BDC, BTC), "pcu", "2 different linkers"),
        (ZN4O, (BDC, BPDC), "pcu", "two linkers for three axes, and the sentence does not hold which"),
        (ZN4O, (BDC, BDC, BPDC, BPDC), "pcu", "the sentence does not hold which"),
        (ZN2, (BDC, DABCO, DABCO), "pcu", "would be another framework: .* O=C.* O=C"),
        (ZN2, (BDC, DABCO), "rob", "in more than one way"),
        (ZN2, (BDC, DABCO), "mab", "PORMAKE cannot read its net mab"),
        (ZN2, (BDC, "Cc1cncc(C)n1", DABCO), "pcu", "2 different pillars"),
        (ZN2, (DABCO,), "pcu", "0 different dicarboxylates"),
        (ZN2, (BDC, BPDC), "nbo", "does not hold where each stands"),
        (ZN2, (BTC, DABCO), "pcu", "2 different linkers, and one of more than two ends"),
        (ZN4O, (BDC, DABCO), "pcu", "the node Zn4O has no place for nitrogens"),
        (ZN2, (BDC, "c1ccncc1"), "pcu", "is neutral and has 1 nitrogens"),
        (ZN2, (BDC, "c1cc(-c2cccnc2)ccn1"), "pcu", "not straight: its ends"),
        (ZN2, (BDC, "c1cc(-c2nnc(-c3ccncc3)nn2)ccn1"), "pcu", "kinds of pairs in opposite directions"),
        (ZN4O, (BDC,), "fcu", "the net fcu has vertices with 12 neighbours; the node has 6, and the linker 2 ends"),
        (ZN4O, (BDC,), "UNKNOWN", "the net 'UNKNOWN' is not known"),
        (ZN4O, (BDC,), "../x", "is not known"),
        (CU2, (BDC,), "sql", "the net 'sql' is not known"),
        (CU2, ("O=C([O-])c1cccc(C(=O)[O-])c1",), "nbo", "not straight: its ends are 12. degrees apart"),
        (ZN4O, ("O=C([O-])c1ccncc1",), "pcu", "has 1 carboxylate and the charge -1"),
        (ZN4O, ("O=C([O-])c1ccc(C(=O)[O-])c([O-])c1",), "pcu", "has 2 carboxylates and the charge -3"),
    ],
)
def test_what_cannot_be_placed_is_refused(node: str, linkers: tuple[str, ...], net: str, reason: str) -> None:
    with pytest.raises(OutputError, match=reason) as refused:
        assemble(framework(node, *linkers), net, "refused")
    assert refused.value.hint


@pytest.mark.slow
def test_parts_that_collide_are_refused() -> None:
    btb = "O=C([O-])c1ccc(-c2cc(-c3ccc(C(=O)[O-])cc3)cc(-c3ccc(C(=O)[O-])cc3)c2)cc1"
    with pytest.raises(OutputError, match=r"apart|directions"):
        assemble(framework(ZN4O, btb), "qom", "refused")


@pytest.mark.parametrize("smiles", NODES)
def test_nodes_have_the_distances_of_their_parents(smiles: str) -> None:
    node = NODES[smiles]
    block = node.build()
    assert len(block.points) == len(block.anchors) == node.n_points
    places, elements = np.array(block.xyz), np.array(block.elements)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + 9 * np.eye(len(places))
    assert apart.min() > 0.9
    metals, oxygens = elements == smiles.lstrip("[O]12").split("]")[0].lstrip("["), elements == "O"
    if not metals.any():
        metals = elements == "Zr"
    assert 1.8 < apart[np.ix_(metals, oxygens)].min() < 2.2
    carbons = elements == "C"
    assert apart[np.ix_(carbons, oxygens)].min(axis=1) == pytest.approx([1.27] * int(carbons.sum()), abs=1e-6)
    material_from_blocks([smiles], [BDC])
    assert material_from_blocks([smiles], [BDC]).metal == smiles


def test_a_linker_without_its_carboxylates() -> None:
    block = read_linker(BDC).block
    assert sorted(block.elements) == ["C"] * 6 + ["H"] * 4
    for point, anchor in zip(block.points, block.anchors, strict=True):
        assert np.linalg.norm(point - block.xyz[anchor]) == pytest.approx(0.75)
    fumarate = read_linker("O=C([O-])/C=C/C(=O)[O-]").block  # its ends are opposite, though not on one line
    assert sorted(fumarate.elements) == ["C", "C", "H", "H"]
    assert sorted(read_linker("O=C([O-])C=CC(=O)[O-]").block.elements) == ["C", "C", "H", "H"]  # that isomer is taken
    with pytest.raises(OutputError, match="not straight: its ends are"):
        read_linker("O=C([O-])/C=C\\C(=O)[O-]")


@pytest.mark.parametrize("smiles", [DABCO, "C1CNCCN1", "N#Cc1ccc(C#N)cc1", "N=CC=N", "Nc1cnc(N)cn1"])
def test_a_pillar_has_its_points_on_the_lone_pairs_of_two_nitrogens(smiles: str) -> None:
    linker = read_linker(smiles)
    block = linker.block
    assert linker.is_pillar
    assert [block.elements[anchor] for anchor in block.anchors] == ["N", "N"]
    assert np.linalg.norm(np.subtract(*block.points)) > np.linalg.norm(
        np.subtract(*(block.xyz[a] for a in block.anchors))
    )
    for point, anchor in zip(block.points, block.anchors, strict=True):
        apart = np.linalg.norm(np.array(block.xyz) - point, axis=1)
        assert apart.argmin() == anchor
        assert np.partition(apart, 1)[1] > 1.5


def test_linkers_turn_away_from_each_other() -> None:
    """Two parallel rods with an arm each, which point at each other in a cell that is long in the other directions."""
    rod = np.array([[0.0, 0, 1], [0, 0, 9]])
    parts = [
        Placed(["C"], np.array([[2.0, 0, 5]]), rod),
        Placed(["C"], np.array([[2.5, 0, 5]]), rod + np.array([4.5, 0, 0])),
        Placed(["Zn"], np.array([[2.25, 20, 0]])),
    ]
    turn_linkers(parts, np.diag([60.0, 60, 10]))
    assert np.linalg.norm(parts[0].xyz - parts[1].xyz) > 8
    for part, axis in zip(parts, (0.0, 4.5), strict=False):
        assert np.linalg.norm(part.xyz[0, :2] - [axis, 0]) == pytest.approx(2)
        assert part.xyz[0, 2] == pytest.approx(5)
    assert parts[2].xyz.tolist() == [[2.25, 20, 0]]


def test_the_writer_takes_the_net_of_the_record_or_of_the_option() -> None:
    text = f"<MaterialS><MetalS>{ZN4O}<MetalE><MoleculeS>{BDC}<MoleculeE><MaterialE>"
    item = decode(text)
    for record, options in (
        (Record("a b", "material", text, extra={"topology": "pcu"}), WriteOptions()),
        (Record("a b", "material", text), WriteOptions(topology="pcu")),
    ):
        stream = io.StringIO()
        writers()["cif"](stream, options).write(record, item)
        assert "\ndata_a_b\n" in stream.getvalue()
    with pytest.raises(LogosError, match="does not hold the net") as refused:
        writers()["cif"](io.StringIO(), WriteOptions()).write(Record("x", "material", text), item)
    assert "--topology" in str(refused.value.hint)


def test_nothing_is_written_into_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "runtime.log").write_text("of another program")
    code = "from logos_cli.crystal.assembly.assemble import _pormake; import logging; _pormake(); print(logging.FileHandler)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "<class 'logging.FileHandler'>\n"
    assert [path.name for path in tmp_path.iterdir()] == ["runtime.log"]
    assert (tmp_path / "runtime.log").read_text() == "of another program"


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pormake", None)
    with pytest.raises(MissingError) as missing:
        assemble(framework(ZN4O, BDC), "pcu", "a")
    assert missing.value.hint == "pip install 'logos-cli[frameworks]'"
