"""Check sentences against the grammar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

from logos_cli.errors import FormatError, GrammarError, InputError, LogosError
from logos_cli.formats.base import form_of
from logos_cli.grammar import Form, parse, parse_prefix
from logos_cli.io.input import Input
from logos_cli.io.paths import results_of_run
from logos_cli.records import Record, Status


@dataclass(frozen=True, slots=True)
class Finding:
    """A checked sentence: its place, and its error if it has one.

    ``text`` is None where there is no sentence: a file that cannot be read, or a line that is no record.
    """

    place: str
    text: str | None
    error: LogosError | None


def check(
    paths: Iterable[str], *, form: str | None = None, prefix: bool = False, stdin: IO[bytes] | None = None
) -> Iterator[Finding]:
    """Yield a finding for each sentence of the files: one a line, as text or as records.

    Parameters
    ----------
    paths : iterable of str
        Files, directories of runs, and ``-``.
    form : str, optional
        The only form to accept.
    prefix : bool
        Accept the beginning of a sentence as well.

    Raises
    ------
    UsageError
        If there is no such form.
    """
    wanted = form_of(form) if form else None
    for path in chain.from_iterable(results_of_run(Path(path)) or [path] for path in paths):
        name = "<stdin>" if path == "-" else path
        try:
            with closing(Input(path, stdin)) as source:
                yield from _check_lines(source, wanted, prefix=prefix)
        except LogosError as error:
            yield Finding(error.at(name).source or name, None, error)


def _check_lines(source: Input, wanted: Form | None, *, prefix: bool) -> Iterator[Finding]:
    n_lines = 0
    for number, raw in enumerate(source.text_lines(), 1):
        line = raw.rstrip("\r\n")
        if not line.strip():
            continue
        n_lines += 1
        place = f"{source.name}:{number}"
        try:
            text = _sentence(line)
        except FormatError as error:
            yield Finding(place, None, error)
            continue
        if text is not None:
            yield Finding(place, text, _check(text, wanted, prefix=prefix))
    if not n_lines:
        raise InputError("the file has no sentences", source=source.name, hint="write one sentence a line")


def _sentence(line: str) -> str | None:
    """Return the sentence of a line; None for the record of a failure, which has none."""
    if not line.lstrip().startswith("{"):
        return line
    record = Record.from_json(line)
    return None if record.status is Status.ERROR else record.text


def _check(text: str, form: str | None, *, prefix: bool) -> GrammarError | None:
    try:
        if prefix:
            parse_prefix(text)
        else:
            parse(text, form)
    except GrammarError as error:
        return error
    return None
