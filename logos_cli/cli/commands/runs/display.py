"""Print runs: a table of shards, and one line a run."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from logos_cli.runs.rows import Outcome
    from logos_cli.runs.status import RunStatus

_MOST_SHARDS = 20
_MOST_REASONS = 8
_COLOURS = {"finished": "green", "running": "cyan", "interrupted": "yellow", "waiting": "dim"}


def counts_of(counts: Counter[Outcome]) -> dict[str, int]:
    """Return counts by name."""
    from logos_cli.runs.rows import Outcome

    return {outcome.name.lower(): counts[outcome] for outcome in Outcome}


def status_lines(found: RunStatus) -> list[str]:
    """Return path, command, records and state of a run."""
    states = ", ".join(f"{count} {name}" for name, count in _states(found).items())
    return [str(found.path), str(found.run["command"]), f"{found.counts.total():,} records", states]


def _progress(found: RunStatus) -> str | None:
    """Return how much is done, and the time that it takes to do the rest; None if the number of entries is not known."""
    if not found.n_requested:
        return None
    text = f"{found.n_done:,} of {found.n_requested:,} entries, {found.n_done / found.n_requested:.0%}"
    if found.seconds_left is not None:
        text += f", about {timedelta(seconds=round(found.seconds_left))} left in running shards"
    return text


def _states(found: RunStatus) -> Counter[str]:
    return Counter(shard.state for shard in found.shards)


def show_status(found: RunStatus) -> None:
    """Print a run: its shards, the sum, and why records failed."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from logos_cli.cli.console import VisibleConsole

    console = VisibleConsole()
    states = ", ".join(f"{count} {name}" for name, count in _states(found).items())
    console.print(Text(f"{found.path}", style="bold").append(f"  logos {found.run['command']}", style="default"))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="bold cyan", show_footer=len(found.shards) > 1)
    sums = counts_of(found.counts)
    table.add_column("shard", f"{len(found.shards)}", no_wrap=True)
    table.add_column("state", states if len(states) < 30 else "", no_wrap=True)
    for name in sums:
        table.add_column(name, f"{sums[name]:,}", justify="right", no_wrap=True)
    rate = sum(shard.n_per_s or 0 for shard in found.shards if shard.state == "running")
    table.add_column("records/s", f"{rate:,.0f}" if rate else "", justify="right", no_wrap=True)
    table.add_column("host", no_wrap=True)
    for shard in found.shards[:_MOST_SHARDS]:
        counts = [f"{count:,}" for count in counts_of(shard.counts).values()]
        state = Text(shard.state, style=_COLOURS.get(shard.state, ""))
        rate_text = f"{shard.n_per_s:,.1f}" if shard.n_per_s else ""
        table.add_row(str(shard.shard.number), state, *counts, rate_text, shard.host or "")
    console.print_table(table)
    if len(found.shards) > _MOST_SHARDS:
        typer.echo(f"… and {len(found.shards) - _MOST_SHARDS:,} further shards: {states}")
    if (progress := _progress(found)) is not None:
        typer.echo(progress)
    for reason, count in found.reasons.most_common(_MOST_REASONS):
        console.print(Text(f"{count:>8,}  ", style="red").append(reason, style="default"), soft_wrap=True)
