"""Read and write FASTA: proteins, antibodies, and bare sequences without a header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from logos_cli.errors import FormatError, InputError, LogosError
from logos_cli.formats.base import SNIFFED, Entry, Format, ReadOptions, Writer
from logos_cli.formats.fasta.a3m import is_a3m, iter_a3m
from logos_cli.formats.fasta.aligned import iter_rows
from logos_cli.formats.fasta.pir import is_pir, iter_pir
from logos_cli.formats.fasta.records import SequenceText
from logos_cli.formats.fasta.write import FastaWriter
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.protein import Protein
from logos_cli.records import Source
from logos_cli.structure.residues.nucleotides import READ_AS_RESIDUES, TRANSLATED, may_be_nucleotides, translate
from logos_cli.structure.sequences import (
    antibody_chain,
    check_labels,
    clean_sequence,
    is_nucleotide,
    looks_like_sequence,
    nucleotide_error,
)

_KIND_AND_NAME = re.compile(rb">[ \t]*(?:protein|rna|dna|ligand|glycan)[ \t]*\|", re.IGNORECASE)
"""A header that may be one of Chai."""


class FastaFormat(Format):
    """Sequences, one record or many; also those of PIR (NBRF), where records begin with ``>P1;``.

    A record is a line that begins with ``>`` and the residue lines up to the next one. Lines that begin
    with ``;`` are comments. A row of A3M is read without its gaps and with its insertions.
    """

    name = "fasta"
    suffixes = (".fasta", ".fa", ".faa", ".fas", ".fsa", ".seq", ".a3m", ".afa", ".mpfa", ".pir", ".ali")

    def sniff(self, head: bytes) -> float:
        """Recognise a FASTA header, or capital letters that no SMILES can have."""
        text = head[:SNIFFED].lstrip()
        if text.startswith(b">") and not text.startswith(b">>"):
            return 0.9 if _KIND_AND_NAME.match(text) else 0.95
        if text.startswith(b";") and b"\n>" in text:
            return 0.9
        if text.startswith(b"#") and is_a3m(text, ""):
            return 0.95
        if text.startswith((b"C;", b"R;")) and is_pir(text):
            return 0.95
        lines = text.decode("utf-8", "replace").splitlines()
        if len(head) > SNIFFED and len(lines) > 1:
            lines.pop()  # it may be cut
        lines = [line for line in lines if line.strip()]
        return 0.7 if lines and looks_like_sequence(lines) else 0.0

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield one entry a record, or one an antibody where ``options.form`` is ``antibody``.

        The default form is protein. A heavy and a light chain of an antibody are one entry if they follow each other and
        their headers differ in the chain only (``>ab1|heavy``, ``>ab1|light``).
        """
        if is_pir(source.head):
            records = iter_pir(source)
        else:
            records = iter_a3m(source) if is_a3m(source.head, source.name) else iter_rows(source)
        if options.row is not None:
            records = (record for record in records if record.name == options.row)
        antibodies = options.form is Form.ANTIBODY
        entries = _iter_antibodies(records, source, options) if antibodies else _iter_proteins(records, source, options)
        empty = True
        for entry in entries:
            empty = False
            yield entry
        if empty and options.row is not None:
            raise InputError(f"the file has no record {options.row!r}", source=source.name, hint="leave out --row")
        if empty:
            raise InputError(
                "the file has no sequences", source=source.name, hint="a record is a line '>name', then residues"
            )

    def writers(self) -> Mapping[str, type[Writer]]:
        """Return the FASTA writer."""
        return {"fasta": FastaWriter}


class _Entries:
    """Makes entries: identifiers, provenance, notes."""

    def __init__(self, source: Input) -> None:
        self.source = source
        self.ids = UniqueIds(source.stem)
        self.count = 0

    def make(
        self,
        record: SequenceText,
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
        provenance: Source = {**self.source.provenance, "line": record.line}
        if record.format:
            provenance["format"] = record.format
        description = record.header[len(record.name) :].strip()
        if description:
            provenance["description"] = description
        notes = [*record.notes, *notes]
        if unique != base:
            notes.append(f"the identifier {base} stands for several records")
        if notes:
            provenance["notes"] = notes
        return Entry(unique, item, provenance, error, Form.PROTEIN if item is None and form is None else form)


def _iter_proteins(records: Iterator[SequenceText], source: Input, options: ReadOptions) -> Iterator[Entry]:
    entries = _Entries(source)
    for record in records:
        try:
            sequence, notes = _residues(record, source.name, options)
        except LogosError as error:
            yield entries.make(record, None, [], error=error)
        else:
            yield entries.make(record, Protein(sequence), notes)


def _residues(record: SequenceText, source: str, options: ReadOptions) -> tuple[str, list[str]]:
    """Return the residues of a record, and notes.

    Raises
    ------
    FormatError
        If it has none, or has nucleotides that the options neither translate nor read as a protein.
    """
    if record.error is not None:
        raise record.error.at(f"{source}:{record.line}")
    if not record.lines:
        raise FormatError(
            "the record has no residues",
            source=f"{source}:{record.line}",
            hint="remove it, or put its sequence under its header",
        )
    sequence, notes = clean_sequence(record.lines, source, is_row=record.is_row)
    if options.translate and may_be_nucleotides(sequence):
        return translate(sequence), [*notes, TRANSLATED]
    if not (record.is_nucleotide or is_nucleotide(sequence)):
        return sequence, notes
    if options.form is not Form.PROTEIN:
        raise nucleotide_error(sequence, f"{source}:{record.line}")
    return sequence, [*notes, READ_AS_RESIDUES]


def _iter_antibodies(records: Iterator[SequenceText], source: Input, options: ReadOptions) -> Iterator[Entry]:
    """Yield antibodies; a chain waits for the next record, which may be its partner."""
    entries = _Entries(source)
    waiting: tuple[SequenceText, str, str] | None = None  # the record, the antibody's name, heavy or light
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


def _labelled(record: SequenceText, sequences: list[str]) -> tuple[str | None, str | None]:
    """Return the heavy and the light chain of an antibody; None for one that is not there or not labelled."""
    if len(sequences) > 1:
        return sequences[0], sequences[1]
    named = antibody_chain(record.name) or antibody_chain(record.header)
    label = named[1] if named else ""
    return (sequences[0] if label == "heavy" else None), (sequences[0] if label == "light" else None)


def _antibody(
    entries: _Entries,
    record: SequenceText,
    chains: tuple[SequenceText, ...],
    options: ReadOptions,
    name: str | None = None,
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
        notes += check_labels(*_labelled(record, sequences), f"{entries.source.name}:{record.line}")
    except LogosError as error:
        return entries.make(record, None, [], error=error, name=name, form=Form.ANTIBODY)
    return entries.make(record, Antibody(tuple(sequences)), notes, name=name)


def _split_chains(record: SequenceText) -> tuple[SequenceText, ...]:
    """Split ``HEAVY:LIGHT``, as ColabFold writes chains, if there is a single ``:``."""
    for index, (number, text) in enumerate(record.lines):
        if text.count(":") == 1 and not any(":" in line for _, line in record.lines[index + 1 :]):
            before, after = text.split(":")
            left = [*record.lines[:index], (number, before)]
            right = [(number, after), *record.lines[index + 1 :]]
            return (SequenceText(record.header, record.line, left), SequenceText(record.header, record.line, right))
    return (record,)


PLUGIN = FastaFormat()
