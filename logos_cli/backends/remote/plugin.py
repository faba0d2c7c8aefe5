"""A model served elsewhere: any server of OpenAI's completions (vLLM, SGLang, llama-server, llama_cpp.server).

The server tokenizes, batches and samples. It returns text, which ``engine.texts`` checks and requests again if
needed. See ``docs/guide/remote.md``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from logos_cli.backends.base import (
    Availability,
    BackendType,
    CharacterTokenizer,
    Checkpoint,
    Completer,
    LoadOptions,
    ModelInfo,
    TextAnswer,
    TextQuery,
)
from logos_cli.backends.remote.answers import context_tokens, parse_completion, parse_count, parse_echo, parse_models
from logos_cli.backends.remote.http import RefusalError, RetryPolicy, Server, is_plain
from logos_cli.backends.remote.servers import Servers
from logos_cli.errors import MissingError, ModelError, UsageError
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.io.json_types import JsonObject
from logos_cli.resources import EMBEDDED

N = TypeVar("N", int, float)

_KEY, _TIMEOUT, _TRIES = "LOGOS_API_KEY", "LOGOS_REMOTE_TIMEOUT_S", "LOGOS_REMOTE_TRIES"
_UNLIMITED = 1 << 30
_LONGEST_S = 30 * 86_400
_MOST_TAG_TOKENS = 4
"""Most tokens of two tags: BOS, two tags, and one more; a tokenizer without the tags needs a dozen."""


class RemoteCompleter(Completer):
    """A served model."""

    def __init__(self, servers: Servers, checkpoint: RemoteCheckpoint) -> None:
        hosts = [urlsplit(server.url) for server in servers.members]
        places = ",".join(f"{host.scheme}://{host.netloc}" for host in hosts)
        self.info = ModelInfo(checkpoint.name, "remote", places, "the server's")
        self.tokenizer = checkpoint.tokenizer
        self._server = servers
        self._checkpoint = checkpoint
        self._reports_logps = True
        self._examine()

    def _examine(self) -> None:
        """Check that the tags are tokens of the server's model, and whether its answers show them.

        Raises
        ------
        ModelError
            If the tags are not tokens of the model.
        """
        self.hides_tags = max(self._hides_tags(server) for server in self._server.members)

    def _hides_tags(self, server: Server) -> bool:
        ends = Kind.PROTEIN.start + Kind.PROTEIN.end
        n_tokens = self._checkpoint.count_on_server(ends, Servers([server]))
        if n_tokens is not None and n_tokens > _MOST_TAG_TOKENS:
            raise ModelError(
                f"the server reads the two tags {ends} as {n_tokens} tokens: its model was not trained for the grammar",
                source=server.url,
                hint="serve a model trained on LOGOS sentences, for example one of logos train --from",
            )
        prompt = f"{Kind.PROTEIN.start}MK{Kind.PROTEIN.end}{Operator.SEARCH.value}"
        body = self._body(TextQuery(prompt, 0, 2, 0.0, 0, 1.0, 0.0, 1.0))
        body.pop("logprobs")
        answer = Servers([server]).post("/completions", body, partial(parse_completion, max_tokens=2))
        # a search repeats the sequence: its answer begins with a tag
        return "<" not in answer.text

    def complete(self, query: TextQuery) -> TextAnswer:
        """Complete one text."""
        body = self._body(query)
        parse = partial(parse_completion, max_tokens=int(str(body["max_tokens"])))
        try:
            answer = self._server.post("/completions", body, parse)
        except RefusalError as error:
            if "logprobs" not in body or "logprob" not in str(error):
                raise
            self._reports_logps = False
            answer = self._server.post("/completions", self._body(query), parse)
        text, stopped = answer.text, answer.finish == "stop"
        if stopped and query.stop and not text.endswith(query.stop) and not answer.is_complete:
            text += query.stop
        return TextAnswer(text, answer.logps, stopped)

    def read(self, text: str) -> list[tuple[str, float]] | None:
        """Return the log-probabilities of a text, which the server echoes with one generated token."""
        if self._checkpoint.count_tokens(text) >= self._checkpoint.context_tokens - 1:
            return None
        body = self._body(TextQuery(text, 0, 1, 0.0, 0, 1.0, 0.0, 1.0)) | {"echo": True, "logprobs": 1}
        body["max_tokens"] = 1
        read = self._server.post("/completions", body, partial(parse_echo, text=text))
        if read is None:
            raise self._no_logps_error()
        return read

    def _no_logps_error(self) -> ModelError:
        return ModelError(
            "the server does not report log-probabilities of given texts: it must echo a prompt with them",
            source=self._server.url,
            hint="vLLM and llama_cpp.server do; else run the model on this machine (--backend torch or llamacpp)",
        )

    def _body(self, query: TextQuery) -> JsonObject:
        """Return the request; field names differ between servers, which ignore unknown fields."""
        body: JsonObject = {
            "model": self._checkpoint.served_name,
            "prompt": query.prompt,
            "max_tokens": self._checkpoint.max_tokens(query),
            "temperature": query.temperature,
            "top_p": query.top_p,
            "top_k": query.top_k,
            "min_p": query.min_p,
            "seed": query.seed,
            "stream": False,
            # vLLM and SGLang, then llama.cpp, whose default is the last 64 tokens
            "repetition_penalty": query.repetition_penalty,
            "repeat_penalty": query.repetition_penalty,
            "repeat_last_n": -1,
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
        }
        if self._reports_logps:
            body["logprobs"] = 1
        if query.stop is not None:
            body |= {"stop": [query.stop], "include_stop_str_in_output": True}
        return body


class RemoteCheckpoint(Checkpoint):
    """The model of a server."""

    is_served = True

    def __init__(self, servers: Servers, model: str) -> None:
        self._server = servers
        entries = [_find(server, model) for server in servers.members]
        names = [str(entry["id"]) for entry in entries]
        if len(set(names)) > 1:
            raise UsageError(
                f"the servers have different models: {', '.join(dict.fromkeys(names))}",
                source=servers.url,
                hint="name the one that all have with --model",
            )
        self.served_name = names[0]
        self.name = self.served_name
        self.tokenizer = CharacterTokenizer()
        self.context_tokens = min(context_tokens(entry) or _UNLIMITED for entry in entries)
        self._can_count = True

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a prompt, counted on the server only if the prompt may be too long."""
        n_characters = len(self.tokenizer.encode(text))
        if n_characters < self.context_tokens:
            return n_characters
        n_tokens = self.count_on_server(text)
        # a server that cannot count refuses a prompt that is too long
        return self.context_tokens - 1 if n_tokens is None else n_tokens

    def count_on_server(self, text: str, servers: Servers | None = None) -> int | None:
        """Return the number of tokens of a text on the server; None if the server cannot count."""
        requests = (
            ("/tokenize", {"model": self.served_name, "prompt": text, "content": text, "add_special": True}),
            ("/extras/tokenize/count", {"model": self.served_name, "input": text}),
        )
        for path, body in requests if self._can_count else ():
            n_tokens = parse_count((servers or self._server).post_once(path, body), text)
            if n_tokens is not None:
                return n_tokens
        self._can_count = False
        return None

    def max_tokens(self, query: TextQuery) -> int:
        """Return the number of tokens to request: servers refuse a number that could exceed the context."""
        n_tokens = len(self.tokenizer.encode(query.prompt))
        if n_tokens + query.max_new_tokens > self.context_tokens:
            n_tokens = self.count_on_server(query.prompt) or n_tokens
        return max(1, min(query.max_new_tokens, self.context_tokens - n_tokens))

    def load(self) -> RemoteCompleter:
        """Connect to the server."""
        return RemoteCompleter(self._server, self)


