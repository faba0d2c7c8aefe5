"""The program run within this process, as if it were one of its own."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

Finished = tuple[int, bytes, bytes]
"""Exit code, stdout, stderr."""


def run_here(command: Sequence[str], stdin: bytes | None, env: Mapping[str, str], directory: Path) -> Finished:
    """Run ``logos COMMAND`` with these standard streams, environment and working directory, and return what it left.

    The streams are those of the operating system, so that what libraries print is seen as well.
    """
    from logos_cli.cli.app import main

    code: object = 0
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin or b"")
        given.seek(0)
        with _streams(given, out, err), _settings(command, env, directory), _handlers():
            try:
                main()
            except SystemExit as exit:
                code = exit.code
        out.seek(0)
        err.seek(0)
        return int(code or 0) if isinstance(code, int | None) else 1, out.read(), err.read()


@contextmanager
def _streams(*files: IO[bytes]) -> Iterator[None]:
    """Put files in the place of the standard streams, for Python and for libraries."""
    names = ("stdin", "stdout", "stderr")
    objects = [getattr(sys, name) for name in names]
    for stream in objects[1:]:
        stream.flush()
    numbers = [os.dup(number) for number in range(3)]
    try:
        for number, (name, file) in enumerate(zip(names, files, strict=True)):
            os.dup2(file.fileno(), number)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, (name, before) in enumerate(zip(names, objects, strict=True)):
            setattr(sys, name, before)
            os.dup2(numbers[number], number)
            os.close(numbers[number])


@contextmanager
def _settings(command: Sequence[str], env: Mapping[str, str], directory: Path) -> Iterator[None]:
    """Set arguments, environment and working directory for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["logos", *command])
        patch.chdir(directory)
        for name in os.environ.keys() - env.keys():
            patch.delenv(name)
        for name, value in env.items():
            if os.environ.get(name) != value:
                patch.setenv(name, value)
        yield


@contextmanager
def _handlers() -> Iterator[None]:
    """Leave signals, hooks and loggers as they were."""
    logger = logging.getLogger("logos_cli")
    handlers, level, hook = list(logger.handlers), logger.level, sys.unraisablehook
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in signals.items():
            signal.signal(number, handler)
        logger.handlers[:] = handlers
        logger.setLevel(level)
        sys.unraisablehook = hook
