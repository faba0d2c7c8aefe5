"""llama.cpp's C interface (llama-cpp-python), as objects that free what they hold and raise what went wrong."""

from __future__ import annotations

import ctypes
import logging
import weakref
from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logos_cli.errors import DeviceMemoryError, MissingError, ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INSTALL = "pip install 'logos-cli[gguf]'"
MOST_SEQUENCES = 256
_ERROR, _CONTINUED = 4, 5
_KV_TYPES = {"f32": 0, "f16": 1, "q8_0": 8}
_PREFILL_TOKENS = 512
_LOG = logging.getLogger("logos_cli.llamacpp")
_said: deque[str] = deque(maxlen=8)
_level = 0


@cache
def library() -> Any:
    """Return the module of llama-cpp-python, its log taken off the terminal.

    What llama.cpp says goes to the logger ``logos_cli.llamacpp`` at level DEBUG.

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
    llama_cpp.llama_log_set(_callback(llama_cpp), ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    return llama_cpp


@cache
def _callback(llama_cpp: Any) -> Any:
    """Return the function that llama.cpp calls with each line; kept for good, since C holds on to it."""

    def take(level: int, text: bytes, _: ctypes.c_void_p) -> None:
        global _level
        _level = _level if level == _CONTINUED else level
        line = text.decode("utf-8", errors="replace").rstrip()
        if line:
            _LOG.debug("%s", line)
            if _level == _ERROR:
                _said.append(line)

    return llama_cpp.llama_log_callback(take)


def failure(what: str) -> ModelError:
    """Return an error with the last that llama.cpp complained of."""
    reasons = [line.partition(": ")[2] or line for line in _said]
    _said.clear()
    return ModelError(f"{what}: {reasons[0] if reasons else 'llama.cpp gives no reason'}")


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
        _said.clear()
        self.handle = lib.llama_model_load_from_file(str(path).encode(), params)
        if not self.handle:
            raise failure("llama.cpp cannot load the model").at(str(path))
        weakref.finalize(self, lib.llama_model_free, self.handle)
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
        _said.clear()
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
        _said.clear()
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
        for start in range(0, len(tokens), _PREFILL_TOKENS):
            part = tokens[start : start + _PREFILL_TOKENS]
            last = start + len(part) == len(tokens)
            rows = self.decode(part, range(start, start + len(part)), [slot] * len(part), int(last))
        after: NDArray[np.float32] = rows[0]
        return after

    def copy(self, source: int, target: int) -> None:
        """Make one sequence what another is."""
        self._lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)

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
            "token": self._tokens, "pos": self._positions, "n_seq_id": self._counts,
            "seq_id": self._addresses, "logits": self._wanted,
        }  # fmt: skip
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
