"""The remote backend against a real server (llama_cpp.server) and against one that misbehaves on purpose."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from logos_cli import generate, score
from logos_cli.backends.base import Completer, LoadOptions, open_model
from logos_cli.backends.remote import http
from logos_cli.backends.remote import plugin as remote
from logos_cli.backends.remote.http import RetryPolicy, Server
from logos_cli.engine import texts
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Finish, Request
from logos_cli.engine.start import in_request_order
from logos_cli.engine.texts import CompletionEngine
from logos_cli.errors import ExitCode, LogosError, MissingError, ModelError, UsageError
from logos_cli.grammar import parse
from logos_cli.grammar.constrain import grammar
from logos_cli.records import Record
from logos_cli.resources import EMBEDDED, data_path
from logos_cli.workflows.generate.generation import Generation
from logos_cli.workflows.generate.options import GenerateOptions
from logos_cli.workflows.generate.plan import plan_generation

Reply = tuple[int, Any] | None
"""Status and body of an answer; None hangs up."""


@dataclass
class Stub:
    """A server whose completions are scripted: ``reply`` is asked for each."""

    reply: Callable[[dict[str, Any]], Reply]
    model: dict[str, Any] = field(default_factory=lambda: {"id": "stub"})
    count: int | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    together: int = 0
    most_together: int = 0
    url: str = ""


def _text(text: str, finish: str = "stop", **choice: Any) -> Reply:
    logprobs = {"token_logprobs": [-0.5] * len(text)}
    return 200, {"choices": [{"text": text, "finish_reason": finish, "logprobs": logprobs, **choice}]}


def _shows_tags(body: dict[str, Any]) -> bool:
    return bool(body["prompt"].endswith("<Search>"))


@pytest.fixture
def serve() -> Iterator[Callable[..., Stub]]:
    """Start stub servers on loopback."""
    servers: list[ThreadingHTTPServer] = []

    def start(reply: Callable[[dict[str, Any]], Reply], **known: Any) -> Stub:
        stub, lock = Stub(reply, **known), threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def _send(self, answer: Reply) -> None:
                if answer is None:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, body = answer
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                if status in (302, 429):
                    self.send_header("Retry-After" if status == 429 else "Location", "0")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                self._send((200, {"data": [stub.model]}) if self.path == "/v1/models" else (404, {}))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/tokenize":
                    self._send((404, {}) if stub.count is None else (200, {"count": stub.count}))
                    return
                if self.path != "/v1/completions":
                    self._send((404, {"detail": "Not Found"}))
                    return
                if _shows_tags(body):
                    self._send(_text("<ProteinS>"))
                    return
                with lock:
                    stub.asked.append(body)
                    stub.headers.append(dict(self.headers))
                    stub.together += 1
                    stub.most_together = max(stub.together, stub.most_together)
                try:
                    answer = stub.reply(body)
                finally:
                    with lock:
                        stub.together -= 1
                self._send(answer)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        stub.url = f"http://127.0.0.1:{server.server_address[1]}"
        return stub

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetryPolicy, "wait_s", lambda self, retry, asked_s: 0.001)


def _completer(stub: Stub, **options: Any) -> Completer:
    loaded = open_model(LoadOptions(base_url=stub.url, **options)).load()
    assert isinstance(loaded, Completer)
    return loaded


def _run(stub: Stub, n: int = 1, batch_size: int = 4, **request: Any) -> list[Completion]:
    completer = _completer(stub)
    ids = tuple(completer.tokenizer.encode("<MoleculeS>"))
    bound = {"grammar": grammar("molecule"), "given": "<MoleculeS>"} | request
    bound.setdefault("end", completer.tokenizer.tag_ids["<MoleculeE>"])
    engine = CompletionEngine(completer, Sampling(max_new_tokens=50), batch_size=batch_size, seed=1)
    return list(in_request_order(engine.run(Request(f"m#{number}", ids, **bound) for number in range(n))))


def _texts(completer_tokens: list[Completion]) -> list[str]:
    from logos_cli.backends.base import CharacterTokenizer

    return [CharacterTokenizer().decode(each.tokens) for each in completer_tokens]


def test_completions_come_in_the_order_of_the_requests_and_several_at_a_time(serve: Callable[..., Stub]) -> None:
    def slow_first(body: dict[str, Any]) -> Reply:
        time.sleep(0.2 if len(stub.asked) == 1 else 0.01)
        return _text(f"{'C' * (body['seed'] % 9 + 1)}<MoleculeE>")

    stub = serve(slow_first)
    done = _run(stub, 30, batch_size=6)
    assert [each.request.id for each in done] == [f"m#{number}" for number in range(30)]
    assert [each.index for each in done] == list(range(30))
    assert 2 <= stub.most_together <= 6
    assert len({body["seed"] for body in stub.asked}) == 30
    assert all(0 <= body["seed"] < 1 << 31 for body in stub.asked)
    assert len(set(_texts(done))) > 3
    assert sum(done[0].logps) == pytest.approx(-0.5 * len(done[0].logps))


def test_a_request_says_all_that_servers_of_various_kinds_want_to_know(serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: _text("CC<MoleculeE>"))
    _run(stub)
    (body,) = stub.asked
    assert body["prompt"] == "<MoleculeS>"
    assert body["max_tokens"] == 50
    assert body["repetition_penalty"] == body["repeat_penalty"] == 1.0
    assert body["stop"] == ["<MoleculeE>"]
    assert body["skip_special_tokens"] is False
    assert body["logprobs"] == 1
    assert body["model"] == "stub"
    assert body["temperature"] == 1


def test_a_greedy_request_is_asked_for_cold_and_once(serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: _text("nothing of the kind"))
    _run(stub, greedy=True)
    (body,) = stub.asked
    assert body["temperature"] == 0


@pytest.mark.parametrize("failure", [(429, {}), (500, {"error": "busy"}), (503, b"<html>"), None, (200, b"{trunc")])
def test_what_may_pass_is_tried_again(failure: Reply, serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: failure if len(stub.asked) < 4 else _text("CCO<MoleculeE>"))
    (done,) = _run(stub)
    assert _texts([done]) == ["CCO<MoleculeE>"]
    assert len(stub.asked) == 4
    assert len({json.dumps(body) for body in stub.asked}) == 1


def _hang_up_after(n: int) -> Callable[[dict[str, Any]], Reply]:
    """Return the replies of a server that answers so often, and then is gone."""
    answers = iter([_text("CCO<MoleculeE>")] * n)
    return lambda _: next(answers, None)


def test_several_servers_share_the_work_by_load(serve: Callable[..., Stub]) -> None:
    def slow(_: dict[str, Any]) -> Reply:
        time.sleep(0.03)
        return _text("CCO<MoleculeE>")

    def slower(_: dict[str, Any]) -> Reply:
        time.sleep(0.12)
        return _text("CCO<MoleculeE>")

    fast, late = serve(slow), serve(slower)
    both = Stub(slow, url=f"{fast.url},{late.url}")
    done = _run(both, 60, batch_size=8)
    assert [each.finish for each in done] == [Finish.STOP] * 60
    assert len(fast.asked) + len(late.asked) == 60
    assert len(fast.asked) > 1.4 * len(late.asked) > 7  # as fast as each answers
    assert _completer(both).info.device == f"{fast.url},{late.url}"


def test_a_server_that_dies_leaves_the_work_to_the_others(
    serve: Callable[..., Stub], caplog: pytest.LogCaptureFixture
) -> None:
    dying, living = serve(_hang_up_after(5)), serve(lambda _: _text("CCO<MoleculeE>"))
    done = _run(Stub(living.reply, url=f"{dying.url},{living.url}"), 40)
    assert [each.finish for each in done] == [Finish.STOP] * 40
    assert len(living.asked) == 35
    assert 6 <= len(dying.asked) <= 9  # no more than were on their way
    (line,) = [record.getMessage() for record in caplog.records if "servers go on" in record.getMessage()]
    assert line.startswith(f"{dying.url}/v1 does not answer as it should: ")


def test_servers_that_are_all_gone_end_the_run(serve: Callable[..., Stub]) -> None:
    one, two = serve(_hang_up_after(3)), serve(_hang_up_after(3))
    with pytest.raises(MissingError, match="did not answer in 7 tries") as caught:
        _run(Stub(one.reply, url=f"{one.url},{two.url}"), 20)
    assert caught.value.source == f"{one.url}/v1,{two.url}/v1"


def test_servers_of_different_models_are_refused(serve: Callable[..., Stub]) -> None:
    one, two = serve(_hang_up_after(0)), serve(_hang_up_after(0), model={"id": "another", "max_model_len": 90})
    with pytest.raises(UsageError, match="different models: stub, another"):
        _completer(Stub(one.reply, url=f"{one.url},{two.url}"))
    with pytest.raises(UsageError, match="has no model 'stub'"):
        _completer(Stub(one.reply, url=f"{one.url},{two.url}"), model="stub")


_DEEP = b"[" * 100_000
_HUGE_COUNT = {"choices": [{"text": "CC", "finish_reason": "stop"}], "usage": {"completion_tokens": 10**12}}


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"null", b"5", b"[]", b"{}", b"\xff\xfe", b'"text"', _DEEP, b"1" * 10_000, b'{"choices": 5}'),
        *(b'{"choices": []}', b'{"choices": [null]}', b'{"choices": {"0": {"text": "CC"}}}'),
        *(b'{"choices": [{"text": {"a": 1}}]}', b'{"choices": [{"text": ["CC"]}]}', b'{"choices": [{"text": 1}]}'),
        b'{"choices": [{"text": "\\ud800", "finish_reason": "stop"}]}',
        json.dumps(_HUGE_COUNT).encode(),
        json.dumps(_HUGE_COUNT | {"usage": {"completion_tokens": "many"}}).encode(),
        json.dumps(_HUGE_COUNT | {"usage": {"completion_tokens": -3}}).encode(),
        json.dumps({"choices": [{"text": "CC", "logprobs": {"token_logprobs": [0.0] * 500}}]}).encode(),
        json.dumps({"choices": [{"text": "C" * 20_000, "finish_reason": "stop"}]}).encode(),  # for 50 tokens
    ],
)
def test_an_answer_of_any_other_shape_is_tried_again_and_then_reported(
    answer: bytes, serve: Callable[..., Stub]
) -> None:
    stub = serve(lambda body: (200, answer))
    with pytest.raises(ModelError, match="answers cannot be used, in 7 tries") as caught:
        _run(stub)
    assert len(stub.asked) == 7
    assert caught.value.source == f"{stub.url}/v1"
    passing = serve(lambda body: (200, answer) if len(passing.asked) < 3 else _text("CCO<MoleculeE>"))
    assert _texts(_run(passing)) == ["CCO<MoleculeE>"]


@pytest.mark.parametrize(
    "models",
    [5, [], {"id": 3}, {"id": None}, {"id": ["stub"]}, {"id": {}}, "stub", None, {"id": ""}, {"id": "m" * 5000}],
)
def test_a_list_of_models_of_any_other_shape_is_refused(models: Any, serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: _text("CC"), model=models)
    with pytest.raises(ModelError, match="does not list its models"):
        _completer(stub)


@pytest.mark.parametrize("claimed", [10**400, -5, True, "9", 10**12])
def test_counts_that_cannot_be_are_not_believed(claimed: Any, serve: Callable[..., Stub]) -> None:
    stub = serve(
        lambda body: _text("CC<MoleculeE>"), model={"id": "stub", "max_model_len": 60, "meta": claimed}, count=claimed
    )
    (record,) = generate("molecule", "C" * 40, base_url=stub.url)
    assert record.status == "ok"
    odd = serve(lambda body: _text("CC<MoleculeE>"), model={"id": "stub", "max_model_len": claimed})
    (done,) = _run(odd)
    assert done.finish is Finish.STOP


def test_log_probabilities_that_are_none_are_not_numbers(serve: Callable[..., Stub]) -> None:
    odd = b'[-0.5, null, true, "x", 1e999, NaN, -Infinity, 5.0, -1e308, ' + b"9" * 400 + b"]"
    answer = b'{"choices": [{"text": "CC<MoleculeE>", "finish_reason": "stop", "logprobs": {"token_logprobs": %s}}]}'
    (done,) = _run(serve(lambda body: (200, answer % odd)))
    assert done.logps[0] == -0.5
    assert all(logp != logp for logp in done.logps[1:])
    assert len(done.logps) == 10


def test_an_answer_without_log_probabilities_and_counts_claims_none(serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: (200, {"choices": [{"text": "CC<MoleculeE>", "finish_reason": "stop"}]}))
    (record,) = generate("molecule", base_url=stub.url)
    assert (record.status, record.sample["logp"], record.sample.get("n_tokens")) == ("ok", None, None)


_TAGGED = re.compile("<[A-Za-z]+>|.")


def _echo(before: Sequence[str] = (), *, junk: bool = False) -> Callable[[dict[str, Any]], Reply]:
    def reply(body: dict[str, Any]) -> Reply:
        tokens = _TAGGED.findall(body["prompt"])
        tokens = [*before, *tokens[:2], *(["junk"] if junk else []), *tokens[2:], "C"]
        logps = [None] + [-0.25] * (len(tokens) - 1)
        return 200, {"choices": [{"text": "C", "logprobs": {"tokens": tokens, "token_logprobs": logps}}]}

    return reply


@pytest.mark.parametrize("before", [[], ["<s>"], ["", ""], ["<s>", ""]])
def test_the_tokens_of_an_echo_are_those_of_the_text(before: list[str], serve: Callable[..., Stub]) -> None:
    read = _completer(serve(_echo(before))).read("<MoleculeS>CC<MoleculeE>")
    assert read is not None
    assert [piece for piece, _ in read] == ["<MoleculeS>", "C", "C", "<MoleculeE>"]


def test_an_echo_of_another_text_is_a_fault(serve: Callable[..., Stub]) -> None:
    with pytest.raises(ModelError, match="tokens of an echo are not those of the text"):
        _completer(serve(_echo(junk=True))).read("<MoleculeS>CC<MoleculeE>")


def test_scores_name_the_model_of_the_server(serve: Callable[..., Stub]) -> None:
    given = Record("a", "molecule", "<MoleculeS>CC<MoleculeE>")
    (record,) = score([given], metrics=("ppl",), base_url=serve(_echo()).url)
    assert record.scores["ppl"]["value"] == pytest.approx(1.284025)
    assert record.scores["ppl"]["model"] == "stub"


def _raw_server(talk: Callable[[socket.socket], None]) -> tuple[str, socket.socket]:
    """Return the address of a server that answers completions as it likes, and what ends it."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve_one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(1 << 16)
            head, _, body = request.partition(b"\r\n\r\n")
            if length := re.search(rb"content-length: (\d+)", head, re.IGNORECASE):
                while len(body) < int(length[1]):
                    body += connection.recv(1 << 16)
            if head.startswith(b"GET") or b"<Search>" in body or b"/v1/completions" not in head:
                content = b'{"data": [{"id": "stub"}], "choices": [{"text": "<ProteinS>"}]}'
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content))
            else:
                talk(connection)

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}", listening


