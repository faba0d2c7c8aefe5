"""The entries of the files that a command reads: all of them, or those of a shard that are left to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import IO
from zlib import crc32

from logos_cli.errors import LogosError
from logos_cli.formats.base import Entry, Format, ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.io.ids import FileLabels
from logos_cli.io.input import Input
from logos_cli.io.paths import expand_paths
from logos_cli.io.selection import FileSelection, InputChangedError, Selection

Read = tuple[Entry, Format | None]
"""An entry and the format of its file."""


class InputFiles:
    """Files in their order; the ids of their entries are unique over all of them.

    Parameters
    ----------
    paths : iterable of str
        As :func:`~logos_cli.io.paths.expand_paths` takes them.
    options : ReadOptions
    selection : Selection, optional
        Which entries are wanted; all, if absent.
    """

    def __init__(self, paths: Iterable[str], options: ReadOptions, selection: Selection | None = None) -> None:
        self.paths = expand_paths(paths)
        self.selection = selection
        self._options = options
        self._labels = FileLabels(self.paths)

    def entries(self, stdin: IO[bytes] | None = None) -> Iterator[Read]:
        """Yield the wanted entries with the format of their file; a file that cannot be read gives one entry in error."""
        for number in range(len(self.paths)):
            reader = self.reader_of(number)
            if self.selection is not None and reader.selection is not None:
                reader.selection.units = self.selection.pending
            yield from reader.entries(stdin)
            if self.selection is not None and reader.selection is not None:
                self.selection.note_end(number, reader.selection.n_seen)

    def reader_of(self, number: int) -> FileReader:
        """Return what reads one of the files, here or in another process."""
        path = self.paths[number]
        selection = self.selection.of_file(number, path) if self.selection is not None else None
        return FileReader(path, self._options, self._labels, selection)


def read_file(path: str, options: ReadOptions, stdin: IO[bytes] | None = None) -> Iterator[Read]:
    """Yield the entries of one file with its format; a file that cannot be read gives one entry in error."""
    return FileReader(path, options, FileLabels(())).entries(stdin)


class FileReader:
    """Reads one file.

    Attributes
    ----------
    selection : FileSelection, optional
        Which entries are wanted; it notes their places.
    """

    def __init__(
        self, path: str, options: ReadOptions, labels: FileLabels, selection: FileSelection | None = None
    ) -> None:
        self.path = path
        self.selection = selection
        self._options = options if selection is None else replace(options, takes=selection.takes)
        self._labels = labels

    def entries(self, stdin: IO[bytes] | None = None) -> Iterator[Read]:
        """Yield its wanted entries; what is wrong with the file as a whole is one entry in error."""
        plugin: Format | None = None
        with ExitStack() as stack:
            try:
                source = stack.enter_context(closing(Input(self.path, stdin)))
                plugin = detect(source)
                if self._has_wanted(plugin):
                    yield from self._wanted(plugin, source)
            except InputChangedError:
                raise
            except LogosError as error:
                name = "<stdin>" if self.path == "-" else self.path
                is_one = plugin is not None and not plugin.is_list
                if self.selection is None or self.selection.takes(name, whole_file=is_one):
                    yield Entry(name, None, {"path": name}, error.at(name)), plugin

    def _has_wanted(self, plugin: Format) -> bool:
        """Whether any entry of the file may be wanted."""
        selection = self.selection
        return plugin.is_list or selection is None or (selection.has_file() and not selection.is_finished)

    def _wanted(self, plugin: Format, source: Input) -> Iterator[Read]:
        qualified = self._labels.of_file(self.path, source.stem)
        selection = self.selection
        if selection is not None and selection.has_all and qualified is None:
            yield from self._all(plugin, source, selection)
            return
        n_yielded = 0
        for entry in plugin.read(source, self._options):
            if selection is not None:
                # a reader that has not asked leaves it to us
                if selection.n_taken == n_yielded and not selection.takes(entry.id, whole_file=not plugin.is_list):
                    continue
                n_yielded += 1
            if qualified is not None and entry.record is None:  # the id of a record stays what it is
                entry.id = qualified(entry.id)
                if selection is not None:
                    selection.units[-1] = (entry.id, *selection.units[-1][1:])
            yield entry, plugin

    def _all(self, plugin: Format, source: Input, selection: FileSelection) -> Iterator[Read]:
        """Yield all entries, and note their places without a call for each."""
        note, file, seed, number = selection.units.append, selection.file, selection.seed, selection.n_seen
        try:
            for entry in plugin.read(source, replace(self._options, takes=None)):
                note((entry.id, file, number, crc32(entry.id.encode("utf-8", "surrogatepass"), seed)))
                number += 1
                yield entry, plugin
        finally:
            selection.n_seen = number

    def lost(self) -> str:
        """Note the file as one entry in error, which it is when the process that reads it is lost; return its id."""
        if self.selection is not None:
            self.selection.takes(self.path, whole_file=True)
        return self.path
