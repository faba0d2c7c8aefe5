"""Figures of all records of a run: means and rates with their intervals, and figures of the set."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Final

from logos_cli import __version__
from logos_cli.evaluators.base import Context, Estimate, Metric
from logos_cli.workflows.score.items import Scored
from logos_cli.workflows.score.metrics import Selection, catalogue, evaluators, metric_of, pattern_of, unmet, why_unmet

_SHOWN_REASONS: Final = 20


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One figure of the summary.

    Attributes
    ----------
    kind : str
        ``mean`` and ``share`` of the records' values, or ``set``.
    absent : Counter
        Numbers of records without a value, by reason.
    """

    metric: Metric
    kind: str
    estimate: Estimate
    absent: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object."""
        out: dict[str, object] = {"kind": self.kind, **self.estimate.to_dict()}
        if self.metric.unit is not None:
            out["unit"] = self.metric.unit
        if self.metric.better is not None:
            out["better"] = self.metric.better
        out["version"] = self.metric.version
        if self.absent:
            out["null"] = dict(self.absent.most_common(_SHOWN_REASONS))
        return out


class Collected:
    """Collects the values of a summary, record by record: 8 bytes a value, and observations of families."""

    def __init__(self, selection: Selection, context: Context) -> None:
        self._selection = selection
        self._context = context
        self._n_records = 0
        self._columns: dict[str, array[float]] = {}
        self._flags: set[str] = set()
        self._texts: set[str] = set()
        self._absent: dict[str, Counter[str]] = {}
        self._observations: dict[str, list[object]] = {name: [] for name in selection.sets}

    def add(self, outcome: Scored) -> None:
        """Add one record."""
        for name, score in outcome.scores.items():
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = array("d")
            if (n_missing := self._n_records - len(column)) > 0:
                column.extend([nan] * n_missing)
            value = score["value"]
            if value is None:
                self._absent.setdefault(name, Counter())[str(score.get("reason", ""))] += 1
                continue
            if isinstance(value, str):
                self._texts.add(name)
                continue
            if isinstance(value, bool):
                self._flags.add(name)
            column.append(float(value))
        self._n_records += 1
        for family, seen in outcome.observations.items():
            self._observations[family].append(seen)

    def rows(self) -> list[SummaryRow]:
        """Return all figures in the order of the catalogue."""
        return [*self._of_records(), *self._of_sets()]

    def _of_records(self) -> list[SummaryRow]:
        import numpy as np

        from logos_cli.evaluators.statistics import means

        names = [name for name in self._columns if name not in self._texts]
        order = {name: place for place, name in enumerate(_in_order(self._selection))}
        names.sort(key=lambda name: (order.get(name, len(order)), name))
        table = np.full((self._n_records, len(names)), nan)
        for place, name in enumerate(names):
            table[: len(self._columns[name]), place] = self._columns[name]
        rows = []
        for name, figure in zip(names, means(table), strict=True):
            metric = catalogue()[pattern_of(name)].metric
            absent = self._absent.get(name, Counter())
            nothing = not figure.n and absent
            estimate = Estimate.unknown(absent.most_common(1)[0][0]) if nothing else figure
            kind = "share" if name in self._flags else "mean"
            rows.append(SummaryRow(_named(metric, name), kind, estimate, absent))
        return rows

    def _of_sets(self) -> list[SummaryRow]:
        rows = []
        for family, wanted in self._selection.sets.items():
            seen = self._observations[family]
            asked = [name for name in wanted if name in self._selection.named]
            if not seen and not asked:
                continue
            reasons = {
                name: why_unmet(need)
                for name in wanted
                if (metric := metric_of(name)) and (need := unmet(metric, self._context))
            }
            able = [name for name in wanted if name not in reasons]
            found: Mapping[str, Estimate] = {}
            if seen and able:
                found = evaluators()[family].summarise(seen, able, self._context)
            for name in wanted if seen else asked:
                reason = reasons.get(name, "it applies to no record")
                estimate = found.get(name) or Estimate.unknown(reason)
                rows.append(SummaryRow(catalogue()[pattern_of(name)].metric, "set", estimate))
        return rows


def _in_order(selection: Selection) -> list[str]:
    return [name for names in selection.records.values() for name in names]


def _named(metric: Metric, name: str) -> Metric:
    """Return the metric under a numbered name: ``logp_block_2``."""
    if metric.name == name:
        return metric
    from dataclasses import replace

    return replace(metric, name=name)


def as_json(rows: list[SummaryRow], counts: Mapping[str, int], context: Context) -> dict[str, object]:
    """Return a summary as one JSON object."""
    used: dict[str, object] = {"logos": __version__}
    if context.reference is not None:
        used["reference"] = context.reference.path
    if context.truth is not None:
        used["truth"] = context.truth.path
    if any("model" in row.metric.needs for row in rows):
        used["model"] = context.model
    return {
        "schema": 1,
        **used,
        "records": dict(counts),
        "interval": "95 %: Wilson's for shares, else bootstrap over records",
        "metrics": {row.metric.name: row.to_dict() for row in rows},
    }
