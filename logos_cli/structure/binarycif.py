"""BinaryCIF: MessagePack files with encoded columns (the RCSB's compact form of mmCIF).

This module decodes the container: bytes to columns, and columns to the text of mmCIF. Encodings follow the BinaryCIF
0.3 specification.

biotite decodes as fast (23 to 79 ms for each of five entries, either way), but its import takes 0.7 s:
``logos encode 7gsa.bcif`` would take 2.3 s of one core instead of 1.6 s.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from logos_cli.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ROWS = 1 << 28
"""Run lengths that unpack to more values than this are refused as damage."""

_TYPES = {1: "i1", 2: "<i2", 3: "<i4", 4: "u1", 5: "<u2", 6: "<u4", 32: "<f4", 33: "<f8"}


class Strings(NamedTuple):
    """A text column as indices into its distinct values; index -1 is an absent value."""

    indices: NDArray[np.int32]
    values: tuple[str, ...]

    def to_list(self) -> list[str]:
        """Return the column value by value."""
        values = (*self.values, "?")
        return [values[index] for index in self.indices.tolist()]


Column = Strings | np.ndarray[Any, np.dtype[Any]]


def is_binarycif(head: bytes) -> bool:
    """Return whether a file begins like BinaryCIF: a MessagePack map with the keys of the specification."""
    return bool(head) and head[0] & 0xF0 == 0x80 and any(key in head for key in (b"dataBlocks", b"encoder"))


def unpack(data: bytes) -> list[dict[str, Any]]:
    """Return the data blocks of a file.

    Raises
    ------
    FormatError
        If the bytes are not BinaryCIF.
    """
    import msgpack  # type: ignore[import-untyped]

    try:
        content = msgpack.unpackb(data, raw=False)
    except (ValueError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise FormatError(
            f"damaged BinaryCIF: {str(error) or type(error).__name__}", hint="copy or download the file again"
        ) from error
    blocks = content.get("dataBlocks") if isinstance(content, dict) else None
    if not isinstance(blocks, list) or not blocks or not all(isinstance(block, dict) for block in blocks):
        raise FormatError("BinaryCIF without data blocks", hint="copy or download the file again")
    return blocks


def categories(block: dict[str, Any], wanted: Collection[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name without the leading underscore, category) of the wanted categories of a block, or of all."""
    try:
        for category in block["categories"]:
            name = str(category["name"]).lstrip("_")
            if wanted is None or name in wanted:
                yield name, category
    except (KeyError, TypeError) as error:
        raise FormatError(f"damaged BinaryCIF: {error}") from error


def columns(category: dict[str, Any], wanted: Collection[str] | None = None) -> dict[str, Column]:
    """Return the decoded columns by name; absent values are not marked (see :func:`text_columns`).

    Raises
    ------
    FormatError
        If a column does not decode.
    """
    try:
        return {
            column["name"]: decode(column["data"])
            for column in category["columns"]
            if wanted is None or column["name"] in wanted
        }
    except (KeyError, TypeError) as error:
        raise FormatError(f"damaged BinaryCIF: {error}") from error


def text_columns(category: dict[str, Any], quote: Callable[[str], str] = str) -> dict[str, list[str]]:
    """Return the columns as text of mmCIF; absent values are ``.`` and ``?``.

    Numbers keep the decimals of their fixed-point encoding, so that coordinates are those of the text file.
    ``quote`` is applied to each distinct text value.
    """
    name = category.get("name", "?")
    try:
        n_rows = int(category["rowCount"])
        found = {}
        for column in category["columns"]:
            values = _as_text(decode(column["data"]), _decimals(column["data"]["encoding"]), quote)
            if column.get("mask") is not None:
                mask = decode(column["mask"])
                for row in np.flatnonzero(np.asarray(mask)).tolist():
                    values[row] = "." if mask[row] == 1 else "?"
            if len(values) != n_rows:
                raise FormatError(f"BinaryCIF column {name}.{column['name']} has {len(values)} of {n_rows} values")
            found[str(column["name"])] = values
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise FormatError(f"damaged BinaryCIF category {name}: {error}") from error
    return found


