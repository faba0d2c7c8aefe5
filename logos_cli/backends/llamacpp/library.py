"""llama.cpp's C interface (llama-cpp-python), as objects that free what they hold and raise what went wrong."""

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
from types import FrameType
from typing import TYPE_CHECKING, Any

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
LOG.addHandler(logging.NullHandler())  # else logging itself prints warnings of a program that sets up none


class _LogCapture:
    """What llama.cpp says: handed on line by line, the last complaints kept for error messages."""

    def __init__(self) -> None:
        self._complaints: deque[tuple[int, str]] = deque(maxlen=8)
        self._level = 0
        self._line = ""
        self._known = False

    def take(self, level: int, text: bytes, _: object) -> None:
        """Take a piece of text, which ends with a line or goes on with the next piece."""
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
                self._complaints.append((level, line))

    def begin(self, *, known: bool = False) -> None:
        """Forget old complaints: another call begins, whose plain facts another one tells as well if ``known``."""
        self._complaints.clear()
        self._known = known

    def reason(self) -> str:
        """Return why the last call failed: the first error, which the others follow from, or the last warning."""
        self._end()
        errors = [line for level, line in self._complaints if level >= logging.ERROR]
        lines = errors or [line for _, line in self._complaints][-1:]
        self._complaints.clear()
        return lines[0].partition(": ")[2] or lines[0] if lines else "llama.cpp gives no reason"


_sayings = _LogCapture()
_received: list[int] = []
"""Signals that came while they were held back."""


@contextmanager
def _held_back() -> Iterator[None]:
    """Hold signals back while C calls into Python, where what their handlers raise would be lost.

    They are handled at the end; a model that is being loaded is given up at once.
    """
    handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
    if threading.current_thread() is threading.main_thread():
        found = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        handlers = {number: handler for number, handler in found.items() if callable(handler)}
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


def _going_on(_share: float, _: object) -> bool:
    """Tell llama.cpp, which asks while it loads, whether to go on."""
    return not _received


