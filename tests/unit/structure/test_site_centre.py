"""The centre of a site lies in the pocket, not in its wall."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from logos_cli.structure.site_centre import site_centre

Floats = NDArray[np.float64]


def shell(n: int = 400, radius: float = 6.0) -> Floats:
    """Return atoms on half of a sphere around the origin, open towards +z, and a second layer behind."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(n, 3))
    points[:, 2] = -np.abs(points[:, 2])
    points /= np.linalg.norm(points, axis=1)[:, None]
    return np.concatenate([points * radius, points * (radius + 2.0)])


def as_residues(atoms: Floats, size: int = 5) -> list[Floats]:
    order = np.argsort(np.arctan2(atoms[:, 1], atoms[:, 0]), kind="stable")
    return [atoms[order[start : start + size]] for start in range(0, len(atoms), size)]


def test_the_centre_is_in_the_hollow_in_front_of_its_residues() -> None:
    wall = shell()
    centre = site_centre(as_residues(wall[:400]), wall)
    mean = wall[:400].mean(axis=0)
    assert np.linalg.norm(centre) < np.linalg.norm(mean)
    assert np.linalg.norm(wall - centre, axis=1).min() >= 3.0
    assert np.linalg.norm(centre[:2]) < 1.0, "the cup is round: the centre is on its axis"


def test_it_moves_with_the_structure() -> None:
    wall = shell()
    residues = as_residues(wall[:400])
    shift = np.array([10.0, -20.0, 5.0])
    moved = site_centre([residue + shift for residue in residues], wall + shift)
    assert np.allclose(moved, site_centre(residues, wall) + shift, atol=0.25), "the grid's own step"


def test_residues_far_apart_and_buried_ones_have_the_mean_of_their_atoms() -> None:
    apart = [np.zeros((3, 3)), np.full((3, 3), 100.0)]
    assert np.allclose(site_centre(apart, np.concatenate(apart)), 50.0)
    crowded = np.stack(np.meshgrid(*[np.arange(-12.0, 12.0, 2.0)] * 3), axis=-1).reshape(-1, 3)
    inside = [crowded[(np.abs(crowded) < 3).all(axis=1)]]
    assert np.allclose(site_centre(inside, crowded), inside[0].mean(axis=0))
