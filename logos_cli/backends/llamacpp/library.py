"""llama.cpp's C interface (llama-cpp-python), as objects that free their memory and raise errors."""

from __future__ import annotations

import ctypes
import logging
import signal
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING

from logos_cli.errors import DeviceMemoryError, MissingError, ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INSTALL = "pip install 'logos-cli[gguf]'"
MOST_SEQUENCES = 256
_ERROR, _CONTINUED = 4, 5
_LEVELS = {1: logging.DEBUG, 2: logging.INFO, 3: logging.WARNING, _ERROR: logging.ERROR}
_KV_TYPES = {"f32": 0, "f16": 1, "q8_0": 8}
_PREFILL_TOKENS = 512
LOG = logging.getLogger("logos_cli.llamacpp")
LOG.addHandler(logging.NullHandler())  # without a handler, logging prints warnings of programs that configure none


class _LogCapture:
    """The log of llama.cpp: passes on each line, and keeps the last problems for error messages."""

    def __init__(self) -> None:
        self._problems: deque[tuple[int, str]] = deque(maxlen=8)
        self._level = 0
        self._line = ""
        self._known = False

    def take(self, level: int, text: bytes, _: object) -> None:
        """Add a piece of text, which ends a line or continues in the next piece."""
        if level != _CONTINUED:
            self._end()
            self._level = level
        self._line += text.decode("utf-8", errors="replace")
        if text.endswith(b"\n"):
            self._end()

    def _end(self) -> None:
        line, self._line = self._line.rstrip(), ""
        if line:
            level = _LEVELS.get(self._level, logging.DEBUG)
            if self._known and level == logging.INFO:
                level = logging.DEBUG
            LOG.log(level, "%s", line)
            if level >= logging.WARNING:
                self._problems.append((level, line))

    def begin(self, *, known: bool = False) -> None:
        """Drop old problems before another call, whose information another call repeats if ``known``."""
        self._problems.clear()
        self._known = known

    def reason(self) -> str:
        """Return the reason of the last failure: the first error, from which others follow, or the last warning."""
        self._end()
        errors = [line for level, line in self._problems if level >= logging.ERROR]
        lines = errors or [line for _, line in self._problems][-1:]
        self._problems.clear()
        return lines[0].partition(": ")[2] or lines[0] if lines else "llama.cpp reports no reason"


_log = _LogCapture()
_received: list[int] = []
"""Signals received while :func:`_hold_signals` delays them."""


