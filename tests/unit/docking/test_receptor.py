"""Receptors: what is kept, what is completed, and that geometry does not decide about bonds."""

from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from logos_cli.docking.box import Box
from logos_cli.errors import StructureError, UsageError
from logos_cli.io.input import Input
from logos_cli.structure.model import StructureModel
from logos_cli.structure.read import load
from tests import receptors

for _library in ("meeko", "openmm", "pdbfixer"):
    pytest.importorskip(_library)

from logos_cli.docking.receptor import preparation as preparing
from logos_cli.docking.receptor.preparation import Receptor, ReceptorOptions


def _model(text: str) -> StructureModel:
    return StructureModel(load(text.encode(), "receptor.pdb"), "receptor.pdb")


def _prepare(text: str, box: Box | None = None, **choices: object) -> Receptor:
    occupied = choices.pop("occupied", None)
    options = ReceptorOptions(**choices)  # type: ignore[arg-type]
    box = box or Box(receptors.centre(), (60.0, 60.0, 60.0))
    return preparing.prepare(_model(text), box, options, occupied=occupied, cache=False)  # type: ignore[arg-type]


def _names(receptor: Receptor) -> Counter[str]:
    return Counter(residue.name for chain in receptor.structure[0] for residue in chain)


@pytest.fixture(scope="module")
def plain() -> Receptor:
    return _prepare(receptors.peptide())


def test_numbers_and_chain_stay(plain: Receptor) -> None:
    places = [str(place) for _, place in plain.heavy[2]]
    assert places == [f"A:{number}" for number in range(101, 101 + len(receptors.SEQUENCE))]
    assert {line[21] for line in plain.rigid_pdbqt.splitlines()} == {"A"}
    assert plain.rigid_pdbqt.splitlines()[0][22:26] == " 101"


def test_all_heavy_atoms_stay_where_they_are(plain: Receptor) -> None:
    given = _model(receptors.peptide()).positions
    assert np.abs(np.sort(plain.heavy[0], axis=0) - np.sort(given, axis=0)).max() < 1e-3


def test_types_are_those_of_vina(plain: Receptor) -> None:
    by_atom = {(line[17:20], line[12:16].strip()): line.split()[-1] for line in plain.rigid_pdbqt.splitlines()}
    assert by_atom["ASP", "OD1"] == "OA"
    assert by_atom["LYS", "NZ"] == "N"
    assert by_atom["PHE", "CZ"] == "A"
    assert by_atom["MET", "SD"] == "SA"
    assert by_atom["TRP", "HE1"] == "HD"
    assert not any(line.split()[-1] == "H" for line in plain.rigid_pdbqt.splitlines())


def test_missing_side_chain_is_built() -> None:
    kept = [
        line
        for line in receptors.peptide().splitlines()
        if not (line[17:20] == "ARG" and line[12:16].strip() in ("CD", "NE", "CZ", "NH1", "NH2"))
    ]
    receptor = _prepare("\n".join(kept) + "\n")
    residue = next(residue for residue in receptor.structure[0]["A"] if residue.name == "ARG")
    assert {"CD", "NE", "CZ", "NH1", "NH2"} <= {atom.name for atom in residue}
    assert any("5 missing heavy atoms were built" in note for note in receptor.notes)


def test_heterogens_stay_or_go() -> None:
    text = receptors.with_ligand()
    model = _model(text)
    toluene = [index for index in range(len(model.residues)) if model.residues.names[index] == "MBN"]
    positions = model.positions_of(toluene)
    box = Box.around(positions, 5.0)
    receptor = _prepare(text, box, occupied=positions)
    found = _names(receptor)
    assert found["ZN"] == 1  # a metal in the box
    assert not found.keys() & {"MG", "HOH", "EDO", "MBN"}
    assert any("kept as part of the receptor: ZN" in note for note in receptor.notes)
    assert any("dropped from the box: EDO" in note for note in receptor.notes)
    assert any("MBN A:301" in note for note in receptor.notes)
    kept = _names(_prepare(text, box, occupied=positions, keep_water=True, keep=("EDO", "A:303"), drop=("ZN",)))
    assert kept["HOH"] == kept["EDO"] == kept["MG"] == 1
    assert "ZN" not in kept
    assert _names(_prepare(text, box, occupied=None))["MBN"] == 0  # no cofactor either


