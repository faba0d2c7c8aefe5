"""Tables, sizes and progress of ``logos models``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer

from logos_cli.cli.terminal import terminal


def size(n_bytes: float) -> str:
    """Return a size with its unit: GB (10^9 bytes), MB, kB or B."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes:.0f} B"


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: set[int] | None = None,
    style: Callable[[Sequence[str]], str] | None = None,
    styled: int = 0,
    titled: bool = True,
) -> None:
    """Print a table, in plain columns outside of a terminal."""
    right = right or set()
    if sys.stdout.isatty():
        from rich.table import Table
        from rich.text import Text

        from logos_cli.cli.console import VisibleConsole

        drawn = Table(box=None, padding=(0, 2, 0, 0), show_header=titled, header_style="bold cyan")
        for number, title in enumerate(header):
            drawn.add_column(title, justify="right" if number in right else "left", overflow="fold")
        for row in rows:
            painted = [Text(cell) for cell in row]
            if style is not None:
                painted[styled].stylize(style(row))
            if not titled:
                painted[0].stylize("bold cyan")
            drawn.add_row(*painted)
        console = VisibleConsole()
        if console.needs(drawn) > console.width:
            drawn.padding = (0, 1, 0, 0)
            drawn.columns[0].no_wrap = True  # names are copied
        console.print(drawn)
        return
    lines = [header, *rows] if titled else list(rows)
    widths = [max(len(line[number]) for line in lines) for number in range(len(header))]
    for line in lines:
        cells = [
            cell.rjust(widths[number]) if number in right else cell.ljust(widths[number])
            for number, cell in enumerate(line)
        ]
        typer.echo("  ".join(cells).rstrip())


@contextmanager
def progress(description: str) -> Iterator[Callable[[str, int, int], None]]:
    """Yield the function that updates a bar by (name, number, total)."""
    with terminal().bar(description) as bar:

        def draw(name: str, number: int, total: int) -> None:
            bar.update(number, total, f"{description} {name}")

        yield draw
