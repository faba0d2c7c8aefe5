"""Assemble a framework on a known net with PORMAKE (Lee et al. 2021), and check what comes out."""

from __future__ import annotations

import logging
import re
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from logos_cli.chemistry.smiles import parse_smiles
from logos_cli.crystal.assembly.axes import linkers_of_axes, permutation
from logos_cli.crystal.assembly.linkers import Linker, read_linker
from logos_cli.crystal.assembly.nodes import NODES, Block, Node
from logos_cli.crystal.assembly.turn import Placed, turn_linkers
from logos_cli.errors import LogosError, MissingError, OutputError
from logos_cli.objects.material import Material, material_from_blocks

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

_INSTALL = "pip install 'logos-cli[frameworks]'"
_NET = re.compile(r"[a-z]{3}(?:-[a-z0-9]+)*")
_MOST_RMSD = 0.3
"""Largest deviation of the directions of a block from those of its vertex; the limit that PORMAKE's authors use."""
_LEAST_DISTANCE, _LEAST_HEAVY_DISTANCE = 0.9, 1.15
"""Å between any two atoms, and between two that are no hydrogens."""
_DENSITIES = (0.05, 6.0)
"""g/cm³."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """A framework in three dimensions, not relaxed.

    Attributes
    ----------
    cif : str
    density : float
        g/cm³.
    n_atoms : int
        Atoms in the cell.
    """

    cif: str
    density: float
    n_atoms: int


def assemble(material: Material, net: str, name: str, seed: int = 0) -> Assembled:
    """Place a framework's node and linkers on a net.

    Parameters
    ----------
    net : str
        RCSR code: ``pcu``, ``fcu``, ``tbo``.
    name : str
        Name of the data block.

    Raises
    ------
    OutputError
        If node, linker or net cannot be placed, or the result fails a check, with the reason.
    MissingError
        If PORMAKE is not installed.
    """
    distinct = material.distinct()
    node = NODES.get(distinct.metal)
    if node is None:
        known = ", ".join(dict.fromkeys(each.name for each in NODES.values()))
        raise OutputError(f"the geometry of the node {distinct.metal} is not known", hint=f"known nodes: {known}")
    linkers = {smiles: read_linker(smiles, seed) for smiles in distinct.linkers}
    topology = _topology(_pormake().Database(), net)
    if len(linkers) > 1 or any(linker.is_pillar for linker in linkers.values()):
        charge, framework = _on_axes(topology, node, linkers, Counter(material.linkers))
    else:
        charge, framework = _on_net(topology, node, next(iter(linkers.values())))
    if charge:
        raise OutputError(
            f"the cell would have the charge {charge:+d}", hint="another net, or other parts, fit each other"
        )
    structure = _structure(framework)
    _check_geometry(structure)
    text = _cif(structure, name, net)
    _check_parts(text, material, name)
    return Assembled(text, float(structure.density), len(structure))


def _on_net(topology: Any, node: Node, linker: Linker) -> tuple[int, Any]:
    """Return the charge of the cell and PORMAKE's framework of a node and one linker."""
    block, tried = linker.block, []
    with _parts(node.build(), block) as (metal, organic):
        for nodes, edges in _assignments(topology, node.n_points, len(block.points), metal, organic):
            tried.append(_placed(topology.name, partial(_pormake().Builder().build_by_type, topology, nodes, edges)))
    n_nodes, n_linkers = _counts(topology, node, block)
    return n_nodes * node.charge + n_linkers * linker.charge, _best(tried, topology.name)


def _on_axes(topology: Any, node: Node, linkers: dict[str, Linker], counts: Counter[str]) -> tuple[int, Any]:
    """Return the charge of the cell and PORMAKE's framework of a node with a linker on each axis of the net."""
    axes = [linkers[smiles] for smiles in linkers_of_axes(node, linkers, counts)]
    block = node.build() if node.pillared is None else node.pillared()
    with _parts(block, *(axis.block for axis in axes)) as (metal, *organic):
        builder = _pormake().Builder()
        order = permutation(topology, builder.locator, block, metal)
        (vertex,) = map(int, topology.node_indices)
        slots = {vertex: metal, **dict(zip(map(int, topology.edge_indices), organic, strict=True))}
        parts = [slots[slot] for slot in range(topology.n_slots)]
        made = _placed(topology.name, partial(builder.build, topology, parts, {vertex: order}))
    return node.charge + sum(axis.charge for axis in axes), _best([made], topology.name)


