"""Options of functions: whole, or field by field."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from logos_cli.errors import UsageError
from logos_cli.options import nested, options_or_fields


@dataclass(frozen=True)
class _Inner:
    depth: int = 1
    name: str = "x"


@dataclass(frozen=True)
class _Outer:
    width: int = 2
    inner: _Inner = nested(_Inner)


def test_fields_of_nested_options_are_keywords_too() -> None:
    assert options_or_fields(_Outer, None, {}, "f") == _Outer()
    assert options_or_fields(_Outer, None, {"width": 3, "depth": 5}, "f") == _Outer(3, _Inner(5))
    assert options_or_fields(_Outer, None, {"inner": _Inner(7)}, "f") == _Outer(2, _Inner(7))
    whole = _Outer(9)
    assert options_or_fields(_Outer, whole, {}, "f") is whole


def test_what_is_given_twice_or_unknown_is_refused() -> None:
    with pytest.raises(UsageError, match="give either options or its fields, not both"):
        options_or_fields(_Outer, _Outer(), {"width": 1}, "f")
    with pytest.raises(UsageError, match="give either inner or its fields, not both"):
        options_or_fields(_Outer, None, {"inner": _Inner(), "depth": 1}, "f")
    with pytest.raises(UsageError, match="f has no option 'colour'") as caught:
        options_or_fields(_Outer, None, {"colour": 1}, "f", {"own"})
    assert caught.value.hint == "it has depth, inner, name, own, width"
