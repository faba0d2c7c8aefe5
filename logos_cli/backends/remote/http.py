"""JSON over HTTP to a server that may be busy, slow or broken: deadlines, retries with back-off, plain errors.

Nothing that a server sends is trusted: an answer has a deadline from the connection to its last byte, and a size.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import random
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

from logos_cli import limits
from logos_cli.errors import LogosError, MissingError, ModelError, UsageError
from logos_cli.io.json_types import JsonMapping
from logos_cli.io.visible import one_line

LOGGER: Final = logging.getLogger(__name__)

BUSY = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
"""Status codes after which the same request may succeed later."""

_CHUNK_BYTES = 1 << 16
_SHOWN = 300
_FIRST_TRIES = 3
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PLAIN: Final = re.compile(r"[!-~]*")
_USER: Final = re.compile(r"^(\w+://)?.*@", re.DOTALL)
_UNKNOWN_AUTHORITY: Final = frozenset((18, 19, 20, 21))
"""Results of OpenSSL's verification: a certificate that signs itself, or whose issuer is not known."""
_CUT: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""The connection has ended: it is not TLS that fails."""
_LONG_WAIT_S: Final = 5.0
"""A wait of this length is reported."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waiting times, in seconds, and the number of tries.

    The wait before the n-th retry is a uniform random number between 0 and ``first_s * 2**n``, at most
    ``longest_s``, so that clients that failed together do not return together. A time that the server asks for has
    priority.
    """

    tries: int = 7
    first_s: float = 0.5
    longest_s: float = 30.0
    timeout_s: float = 600.0  # of a whole answer

    def wait_s(self, retry: int, asked_s: float | None) -> float:
        """Return the wait before a retry, counted from 0."""
        if asked_s is not None:
            return min(asked_s, 4 * self.longest_s)
        return random.uniform(0, min(self.longest_s, self.first_s * 2**retry))  # noqa: S311 - not a secret


class RefusalError(ModelError):
    """The server understood the request and refuses it.

    Attributes
    ----------
    status : int
        HTTP status code.
    """

    def __init__(self, status: int, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class UnavailableError(LogosError):
    """The server is not there, or is busy.

    Attributes
    ----------
    is_busy : bool
        It is there.
    asked_s : float, optional
        Wait that it asks for.
    is_final : bool
        Another try ends in the same way.
    hint_after : str
        What the user can do.
    """

    is_final = False
    hint_after = "check that it runs at this address; finished records are kept"

    def __init__(self, problem: str, *, is_busy: bool = False, asked_s: float | None = None) -> None:
        super().__init__(problem)
        self.is_busy = is_busy
        self.asked_s = asked_s

    def after(self, tries: int, url: str) -> LogosError:
        """Return the error after the last try."""
        problem = self.message if self.is_final else f"the server did not answer in {tries} tries: {self.message}"
        return MissingError(problem, source=url, hint=self.hint_after)


class AnswerError(UnavailableError):
    """The answer of a server is not what was requested: not JSON, without a text, too large, with impossible counts."""

    def after(self, tries: int, url: str) -> LogosError:
        """Return the error after the last try."""
        return ModelError(
            f"the server's answers cannot be used, in {tries} tries: {self.message}",
            source=url,
            hint="it must serve OpenAI's /v1/completions; finished records are kept",
        )


class SecureChannelError(UnavailableError):
    """No encrypted connection comes about: the certificate is not valid for us, or the server does not speak TLS."""

    is_final = True

    def __init__(self, error: ssl.SSLError) -> None:
        if isinstance(error, ssl.SSLCertVerificationError):
            problem = f"the certificate of the server cannot be trusted: {error.verify_message.rstrip('.')}"
            self.hint_after = "a certificate for this address, still valid, by a known authority is needed"
            if error.verify_code in _UNKNOWN_AUTHORITY:
                self.hint_after = "SSL_CERT_FILE=FILE names the certificates of your own authority (PEM)"
                name = os.environ.get("SSL_CERT_FILE")
                if name and not Path(name).exists():
                    self.hint_after = f"SSL_CERT_FILE={name} does not exist"
        elif error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            problem, self.hint_after = (
                "the server does not speak TLS at this port",
                "http:// is the address without encryption",
            )
        else:
            problem = f"TLS with the server fails: {error.reason or error}"
        super().__init__(problem)


class _Deadline:
    """Ends a connection after a time, whatever it is doing: a time-out of the socket begins anew with every byte."""

    def __init__(self, timeout_s: float) -> None:
        self.has_passed = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(timeout_s, self._expire)
        self._timer.daemon = True

    def watch(self, sock: socket.socket) -> None:
        """Add a connection that is to be shut down."""
        # a copy: TLS takes the socket over before its handshake, and the state of a TLS socket belongs to its reader
        self._sockets.append(sock.dup())
        if self.has_passed:
            self._shut_down()

    def _expire(self) -> None:
        self.has_passed = True
        self._shut_down()

    def _shut_down(self) -> None:
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the clock."""
        self._timer.start()
        try:
            yield
        finally:
            self._timer.cancel()
            for sock in self._sockets:
                sock.close()


