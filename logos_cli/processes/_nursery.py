"""The process that starts the workers of a pool: it prepares the work once, and forks workers with it.

It runs no thread and does nothing else, so that a fork of it is safe at any time, whatever the process that uses the
pool has loaded or is doing. A worker exchanges messages with that process directly.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from queue import SimpleQueue
from typing import Any, Final

from logos_cli.processes.environment import end_with_parent
from logos_cli.processes.failure import Failure

START: Final = "start"
"""Request for a worker: its end of a pipe follows, and the answer is its process id. A process id requests its end."""

_PREPARES: Final = sys.platform == "linux"
"""Whether workers are forked with the prepared work: elsewhere system libraries may not survive a fork."""

Start = Callable[[Any], Callable[[Any], Any]]


@dataclass(frozen=True, slots=True)
class StartFailure:
    """A worker's answer when it cannot prepare."""

    failure: Failure


def serve(control: Connection) -> None:
    """Run the process: receive the work, then start and end workers on request."""
    start, setup = control.recv()
    work: Callable[[Any], Any] | None = None
    if _PREPARES:
        try:
            work = start(setup)
        except Exception as error:  # noqa: BLE001 - raised in the process that uses the pool
            control.send(Failure.of(error))
            return
    control.send(None)
    end_with_parent(None)  # the pipe closes instead, which leaves time to end workers
    gc.freeze()  # else the collector would touch, and so copy, the memory that workers share
    workers: set[int] = set()
    try:
        with contextlib.suppress(EOFError, OSError):
            while (message := control.recv()) is not None:
                if message == START:
                    pid = _fork(control, start, setup, work)
                    workers.add(pid)
                    control.send(pid)
                else:
                    workers.discard(message)
                    control.send(_end(message))
    finally:
        for pid in workers:
            _end(pid)
        close = getattr(work, "close", None)
        if close is not None:
            close()


def _fork(control: Connection, start: Start, setup: Any, work: Callable[[Any], Any] | None) -> int:
    handle = recv_handle(control)
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(handle)
        return pid
    status = 1
    try:
        os.setpgid(0, 0)  # so that the programs that it starts end with it
        control.close()
        end_with_parent(parent)
        _work(Connection(handle), start, setup, work)
        status = 0
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the process that uses the pool has ended
    except BaseException:  # noqa: BLE001 - the process ends here
        traceback.print_exc()
    finally:
        os._exit(status)


def _end(pid: int) -> int:
    """End a worker and the programs that it has started; return its exit status."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it has ended, or leads no group yet
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# -- worker ------------------------------------------------------------------------------------------


def _work(connection: Connection, start: Start, setup: Any, work: Callable[[Any], Any] | None) -> None:
    """Run a worker: answer each item with its result or its error."""
    items: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_read, args=(connection, items), daemon=True).start()
    if work is None:
        try:
            work = start(setup)
        except Exception as error:  # noqa: BLE001 - raised in the process that uses the pool
            connection.send(StartFailure(Failure.of(error)))
            return
    while True:
        item = items.get()
        try:
            result = item if isinstance(item, Failure) else work(item)
        except Exception as error:  # noqa: BLE001 - the item's outcome
            result = Failure.of(error)
        try:
            connection.send(result)
        except OSError:
            return
        except Exception as error:  # noqa: BLE001 - nothing was sent: it cannot be pickled
            connection.send(Failure.of(error))


def _read(connection: Connection, items: SimpleQueue[Any]) -> None:
    """Receive items at once, so that the sender never waits; end with the process that sends them."""
    try:
        while True:
            items.put(connection.recv())
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)
    except Exception as error:  # noqa: BLE001 - the item's outcome: it cannot be unpickled
        items.put(Failure.of(error))
        _read(connection, items)
