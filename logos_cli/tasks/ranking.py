"""Answers to one prompt, each once, in an order: by how often the model gave them, and how likely it finds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from logos_cli.grammar import Sentence
from logos_cli.records import Record
from logos_cli.tasks.base import Collector, PromptInfo, TaskOption

TOP = TaskOption("top", int, "Write so many of each prompt, the best first.", metavar="K", shown_default="all", least=1)
TOP_SAMPLES = TaskOption(
    "top",
    int,
    "Rank what the samples of a prompt say, each once, and write so many, the best first.",
    metavar="K",
    shown_default="samples as they come",
    least=1,
)


@dataclass(slots=True)
class RankedAnswer:
    """One answer, whatever way it was written.

    Attributes
    ----------
    answer : str
        What :meth:`~.base.Task.judge` returned: equal for samples that say the same.
    sentence : Sentence
        The likeliest sample.
    text : str
        Its text.
    logp : float, optional
        Its log-probability, in nats; None where the model's server does not tell.
    ids : list of str
        All samples that say the same.
    scores : dict
        What is known of it besides.
    """

    answer: str
    sentence: Sentence
    text: str
    logp: float | None
    ids: list[str]
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many samples say the same."""
        return len(self.ids)


class RankingCollector(Collector):
    """Ranks the valid answers to one prompt by frequency, then by likelihood.

    Parameters
    ----------
    top : int, optional
        How many to write; None writes all.

    Attributes
    ----------
    label : str
        What an answer is called in the ids of records.
    """

    label: ClassVar[str] = "answer"

    def __init__(self, prompt: PromptInfo, top: int | None = None) -> None:
        self.prompt = prompt
        self.top = top
        self.n_samples = 0
        self._candidates: dict[str, RankedAnswer] = {}

    def add(self, record: Record, answer: str | None, sentence: Sentence | None) -> None:
        """Take a sample; those that are not valid count in the denominator of frequencies only."""
        self.n_samples += 1
        if answer is None or sentence is None:
            return
        logp = record.sample["logp"]
        known = self._candidates.get(answer)
        if known is None:
            scores = dict(record.scores)
            self._candidates[answer] = RankedAnswer(answer, sentence, record.text, logp, [record.id], scores)
            return
        known.ids.append(record.id)
        if logp is not None and (known.logp is None or logp > known.logp):
            known.sentence, known.text, known.logp = sentence, record.text, logp

    def ranked(self) -> list[RankedAnswer]:
        """Return the answers, the best first."""
        return sorted(self._candidates.values(), key=self.order)

    def order(self, candidate: RankedAnswer) -> tuple[Any, ...]:
        """Return what is sorted by, the smallest first."""
        return -candidate.count, *likelihood_order(candidate)

    def written(self, candidate: RankedAnswer) -> str:
        """Return the sentence that is written for an answer."""
        return candidate.text

    def results(self) -> Iterable[Record]:
        """Yield a record for each answer, the best first."""
        for rank, candidate in enumerate(self.ranked()[: self.top], 1):
            scores = {
                "rank": {"value": rank, "better": "lower"},
                "frequency": {
                    "value": round(candidate.count / self.n_samples, 4),
                    "better": "higher",
                    "count": candidate.count,
                    "n": self.n_samples,
                },
                "logp": _logp_score(candidate.logp),
                **candidate.scores,
            }
            yield Record(
                f"{self.prompt.id}:{self.label}{rank}",
                candidate.sentence.form,
                self.written(candidate),
                sample={"samples": candidate.ids},
                scores=scores,
            )


def likelihood_order(candidate: RankedAnswer) -> tuple[Any, ...]:
    """Return what sorts the likeliest first; equal ones by what they say, so that the order is always the same."""
    return candidate.logp is None, -(candidate.logp or 0.0), candidate.answer


def _logp_score(logp: float | None) -> dict[str, Any]:
    score = {"value": logp, "unit": "nat", "better": "higher"}
    return score if logp is not None else {**score, "reason": "the server does not tell probabilities"}
