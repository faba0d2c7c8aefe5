"""Write files under a temporary name, compressed by extension, and rename them when complete."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from logos_cli.errors import OutputError, UsageError

_COMPRESSED = (".gz", ".zst")


def suffix_of(path: str | Path) -> str:
    """Return the extension that names the format, lower case, without ``.gz`` or ``.zst``: ``.jsonl``."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    while suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def is_device(path: str) -> bool:
    """Whether the path is a device such as ``/dev/stderr``, which is never replaced."""
    return path.startswith("/dev/")


def check_output(path: str | None, *, overwrite: bool) -> None:
    """Refuse an output that cannot be written, before any work is done.

    Raises
    ------
    UsageError
        If the file exists and ``overwrite`` is false.
    OutputError
        If its directory does not exist or is not writable.
    """
    if path is None or path == "-" or is_device(path):
        return
    target = Path(path)
    if target.is_dir():
        raise UsageError("the output is a directory", source=path, hint="give a file name")
    if target.exists() and not overwrite:
        raise UsageError("the output exists", source=path, hint="add --overwrite, or choose another name")
    parent = target.absolute().parent
    if not parent.is_dir():
        raise OutputError(f"the directory {parent} does not exist", source=path, hint=f"mkdir -p {parent}")
    if not os.access(parent, os.W_OK):
        raise OutputError(f"the directory {parent} is not writable", source=path, hint="choose another place with -o")


class NothingToWrite(Exception):  # noqa: N818 - no error: it ends a block of :func:`open_output`
    """Raised in a block of :func:`open_output` that leaves no file."""


@contextlib.contextmanager
def open_output(path: str | None, *, overwrite: bool = False) -> Iterator[IO[str]]:
    """Open a text output; None or ``-`` is standard output.

    A file is written as ``NAME.part`` and renamed when the block ends without an exception; after an exception
    ``NAME.part`` stays, so that nothing is lost. One process at a time writes it. If the block raises
    :class:`NothingToWrite`, there is no file, and what had the name stays.

    Raises
    ------
    LockedError
        If another process writes to it.
    OutputError
        If it cannot be created, or the device is full.
    """
    if path is None or path == "-":
        with contextlib.suppress(NothingToWrite):
            yield sys.stdout
        return
    check_output(path, overwrite=overwrite)
    if is_device(path):
        quiet = contextlib.suppress(NothingToWrite)
        with _translate_errors(path), quiet, Path(path).open("w", encoding="utf-8") as device:
            yield device
        return
    from logos_cli.processes.lock import locked

    part = Path(f"{path}.part")
    with _translate_errors(path), locked(Path(path), "writing"):
        check_output(path, overwrite=overwrite)  # another process may just have finished it
        stream = _create(part, Path(path).suffix.lower())
        try:
            yield stream
        except NothingToWrite:
            stream.close()
            part.unlink()
            return
        except BaseException as error:
            stream.close()
            _leave(path, part, is_interrupted=not isinstance(error, Exception))
            raise
        stream.close()
        part.replace(path)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A file that was not finished: what was written is under another name, or nowhere if nothing was written."""

    path: str
    part: Path | None


UNFINISHED: list[Unfinished] = []
"""The files of this process that an interruption left, for its report."""


def _leave(path: str, part: Path, *, is_interrupted: bool) -> None:
    """Remove a file that was not finished if nothing was written, and note what an interruption leaves."""
    left: Path | None = part
    with contextlib.suppress(OSError):
        if part.stat().st_size == 0:
            part.unlink()
            left = None
    if is_interrupted:
        UNFINISHED.append(Unfinished(path, left))


def _create(part: Path, suffix: str) -> IO[str]:
    part.unlink(missing_ok=True)  # a link to elsewhere is not followed
    if suffix in _COMPRESSED:
        from logos_cli.io.compressed_output import CompressedOutput

        return io.TextIOWrapper(cast("IO[bytes]", CompressedOutput(part)), encoding="utf-8", newline="\n")
    return part.open("x", encoding="utf-8", newline="\n")


@contextlib.contextmanager
def _translate_errors(path: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OutputError(
                "no space is left on the device",
                source=path,
                hint="free some space" + ("" if is_device(path) else f"; {path}.part holds what was written"),
            ) from error
        if error.filename in (path, f"{path}.part", f"{path}.lock"):
            raise OutputError(
                f"cannot be written: {error.strerror}", source=path, hint="choose another place"
            ) from error
        raise
