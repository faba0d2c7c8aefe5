"""What every reader promises of any input whatever."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

from seeds import RECORDS

from logos_cli import registry
from logos_cli.cli.options.common import parse_time
from logos_cli.errors import GrammarError, LogosError
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.grammar import Form, emit, parse, parse_prefix
from logos_cli.grammar.constrain import parse_positions, template_grammar
from logos_cli.grammar.spec import Kind
from logos_cli.io.input import Input
from logos_cli.objects.base import from_sentence, to_text
from logos_cli.records import Record
from logos_cli.tasks.molecule.scaffold import contains_scaffold, scaffold_grammar, scaffold_template
from logos_cli.workflows.generate.until import Until
from logos_cli.workflows.score.filter import Filter

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
            except LogosError:
                pass  # e.g. a complex without a site: a reason, not a crash
            else:
                check_roundtrip(text)
        count += 1
        if count >= MAX_ENTRIES:
            break
    return count


def check_roundtrip(text: str) -> None:
    """Decode a sentence that was written, and encode it again: the same sentence."""
    sentence = parse(text)
    assert emit(sentence) == text
    again = to_text(from_sentence(sentence), sentence.form)
    assert again == text, (text, again)


def check_language(name: str, text: str) -> None:
    """Parse any text as one of the small languages of options, or as a record: a value, or an error of logos."""
    began = time.process_time()
    try:
        LANGUAGES[name](text)
    except LogosError as error:
        assert error.message.strip()
    assert time.process_time() - began < SECONDS, f"{name}: too slow"


def _record(text: str) -> None:
    record = Record.from_json(text)
    line = record.to_json()
    assert "\n" not in line
    assert Record.from_json(line).to_json() == line


def _filter(text: str) -> None:
    condition = Filter.parse(text)
    condition.holds(dict.fromkeys(condition.names, 1.0))
    condition.holds(dict.fromkeys(condition.names))


def _scaffold(text: str) -> None:
    template = scaffold_template(text)
    assert scaffold_grammar(template)
    contains_scaffold("c1ccccc1", template)


LANGUAGES: dict[str, Callable[[str], object]] = {
    "record": _record,
    "filter": _filter,
    "until": Until.parse,
    "positions": lambda text: parse_positions(text, 50),
    "template": lambda text: template_grammar(Kind.PROTEIN, text),
    "molecule_template": lambda text: template_grammar(Kind.MOLECULE, text),
    "scaffold": _scaffold,
    "time": parse_time,
}


LANGUAGE_SEEDS = {
    "record": RECORDS.decode().splitlines()[0],
    "filter": "qed > 0.5 and not (sa >= 3 or 0 < mw <= 500) and name != 'x'",
    "until": "valid=500,unique=100,novel=3",
    "positions": "10-20,45",
    "template": "EVQLCAR{X:8,20}WGQG{AC:3}",
    "molecule_template": "c1ccc({X:1,9})cc1",
    "scaffold": "c1ccc([*:1])cc1[*]",
    "time": "1h30m5s",
}


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
