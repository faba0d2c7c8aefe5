"""The entry of the program: ``logos`` and ``python -m logos_cli``."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the program; an interruption before it can report one ends it without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else the parent ignores it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from logos_cli.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