def _decimals(encoding: list[dict[str, Any]]) -> int | None:
    first = encoding[0]
    if first["kind"] == "FixedPoint":
        return max(0, len(str(int(first["factor"]))) - 1)
    return None


def _as_text(column: Column, decimals: int | None, quote: Callable[[str], str]) -> list[str]:
    if isinstance(column, Strings):
        return Strings(column.indices, tuple(map(quote, column.values))).to_list()
    if column.dtype.kind == "f":
        if decimals is not None:
            return [f"{value:.{decimals}f}" for value in column.tolist()]
        return [str(value) for value in column]
    return [str(value) for value in column.tolist()]


def decode(data: dict[str, Any]) -> Column:
    """Decode one column or mask by its encodings, the last one first.

    Raises
    ------
    FormatError
        If an encoding is unknown or the data do not fit it.
    """
    value: Any = data["data"]
    try:
        for step in reversed(data["encoding"]):
            if step["kind"] == "StringArray":
                return _strings(value, step)
            value = _DECODERS[step["kind"]](value, step)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"BinaryCIF encoding: {error}", hint="copy or download the file again") from error
    if not isinstance(value, np.ndarray):
        raise FormatError("BinaryCIF column without encoding")
    return value


def _bytes(value: bytes, step: dict[str, Any]) -> NDArray[Any]:
    return np.frombuffer(value, _TYPES[step["type"]])


def _fixed(value: NDArray[Any], step: dict[str, Any]) -> NDArray[Any]:
    scaled: NDArray[Any] = value.astype(np.float64) / step["factor"]
    return scaled


def _interval(value: NDArray[Any], step: dict[str, Any]) -> NDArray[Any]:
    width = (step["max"] - step["min"]) / (step["numSteps"] - 1)
    result: NDArray[Any] = step["min"] + width * value.astype(np.float64)
    return result


def _runs(value: NDArray[Any], _: dict[str, Any]) -> NDArray[Any]:
    pairs = value.reshape(-1, 2)
    if pairs[:, 1].astype(np.int64).sum() > MAX_ROWS or (pairs[:, 1] < 0).any():
        raise ValueError("run lengths are too long")
    repeated: NDArray[Any] = np.repeat(pairs[:, 0], pairs[:, 1])
    return repeated


def _delta(value: NDArray[Any], step: dict[str, Any]) -> NDArray[Any]:
    summed: NDArray[Any] = np.cumsum(value, dtype=np.int64) + step["origin"]
    return summed


def _packed(value: NDArray[Any], step: dict[str, Any]) -> NDArray[Any]:
    """Sum runs of the extreme value with the value that ends them."""
    info = np.iinfo(value.dtype)
    more = value == info.max
    if not step["isUnsigned"]:
        more |= value == info.min
    if not more.any():
        return value.astype(np.int32)
    sums = np.concatenate(([0], np.cumsum(value, dtype=np.int64)))
    ends = np.flatnonzero(~more) + 1
    unpacked: NDArray[Any] = np.diff(sums[ends], prepend=0)
    return unpacked


_DECODERS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "ByteArray": _bytes,
    "FixedPoint": _fixed,
    "IntervalQuantization": _interval,
    "RunLength": _runs,
    "Delta": _delta,
    "IntegerPacking": _packed,
}


def _strings(value: bytes, step: dict[str, Any]) -> Strings:
    offsets = decode({"data": step["offsets"], "encoding": step["offsetEncoding"]})
    indices = decode({"data": value, "encoding": step["dataEncoding"]})
    if isinstance(offsets, Strings) or isinstance(indices, Strings):
        raise FormatError("BinaryCIF text with text as offsets")
    text, bounds = step["stringData"], offsets.tolist()
    values = tuple(text[start:end] for start, end in pairwise(bounds))
    if len(indices) and not -1 <= int(indices.min()) <= int(indices.max()) < len(values):
        raise ValueError("text index out of range")
    return Strings(indices.astype(np.int32), values)
