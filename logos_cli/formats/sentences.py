"""Read what is encoded already: sentences, one a line, and records (JSONL)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from logos_cli.errors import InputError, LogosError, ReportedError
from logos_cli.formats.base import Entry, Format, ReadOptions
from logos_cli.grammar import Form, parse
from logos_cli.grammar.spec import TAGS
from logos_cli.io.input import Input
from logos_cli.objects.base import from_sentence
from logos_cli.records import Record, Status

_NEAR_TAG = re.compile(r"<[A-Za-z]{3,14}>")
_STRING = r'"(?:[^"\\]|\\.)*+"'
_PAIR = rf'(?>{_STRING}\s*:\s*(?:{_STRING}|[^,"{{\[]+)\s*,\s*)'
_RECORD_KEY = re.compile(rf'^\{{\s*{_PAIR}*"(?:schema|text)"\s*:')
_LOWER_TAGS = tuple(map(str.lower, TAGS))


class SentenceFormat(Format):
    """Sentences of the grammar as text or in records.

    A record keeps its identifier, its sample, its scores and the keys that this version does not know. A record with
    the status ``invalid`` or ``error`` is kept, too.
    """

    name = "sentences"
    suffixes = (".jsonl", ".ndjson", ".logos")

    def sniff(self, head: bytes) -> float:
        """Recognise a tag, or a JSON object that has a key ``schema`` or ``text``."""
        text = head[:4096].lstrip().decode("utf-8", "replace")
        if text.startswith(TAGS):
            return 0.99
        if (near := _NEAR_TAG.match(text)) and get_close_matches(near[0].lower(), _LOWER_TAGS, n=1, cutoff=0.75):
            return 0.9
        return 0.95 if text.startswith("{") and _RECORD_KEY.match(text) else 0.0

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield one entry a line; the problem of a bad line is the error of its entry."""
        empty = True
        for number, text in enumerate(source.text_lines(), 1):
            line = text.strip()
            if not line:
                continue
            empty = False
            entry = Entry(f"{source.stem}:{number}", None, {**source.provenance, "line": number})
            if line.startswith("{"):
                _add_record(entry, line)
            if options.takes is None or options.takes(entry.id):
                place = f"{source.name}:{number}"
                read = Entry.read(options, entry.id, _with_object, entry, line, place, is_piped=source.path is None)
                read.record = entry.record  # known now, even if the object is not
                yield read
        if empty:
            raise InputError("the file has no sentences", source=source.name, hint="write one sentence a line")


def _add_record(entry: Entry, line: str) -> None:
    """Fill in the record of a line, or the reason why it has none."""
    try:
        record = Record.from_json(line)
    except LogosError as error:
        entry.error = error
        return
    record.id = record.id or entry.id
    entry.id, entry.source, entry.form, entry.record, entry.line = (
        record.id,
        record.source,
        _form(record.kind),
        record,
        line,
    )


def _with_object(entry: Entry, line: str, place: str, *, is_piped: bool) -> Entry:
    """Fill in the object of a sentence, its form, or the reason why it has none."""
    record = entry.record
    try:
        if entry.error is not None:
            raise entry.error
        if record is not None and (record.status is Status.ERROR or not record.text):
            raise InputError(record.reason or "the record has no text")
        sentence = parse(line if record is None else record.text)
        entry.item = from_sentence(sentence)
        entry.form = sentence.form
    except LogosError as error:
        entry.error = error.at(place)
        if record is not None and record.status is not Status.OK and is_piped:
            entry.error = ReportedError(entry.error.message, hint=entry.error.hint, source=place)
    return entry


def _form(kind: str) -> Form | None:
    try:
        return Form(kind)
    except ValueError:
        return None


PLUGIN = SentenceFormat()
