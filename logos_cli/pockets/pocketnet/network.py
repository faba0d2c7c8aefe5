"""The network of the package ``pocketnet`` (MIT), evaluated with its weights in half of the time.

A linear map of a pair's features is the sum of maps of its parts, so that those of an atom are computed once and not for
each of its pairs; and the pairs of a few atoms or points at a time stay in the cache. The scores are those of the package
but for the rounding of float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn.functional import linear, silu

if TYPE_CHECKING:
    from pocketnet.model import PocketNet

_ROWS: Final = 64
"""Atoms or points that are computed at a time."""

_FAR: Final = -1e4


class Graph(NamedTuple):
    """The geometry of a protein and of its surface points.

    Attributes
    ----------
    types : Tensor of int64, shape (n_atoms,)
    crowding : Tensor of float32, shape (n_atoms, 4)
        Neighbours within 4, 6, 3 and 5 Å, divided by 24.
    neighbours : Tensor of int64, shape (n_atoms, n_neighbours)
    distances : Tensor of float32, shape (n_atoms, n_neighbours)
    nearest : Tensor of int64, shape (n_points,)
        The atom next to each point.
    around : Tensor of int64, shape (n_points, n_around)
        Atoms around each point.
    along, aside, away : Tensor of float32, shape (n_points, n_around)
        Their distances along the normal, from it, and from the point, Å.
    described : Tensor of float32, shape (n_points, 39)
    """

    types: Tensor
    crowding: Tensor
    neighbours: Tensor
    distances: Tensor
    nearest: Tensor
    around: Tensor
    along: Tensor
    aside: Tensor
    away: Tensor
    described: Tensor


def make_graph(network: PocketNet, types: Tensor, positions: Tensor, points: Tensor, described: Tensor) -> Graph:
    """Return the geometry that all networks of an ensemble share."""
    tree = cKDTree(positions.numpy())
    distances, neighbours = _nearest(tree, positions, network.k_atom + 1)
    distances, neighbours = distances[:, 1:], neighbours[:, 1:]
    crowding = torch.stack([(distances < reach).sum(1) for reach in (4, 6, 3, 5)], 1).float() / 24.0
    away, around = _nearest(tree, points, network.k_pt)
    normals = points - positions[around[:, 0]]
    normals = normals / normals.norm(dim=1, keepdim=True).clamp(min=1e-6)
    along = ((positions[around] - points[:, None]) * normals[:, None]).sum(-1)
    aside = (away**2 - along**2).clamp(min=0).sqrt()
    return Graph(types, crowding, neighbours, distances, around[:, 0], around, along, aside, away, described)


def _nearest(tree: cKDTree, places: Tensor, count: int) -> tuple[Tensor, Tensor]:
    distances, indices = tree.query(places.numpy(), k=range(1, min(count, tree.n) + 1))
    return torch.from_numpy(distances).float(), torch.from_numpy(indices)


@torch.inference_mode()
def point_scores(network: PocketNet, graph: Graph) -> Tensor:
    """Return the score of each surface point, from 0 to 1."""
    atoms = _atom_features(network, graph)
    pooled = _pooled(network, graph, atoms)
    features = torch.cat([pooled, network.pfn(graph.described), atoms[graph.nearest]], 1)
    scores: Tensor = network.out(features)[:, 0].sigmoid()
    return scores


def _atom_features(network: PocketNet, graph: Graph) -> Tensor:
    """Return the atoms after all layers, projected; shape (n_atoms, 64)."""
    atoms = network.emb(graph.types) + network.bur(graph.crowding)
    edges = network.rbf(graph.distances)
    is_edge = (graph.distances < network.r_atom)[..., None]
    layers: Any = network.layers
    for layer in layers:
        atoms = layer.n1(atoms + layer.upd(torch.cat([atoms, _messages(layer, atoms, graph, edges, is_edge)], 1)))
    projected: Tensor = network.proj(atoms)
    return projected


def _messages(layer: Any, atoms: Tensor, graph: Graph, edges: Tensor, is_edge: Tensor) -> Tensor:
    """Return the sum of the messages to each atom."""
    width = atoms.shape[1]
    weight = torch.cat([layer.msg[0].weight, layer.gate.weight])
    bias = torch.cat([layer.msg[0].bias, layer.gate.bias])
    to_atom = linear(atoms, weight[:, :width], bias)
    from_atom = linear(atoms, weight[:, width : 2 * width])
    by_distance = weight[:, 2 * width :].contiguous()
    sums = torch.empty_like(atoms)
    for start in range(0, len(atoms), _ROWS):
        rows = slice(start, start + _ROWS)
        pairs = (
            linear(edges[rows], by_distance).add_(to_atom[rows, None]).add_(_gather(from_atom, graph.neighbours[rows]))
        )
        messages = layer.msg[2](silu(pairs[..., :width])).mul_(pairs[..., width:].sigmoid()).mul_(is_edge[rows])
        sums[rows] = messages.sum(1)
    return sums.div_(12.0)


def _gather(table: Tensor, indices: Tensor) -> Tensor:
    """Return rows of a table; twice as fast as an index of two dimensions."""
    return table.index_select(0, indices.flatten()).view(*indices.shape, -1)


def _pooled(network: PocketNet, graph: Graph, atoms: Tensor) -> Tensor:
    """Return what attention gathers of the atoms around each point."""
    width = atoms.shape[1]
    attention: Any = network.att
    first, value = attention[0], network.val
    n_geometry = first.weight.shape[1] - width
    by_place = torch.cat([first.weight[:, :n_geometry], value.weight[:, width:]]).contiguous()
    by_atom = linear(atoms, torch.cat([first.weight[:, n_geometry:], value.weight[:, :width]]))
    bias, n_hidden = torch.cat([first.bias, value.bias]), first.weight.shape[0]
    found = []
    for start in range(0, len(graph.around), _ROWS):
        rows = slice(start, start + _ROWS)
        places = torch.cat([network.rax(graph.along[rows]), network.rrad(graph.aside[rows])], -1)
        pairs = linear(places, by_place, bias).add_(_gather(by_atom, graph.around[rows]))
        logits = attention[2](silu(pairs[..., :n_hidden]))
        shares = logits.masked_fill_((graph.away[rows] >= network.r_pt)[..., None], _FAR).softmax(1)
        found.append(torch.bmm(shares.transpose(1, 2), pairs[..., n_hidden:]).flatten(1))
    return torch.cat(found)