class _Connection(http.client.HTTPConnection):
    """A connection that a deadline watches from the moment that it is connected."""

    deadline: _Deadline

    def connect(self) -> None:
        """Connect, and let the deadline watch the socket."""
        super().connect()
        self.deadline.watch(self.sock)


class _SecureConnection(http.client.HTTPSConnection, _Connection):
    """A TLS connection, whose handshake comes after :meth:`_Connection.connect` in the order of the classes."""


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens connections that have a deadline."""

    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a connection."""
        return self.do_open(partial(self._connection, _Connection), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a TLS connection."""
        return self.do_open(partial(self._connection, _SecureConnection), req)

    def _connection(self, kind: type[_Connection], host: str, *, timeout: float) -> _Connection:
        connection = kind(host, timeout=timeout)
        connection.deadline = self._deadline
        return connection


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, which could send prompts and key to another host."""

    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        """Return None: the redirect is an error."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server, by the address of which ``/completions`` is a part.

    Attributes
    ----------
    url : str
        Address without a slash at the end.
    key : str, optional
        API key, sent as a bearer token.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    retries: RetryPolicy = field(default_factory=RetryPolicy)

    @classmethod
    def at(cls, url: str, key: str | None, retries: RetryPolicy) -> Server:
        """Return the server at an address, with or without ``/v1``.

        Raises
        ------
        UsageError
            If it is not an HTTP address.
        """
        shown = _USER.sub(r"\1…@", url)
        problem = UsageError(
            f"{shown!r} is not the address of a server",
            hint="give one such as http://127.0.0.1:8000/v1; a key belongs into LOGOS_API_KEY",
        )
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            is_http = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError as error:
            raise problem from error
        if not is_http or not is_plain(url) or parts.query or parts.fragment or "@" in parts.netloc:
            raise problem
        return cls(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v1'}", key, retries)

    @property
    def root(self) -> str:
        """The address without ``/v1``, for requests beyond OpenAI's."""
        return self.url.removesuffix("/v1")

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return urlsplit(self.url).hostname in _LOOPBACK

    def get(self, path: str) -> object:
        """Return the answer to a GET, with few tries: it is the first request to a server."""
        tries = min(self.retries.tries, _FIRST_TRIES)
        error = UnavailableError("")
        for retry in range(tries):
            try:
                return self._attempt(self.url + path, None)
            except UnavailableError as problem:
                error = problem
                if error.is_final:
                    break
            if retry + 1 < tries:
                wait_s = self.retries.wait_s(retry, error.asked_s)
                report_wait(self.url, error, wait_s)
                time.sleep(wait_s)
        raise error.after(tries, self.url)

    def attempt(self, path: str, body: JsonMapping) -> object:
        """Return the answer to a POST, without another try.

        Raises
        ------
        UnavailableError
            If the server is not there, or is busy.
        RefusalError
            If it refuses the request.
        """
        return self._attempt(self.url + path, _to_json(body))

    def post_once(self, path: str, body: JsonMapping) -> object:
        """Return the answer to a POST beyond OpenAI's, which only some servers support; None if it fails."""
        try:
            return self._attempt(self.root + path, _to_json(body))
        except LogosError:
            return None

    def _attempt(self, url: str, body: bytes | None) -> object:
        deadline = _Deadline(self.retries.timeout_s)
        with deadline.running():
            try:
                content = self._read(url, body, deadline)
            except urllib.error.HTTPError as error:
                self._raise_status(error)
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = getattr(error, "reason", None) or error
                problem = str(reason) or type(reason).__name__
                if deadline.has_passed:
                    problem = f"its answer was not complete after {self.retries.timeout_s:g} s"
                elif isinstance(reason, ssl.SSLError) and not isinstance(reason, _CUT):
                    raise SecureChannelError(reason) from error
                raise UnavailableError(problem) from error
        if deadline.has_passed:  # an answer without a length ends where the connection does
            raise UnavailableError(f"its answer was not complete after {self.retries.timeout_s:g} s")
        if len(content) > limits.ANSWER.n_bytes:
            raise AnswerError(f"an answer has more than {limits.ANSWER.text} ({limits.ANSWER.hint})")
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise AnswerError(f"an answer is not JSON: {_shown(content)}") from error

    def _read(self, url: str, body: bytes | None, deadline: _Deadline) -> bytes:
        """Return what a server answers, up to one byte more than is allowed."""
        headers = {"Accept": "application/json", "User-Agent": "logos"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - the scheme is checked
        # a proxy of the environment does not lead back to this machine
        proxies = urllib.request.ProxyHandler({} if self.is_local else None)
        opener = urllib.request.build_opener(_NoRedirect, proxies, _Handler(deadline))
        content, largest = bytearray(), limits.ANSWER.n_bytes
        with opener.open(request, timeout=self.retries.timeout_s) as response:
            # in pieces: a length that a server only claims reserves no memory
            while len(content) <= largest and (piece := response.read(_CHUNK_BYTES)):
                content += piece
        return bytes(content)

    def _raise_status(self, error: urllib.error.HTTPError) -> NoReturn:
        """Raise the error of a status that is not success."""
        with error:
            text = _message(error)
        if error.code not in BUSY or _is_hopeless(text):
            raise self._refusal(error.code, text) from error
        raise UnavailableError(f"status {error.code} {text}", is_busy=True, asked_s=_retry_after_s(error)) from error

    def _refusal(self, status: int, text: str) -> RefusalError:
        hints = {
            401: "set LOGOS_API_KEY to the key of the server",
            403: "set LOGOS_API_KEY to a key with this permission",
            404: "check that --base-url ends in /v1, and that --model is a model of the server",
        }
        error = RefusalError(status, f"the server refuses the request: {status} {text}", hint=hints.get(status))
        error.at(self.url)
        return error


def is_plain(text: str) -> bool:
    """Return whether a text can be part of a request: neither spaces, control characters nor characters beyond ASCII."""
    return _PLAIN.fullmatch(text) is not None


def report_wait(url: str, problem: UnavailableError, wait_s: float) -> bool:
    """Report a long wait for a server, and return whether it is one: a run that waits for minutes is not silent."""
    if wait_s >= _LONG_WAIT_S:
        LOGGER.warning("%s: %s; the next try is in %.0f s", url, one_line(problem.message), wait_s)
    return wait_s >= _LONG_WAIT_S


def _to_json(body: JsonMapping) -> bytes:
    return json.dumps(body).encode()


def _shown(content: bytes) -> str:
    """Return the beginning of an answer, on one line."""
    return " ".join(content[:_SHOWN].decode("utf-8", errors="replace").split())[:60] or "nothing"


def _is_hopeless(text: str) -> bool:
    """Whether an internal error of the server (500) will occur again (llama-cpp-python)."""
    return "logprobs is not supported" in text or "context window" in text


def _message(error: urllib.error.HTTPError) -> str:
    """Return the reason of a refusal in one line."""
    try:
        content = error.read(1 << 16)
    except (OSError, http.client.HTTPException):
        return str(error.reason)
    try:
        answer = json.loads(content)
        for name in ("error", "detail", "message"):
            if isinstance(answer, dict) and name in answer:
                answer = answer[name]
        text = answer if isinstance(answer, str) else json.dumps(answer)
    except (ValueError, RecursionError):
        text = content.decode("utf-8", errors="replace")
    return " ".join(text.split())[:_SHOWN] or str(error.reason)


def _retry_after_s(error: urllib.error.HTTPError) -> float | None:
    value = error.headers.get("Retry-After", "") if error.headers else ""
    try:
        return max(0.0, float(value))
    except ValueError:  # missing, or a date
        return None
