"""Show the results of ``logos score``: the table of figures, the data dictionary, and records on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from logos_cli.cli.terminal import terminal
from logos_cli.evaluators.base import Estimate, Metric

if TYPE_CHECKING:
    from rich.console import Console

    from logos_cli.cli.console import VisibleConsole
    from logos_cli.records import Record
    from logos_cli.workflows.score.metrics import Entry
    from logos_cli.workflows.score.summary import SummaryRow

_ARROWS = {"higher": "↑", "lower": "↓", None: ""}
_WIDTH = 110


def _console(*, stderr: bool) -> VisibleConsole:
    from logos_cli.cli.console import VisibleConsole

    stream = sys.stderr if stderr else sys.stdout
    return VisibleConsole(stream, width=None if stream.isatty() else _WIDTH)


def show_summary(rows: Iterable[SummaryRow]) -> None:
    """Print the figures of all records as a table on stderr; silent under ``--quiet``."""
    from rich import box
    from rich.table import Table

    shown = list(rows)
    if terminal().quiet or not shown:
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name, style in (("score", "bold"), ("", ""), ("value", ""), ("95 % interval", "dim"), ("n", ""), ("null", "")):
        table.add_column(name, justify="left" if name in ("score", "") else "right", style=style or None, no_wrap=True)
    table.add_column("unit", style="dim", no_wrap=True)
    kinds = [row.kind for row in shown]
    for place, row in enumerate(shown):
        if place and (row.kind == "set") != (kinds[place - 1] == "set"):
            table.add_section()
        table.add_row(*_cells(row))
    _console(stderr=True).print_table(table)
    reasons = [
        f"{row.metric.name}: {row.estimate.reason}"
        for row in shown
        if row.estimate.value is None and row.estimate.reason
    ]
    for line in reasons[:_MOST_REASONS]:
        terminal().note(line)


_MOST_REASONS = 8


def _cells(row: SummaryRow) -> tuple[str, ...]:
    estimate, metric = row.estimate, row.metric
    share = row.kind == "share"
    null = sum(row.absent.values())
    return (
        f"{metric.name} {_ARROWS[metric.better]}".rstrip(),
        {"mean": "mean", "share": "share", "set": ""}[row.kind],
        number(estimate.value, share=share),
        interval(estimate, share=share),
        f"{estimate.n:,}",
        f"{null:,}" if null else "",
        "" if share else metric.unit or "",
    )


def number(value: float | None, *, share: bool = False) -> str:
    """Return a value with four digits, or a share in percent."""
    if value is None:
        return "–"
    if share:
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def interval(estimate: Estimate, *, share: bool = False) -> str:
    """Return the interval of a figure: ``0.58 … 0.64``."""
    if estimate.low is None:
        return ""
    return f"{number(estimate.low, share=share)} … {number(estimate.high, share=share)}"


# -- the data dictionary -------------------------------------------------------------------------------------


def show_dictionary(entries: Iterable[Entry], *, as_json: bool) -> None:
    """Print the definition of each score, on stdout."""
    listed = list(entries)
    if as_json:
        print(json.dumps([_row(entry) for entry in listed], ensure_ascii=False, indent=1))
        return
    from rich.padding import Padding
    from rich.text import Text

    console = _console(stderr=False)
    family = None
    for entry in listed:
        if entry.family.name != family:
            family = entry.family.name
            console.print(Text(f"\n{family}", style="bold underline") + Text(f"  {entry.family.help}", style="dim"))
            console.print(Text(f"  of: {', '.join(sorted(entry.family.forms))}", style="dim"))
        head = Text(f"  {entry.metric.name}", style="bold")
        head.append(f"  {_facts(entry.metric, of_set=entry.of_set)}", style="dim")
        console.print(head)
        console.print(Padding(Text(entry.metric.help), (0, 0, 0, 6)))
        if entry.metric.source:
            console.print(Padding(Text(entry.metric.source, style="dim"), (0, 0, 0, 6)))


def _facts(metric: Metric, *, of_set: bool) -> str:
    facts = ["of a set"] if of_set else []
    facts += [metric.unit] if metric.unit else []
    facts += [f"{metric.better} is better {_ARROWS[metric.better]}"] if metric.better else []
    facts += [f"version {metric.version}"]
    facts += [f"needs {need.what}" for need in metric.needs]
    return ", ".join(facts)


def _row(entry: Entry) -> dict[str, object]:
    metric = entry.metric
    return {
        "name": metric.name,
        "family": entry.family.name,
        "of": "set" if entry.of_set else "record",
        "forms": sorted(entry.family.forms),
        "definition": metric.help,
        "unit": metric.unit,
        "better": metric.better,
        "version": metric.version,
        "source": metric.source,
        "needs": [need.value for need in metric.needs],
    }


# -- records on a terminal -----------------------------------------------------------------------------------


def show_record(console: Console, record: Record) -> None:
    """Print a record's id, sentence and scores."""
    from rich.padding import Padding
    from rich.text import Text

    from logos_cli.cli.paint import paint_sentence

    console.print(Text(record.id, style="bold") + Text(f"  {record.reason or ''}", style="red"))
    sentence = paint_sentence(record.text)
    sentence.truncate(2 * console.width, overflow="ellipsis")
    if record.text:
        console.print(Padding(sentence, (0, 0, 0, 2)))
    scores = Text()
    for name, score in record.scores.items():
        value = score.get("value") if isinstance(score, dict) else score
        shown = number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
        scores.append(f"{name} ", style="dim")
        scores.append(f"{'–' if shown is None else shown}   ", style="dim" if shown is None else "")
    console.print(Padding(scores, (0, 0, 0, 2)))
