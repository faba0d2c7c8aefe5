"""Convert sentences to native files."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, cast

from logos_cli import registry
from logos_cli.errors import LogosError, UsageError
from logos_cli.formats.base import ReadOptions, Stream, WriteOptions, Writer
from logos_cli.formats.detect import detect
from logos_cli.grammar import parse
from logos_cli.io.ids import FileLabels, UniqueIds
from logos_cli.io.input import Input
from logos_cli.io.output import open_output, suffix_of
from logos_cli.io.paths import expand_paths
from logos_cli.io.visible import VisibleStream
from logos_cli.objects.base import ScienceObject, from_sentence
from logos_cli.records import Record, Status

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A record with the object of its sentence, or with the error if there is none."""

    record: Record
    item: ScienceObject | None
    error: LogosError | None = None


def decode(sentence: str | Record) -> ScienceObject:
    """Return the object that a sentence or record describes.

    Raises
    ------
    GrammarError
        If the sentence is not well formed.
    LogosError
        If it is well formed but inconsistent, e.g. with another protein after ``<Search>``.

    Examples
    --------
    >>> from logos_cli import decode
    >>> decode("<MoleculeS>CCO<MoleculeE>")
    Molecule(smiles='CCO')
    """
    return from_sentence(parse(sentence if isinstance(sentence, str) else sentence.text))


def iter_decoded(
    paths: Iterable[str],
    stdin: IO[bytes] | None = None,
    read: ReadOptions | None = None,
    *,
    labels: FileLabels | None = None,
) -> Iterator[Decoded]:
    """Yield the decoded records of grammar text, records, or any native file.

    Parameters
    ----------
    labels : FileLabels, optional
        Names of files, where these are not all.
    """
    read = read or ReadOptions()
    files = expand_paths(paths)
    labels = labels or FileLabels(files)
    for path in files:
        name = "<stdin>" if path == "-" else path
        try:
            source = Input(path, stdin)
        except LogosError as error:
            yield Decoded(Record.from_error(name, "", error), None, error.at(name))
            continue
        with closing(source):
            try:
                qualified = labels.of_file(path, source.stem)
                for entry in detect(source).read(source, read):
                    if qualified is not None and entry.record is None:
                        entry.id = qualified(entry.id)
                    kind = entry.form or (entry.item.forms[0] if entry.item else "")
                    record = entry.record or Record(entry.id, kind, "", source=entry.source)
                    if entry.error is not None and record.status is not Status.INVALID:
                        record.status, record.reason = Status.ERROR, entry.error.message
                    yield Decoded(record, entry.item, entry.error)
            except LogosError as error:
                yield Decoded(Record.from_error(name, "", error), None, error.at(name))


@cache
def writers() -> dict[str, type[Writer]]:
    """Return all writers, by their names for ``--to``."""
    found: dict[str, type[Writer]] = {}
    for plugin in registry.load_all("formats").values():
        found.update(plugin.writers())
    return dict(sorted(found.items()))


def writer_for(to: str | None, output: str | None, option: str = "--to") -> type[Writer]:
    """Return the writer of that name, or by default of the output's extension.

    Parameters
    ----------
    option : str
        The option of the command that names a format, for the hint.

    Raises
    ------
    UsageError
        If there is no such writer.
    """
    known = writers()
    names = ", ".join(known)
    if to is not None:
        if to not in known:
            raise UsageError(f"there is no output format {to!r}", hint=f"formats: {names}")
        return known[to]
    if output is None or output == "-":
        raise UsageError("no output format is given", hint=f"{option} {names.replace(', ', '|')}")
    suffix = suffix_of(output)
    for writer in known.values():
        if suffix in writer.suffixes:
            return writer
    raise UsageError(
        f"the extension {suffix or '(none)'} names no format",
        source=output,
        hint=f"add {option} {names.replace(', ', '|')}",
    )


def write_files(
    decoded: Iterable[Decoded], directory: str, writer: type[Writer], options: WriteOptions, *, overwrite: bool = False
) -> Iterator[tuple[Record, LogosError | None]]:
    """Write a file for each decoded record, named by its id; yield each with the reason if it could not be written.

    Raises
    ------
    UsageError
        If the files of this format have no usual ending, or one of them exists and ``overwrite`` is false.
    """
    ending = writer.ending or next(iter(writer.suffixes), "")
    if not ending:
        raise UsageError("this format holds all records in one file", source=directory, hint="name a file with -o")
    Path(directory).mkdir(parents=True, exist_ok=True)
    names = UniqueIds()
    for each in decoded:
        text = io.BytesIO() if writer.binary else io.StringIO()
        for record, error in write_decoded([each], text, writer, options):
            if error is None and each.item is not None and text.getvalue():
                name = names.take(_UNSAFE.sub("_", record.id).strip("._") or "record")
                with open_output(str(Path(directory) / f"{name}{ending}"), overwrite=overwrite) as stream:
                    stream_of(stream, writer).write(text.getvalue())
            yield record, error


def stream_of(stream: IO[str], writer: type[Writer]) -> Stream:
    """Return where a writer writes to a text stream: the stream, or the bytes below it for a binary format.

    Raises
    ------
    UsageError
        If the bytes would go to a terminal.
    """
    if not writer.binary:
        return cast("Stream", VisibleStream(stream)) if stream.isatty() else stream
    if stream.isatty():
        raise UsageError("this format is binary and does not go to a terminal", hint="write it to a file with -o")
    return getattr(stream, "buffer", stream)


def write_decoded(
    decoded: Iterable[Decoded], stream: Stream, writer: type[Writer], options: WriteOptions
) -> Iterator[tuple[Record, LogosError | None]]:
    """Write decoded records, and yield each with its error if it could not be written.

    Invalid records (a sampled SMILES that RDKit rejects) go only to formats that have a field for the status.
    """
    sink = writer(stream, options)
    for each in decoded:
        invalid = each.record.status is Status.INVALID and not writer.tells_status
        if each.item is None or invalid:
            yield each.record, each.error
            continue
        try:
            sink.write(each.record, each.item)
        except LogosError as error:
            yield each.record, error
        else:
            yield each.record, None
    sink.close()
