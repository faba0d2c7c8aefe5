"""The report of a benchmark run, as Markdown and as a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from logos_cli.io.json_types import JsonMapping, JsonObject
from logos_cli.report.page import Page
from logos_cli.report.plots import Range, ranges

Row = JsonObject
"""``Result.to_dict()`` of a benchmark."""

HEAD = ("figure", "model", "baseline", "published", "n")

_NONE = "–"


def format_estimate(estimate: JsonMapping | None, unit: str) -> str:
    """Return a figure with its interval as text: ``8.0 [3.0, 13.0]``."""
    if estimate is None:
        return _NONE
    value = estimate["value"]
    if value is None:
        return f"{_NONE} ({estimate.get('reason', 'not computed')})"
    digits = 1 if unit == "%" else 3
    text = f"{value:.{digits}f}"
    if "low" in estimate:
        text += f" [{estimate['low']:.{digits}f}, {estimate['high']:.{digits}f}]"
    return text


def _published(row: Row) -> str:
    values = ", ".join(f"{name} {value:g}" for name, value in row["published"].items())
    if not values:
        return _NONE
    return values if row["comparable"] else f"({values})"


def _label(name: str, row: Row) -> str:
    return f"{name} ({row['unit']})" if row["unit"] else name


def cells(benchmark: Row) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield the cells of each row of a benchmark's table, below :data:`HEAD`."""
    for name, row in benchmark["figures"].items():
        yield (
            _label(name, row),
            format_estimate(row["model"], row["unit"]),
            format_estimate(row["baseline"], row["unit"]),
            _published(row),
            f"{row['model']['n']:,}",
        )


def _remarks(benchmark: Row) -> list[str]:
    """Return the remarks on the figures, each once."""
    remarks = dict.fromkeys(row["remark"] for row in benchmark["figures"].values() if row["remark"])
    remarks |= dict.fromkeys(benchmark.get("remarks", ()))
    if benchmark["baseline_help"]:
        remarks[f"Baseline: {benchmark['baseline_help']}"] = None
    if any(not row["comparable"] and row["published"] for row in benchmark["figures"].values()):
        remarks["Published figures in brackets were measured differently and are not comparable."] = None
    return list(remarks)


def markdown(benchmarks: Sequence[Row], facts: JsonMapping) -> str:
    """Return the tables as Markdown."""
    lines = [f"Model: {facts['model']}. logos {facts['logos']}, seed {facts['seed']}.", ""]
    for benchmark in benchmarks:
        lines += [f"## {benchmark['benchmark']}", "", f"{benchmark['help']} {benchmark['n_cases']:,} cases.", ""]
        lines += [f"| {' | '.join(HEAD)} |", "| --- | --- | --- | --- | --- |"]
        lines += [f"| {' | '.join(row)} |" for row in cells(benchmark)]
        lines += ["", *(f"- {remark}" for remark in _remarks(benchmark)), ""]
    return "\n".join(lines)


def page(benchmarks: Sequence[Row], facts: JsonMapping, illustrate: Callable[[str, Page], None] | None = None) -> str:
    """Return the report as one HTML page.

    Parameters
    ----------
    illustrate : callable, optional
        Adds pictures of some cases to the page; called with the name of each benchmark.
    """
    out = Page(
        "LOGOS benchmarks",
        f"Model {facts['model']}, seed {facts['seed']}, logos {facts['logos']}. "
        "Intervals: 95 %, Wilson's for shares of cases, else bootstrap over cases.",
    )
    for benchmark in benchmarks:
        out.heading(benchmark["benchmark"])
        out.paragraph(f"{benchmark['help']} {benchmark['n_cases']:,} cases.")
        out.table(HEAD, cells(benchmark))
        out.plot(ranges([_range(name, row) for name, row in benchmark["figures"].items()]))
        for remark in _remarks(benchmark):
            out.paragraph(remark, soft=True)
        if illustrate is not None:
            illustrate(benchmark["benchmark"], out)
    return out.render()


def _range(name: str, row: Row) -> Range:
    model, baseline = row["model"], row["baseline"] or {}
    return Range(
        name,
        model["value"],
        model.get("low"),
        model.get("high"),
        baseline.get("value"),
        row["published"] if row["comparable"] else {},
        row["unit"],
    )
