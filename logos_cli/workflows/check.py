"""Check sentences against the grammar."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import IO

from logos_cli.errors import FormatError, GrammarError
from logos_cli.formats._input import Input
from logos_cli.grammar import parse, parse_prefix
from logos_cli.records import Record, Status
from logos_cli.workflows.encode import form_of


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence: where it stands and what is wrong with it, if anything."""

    place: str
    text: str
    error: GrammarError | None


def check(
    paths: Iterable[str], *, form: str | None = None, prefix: bool = False, stdin: IO[bytes] | None = None
) -> Iterator[Finding]:
    """Yield a finding for each sentence of the files: one a line, as text or as records.

    Parameters
    ----------
    form : str, optional
        The only form to accept.
    prefix : bool
        Accept the beginning of a sentence as well.

    Raises
    ------
    FormatError
        If a line that begins like a record is none.
    """
    wanted = form_of(form) if form else None
    for path in paths:
        with closing(Input(path, stdin)) as source:
            for number, raw in enumerate(source.lines(), 1):
                line = _text(raw, f"{source.name}:{number}")
                if line is not None:
                    yield Finding(f"{source.name}:{number}", line, _check(line, wanted, prefix=prefix))


def _text(raw: bytes, place: str) -> str | None:
    """Return the sentence of a line; None for a blank line and for a record of a failure."""
    line = raw.decode("utf-8", errors="replace").rstrip("\r\n")
    if not line.strip():
        return None
    if line.lstrip().startswith("{"):
        try:
            record = Record.from_dict(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise FormatError(f"not a JSON record: {error}", source=place) from error
        except FormatError as error:
            raise error.at(place) from error
        return None if record.status is Status.ERROR else record.text
    return line


def _check(text: str, form: str | None, *, prefix: bool) -> GrammarError | None:
    try:
        if prefix:
            parse_prefix(text)
        else:
            parse(text, form)
    except GrammarError as error:
        return error
    return None
