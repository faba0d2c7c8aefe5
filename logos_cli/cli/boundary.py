"""The boundary between the library and the shell: exceptions become one clear message and an exit code.

Nothing else in the program prints an error or exits. :func:`guard` wraps every command and gives it the
options that all commands have.
"""

from __future__ import annotations

import functools
import inspect
import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from logos_cli.cli.base import Callback
from logos_cli.cli.interruption import report_interruption
from logos_cli.cli.signals import Terminated, arrived
from logos_cli.cli.terminal import Terminal, set_terminal, terminal
from logos_cli.errors import DefectError, ExitCode, GrammarError, LogosError, SystemFaultError, is_out_of_memory
from logos_cli.io.visible import visible


def occupy_closed_streams() -> None:
    """Replace standard streams that the caller closed (``logos … >&-``).

    Otherwise the next open file would get their number, and with it the output of libraries. Messages for a closed
    stderr are lost; data for a closed stdout are an error, not a silent success.
    """
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)  # sys.stdin stays None, so that commands know that there is no input
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - open to the end; cannot be written
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open to the end


_COMMON = {
    "quiet": (
        bool,
        typer.Option("--quiet", "-q", metavar="", help="Report nothing but errors on stderr.", rich_help_panel="Other"),
    ),
    "verbose": (
        bool,
        typer.Option("--verbose", "-v", metavar="", help="Report more on stderr.", rich_help_panel="Other"),
    ),
    "traceback": (
        bool,
        typer.Option("--traceback", metavar="", help="Show the Python traceback of an error.", rich_help_panel="Other"),
    ),
}


def guard(callback: Callback) -> Callback:
    """Return the command with the common options, and with exit codes for its exceptions.

    A command returns an :class:`ExitCode` or None (all good).
    """
    signature = inspect.signature(callback, eval_str=True)

    @functools.wraps(callback)
    def command(*args: object, quiet: bool, verbose: bool, traceback: bool, **kwargs: object) -> None:
        set_terminal(Terminal(quiet=quiet, verbose=verbose))
        trace = traceback or wants_traceback()
        code = run(lambda: callback(*args, **kwargs), show_traceback=trace)
        if code:
            raise typer.Exit(int(code))

    parameters = list(signature.parameters.values())
    for name, (kind, option) in _COMMON.items():
        annotation: object = Annotated[kind, option]
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation))
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {"return": None}
    return command


def wants_traceback() -> bool:
    """Return whether ``LOGOS_TRACEBACK`` is set."""
    return os.environ.get("LOGOS_TRACEBACK", "") not in ("", "0")


def run(action: Callable[[], object], *, show_traceback: bool = False) -> ExitCode:
    """Run an action, print its error if there is one, and return the exit code."""
    try:
        result = action()
        _flush()
    except (typer.Exit, typer.Abort):
        raise
    except TyperException as error:
        return _show_typer(error)
    except KeyboardInterrupt:
        arrived()
        _flush_quietly()
        report_interruption("interrupted")
        return ExitCode.INTERRUPTED
    except Terminated:
        arrived()
        _flush_quietly()
        report_interruption("terminated")
        return ExitCode.TERMINATED
    except BrokenPipeError:
        _abandon_stdout()
        return ExitCode.OK
    except OSError as error:
        show(_from_oserror(error), trace=show_traceback)
        _abandon_stdout()
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 - the boundary: no traceback reaches a user unasked
        if is_out_of_memory(error):
            show(LogosError("out of memory", hint="use a smaller batch (-b), fewer --jobs, or a smaller model"))
            return ExitCode.OUT_OF_MEMORY
        _flush_quietly()
        if isinstance(error, LogosError):
            show(error, trace=show_traceback)
            return error.exit_code
        show(DefectError.of(error), trace=show_traceback)
        return ExitCode.FAILED
    return result if isinstance(result, ExitCode) else ExitCode.OK


def show(error: LogosError, *, trace: bool = False) -> None:
    """Print an error on stderr: its source, the message, the text with a caret, and the remedy.

    ``trace`` prints the traceback of the exception that is being handled first.
    """
    if trace:
        sys.stderr.write(visible(traceback.format_exc()))
    out = terminal()
    place = f"{error.source}: " if error.source else ""
    if isinstance(error, GrammarError):
        first, *rest = error.pretty().split("\n")
        out.error(place + first, "\n".join(rest))
    else:
        out.error(place + error.message)
    if error.hint:
        out.hint(error.hint)


def _show_typer(error: TyperException) -> ExitCode:
    """Print an error of the command line as ours are printed: one line, and what to do."""
    message = error.format_message().strip()
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command: its help
        typer.echo(message, err=True)
        return ExitCode.USAGE
    command = context.command_path if context is not None else "logos"
    first, _, rest = message.partition("\n")
    out = terminal()
    out.error(f"{first[:1].lower()}{first[1:]}".rstrip("."), rest)
    out.hint(f"{command} --help lists what it takes")
    return ExitCode.USAGE


def _from_oserror(error: OSError) -> LogosError:
    if isinstance(error, io.UnsupportedOperation):
        return LogosError("standard output is closed", hint="give -o, or open standard output")
    return SystemFaultError.of(error)


def _flush() -> None:
    sys.stdout.flush()


def _flush_quietly() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _abandon_stdout()


def _abandon_stdout() -> None:
    """Redirect stdout to the null device, so that the interpreter does not report an error on exit."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError):
        return
