"""Proposed reactions of one prompt as a ranked list without repeats, and the rank of the right one.

After the convention of USPTO-50K, answers are multisets of canonical isomeric SMILES without atom maps. A salt counts
as its ions, as a reaction SMILES does not distinguish them from further reactants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from logos_cli.chemistry.smiles import canonical_smiles, parse_smiles, smiles_without_maps
from logos_cli.errors import LogosError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.statistics import share
from logos_cli.grammar import Form
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.reaction import Reaction

Answer = tuple[str, ...]
"""The molecules of one side, canonical and sorted."""


Forward = Callable[[Sequence[Answer]], Sequence[str | None]]
"""Predicts the product of each set of reactants; None where it predicts none."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One answer to a prompt.

    Attributes
    ----------
    answer : Answer, optional
        None if RDKit rejects it: it counts as a wrong answer.
    logp : float, optional
        Log-probability, nats.
    rank : int, optional
        Rank in the record, from 1; None if the record has none.
    """

    answer: Answer | None
    logp: float | None = None
    rank: int | None = None


@lru_cache(1 << 16)
def canonical_molecules(smiles: str) -> Answer:
    """Return the molecules of one SMILES: canonical, isomeric, without atom maps, sorted.

    Raises
    ------
    MoleculeError
        If RDKit rejects it.
    """
    return tuple(sorted(canonical_smiles(smiles_without_maps(smiles)).split(".")))


def canonical_answer(smiles: Iterable[str]) -> Answer:
    """Return the molecules of one side of a reaction, canonical and sorted.

    Raises
    ------
    MoleculeError
        If RDKit rejects one.
    """
    return tuple(sorted(part for text in smiles for part in canonical_molecules(text)))


def sides(reaction: Reaction, form: Form) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return prompt and answer: for a retrosynthesis, product and reactants."""
    product = (reaction.product,)
    return (reaction.reactants, product) if form is Form.REACTION else (product, reaction.reactants)


def prompt_of(text: str, form: Form) -> Answer | None:
    """Return the prompt of a sentence, whose answer may be malformed; None if RDKit rejects the prompt."""
    operator = Operator.REACT if form is Form.REACTION else Operator.REVERSE_REACT
    head, has_operator, _ = text.partition(operator)
    molecules = head.removeprefix(Kind.MOLECULE.start).removesuffix(Kind.MOLECULE.end)
    try:
        return canonical_answer(molecules.split(Kind.MOLECULE.end + Kind.MOLECULE.start)) if has_operator else None
    except LogosError:
        return None


def largest_molecule(answer: Answer) -> str:
    """Return the molecule with the most heavy atoms (MaxFrag), the last in alphabetical order of several."""
    if len(answer) == 1:
        return answer[0]
    return max(answer, key=lambda smiles: (_n_heavy_atoms(smiles), smiles))


@lru_cache(1 << 16)
def _n_heavy_atoms(smiles: str) -> int:
    return int(parse_smiles(smiles).GetNumHeavyAtoms())


def ranked_answers(proposals: Sequence[Proposal]) -> list[Answer]:
    """Return the distinct readable answers, the best first.

    The order is that of their ranks, if all have one; else of their frequencies, then of their highest likelihoods,
    and then that of the file: programs that write a list of answers without likelihoods keep their order.
    """
    readable = [(proposal, proposal.answer) for proposal in proposals if proposal.answer is not None]
    if all(proposal.rank is not None for proposal, _ in readable):
        return list(dict.fromkeys(answer for _, answer in sorted(readable, key=lambda pair: pair[0].rank or 0)))
    counts = Counter(answer for _, answer in readable)
    likeliest: dict[Answer, float] = {}
    for proposal, answer in readable:
        logp = float("-inf") if proposal.logp is None else proposal.logp
        likeliest[answer] = max(likeliest.get(answer, logp), logp)
    # sorting is stable, and a Counter keeps the order of first occurrences
    return sorted(counts, key=lambda answer: (-counts[answer], -likeliest[answer]))


def rank_of(truth: Answer, answers: Sequence[Answer]) -> int | None:
    """Return the rank, from 1, of the right answer in a list without repeats; None if the list lacks it."""
    return answers.index(truth) + 1 if truth in answers else None


def max_frag_rank(truth: Answer, answers: Sequence[Answer]) -> int | None:
    """Return the rank, from 1, of the first answer whose largest molecule is that of the right one.

    Repeated largest molecules count once.
    """
    wanted = largest_molecule(truth)
    fragments = list(dict.fromkeys(largest_molecule(answer) for answer in answers))
    return fragments.index(wanted) + 1 if wanted in fragments else None


def top_k(ranks: Sequence[int | None], k: int) -> Estimate:
    """Return the share of ranks up to ``k``; None stands for a right answer that was not proposed."""
    return share(rank is not None and rank <= k for rank in ranks)
