"""Read A3M: rows of an alignment with insertions, relative to the first row, in lower case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from logos_cli.errors import FormatError
from logos_cli.formats.fasta.records import SequenceText, iter_records
from logos_cli.io.input import Input

_LENGTHS = re.compile(rb"#[ \t]*(\d+(?:,\d+)*)[ \t]+\d+(?:,\d+)*[ \t]*\r?\n")
"""First line of ColabFold: the length of each chain, and its number of copies."""


def is_a3m(head: bytes, name: str) -> bool:
    """Return whether a FASTA is A3M, by ColabFold's first line or its name: the rows look like those of any alignment."""
    return bool(_LENGTHS.match(head.lstrip())) or ".a3m" in name.lower()


def iter_a3m(source: Input) -> Iterator[SequenceText]:
    """Yield the rows of an A3M in constant memory; a row with several chains is split into them.

    A row with another number of columns than the first one has an error.
    """
    lengths = _LENGTHS.match(source.head.lstrip())
    widths = [int(length) for length in lengths[1].split(b",")] if lengths else []
    for record in iter_records(source):
        text = "".join("".join(line.split()) for _, line in record.lines)
        columns = sum(not letter.islower() and letter != "." for letter in text)
        widths = widths or [columns]
        if columns != sum(widths):
            record.error = FormatError(
                f"the row has {columns} columns, the first one {sum(widths)}",
                source=f"{source.name}:{record.line}",
                hint="in A3M insertions are lower case, and each row has as many capitals and gaps as the first one",
            )
            yield record
        elif len(widths) == 1:
            yield _row(record, text)
        else:
            yield from _chains(record, text, widths)


def _row(record: SequenceText, text: str) -> SequenceText:
    """Return a row with its insertions as capitals, and a note of their number."""
    inserted = sum(map(str.islower, text))
    notes = [f"{inserted} residues inserted relative to the first row (lower case)"] if inserted else []
    line = record.lines[0][0] if record.lines else record.line
    return replace(record, lines=[(line, text.upper())], notes=[*record.notes, *notes], format="a3m", is_row=True)


def _chains(record: SequenceText, text: str, widths: list[int]) -> Iterator[SequenceText]:
    """Yield the chains of a row; a chain of gaps only is left out."""
    names = record.header.split("\t")
    ends = [sum(widths[: number + 1]) for number in range(len(widths))]
    parts = [""] * len(widths)
    chain = columns = 0
    for letter in text:
        if not letter.islower() and letter != ".":
            if columns == ends[chain]:
                chain += 1
            columns += 1
        parts[chain] += letter
    for number, part in enumerate(parts):
        if not part.strip("-."):
            continue
        header = names[number] if len(names) == len(widths) else f"{record.name}:{number + 1}"
        yield _row(replace(record, header=header), part)
