"""Points on the surface of a protein, and what surrounds each of them.

They are those of the package ``pocketnet`` (MIT), computed in another way: neighbours come from a tree instead of the
distances of all pairs, and rays are followed for a few points at a time, so that their cells stay in the cache.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from pocketnet import feat
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn.functional import one_hot

_PROBE_ANGSTROM: Final = 1.4
_POINTS_PER_ATOM: Final = 48
_PAIRS: Final = 1 << 14
"""Pairs of atoms that are compared at a time."""

_RAYS: Final = 64
_STEP_ANGSTROM: Final = 0.8
_LONGEST_ANGSTROM: Final = 16.0
_MARGIN_ANGSTROM: Final = 19.6
"""No ray leaves a grid with this margin; its cells are those of the package's margin of 18 Å."""

_CONES: Final = (0.866, 0.5, 0.0)
_BURIED_ANGSTROM: Final = (4.0, 8.0, 12.0, 16.0)
_SHELLS_ANGSTROM: Final = ((0.0, 4.0), (4.0, 6.0), (6.0, 8.0), (8.0, 12.0))
_POINTS: Final = 128
"""Points that are described at a time."""


def surface_points(positions: Tensor, elements: Tensor) -> tuple[Tensor, Tensor]:
    """Return points on the surface that a probe of 1.4 Å can reach, and their normals.

    Parameters
    ----------
    positions : Tensor of float32, shape (n_atoms, 3)
    elements : Tensor of int64, shape (n_atoms,)
        The package's numbers of elements.

    Returns
    -------
    tuple of Tensor
        Points and unit vectors that point outwards, shape (n_points, 3).
    """
    radii = feat.VDW[elements] + _PROBE_ANGSTROM
    sphere = feat.fib_sphere(_POINTS_PER_ATOM, "cpu")
    points = positions[:, None] + radii[:, None, None] * sphere
    places, reach = positions.numpy(), (radii - 1e-3).numpy()
    pairs = cKDTree(places).query_pairs(2 * float(radii.max()), output_type="ndarray")
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    is_free = np.ones(points.shape[:2], bool)
    candidates = points.numpy()
    for start in range(0, len(pairs), _PAIRS):
        owner, other = pairs[start : start + _PAIRS].T
        squares = ((candidates[owner] - places[other][:, None]) ** 2).sum(axis=-1)
        np.logical_and.at(is_free, owner, squares >= (reach[other] ** 2)[:, None])
    kept = torch.from_numpy(is_free)
    owners = torch.arange(len(positions))[:, None].expand_as(kept)[kept]
    found = points[kept]
    normals = found - positions[owners]
    return found, normals / normals.norm(dim=1, keepdim=True)


def describe_points(points: Tensor, normals: Tensor, positions: Tensor, elements: Tensor) -> Tensor:
    """Return the package's description of each point: how buried it is, by rays, and the elements around it.

    Returns
    -------
    Tensor of float32, shape (n_points, 39)
    """
    grid, low, cell = feat.occupancy_grid(positions, elements, pad=_MARGIN_ANGSTROM)
    march = _Rays(grid, low, cell)
    kinds = one_hot(elements, 6).float()
    return torch.cat(
        [
            _describe(points[part], normals[part], march, positions, kinds)
            for part in (slice(start, start + _POINTS) for start in range(0, len(points), _POINTS))
        ]
    )


class _Rays:
    """Follows rays from points to the first occupied cell of a grid."""

    def __init__(self, grid: Tensor, low: Tensor, cell: float) -> None:
        self.directions = feat.fib_sphere(_RAYS, "cpu")
        n_steps = int(_LONGEST_ANGSTROM / _STEP_ANGSTROM)
        self._lengths = torch.arange(1, n_steps + 1) * _STEP_ANGSTROM
        self._grid, self._low, self._cell = grid.reshape(-1), low, cell
        self._strides = grid.shape[1] * grid.shape[2], grid.shape[2]
        self._steps = (self.directions[:, None] * self._lengths[:, None]).unbind(-1)

    def first_hits(self, points: Tensor) -> Tensor:
        """Return the length at which each ray meets an atom, Å, twice the longest if it meets none; shape (n, 64)."""
        axes = [
            ((points[:, axis, None, None] + self._steps[axis] - self._low[axis]) / self._cell).round().int()
            for axis in range(3)
        ]
        along_x, along_y = self._strides
        cells = axes[0].mul_(along_x).add_(axes[1].mul_(along_y)).add_(axes[2])
        is_hit = self._grid[cells]
        first = self._lengths[is_hit.byte().argmax(dim=-1)]
        return torch.where(is_hit.any(dim=-1), first, 2 * _LONGEST_ANGSTROM)


def _describe(points: Tensor, normals: Tensor, rays: _Rays, positions: Tensor, kinds: Tensor) -> Tensor:
    hits = rays.first_hits(points)
    cosines = normals @ rays.directions.T
    cones = [(cosines >= least).float() for least in _CONES]
    sizes = [cone.sum(1).clamp(min=1) for cone in cones]
    columns = []
    for reach in _BURIED_ANGSTROM:
        buried = (hits <= reach).float()
        columns.append(buried.mean(1))
        columns += [(buried * cone).sum(1) / size for cone, size in zip(cones, sizes, strict=True)]
    near = hits.clamp(max=_LONGEST_ANGSTROM)
    columns += [near.mean(1) / _LONGEST_ANGSTROM, near.amin(1) / _LONGEST_ANGSTROM]
    behind = (cosines <= -0.5).float()
    columns.append(((near * behind).sum(1) / behind.sum(1).clamp(min=1)) / _LONGEST_ANGSTROM)
    distances = torch.cdist(points, positions)
    for low, high in _SHELLS_ANGSTROM:
        inside = ((distances >= low) & (distances < high)).float()
        columns.append(inside.sum(1) / 30.0)
        columns += list((inside @ kinds[:, :4] / 12.0).unbind(1))
    return torch.stack(columns, 1)
