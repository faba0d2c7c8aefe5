"""The entry of the program: ``logos`` and ``python -m logos_cli``."""

from __future__ import annotations

import atexit
import os
import signal
import sys


def main() -> None:
    """Run the program; an interruption before it can report one ends it without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else the parent ignores it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from logos_cli.cli.app import main as run

    run()


def _leave(code: int) -> None:
    """End this process with an exit code, as ``sys.exit`` does.

    After a KeyboardInterrupt that has passed through ``exec`` or ``eval`` of a text, as at the definition of a data class,
    ``python -m`` kills itself by SIGINT at its end, although the exception was handled
    (``unhandled_keyboard_interrupt`` in CPython's ``Modules/main.c``).
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # it is closed, or nobody reads it
            continue
    os._exit(code)


_INTERRUPTED = 130

if __name__ == "__main__":
    try:
        main()
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            _leave(_INTERRUPTED)
        raise
