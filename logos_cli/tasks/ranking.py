"""The distinct answers to one prompt, ranked: samples by frequency and likelihood, those of a beam search by likelihood."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar

from logos_cli.grammar import Sentence
from logos_cli.records import Record, Score, Scores
from logos_cli.records.parts import logp_of
from logos_cli.tasks.base import Collector, PromptInfo, Refusal, TaskOption

TOP = TaskOption(
    "top",
    int,
    "Write the K best results of each prompt, the best first.",
    metavar="K",
    shown_default="all",
    least=1,
    of_results=True,
)
TOP_SAMPLES = TaskOption(
    "top",
    int,
    "Rank the distinct samples of a prompt and write the K best, the best first.",
    metavar="K",
    shown_default="all samples, not ranked",
    least=1,
    of_results=True,
)


@dataclass(slots=True)
class RankedAnswer:
    """One distinct answer.

    Attributes
    ----------
    answer : str
        The value of :meth:`~.base.Task.judge`: equal for samples with the same answer.
    sentence : Sentence
        The likeliest sample.
    text : str
        Text of the likeliest sample.
    logp : float, optional
        Log-probability of the likeliest sample, in nats; None where the model's server does not report it. Of a beam search
        that of all its texts with this answer together.
    ids : list of str
        Ids of all samples with this answer.
    scores : dict
        Its further scores.
    """

    answer: str
    sentence: Sentence
    text: str
    logp: float | None
    ids: list[str]
    scores: Scores = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of samples with this answer."""
        return len(self.ids)


class RankingCollector(Collector):
    """Ranks the valid answers to one prompt by frequency, then by likelihood; those of a beam search by likelihood.

    Parameters
    ----------
    top : int, optional
        Number of results to write; None writes all.

    Attributes
    ----------
    label : str
        Name of an answer in the ids of records.
    """

    label: ClassVar[str] = "answer"

    def __init__(self, prompt: PromptInfo, top: int | None = None) -> None:
        self.prompt = prompt
        self.top = top
        self.n_samples = 0
        self._candidates: dict[str, RankedAnswer] = {}
        self._refused: list[Refusal] = []

    def add(self, record: Record, answer: str | None, sentence: Sentence | None) -> None:
        """Add a sample; one that is not valid counts in the denominator of frequencies only."""
        self.n_samples += 1
        if answer is None or sentence is None:
            return
        logp = logp_of(record.sample)
        candidate = self._candidates.get(answer)
        if candidate is None:
            scores = dict(record.scores)
            self._candidates[answer] = RankedAnswer(answer, sentence, record.text, logp, [record.id], scores)
            return
        candidate.ids.append(record.id)
        if self.prompt.is_searched and logp is not None and candidate.logp is not None:
            candidate.logp = added(candidate.logp, logp)  # the likeliest came first
        elif logp is not None and (candidate.logp is None or logp > candidate.logp):
            candidate.sentence, candidate.text, candidate.logp = sentence, record.text, logp

    def ranked(self) -> list[RankedAnswer]:
        """Return the answers, the best first."""
        return sorted(self._candidates.values(), key=self.order)

    def accepted(self) -> Iterable[RankedAnswer]:
        """Yield the answers that may be written, the best first; by default all."""
        return self.ranked()

    def refusals(self) -> Sequence[Refusal]:
        """Return the answers that :meth:`accepted` left out."""
        return self._refused

    def refuse(self, candidate: RankedAnswer, outcome: str) -> None:
        """Leave an answer out of the results, and have its samples counted as invalid."""
        is_novel = bool(candidate.scores.get("novel", {}).get("value"))
        self._refused.append(Refusal(outcome, candidate.count, is_novel))

    def order(self, candidate: RankedAnswer) -> tuple[object, ...]:
        """Return the sort key: the most frequent first, then the likeliest."""
        return 0 if self.prompt.is_searched else -candidate.count, *likelihood_order(candidate)

    def output_text(self, candidate: RankedAnswer) -> str:
        """Return the sentence of an answer in the output."""
        return candidate.text

    def results(self) -> Iterable[Record]:
        """Yield a record for each answer, the best first."""
        for rank, candidate in enumerate(islice(self.accepted(), self.top), 1):
            scores: Scores = {
                "rank": {"value": rank, "better": "lower"},
                **self._share(candidate),
                "logp": _logp_score(candidate.logp),
                **candidate.scores,
            }
            yield Record(
                f"{self.prompt.id}:{self.label}{rank}",
                candidate.sentence.form,
                self.output_text(candidate),
                sample={"samples": candidate.ids},
                scores=scores,
            )

    def _share(self, candidate: RankedAnswer) -> Scores:
        """Return the share of the samples that have an answer; of a beam search its probability."""
        if not self.prompt.is_searched:
            share, n = candidate.count / self.n_samples, self.n_samples
            return {"frequency": {"value": round(share, 4), "better": "higher", "count": candidate.count, "n": n}}
        if candidate.logp is None:
            return {}
        return {"probability": {"value": float(f"{math.exp(candidate.logp):.4g}"), "better": "higher"}}


def added(logp: float, other: float) -> float:
    """Return the log-probability of two texts together, from that of each."""
    most = max(logp, other)
    return round(most + math.log1p(math.exp(min(logp, other) - most)), 4)


def likelihood_order(candidate: RankedAnswer) -> tuple[object, ...]:
    """Return the sort key that puts the likeliest first; the answer itself breaks ties."""
    return candidate.logp is None, -(candidate.logp or 0.0), candidate.answer


def _logp_score(logp: float | None) -> Score:
    score: Score = {"value": logp, "unit": "nat", "better": "higher"}
    return score if logp is not None else {**score, "reason": "the server does not report probabilities"}
