"""FASTA: proteins, antibodies, and bare sequences without a header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from logos_cli.errors import FormatError, InputError, LogosError
from logos_cli.formats.base import SNIFFED, Entry, Format, ReadOptions, Writer
from logos_cli.formats.fasta.write import FastaWriter
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.protein import Protein
from logos_cli.structure.nucleotides import READ_AS_RESIDUES, TRANSLATED, may_be_nucleotides, translate
from logos_cli.structure.sequences import (
    antibody_chain,
    clean_sequence,
    is_nucleotide,
    looks_like_sequence,
    nucleotide_error,
)

_WRAPS = frozenset((50, 60, 70, 72, 75, 80, 100, 120))
"""Widths at which programs break a sequence into lines."""


@dataclass(slots=True)
class _Text:
    """One record as the file has it."""

    header: str
    line: int
    lines: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_nucleotide: bool = False

    @property
    def name(self) -> str:
        return self.header.split(maxsplit=1)[0] if self.header.strip() else ""


class FastaFormat(Format):
    """Sequences, one record or many.

    A record is a line that begins with ``>`` and the residue lines up to the next one. Lines that begin
    with ``;`` are comments.
    """

    name = "fasta"
    suffixes = (".fasta", ".fa", ".faa", ".fas", ".fsa", ".seq", ".a3m", ".afa", ".mpfa")

    def sniff(self, head: bytes, name: str) -> float:  # noqa: ARG002
        """Tell a FASTA header, or capital letters some of which no SMILES can have."""
        text = head[:SNIFFED].lstrip()
        if text.startswith(b">") and not text.startswith(b">>"):
            return 0.95
        if text.startswith(b";") and b"\n>" in text:
            return 0.9
        lines = text.decode("utf-8", "replace").splitlines()
        if len(head) > SNIFFED and len(lines) > 1:
            lines.pop()  # it may be cut
        lines = [line for line in lines if line.strip()]
        return 0.7 if lines and looks_like_sequence(lines) else 0.0

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield one entry a record, or one an antibody where ``options.form`` asks for antibodies.

        The default form is protein. Of antibodies, a heavy and a light chain whose headers differ in the
        chain only (``>ab1|heavy``, ``>ab1|light``) and follow each other are one entry.
        """
        records = _iter_records(source)
        antibodies = options.form is Form.ANTIBODY
        entries = _iter_antibodies(records, source, options) if antibodies else _iter_proteins(records, source, options)
        empty = True
        for entry in entries:
            empty = False
            yield entry
        if empty:
            raise InputError(
                "the file has no sequences", source=source.name, hint="a record is a line '>name', then residues"
            )

    def writers(self) -> Mapping[str, type[Writer]]:
        """Return the FASTA writer."""
        return {"fasta": FastaWriter}


def _iter_records(source: Input) -> Iterator[_Text]:
    """Yield the records of a file, in constant memory but for the longest."""
    current: _Text | None = None
    bare: list[tuple[int, str]] = []
    for number, text in enumerate(source.text_lines(), 1):
        if text.startswith(">"):
            if current is not None:
                yield current
            elif bare:
                yield from _bare_records(bare)
                bare = []
            current = _Text(text[1:].strip(), number)
        elif text.startswith(";"):
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


