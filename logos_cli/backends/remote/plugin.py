"""A model served elsewhere: any server of OpenAI's completions (vLLM, SGLang, llama-server, llama_cpp.server).

The server tokenizes, batches and samples. What it gives back is text, checked and if need be asked for again
by ``engine.texts``. See ``docs/guide/remote.md``.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any
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
from logos_cli.backends.remote.http import RefusalError, RetryPolicy, Server
from logos_cli.errors import MissingError, ModelError, UsageError
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.resources import EMBEDDED

_KEY, _TIMEOUT, _TRIES = "LOGOS_API_KEY", "LOGOS_REMOTE_TIMEOUT_S", "LOGOS_REMOTE_TRIES"
_UNLIMITED = 1 << 30
_MOST_TAG_TOKENS = 4
"""Tokens of two tags: begin, two tags, and one to spare; a tokenizer without the tags takes a dozen."""


class RemoteCompleter(Completer):
    """A served model."""

    def __init__(self, server: Server, checkpoint: RemoteCheckpoint) -> None:
        host = urlsplit(server.url)
        self.info = ModelInfo(checkpoint.name, "remote", f"{host.scheme}://{host.netloc}", "the server's")
        self.tokenizer = checkpoint.tokenizer
        self._server = server
        self._checkpoint = checkpoint
        self._gives_logps = True
        self._examine()

    def _examine(self) -> None:
        """Find out whether the server's model knows the tags, and whether its answers show them.

        Raises
        ------
        ModelError
            If the tags are no tokens of the model.
        """
        ends = Kind.PROTEIN.start + Kind.PROTEIN.end
        counted = self._checkpoint.count_on_server(ends)
        if counted is not None and counted > _MOST_TAG_TOKENS:
            raise ModelError(
                f"the server reads the two tags {ends} as {counted} tokens: its model does not know the grammar",
                source=self._server.url,
                hint="serve a model trained on LOGOS sentences; logos train --from makes one",
            )
        prompt = f"{Kind.PROTEIN.start}MK{Kind.PROTEIN.end}{Operator.SEARCH.value}"
        body = self._body(TextQuery(prompt, 0, 2, 0.0, 0, 1.0, 0.0, 1.0))
        body.pop("logprobs")
        choice = _choice(self._server.post("/completions", body))
        # a sequence is searched by writing it again: the answer to this begins with a tag
        self.hides_tags = "<" not in str(choice.get("text", ""))

    def complete(self, query: TextQuery) -> TextAnswer:
        """Complete one text."""
        body = self._body(query)
        try:
            answer = self._server.post("/completions", body)
        except RefusalError as error:
            if "logprobs" not in body or "logprob" not in str(error):
                raise
            self._gives_logps = False
            answer = self._server.post("/completions", self._body(query))
        choice = _choice(answer)
        text = str(choice.get("text") or "")
        stopped = choice.get("finish_reason") == "stop"
        if stopped and query.stop and not text.endswith(query.stop) and not _ended_by_itself(answer, choice):
            text += query.stop
        return TextAnswer(text, _logps(answer, choice), stopped)

    def read(self, text: str) -> list[tuple[str, float]] | None:
        """Let the server echo a text with its log-probabilities, and generate as good as nothing."""
        if self._checkpoint.count_tokens(text) >= self._checkpoint.context_tokens - 1:
            return None
        body = self._body(TextQuery(text, 0, 1, 0.0, 0, 1.0, 0.0, 1.0)) | {"echo": True, "logprobs": 1}
        body["max_tokens"] = 1
        given = _choice(self._server.post("/completions", body)).get("logprobs")
        pieces = given.get("tokens") if isinstance(given, dict) else None
        logps = given.get("token_logprobs") if isinstance(given, dict) else None
        if not isinstance(pieces, list) or not isinstance(logps, list) or len(pieces) != len(logps):
            raise self._tells_nothing()
        read: list[tuple[str, float]] = []
        place = 0
        for piece, logp in zip(map(str, pieces), logps, strict=True):
            if place >= len(text):  # what it generated
                break
            place = place + len(piece) if text.startswith(piece, place) else place
            read.append((piece, float(logp) if isinstance(logp, (int, float)) else math.nan))
        if place < len(text) or sum(math.isnan(logp) for _, logp in read) > 1:
            raise self._tells_nothing()
        return read

    def _tells_nothing(self) -> ModelError:
        return ModelError(
            "the server does not tell how probable given texts are: it must echo a prompt with its log-probabilities",
            source=self._server.url,
            hint="vLLM and llama_cpp.server do; else run the model here (--backend torch or llamacpp)",
        )

    def _body(self, query: TextQuery) -> dict[str, Any]:
        """Return the request; servers leave unheeded what they do not know, and names differ between them."""
        body: dict[str, Any] = {
            "model": self._checkpoint.served_name,
            "prompt": query.prompt,
            "max_tokens": self._checkpoint.room(query),
            "temperature": query.temperature,
            "top_p": query.top_p,
            "top_k": query.top_k,
            "min_p": query.min_p,
            "seed": query.seed,
            "stream": False,
            # vLLM and SGLang, then llama.cpp, which else looks back 64 tokens only
            "repetition_penalty": query.repetition_penalty,
            "repeat_penalty": query.repetition_penalty,
            "repeat_last_n": -1,
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
        }
        if self._gives_logps:
            body["logprobs"] = 1
        if query.stop is not None:
            body |= {"stop": [query.stop], "include_stop_str_in_output": True}
        return body


def _choice(answer: Any) -> dict[str, Any]:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        raise ModelError("the server's answer holds no completion", hint="it must serve OpenAI's /v1/completions")
    return choice


def _ended_by_itself(answer: Any, choice: dict[str, Any]) -> bool:
    """Whether the server says that the model ended its text, rather than that the stop text came."""
    if "stop_type" in answer:  # llama-server
        return bool(answer["stop_type"] != "word")
    if "stop_reason" in choice:  # vLLM: the text that came, or None
        return not isinstance(choice["stop_reason"], str)
    if "matched_stop" in choice:  # SGLang: the text that came, or the id of a token
        return not isinstance(choice["matched_stop"], str)
    return False


def _logps(answer: Any, choice: dict[str, Any]) -> tuple[float, ...]:
    given = choice.get("logprobs") or {}
    found = given.get("token_logprobs") if isinstance(given, dict) else None
    if found is None and isinstance(given, dict) and isinstance(given.get("content"), list):  # llama-server
        found = [entry.get("logprob") for entry in given["content"]]
    if isinstance(found, list) and found:
        return tuple(float(value) if isinstance(value, (int, float)) else math.nan for value in found)
    usage = answer.get("usage")
    n_tokens = usage.get("completion_tokens", 0) if isinstance(usage, dict) else 0
    return (math.nan,) * int(n_tokens or 0)


class RemoteCheckpoint(Checkpoint):
    """What a server says of the model that it serves."""

    def __init__(self, server: Server, model: str) -> None:
        self._server = server
        entry = self._find(model)
        self.served_name = str(entry.get("id"))
        self.name = self.served_name
        self.tokenizer = CharacterTokenizer()
        meta = entry.get("meta")
        found = entry.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
        self.context_tokens = int(found) if isinstance(found, int) and found > 0 else _UNLIMITED
        self._counts = True

    def _find(self, model: str) -> dict[str, Any]:
        answer = self._server.get("/models")
        served = answer.get("data") if isinstance(answer, dict) else None
        entries = [each for each in served or [] if isinstance(each, dict) and each.get("id")]
        if not entries:
            raise ModelError(
                "the server does not say which models it serves",
                source=self._server.url,
                hint="give the address that ends in /v1",
            )
        named = next((each for each in entries if each["id"] == model), None)
        if named is None and (model == EMBEDDED and len(entries) == 1):
            named = entries[0]  # no model was asked for, and there is one
        if named is None:
            names = ", ".join(str(each["id"]) for each in entries[:5])
            raise UsageError(f"the server serves no model {model!r}", source=self._server.url, hint=f"--model {names}")
        return named

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a prompt is, asking the server only if it may be too many."""
        n_characters = len(self.tokenizer.encode(text))
        if n_characters < self.context_tokens:
            return n_characters
        counted = self.count_on_server(text)
        # where it cannot be counted, the server will say so itself if it is too long
        return self.context_tokens - 1 if counted is None else counted

    def count_on_server(self, text: str) -> int | None:
        """Return how many tokens the server reads a text as; None if it cannot be asked."""
        ways = (
            ("/tokenize", {"model": self.served_name, "prompt": text, "content": text, "add_special": True}),
            ("/extras/tokenize/count", {"model": self.served_name, "input": text}),
        )
        for path, body in ways if self._counts else ():
            answer = self._server.post_once(self._server.root + path, body)
            if isinstance(answer, dict):
                tokens = answer.get("count", answer.get("tokens"))
                if isinstance(tokens, (int, list)):
                    return tokens if isinstance(tokens, int) else len(tokens)
        self._counts = False
        return None

    def room(self, query: TextQuery) -> int:
        """Return how many tokens may be asked for: servers refuse what could exceed the context."""
        n_tokens = len(self.tokenizer.encode(query.prompt))
        if n_tokens + query.max_new_tokens > self.context_tokens:
            n_tokens = self.count_on_server(query.prompt) or n_tokens
        return max(1, min(query.max_new_tokens, self.context_tokens - n_tokens))

    def load(self) -> RemoteCompleter:
        """Connect to the server."""
        return RemoteCompleter(self._server, self)


