"""Retrosynthesis on USPTO-50K: whether the first k answers include the reactants of the patent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.benchmarks.base import Benchmark, Case, CaseOutcome, Figure, data_file, percent
from logos_cli.benchmarks.tables import read_csv
from logos_cli.errors import FormatError, GrammarError, LogosError, MoleculeError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.reactions.ranking import canonical_answer
from logos_cli.evaluators.statistics import share
from logos_cli.formats.base import Entry
from logos_cli.grammar import Form, parse
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record, Status

if TYPE_CHECKING:
    from logos_cli.report.page import Page

_TOPS = (1, 3, 5, 10)
_PUBLISHED = {1: {"LOGOS-1B": 64.0, "LOGOS-3B": 71.5, "LOGOS-8B": 74.8, "NatureLM": 71.9}}
_SHOWN = 6
_N_KEPT = 10


class RetrosynthesisBenchmark(Benchmark):
    """Top-k of the multiset of reactants: canonical isomeric SMILES without atom maps and reaction class."""

    name = "retrosynthesis"
    help = "USPTO-50K, test split, no reaction class: are the reactants of the patent among the first k answers?"
    task = "retrosynthesis"
    decides = "top-10"
    n_samples = 32
    figures = (
        *(
            Figure(
                f"top-{k}",
                f"The reactants are among the first {k} distinct answers.",
                "%",
                published=_PUBLISHED.get(k, {}),
            )
            for k in _TOPS
        ),
        Figure("answered", "Products for which at least one answer is valid.", "%"),
    )
    layout = (
        "uspto50k/test.csv with the columns product and reactants, "
        "or uspto50k/raw_test.csv with reactants>reagents>production"
    )
    baseline_help = "the product itself as its only reactant."

    def cases(self, data: Path) -> Iterator[Case]:
        """Yield the test reactions."""
        path = data_file(data, "uspto50k/test.csv", "uspto50k/raw_test.csv", layout=self.layout)
        for number, (product, reactants) in enumerate(_rows(path), 1):
            try:
                prompt, truth = canonical_answer([product]), canonical_answer([reactants])
            except MoleculeError as error:
                raise error.at(f"{path}, reaction {number}") from error
            id = f"uspto50k:{number:05d}"
            entry = Entry(id, Reaction(truth, ".".join(prompt)))
            yield Case(id, (entry,), {"product": ".".join(prompt), "reactants": list(truth)})

    def outcome(self, case: Case, records: Sequence[Record]) -> CaseOutcome:
        """Return the rank of the truth, and the first answers."""
        answers = [_answer(record) for record in records if record.status is Status.OK]
        return _outcome(case, [answer for answer in answers if answer is not None])

    def baseline(self, case: Case, _data: Path, _rng: np.random.Generator) -> CaseOutcome:
        """Evaluate the product as its only reactant."""
        return _outcome(case, [canonical_answer([case.truth["product"]])])

    def summarise(self, outcomes: Sequence[CaseOutcome]) -> dict[str, Estimate]:
        """Return the shares in per cent."""
        ranks = [outcome["rank"] for outcome in outcomes]
        figures = {f"top-{k}": share(rank is not None and rank <= k for rank in ranks) for k in _TOPS}
        figures["answered"] = share(outcome["answers"] for outcome in outcomes)
        return {name: percent(estimate) for name, estimate in figures.items()}

    def illustrate(self, page: Page, outcomes: Mapping[str, CaseOutcome], _data: Path | None) -> None:
        """Draw the first answer of some products."""
        from logos_cli.chemistry.drawing import draw_reaction

        answered = [outcome for outcome in outcomes.values() if outcome["answers"]][:_SHOWN]
        drawn = []
        for outcome in answered:
            rank = outcome["rank"]
            match = (
                "the patent's reactants" if rank == 1 else f"the patent's are answer {rank}" if rank else "not found"
            )
            drawn.append((draw_reaction(outcome["answers"][0], [outcome["product"]]), f"first answer: {match}"))
        if drawn:
            page.heading("First answers", 3)
            page.drawings(drawn, wide=True)


def _outcome(case: Case, answers: Sequence[tuple[str, ...]]) -> CaseOutcome:
    distinct = list(dict.fromkeys(answers))
    truth = tuple(case.truth["reactants"])
    rank = distinct.index(truth) + 1 if truth in distinct else None
    return {"rank": rank, "answers": [list(answer) for answer in distinct[:_N_KEPT]], "product": case.truth["product"]}


def _answer(record: Record) -> tuple[str, ...] | None:
    try:
        return canonical_answer(block.payload for block in parse(record.text, Form.RETROSYNTHESIS).right)
    except (GrammarError, LogosError):
        return None


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    """Yield product and reactants of either layout."""
    if path.name == "test.csv":
        for row in read_csv(path, ("product", "reactants")):
            yield row["product"], row["reactants"]
        return
    column = "reactants>reagents>production"
    for number, row in enumerate(read_csv(path, (column,)), 2):
        parts = row[column].split(">")
        if len(parts) != 3:
            raise FormatError("the reaction is not reactants>reagents>product", source=f"{path}:{number}")
        yield parts[2], parts[0]


PLUGIN = RetrosynthesisBenchmark()