def _bare_records(lines: list[tuple[int, str]]) -> Iterator[_Text]:
    """Yield the sequences of lines without a header.

    Empty lines part sequences. Between them, lines of one usual width (60, 70, 80 …), the last perhaps
    shorter, are one wrapped sequence; any other lines are a sequence each.
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
            yield _Text("", first[0], paragraph, [note] if len(paragraph) > 1 else [], nucleotides)
        else:
            yield from (_Text("", line[0], [line], [], nucleotides) for line in paragraph)
        paragraph = []


class _Entries:
    """Makes entries: identifiers, provenance, notes."""

    def __init__(self, source: Input) -> None:
        self.source = source
        self.ids = UniqueIds()
        self.count = 0

    def make(
        self,
        record: _Text,
        item: ScienceObject | None,
        notes: list[str],
        *,
        error: LogosError | None = None,
        name: str | None = None,
        form: Form | None = None,
    ) -> Entry:
        self.count += 1
        base = (record.name if name is None else name) or f"{self.source.stem}:{self.count}"
        unique = self.ids.take(base)
        provenance = {**self.source.provenance, "line": record.line}
        description = record.header[len(record.name) :].strip()
        if description:
            provenance["description"] = description
        notes = [*record.notes, *notes]
        if unique != base:
            notes.append(f"the identifier {base} stands for several records")
        if notes:
            provenance["notes"] = notes
        return Entry(unique, item, provenance, error, Form.PROTEIN if item is None and form is None else form)


def _iter_proteins(records: Iterator[_Text], source: Input, options: ReadOptions) -> Iterator[Entry]:
    entries = _Entries(source)
    for record in records:
        try:
            sequence, notes = _residues(record, source.name, options)
        except LogosError as error:
            yield entries.make(record, None, [], error=error)
        else:
            yield entries.make(record, Protein(sequence), notes)


def _residues(record: _Text, source: str, options: ReadOptions) -> tuple[str, list[str]]:
    """Return the residues of a record, and notes.

    Raises
    ------
    FormatError
        If it has none, or nucleotides that neither are to be translated nor to be read as a protein.
    """
    if not record.lines:
        raise FormatError(
            "the record has no residues",
            source=f"{source}:{record.line}",
            hint="remove it, or put its sequence under its header",
        )
    sequence, notes = clean_sequence(record.lines, source)
    if options.translate and may_be_nucleotides(sequence):
        return translate(sequence), [*notes, TRANSLATED]
    if not (record.is_nucleotide or is_nucleotide(sequence)):
        return sequence, notes
    if options.form is not Form.PROTEIN:
        raise nucleotide_error(sequence, f"{source}:{record.line}")
    return sequence, [*notes, READ_AS_RESIDUES]


def _iter_antibodies(records: Iterator[_Text], source: Input, options: ReadOptions) -> Iterator[Entry]:
    """Yield antibodies; a chain waits for the next record, which may be its partner."""
    entries = _Entries(source)
    waiting: tuple[_Text, str, str] | None = None  # the record, the antibody's name, heavy or light
    for record in records:
        named = antibody_chain(record.name) or antibody_chain(record.header)
        if waiting is not None:
            first, stem, chain = waiting
            waiting = None
            if named is not None and named[0] == stem and named[1] != chain:
                heavy, light = (first, record) if chain == "heavy" else (record, first)
                yield _antibody(entries, first, (heavy, light), options, stem)
                continue
            yield _antibody(entries, first, (first,), options)
        if named is None:
            yield _antibody(entries, record, (record,), options)
        else:
            waiting = (record, *named)
    if waiting is not None:
        yield _antibody(entries, waiting[0], (waiting[0],), options)


def _antibody(
    entries: _Entries, record: _Text, chains: tuple[_Text, ...], options: ReadOptions, name: str | None = None
) -> Entry:
    """Return the entry of one chain, of two records, or of one record ``HEAVY:LIGHT``."""
    try:
        if len(chains) == 1:
            chains = _split_chains(record)
        sequences: list[str] = []
        notes: list[str] = []
        for chain in chains:
            sequence, found = _residues(chain, entries.source.name, options)
            sequences.append(sequence)
            notes += [note for note in found if note not in notes]
    except LogosError as error:
        return entries.make(record, None, [], error=error, name=name, form=Form.ANTIBODY)
    return entries.make(record, Antibody(tuple(sequences)), notes, name=name)


def _split_chains(record: _Text) -> tuple[_Text, ...]:
    """Split ``HEAVY:LIGHT``, as ColabFold writes chains, where the ``:`` is on one line."""
    for index, (number, text) in enumerate(record.lines):
        if text.count(":") == 1 and not any(":" in line for _, line in record.lines[index + 1 :]):
            before, after = text.split(":")
            left = [*record.lines[:index], (number, before)]
            right = [(number, after), *record.lines[index + 1 :]]
            return (_Text(record.header, record.line, left), _Text(record.header, record.line, right))
    return (record,)


PLUGIN = FastaFormat()
