"""Inputs of functions: paths, bare texts, records, and objects of logos and of other libraries."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, KeysView, ValuesView
from io import IOBase
from os import PathLike, fspath
from typing import TypeGuard, cast

from logos_cli.formats import in_memory
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.grammar import Form
from logos_cli.io import places
from logos_cli.objects.base import ScienceObject
from logos_cli.records import Record

Given = str | PathLike[str] | ScienceObject | Record | object
"""A path, a bare text with a stated form, or an object of a type that :func:`~.in_memory.entries_of` knows."""
Givens = Given | Iterable[Given]

_COLLECTIONS = (list, tuple, set, frozenset, deque, KeysView, ValuesView, Iterator)


def listed(inputs: Givens, form: Form | None, *, records: bool = False) -> Iterator[Given]:
    """Return an iterator over the inputs of a function: one, or several in a list, a set, an array or an iterator.

    Parameters
    ----------
    form : Form, optional
        The stated form of bare texts.
    records : bool
        Whether the function takes records, too.

    Raises
    ------
    TypeError
        If the type of an object is unknown. Its members are not used, even if it can be iterated over.
    UsageError
        If a string is neither a file nor a text with a stated form.
    """
    if _is_one(inputs, records=records):
        members: Iterable[Given] = [inputs]
    elif is_collection(inputs):
        members = inputs
    else:
        raise in_memory.unknown_type(inputs)
    return (_checked(member, form, records=records) for member in members)


def _is_one(value: Given, *, records: bool) -> bool:
    known = isinstance(value, (str, PathLike, ScienceObject)) or (records and isinstance(value, Record))
    return known or in_memory.is_known(value)


def is_collection(value: Given) -> TypeGuard[Iterable[Given]]:
    """Return whether a value is only a collection of others; an open file is not, as its lines could be anything."""
    if in_memory.is_array(value):
        return True
    return isinstance(value, _COLLECTIONS) and not isinstance(value, IOBase)


def _checked(value: Given, form: Form | None, *, records: bool) -> Given:
    if not _is_one(value, records=records):
        raise in_memory.unknown_type(value)
    if isinstance(value, str) and in_memory.is_bare(value) and not in_memory.is_text(value, form) and not exists(value):
        raise in_memory.no_text(value, form)
    return value


def is_path(value: Given, form: Form | None) -> bool:
    """Return whether an input is a path: a string is one, unless it is a text and no file has that name."""
    if isinstance(value, PathLike):
        return True
    return isinstance(value, str) and not (in_memory.is_text(value, form) and not exists(value))


def path_of(value: Given) -> str:
    """Return a path, by :func:`is_path`, as a string."""
    return fspath(cast("str | PathLike[str]", value))


def exists(name: str) -> bool:
    """Return whether there is a file or directory of a name."""
    try:
        return places.exists(name)
    except (OSError, ValueError):  # too long for a name, or with a null character
        return False


def entries_in_hand(value: Given, options: ReadOptions, id: str) -> Iterator[Entry]:
    """Yield the entries of an object or a bare text.

    Raises
    ------
    TypeError
        If the type of an object is unknown.
    UsageError
        If a text is no sentence and ``options.form`` is not stated.
    """
    if isinstance(value, ScienceObject):
        yield Entry(id, value)
    elif isinstance(value, str):
        yield from in_memory.text_entries(value, options, id)
    else:
        yield from in_memory.entries_of(value, options, id)
