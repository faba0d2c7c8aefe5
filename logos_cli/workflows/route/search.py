"""Search for routes: Retro* (Chen et al. 2020) as syntheseus has it, with a model of ours as its single step.

The cost of a step is minus the logarithm of the share of samples that propose it, and a molecule that is not expanded yet
costs nothing. The order of the search depends on nothing but the target, the stock and the proposals.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

from syntheseus.interface.bag import Bag
from syntheseus.interface.models import BackwardReactionModel
from syntheseus.interface.molecule import Molecule
from syntheseus.interface.reaction import SingleProductReaction
from syntheseus.search.algorithms.best_first.retro_star import RetroStarSearch
from syntheseus.search.graph.and_or import ANDOR_NODE, AndNode, AndOrGraph, OrNode
from syntheseus.search.mol_inventory import BaseMolInventory
from syntheseus.search.node_evaluation.common import ConstantNodeEvaluator, ReactionModelLogProbCost

from logos_cli.workflows.route.proposals import Proposal
from logos_cli.workflows.route.stock import Stock, skeleton
from logos_cli.workflows.route.tree import RouteNode, Step

_TIE = 1e-6
"""Largest cost by which nodes of the same cost are told apart; the least difference of two costs is far above it."""

Propose = Callable[[Sequence[str]], list[list[Proposal]]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the search for the routes of one target.

    Attributes
    ----------
    n_routes : int
        Routes that are enough.
    depth : int
        Most steps in a line.
    n_expansions : int
        Molecules for which the model is asked for reactants.
    time_s : float
        Seconds; checked between expansions.
    """

    n_routes: int = 5
    depth: int = 6
    n_expansions: int = 100
    time_s: float = 300.0


class SingleStep(BackwardReactionModel):
    """The model of a search; what it has proposed for a molecule is kept for all targets."""

    def __init__(self, propose: Propose) -> None:
        super().__init__(use_cache=True, remove_product_in_reactants=True)
        self._propose = propose

    def _get_reactions(self, inputs: list[Molecule], num_results: int) -> list[Sequence[SingleProductReaction]]:
        proposed = self._propose([molecule.smiles for molecule in inputs])
        return [
            [_reaction(molecule, proposal) for proposal in proposals[:num_results]]
            for molecule, proposals in zip(inputs, proposed, strict=True)
        ]


def _reaction(product: Molecule, proposal: Proposal) -> SingleProductReaction:
    reaction = SingleProductReaction(
        reactants=Bag([Molecule(smiles) for smiles in proposal.reactants]), product=product
    )
    reaction.metadata["probability"] = proposal.probability
    if proposal.logp is not None:
        reaction.metadata["log_probability"] = proposal.logp
    return reaction


class _Inventory(BaseMolInventory):
    """A stock without the target."""

    def __init__(self, stock: Stock, target: str) -> None:
        self._stock, self._target = stock, target

    def is_purchasable(self, mol: Molecule) -> bool:
        return mol.smiles != self._target and mol.smiles in self._stock


class _RetroStar(RetroStarSearch):
    """Retro* that ends when there are enough routes, and that goes in no circles."""

    def __init__(self, model: SingleStep, inventory: BaseMolInventory, limits: Limits) -> None:
        super().__init__(
            reaction_model=model,
            mol_inventory=inventory,
            and_node_cost_fn=ReactionModelLogProbCost(),
            value_function=ConstantNodeEvaluator(0.0),
            limit_iterations=limits.n_expansions,
            time_limit_s=limits.time_s,
            max_expansion_depth=2 * limits.depth - 1,  # molecules are at even depths, reactions at odd ones
            prevent_repeat_mol_in_trees=True,
        )
        self._limits = limits
        self._ties: dict[ANDOR_NODE, float] = {}

    def should_stop_search(self, graph: AndOrGraph) -> bool:
        """Return whether a limit is reached, or there are enough routes."""
        if super().should_stop_search(graph):
            return True
        enough = self._limits.n_routes
        return bool(graph.root_node.has_solution) and len(best_routes(graph, enough)) >= enough

    def priority_function(self, node: ANDOR_NODE, graph: AndOrGraph) -> float:  # type: ignore[override]
        """Return the cost of the best route through a node; syntheseus leaves ties to the order of sets."""
        tie = self._ties.get(node)
        if tie is None:
            tie = self._ties[node] = _TIE * crc32("\n".join(_line(node, graph)).encode()) / 2**32
        return float(super().priority_function(node, graph)) + tie  # type: ignore[arg-type]

    def _filter_reactions(  # type: ignore[override]
        self, reactions: Sequence[SingleProductReaction], node: OrNode, graph: AndOrGraph
    ) -> list[SingleProductReaction]:
        """Leave out steps that need a molecule that they make, in whatever stereo form, tautomer or charge."""
        made = {_skeleton(smiles) for smiles in _line(node, graph)}
        kept: list[SingleProductReaction] = super()._filter_reactions(reactions, node, graph)
        return [each for each in kept if made.isdisjoint(_skeleton(part.smiles) for part in each.reactants)]


