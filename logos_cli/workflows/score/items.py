"""Make what is scored of the entries of inputs, and records with their scores of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count, groupby
from typing import IO

from logos_cli.errors import InputError, LogosError
from logos_cli.evaluators.base import Subject
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.grammar import Form, parse
from logos_cli.io.selection import Selection
from logos_cli.objects.base import from_sentence
from logos_cli.records import Record, Scores, Status
from logos_cli.workflows.encode import record_of
from logos_cli.workflows.files import InputFiles
from logos_cli.workflows.inputs import Given, entries_in_hand, is_path, path_of
from logos_cli.workflows.score.lines import with_scores


@dataclass(slots=True)
class Scored:
    """The scores of one record.

    Attributes
    ----------
    scores : dict
        In the form of records: ``{"qed": {"value": 0.61, "version": "1"}}``.
    observations : dict
        Observations for the figures of the set, by family.
    """

    scores: Scores = field(default_factory=dict)
    observations: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Item:
    """A record with the object that is scored.

    Attributes
    ----------
    line : str, optional
        Its JSON line, if it was read as one.
    """

    record: Record
    subject: Subject
    line: str | None


Line = tuple[str, str, str, str, str | None, bool]
"""A line of JSON with the id, kind, status and reason of its record, and whether that has an object: what is sent from a
process to another for every record, hence a bare tuple."""


@dataclass(slots=True)
class ScoredRecord:
    """A record with its scores.

    Attributes
    ----------
    line : str, optional
        Its JSON line, if it was read as one, or if only lines are wanted.
    error : LogosError, optional
        The reason if it has no object.
    has_object : bool
        Whether it has one.
    outcome : Scored
        What was computed now.
    """

    record: Record
    line: str | None
    error: LogosError | None = None
    has_object: bool = False
    outcome: Scored = field(default_factory=Scored)

    @property
    def counted(self) -> Record:
        """The record as it is counted: one with the status ok but without an object has an error."""
        if self.error is None or self.record.status is not Status.OK:
            return self.record
        return replace(self.record, status=Status.ERROR, reason=self.error.message)

    def as_line(self) -> ScoredRecord | Line:
        """Return what its line needs; errors are kept whole."""
        record = self.counted
        self.line = record.to_json() if self.line is None else self.line
        if self.error is not None or record.status is Status.ERROR:
            return self
        return (self.line, record.id, record.kind, record.status.value, record.reason, self.has_object)

    @classmethod
    def of_line(cls, given: ScoredRecord | Line) -> ScoredRecord:
        """Return a record that has nothing but its line and its status."""
        if isinstance(given, ScoredRecord):
            return given
        line, id, kind, status, reason, has_object = given
        return cls(Record(id, kind, "", Status(status), reason), line, None, has_object)


def scored(item: Item, outcome: Scored) -> ScoredRecord:
    """Return a copy of the record with its scores, and its line with them."""
    record = item.record
    scores = {**record.scores, **outcome.scores}
    made = Record(
        record.id,
        record.kind,
        record.text,
        record.status,
        record.reason,
        record.source,
        record.sample,
        scores,
        record.extra,
    )
    line = with_scores(item.line, outcome.scores) if item.line is not None else None
    return ScoredRecord(made, line, item.subject.error, item.subject.item is not None, outcome)


def entries_of(
    inputs: Iterable[Given], read: ReadOptions, *, stdin: IO[bytes] | None = None, selection: Selection | None = None
) -> Iterator[Entry]:
    """Yield the entries of scores: records as they are, and those of files, objects and texts."""
    numbers = count(1)
    for are_paths, group in groupby(inputs, lambda each: not isinstance(each, Record) and is_path(each, read.form)):
        if are_paths:
            yield from (entry for entry, _ in InputFiles(map(path_of, group), read, selection).entries(stdin))
            continue
        for source in group:
            number = next(numbers)
            if isinstance(source, Record):
                yield Entry.read(read, source.id, _entry_of_record, source)
            else:
                yield from entries_in_hand(source, read, f"object:{number}")


def _entry_of_record(record: Record) -> Entry:
    """Return the entry of a record with its object."""
    entry = Entry(record.id, None, record.source, record=record)
    try:
        entry.form = Form(record.kind)
    except ValueError:
        entry.form = None
    if record.status is Status.ERROR or not record.text:
        entry.error = InputError(record.reason or "the record has no text", source=record.id)
        return entry
    try:
        sentence = parse(record.text)
        entry.form, entry.item = sentence.form, from_sentence(sentence)
    except LogosError as error:
        entry.error = error
    return entry


def item_of(entry: Entry, read: ReadOptions) -> Item:
    """Return what is scored of an entry, which is read now if that was left to later."""
    entry = entry.now()
    record = entry.record or record_of(entry, None, read)
    form = Form(record.kind) if entry.record is None and record.kind else entry.form
    item = None if record.status is Status.ERROR else entry.item
    return Item(record, Subject(record, item, form, entry.error), entry.line)


def iter_subjects(
    inputs: Iterable[Given], read: ReadOptions, *, stdin: IO[bytes] | None = None, selection: Selection | None = None
) -> Iterator[Subject]:
    """Yield the subjects of scores: records as they are, and those of files, objects and texts."""
    return (item_of(entry, read).subject for entry in entries_of(inputs, read, stdin=stdin, selection=selection))
