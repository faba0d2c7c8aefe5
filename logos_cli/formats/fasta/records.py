"""Read the records of a FASTA file without interpreting them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from logos_cli.errors import FormatError
from logos_cli.io.input import Input
from logos_cli.structure.sequences import is_nucleotide

PIR_HEADER = re.compile(r">(P1|F1|DL|DC|RL|RC|N1|N3|XX);(.*)")
"""The header of a record of PIR; the next line is a title."""

_WRAPS = frozenset((50, 60, 70, 72, 75, 80, 100, 120))
"""Widths at which programs break a sequence into lines."""


@dataclass(slots=True)
class SequenceText:
    """One record as it is in the file.

    Attributes
    ----------
    header : str
        The identifier and the description.
    line : int
        Line number of the header, from 1.
    lines : list of (int, str)
        The sequence with the numbers of its lines.
    is_nucleotide : bool
        Whether the lines around it show that it is a nucleotide sequence.
    error : FormatError, optional
        Why there is no sequence.
    format : str
        Format of the file if it is not plain FASTA.
    is_row : bool
        Whether it is a row of an alignment.
    """

    header: str
    line: int
    lines: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_nucleotide: bool = False
    error: FormatError | None = None
    format: str = ""
    is_row: bool = False

    @property
    def name(self) -> str:
        """The identifier."""
        return self.header.split(maxsplit=1)[0] if self.header.strip() else ""


def iter_records(source: Input) -> Iterator[SequenceText]:
    """Yield the records of a file, in constant memory but for the longest."""
    current: SequenceText | None = None
    bare: list[tuple[int, str]] = []
    for number, line in enumerate(source.text_lines(), 1):
        text = line.lstrip() if line[:1].isspace() and line.lstrip().startswith(">") else line
        if text.startswith(">"):
            if current is not None:
                yield current
            elif bare:
                yield from _bare_records(bare)
                bare = []
            current = SequenceText(text[1:].strip(), number)
            if text[3:4] == ";" and PIR_HEADER.match(text):
                current.error = FormatError(
                    "a record of PIR is among records of FASTA",
                    hint="put it into a file of its own, or write its header as FASTA",
                )
        elif text.startswith(";") or (current is None and text.startswith("#")):
            continue
        elif current is not None:
            if text:
                current.lines.append((number, text))
        else:
            bare.append((number, text))
    if current is not None:
        yield current
    else:
        yield from _bare_records(bare)


def _bare_records(lines: list[tuple[int, str]]) -> Iterator[SequenceText]:
    """Yield the sequences of lines without a header.

    Empty lines separate sequences. Between them, lines of one usual width (60, 70, 80 …) are one wrapped sequence, and
    its last line may be shorter; any other line is a sequence of its own.
    """
    paragraph: list[tuple[int, str]] = []
    nucleotides = is_nucleotide("".join(text.strip().upper() for _, text in lines))
    for number, text in [*lines, (0, "")]:
        if text.strip():
            paragraph.append((number, text.strip()))
            continue
        if not paragraph:
            continue
        first, last = paragraph[0], paragraph[-1]
        widths = {len(line) for _, line in paragraph[:-1]}
        if len(paragraph) == 1 or (len(widths) == 1 and widths <= _WRAPS and len(last[1]) <= min(widths)):
            note = f"{len(paragraph)} lines without a header read as one wrapped sequence"
            yield SequenceText("", first[0], paragraph, [note] if len(paragraph) > 1 else [], nucleotides)
        else:
            yield from (SequenceText("", line[0], [line], [], nucleotides) for line in paragraph)
        paragraph = []
