"""Convert checkpoints to GGUF, and quantize GGUF files."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict, Unpack

from logos_cli.backends.llamacpp.library import failure, library
from logos_cli.checkpoints.gguf.header import SUFFIX, GgufHeader, TensorEntry, is_gguf, model_shape, read_gguf
from logos_cli.checkpoints.gguf.write import FILE_TYPES, write_gguf
from logos_cli.checkpoints.locate import Location, locate
from logos_cli.checkpoints.tokenizer import HubTokenizer
from logos_cli.errors import ModelError, OutputError, UsageError
from logos_cli.processes.lock import locked

Progress = Callable[[str, int, int], None]

QUANTIZATIONS = {
    "q8_0": 7,
    "q6_k": 18,
    "q5_k_m": 17,
    "q5_k_s": 16,
    "q5_1": 9,
    "q5_0": 8,
    "q4_k_m": 15,
    "q4_k_s": 14,
    "q4_1": 3,
    "q4_0": 2,
    "q3_k_l": 13,
    "q3_k_m": 12,
    "q3_k_s": 11,
    "q2_k": 10,
}
"""Quantizations of llama.cpp with its numbers for them, best first."""

AUTO = "auto"
"""q4_k_m, or q8_0 where the blocks of q4_k_m do not divide the matrices."""

_BLOCK, _K_BLOCK = 32, 256
_WHOLE = ("f32", "f16", "bf16")


class Writing(TypedDict, total=False):
    """Options of :func:`convert` and :func:`quantize`.

    Attributes
    ----------
    revision : str, optional
        Branch, tag or commit on the hub.
    offline : bool
        Open no connection.
    overwrite : bool
        Replace an existing output.
    progress : callable, optional
        Called with the name of each tensor, its number from 1, and the number of tensors.
    """

    revision: str | None
    offline: bool
    overwrite: bool
    progress: Progress | None


def _locate(model: str, how: Writing) -> Location:
    return locate(model, how.get("revision"), offline=how.get("offline", False))


def convert(model: str, output: Path, file_type: str = "auto", **how: Unpack[Writing]) -> GgufHeader:
    """Write a Llama or Qwen3 checkpoint with its tokenizer as one GGUF file.

    Parameters
    ----------
    model : str
        ``logos-nano``, a checkpoint directory, or an ``owner/name`` of the hub.
    file_type : str
        ``f32``, ``f16``, ``bf16``, ``q8_0``, or ``auto``: the precision of the checkpoint.
    **how
        See :class:`Writing`.

    Returns
    -------
    GgufHeader
        Header of the new file, read again and checked.

    Raises
    ------
    LogosError
        If the model cannot be converted, or the output cannot be written.
    """
    if file_type not in ("auto", *FILE_TYPES):
        hint = f"one of auto, {', '.join(FILE_TYPES)}"
        if file_type in QUANTIZATIONS:
            hint = f"convert first, then: logos models quantize FILE --type {file_type}"
        raise UsageError(f"there is no file type {file_type!r}", hint=hint)
    location = _locate(model, how)
    if not location.path.is_dir():
        raise UsageError(
            "the model is not a checkpoint directory",
            source=model,
            hint="logos models quantize reads GGUF files" if is_gguf(location.path) else None,
        )
    check_output(output, overwrite=how.get("overwrite", False))
    try:
        _ = HubTokenizer(location.path, ()).tag_ids
    except ModelError as error:
        raise error.at(model) from error
    name = None if location.path == Path(model).expanduser() else model.rpartition("/")[2]
    with _claimed(output, how):
        write_gguf(location.path, output, file_type, name=name, progress=how.get("progress"))
        return read_gguf(output)


@contextmanager
def _claimed(output: Path, how: Writing) -> Iterator[None]:
    """Lock the output; what another process has just written under its name is refused like any other file."""
    with locked(output, "writing"):
        check_output(output, overwrite=how.get("overwrite", False))
        yield


def check_output(output: Path, *, overwrite: bool) -> None:
    """Refuse an output without the extension .gguf, an existing one, or one without a directory.

    Raises
    ------
    LogosError
        With the remedy.
    """
    if output.suffix != SUFFIX:
        raise UsageError(f"the output {output.name!r} has not the extension .gguf", hint=f"name it {output.stem}.gguf")
    if not output.parent.is_dir():
        raise OutputError(
            f"the directory {output.parent} does not exist", source=str(output), hint=f"mkdir -p {output.parent}"
        )
    if output.exists() and not overwrite:
        raise UsageError("the output exists", source=str(output), hint="give --overwrite to replace it")


def quantize(
    model: str, output: Path, kind: str, *, threads: int | None = None, fallback: bool = False, **how: Unpack[Writing]
) -> GgufHeader:
    """Write a quantized model with the quantizer of llama.cpp.

    Parameters
    ----------
    model : str
        A GGUF file of type f32, f16 or bf16; or a model that :func:`convert` accepts, which is converted first.
    kind : str
        A key of :data:`QUANTIZATIONS`, or :data:`AUTO`.
    fallback : bool
        Accept the type that llama.cpp uses for a matrix whose width the blocks do not divide (see
        :func:`fallbacks`), instead of refusing the model.
    **how
        See :class:`Writing`.

    Raises
    ------
    LogosError
        If llama.cpp is missing, the model is quantized already, or the blocks of the type do not divide the width
        of a matrix.
    """
    if kind not in (AUTO, *QUANTIZATIONS):
        raise UsageError(f"there is no quantization {kind!r}", hint=f"best first: {', '.join(QUANTIZATIONS)}")
    check_output(output, overwrite=how.get("overwrite", False))
    library()
    location = _locate(model, how)
    if not location.path.is_dir():
        with _claimed(output, how):
            return _quantize(location.path, output, kind, threads, fallback=fallback)
    with _claimed(output, how), tempfile.TemporaryDirectory(prefix=".logos-", dir=output.parent) as folder:
        whole = Path(folder) / f"{output.stem}{SUFFIX}"
        convert(model, whole, **how)
        return _quantize(whole, output, kind, threads, fallback=fallback)


def _quantize(source: Path, output: Path, kind: str, threads: int | None, *, fallback: bool) -> GgufHeader:
    header = read_gguf(source)
    model_shape(header)
    if kind == AUTO:
        kind = "q8_0" if fallbacks(header, "q4_k_m") and not fallback else "q4_k_m"
    if not fallback:
        check_widths(header, kind)
    if header.precision not in _WHOLE:
        raise ModelError(
            f"the model is quantized already ({header.precision})",
            source=str(source),
            hint="quantize from f32, f16 or bf16: each pass loses more",
        )
    if source.resolve() == output.resolve():
        raise UsageError("input and output are one file", source=str(output))
    free = shutil.disk_usage(output.parent).free
    if free < header.size:
        raise OutputError(
            f"{free / 1e9:.1f} GB are free, and the output may need as much as the input ({header.size / 1e9:.1f} GB)",
            source=str(output),
        )
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        _run(source, part, QUANTIZATIONS[kind], threads)
        model_shape(read_gguf(part))
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return read_gguf(output)


def check_widths(header: GgufHeader, kind: str) -> None:
    """Refuse a type whose blocks do not divide a matrix of the model.

    llama.cpp would use another type for it without a warning, and the file would be larger than expected.

    Raises
    ------
    ModelError
        With the name of the matrix.
    """
    block = _block(kind)
    for name, entry in header.tensors.items():
        if _is_odd(entry, block):
            raise ModelError(
                f"{kind} has blocks of {block} numbers, which do not divide the width of {name} ({entry.shape[-1]})",
                source=str(header.path),
                hint="use q8_0, q5_1, q5_0, q4_1 or q4_0, with blocks of 32; or --fallback"
                if block == _K_BLOCK and entry.shape[-1] % _BLOCK == 0
                else "keep f16 or bf16",
            )


def fallbacks(header: GgufHeader, kind: str) -> dict[str, int]:
    """Return the number of matrices that the blocks of a type do not divide, by the type that replaces it."""
    odd = Counter(entry.type for entry in header.tensors.values() if _is_odd(entry, _block(kind)))
    return dict(odd)


def _block(kind: str) -> int:
    """Return the number of numbers in a block of a type."""
    return 1 if kind in _WHOLE else _K_BLOCK if "_k" in kind else _BLOCK


def _is_odd(entry: TensorEntry, block: int) -> bool:
    return len(entry.shape) > 1 and entry.shape[-1] % block != 0


def _run(source: Path, target: Path, number: int, threads: int | None) -> None:
    """Quantize in a second thread, so that Ctrl-C takes effect meanwhile."""
    lib = library()
    params = lib.llama_model_quantize_default_params()
    params.ftype = number
    params.nthread = threads or 0
    codes: list[int] = []

    def work() -> None:
        codes.append(lib.llama_model_quantize(str(source).encode(), str(target).encode(), params))

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(0.05)
    if not codes or codes[0]:
        raise failure("llama.cpp cannot quantize the model").at(str(source))
