"""Models in the ONNX format: the few messages of its protocol buffers that a network needs.

Field numbers are those of ``onnx.proto`` (opset 20). The package ``onnx`` is not needed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FLOAT: Final = 1
UINT8: Final = 2
INT32: Final = 6
INT64: Final = 7

_IR_VERSION, _OPSET = 10, 20
_CONTRIB: Final = "com.microsoft"
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT = 1, 2


def node(
    operator: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    attributes: Mapping[str, float] | None = None,
    *,
    contrib: bool = False,
) -> bytes:
    """Return an operation; an empty name stands for an input or output that is left out.

    Parameters
    ----------
    attributes : mapping, optional
        Numbers by name; a float is stored as a float, an int as an integer.
    contrib : bool
        Whether the operator is one of ONNX Runtime's own.
    """
    return _message(
        *((1, name) for name in inputs),
        *((2, name) for name in outputs),
        (4, operator),
        *((5, _attribute(name, value)) for name, value in (attributes or {}).items()),
        (7, _CONTRIB if contrib else ""),
    )


def tensor(name: str, values: NDArray[np.float32] | NDArray[np.uint8]) -> bytes:
    """Return a constant in single precision, or of bytes."""
    kind, stored = (UINT8, "u1") if values.dtype.itemsize == 1 else (FLOAT, "<f4")
    dims = ((1, size) for size in values.shape)
    return _message(*dims, (2, kind), (8, name), (9, values.astype(stored, copy=False).tobytes()))


def value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    """Return an input or output of the graph; a text in its shape names a size that is open."""
    dims = [_message((1, size) if isinstance(size, int) else (2, size)) for size in shape]
    described = _message((1, kind), (2, _message(*((1, dim) for dim in dims))))
    return _message((1, name), (2, _message((1, described))))


def model(
    nodes: Iterable[bytes], constants: Iterable[bytes], inputs: Iterable[bytes], outputs: Iterable[bytes]
) -> bytes:
    """Return a model."""
    graph = _message(
        *((1, each) for each in nodes),
        (2, "network"),
        *((5, each) for each in constants),
        *((11, each) for each in inputs),
        *((12, each) for each in outputs),
    )
    versions = (_message((1, ""), (2, _OPSET)), _message((1, _CONTRIB), (2, 1)))
    return _message((1, _IR_VERSION), (7, graph), *((8, each) for each in versions))


def _attribute(name: str, number: float) -> bytes:
    if isinstance(number, int):
        return _message((1, name), (3, number), (20, _ATTRIBUTE_INT))
    return _message((1, name), (2, number), (20, _ATTRIBUTE_FLOAT))


def _message(*fields: tuple[int, int | float | str | bytes]) -> bytes:
    """Return a message of protocol buffers from its field numbers and values."""
    parts: list[bytes] = []
    for number, content in fields:
        if isinstance(content, float):
            parts += _varint(number << 3 | 5), struct.pack("<f", content)
        elif isinstance(content, int):
            parts += _varint(number << 3), _varint(content)
        else:
            raw = content.encode() if isinstance(content, str) else content
            parts += _varint(number << 3 | 2), _varint(len(raw)), raw
    return b"".join(parts)


def _varint(number: int) -> bytes:
    """Return a whole number in groups of seven bits, the lowest first."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
