"""Several servers of one model: each request goes to the one with the fewest, and to another when that is gone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from logos_cli.backends.remote.http import Server, UnavailableError, report_wait
from logos_cli.io.json_types import JsonMapping
from logos_cli.io.visible import one_line

T = TypeVar("T")

LOGGER: Final = logging.getLogger(__name__)
_AWAY_S: Final = 30.0
"""Time after which a server that did not answer is tried again."""


class Servers:
    """Servers of one model, used as one.

    Parameters
    ----------
    servers : sequence of Server
        At least one.
    """

    def __init__(self, servers: Sequence[Server]) -> None:
        self.members = tuple(servers)
        self._lock = threading.Lock()
        self._n_requests = dict.fromkeys(self.members, 0)
        self._n_served = dict.fromkeys(self.members, 0)
        self._away_until = dict.fromkeys(self.members, 0.0)
        self._silent_until = 0.0

    @property
    def url(self) -> str:
        """The addresses, separated by commas."""
        return ",".join(server.url for server in self.members)

    def post(self, path: str, body: JsonMapping, parse: Callable[[object], T]) -> T:
        """Return the answer of a server to a POST.

        Parameters
        ----------
        parse : callable
            Is given the JSON of an answer; raises ``AnswerError`` if it cannot be used, and the request is made again.

        Raises
        ------
        ModelError
            If a server refuses the request, or no answer can be used.
        MissingError
            If none answers in the number of tries.
        """
        retries = self.members[0].retries
        error = UnavailableError("")
        for retry in range(retries.tries):
            failed: set[Server] = set()
            while (server := self._next(failed)) is not None:
                try:
                    with self._counted(server):
                        return parse(server.attempt(path, body))
                except UnavailableError as problem:
                    error = problem
                    failed.add(server)
                    self._note(server, problem)
            if retry + 1 < retries.tries:
                self._wait(retries.wait_s(retry, error.asked_s), error)
        raise error.after(retries.tries, self.url)

    def post_once(self, path: str, body: JsonMapping) -> object:
        """Return the answer to a POST that only some servers support; None if it fails."""
        failed: set[Server] = set()
        while (server := self._next(failed)) is not None:
            answer = server.post_once(path, body)
            if answer is not None:
                return answer
            failed.add(server)
        return None

    def _next(self, failed: set[Server]) -> Server | None:
        """Return the server with the fewest requests; None if all have failed."""
        now = time.monotonic()
        with self._lock:
            left = [each for each in self.members if each not in failed]
            # one that did not answer lately is the last resort
            there = [each for each in left if self._away_until[each] <= now] or left
            return min(there, key=lambda each: (self._n_requests[each], self._n_served[each]), default=None)

    @contextmanager
    def _counted(self, server: Server) -> Iterator[None]:
        with self._lock:
            self._n_requests[server] += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_requests[server] -= 1
                self._n_served[server] += 1

    def _note(self, server: Server, problem: UnavailableError) -> None:
        """Leave a server that is gone alone for a while, and report it once; one that is busy goes on."""
        if problem.is_busy or len(self.members) == 1:
            return
        with self._lock:
            is_new = self._away_until[server] == 0.0
            self._away_until[server] = time.monotonic() + _AWAY_S
        if is_new:
            text = one_line(problem.message)
            LOGGER.warning("%s does not answer as it should: %s; the other servers go on", server.url, text)

    def _wait(self, wait_s: float, problem: UnavailableError) -> None:
        """Wait before the next try; of the threads that wait one reports it, once in a while."""
        now = time.monotonic()
        with self._lock:
            if now >= self._silent_until and report_wait(self.url, problem, wait_s):
                self._silent_until = now + _AWAY_S
        time.sleep(wait_s)
