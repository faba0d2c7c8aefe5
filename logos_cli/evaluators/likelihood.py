"""Log-likelihood of a sentence under a language model: whole, answer, and each block given the text before it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from logos_cli.errors import LogosError
from logos_cli.evaluators.base import Context, Evaluator, Metric, Need, Subject, Unavailable, Values
from logos_cli.grammar import Form, parse
from logos_cli.records.parts import answer_start_of

if TYPE_CHECKING:
    from logos_cli.engine.likelihood import ScoredText

_MODEL = (Need.MODEL,)
_UPSTREAM = "LOGOS (arXiv 2606.16905), perplexity of its evaluation scripts"


class LikelihoodEvaluator(Evaluator):
    """Log-likelihoods and perplexities under a language model."""

    name = "likelihood"
    help = "Log-likelihood and perplexity under a language model (--model)."
    forms = frozenset(Form)
    metrics = (
        Metric(
            "logp",
            "Log-likelihood of the whole sentence: the sum over its tokens, each given those before it.",
            "nat",
            "higher",
            source=_UPSTREAM,
            needs=_MODEL,
        ),
        Metric(
            "logp_per_token",
            "logp divided by the number of its tokens.",
            "nat",
            "higher",
            source=_UPSTREAM,
            needs=_MODEL,
        ),
        Metric(
            "ppl",
            "Perplexity: exp of the mean cross-entropy of the tokens of the whole sentence, prompt included.",
            None,
            "lower",
            source=_UPSTREAM,
            needs=_MODEL,
        ),
        Metric(
            "logp_answer",
            "Log-likelihood of the answer given the prompt. The answer is the generated text, or else the text after the "
            "operator, the ligand of a complex, or the text after the first tag.",
            "nat",
            "higher",
            source="chain rule",
            needs=_MODEL,
        ),
        Metric(
            "ppl_answer",
            "Perplexity of the answer alone, given the prompt.",
            None,
            "lower",
            source="chain rule",
            needs=_MODEL,
        ),
        Metric(
            "logp_block_#",
            "Log-likelihood of the block with that number (1 is the first), tags included, given the text before it; the "
            "blocks of a material are its metal and linkers. With --blocks.",
            "nat",
            "higher",
            source="chain rule",
            needs=_MODEL,
        ),
        Metric(
            "logp_ratio",
            "Log-likelihood of the whole sentence minus that of the wild type: zero-shot fitness of a variant.",
            "nat",
            "higher",
            source="Meier et al. 2021 (10.1101/2021.07.09.450648), whole-sequence ratio",
            needs=(Need.MODEL, Need.WILD_TYPE),
            question="fitness",
        ),
    )

    def prepare(self, _wanted: Collection[str], context: Context) -> None:
        """Load the model."""
        context.likelihood()

    def score(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        """Return the values of one record."""
        return self.score_batch([subject], wanted, context)[0]

    def score_batch(self, subjects: Sequence[Subject], wanted: Collection[str], context: Context) -> list[Values]:
        """Return the values of several records, scored in shared batches."""
        from logos_cli.engine.likelihood import ScoredText

        scored = context.likelihood().score([subject.record.text for subject in subjects])
        reference = _logp_of(context.wild_type, context) if "logp_ratio" in wanted else None
        return [
            _values(subject, text, reference, blocks=context.blocks)
            if isinstance(text, ScoredText)
            else {name: Unavailable(text.message) for name in wanted}
            for subject, text in zip(subjects, scored, strict=True)
        ]


def _logp_of(text: str | None, context: Context) -> float | None:
    """Return the log-likelihood of the wild type; None without a wild type."""
    return None if text is None else _cached_logp(text, context)


@lru_cache(maxsize=8)
def _cached_logp(text: str, context: Context) -> float:
    (scored,) = context.likelihood().score([text])
    if isinstance(scored, LogosError):
        raise scored
    return float(scored.all.sum())


def _values(subject: Subject, text: ScoredText, wild_type: float | None, *, blocks: bool) -> Values:
    from logos_cli.engine.likelihood import answer_start, blocks_of, perplexity

    sentence = parse(subject.record.text)
    n_given = answer_start_of(subject.record.sample)
    start = answer_start(sentence) if n_given is None else n_given
    answer = text.between(start, len(text.text))
    values: Values = {
        "logp": float(text.all.sum()),
        "logp_per_token": float(text.all.mean()) if len(text.all) else math.nan,
        "ppl": perplexity(text.all),
        "logp_answer": float(answer.sum()) if len(answer) else math.nan,
        "ppl_answer": perplexity(answer),
    }
    if wild_type is not None:
        values["logp_ratio"] = float(text.all.sum()) - wild_type
    if blocks:
        for number, block in enumerate(blocks_of(sentence), 1):
            values[f"logp_block_{number}"] = float(text.between(*block.span).sum())
    return values


PLUGIN = LikelihoodEvaluator()