class Remote(BackendType):
    """A server of OpenAI's completions."""

    name = "remote"
    own_options = ("base_url",)
    served = True

    def probe(self) -> Availability:
        """Return that it is there: it needs no library."""
        return Availability(available=True, version="HTTP")

    def accepts(self, path: Path) -> bool:  # noqa: ARG002
        """Return False: it runs no files."""
        return False

    def open(self, path: Path, options: LoadOptions, revision: str | None) -> RemoteCheckpoint:  # noqa: ARG002
        """Ask the server what it serves."""
        if not options.base_url:
            raise UsageError(
                "the backend remote needs the address of a server", hint="give --base-url http://HOST:PORT/v1"
            )
        for name, unset in (("device", "auto"), ("dtype", "auto"), ("threads", None), ("revision", None)):
            if getattr(options, name) != unset:
                raise UsageError(f"--{name} is the server's to choose, not ours", hint=f"leave out --{name}")
        patience = _patience()
        server = Server.at(options.base_url, os.environ.get(_KEY) or None, patience)
        if options.offline and not server.is_local:
            raise MissingError(
                "no connection may be made (--offline), and the server is on another machine", source=server.url
            )
        return RemoteCheckpoint(server, options.model)


def _patience() -> RetryPolicy:
    """Return how long to wait and how often to try, as the environment says."""
    usual = RetryPolicy()
    try:
        timeout_s = float(os.environ.get(_TIMEOUT) or usual.timeout_s)
        tries = int(os.environ.get(_TRIES) or usual.tries)
    except ValueError as error:
        raise UsageError(f"{_TIMEOUT} or {_TRIES} is no number") from error
    if timeout_s <= 0 or tries < 1:
        raise UsageError(f"{_TIMEOUT} must be more than 0, and {_TRIES} at least 1")
    return RetryPolicy(tries=tries, timeout_s=timeout_s)


PLUGIN = Remote()
