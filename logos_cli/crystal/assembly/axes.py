"""Which linker stands on which axis of a net with one vertex in its cell, where several linkers meet at a node."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from logos_cli.errors import OutputError

if TYPE_CHECKING:
    from logos_cli.crystal.assembly.linkers import Linker
    from logos_cli.crystal.assembly.nodes import Block, Node

_N_AXES: Final = 3


def linkers_of_axes(node: Node, linkers: dict[str, Linker], counts: Counter[str]) -> list[str]:
    """Return the linker of each axis, the pillar last.

    Parameters
    ----------
    linkers : dict
        By their SMILES.
    counts : Counter
        How often the sentence has each; all of them once, as in a MOFid, states no amounts.

    Raises
    ------
    OutputError
        If the node has no three axes, or the sentence leaves it open which linkers they have.
    """
    pillars = [smiles for smiles, linker in linkers.items() if linker.is_pillar]
    acids = [smiles for smiles in linkers if smiles not in pillars]
    if len(pillars) > 1:
        raise OutputError(f"the framework has {len(pillars)} different pillars", hint="one can be placed")
    if pillars and node.pillared is None:
        raise OutputError(f"the node {node.name} has no place for nitrogens", hint="pillars stand on paddle-wheels")
    if any(len(linkers[smiles].block.points) > 2 for smiles in acids):
        raise OutputError(
            f"the framework has {len(linkers)} different linkers, and one of more than two ends",
            hint="several linkers can be placed if each has two ends",
        )
    n_free = _N_AXES - len(pillars)
    if not pillars and node.n_points != 2 * _N_AXES:
        raise OutputError(
            f"the framework has {len(linkers)} different linkers, and a sentence does not hold where each stands",
            hint="several dicarboxylates can be placed on the axes of Zn4O, and two with a pillar on those of a paddle-wheel",
        )
    if not 0 < len(acids) <= n_free:
        raise OutputError(
            f"the framework has {len(acids)} different dicarboxylates for {n_free} axes",
            hint="one for each can be placed",
        )
    if len(acids) in (1, n_free):
        return [*(acids * n_free)[:n_free], *pillars]
    common, rare = sorted(acids, key=lambda smiles: -counts[smiles])
    if counts[common] != 2 * counts[rare]:
        raise OutputError(
            "the framework has two linkers for three axes, and the sentence does not hold which of them has two",
            hint="repeat this one in the sentence",
        )
    return [common, common, rare]


def permutation(topology: Any, locator: Any, block: Block, part: Any) -> list[int]:
    """Return the point of a node for each neighbour of the net's vertex, so that the node's axes are the net's edges.

    Parameters
    ----------
    topology, locator, part
        PORMAKE's net with one vertex, its locator, and the node.

    Raises
    ------
    OutputError
        If the net has more vertices.
    """
    if len(topology.node_indices) != 1 or len(topology.edge_indices) != _N_AXES:
        raise OutputError(
            f"several linkers can stand on the edges of {topology.name} in more than one way",
            hint="they can be placed on pcu: one on each axis",
        )
    (vertex,) = (int(index) for index in topology.node_indices)
    edges = [int(index) for index in topology.edge_indices]
    points = np.array(block.points)
    ends = [[int(index) for index in np.argsort(points[:, axis])[[0, -1]]] for axis in range(_N_AXES)]
    target = topology.local_structure(vertex)
    found = []
    for sides in product((0, 1), repeat=_N_AXES):
        seen = Counter[int]()
        order = []
        for neighbour in topology.neighbor_list[vertex]:
            axis = edges.index(int(neighbour.index))
            order.append(ends[axis][sides[axis] ^ seen[axis]])
            seen[axis] += 1
        found.append((round(float(locator.locate_with_permutation(target, part, np.array(order))[1]), 6), order))
    return min(found)[1]
