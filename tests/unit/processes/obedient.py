"""Work for a pool that does what each item says."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from logos_cli.errors import GrammarError, Span, UsageError

Work = Callable[[str], str]


class Obedient:
    """Does what each item says: the setup is a folder that its works leave notes in."""

    def __init__(self, folder: Path) -> None:
        (folder / f"start-{os.getpid()}").touch()
        self.folder = folder

    def __call__(self, item: str) -> str:
        what, _, value = item.partition(" ")
        if what == "sleep":
            time.sleep(float(value))
        elif what == "die":
            os.kill(os.getpid(), int(value))
        elif what == "die-once":
            mark = self.folder / "died"
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), int(value))
        elif what == "orphan-once":
            mark = self.folder / "orphaned"
            if not mark.exists():
                mark.touch()
                os.kill(os.getppid(), int(value))
                time.sleep(60)
        elif what == "exit":
            os._exit(int(value))
        elif what == "raise":
            _raise(value)
        elif what == "big":
            return "x" * int(value)
        elif what == "print":
            print(value)
        elif what == "unpicklable":
            return lambda: value  # type: ignore[return-value]
        return f"{item}!"

    def close(self) -> None:
        """Leave a note."""
        (self.folder / "closed").touch()


def _raise(kind: str) -> None:
    if kind == "grammar":
        raise GrammarError("no end", text="<ProteinS>", span=Span(3, 5), expected=("</a>",))
    raise {
        "usage": UsageError("cannot"),
        "memory": MemoryError(),
        "defect": ValueError("seven"),
        "full": OSError(28, "No space left on device", "x"),
    }[kind]


def unable(setup: str) -> Work:
    """Start nothing."""
    raise UsageError(f"cannot start {setup}", hint="do not")
