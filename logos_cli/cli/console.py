"""The one console of the program: text of files and servers is printed as it is written, never obeyed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from logos_cli.io.visible import visible


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

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of what is printed, those of texts made harmless."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)
