"""The one console of the program: text of files and servers is printed as it is written, never obeyed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from logos_cli.io.visible import visible

if TYPE_CHECKING:
    from rich.table import Table

_UNLIMITED: Final = 10_000


class VisibleConsole(Console):
    """A console without markup in texts, which writes control characters out.

    Parameters
    ----------
    file : text stream, optional
        Standard output, if absent.
    width : int, optional
        Characters of a line; those of the terminal, if absent.
    """

    def __init__(
        self, file: IO[str] | None = None, *, stderr: bool = False, soft_wrap: bool = False, width: int | None = None
    ) -> None:
        super().__init__(
            file=file, stderr=stderr, soft_wrap=soft_wrap, width=width, highlight=False, markup=False, emoji=False
        )

    def print_table(self, table: Table) -> None:
        """Print a table without cutting off a cell: where it is too wide for the terminal, its columns move together.

        If that is not enough, the terminal wraps the lines.
        """
        if self.needs(table) > self.width:
            table.padding, table.pad_edge, table.show_edge = 0, False, False
        self.width = max(self.width, self.needs(table))
        self.print(table)

    def needs(self, table: Table) -> int:
        """Return the characters of a line of the table, if no cell is folded or cut off."""
        return self.measure(table, options=self.options.update(width=_UNLIMITED)).maximum

    def on_broken_pipe(self) -> None:
        """Leave it to the boundary: a reader that has seen enough is no failure."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of what is printed, those of texts made harmless."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)
