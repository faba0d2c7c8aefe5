"""Substituents and elements that share positions: as many as the occupancies add up to, or a refusal."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from logos_cli.errors import StructureError
from logos_cli.objects.material import Material
from tests.crystals import GRID_CELL, MOF5, Atom, cif, cubic, grid, only

EDGE = 25.832
_RING = np.array([0.2829, 0.2171, 0.0269])
_OUT = np.array([0.3065, 0.1935, 0.0463]) - _RING
_OUT = _OUT / np.linalg.norm(_OUT)
_UP = np.cross(_OUT, np.array([0.0, 0.0, 1.0]) - _OUT * _OUT[2])
_UP = _UP / np.linalg.norm(_UP)


def site(label: str, out: float, occupancy: object, up: float = 0.0) -> str:
    """A site ``out`` Å from a ring carbon of MOF-5 along its C-H bond, and ``up`` Å above the ring."""
    x, y, z = _RING + (_OUT * out + _UP * up) / EDGE
    return f"{label} {label.rstrip('0123456789')} {x:.5f} {y:.5f} {z:.5f} {occupancy}"


def mof5(*sites: str, hydrogen: float | None = 0.75) -> str:
    """MOF-5 whose ring carbons carry ``sites``, and hydrogen of an occupancy."""
    own = [] if hydrogen is None else [site("H3", 0.95, hydrogen)]
    return cubic("x", EDGE, "\n".join([MOF5.rsplit("\n", 1)[0], *own, *sites]))


def linkers(text: str) -> dict[str, int]:
    entry = only(text)
    assert entry.error is None, entry.error
    assert isinstance(entry.item, Material)
    assert entry.source["linker_charge"] == -6
    assert any(note.startswith("disorder: ") for note in entry.source["notes"])
    return dict(Counter(entry.item.linkers))


def amino(group: str) -> str:
    return f"O=C([O-])c1ccc(C(=O)[O-])c({group})c1"


@pytest.mark.parametrize(
    ("text", "linker"),
    [
        (mof5(site("N1", 1.38, 0.25)), "Nc1cc(C(=O)[O-])ccc1C(=O)[O-]"),
        (mof5(site("N1", 1.38, 0.25), hydrogen=None), "Nc1cc(C(=O)[O-])ccc1C(=O)[O-]"),
        (mof5(site("N1", 1.38, 0.25), hydrogen=1), "Nc1cc(C(=O)[O-])ccc1C(=O)[O-]"),
        (mof5(site("N1", 1.38, 0.25), site("H8", 1.8, 0.25, up=0.8)), "Nc1cc(C(=O)[O-])ccc1C(=O)[O-]"),
        (mof5(site("Br1", 1.9, "0.25(1)")), amino("Br")),
        (mof5(site("Cl1", 1.73, 0.26)), amino("Cl")),
        (mof5(site("F1", 1.35, 0.25)), amino("F")),
        (mof5(site("I1", 2.1, 0.25), hydrogen=1), amino("I")),
        (mof5(site("S1", 1.77, 0.25), hydrogen=None), amino("S")),
        (mof5(site("S1", 1.77, 0.25), site("H8", 1.9, 0.125, up=1.3)), amino("S")),
        (mof5(site("O9", 1.36, 0.25)), amino("O")),
        (mof5(site("O9", 1.36, 0.25), site("H8", 1.66, 0.125, up=0.78)), amino("O")),
        (mof5(site("C9", 1.51, 0.25)), "Cc1cc(C(=O)[O-])ccc1C(=O)[O-]"),
        (mof5(site("C9", 1.43, 0.25), site("N9", 2.58, 0.25)), "N#Cc1cc(C(=O)[O-])ccc1C(=O)[O-]"),
        (mof5(site("N1", 1.47, 0.25), site("O9", 2.07, 0.25, up=1.05)), amino("[N+](=O)[O-]")),
        (mof5(site("Cl1", 1.73, 0.75), hydrogen=0.25), "O=C([O-])c1cc(Cl)c(C(=O)[O-])c(Cl)c1Cl"),
    ],
)
def test_as_many_substituents_as_the_occupancies_add_up_to(text: str, linker: str) -> None:
    assert linkers(text) == {linker: 3}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (mof5(site("Cl1", 1.73, 0.5), hydrogen=0.5), "2 of 4 positions have Cl"),
        (mof5(site("Cl1", 1.73, 0.125), hydrogen=0.875), "0.50 Cl"),
        (mof5(site("Br1", 1.9, 0.3), hydrogen=0.7), "1.20 Br"),
        (mof5(site("Br1", 1.9, 0.25), site("N1", 1.38, 0.25), hydrogen=0.5), "does not define which"),
        (mof5(site("C9", 1.51, 0.25), site("C10", 2.01, 0.125, up=1.4)), "add up to 10.00 C"),
    ],
)
def test_what_the_occupancies_leave_open_is_refused(text: str, reason: str) -> None:
    error = only(text).error
    assert isinstance(error, StructureError)
    assert reason in error.message
    assert "no single structure" in error.message
    assert error.hint


def test_of_positions_that_differ_the_one_of_highest_occupancy_is_taken() -> None:
    # The grid's linker along x with F on one ring carbon; Cl on the carbon beside it or on the one across.
    ring = {atom.label: atom for atom in grid() if atom.label.startswith("Cx") and "X" not in atom.label}
    hydrogens = {atom.label: atom for atom in grid() if atom.label.startswith("Hx")}

    def beyond(number: int, label: str, element: str, length: float, occupancy: float) -> Atom:
        carbon, hydrogen = np.array(ring[f"Cx{number}"].xyz), np.array(hydrogens[f"Hx{number}"].xyz)
        x, y, z = carbon + (hydrogen - carbon) / np.linalg.norm(hydrogen - carbon) * length
        return Atom(label, element, (x, y, z), occupancy)

    def text(*shares: float) -> str:
        own = [beyond(1, "F1", "F", 1.35, 1.0)]
        own += [beyond(n, f"Cl{n}", "Cl", 1.73, share) for n, share in zip((2, 4), shares, strict=True)]
        return cif([*(atom for atom in grid() if not atom.label.startswith("Hx")), *own])

    found = {shares: only(text(*shares)) for shares in ((0.7, 0.3), (0.3, 0.7), (0.5, 0.5))}
    beside, across, open_ = found.values()
    assert isinstance(beside.item, Material)
    assert isinstance(across.item, Material)
    assert "O=C([O-])c1ccc(C(=O)[O-])c(Cl)c1F" in beside.item.linkers
    assert "O=C([O-])c1cc(Cl)c(C(=O)[O-])cc1F" in across.item.linkers
    assert open_.error is not None
    assert "does not define which" in open_.error.message


@pytest.mark.parametrize("share", [0.5, 0.48])
def test_carbon_and_nitrogen_of_cyanide_share_their_sites(share: float) -> None:
    half = 5.45
    atoms = [Atom("Ag1", "Ag", (0.0, 0.0, 0.0))]
    for at in (2.15, 3.30):
        atoms += [Atom(f"C{at:.0f}", "C", (at, 0.0, 0.0), share), Atom(f"N{at:.0f}", "N", (at, 0.0, 0.0), 1 - share)]
    entry = only(cif(atoms, (half, 5.0, 5.0)))
    assert entry.item == Material("[Ag]", ("[C-]#N",))
    assert entry.source["linker_charge"] == -1


def test_elements_that_do_not_fill_their_site_are_refused() -> None:
    atoms = [Atom("Ag1", "Ag", (0.0, 0.0, 0.0))]
    for at in (2.15, 3.30):
        atoms += [Atom(f"C{at:.0f}", "C", (at, 0.0, 0.0), 0.5), Atom(f"N{at:.0f}", "N", (at, 0.0, 0.0), 0.2)]
    error = only(cif(atoms, (5.45, 5.0, 5.0))).error
    assert error is not None
    assert "do not fill it" in error.message


@pytest.mark.parametrize(("share", "is_read"), [(0.95, True), (0.5, False)])
def test_metals_that_share_a_site(share: float, is_read: bool) -> None:
    atoms = grid()
    metal = atoms[0]
    mixed = [Atom("M1", "Zn", metal.xyz, share), Atom("M2", "Co", metal.xyz, 1 - share), *atoms[1:]]
    entry = only(cif(mixed, GRID_CELL))
    assert (entry.error is None) is is_read
    if entry.error is not None:
        assert "different elements share the site of M1" in entry.error.message