_skeleton = lru_cache(maxsize=65_536)(skeleton)


def _line(node: ANDOR_NODE, graph: AndOrGraph) -> list[str]:
    """Return what is written of a node and of all above it, up to the target: SMILES of molecules."""
    found: list[str] = []
    while True:
        found.append(node.mol.smiles if isinstance(node, OrNode) else node.reaction.reactants_str)
        above = list(graph.predecessors(node))
        if not above:
            return found
        node = above[0]


@dataclass(slots=True)
class RouteSearch:
    """The search for the routes of one target; its routes can be read whenever it ends, also by an interruption.

    Attributes
    ----------
    took_s : float
        Seconds of the search so far.
    """

    model: SingleStep
    stock: Stock
    limits: Limits
    target: str
    took_s: float = 0.0
    _graph: AndOrGraph | None = None

    def run(self) -> None:
        """Search until there are enough routes, a limit is reached, or nothing is left to expand."""
        began = time.monotonic()
        algorithm = _RetroStar(self.model, _Inventory(self.stock, self.target), self.limits)
        self._graph = algorithm.create_graph(Molecule(self.target))
        try:
            algorithm.run_from_graph(self._graph)
        finally:
            self.took_s = time.monotonic() - began

    def routes(self) -> list[RouteNode]:
        """Return the routes, the likeliest first."""
        return [] if self._graph is None else best_routes(self._graph, self.limits.n_routes)

    @property
    def n_expanded(self) -> int:
        """Molecules for which the model was asked for reactants, or had been before."""
        nodes = [] if self._graph is None else self._graph.nodes()
        return sum(isinstance(node, OrNode) and node.is_expanded for node in nodes)

    @property
    def n_reactions(self) -> int:
        """Steps that were considered."""
        return 0 if self._graph is None else sum(isinstance(node, AndNode) for node in self._graph.nodes())

    @property
    def end(self) -> str:
        """Why the search ended without enough routes: a limit, or nothing was left."""
        if self.took_s >= self.limits.time_s:
            return f"the time of {self.limits.time_s:g} s is up"
        if self.n_expanded >= self.limits.n_expansions:
            return f"the limit of {self.limits.n_expansions:,} expansions is reached"
        return f"nothing is left to expand within {self.limits.depth} steps"


def best_routes(graph: AndOrGraph, n: int) -> list[RouteNode]:
    """Return the n likeliest routes of a tree whose leaves are all in stock.

    Only nodes and edges are read, so that the result is right also where a search was interrupted.
    """
    return [route for _, route in _routes(graph, graph.root_node, n)]


def _routes(graph: AndOrGraph, node: OrNode, n: int) -> list[tuple[float, RouteNode]]:
    """Return (probability, route) of the n likeliest routes to a molecule."""
    if node.mol.metadata.get("is_purchasable"):
        return [(1.0, RouteNode(node.mol.smiles))]
    found: list[tuple[float, RouteNode]] = []
    for step in graph.successors(node):
        if not isinstance(step, AndNode):
            continue
        share = float(step.reaction.metadata["probability"])
        sets: list[tuple[float, tuple[RouteNode, ...]]] = [(share, ())]
        children = [child for child in graph.successors(step) if isinstance(child, OrNode)]
        if len(children) < len(step.reaction.unique_reactants):
            continue  # interrupted while the step was added
        for child in sorted(children, key=lambda child: child.mol.smiles):
            below = _routes(graph, child, n)
            joined = [(first * second, (*made, route)) for first, made in sets for second, route in below]
            sets = sorted(joined, key=lambda item: -item[0])[:n]
            if not sets:
                break
        equivalents = tuple(molecule.smiles for molecule in step.reaction.reactants)
        logp = step.reaction.metadata.get("log_probability")
        found += [
            (probability, RouteNode(node.mol.smiles, Step(node.mol.smiles, made, equivalents, share, logp)))
            for probability, made in sets
        ]
    return sorted(found, key=lambda item: (-item[0], item[1].n_steps))[:n]
