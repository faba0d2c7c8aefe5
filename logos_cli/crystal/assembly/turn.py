"""Turn the linkers of two ends about their axes where atoms collide: nets and blocks leave these angles open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_N_ANGLES, _N_ROUNDS = 24, 2
_POWER: Final = -8
"""Of the distance, in the sum that is made small: near atoms decide."""
_IMAGES: Final = np.array([image for image in product((-1, 0, 1), repeat=3) if any(image)], dtype=np.float64)


@dataclass(slots=True)
class Placed:
    """A block in its place.

    Attributes
    ----------
    elements : list of str
    xyz : ndarray, shape (n_atoms, 3)
        Å.
    ends : ndarray, shape (2, 3), optional
        The points between which a linker of two ends lies; None for what does not turn.
    """

    elements: list[str]
    xyz: Floats
    ends: Floats | None = None


def turn_linkers(parts: Sequence[Placed], cell: Floats) -> None:
    """Turn linkers one after another to the angle at which their atoms are farthest from all others.

    Parameters
    ----------
    parts : sequence of Placed
        All of a cell; positions are changed in place.
    cell : ndarray, shape (3, 3)
        Å.
    """
    for _ in range(_N_ROUNDS):
        for part in parts:
            if part.ends is None:
                continue
            others = np.concatenate([each.xyz for each in parts if each is not part])
            angles = np.arange(_N_ANGLES) * 2 * np.pi / _N_ANGLES
            ways = [_turned(part.xyz, part.ends, angle) for angle in angles]
            part.xyz = min(ways, key=lambda way: _crowding(way, others, cell))


def _turned(xyz: Floats, ends: Floats, angle: float) -> Floats:
    """Return positions turned about the line through two points (Rodrigues)."""
    axis = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    away = xyz - ends[0]
    along = np.outer(away @ axis, axis)
    turned: Floats = ends[0] + along + (away - along) * np.cos(angle) + np.cross(axis, away) * np.sin(angle)
    return turned


def _crowding(xyz: Floats, others: Floats, cell: Floats) -> float:
    """Return a sum over distances to other atoms and to the images of the same ones."""
    apart = (xyz[:, None] - others[None]) @ np.linalg.inv(cell)
    nearest = (apart - np.round(apart)) @ cell
    images = xyz[None, :, None] - xyz[None, None] + (_IMAGES @ cell)[:, None, None]
    return float(sum((np.linalg.norm(each, axis=-1).clip(0.1) ** _POWER).sum() for each in (nearest, images)))
