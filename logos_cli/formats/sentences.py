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

    def read(self, source: Input, _options: ReadOptions, /) -> Iterator[Entry]:
        """Yield one entry a line; the problem of a bad line is the error of its entry."""
        empty = True
        for number, text in enumerate(source.text_lines(), 1):
            line = text.strip()
            if line:
                empty = False
                yield (_from_record(line, number, source) if line.startswith("{") else _from_text(line, number, source))
        if empty:
            raise InputError("the file has no sentences", source=source.name, hint="write one sentence a line")


def _from_text(line: str, number: int, source: Input) -> Entry:
    entry = Entry(f"{source.stem}:{number}", None, {**source.provenance, "line": number})
    return _with_object(entry, line, f"{source.name}:{number}")


def _from_record(line: str, number: int, source: Input) -> Entry:
    place = f"{source.name}:{number}"
    try:
        record = Record.from_json(line)
    except LogosError as error:
        return Entry(f"{source.stem}:{number}", None, {**source.provenance, "line": number}, error.at(place))
    record.id = record.id or f"{source.stem}:{number}"
    entry = Entry(record.id, None, record.source, form=_form(record.kind), record=record, line=line)
    if record.status is Status.ERROR or not record.text:
        entry.error = InputError(record.reason or "the record has no text", source=place)
    else:
        entry = _with_object(entry, record.text, place)
    if entry.error is not None and record.status is not Status.OK and source.path is None:
        entry.error = ReportedError(entry.error.message, hint=entry.error.hint, source=place)
    return entry


def _with_object(entry: Entry, text: str, place: str) -> Entry:
    """Fill in the object of a sentence, its form, or the reason why it has none."""
    try:
        sentence = parse(text)
        entry.item = from_sentence(sentence)
        entry.form = sentence.form
    except LogosError as error:
        entry.error = error.at(place)
    return entry


def _form(kind: str) -> Form | None:
    try:
        return Form(kind)
    except ValueError:
        return None


PLUGIN = SentenceFormat()