@contextmanager
def _parts(*blocks: Block) -> Iterator[list[Any]]:
    """Give blocks as PORMAKE reads them, from files that are there as long as they are used."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rotations that are not unique: any of them will do
        yield [_written(Path(folder) / str(number), block) for number, block in enumerate(blocks)]


def _placed(net: str, build: Callable[[], Any]) -> Any:
    try:
        return build()
    except Exception as error:  # whatever the geometry makes it raise
        raise OutputError(f"PORMAKE cannot place the parts on {net}: {error}") from error


def _best(frameworks: list[Any], net: str) -> Any:
    """Return the framework whose parts deviate least from the directions of the net."""
    best = min(frameworks, key=lambda made: float(made.info["max_rmsd"]))
    if best.info["max_rmsd"] > _MOST_RMSD:
        raise OutputError(
            f"the parts do not point in the directions of {net} (deviation {best.info['max_rmsd']:.2f}, at most "
            f"{_MOST_RMSD:g})",
            hint="is the net the right one?",
        )
    return best


def _pormake() -> Any:
    """Return PORMAKE, imported without its log: it would empty runtime.log in the working directory, or create it."""
    handler = logging.FileHandler
    try:
        logging.FileHandler = _NoFile  # type: ignore[assignment,misc]
        import pormake
        from pormake.log import logger
    except ImportError as error:
        raise MissingError(f"assembling a framework needs {error.name or 'pormake'}", hint=_INSTALL) from error
    finally:
        logging.FileHandler = handler  # type: ignore[misc]
    logger.setLevel("CRITICAL")  # what fails is raised as well
    return pormake


class _NoFile(logging.NullHandler):
    """A log that is not kept, in the place of a file."""

    def __init__(self, **_: object) -> None:
        super().__init__()


def _topology(database: Any, net: str) -> Any:
    if not _NET.fullmatch(net) or net not in database.topo_list:
        raise OutputError(
            f"the net {net!r} is not known",
            hint="give its RCSR code, such as pcu, fcu or tbo; nets of layers have no cell",
        )
    try:
        return _read_topology(str(database.topo_dir / f"{net}.cgd"))
    except Exception as error:  # as PORMAKE raises for files of its list that it cannot read
        raise OutputError(f"PORMAKE cannot read its net {net}", hint="nothing can be placed on this one") from error


@lru_cache(maxsize=8)
def _read_topology(path: str) -> Any:
    """Return a net from its file: PORMAKE's own way writes a pickle into its package, and reads it the next time."""
    from pormake.topology import Topology

    return Topology(path)


def _assignments(
    topology: Any, n_metal: int, n_linker: int, metal: Any, organic: Any
) -> list[tuple[dict[int, Any], dict[tuple[int, int], Any] | None]]:
    """Return the ways to put node and linker on the vertices, and the linker of two ends on the edges.

    Raises
    ------
    OutputError
        If the numbers of neighbours do not fit.
    """
    types = [int(each) for each in topology.unique_node_types]
    neighbours = {each: int(n) for each, n in zip(types, topology.unique_cn, strict=True)}
    edges = [(int(first), int(second)) for first, second in topology.unique_edge_types]
    found: list[tuple[dict[int, Any], dict[tuple[int, int], Any] | None]] = []
    if n_linker == 2:
        if set(neighbours.values()) == {n_metal}:
            found.append((dict.fromkeys(types, metal), dict.fromkeys(edges, organic)))
    else:
        for mask in range(1 << len(types)):
            is_metal = {each: bool(mask >> place & 1) for place, each in enumerate(types)}
            fits = all(neighbours[each] == (n_metal if is_metal[each] else n_linker) for each in types)
            if fits and all(is_metal[a] != is_metal[b] for a, b in edges):
                found.append(({each: metal if is_metal[each] else organic for each in types}, None))
    if not found:
        counts = ", ".join(str(n) for n in sorted(set(neighbours.values())))
        raise OutputError(
            f"the net {topology.name} has vertices with {counts} neighbours; the node has {n_metal}, and the linker "
            f"{n_linker} ends",
            hint="is the net the right one?",
        )
    return found


def _counts(topology: Any, node: Node, linker: Block) -> tuple[int, int]:
    """Return the numbers of nodes and linkers in the cell, by the bonds between them."""
    ends = len(linker.points)
    if ends == 2:
        return int(topology.n_nodes), int(topology.n_edges)
    n_bonds = int(topology.n_edges)
    return n_bonds // node.n_points, n_bonds // ends


def _written(path: Path, block: Block) -> Any:
    """Return a block as PORMAKE reads it."""
    from pormake.building_block import BuildingBlock

    rows = [*zip(block.elements, block.xyz, strict=True), *(("X", point) for point in block.points)]
    n_atoms = len(block.elements)
    bonds = [f"{a} {b} S" for a, b in _bonds(block)]
    bonds += [f"{anchor} {n_atoms + number} S" for number, anchor in enumerate(block.anchors)]
    lines = [
        str(len(rows)),
        " ".join(str(n_atoms + number) for number in range(len(block.points))),
        *(f"{element} {x:.5f} {y:.5f} {z:.5f}" for element, (x, y, z) in rows),
        *bonds,
    ]
    path.with_suffix(".xyz").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return BuildingBlock(str(path.with_suffix(".xyz")))


