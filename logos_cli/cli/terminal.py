"""Output on stderr: notes, errors, progress; never data."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from logos_cli.cli.progress import Bar
from logos_cli.io.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")


class Terminal:
    """Messages of a command on stderr, in colour if that is a terminal and ``NO_COLOR`` is unset."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self._console: Console | None = None

    @property
    def console(self) -> Console:
        """A rich console on stderr, made at the first access."""
        if self._console is None:
            from logos_cli.cli.console import VisibleConsole

            self._console = VisibleConsole(stderr=True, soft_wrap=True)
        return self._console

    def _print(self, text: str, style: str | None = None, label: str = "") -> None:
        text = visible(text)
        if not sys.stderr.isatty():
            sys.stderr.write(f"{label}{text}\n")
            return
        from rich.text import Text

        line = Text(label, style=f"bold {style}" if style else "")
        line.append(text, style="default")
        self.console.print(line)

    def note(self, text: str) -> None:
        """Print a note, but not under ``--quiet``."""
        if not self.quiet:
            self._print(text)

    def detail(self, text: str) -> None:
        """Print a detail, only under ``--verbose``."""
        if self.verbose:
            self._print(text)

    def warning(self, text: str) -> None:
        """Print a warning, but not under ``--quiet``."""
        if not self.quiet:
            self._print(text, "yellow", "warning: ")

    def error(self, text: str, body: str = "") -> None:
        """Print an error, always."""
        self._print(text, "red", "error: ")
        if body:
            self._print("\n".join(f"  {line}" for line in body.split("\n")))

    def hint(self, text: str) -> None:
        """Print the remedy of an error."""
        self._print(text, "cyan", "hint: ")

    def bar(self, description: str, total: int | None = None, unit: str = "") -> Bar:
        """Return a progress bar, which shows nothing if stderr is no terminal or ``--quiet`` is given."""
        shown = not self.quiet and sys.stderr is not None and sys.stderr.isatty()
        return Bar(self.console if shown else None, description, total, unit)

    def track(self, items: Iterable[T], description: str, total: int | None = None, unit: str = "") -> Iterator[T]:
        """Yield the items, with a progress bar."""
        with self.bar(description, total, unit) as bar:
            for item in items:
                yield item
                bar.advance()


_terminal = Terminal()


def terminal() -> Terminal:
    """Return the terminal of the running command."""
    return _terminal


def set_terminal(new: Terminal) -> None:
    """Replace the terminal of the running command: it shows warnings of the library, and with ``--verbose`` all of its log."""
    global _terminal
    _terminal = new
    _show_log(verbose=new.verbose)


def _show_log(*, verbose: bool) -> None:
    import logging

    class Shown(logging.Handler):
        """Passes each line to the terminal of the running command, with the name of the module."""

        def emit(self, record: logging.LogRecord) -> None:
            handlers = logging.getLogger(record.name).handlers
            is_foreign = any(isinstance(each, logging.NullHandler) for each in handlers)  # what llama.cpp writes
            if record.levelno >= logging.WARNING and not is_foreign:
                terminal().warning(record.getMessage())
            else:
                terminal().detail(f"{record.name.rpartition('.')[2]}: {record.getMessage()}")

    logger = logging.getLogger("logos_cli")
    if not any(type(handler).__name__ == Shown.__name__ for handler in logger.handlers):
        logger.addHandler(Shown(logging.INFO))
    if verbose:
        logger.setLevel(logging.INFO)
