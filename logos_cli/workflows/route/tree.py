"""A route as a tree: molecules, and the step that makes each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from logos_cli.grammar import Form, emit
from logos_cli.io.json_types import JsonObject
from logos_cli.objects.reaction import Reaction


@dataclass(frozen=True, slots=True)
class Step:
    """One reaction of a route, read backward.

    Attributes
    ----------
    product : str
        Canonical SMILES.
    reactants : tuple of RouteNode
        Each different reactant once.
    equivalents : tuple of str
        All reactants, as often as the reaction has them.
    probability : float
        That which the model gives this set of reactants; of samples its share.
    logp : float, optional
        Log-probability, in nats; of samples that of the likeliest.
    """

    product: str
    reactants: tuple[RouteNode, ...]
    equivalents: tuple[str, ...]
    probability: float
    logp: float | None = None

    @property
    def sentence(self) -> str:
        """The step as a sentence of retrosynthesis."""
        return emit(Reaction(self.equivalents, self.product).to_sentence(Form.RETROSYNTHESIS))


@dataclass(frozen=True, slots=True)
class RouteNode:
    """A molecule of a route: in stock, or made by a step.

    Attributes
    ----------
    smiles : str
        Canonical SMILES.
    step : Step, optional
        None if the molecule is in stock.
    """

    smiles: str
    step: Step | None = None

    def steps(self) -> Iterator[Step]:
        """Yield the steps, that of this molecule first, each before those of its reactants."""
        if self.step is not None:
            yield self.step
            for reactant in self.step.reactants:
                yield from reactant.steps()

    def leaves(self) -> Iterator[str]:
        """Yield the molecules in stock, each once, in the order of the steps."""
        yield from dict.fromkeys(self._leaves())

    def _leaves(self) -> Iterator[str]:
        if self.step is None:
            yield self.smiles
        else:
            for reactant in self.step.reactants:
                yield from reactant._leaves()

    @property
    def n_steps(self) -> int:
        """Number of reactions."""
        return sum(1 for _ in self.steps())

    @property
    def depth(self) -> int:
        """Number of reactions in the longest line."""
        return 0 if self.step is None else 1 + max(reactant.depth for reactant in self.step.reactants)

    @property
    def probability(self) -> float:
        """Product of the probabilities of its steps."""
        found = 1.0
        for step in self.steps():
            found *= step.probability
        return found

    def to_json(self) -> JsonObject:
        """Return the route as a list of steps, numbered from 1; a reactant names the step that makes it."""
        numbers = {id(step): number for number, step in enumerate(self.steps(), 1)}
        return {
            "target": self.smiles,
            "steps": [
                {
                    "step": numbers[id(step)],
                    "product": step.product,
                    "reactants": [
                        {"smiles": reactant.smiles, "in_stock": True}
                        if reactant.step is None
                        else {"smiles": reactant.smiles, "step": numbers[id(reactant.step)]}
                        for reactant in step.reactants
                    ],
                    "text": step.sentence,
                    "probability": step.probability,
                    "logp": step.logp,
                }
                for step in self.steps()
            ],
            "stock": list(self.leaves()),
        }
