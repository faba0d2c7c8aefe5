"""Show the progress of a submission, whose process goes on without it."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, LogosError, WorkerLostError
from logos_cli.io.json_types import JsonObject
from logos_cli.io.selection import Shard
from logos_cli.workflows.submit.settings import FOLDER, Settings, read_progress

ENDED = ("finished", "failed", "stopped")
_PAUSE_S = 0.5
_LOST_AFTER_S = 120.0


def follow(run: Path) -> ExitCode:
    """Show a submission until it ends, and return its exit code.

    Raises
    ------
    LogosError
        The submission's error, or if its process has ended without a word.
    """
    from logos_cli.workflows.plan import is_corpus

    settings = Settings.read(run)
    last = deque(_shown(run, settings), maxlen=1).pop()
    n_done, counts = last["n_done"], _counts(settings)
    records = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    if last["state"] == "failed":
        failed = LogosError(str(last["message"]), source=str(run), hint=str(last.get("hint", "")) or None)
        failed.exit_code = ExitCode(int(str(last["code"])))  # type: ignore[misc]
        raise failed
    shards = f"{run}: {n_done} of {settings.n_shards} shards"
    is_counted = records or not is_corpus(settings.command)  # the journal of a corpus ends with the build
    terminal().note(f"{shards}: {records or 'no records'}" if is_counted else shards)
    if last["state"] == "finished" and settings.is_merged:
        merged = run.parent if is_corpus(settings.command) else run / settings.merged.name
        terminal().note(f"merged: {merged}")
    if last["state"] == "stopped":
        terminal().note("stopped; finished records are kept, and the same command goes on")
    return ExitCode(int(str(last["code"])))


def _shown(run: Path, settings: Settings) -> Iterator[JsonObject]:
    """Yield the states of a submission up to its end; show each, as a bar on a terminal."""
    if terminal().quiet or not sys.stderr.isatty():
        n_before = -1
        for state in _states(run):
            if state["n_done"] != n_before:
                n_before = int(str(state["n_done"]))
                terminal().note(
                    f"{n_before} of {settings.n_shards} shards, {sum(_counts(settings).values()):,} records"
                )
            yield state
        return
    began, n_first, counted, counted_at = time.monotonic(), -1, Counter[str](), 0.0
    pause_s = max(1.0, settings.n_shards / 200)
    with terminal().bar("starting workers", settings.n_shards, "shards") as bar:
        for state in _states(run):
            if time.monotonic() - counted_at > pause_s:
                counted, counted_at = _counts(settings), time.monotonic()
                n_first = n_first if n_first >= 0 else counted.total()
            rate = (counted.total() - n_first) / max(1.0, time.monotonic() - began)
            failed = f" ({counted['failed']:,} failed)" if counted["failed"] else ""
            text = f"{counted.total():,} records{failed}, {rate:,.1f}/s"
            bar.update(int(str(state["n_done"])), description=text if counted else None)
            yield state


def _states(run: Path) -> Iterator[JsonObject]:
    """Yield the state of a submission again and again, until it has ended.

    Raises
    ------
    WorkerLostError
        If its process has ended without a word.
    """
    while True:
        state = read_progress(run)
        if state:
            yield state
            if state["state"] in ENDED:
                return
            if not is_alive(state):
                again = read_progress(run)  # it may have ended meanwhile
                if again.get("state") not in ENDED:
                    raise WorkerLostError(
                        "the process of the submission has ended",
                        source=str(run),
                        hint=f"see {run / FOLDER / 'log.txt'}; the same command goes on",
                    )
        time.sleep(_PAUSE_S)


def is_alive(state: JsonObject) -> bool:
    """Return whether the process of a submission is there; on another host, whether it has written lately."""
    if state["host"] != socket.gethostname():
        return time.time() - float(str(state["seen"])) < _LOST_AFTER_S
    try:
        os.kill(int(str(state["pid"])), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _counts(settings: Settings) -> Counter[str]:
    """Return the records of all shards by outcome."""
    from logos_cli.runs.directory import read_state

    total: Counter[str] = Counter()
    for number in range(1, settings.n_shards + 1):
        counts = read_state(Path(settings.run), Shard(number, settings.n_shards)).get("counts", {})
        if isinstance(counts, dict):
            total.update({name: int(str(count)) for name, count in counts.items()})
    return total
