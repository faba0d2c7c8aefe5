"""Records as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from logos_cli.errors import MissingError
from logos_cli.records import Record
from logos_cli.records.parts import score_value

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("id", "kind", "text", "status", "reason")


def to_frame(records: Record | Iterable[Record]) -> pd.DataFrame:
    """Return records as a pandas DataFrame, a row each, in their order.

    Parameters
    ----------
    records : Record or iterable of Record
        Records of ``encode``, ``generate``, ``score`` or ``dock``.

    Returns
    -------
    DataFrame
        The first columns are ``id``, ``kind``, ``text``, ``status`` and ``reason``. Then each score has a column for its
        values, by its name (``scores.NAME`` if a column has that name). The other fields of the records follow, by
        their paths: ``sample.logp``, ``source.path``, ``docking.engine``. Lists stay lists.
        ``frame.attrs["units"]`` has the units of scores.

    Raises
    ------
    MissingError
        If pandas is not installed.
    TypeError
        If an object is not a record.

    Examples
    --------
    >>> from logos_cli import score, to_frame
    >>> frame = to_frame(score(["CCO", "c1ccccc1"], form="molecule", metrics="mw"))
    >>> frame["mw"].round(2).tolist()
    [46.07, 78.11]
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingError("to_frame needs pandas, which is not installed", hint="pip install pandas") from error
    rows: list[dict[str, object]] = []
    units: dict[str, str] = {}
    columns: dict[str, None] = dict.fromkeys(_COLUMNS)
    score_columns: dict[str, None] = {}
    for record in [records] if isinstance(records, Record) else records:
        if not isinstance(record, Record):
            raise TypeError(f"to_frame takes records, not an object of type {type(record).__qualname__}")
        head: dict[str, object] = {name: getattr(record, name) for name in _COLUMNS}
        head["status"] = record.status.value
        scores = {_column(name): score_value(record.scores, name) for name in record.scores}
        units |= {_column(name): unit for name, score in record.scores.items() if (unit := _unit(score)) is not None}
        score_columns |= dict.fromkeys(scores)
        rest = dict(_flat({"sample": record.sample, "source": record.source, **record.extra}))
        rest = {f"extra.{name}" if name in head or name in scores else name: value for name, value in rest.items()}
        columns |= dict.fromkeys(rest)
        rows.append({**head, **scores, **rest})
    ordered = [*_COLUMNS, *score_columns, *(name for name in columns if name not in (*_COLUMNS, *score_columns))]
    frame = pd.DataFrame(rows, columns=pd.Index(ordered))
    frame.attrs["units"] = units
    return frame


def _column(score: str) -> str:
    return f"scores.{score}" if score in _COLUMNS else score


def _unit(score: object) -> str | None:
    unit = score.get("unit") if isinstance(score, Mapping) else None
    return unit if isinstance(unit, str) else None


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield values by their paths, without whole files such as the poses of docking."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif not (isinstance(value, str) and "\n" in value):
            yield f"{prefix}{name}", value
