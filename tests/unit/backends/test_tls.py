"""Servers with real certificates on loopback: which are trusted, and what is said of the others."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from logos_cli.backends.remote.http import RetryPolicy, Server
from logos_cli.errors import MissingError

KEY = "a-secret"


class _Handler(BaseHTTPRequestHandler):
    """Answers, and keeps the keys that it was shown."""

    keys: list[str | None]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.keys.append(self.headers["Authorization"])
        content = json.dumps({"data": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    tried = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that ends the handshake is what is tested."""

    def verify_request(self, request: object, client_address: object) -> bool:
        self.tried += 1
        return True


Serve = Callable[..., tuple[_Server, str]]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the authority as a user would."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers, with TLS if a certificate is given."""
    servers: list[_Server] = []

    def start(certificate: trustme.LeafCert | None) -> tuple[_Server, str]:
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"keys": []}))
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return server, f"127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _get(url: str) -> object:
    return Server.at(url, KEY, RetryPolicy(tries=3, first_s=0.001, longest_s=0.001, timeout_s=20)).get("/models")


def _refused(server: _Server, url: str) -> str:
    """Return the error and its hint; there was one try, and no key was shown."""
    with pytest.raises(MissingError) as refused:
        _get(url)
    assert server.RequestHandlerClass.keys == []  # type: ignore[attr-defined]
    assert server.tried == 1
    return f"{refused.value} {refused.value.hint}"


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_a_trusted_authority_is_accepted(serve: Serve, authority: trustme.CA) -> None:
    server, at = serve(authority.issue_cert("127.0.0.1"))
    assert _get(f"https://{at}/v1") == {"data": []}
    assert server.RequestHandlerClass.keys == [f"Bearer {KEY}"]  # type: ignore[attr-defined]


def test_an_unknown_authority_is_named_with_the_remedy(serve: Serve, authority: trustme.CA) -> None:
    server, at = serve(authority.issue_cert("127.0.0.1"))
    text = _refused(server, f"https://{at}/v1")
    assert "the certificate of the server cannot be trusted: unable to get local issuer certificate" in text
    assert "SSL_CERT_FILE=FILE names the certificates of your own authority" in text


def test_certificates_that_are_not_there_are_named(
    serve: Serve, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "nowhere.pem")
    server, at = serve(authority.issue_cert("127.0.0.1"))
    assert "SSL_CERT_FILE=nowhere.pem does not exist" in _refused(server, f"https://{at}/v1")


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_another_host_is_refused(serve: Serve, authority: trustme.CA) -> None:
    server, at = serve(authority.issue_cert("example.org"))
    text = _refused(server, f"https://{at}/v1")
    assert "certificate is not valid for '127.0.0.1'" in text
    assert "SSL_CERT_FILE" not in text


@pytest.mark.usefixtures("trusted")
def test_a_certificate_that_has_expired_is_refused(serve: Serve, authority: trustme.CA) -> None:
    past = [dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2020, 2021)]
    server, at = serve(authority.issue_cert("127.0.0.1", not_before=past[0], not_after=past[1]))
    text = _refused(server, f"https://{at}/v1")
    assert "certificate has expired" in text
    assert "SSL_CERT_FILE" not in text


def test_a_server_without_tls_is_told_from_one_that_is_away(serve: Serve) -> None:
    server, at = serve(None)
    text = _refused(server, f"https://{at}/v1")
    assert "the server does not speak TLS at this port" in text
    assert "http:// is the address without encryption" in text