def test_files_own_hydrogens_and_names_decide() -> None:
    def renamed(name: str) -> str:
        return receptors.peptide().replace(" HIS A 107", f" {name} A 107")

    for name, hydrogens in (("HID", {"HD1"}), ("HIE", {"HE2"}), ("HIP", {"HD1", "HE2"})):
        residue = _prepare(renamed(name)).structure[0]["A"]["107"][0]
        assert {atom.name for atom in residue} & {"HD1", "HE2"} == hydrogens
        assert residue.name == "HIS"


def test_ph_decides_about_histidine() -> None:
    residue = _prepare(receptors.peptide(), ph=5.0).structure[0]["A"]["107"][0]
    assert {"HD1", "HE2"} <= {atom.name for atom in residue}


def test_selenomethionine_becomes_methionine() -> None:
    text = receptors.peptide().replace(" MET A", " MSE A").replace(" SD  MSE", "SE   MSE")
    names = _names(_prepare(text))
    assert names["MET"] == 1
    assert names["MSE"] == 0


def test_modified_residues_are_kept() -> None:
    """A phosphoserine without its oxygens' coordinates but for one stays what it is, charged, bonded to the chain."""
    rows = receptors.peptide().splitlines()
    serine = next(line for line in rows if line[17:20] == "SER" and line[12:16].strip() == "OG")
    x, y, z = (float(serine[start : start + 8]) for start in (30, 38, 46))
    phosphorus = receptors.hetatm(800, "P", "SEP", 116, (x + 1.6, y, z), "P")
    text = "\n".join(line.replace("SER A 116", "SEP A 116") for line in rows) + "\n"
    at = text.rindex(" SEP A 116")
    end = text.index("\n", at) + 1
    receptor = _prepare(text[:end] + phosphorus.replace("HETATM", "ATOM  ") + text[end:])
    residue = receptor.structure[0]["A"]["116"][0]
    assert residue.name == "SEP"
    assert {"P", "OG", "CA", "N", "C", "O"} <= {atom.name for atom in residue}
    assert any("modified residues are kept as they are: SEP" in note for note in receptor.notes)


def test_hydrogens_that_clash_make_no_bonds() -> None:
    """Two residues pushed into each other: by distance they would be bonded, and no template would fit."""
    rows = receptors.peptide().splitlines()
    target = next(line for line in rows if line[17:20] == "LYS" and line[12:16].strip() == "CB")
    moved = [
        line[:30] + target[30:54] + line[54:] if line[17:20] == "VAL" and line[12:16].strip() == "CG1" else line
        for line in rows
    ]
    place = next(index for index, line in enumerate(moved) if line[17:20] == "VAL" and line[12:16].strip() == "CG1")
    x = float(moved[place][30:38]) + 1.2
    moved[place] = f"{moved[place][:30]}{x:8.3f}{moved[place][38:]}"
    assert _names(_prepare("\n".join(moved) + "\n")).total() == len(receptors.SEQUENCE)


def test_hydrogens_lie_at_the_length_of_their_bond(plain: Receptor) -> None:
    lengths: dict[str, list[float]] = {}
    for chain in plain.structure[0]:
        for residue in chain:
            heavy = [atom for atom in residue if not atom.element.is_hydrogen]
            for hydrogen in (atom for atom in residue if atom.element.is_hydrogen):
                nearest = min(heavy, key=lambda atom: atom.pos.dist(hydrogen.pos))
                lengths.setdefault(nearest.element.name, []).append(nearest.pos.dist(hydrogen.pos))
    assert lengths["N"] == pytest.approx([1.01] * len(lengths["N"]), abs=2e-3)
    assert lengths["O"] == pytest.approx([0.96] * len(lengths["O"]), abs=2e-3)


def test_side_chains_that_move() -> None:
    receptor = _prepare(receptors.peptide(), flexible=("A:105",))
    assert "BEGIN_RES PHE A 105" in receptor.flexible_pdbqt
    atoms = [line for line in receptor.rigid_pdbqt.splitlines() if line[22:26] == " 105"]
    assert {line[12:16].strip() for line in atoms} >= {"N", "C", "O"}  # CA is where the side chain hangs
    assert "CZ" not in {line[12:16].strip() for line in atoms}
    assert "CZ" in {atom.name for atom in receptor.structure[0]["A"]["105"][0]}


