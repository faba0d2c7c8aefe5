"""Loss curves of a run: a table, and a picture if matplotlib is installed."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

TABLE: Final = "curves.csv"
PICTURE: Final = "curves.png"
_SHOWN: Final = 12
"""Number of domains with distinct colours in a picture."""


def write_table(lines: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write training and held-out losses, one row per line of the log."""
    rows = list(lines)
    domains = sorted({name for row in rows for name in row.get("evaluation", {})})
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["step", "n_tokens", "loss", "held_out", *domains])
        for row in rows:
            found = row.get("evaluation", {})
            losses = [found.get(name, {}).get("loss", "") for name in domains]
            table.writerow([row["step"], row["n_tokens"], row.get("loss", ""), row.get("mean_loss", ""), *losses])


def draw(lines: Iterable[Mapping[str, Any]], path: Path) -> bool:
    """Draw the losses over the tokens seen; return False if matplotlib is missing."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return False
    rows = list(lines)
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    steps = [row for row in rows if "loss" in row]
    checks = [row for row in rows if "evaluation" in row]
    left.plot([row["n_tokens"] / 1e6 for row in steps], [row["loss"] for row in steps], lw=0.8, label="training")
    left.plot(
        [row["n_tokens"] / 1e6 for row in checks], [row["mean_loss"] for row in checks], "o-", ms=3, label="held out"
    )
    domains = sorted({name for row in checks for name in row["evaluation"]})
    for number, name in enumerate(domains):
        points = [
            (row["n_tokens"] / 1e6, row["evaluation"][name]["loss"]) for row in checks if name in row["evaluation"]
        ]
        style = "-" if number < _SHOWN else "--"
        right.plot(*zip(*points, strict=True), style, color=f"C{number % _SHOWN}", marker=".", ms=4, lw=1, label=name)
    left.set(xlabel="million tokens", ylabel="loss (nats a token)", title="mixture")
    right.set(xlabel="million tokens", ylabel="held-out loss (nats a token)", title="domains")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, ncols=1 if axes is left else 2)
    figure.savefig(path, dpi=120)
    return True
