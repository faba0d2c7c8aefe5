"""Read PIR (NBRF): ``>P1;NAME``, a line with a title, and the sequence up to a ``*``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from logos_cli.errors import FormatError
from logos_cli.formats.fasta.records import PIR_HEADER, SequenceText
from logos_cli.io.input import Input

_PROTEINS = ("P1", "F1", "XX")
_SEQUENCE = re.compile(r"[A-Z]{30,}")
"""A sequence in the place of a title."""

_PUNCTUATION = re.compile(r"[()=,]")
"""Marks of PIR for residues in uncertain order."""


def is_pir(head: bytes) -> bool:
    """Return whether a file begins with a record of PIR, or with comments (``C;``) before one."""
    lines = (line.strip() for line in head.decode("utf-8", "replace").splitlines())
    first = next((line for line in lines if line and not line.startswith(("C;", "R;"))), "")
    return bool(PIR_HEADER.match(first))


def iter_pir(source: Input) -> Iterator[SequenceText]:
    """Yield the chains of a file; ``/`` separates them (Modeller). Text after a ``*`` is annotation."""
    current: SequenceText | None = None
    kind = ""
    is_titled = is_ended = False
    for number, line in enumerate(source.text_lines(), 1):
        text = line.strip()
        if text.startswith(">"):
            if current is not None:
                yield from _chains(current, kind, is_ended)
            header = PIR_HEADER.match(text)
            kind, name = header.groups() if header else ("", text[1:])
            current, is_titled, is_ended = SequenceText(name.strip(), number), False, False
        elif current is None or is_ended:
            continue
        elif not is_titled:
            is_titled = True
            current.header = f"{current.header} {text}".strip()
            if _SEQUENCE.fullmatch(text):
                current.error = FormatError(
                    f"line {number}, the title of a PIR record, is a sequence",
                    hint="write a title under the header; a FASTA header has no 'P1;'",
                )
        elif text:
            sequence, star, _ = text.partition("*")
            current.lines.append((number, sequence))
            is_ended = bool(star)
    if current is not None:
        yield from _chains(current, kind, is_ended)


def _chains(record: SequenceText, kind: str, is_ended: bool) -> Iterator[SequenceText]:
    """Yield the chains of a record, or the record with its error."""
    if not kind:
        record.error = FormatError("the header is not one of PIR", hint="write it as >P1;NAME, like those before it")
    elif kind not in _PROTEINS:
        record.error = FormatError(
            f"the record is a nucleotide sequence (type {kind})", hint="translate it first (e.g. transeq of EMBOSS)"
        )
    elif not is_ended:
        record.error = FormatError(
            "the sequence of a PIR record must end with *", hint="the file may be cut off; a FASTA header has no 'P1;'"
        )
    if any(_PUNCTUATION.search(text) for _, text in record.lines):
        record.lines = [(number, _PUNCTUATION.sub("", text)) for number, text in record.lines]
        record.notes.append("punctuation of uncertain order removed")
    if record.error is not None or not any("/" in text for _, text in record.lines):
        yield record
        return
    chains: list[list[tuple[int, str]]] = [[]]
    for number, text in record.lines:
        first, *others = text.split("/")
        chains[-1].append((number, first))
        chains += [[(number, part)] for part in others]
    name, _, title = record.header.partition(" ")
    for number, lines in enumerate(chains, 1):
        kept = [(line, text) for line, text in lines if text.strip()]
        notes = [*record.notes, f"chain {number} of {len(chains)}, separated by /"]
        yield SequenceText(f"{name}:{number} {title}".strip(), record.line, kept, notes)
