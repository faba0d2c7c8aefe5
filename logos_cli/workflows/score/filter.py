"""Filters over scores, such as ``qed>0.5 and sa<4``: a small part of Python's expressions."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from logos_cli.errors import Span, UsageError

_LONGEST: Final = 1000
_COMPARED: Final[dict[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_COMPUTED: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_HINT: Final = "write scores, numbers, < <= > >= == !=, + - * /, and, or, not, parentheses: 'qed>0.5 and sa<4'"

Scalar = float | int | bool | str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on a record's scores: true, false, or unknown if a value is null.

    Attributes
    ----------
    text : str
        The condition as the user wrote it.
    names : tuple of str
        The scores in it, each once, in order.
    """

    text: str
    names: tuple[str, ...]
    _tree: ast.expr

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Parse a condition.

        Raises
        ------
        UsageError
            If the text is not a condition, or has something else in it; with the position.
        """
        if len(text) > _LONGEST:
            raise UsageError(f"the condition is longer than {_LONGEST} characters", hint=_HINT)
        source = text.strip()
        try:
            tree = ast.parse(source, mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            place = (getattr(error, "offset", None) or 1) - 1
            hint = "equality is written ==" if _single_equal(source) else _HINT
            raise UsageError(
                f"this is no condition: {text!r}", hint=hint, span=Span(place, place + 1), text=source
            ) from error
        found: dict[str, None] = {}
        _check(tree, source, found)
        if not found:
            raise UsageError(f"the condition {text!r} names no score", hint=_HINT)
        return cls(text, tuple(found), tree)

    def holds(self, values: Mapping[str, Scalar]) -> bool | None:
        """Return whether the condition holds; None if that depends on a value that is null or absent.

        A null makes a comparison unknown; ``or`` is still true if its other side is, ``and`` false.
        """
        return _truth(_evaluate(self._tree, values), self._tree)


def _single_equal(text: str) -> bool:
    return any(
        character == "=" and text[i - 1 : i] not in tuple("<>=!") and text[i + 1 : i + 2] != "="
        for i, character in enumerate(text)
    )


def _check(node: ast.expr, text: str, names: dict[str, None]) -> None:
    """Refuse every expression that a filter cannot have, and collect the names."""
    match node:
        case ast.Name(id=name):
            names[name] = None
        case ast.Constant(value=bool() | int() | float() | str()):
            pass
        case ast.BoolOp(values=parts):
            for part in parts:
                _check(part, text, names)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.UAdd(), operand=part):
            _check(part, text, names)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _COMPUTED:
            _check(left, text, names)
            _check(right, text, names)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARED for op in ops):
            for part in (left, *others):
                _check(part, text, names)
        case _:
            segment = ast.get_source_segment(text, node) or text
            span = Span(node.col_offset, node.end_col_offset or node.col_offset + 1)
            raise UsageError(f"a condition cannot hold {segment!r}", hint=_HINT, span=span, text=text)


def _evaluate(node: ast.expr, values: Mapping[str, Scalar]) -> Scalar:
    match node:
        case ast.Name(id=name):
            return values.get(name)
        case ast.Constant(value=value):
            return value  # type: ignore[return-value]  # checked when it was parsed
        case ast.BoolOp(op=op, values=parts):
            outcomes = [_truth(_evaluate(part, values), part) for part in parts]
            deciding = isinstance(op, ast.Or)
            if deciding in outcomes:
                return deciding
            return None if None in outcomes else not deciding
        case ast.UnaryOp(op=ast.Not(), operand=part):
            truth = _truth(_evaluate(part, values), part)
            return None if truth is None else not truth
        case ast.UnaryOp(op=op, operand=part):
            value = _evaluate(part, values)
            if value is None or isinstance(value, str):
                return None
            return -value if isinstance(op, ast.USub) else value
        case ast.BinOp(left=left, op=op, right=right):
            return _computed(_COMPUTED[type(op)], _evaluate(left, values), _evaluate(right, values))
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _compared(ops, [_evaluate(part, values) for part in (left, *others)])
    raise AssertionError(f"{type(node).__name__} has passed the check")


def _truth(outcome: Scalar, node: ast.expr) -> bool | None:
    """Return whether a part of a condition holds, and refuse a number or text that is compared with nothing."""
    if outcome is None or isinstance(outcome, bool):
        return outcome
    what, example = ("text", "== 'c1ccccc1'") if isinstance(outcome, str) else ("a number", "> 0.5")
    text = ast.unparse(node)
    raise UsageError(f"{text} is {what}, which neither holds nor fails to hold", hint=f"compare it: {text} {example}")


def _computed(function: Callable[[float, float], float], first: Scalar, second: Scalar) -> Scalar:
    if first is None or second is None or isinstance(first, str) or isinstance(second, str):
        return None
    try:
        result: Scalar = function(first, second)
    except (ZeroDivisionError, OverflowError):
        return None
    return result


def _compared(ops: list[ast.cmpop], values: list[Scalar]) -> bool | None:
    for op, first, second in zip(ops, values, values[1:], strict=False):
        if first is None or second is None:
            return None
        if isinstance(first, str) != isinstance(second, str):
            raise _mixed(first, second)
        if not _COMPARED[type(op)](first, second):
            return False
    return True


def _mixed(first: Scalar, second: Scalar) -> UsageError:
    """Return the error of a comparison of a text with a number."""
    text, number = (first, second) if isinstance(first, str) else (second, first)
    shown = f"{str(text)[:40]!r}"
    return UsageError(
        f"the condition compares a score that is a text ({shown}) with the number {number}",
        hint="compare a text with a text in quotes: scaffold == 'c1ccccc1'",
    )
