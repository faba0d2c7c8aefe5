"""Run the shards of a submission: begin them, begin lost ones again, note the progress, merge the results."""

from __future__ import annotations

import heapq
import os
import signal
import socket
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from logos_cli.errors import ExitCode, LogosError, WorkerLostError
from logos_cli.io.json_types import JsonObject, to_json
from logos_cli.io.selection import Shard
from logos_cli.processes.lock import locked
from logos_cli.runs.directory import read_state
from logos_cli.workflows.plan import is_corpus
from logos_cli.workflows.submit.settings import Outcome, Settings, ShardTask

if TYPE_CHECKING:
    from parsl import DataFlowKernel

_POLL_S: Final = 0.5
_FIRST_DELAY_S: Final = 2.0
_LONGEST_DELAY_S: Final = 120.0
_END_S: Final = 20.0
_STOPPED: Final = (ExitCode.TERMINATED, ExitCode.INTERRUPTED)
_HOPELESS: Final = (ExitCode.USAGE, ExitCode.MISSING)
LOCKED: Final = "is working on this shard"


class Submission:
    """The process that hands shards to workers.

    Parameters
    ----------
    settings : Settings
    task : callable
        Runs a shard in a worker.
    """

    def __init__(self, settings: Settings, task: ShardTask) -> None:
        self.settings = settings
        self._task = task
        self._waiting: list[tuple[float, int]] = []
        self._running: dict[Future[Outcome], int] = {}
        self._n_without_progress: dict[int, int] = {}
        self._n_records: dict[int, int] = {}
        self._n_done = 0
        self._n_again = 0
        self._n_partial = 0
        self._message = ""
        self._began = time.time()
        self._is_stopping = False

    def run(self) -> ExitCode:
        """Run all shards, and merge their results.

        Raises
        ------
        LogosError
            If a shard cannot be done.
        """
        settings = self.settings
        settings.stop_file.unlink(missing_ok=True)
        self._write("starting")
        with locked(settings.folder, "submitting"):
            try:
                code = self._shards()
                if code is not ExitCode.TERMINATED:
                    self._write("merging")
                    _check_and_merge(settings)
            except BaseException as error:
                hint = error.hint if isinstance(error, LogosError) else ""
                self._message = str(error.message if isinstance(error, LogosError) else error)
                self._write("failed", code=int(getattr(error, "exit_code", ExitCode.FAILED)), hint=hint or "")
                raise
            self._write("stopped" if code is ExitCode.TERMINATED else "finished", code=int(code))
        return code

    def stop(self, _signal: int = 0, _frame: object = None) -> None:
        """Let the workers stop at their record; a signal's handler."""
        self._is_stopping = True

    def _shards(self) -> ExitCode:
        import parsl

        from logos_cli.workflows.submit.executors import config_of

        for number in range(1, self.settings.n_shards + 1):
            if not self._note_end(number):
                heapq.heappush(self._waiting, (0.0, number))
        if not self._waiting:
            return self._code()
        kernel = parsl.load(config_of(self.settings))
        try:
            app = parsl.python_app(self._task, data_flow_kernel=kernel)
            while (self._waiting or self._running) and not self._is_stopping:
                while self._waiting and self._waiting[0][0] <= time.monotonic():
                    _, number = heapq.heappop(self._waiting)
                    self._n_records[number] = self._records(number)
                    self._running[app(self.settings, number)] = number
                done, _ = wait(self._running, _POLL_S, FIRST_COMPLETED)
                for future in done:
                    self._take(future, self._running.pop(future))
                if not self._running:
                    time.sleep(_POLL_S)
                self._write("running")
            if self._is_stopping:
                self._end_workers()
                return ExitCode.TERMINATED
            return self._code()
        finally:
            _clean_up(kernel)

    def _code(self) -> ExitCode:
        return ExitCode.PARTIAL if self._n_partial else ExitCode.OK

    def _take(self, future: Future[Outcome], number: int) -> None:
        """Note the end of a shard's process, and plan what comes next.

        Raises
        ------
        LogosError
            If the shard cannot be done.
        """
        error = future.exception()
        if isinstance(error, LogosError):
            raise error
        if error is not None:
            if type(error).__name__ == "BadStateException":  # its jobs end at once
                reason = str(error).strip().partition("\n")[0]
                raise WorkerLostError(f"the workers cannot be started: {reason}", hint=f"see {self.settings.folder}")
            self._again(number, f"shard {number}: {type(error).__name__}: {error}")
            return
        outcome = future.result()
        self._log(number, outcome)
        if self._note_end(number):  # whatever its exit code: all entries may be in error
            return
        if outcome.code in _HOPELESS and LOCKED not in outcome.message:
            message, _, rest = outcome.message.removeprefix("error: ").partition("\n")
            failed = LogosError(f"shard {number} cannot be done: {message}", hint=rest.removeprefix("hint: "))
            failed.exit_code = ExitCode(outcome.code)  # type: ignore[misc]
            raise failed
        if outcome.code in _STOPPED:
            self._again(number, "")
        else:
            self._again(number, f"shard {number}: exit code {outcome.code}: {outcome.message}")

    def _note_end(self, number: int) -> bool:
        """Count a shard if it is finished; return whether it is."""
        state = self._state(number)
        if state.get("state") != "finished":
            return False
        self._n_done += 1
        counts = state.get("counts", {})
        self._n_partial += isinstance(counts, dict) and bool(counts.get("failed"))
        return True

    def _again(self, number: int, message: str) -> None:
        """Begin a shard again after a while, the longer the more often it was begun without progress.

        Raises
        ------
        WorkerLostError
            If it was begun too often.
        """
        self._n_again += 1
        self._message = message or self._message
        has_progress = self._records(number) > self._n_records[number]
        n_before = 0 if has_progress else self._n_without_progress.get(number, 0) + 1
        self._n_without_progress[number] = n_before
        if n_before > self.settings.n_retries:
            raise WorkerLostError(
                f"{message or f'shard {number} was stopped'}; it was begun {n_before} times without progress",
                hint=f"see {self.settings.folder}/workers; the same command goes on",
            )
        delay_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** max(0, n_before - 1)) if message else 0.0
        heapq.heappush(self._waiting, (time.monotonic() + delay_s, number))

    def _end_workers(self) -> None:
        """Let workers of this machine stop at their record; those of other machines get the signal of their job's end."""
        self.settings.stop_file.touch()
        for number in self._running.values():
            state = self._state(number)
            if state.get("state") == "running" and state.get("host") == socket.gethostname():
                with suppress(OSError):
                    os.kill(int(str(state["pid"])), signal.SIGUSR1)
        if self.settings.executor == "local":
            for future in wait(self._running, _END_S).done:
                number = self._running.pop(future)
                if future.exception() is None:
                    self._log(number, future.result())
                    self._note_end(number)

    # -- files ---------------------------------------------------------------------------------------------

    def _state(self, number: int) -> JsonObject:
        return read_state(Path(self.settings.run), Shard(number, self.settings.n_shards))

    def _records(self, number: int) -> int:
        counts = self._state(number).get("counts", {})
        return sum(counts.values()) if isinstance(counts, dict) else 0

    def _log(self, number: int, outcome: Outcome) -> None:
        line = {"shard": number, **outcome._asdict(), "at": round(time.time() - self._began, 1)}
        with (self.settings.folder / "shards.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(to_json(line) + "\n")

    def _write(self, state: str, **more: object) -> None:
        content = {
            "state": state,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "seen": time.time(),
            "began": self._began,
            "n_shards": self.settings.n_shards,
            "n_done": self._n_done,
            "n_running": len(self._running),
            "n_again": self._n_again,
            "message": self._message,
            **more,
        }
        path = self.settings.folder / "state.json"
        part = path.with_name("state.json.part")
        part.write_text(to_json(content) + "\n", encoding="utf-8")
        part.replace(path)


def _check_and_merge(settings: Settings) -> None:
    """Merge the results.

    Raises
    ------
    LogosError
        If an entry is missing, or is there twice.
    """
    from logos_cli.io.output import open_output
    from logos_cli.runs.merge import iter_merged
    from logos_cli.runs.status import verify

    if not verify(Path(settings.run)).is_complete:
        raise LogosError("the results are not complete", source=settings.run, hint="see `logos runs verify`")
    if not settings.is_merged:
        return
    if is_corpus(settings.command):
        from logos_cli.workflows.corpus.corpus import merge

        merge(Path(settings.run).parent)
        return
    with open_output(str(settings.merged), overwrite=True) as stream:
        binary = cast(TextIOWrapper, stream).buffer
        for piece in iter_merged(Path(settings.run)):
            binary.write(piece)


def _clean_up(kernel: DataFlowKernel) -> None:
    import parsl

    kernel.cleanup()
    parsl.clear()
