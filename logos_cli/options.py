"""Options of functions as frozen dataclasses, which may lie in each other and may be given field by field.

``generate("molecule", options)`` and ``generate("molecule", n_samples=8, device="cpu")`` mean the same: a keyword is
a field of the function's options, or of options that lie in them as :func:`nested`.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import Field, field, fields
from typing import TYPE_CHECKING, TypeVar

from logos_cli.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
Options = TypeVar("Options", bound="DataclassInstance")

_NESTED = "nested"


def nested(kind: type[T]) -> T:
    """Return a field of options that are options themselves; their fields may be given as if they were its own.

    Of two such fields whose options have a field of one name, the first has it.
    """
    found: T = field(default_factory=kind, metadata={_NESTED: kind})
    return found


def options_or_fields(
    kind: type[Options],
    options: Options | None,
    given: Mapping[str, object],
    function: str,
    others: AbstractSet[str] = frozenset(),
) -> Options:
    """Return the options of a function, given whole or field by field.

    Parameters
    ----------
    kind : type
        A dataclass of options.
    given : mapping
        Fields by name.
    function : str
        Its name, for messages.
    others : set of str
        What the function takes besides, for the hint.

    Raises
    ------
    UsageError
        If both are given, or there is no field of a name.
    """
    if options is not None:
        if given:
            raise UsageError("give either options or its fields, not both")
        return options
    groups = [each for each in reversed(fields(kind)) if _NESTED in each.metadata]
    inner = {name: each for each in groups for name in field_names(_inner(each))}
    known = {each.name for each in fields(kind)} | inner.keys()
    own: dict[str, object] = {}
    lower: dict[str, dict[str, object]] = {}
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"{function} has no option {name!r}", hint=f"it has {', '.join(sorted(known | others))}")
        if name in inner:
            lower.setdefault(inner[name].name, {})[name] = value
        else:
            own[name] = value
    for name, values in lower.items():
        if name in own:
            raise UsageError(f"give either {name} or its fields, not both")
        own[name] = _inner(inner[next(iter(values))])(**values)
    return kind(**own)


def field_names(kind: type[DataclassInstance]) -> list[str]:
    """Return the names of the fields of a dataclass."""
    return [each.name for each in fields(kind)]


def _inner(outer: Field[object]) -> type[DataclassInstance]:
    found: type[DataclassInstance] = outer.metadata[_NESTED]
    return found
