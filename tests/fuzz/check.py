"""What every reader promises of any input whatever."""

from __future__ import annotations

import io
import time
from typing import Any

from logos_cli import registry
from logos_cli.errors import GrammarError, LogosError
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.grammar import Form, emit, parse, parse_prefix
from logos_cli.io.input import Input
from logos_cli.objects.base import to_text

SECONDS = 20.0
"""More processor time than this for a few kilobytes is a hang."""

MAX_ENTRIES = 2000


def check_reader(name: str, content: bytes, options: ReadOptions | None = None) -> int:
    """Read bytes as one format, and ask what they are; return the number of entries.

    Raises
    ------
    AssertionError
        If something other than a LogosError is raised, an entry has both or neither of item and error, a
        message is empty, an item cannot be written, or it takes too long.
    """
    began = time.process_time()
    count = 0
    try:
        source = Input("-", io.BytesIO(content))
        detect(source)
    except LogosError as error:
        assert error.message.strip()
    try:
        source = Input("-", io.BytesIO(content))
        count = _read(registry.load("formats", name), source, options or ReadOptions())
    except LogosError as error:
        assert error.message.strip()
    assert time.process_time() - began < SECONDS, f"{name}: too slow"
    return count


def _read(plugin: Any, source: Input, options: ReadOptions) -> int:
    score = plugin.sniff(source.head)
    assert 0.0 <= score <= 1.0
    count = 0
    for entry in plugin.read(source, options):
        assert (entry.item is None) != (entry.error is None), entry
        assert isinstance(entry.id, str)
        assert entry.id
        if entry.item is None:
            assert isinstance(entry.error, LogosError)
            assert entry.error.message.strip()
        else:
            try:
                text = to_text(entry.item, entry.form)
                assert parse(text)
            except LogosError:
                pass  # e.g. a complex without a site: a reason, not a crash
        count += 1
        if count >= MAX_ENTRIES:
            break
    return count


def check_grammar(text: str) -> None:
    """Parse any text: a tree that is written back as it was, or an error with its place inside the text."""
    began = time.process_time()
    try:
        sentence = parse(text)
    except GrammarError as error:
        assert error.span is not None
        assert 0 <= error.span.start <= error.span.end <= len(text)
        assert error.pretty()
    else:
        assert emit(sentence) == text
        assert sentence.form in Form
    try:
        parse_prefix(text)
    except GrammarError as error:
        assert error.span is not None
        assert error.span.start < len(text)
    assert time.process_time() - began < SECONDS