def _bonds(block: Block) -> list[tuple[int, int]]:
    from logos_cli.crystal.distances import covalent_radii

    radii, _ = covalent_radii(block.elements)
    places = np.array(block.xyz)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    near = apart < 1.2 * (radii[:, None] + radii[None])
    return [(int(a), int(b)) for a, b in zip(*np.nonzero(np.triu(near, 1)), strict=True)]


def _structure(framework: Any) -> Structure:
    """Return the atoms of a framework; its linkers are turned about their axes where some are too near."""
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    cell = np.array(framework.atoms.cell)
    edges = set(map(int, framework.info["topology"].edge_indices))
    parts = []
    for slot, block in enumerate(framework.info["located_bbs"]):
        if block is not None:
            kept = np.array([symbol != "X" for symbol in block.atoms.get_chemical_symbols()])
            elements = [symbol for symbol in block.atoms.get_chemical_symbols() if symbol != "X"]
            ends = np.array(block.connection_points) if slot in edges else None
            parts.append(Placed(elements, np.array(block.atoms.positions)[kept], ends))

    def merged() -> Structure:
        elements = [each for part in parts for each in part.elements]
        places = np.concatenate([part.xyz for part in parts])
        return Structure(Lattice(cell), elements, places, coords_are_cartesian=True, to_unit_cell=True)

    structure = merged()
    if _nearest(structure) is not None:
        turn_linkers(parts, cell)
        structure = merged()
    return structure


def _nearest(structure: Structure) -> float | None:
    """Return the distance of the nearest two atoms (Å), if they are too near."""
    distances: NDArray[np.float64] = structure.distance_matrix + 9 * np.eye(len(structure))
    heavy = np.array([site.specie.symbol != "H" for site in structure])
    for least, chosen in ((_LEAST_DISTANCE, np.ones(len(heavy), bool)), (_LEAST_HEAVY_DISTANCE, heavy)):
        part = distances[np.ix_(chosen, chosen)]
        if part.size and part.min() < least:
            return float(part.min())
    return None


def _check_geometry(structure: Structure) -> None:
    """Refuse atoms on top of each other, and a density that no framework has."""
    nearest = _nearest(structure)
    if nearest is not None:
        raise OutputError(
            f"two atoms would be {nearest:.2f} Å apart", hint="the parts collide on this net: is it the right one?"
        )
    if not _DENSITIES[0] <= structure.density <= _DENSITIES[1]:
        raise OutputError(f"the density would be {structure.density:.3f} g/cm³", hint="is the net the right one?")


def _check_parts(text: str, material: Material, name: str) -> None:
    """Read the CIF as any crystal is read, and refuse it unless it has the nodes and linkers of the sentence.

    A sentence that repeats one states the amounts. Stereo is not in the sentences of crystals, and not compared.
    """
    from logos_cli.crystal.blocks import cut, formula_unit
    from logos_cli.crystal.bonds import find_bonds
    from logos_cli.crystal.cif import parse_cif
    from logos_cli.crystal.resolved import resolved_cell

    try:
        document, _ = parse_cif(text, name)
        atoms = resolved_cell(document.sole_block())
        blocks = cut(atoms, find_bonds(atoms))
        nodes, linkers, _ = formula_unit(blocks)
        found = material_from_blocks(nodes, linkers)
    except LogosError as error:
        raise OutputError(f"the assembled crystal cannot be read again: {error.message}") from error
    if blocks.periodicity != 3 or blocks.n_nets != 1:
        raise OutputError(
            f"the assembled crystal is endless in {blocks.periodicity} directions, {blocks.n_nets} times",
            hint="only nets in three dimensions are assembled",
        )
    stated = _lowest(material)
    if found.distinct() != stated.distinct() or (material != material.distinct() and found != stated):
        raise OutputError(
            f"the assembled crystal would be another framework: {_listed(found)}", hint="is the net the right one?"
        )


def _lowest(material: Material) -> Material:
    """Return the framework with its blocks in the lowest whole-number ratio, and without stereo."""
    from rdkit import Chem

    nodes, linkers = Counter(material.metal.split(".")), Counter[str]()
    for smiles in material.linkers:
        molecule = parse_smiles(smiles)
        Chem.RemoveStereochemistry(molecule)
        linkers[Chem.MolToSmiles(molecule)] += 1
    share = gcd(*nodes.values(), *linkers.values())
    parts = [[each for each, count in counts.items() for _ in range(count // share)] for counts in (nodes, linkers)]
    return material_from_blocks(*parts)


def _listed(material: Material) -> str:
    return " ".join((material.metal, *material.linkers))


def _cif(structure: Structure, name: str, net: str) -> str:
    from pymatgen.io.cif import CifWriter

    lines = str(CifWriter(structure)).splitlines()
    head: Sequence[str] = (f"# assembled on the net {net} by PORMAKE, not relaxed; one net, no solvent",)
    body = [f"data_{name}" if line.startswith("data_") else line for line in lines if not line.startswith("#")]
    return "\n".join([*head, *body]) + "\n"
