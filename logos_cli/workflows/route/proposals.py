"""The single step of a search: sets of reactants that the model proposes for a product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from logos_cli.errors import LogosError
from logos_cli.formats.base import Entry
from logos_cli.grammar import Form, parse
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Status
from logos_cli.records.parts import Sample, number_of
from logos_cli.workflows.generate.generation import Generation
from logos_cli.workflows.generate.plan import GenerationPlan
from logos_cli.workflows.generate.prompts import PreparedPrompt
from logos_cli.workflows.generate.tally import GenerateTally


@dataclass(frozen=True, slots=True)
class Proposal:
    """One set of reactants.

    Attributes
    ----------
    reactants : tuple of str
        Canonical SMILES, one for each molecule or ion.
    probability : float
        That which the model gives them; of samples their share.
    logp : float, optional
        Log-probability, in nats; of samples that of the likeliest.
    """

    reactants: tuple[str, ...]
    probability: float
    logp: float | None = None


class Proposer:
    """Asks the model for the reactants of products; the model is loaded once.

    The proposals for a product depend on its SMILES and the seed only, not on the target or on what was asked before.

    Parameters
    ----------
    progress : callable, optional
        Called with what is done: that the model is loaded, or how many samples there are.
    """

    def __init__(self, plan: GenerationPlan, progress: Callable[[str], None] | None = None) -> None:
        self.tally = GenerateTally()
        self._progress = progress
        self._generation = Generation(plan, self.tally, self._report)

    def __call__(self, products: Sequence[str]) -> list[list[Proposal]]:
        """Return the proposals for each product, the best first; none if the model cannot read it."""
        found: dict[str, list[Proposal]] = {smiles: [] for smiles in products}
        for record in self._generation.records([Entry(smiles, Molecule(smiles)) for smiles in found]):
            probability = number_of(record.scores, "probability") or number_of(record.scores, "frequency")
            if record.status is not Status.OK or not probability:
                continue
            reaction = Reaction.from_sentence(parse(record.text, Form.RETROSYNTHESIS))
            logp = number_of(record.scores, "logp")
            found[str(record.sample["prompt"])].append(Proposal(reaction.reactants, probability, logp))
        return [found[smiles] for smiles in products]

    def of_prompt(self, prompt: PreparedPrompt) -> Sample:
        """Return what records hold of the model and its sampling."""
        return self._generation.provenance.of_prompt(prompt, self._generation.plan.beam)

    def _report(self, now: str, _n_done: int, _n_known: int | None) -> None:
        if self._progress is not None and now.startswith("loading"):
            self._progress(now)


def product_of(text: str) -> str:
    """Return the product in the beginning of a sentence of retrosynthesis, canonical and without atom maps.

    Raises
    ------
    LogosError
        If there is none.
    """
    from logos_cli.chemistry.smiles import canonical_smiles, smiles_without_maps
    from logos_cli.grammar.spec import Kind

    head = text.partition(Kind.MOLECULE.end)
    if not head[1]:
        raise LogosError("a route needs a whole molecule", hint="give its SMILES")
    return canonical_smiles(smiles_without_maps(head[0].removeprefix(Kind.MOLECULE.start)))