@pytest.mark.parametrize(
    ("place", "words"), [("A:999", "no residue"), ("A:106", "no side chain"), ("B:105", "no residue")]
)
def test_side_chains_that_cannot(place: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        _prepare(receptors.peptide(), flexible=(place,))


def test_box_beside_the_protein() -> None:
    with pytest.raises(UsageError, match="no atom of the receptor") as caught:
        _prepare(receptors.peptide(), Box((500.0, 0.0, 0.0), (20.0, 20.0, 20.0)))
    assert "extends over" in str(caught.value.hint)


@pytest.mark.parametrize("size", [(0.0, 20.0, 20.0), (-5.0, 20.0, 20.0), (200.0, 20.0, 20.0), (float("nan"), 1.0, 1.0)])
def test_boxes_that_are_none(size: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError):
        Box((0.0, 0.0, 0.0), size)


def test_without_protein() -> None:
    with pytest.raises(StructureError, match="no protein chain"):
        _prepare(receptors.hetatm(1, "ZN", "ZN", 1, (0.0, 0.0, 0.0), "ZN"))


def test_traces_are_refused() -> None:
    trace = "".join(f"{line}\n" for line in receptors.peptide().splitlines() if line[12:16].strip() == "CA")
    with pytest.raises(StructureError, match="complete backbone"):
        _prepare(trace)


def test_alternative_locations_are_resolved() -> None:
    rows = []
    for line in receptors.peptide().splitlines():
        if line[17:20] == "SER" and line[12:16].strip() == "OG":
            far = float(line[30:38]) + 1.0
            rows += [
                f"{line[:16]}A{line[17:54]}  0.30{line[60:]}",
                f"{line[:16]}B{line[17:30]}{far:8.3f}{line[38:54]}  0.70{line[60:]}",
            ]
        else:
            rows.append(line)
    receptor = _prepare("\n".join(rows) + "\n")
    oxygens = [
        atom for residue in receptor.structure[0]["A"] if residue.name == "SER" for atom in residue if atom.name == "OG"
    ]
    assert len(oxygens) == 1
    assert oxygens[0].pos.x == pytest.approx(float(next(row for row in rows if row[16] == "B")[30:38]), abs=1e-3)


def test_residues_without_coordinates_are_named() -> None:
    lines = receptors.peptide().splitlines(keepends=True)
    nowhere = [f"{line[:30]}{0:8.3f}{0:8.3f}{0:8.3f}{line[54:]}" for line in lines]
    with pytest.raises(StructureError, match=r"atoms N and CA of residues are 0\.00 to 0\.00 Å apart"):
        _prepare("".join(nowhere))
    one = [blank if line[22:26] == " 105" else line for line, blank in zip(lines, nowhere, strict=True)]
    with pytest.raises(StructureError, match="of PHE A:105 lie at one point"):
        _prepare("".join(one))


@pytest.mark.slow
def test_overlapping_locations_give_one() -> None:
    """Side chain atoms given twice, half occupied: A and B of one residue are not mixed."""
    lines = []
    for line in receptors.peptide().splitlines(keepends=True):
        if line[22:26] != " 105" or line[12:16].strip() in ("N", "CA", "C", "O"):
            lines.append(line)
            continue
        for mark, shift in (("A", 0.0), ("B", 0.3)):
            x = float(line[30:38]) + shift
            lines.append(f"{line[:16]}{mark}{line[17:30]}{x:8.3f}{line[38:54]}  0.50{line[60:]}")
    plain, mixed = _prepare(receptors.peptide()), _prepare("".join(lines))
    assert len(mixed.heavy[0]) == len(plain.heavy[0])
    assert np.allclose(mixed.heavy[0], plain.heavy[0], atol=1e-3)
    assert any("alternative locations" in note for note in mixed.notes)


def test_cache_gives_the_same_and_survives_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGOS_CACHE", str(tmp_path))
    box = Box(receptors.centre(), (30.0, 30.0, 30.0))

    def prepare() -> Receptor:
        return preparing.prepare(_model(receptors.peptide()), box)

    made, kept = prepare(), prepare()
    assert (made.from_cache, kept.from_cache) == (False, True)
    assert (made.rigid_pdbqt, made.cif, made.notes) == (kept.rigid_pdbqt, kept.cif, kept.notes)
    other = preparing.prepare(_model(receptors.peptide()), box, ReceptorOptions(ph=5.0))
    assert not other.from_cache
    for path in (tmp_path / "receptors").iterdir():
        path.write_text(path.read_text()[:100])
    assert not prepare().from_cache


def test_nothing_touches_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    text = receptors.with_ligand().replace(" SER A 116", " SEP A 116").replace("EDO", "QQQ")
    receptor = _prepare(text, keep=("QQQ",))  # names that no template and no dictionary knows
    assert _names(receptor)["QQQ"] == 1


@pytest.mark.slow
def test_real_receptors_that_distances_would_spoil(shared_data: Path) -> None:
    for name in ("6z1c_7EY",):
        with Input(str(shared_data / "complexes" / "posebusters" / f"{name}.pdb.gz")) as source:
            model = preparing.read_model(source)
        positions = model.positions[model.heavy]
        receptor = preparing.prepare(model, Box.around(positions, 4.0), cache=False)
        n_residues = sum(len(chain.members) for chain in model.chains)
        assert len(receptor.heavy[2]) == n_residues
        n_hydrogens = sum(line.split()[-1] == "HD" for line in receptor.rigid_pdbqt.splitlines())
        assert n_hydrogens > n_residues


# -- residues that stand alone, and names of force fields --------------------------------------------------


def _without(numbers: set[int]) -> str:
    lines = receptors.peptide().splitlines(keepends=True)
    return "".join(line for line in lines if int(line[22:26]) not in numbers)


@pytest.mark.parametrize(
    ("gone", "alone"),
    [
        (range(118, 123), 123),
        pytest.param(range(102, 105), 101, marks=pytest.mark.slow),
        pytest.param(range(110, 112), None, marks=pytest.mark.slow),
        ((*range(102, 112), *range(113, 123)), 112),
    ],
)
def test_residues_alone_behind_a_gap(gone: range | tuple[int, ...], alone: int | None) -> None:
    """At the end of a chain, at its beginning, and between two gaps."""
    receptor = _prepare(_without(set(gone)))
    places = {str(place) for _, place in receptor.heavy[2]}
    assert places == {f"A:{number}" for number in range(101, 124) if number not in set(gone)}
    assert alone is None or f"A:{alone}" in places


def test_a_chain_of_one_residue_is_a_piece() -> None:
    lone = [line for line in receptors.peptide().splitlines() if line[22:26] == " 109"]
    moved = [f"{line[:21]}B{line[22:30]}{float(line[30:38]) + 30:8.3f}{line[38:]}" for line in lone]
    receptor = _prepare(receptors.peptide() + "\n".join(moved) + "\n")
    residue = receptor.structure[0]["B"]["109"][0]
    assert residue.name == "LYS"
    assert "OXT" not in {atom.name for atom in residue}


_ACID = {
    "HIS": {"HD1", "HE2"},
    "ASP": {"HD1", "HD2"},
    "GLU": {"HE1", "HE2"},
    "LYS": {"HZ1", "HZ2", "HZ3"},
    "SER": {"HG"},
}


@pytest.mark.parametrize(
    ("name", "standard", "n_hydrogens"),
    [
        ("HSP", "HIS", 2),
        ("LSN", "LYS", 2),
        ("ASPH", "ASP", 1),
        pytest.param("HISB", "HIS", 1, marks=pytest.mark.slow),
        pytest.param("LYSH", "LYS", 3, marks=pytest.mark.slow),
        pytest.param("GLUH", "GLU", 1, marks=pytest.mark.slow),
        pytest.param("SRO", "SER", 1, marks=pytest.mark.slow),
    ],
)
def test_names_of_force_fields_say_the_protonation(name: str, standard: str, n_hydrogens: int) -> None:
    letter = {"HIS": "H", "LYS": "K", "ASP": "D", "GLU": "E", "SER": "S"}[standard]
    number = 101 + receptors.SEQUENCE.index(letter)
    lines = [
        f"{line[:17]}{name:<4}{line[21:]}" if line[22:26] == f"{number:4d}" else line
        for line in receptors.peptide().splitlines()
    ]
    lines = [line if line[21] == "A" else f"{line[:21]}A{line[22:]}" for line in lines]
    residue = _prepare("\n".join(lines) + "\n").structure[0]["A"][str(number)][0]
    assert residue.name == standard
    assert len({atom.name for atom in residue} & _ACID[standard]) == n_hydrogens