def _find(server: Server, model: str) -> JsonObject:
    """Return what a server reports on a model.

    Raises
    ------
    ModelError
        If it lists no models.
    UsageError
        If it does not have this one.
    """
    entries = parse_models(server.get("/models"))
    if not entries:
        raise ModelError(
            "the server does not list its models", source=server.url, hint="give the address that ends in /v1"
        )
    if model == EMBEDDED and len({entry["id"] for entry in entries}) == 1:
        return entries[0]  # --model was not given, and the server has one model
    named = next((entry for entry in entries if entry["id"] == model), None)
    if named is None:
        names = ", ".join(dict.fromkeys(str(entry["id"]) for entry in entries[:5]))
        raise UsageError(f"the server has no model {model!r}", source=server.url, hint=f"--model {names}")
    return named


class Remote(BackendType):
    """A server of OpenAI's completions."""

    name = "remote"
    own_options = ("base_url",)
    served = True

    def probe(self) -> Availability:
        """Return that it is available: it needs no library."""
        return Availability(available=True, version="HTTP")

    def accepts(self, _path: Path, _options: LoadOptions) -> bool:
        """Return False: it reads no files."""
        return False

    def open(self, _path: Path, options: LoadOptions, _revision: str | None) -> RemoteCheckpoint:
        """Return the model of the server."""
        if not options.base_url:
            raise UsageError(
                "the backend remote needs the address of a server", hint="give --base-url http://HOST:PORT/v1"
            )
        for name, unset in (("device", "auto"), ("dtype", "auto"), ("threads", None), ("revision", None)):
            if getattr(options, name) != unset:
                raise UsageError(
                    f"the backend remote has no option --{name}: the server sets it", hint=f"remove --{name}"
                )
        retries = _retries()
        addresses = dict.fromkeys(each.strip() for each in options.base_url.split(","))
        servers = [Server.at(address, _key(), retries) for address in addresses]
        for server in servers:
            if options.offline and not server.is_local:
                raise MissingError(
                    "--offline forbids connections, and the server is on another machine",
                    source=server.url,
                    hint="remove --offline, or run the server on this machine",
                )
        return RemoteCheckpoint(Servers(servers), options.model)


def _key() -> str | None:
    """Return the key from the environment.

    Raises
    ------
    UsageError
        If a request cannot carry it; the message does not show it.
    """
    key = os.environ.get(_KEY) or None
    if key is not None and not is_plain(key):
        raise UsageError(
            f"{_KEY} has a character that no key has",
            hint="a line break, a space or a letter beyond ASCII; see how it is set",
        )
    return key


def _retries() -> RetryPolicy:
    """Return the time-out and the number of tries from the environment, or the defaults."""
    default = RetryPolicy()
    timeout_s = _number(_TIMEOUT, float, default.timeout_s)
    tries = _number(_TRIES, int, default.tries)
    if not 0 < timeout_s <= _LONGEST_S:
        raise UsageError(f"{_TIMEOUT} must be more than 0, and at most {_LONGEST_S:,} s")
    if tries < 1:
        raise UsageError(f"{_TRIES} must be at least 1")
    return RetryPolicy(tries=tries, timeout_s=timeout_s)


def _number(variable: str, kind: Callable[[str], N], default: N) -> N:
    try:
        return kind(text) if (text := os.environ.get(variable)) else default
    except ValueError as error:
        raise UsageError(f"{variable} is not a number") from error


PLUGIN = Remote()
