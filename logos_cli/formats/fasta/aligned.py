"""Recognise alignments in FASTA, whose hyphens are gaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from logos_cli.formats.fasta.records import SequenceText, iter_records
from logos_cli.io.input import HEAD, Input

_GAPS = frozenset("-.")


def iter_rows(source: Input) -> Iterator[SequenceText]:
    """Yield the records of a FASTA; those as wide as the first records, if these are an alignment, are its rows.

    A file named ``.afa`` is an alignment. Any other is one if at least two records, of one length, are at its beginning, no
    letter is in lower case, and no column has gaps alone, as that of the hyphens of ``AC-DEVD-AMC`` and ``AC-IETD-AMC``.
    """
    is_named = ".afa" in source.name.lower()
    width = None if is_named else _width(source.head)
    for record in iter_records(source):
        yield replace(record, is_row=True) if is_named or _length(record) == width else record


def _length(record: SequenceText) -> int:
    return sum(len(line) for _, text in record.lines for line in text.split())


def _width(head: bytes) -> int | None:
    """Return the number of columns of the alignment at the beginning of a file; None if there is none."""
    if b"-" not in head:
        return None
    records = [record.partition("\n")[2] for record in f"\n{head.decode('utf-8', 'replace')}".split("\n>")[1:]]
    rows = ["".join(text.split()) for text in (records[:-1] if len(head) >= HEAD else records)]
    if len(rows) < 2 or len({*map(len, rows)}) != 1 or any(row != row.upper() for row in rows):
        return None
    has_gap_column = any(_GAPS.issuperset(column) for column in zip(*rows, strict=True))
    return None if has_gap_column else len(rows[0])
