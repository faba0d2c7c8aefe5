"""Convert native files and objects to sentences."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import partial
from typing import IO

from logos_cli.errors import LogosError
from logos_cli.formats.base import Entry, Format, ReadOptions
from logos_cli.grammar import Form, parse
from logos_cli.io.selection import FileSelection, Selection
from logos_cli.objects.base import ScienceObject, from_sentence, to_text
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.options import options_or_fields
from logos_cli.processes.failure import Failure, result_of
from logos_cli.records import Record, Status
from logos_cli.records.parts import Verification
from logos_cli.workflows.files import FileReader, InputFiles
from logos_cli.workflows.inputs import Given, Givens, entries_in_hand, is_path, listed, path_of


def encode(
    inputs: Givens,
    options: ReadOptions | None = None,
    *,
    jobs: int = 1,
    verify: bool = False,
    stdin: IO[bytes] | None = None,
    **choices: object,
) -> Iterator[Record]:
    """Convert files, Python objects or bare texts to records.

    Parameters
    ----------
    inputs : path, text, object, or iterable of these
        Files, directories (searched for files of known endings), ``@LIST`` files that name further ones,
        and ``-`` for standard input. Objects of RDKit, Biopython, gemmi, biotite, pymatgen, ase and pandas. A text
        with a stated form: ``encode("CCO", form="molecule")``.
    options : ReadOptions, optional
        How to read. Its fields may be keywords instead: ``encode("4hhb.cif", form="site", cutoff_angstrom=6)``.
    jobs : int
        Number of processes. The records come in input order in any case.
    verify : bool
        Decode each sentence again, compare, and list in ``source["verify"]`` what the grammar cannot carry.

    Yields
    ------
    Record
        One per sentence. An input that cannot be encoded gives a record with ``status`` ``error`` and the reason.

    Raises
    ------
    UsageError
        If an option is unknown, or a string is neither a file nor a text with a stated form.
    TypeError
        If an object is of an unknown type.
    """
    options = options_or_fields(ReadOptions, options, choices, "encode")
    return iter_encoded(listed(inputs, options.form), options, jobs=jobs, verify=verify, stdin=stdin)


def iter_encoded(
    inputs: Iterable[Given],
    options: ReadOptions,
    *,
    jobs: int = 1,
    verify: bool = False,
    selection: Selection | None = None,
    stdin: IO[bytes] | None = None,
) -> Iterator[Record]:
    """Yield the records of files, objects and texts; a string that cannot be a text is a path.

    Parameters
    ----------
    selection : Selection, optional
        The wanted entries of the files; by default all.
    """
    numbers = itertools.count(1)
    for are_paths, group in itertools.groupby(inputs, partial(is_path, form=options.form)):
        if not are_paths:
            for item in group:
                yield from _item_records(item, options, f"object:{next(numbers)}", verify=verify)
            continue
        files = InputFiles([path_of(path) for path in group], options, selection)
        if jobs > 1 and len(files.paths) > 1 and "-" not in files.paths:
            yield from _in_processes(files, options, jobs, verify=verify)
            continue
        for entry, plugin in files.entries(stdin):
            yield _record_or_error(entry, plugin, options, verify=verify)


def _item_records(item: Given, options: ReadOptions, id: str, *, verify: bool) -> Iterator[Record]:
    """Yield the records of an object or a bare text."""
    for entry in entries_in_hand(item, options, id):
        yield _record_or_error(entry, None, options, verify=verify)


def _in_processes(files: InputFiles, options: ReadOptions, jobs: int, *, verify: bool) -> Iterator[Record]:
    readers = [files.reader_of(number) for number in range(len(files.paths))]
    from logos_cli.processes.pool import Pool

    with Pool(_FileEncoder, (options, verify), min(jobs, len(readers)), inherit=True) as pool:
        for number, outcome in enumerate(pool.map(readers)):
            if isinstance(outcome, Failure) and outcome.is_lost:
                path = readers[number].lost()
                records = [Record.from_error(path, options.form or "", outcome.error.at(path), {"path": path})]
                place = readers[number].selection
            else:
                records, place = result_of(outcome)
            if files.selection is not None and place is not None:
                files.selection.pending.extend(place.units)
                files.selection.note_end(number, place.n_seen)
            yield from records


class _FileEncoder:
    """Encodes one file after another in a process of a pool."""

    def __init__(self, setup: tuple[ReadOptions, bool]) -> None:
        self._options, self._verify = setup

    def __call__(self, reader: FileReader) -> tuple[list[Record], FileSelection | None]:
        records = [
            _record_or_error(entry, plugin, self._options, verify=self._verify) for entry, plugin in reader.entries()
        ]
        return records, reader.selection


def _record_or_error(entry: Entry, plugin: Format | None, options: ReadOptions, *, verify: bool) -> Record:
    try:
        return record_of(entry, plugin, options, verify=verify)
    except LogosError as error:  # a sentence that does not parse
        return Record.from_error(entry.id, options.form or "", error, entry.source)


def record_of(entry: Entry, plugin: Format | None, options: ReadOptions, *, verify: bool = False) -> Record:
    """Return the record of one entry.

    Raises
    ------
    GrammarError
        If ``verify`` is set and the sentence does not parse.
    """
    form = options.form or entry.form
    if entry.record is not None and entry.record.status is not Status.OK:
        return entry.record
    if entry.error is not None:
        failed = Record.from_error(entry.id, form or "", entry.error, entry.source)
        if entry.record is not None:  # the other fields of the record are kept
            failed.sample, failed.scores, failed.extra = (entry.record.sample, entry.record.scores, entry.record.extra)
        return failed
    item = entry.item
    assert item is not None
    form = form or item.forms[0]
    if form is Form.SEARCH and isinstance(item, Protein):
        item = Complex((item,))  # an answer without tags means that no site is known
    try:
        text = to_text(item, form, entry.level or options.level)
    except LogosError as error:
        return Record.from_error(entry.id, form, error, entry.source)
    record = entry.record or Record(entry.id, form, text, source=entry.source)
    record.kind, record.text = form, text
    if verify:
        record.source = {**record.source, "verify": _verify(entry, item, text, plugin)}
        if plugin and (opinions := plugin.second_opinion(entry)):
            record.source["notes"] = [*record.source.get("notes", ()), *opinions]
    return record


def _verify(entry: Entry, item: ScienceObject, text: str, plugin: Format | None) -> Verification:
    """Decode the sentence and compare the result with the object."""
    again = from_sentence(parse(text))
    return {
        "identical": again == item,
        "differences": [] if again == item else _differences(item, again),
        "not_carried": plugin.not_carried(entry) if plugin else [],
    }


def _differences(item: ScienceObject, again: ScienceObject) -> list[str]:
    if type(item) is not type(again):
        return [f"{type(item).__name__.lower()} became {type(again).__name__.lower()}"]
    names = [field.name for field in fields(item)]  # type: ignore[arg-type]
    return [
        f"{name}: {getattr(item, name)!r} became {getattr(again, name)!r}"
        for name in names
        if getattr(item, name) != getattr(again, name)
    ]
