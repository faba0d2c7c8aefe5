"""Signals that end the program: each unwinds the stack, and is raised again where a library has swallowed it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Final

_AGAIN_AFTER_S: Final = 0.02
_CHECK_AFTER_S: Final = 4.0
"""Longer than the processes that a program ends are given."""


class Terminated(BaseException):
    """Raised in the main thread when the process is asked to end by SIGTERM."""


_MEANING: Final[dict[type[BaseException], signal.Signals]] = {
    KeyboardInterrupt: signal.SIGINT,
    Terminated: signal.SIGTERM,
}
_ending: BaseException | None = None
"""What unwinds the stack: batch systems send a signal to the script and to the program, and scripts forward it."""
_is_done = False
"""Whether it has arrived at the boundary."""
_is_repeated = False
"""Whether the next signal is one that this program sends itself once more."""


def install_signal_handlers() -> None:
    """Let SIGTERM and Ctrl-C unwind the stack, so that finished records are flushed before the program ends.

    An exception of a handler is lost where nothing can be unwound: in a finalizer, in the callback of a weak reference
    (the import system has them), in Python called from C. Such a signal is sent again a moment later. It is swallowed
    where a library catches everything (``except:`` around an import): such a signal is sent again after some seconds.
    """
    global _ending, _is_done, _is_repeated
    _ending, _is_done, _is_repeated = None, False, False
    numbers = [signal.SIGTERM]
    if hasattr(signal, "SIGUSR1"):  # what a batch system sends some time before the end of a job
        numbers.append(signal.SIGUSR1)
    if signal.getsignal(signal.SIGINT) in (signal.SIG_DFL, signal.default_int_handler):  # else the parent ignores it
        numbers.append(signal.SIGINT)
    for number in numbers:
        signal.signal(number, _handle)
    previous_hook = sys.unraisablehook

    def again(lost: sys.UnraisableHookArgs) -> None:
        number = _MEANING.get(lost.exc_type)
        if number is None:
            previous_hook(lost)
            return
        _send_again(number, _AGAIN_AFTER_S)

    sys.unraisablehook = again


def arrived() -> None:
    """Note that the boundary has the exception of a signal."""
    global _is_done
    _is_done = True


def _handle(number: int, _frame: FrameType | None) -> None:
    global _ending, _is_repeated
    is_repeated, _is_repeated = _is_repeated, False
    error = KeyboardInterrupt() if number == signal.SIGINT else Terminated()
    if _ending is not None and isinstance(error, Terminated):
        return
    if _is_done:  # the stack is unwound: what is raised now would be a traceback
        if not is_repeated:
            os._exit(128 + number)  # a second Ctrl-C, while the rest of the output waits for its reader
        return
    _ending = error
    threading.Thread(target=_watch, args=(number, error), daemon=True).start()
    raise error


def _watch(number: int, error: BaseException) -> None:
    """Send a signal again whose exception is neither at the boundary nor on its way."""
    while True:
        time.sleep(_CHECK_AFTER_S)
        if _is_done or _ending is not error:
            return
        if not _is_handled(error):
            _send_again(number, 0.0)
            return


def _is_handled(error: BaseException) -> bool:
    """Return whether the main thread handles an exception: it runs a ``finally`` or an ``__exit__``."""
    found: object = sys._current_exceptions().get(threading.main_thread().ident or 0)
    current = found[1] if isinstance(found, tuple) else found  # before Python 3.12
    seen: set[int] = set()
    while isinstance(current, BaseException) and id(current) not in seen:
        if current is error:
            return True
        seen.add(id(current))
        current = current.__context__
    return False


def _send_again(number: int, after_s: float) -> None:
    global _ending
    _ending = None
    timer = threading.Timer(after_s, _kill, (number,))
    timer.daemon = True
    timer.start()


def _kill(number: int) -> None:
    global _is_repeated
    if not _is_done:  # some libraries report an exception as lost, and raise it nevertheless
        _is_repeated = True
        os.kill(os.getpid(), number)