@contextmanager
def _hold_signals() -> Iterator[None]:
    """Delay signals while C calls Python, which would lose the exceptions of their handlers.

    The handlers run at the end; loading of a model stops at once.
    """
    handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
    if threading.current_thread() is threading.main_thread():
        current = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        handlers = {number: handler for number, handler in current.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda number, _: _received.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        received = list(_received)
        _received.clear()
        for number in received:
            handlers[number](number, None)


def _continue_loading(_share: float, _: object) -> bool:
    """Return whether llama.cpp, which calls this while it loads a model, shall continue."""
    return not _received


@cache
def library() -> ModuleType:
    """Return the module of llama-cpp-python, without its log on the terminal.

    The log of llama.cpp goes to the logger ``logos_cli.llamacpp``, with the same levels.

    Raises
    ------
    MissingError
        If it is not installed, or its shared library cannot be loaded.
    """
    try:
        import llama_cpp
    except ImportError as error:
        raise MissingError("llama-cpp-python is not installed", hint=INSTALL) from error
    except (OSError, RuntimeError) as error:  # built for another system
        raise MissingError(
            f"llama-cpp-python cannot be loaded: {error}",
            hint="pip install --force-reinstall --no-binary llama-cpp-python llama-cpp-python",
        ) from error
    llama_cpp.llama_log_set(_callbacks(llama_cpp)[0], ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    return llama_cpp


@cache
def _callbacks(llama_cpp: ModuleType) -> tuple[object, object]:
    """Return the callbacks for log lines and for loading; the cache keeps them alive, since C refers to them."""
    return llama_cpp.llama_log_callback(_log.take), llama_cpp.llama_progress_callback(_continue_loading)


def failure(what: str) -> ModelError:
    """Return an error with the reason in the log of llama.cpp."""
    return ModelError(f"{what}: {_log.reason()}")


class LlamaModel:
    """A loaded model, or only its vocabulary."""

    def __init__(
        self, path: Path, *, vocabulary_only: bool = False, gpu_layers: int = 0, use_mmap: bool = True
    ) -> None:
        self.lib = lib = library()
        params = lib.llama_model_default_params()
        params.vocab_only = vocabulary_only
        params.n_gpu_layers = gpu_layers
        if hasattr(params, "use_mmap"):  # until 0.3.2x
            params.use_mmap = use_mmap
        else:
            params.load_mode = lib.LLAMA_LOAD_MODE_MMAP if use_mmap else lib.LLAMA_LOAD_MODE_NONE
        params.progress_callback = _callbacks(lib)[1]
        _log.begin(known=vocabulary_only)
        with _hold_signals():
            self.handle = lib.llama_model_load_from_file(str(path).encode(), params)
            if self.handle:
                weakref.finalize(self, lib.llama_model_free, self.handle)
        if not self.handle:
            raise failure("llama.cpp cannot load the model").at(str(path))
        self.vocabulary = lib.llama_model_get_vocab(self.handle)
        self.n_vocabulary = int(lib.llama_vocab_n_tokens(self.vocabulary))

    def encode(self, text: str, *, whole: bool) -> list[int]:
        """Return the ids of a text, including its special tokens."""
        data = text.encode()
        size = len(data) + 8
        while True:
            ids = (ctypes.c_int32 * size)()
            n = self.lib.llama_tokenize(self.vocabulary, data, len(data), ids, size, whole, True)
            if n >= 0:
                return list(ids[:n])
            size = -n

    def ends(self, token: int) -> bool:
        """Whether a token ends a text."""
        return bool(self.lib.llama_vocab_is_eog(self.vocabulary, token))


class LlamaContext:
    """Sequences of a model, each with its own memory for keys and values.

    A larger context replaces one that is full and takes over its sequences.
    """

    def __init__(self, model: LlamaModel, n_slots: int, n_positions: int, kv_type: str, threads: int) -> None:
        self.model = model
        self.n_slots = n_slots
        self._lib = lib = model.lib
        params = lib.llama_context_default_params()
        params.n_seq_max = n_slots
        params.n_ctx = n_slots * n_positions
        params.n_batch = params.n_ubatch = max(_PREFILL_TOKENS, n_slots)
        params.n_threads = params.n_threads_batch = threads
        params.type_k = params.type_v = _KV_TYPES[kv_type]
        # on CPU, flash attention is 3 times as fast with f16, plain attention twice with f32 (measured)
        params.flash_attn_type = int(kv_type != "f32")
        params.kv_unified = False
        _log.begin()
        with _hold_signals():
            self._handle = lib.llama_init_from_model(model.handle, params)
        if not self._handle:
            reason = failure(f"llama.cpp cannot allocate {n_slots} sequences of {n_positions:,} tokens")
            raise DeviceMemoryError(reason.message, hint="use a smaller batch (-b), or --kv-type q8_0")
        self._free = weakref.finalize(self, lib.llama_free, self._handle)
        self.n_positions = int(lib.llama_n_ctx_seq(self._handle))
        self._memory = lib.llama_get_memory(self._handle)
        self._buffers = _Batch(lib, int(params.n_batch))

    def close(self) -> None:
        """Free the memory."""
        self._free()

    def set_threads(self, threads: int) -> None:
        """Set the number of threads."""
        self._lib.llama_set_n_threads(self._handle, threads, threads)

    def decode(
        self, tokens: Sequence[int], positions: Sequence[int], slots: Sequence[int], n_rows: int
    ) -> NDArray[np.float32]:
        """Run a batch; return the logits of its last ``n_rows`` tokens, shape (n_rows, n_vocabulary)."""
        import numpy as np

        batch = self._buffers.fill(tokens, positions, slots, n_rows)
        _log.begin()
        code = self._lib.llama_decode(self._handle, batch)
        if code:
            raise failure(f"llama.cpp cannot decode the batch (code {code})")
        if not n_rows:
            return np.empty((0, self.model.n_vocabulary), np.float32)
        pointer = self._lib.llama_get_logits(self._handle)
        logits: NDArray[np.float32] = np.ctypeslib.as_array(pointer, (n_rows, self.model.n_vocabulary)).copy()
        return logits

    def prefill(self, slot: int, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Begin a sequence in an empty slot; return the logits after its last token, shape (n_vocabulary,)."""
        # no part has one token: its rounding would depend on the number of threads
        size = _PREFILL_TOKENS - (len(tokens) % _PREFILL_TOKENS == 1)
        for start in range(0, len(tokens), size):
            part = tokens[start : start + size]
            last = start + len(part) == len(tokens)
            rows = self.decode(part, range(start, start + len(part)), [slot] * len(part), int(last))
        logits: NDArray[np.float32] = rows[0]
        return logits

    def copy(self, source: int, target: int) -> None:
        """Copy a sequence to another slot."""
        self._lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def clear(self) -> None:
        """Drop all sequences."""
        self._lib.llama_memory_clear(self._memory, False)

    def cut(self, slot: int, n_tokens: int) -> None:
        """Keep the first ``n_tokens`` of a sequence."""
        self._lib.llama_memory_seq_rm(self._memory, slot, n_tokens, -1)

    def take_over(self, other: LlamaContext, slots: Sequence[int]) -> None:
        """Copy sequences from another context."""
        lib = self._lib
        for slot in slots:
            size = lib.llama_state_seq_get_size(other._handle, slot)
            state = (ctypes.c_uint8 * size)()
            n = lib.llama_state_seq_get_data(other._handle, state, size, slot)
            if lib.llama_state_seq_set_data(self._handle, state, n, slot) != n:
                raise failure("llama.cpp cannot move a sequence")


class _Batch:
    """The arrays of a ``llama_batch``, allocated once and filled for every step."""

    def __init__(self, lib: ModuleType, n_tokens: int) -> None:
        import numpy as np

        self._tokens = np.zeros(n_tokens, np.int32)
        self._positions = np.zeros(n_tokens, np.int32)
        self._slots = np.zeros(n_tokens, np.int32)
        self._counts = np.ones(n_tokens, np.int32)
        self._wanted = np.zeros(n_tokens, np.int8)
        addresses = self._slots.ctypes.data + np.arange(n_tokens, dtype=np.uintp) * self._slots.itemsize
        self._addresses = addresses.astype(np.uintp)
        self._batch: ctypes.Structure = lib.llama_batch()
        batch = self._batch
        fields = dict(batch._fields_)
        arrays: dict[str, NDArray[np.generic]] = {
            "token": self._tokens,
            "pos": self._positions,
            "n_seq_id": self._counts,
            "seq_id": self._addresses,
            "logits": self._wanted,
        }
        for name, array in arrays.items():
            setattr(batch, name, ctypes.cast(array.ctypes.data, fields[name]))

    def fill(
        self, tokens: Sequence[int], positions: Sequence[int], slots: Sequence[int], n_rows: int
    ) -> ctypes.Structure:
        """Return the batch of these tokens, with logits for the last ``n_rows``."""
        n = len(tokens)
        self._tokens[:n] = tokens
        self._positions[:n] = positions
        self._slots[:n] = slots
        self._wanted[:n] = 0
        self._wanted[n - n_rows : n] = 1
        self._batch.n_tokens = n
        return self._batch
