"""Variants of a given sequence, ranked by likelihood or by an oracle of fitness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from logos_cli.grammar import parse
from logos_cli.grammar.constrain import block_templates_grammar
from logos_cli.grammar.spec import Kind
from logos_cli.records import Score
from logos_cli.tasks.base import PromptInfo, PromptSentence
from logos_cli.tasks.ranking import RankedAnswer, RankingCollector, likelihood_order

if TYPE_CHECKING:
    from logos_cli.tasks.design.oracle import Oracle
    from logos_cli.tasks.design.surrogate import Acquisition, Surrogate

WILD_TYPE = "WT"
"""The mutations of the wild type itself, as in tables of measured fitness."""


class VariantCollector(RankingCollector):
    """Ranks variants by the log-likelihood of the whole sequence, right context included.

    All variants share the fixed beginning: the log-probabilities of the rest differ as those of whole sequences do.
    The same model scores the given sequence, so that each variant has a log-likelihood ratio.

    Parameters
    ----------
    wild_type : tuple of str
        The given chains, in the order of the sentence.
    n_context : int
        Number of chains before the first that varies.
    """

    label = "variant"

    def __init__(
        self, prompt: PromptInfo, wild_type: Sequence[str], kind: Kind, top: int | None, n_context: int = 0
    ) -> None:
        super().__init__(prompt, top)
        self.wild_type = tuple(wild_type)
        self._kind = kind
        self._n_context = n_context
        self._wild_type_logp: float | None = None

    def chains(self, candidate: RankedAnswer) -> tuple[str, ...]:
        """Return the sequences of a variant."""
        return tuple(block.payload for block in candidate.sentence.left)

    def order(self, candidate: RankedAnswer) -> tuple[object, ...]:
        """Return the sort key: the likeliest first."""
        return likelihood_order(candidate)

    def questions(self) -> Sequence[PromptSentence]:
        """Let the model complete the given sequence and no other, unless a sample is the given sequence."""
        for candidate in self._candidates.values():
            if self.chains(candidate) == self.wild_type:
                self._wild_type_logp = candidate.logp
                return ()
        if not self._candidates:
            return ()
        varied = self.wild_type[self._n_context :]
        wild_type_grammar = block_templates_grammar([(self._kind, chain) for chain in varied])
        return [replace(self.prompt.sentence, grammar=wild_type_grammar)]

    def answer(self, _number: int, text: str, logp: float | None) -> None:
        """Keep the log-likelihood of the given sequence."""
        whole = "".join(f"{self._kind.start}{chain}{self._kind.end}" for chain in self.wild_type)
        if text == whole:
            self._wild_type_logp = logp

    def ranked(self) -> list[RankedAnswer]:
        """Return the variants, the best first, with their log-likelihood ratios."""
        ranked = super().ranked()
        for candidate in ranked:
            score: Score = {"value": None, "unit": "nat", "better": "higher"}
            if self._wild_type_logp is None or candidate.logp is None:
                score["reason"] = "the log-likelihood of the given sequence is unknown"
            else:
                score["value"] = round(candidate.logp - self._wild_type_logp, 4)
            candidate.scores["delta_logp"] = score
        return ranked


class EditCollector(VariantCollector):
    """Ranks edits of the last chain of a prompt, by an oracle of fitness if there is one.

    Parameters
    ----------
    wild_type : str
        The chain that is edited.
    oracle : Oracle, optional
        It predicts the wild type at once, so that an oracle that fails does so before the first sample.
    batch : tuple of int and str, optional
        Write that many variants to measure next, chosen by this acquisition function.
    """

    def __init__(
        self,
        prompt: PromptInfo,
        wild_type: str,
        kind: Kind,
        top: int | None,
        oracle: Oracle | None = None,
        batch: tuple[int, Acquisition] | None = None,
    ) -> None:
        context = prompt.sentence.text[: prompt.sentence.grammar_start]
        whole = [block.payload for block in parse(context).left] if context else []
        super().__init__(prompt, (*whole, wild_type), kind, top, len(whole))
        self._oracle, self._batch = oracle, batch
        self._wild_type_fitness = None if oracle is None else oracle.predict([wild_type])[0]

    def ranked(self) -> list[RankedAnswer]:
        """Return the variants with their mutations, the fittest or likeliest first."""
        from logos_cli.tasks.design.mutations import mutations
        from logos_cli.tasks.design.surrogate import Surrogate

        ranked = super().ranked()
        for candidate in ranked:
            changes = mutations(self.wild_type[-1], self.chains(candidate)[-1])
            candidate.scores = {
                "mutations": {"value": ":".join(changes) or WILD_TYPE},
                "n_mutations": {"value": len(changes)},
                **candidate.scores,
            }
        if self._oracle is None:
            return ranked
        ranked = by_fitness(ranked, self._oracle, wild_type=self._wild_type_fitness)
        if self._batch is None or not isinstance(self._oracle, Surrogate):
            return ranked
        return next_batch([each for each in ranked if each.scores["n_mutations"]["value"]], self._oracle, *self._batch)


class FitnessCollector(RankingCollector):
    """Ranks proteins of any length by an oracle of fitness."""

    label = "protein"

    def __init__(self, prompt: PromptInfo, top: int | None, oracle: Oracle) -> None:
        super().__init__(prompt, top)
        self._oracle = oracle

    def ranked(self) -> list[RankedAnswer]:
        """Return the sequences, the fittest first."""
        return by_fitness(super().ranked(), self._oracle)


def by_fitness(candidates: list[RankedAnswer], oracle: Oracle, *, wild_type: float | None = None) -> list[RankedAnswer]:
    """Return proteins by the oracle's prediction, the highest first, those without a prediction last.

    Parameters
    ----------
    wild_type : float, optional
        The oracle's prediction for the wild type, which the score repeats.
    """
    sequences = [candidate.sentence.left[-1].payload for candidate in candidates]
    refused = [oracle.why_not(sequence) for sequence in sequences]
    known = [sequence for sequence, reason in zip(sequences, refused, strict=True) if reason is None]
    answers = iter(zip(oracle.predict(known) if known else [], oracle.deviations(known), strict=True))
    table_logps = iter(oracle.table_logps(known) or ())
    values: list[float | None] = []
    for candidate, reason in zip(candidates, refused, strict=True):
        value, deviation = (None, None) if reason else next(answers)
        score: Score = {
            "value": value,
            "better": "lower" if oracle.lower_is_better else "higher",
            "oracle": oracle.name,
        }
        if deviation is not None:
            score["sd"] = deviation
        if wild_type is not None:
            score["wild_type"] = wild_type
        if value is None:
            score["reason"] = reason or "the oracle returned no finite number"
        scores: dict[str, Score] = {"fitness": score}
        if reason is None and (logp := next(table_logps, None)) is not None:
            scores["table_logp"] = {"value": logp, "unit": "nat", "better": "higher"}
        candidate.scores = {**scores, **candidate.scores}
        values.append(value)
    sign = -1.0 if oracle.lower_is_better else 1.0
    pairs = sorted(zip(values, candidates, strict=True), key=lambda pair: (pair[0] is None, -sign * (pair[0] or 0.0)))
    return [candidate for _, candidate in pairs]


def next_batch(candidates: list[RankedAnswer], oracle: Surrogate, n: int, how: Acquisition) -> list[RankedAnswer]:
    """Return the proteins to measure next, in the order of choice, with their acquisition values."""
    sequences = [candidate.sentence.left[-1].payload for candidate in candidates]
    chosen = []
    for place, value in oracle.acquire(sequences, n, how) if sequences else ():
        candidate = candidates[place]
        candidate.scores = {"acquisition": {"value": value, "better": "higher", "function": how}, **candidate.scores}
        chosen.append(candidate)
    return chosen