def _drip_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def _drip_without_length(connection: socket.socket) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\n\r\n{"choices": [{"text": "CC", "finish_reason": "stop"}]}')
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def _drip_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def _drip_refusal(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def _continue_for_ever(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        time.sleep(0.01)


@pytest.mark.parametrize(
    "drip",
    [
        *(_drip_body, _drip_head),
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in (_drip_without_length, _drip_refusal, _continue_for_ever)
        ),
    ],
)
def test_an_answer_has_a_deadline_however_slowly_it_comes(
    drip: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGOS_REMOTE_TIMEOUT_S", "0.5")
    monkeypatch.setenv("LOGOS_REMOTE_TRIES", "2")
    url, listening = _raw_server(drip)
    begin = time.monotonic()
    with listening, pytest.raises(MissingError, match="did not answer in 2 tries"):
        _run(Stub(lambda _: None, url=url))
    assert time.monotonic() - begin < 8


def _never_shake_hands(connection: socket.socket) -> None:
    while True:  # records of TLS that hold no whole message, one byte at a time
        connection.sendall(b"\x16\x03\x03\x00\x01\x02")
        time.sleep(0.05)


def test_the_handshake_of_tls_is_part_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGOS_REMOTE_TIMEOUT_S", "0.5")
    monkeypatch.setenv("LOGOS_REMOTE_TRIES", "2")
    url, listening = _raw_server(_never_shake_hands)
    begin = time.monotonic()
    with listening, pytest.raises(MissingError, match=r"did not answer in 2 tries: .*not complete after 0.5 s"):
        _run(Stub(lambda _: None, url=url.replace("http://", "https://")))
    assert time.monotonic() - begin < 8


def test_an_answer_has_a_largest_size_and_a_claimed_one_reserves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        while True:
            connection.sendall(b" " * (1 << 16))

    def claim(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n{}")

    monkeypatch.setenv("LOGOS_MAX_ANSWER_MIB", "1")
    monkeypatch.setenv("LOGOS_REMOTE_TRIES", "2")
    url, listening = _raw_server(flood)
    with listening, pytest.raises(ModelError, match=r"more than 1 MiB .set LOGOS_MAX_ANSWER_MIB to allow more"):
        _run(Stub(lambda _: None, url=url))
    url, listening = _raw_server(claim)
    with listening, pytest.raises(LogosError, match="in 2 tries"):
        _run(Stub(lambda _: None, url=url))


@pytest.mark.parametrize(
    "garbage", [b"", b"\x00" * 50, b"SSH-2.0-x\r\n", b"HTTP/1.1 999999 x\r\n\r\n", b"HTTP/1.1 200 OK\r\n" * 500]
)
def test_what_is_not_http_is_a_fault_of_the_server(garbage: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGOS_REMOTE_TRIES", "2")
    url, listening = _raw_server(lambda connection: connection.sendall(garbage))
    with listening, pytest.raises(LogosError, match=r"in 2 tries|refuses"):
        _run(Stub(lambda _: None, url=url))


def test_a_server_of_nonsense_leaves_the_work_to_the_others(serve: Callable[..., Stub]) -> None:
    mad, sane = serve(lambda _: (200, b"[[[")), serve(lambda _: _text("CCO<MoleculeE>"))
    done = _run(Stub(sane.reply, url=f"{mad.url},{sane.url}"), 20)
    assert [each.finish for each in done] == [Finish.STOP] * 20
    assert len(sane.asked) == 20


def test_answers_drawn_again_are_shown_counted_and_bounded(serve: Callable[..., Stub]) -> None:
    shown: list[str] = []
    stub = serve(lambda body: _text("C<MetalS>C<MoleculeE>"))
    plan = plan_generation("molecule", GenerateOptions(n_samples=2, load=LoadOptions(base_url=stub.url)))
    run = Generation(plan, progress=lambda now, _done, _known: shown.append(now))
    assert [record.status for record in run.records(None)] == ["invalid"] * 2
    assert (run.tally.redrawn, run.tally.given_up) == (14, 2)
    assert "sampling (14 drawn again)" in shown


def test_the_sampling_of_a_served_model_is_that_of_its_name_or_of_the_option(serve: Callable[..., Stub]) -> None:
    def sampling(served: str, **options: Any) -> tuple[float, str]:
        stub = serve(lambda body: _text("CC"), model={"id": served})
        plan = plan_generation("protein", GenerateOptions(load=LoadOptions(base_url=stub.url), **options))
        return plan.sampling.top_p, plan.sampling_of

    here = plan_generation("protein", GenerateOptions())
    preset, own = here.task.preset.top_p, here.sampling.top_p
    assert preset != own
    assert sampling("stub") == (preset, "the task")
    assert sampling("logos-nano") == (own, "logos-nano")
    assert sampling("/models/logos-nano-q8_0.gguf") == (own, "logos-nano")
    assert sampling("stub", sampling_of="logos-nano") == (own, "logos-nano")
    assert sampling("stub", sampling_of="logos-nano", top_p=0.3) == (0.3, "logos-nano")
    with pytest.raises(LogosError):
        sampling("stub", sampling_of="no/such-model")


def test_tries_end(serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: (503, {"error": {"message": "loading\nmodel"}}))
    with pytest.raises(MissingError, match="did not answer in 7 tries: status 503 loading model") as caught:
        _run(stub)
    assert caught.value.exit_code is ExitCode.MISSING
    assert len(stub.asked) == 7


@pytest.mark.parametrize(
    ("status", "said", "hint"),
    [(400, "max_tokens is too large", None), (401, "no key", "LOGOS_API_KEY"), (404, "no such model", "--model")],
)
def test_a_refusal_is_final_and_explained(status: int, said: str, hint: str | None, serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: (status, {"error": {"message": said}}))
    with pytest.raises(ModelError, match=f"{status} {said}") as caught:
        _run(stub)
    assert len(stub.asked) == 1
    assert (hint or "") in (caught.value.hint or "")


def test_no_redirect_is_followed(serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: (302, {}))
    with pytest.raises(ModelError, match="302"):
        _run(stub)


def test_what_is_finished_comes_before_the_error(serve: Callable[..., Stub]) -> None:
    def fails_later(body: dict[str, Any]) -> Reply:
        if len(stub.asked) > 12:
            return 403, {"error": "quota"}
        return _text("CC<MoleculeE>")

    stub = serve(fails_later)
    completer = _completer(stub)
    ids = tuple(completer.tokenizer.encode("<MoleculeS>"))
    engine = CompletionEngine(completer, Sampling(), batch_size=2, seed=1)
    done = []
    with pytest.raises(ModelError, match="quota"):
        for completion in in_request_order(engine.run(Request(f"m#{number}", ids) for number in range(100))):
            done.append(completion.index)  # noqa: PERF401 - kept when the error comes
    assert len(done) >= 11
    assert done == sorted(done)
    assert len(stub.asked) < 30


def test_an_answer_that_breaks_the_constraint_is_asked_for_again_with_another_seed(serve: Callable[..., Stub]) -> None:
    bad = ["<ProteinS>MK<ProteinE>", "C(C<MetalS>", ""]
    stub = serve(lambda body: _text(bad[len(stub.asked) - 1]) if len(stub.asked) < 4 else _text("CCC"))
    (done,) = _run(stub)
    # an answer that stopped gets the tag that ended it
    assert _texts([done]) == ["CCC<MoleculeE>"]
    assert len({body["seed"] for body in stub.asked}) == len(stub.asked) == 4


def test_what_never_fits_is_handed_on_and_recorded_as_invalid(serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: _text("C<MetalS>C<MoleculeE>"))
    records = list(generate("molecule", n_samples=3, base_url=stub.url))
    assert len(stub.asked) == 3 * 8
    assert [record.status for record in records] == ["invalid"] * 3
    assert all(record.reason for record in records)


def test_chemistry_is_asked_of_the_answer_too(serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: _text("C1CC<MoleculeE>" if len(stub.asked) < 3 else "C1CC1<MoleculeE>"))
    (record,) = generate("molecule", base_url=stub.url, constrain="chemistry")
    assert (record.status, record.text) == ("ok", "<MoleculeS>C1CC1<MoleculeE>")
    assert len(stub.asked) == 3


def test_without_a_constraint_the_first_answer_counts(serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: _text("C<MetalS>C<MoleculeE>"))
    (record,) = generate("molecule", base_url=stub.url, constrain="off")
    assert (record.status, len(stub.asked)) == ("invalid", 1)


@pytest.mark.parametrize(
    ("choice", "body", "text"),
    [
        ({}, {}, "CC<MoleculeE>"),  # llama_cpp.server does not say what ended the text
        ({"stop_reason": "<MoleculeE>"}, {}, "CC<MoleculeE>"),  # vLLM
        ({"stop_reason": None}, {}, "CC"),
        ({"matched_stop": 128001}, {}, "CC"),  # SGLang
        ({}, {"stop_type": "eos"}, "CC"),  # llama-server
        ({}, {"stop_type": "word"}, "CC<MoleculeE>"),
    ],
)
def test_the_tag_that_a_server_stopped_at_is_kept(
    choice: dict[str, Any], body: dict[str, Any], text: str, serve: Callable[..., Stub]
) -> None:
    def reply(_: dict[str, Any]) -> Reply:
        status, answer = _text("CC", **choice)  # type: ignore[misc]
        return status, answer | body

    (done,) = _run(serve(reply), grammar=None)
    assert _texts([done]) == [text]
    assert done.finish is Finish.STOP


def test_what_a_server_reads_on_after_the_end_is_cut(serve: Callable[..., Stub]) -> None:
    (done,) = _run(serve(lambda body: _text("CC<MoleculeE><ProteinS>MK", "length")))
    assert (_texts([done]), done.finish) == (["CC<MoleculeE>"], Finish.STOP)


def test_an_answer_cut_at_the_limit_is_recorded_so(serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: _text("CCCC", "length"))
    (record,) = generate("molecule", base_url=stub.url, max_new_tokens=4)
    assert record.sample["finish"] == "length"
    assert "cut" in (record.reason or "")
    assert len(stub.asked) == 1  # another would take as long, and be cut, too


def test_log_probabilities_that_are_not_told_are_null(serve: Callable[..., Stub]) -> None:
    def refuses(body: dict[str, Any]) -> Reply:
        if "logprobs" in body:
            return 500, {"error": {"message": "logprobs is not supported for models created with logits_all=False"}}
        choice = {"text": "CC<MoleculeE>", "finish_reason": "stop", "logprobs": None}
        return 200, {"choices": [choice], "usage": {"completion_tokens": 3}}

    stub = serve(refuses)
    (record, _) = generate("molecule", base_url=stub.url, n_samples=2, batch_size=1)
    assert (record.sample["logp"], record.sample["n_tokens"]) == (None, 3)
    assert len(stub.asked) == 3  # asked for once, then never again
    json.loads(record.to_json(), parse_constant=lambda name: pytest.fail(name))


def test_the_context_is_kept(serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: _text("CC<MoleculeE>"), model={"id": "stub", "max_model_len": 30}, count=3)
    _run(stub)
    assert stub.asked[0]["max_tokens"] == 27
    # forty characters may be more than thirty tokens: the server counts three
    (record,) = generate("molecule", "C" * 40, base_url=stub.url)
    assert record.status == "ok"


def test_a_model_that_does_not_know_the_tags_is_refused(serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: _text("CC"), count=11)
    with pytest.raises(ModelError, match="as 11 tokens") as caught:
        _completer(stub)
    assert "logos train --from" in (caught.value.hint or "")


def test_the_key_is_sent_and_not_shown(serve: Callable[..., Stub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGOS_API_KEY", "secret-key")
    stub = serve(lambda body: _text("CC<MoleculeE>"))
    _run(stub)
    assert stub.headers[0]["Authorization"] == "Bearer secret-key"
    assert "secret-key" not in repr(Server.at(stub.url, "secret-key", RetryPolicy()))
    (record,) = generate("molecule", base_url=stub.url)
    assert "secret-key" not in record.to_json()
    assert record.sample["backend"] == "remote"
    assert record.sample["device"] == stub.url


def test_only_the_model_that_is_served_can_be_asked(serve: Callable[..., Stub]) -> None:
    stub = serve(lambda body: _text("CC"), model={"id": "owner/name"})
    assert _completer(stub, model="owner/name").info.model == "owner/name"
    assert _completer(stub).info.model == "owner/name"
    with pytest.raises(UsageError, match="has no model 'other'") as caught:
        _completer(stub, model="other")
    assert caught.value.hint == "--model owner/name"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_url": "ftp://x"}, "not the address"),
        ({"base_url": "http://u:p@x/v1"}, "not the address"),
        ({"base_url": "http://x:99999"}, "not the address"),
        ({"base_url": "http://x:0"}, "not the address"),
        ({"base_url": "http://[::1/v1"}, "not the address"),
        ({"base_url": "http://x/\x1b[31m"}, "not the address"),
        ({"base_url": "http://x/ä"}, "not the address"),
        ({"base_url": "http://x", "device": "cuda"}, "--device"),
        ({"base_url": "http://example.org", "offline": True}, "offline"),
        ({"base_url": "http://x", "backend": "torch"}, "no option --base-url"),
        ({"backend": "remote"}, "needs the address"),
    ],
)
def test_what_cannot_be_is_refused_before_any_connection(options: dict[str, Any], said: str) -> None:
    with pytest.raises(LogosError, match=said):
        list(generate("molecule", **options))


def test_patience_is_set_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGOS_REMOTE_TIMEOUT_S", "2.5")
    monkeypatch.setenv("LOGOS_REMOTE_TRIES", "3")
    assert (remote._retries().timeout_s, remote._retries().tries) == (2.5, 3)
    times = [("LOGOS_REMOTE_TIMEOUT_S", each) for each in ("-1", "nan", "inf", "1e300")]
    for name, value in (("LOGOS_REMOTE_TRIES", "0"), ("LOGOS_REMOTE_TRIES", "x"), *times):
        monkeypatch.setenv(name, value)
        with pytest.raises(UsageError, match=name):
            open_model(LoadOptions(base_url="http://127.0.0.1:1"))
        monkeypatch.delenv(name)


@pytest.mark.parametrize("url", ["http://u:secret@x/v1", "http://:secret@x/v1", "http://u:sec/ret@x", "u:secret@x"])
def test_a_password_in_an_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(UsageError, match="not the address") as caught:
        open_model(LoadOptions(base_url=url))
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize("key", ["secret\nHost: x", "secret ", "secret\u20ac", "secret\x1b"])
def test_a_key_that_no_request_can_carry_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGOS_API_KEY", key)
    with pytest.raises(UsageError, match="LOGOS_API_KEY has a character") as caught:
        open_model(LoadOptions(base_url="http://127.0.0.1:1"))
    assert "secret" not in str(caught.value)


def test_a_long_wait_is_reported_once_in_a_while(
    serve: Callable[..., Stub], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http, "_LONG_WAIT_S", 0.0)

    def full(_: dict[str, Any]) -> Reply:
        return (429, {"error": "\x1b[31mfull"}) if len(stub.asked) < 9 else _text("CC<MoleculeE>")

    stub = serve(full)
    assert len(_run(stub, 4)) == 4
    assert caplog.messages == [f"{stub.url}/v1: status 429 \\x1b[31mfull; the next try is in 0 s"]


def test_there_are_no_more_requests_at_a_time_than_the_system_has_files_for(
    serve: Callable[..., Stub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "_MOST_FILES", 12)
    stub = serve(lambda body: _text("CC<MoleculeE>"))
    assert CompletionEngine(_completer(stub), Sampling(), batch_size=100_000, seed=1).concurrency == 3


def test_a_server_that_is_not_there_is_missing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(MissingError, match="did not answer in 3 tries") as caught:
            open_model(LoadOptions(base_url=url))
    assert caught.value.source == f"{url}/v1"


def test_waits_grow_are_drawn_and_obey_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    patience = RetryPolicy(first_s=1.0, longest_s=8.0)
    for retry, most in ((0, 1.0), (2, 4.0), (10, 8.0)):
        waits = [patience.wait_s(retry, None) for _ in range(200)]
        assert 0 <= min(waits) < 0.2 * most
        assert 0.8 * most < max(waits) <= most
    assert patience.wait_s(0, 5.0) == 5.0
    assert patience.wait_s(0, 1e9) == 32.0


def test_addresses_are_taken_with_and_without_their_end() -> None:
    for given in ("host:8000", "http://host:8000", "http://host:8000/v1", "http://host:8000/v1/"):
        server = Server.at(given, None, RetryPolicy())
        assert (server.url, server.root) == ("http://host:8000/v1", "http://host:8000")
    assert Server.at("https://a.b/api/v1", None, RetryPolicy()).root == "https://a.b/api"
    assert {429, 500, 502, 503, 504} <= http.BUSY


# -- a real server -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``llama_cpp.server`` with the embedded model: one whose tags it shows, and one whose tags it hides."""
    for module in ("llama_cpp", "fastapi", "uvicorn", "sse_starlette", "starlette_context", "pydantic_settings"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"llama-cpp-python[server] is not installed: no {module}")
    from logos_cli.checkpoints.gguf.write import write_gguf

    root = tmp_path_factory.mktemp("served")
    for name in ("visible", "hidden"):
        directory = Path(shutil.copytree(data_path("tokenizers", EMBEDDED), root / name))
        content = json.loads((directory / "tokenizer.json").read_text())
        for token in content["added_tokens"]:
            if name == "visible" and not token["content"].startswith("<|"):
                token["special"] = False  # then user-defined in GGUF, which llama_cpp.server prints
        (directory / "tokenizer.json").write_text(json.dumps(content))
        write_gguf(directory, root / f"{name}.gguf", "f32")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    models = [
        {
            "model": str(root / f"{name}.gguf"),
            "model_alias": name,
            "n_ctx": 512,
            "n_threads": 1,
            "n_threads_batch": 1,
            "logits_all": name == "visible",
            "verbose": False,
        }
        for name in ("visible", "hidden")
    ]
    (root / "config.json").write_text(json.dumps({"host": "127.0.0.1", "port": port, "models": models}))
    log = (root / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "llama_cpp.server", "--config_file", str(root / "config.json")],
        stdout=log,
        stderr=log,
        env=dict(os.environ) | {"OMP_NUM_THREADS": "1"},
    )
    url = f"http://127.0.0.1:{port}/v1"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"{url}/models", timeout=5):
                    break
            except OSError:
                assert process.poll() is None, (root / "log").read_text()[-2000:]
                assert time.monotonic() < deadline, (root / "log").read_text()[-2000:]
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


def test_a_real_server_completes_as_the_model_itself_does(llama_server: str) -> None:
    greedy: dict[str, Any] = {
        "temperature": 0.0,
        "repetition_penalty": 1.0,
        "max_new_tokens": 60,
        "constrain": "off",
        "n_samples": 1,
        "samples": True,
    }
    prompt = "<ProteinS>MKTAYIAKQR<ProteinE><Search><ProteinS>"
    (served,) = generate("site", prompt, base_url=llama_server, model="visible", **greedy)
    (here,) = generate("site", prompt, device="cpu", threads=1, **greedy)
    assert served.text == here.text
    assert served.sample["logp"] == pytest.approx(here.sample["logp"], abs=0.02)


def test_a_real_server_keeps_the_constraint_by_resampling(llama_server: str) -> None:
    short: dict[str, Any] = {"n_samples": 2, "seed": 5, "max_new_tokens": 24, "temperature": 0.3, "top_p": 0.5}
    served: dict[str, Any] = {"base_url": llama_server, "model": "visible"}
    runs = [
        [record.text for record in generate("molecule", "CC(=O)N", **short, **served, batch_size=batch_size)]
        for batch_size in (1, 2)
    ]
    assert runs[0] == runs[1]
    for text in runs[0]:
        if text.endswith("<MoleculeE>"):
            assert parse(text).form == "molecule"


def test_a_real_server_does_what_one_that_died_leaves(llama_server: str, serve: Callable[..., Stub]) -> None:
    dying = serve(lambda _: None, model={"id": "visible"})
    short: dict[str, Any] = {"n_samples": 4, "seed": 5, "max_new_tokens": 24, "model": "visible", "batch_size": 2}
    alone = [record.text for record in generate("molecule", "CC(=O)N", base_url=llama_server, **short)]
    both = generate("molecule", "CC(=O)N", base_url=f"{dying.url},{llama_server}", **short)
    assert [record.text for record in both] == alone
    assert dying.asked


def test_a_real_server_that_hides_the_tags_serves_single_blocks_and_refuses_the_rest(llama_server: str) -> None:
    with pytest.raises(ModelError, match="lack tags"):
        list(generate("site", "MKTAYIAKQR", base_url=llama_server, model="hidden"))
    (record,) = generate(
        "molecule", "CC(=O)", base_url=llama_server, model="hidden", seed=3, max_new_tokens=60, batch_size=1
    )
    assert record.text.startswith("<MoleculeS>CC(=O)")
    if record.sample["finish"] == "stop":
        assert record.text.endswith("<MoleculeE>")
    assert record.sample["logp"] is None  # logits_all is off: asked for once, and then no more
    assert record.sample["n_tokens"] > 0
