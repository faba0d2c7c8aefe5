"""JSON over HTTP to a server that may be busy: time-outs, retries with back-off, errors in plain words."""

from __future__ import annotations

import http.client
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

from logos_cli.errors import LogosError, MissingError, ModelError, UsageError

BUSY = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
"""Answers after which the same request may succeed later."""

_LARGEST_ANSWER = 1 << 28
_SHOWN = 300
_FIRST_TRIES = 3
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait, in seconds, and how often to try.

    The wait before the n-th retry is drawn uniformly from 0 to ``first_s * 2**n``, at most ``longest_s``: many
    clients that failed together do not come back together. A server that names a time is obeyed.
    """

    tries: int = 7
    first_s: float = 0.5
    longest_s: float = 30.0
    timeout_s: float = 600.0

    def wait_s(self, retry: int, asked_s: float | None) -> float:
        """Return the wait before a retry, counted from 0."""
        if asked_s is not None:
            return min(asked_s, 4 * self.longest_s)
        return random.uniform(0, min(self.longest_s, self.first_s * 2**retry))  # noqa: S311 - no secret


class RefusalError(ModelError):
    """The server understood the request and will not do it.

    Attributes
    ----------
    status : int
        Of HTTP.
    """

    def __init__(self, status: int, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it could carry prompts and key to another host."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        del req, fp, code, msg, headers, newurl


@dataclass(frozen=True, slots=True)
class Server:
    """A server, by the address under which ``/completions`` lies.

    Attributes
    ----------
    url : str
        Without a slash at the end.
    key : str, optional
        Sent as a bearer token.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    patience: RetryPolicy = field(default_factory=RetryPolicy)

    @classmethod
    def at(cls, url: str, key: str | None, patience: RetryPolicy) -> Server:
        """Take an address as users give it, with or without ``/v1``.

        Raises
        ------
        UsageError
            If it is no address of HTTP.
        """
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            good = False
        if not good or parts.query or parts.fragment or parts.username:
            raise UsageError(f"{url!r} is no address of a server", hint="give one like http://127.0.0.1:8000/v1")
        return cls(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v1'}", key, patience)

    @property
    def root(self) -> str:
        """The address without ``/v1``, where servers keep what is their own."""
        return self.url.removesuffix("/v1")

    @property
    def is_local(self) -> bool:
        """Whether it is this machine."""
        return urlsplit(self.url).hostname in _LOOPBACK

    def get(self, path: str) -> Any:
        """Return the answer to a GET, the first thing that is asked of a server: it fails soon."""
        return self._ask(self.url + path, None, min(self.patience.tries, _FIRST_TRIES))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the answer to a POST."""
        return self._ask(self.url + path, json.dumps(body).encode(), self.patience.tries)

    def post_once(self, url: str, body: Mapping[str, Any]) -> Any:
        """Return the answer to a POST that not every server knows; None where it does not."""
        try:
            return self._try(url, json.dumps(body).encode())
        except (OSError, ValueError, http.client.HTTPException, LogosError):
            return None

    def _ask(self, url: str, body: bytes | None, tries: int) -> Any:
        problem = ""
        for retry in range(tries):
            asked_s = None
            try:
                return self._try(url, body)
            except urllib.error.HTTPError as error:
                text = _message(error)
                if error.code not in BUSY or _is_hopeless(text):
                    raise self._refusal(error.code, text) from error
                problem, asked_s = f"it answers {error.code} {text}", _retry_after_s(error)
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = getattr(error, "reason", None) or error
                problem = str(reason) or type(reason).__name__
            if retry + 1 < tries:
                time.sleep(self.patience.wait_s(retry, asked_s))
        raise MissingError(
            f"the server gave no answer in {tries} tries: {problem}",
            source=self.url,
            hint="see whether it runs and listens there; finished records are kept",
        )

    def _try(self, url: str, body: bytes | None) -> Any:
        headers = {"Accept": "application/json", "User-Agent": "logos"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - the scheme has been checked
        # a proxy of the environment leads out, not back to this machine
        proxies = urllib.request.ProxyHandler({} if self.is_local else None)
        opener = urllib.request.build_opener(_NoRedirect, proxies)
        with opener.open(request, timeout=self.patience.timeout_s) as response:
            content = response.read(_LARGEST_ANSWER)
        return json.loads(content)

    def _refusal(self, status: int, text: str) -> RefusalError:
        hints = {
            401: "set LOGOS_API_KEY to the server's key",
            403: "set LOGOS_API_KEY to a key that may do this",
            404: "see whether --base-url ends in /v1, and --model names a model that it serves",
        }
        error = RefusalError(status, f"the server refuses: {status} {text}", hint=hints.get(status))
        error.at(self.url)
        return error


def _is_hopeless(text: str) -> bool:
    """Whether a server calls a failure of its own (500) what will fail again (llama-cpp-python)."""
    return "logprobs is not supported" in text or "context window" in text


def _message(error: urllib.error.HTTPError) -> str:
    """Return what a server says of its refusal, in one line."""
    try:
        content = error.read(1 << 16)
    except (OSError, http.client.HTTPException):
        return str(error.reason)
    try:
        said = json.loads(content)
        for name in ("error", "detail", "message"):
            if isinstance(said, dict) and name in said:
                said = said[name]
        text = said if isinstance(said, str) else json.dumps(said)
    except ValueError:
        text = content.decode("utf-8", errors="replace")
    return " ".join(text.split())[:_SHOWN] or str(error.reason)


def _retry_after_s(error: urllib.error.HTTPError) -> float | None:
    value = error.headers.get("Retry-After", "") if error.headers else ""
    try:
        return max(0.0, float(value))
    except ValueError:  # none, or a date
        return None