@cache
def library() -> Any:
    """Return the module of llama-cpp-python, its log taken off the terminal.

    What llama.cpp says goes to the logger ``logos_cli.llamacpp``, at its own levels.

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
def _callbacks(llama_cpp: Any) -> tuple[Any, Any]:
    """Return what llama.cpp calls with each line, and while it loads; kept for good, since C holds on to them."""
    return llama_cpp.llama_log_callback(_sayings.take), llama_cpp.llama_progress_callback(_going_on)


def failure(what: str) -> ModelError:
    """Return an error with what llama.cpp complained of."""
    return ModelError(f"{what}: {_sayings.reason()}")


class LlamaModel:
    """Weights, or the vocabulary alone."""

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
        _sayings.begin(known=vocabulary_only)
        with _held_back():
            self.handle = lib.llama_model_load_from_file(str(path).encode(), params)
            if self.handle:
                weakref.finalize(self, lib.llama_model_free, self.handle)
        if not self.handle:
            raise failure("llama.cpp cannot load the model").at(str(path))
        self.vocabulary = lib.llama_model_get_vocab(self.handle)
        self.n_vocabulary = int(lib.llama_vocab_n_tokens(self.vocabulary))

    def encode(self, text: str, *, whole: bool) -> list[int]:
        """Return the ids of a text, special tokens in it recognised."""
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
    """Sequences of a model, each with room of its own for keys and values.

    The room grows by being made anew, with what it held copied.
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
        # measured on CPU: flash attention is 3 times as fast over f16, plain attention twice over f32
        params.flash_attn_type = int(kv_type != "f32")
        params.kv_unified = False
        _sayings.begin()
        with _held_back():
            self._handle = lib.llama_init_from_model(model.handle, params)
        if not self._handle:
            reason = failure(f"llama.cpp makes no room for {n_slots} sequences of {n_positions:,} tokens")
            raise DeviceMemoryError(reason.message, hint="use a smaller batch (-b), or --kv-type q8_0")
        self._free = weakref.finalize(self, lib.llama_free, self._handle)
        self.n_positions = int(lib.llama_n_ctx_seq(self._handle))
        self._memory = lib.llama_get_memory(self._handle)
        self._buffers = _Batch(lib, int(params.n_batch))

    def close(self) -> None:
        """Give the memory back."""
        self._free()

    def set_threads(self, threads: int) -> None:
        """Compute with so many threads from now on."""
        self._lib.llama_set_n_threads(self._handle, threads, threads)

    def decode(
        self, tokens: Sequence[int], positions: Sequence[int], slots: Sequence[int], n_rows: int
    ) -> NDArray[np.float32]:
        """Run a batch; return the logits of its last ``n_rows`` tokens, shape (n_rows, n_vocabulary)."""
        import numpy as np

        batch = self._buffers.fill(tokens, positions, slots, n_rows)
        _sayings.begin()
        code = self._lib.llama_decode(self._handle, batch)
        if code:
            raise failure(f"llama.cpp cannot go on (code {code})")
        if not n_rows:
            return np.empty((0, self.model.n_vocabulary), np.float32)
        pointer = self._lib.llama_get_logits(self._handle)
        logits: NDArray[np.float32] = np.ctypeslib.as_array(pointer, (n_rows, self.model.n_vocabulary)).copy()
        return logits

    def prefill(self, slot: int, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Begin a sequence in an empty slot; return the logits after its last token, shape (n_vocabulary,)."""
        # no part of one token: by how many threads it is computed would decide how it rounds
        size = _PREFILL_TOKENS - (len(tokens) % _PREFILL_TOKENS == 1)
        for start in range(0, len(tokens), size):
            part = tokens[start : start + size]
            last = start + len(part) == len(tokens)
            rows = self.decode(part, range(start, start + len(part)), [slot] * len(part), int(last))
        after: NDArray[np.float32] = rows[0]
        return after

    def copy(self, source: int, target: int) -> None:
        """Make one sequence what another is."""
        self._lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def clear(self) -> None:
        """Forget all sequences."""
        self._lib.llama_memory_clear(self._memory, False)

    def cut(self, slot: int, n_tokens: int) -> None:
        """Keep no more than the first tokens of a sequence."""
        self._lib.llama_memory_seq_rm(self._memory, slot, n_tokens, -1)

    def take_over(self, other: LlamaContext, slots: Sequence[int]) -> None:
        """Copy sequences out of another context."""
        lib = self._lib
        for slot in slots:
            size = lib.llama_state_seq_get_size(other._handle, slot)
            state = (ctypes.c_uint8 * size)()
            n = lib.llama_state_seq_get_data(other._handle, state, size, slot)
            if lib.llama_state_seq_set_data(self._handle, state, n, slot) != n:
                raise failure("llama.cpp cannot move a sequence")


class _Batch:
    """The arrays of a ``llama_batch``, made once and filled for every step."""

    def __init__(self, lib: Any, n_tokens: int) -> None:
        import numpy as np

        self._tokens = np.zeros(n_tokens, np.int32)
        self._positions = np.zeros(n_tokens, np.int32)
        self._slots = np.zeros(n_tokens, np.int32)
        self._counts = np.ones(n_tokens, np.int32)
        self._wanted = np.zeros(n_tokens, np.int8)
        addresses = self._slots.ctypes.data + np.arange(n_tokens, dtype=np.uintp) * self._slots.itemsize
        self._addresses = addresses.astype(np.uintp)
        batch = self._batch = lib.llama_batch()
        fields = dict(batch._fields_)
        arrays: dict[str, NDArray[Any]] = {
            "token": self._tokens,
            "pos": self._positions,
            "n_seq_id": self._counts,
            "seq_id": self._addresses,
            "logits": self._wanted,
        }
        for name, array in arrays.items():
            setattr(batch, name, ctypes.cast(array.ctypes.data, fields[name]))

    def fill(self, tokens: Sequence[int], positions: Sequence[int], slots: Sequence[int], n_rows: int) -> Any:
        """Return the batch of these tokens, of which the last ``n_rows`` give logits."""
        n = len(tokens)
        self._tokens[:n] = tokens
        self._positions[:n] = positions
        self._slots[:n] = slots
        self._wanted[:n] = 0
        self._wanted[n - n_rows : n] = 1
        self._batch.n_tokens = n
        return self._batch
