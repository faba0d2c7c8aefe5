"""A network in ONNX Runtime, with a cache that has one row for each sequence.

Shapes: R rows of the cache, S new tokens of each, K key heads of width D, T positions, V logits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from logos_cli.backends.onnxruntime.graph import cache_names
from logos_cli.checkpoints.config import DecoderConfig
from logos_cli.errors import DeviceMemoryError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_TRIED_ROWS = (1, 2, 3, 5, 9, 17)
_TRIED_POSITION = 40
_ERRORS_ONLY = 3


@dataclass(slots=True)
class _Pass:
    """The buffers of a pass over consecutive rows of the cache, bound to a session once."""

    run: Callable[[], None]
    tokens: NDArray[np.int64]
    lasts: NDArray[np.int32]
    total: NDArray[np.int32]
    logits: NDArray[np.float32]


class Network:
    """The network and its cache.

    Parameters
    ----------
    build : callable
        Returns the ONNX model; it is read again for each number of threads.

    Attributes
    ----------
    threads : int
        Threads of the next pass.
    """

    def __init__(self, config: DecoderConfig, build: Callable[[], bytes], threads: int) -> None:
        self.config = config
        self.threads = threads
        self.n_rows, self.n_positions = 0, 0
        self._session = cache(lambda number: _open(build(), number))
        self._caches: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        self._steps: dict[tuple[int, int], _Pass] = {}

    def reserve(self, n_rows: int, n_positions: int) -> None:
        """Allocate a cache for this many rows and positions; existing rows keep their content."""
        rows, positions = min(n_rows, self.n_rows), min(n_positions, self.n_positions)
        self._steps = {}
        shape = (n_rows, self.config.n_kv_heads, n_positions, self.config.head_dim)
        with _translate_errors():
            if rows * positions == 0:
                self._caches = []
                self._caches = [(np.zeros(shape, np.float32), np.zeros(shape, np.float32)) for _ in self._layers]
            for layer in self._layers if rows * positions else ():
                fresh = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
                for new, old in zip(fresh, self._caches[layer], strict=True):
                    new[:rows, :, :positions] = old[:rows, :, :positions]
                self._caches[layer] = fresh
        self.n_rows, self.n_positions = n_rows, n_positions

    def release(self) -> None:
        """Free the cache."""
        self.n_rows, self.n_positions, self._caches, self._steps = 0, 0, [], {}

    @property
    def _layers(self) -> range:
        return range(self.config.n_layers)

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first positions of a row to another."""
        for pair in self._caches:
            for each in pair:
                each[target, :, :length] = each[source, :, :length]

    def read(self, row: int, tokens: Sequence[int], start: int) -> NDArray[np.float32]:
        """Append tokens to one row, the first at the position ``start``; return logits, shape (len(tokens), V)."""
        one = self._bind(row, (1, len(tokens)))
        end = start + len(tokens)
        one.tokens[:], one.lasts[:], one.total[()] = tokens, end - 1, end
        with _translate_errors():
            one.run()
        logits: NDArray[np.float32] = one.logits[0]
        return logits

    def step(self, tokens: Sequence[int], positions: Sequence[int]) -> NDArray[np.float32]:
        """Append one token to each of the first R rows, at that row's position.

        Returns
        -------
        ndarray, shape (R, V)
            Logits, which the next step overwrites.
        """
        key = len(tokens), self.threads
        if key not in self._steps:
            self._steps[key] = self._bind(0, (len(tokens), 1))
        one = self._steps[key]
        one.tokens[:, 0], one.lasts[:], one.total[()] = tokens, positions, max(positions) + 1
        with _translate_errors():
            one.run()
        logits: NDArray[np.float32] = one.logits[:, 0]
        return logits

    def _bind(self, row: int, shape: tuple[int, int]) -> _Pass:
        """Bind the buffers of a pass over rows from ``row`` on, shape (R, S)."""
        session = self._session(self.threads)
        binding = session.io_binding()

        def bind(bound: Callable[..., None], name: str, array: NDArray[Any]) -> None:
            bound(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

        tokens, lasts = np.zeros(shape, np.int64), np.zeros(shape[0], np.int32)
        total, logits = np.zeros((), np.int32), np.empty((*shape, self.config.vocabulary_size), np.float32)
        for name, array in (("tokens", tokens), ("lasts", lasts), ("total", total)):
            bind(binding.bind_input, name, array)
        bind(binding.bind_output, "logits", logits)
        for layer, pair in zip(self._layers, self._caches, strict=True):
            for past, present, whole in zip(*cache_names(layer), pair, strict=True):
                rows = whole[row : row + shape[0]]  # contiguous; keys and values are written in place
                bind(binding.bind_input, past, rows)
                bind(binding.bind_output, present, rows)
        return _Pass(lambda: session.run_with_iobinding(binding), tokens, lasts, total, logits)

    def keeps_bits(self) -> bool:
        """Whether the logits of a row are the same for some numbers of rows, to the last bit; empties the cache."""
        most = max(_TRIED_ROWS)
        self.reserve(most, 2 * _TRIED_POSITION)
        tokens = [(7 * row + 1) % self.config.vocabulary_size for row in range(most)]
        positions = [_TRIED_POSITION + row % 3 for row in range(most)]
        whole = self.step(tokens, positions).copy()
        same = all((self.step(tokens[:n], positions[:n]) == whole[:n]).all() for n in _TRIED_ROWS)
        self.release()
        return same


def _open(model: bytes, threads: int) -> InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = _ERRORS_ONLY
    # idle threads sleep: they would take cores from sampling, masks and other programs
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    onnxruntime.disable_telemetry_events()  # on Windows, and where another package imported the library first
    with _translate_errors():
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Turn a lack of memory into the error of logos."""
    try:
        yield
    except MemoryError as error:
        raise DeviceMemoryError("out of memory", hint="use a smaller batch (-b) or a smaller model") from error
    except RuntimeError as error:
        if "allocate memory" not in str(error) and "bad_alloc" not in str(error):
            raise
        raise DeviceMemoryError("out of memory", hint="use a smaller batch (-b) or a smaller model") from error
