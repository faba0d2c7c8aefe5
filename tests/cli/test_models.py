"""``logos models`` as a user runs it, and a hub of our own on the loopback interface."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from logos_cli.errors import ExitCode
from logos_cli.models.releases import RELEASES
from logos_cli.resources import EMBEDDED, data_path

_REPOSITORY = "LOGOS-Test/tiny"
_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_NANO = data_path("tokenizers", EMBEDDED)


class _Hub(BaseHTTPRequestHandler):
    """The part of the hub's interface that fetching a model needs."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes] = {}  # noqa: RUF012 - one server at a time
    promised: dict[str, str] = {}  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012
    stall_after: int | None = None
    break_after: int | None = None
    stalled, released = threading.Event(), threading.Event()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _json(self, found: object, status: int = 200, **headers: str) -> None:
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(f"{self.command} {path} {self.headers.get('Range', '')}".strip())
        if path in (f"/api/models/{_REPOSITORY}", f"/api/models/{_REPOSITORY}/revision/{_COMMIT}"):
            self._json({"id": _REPOSITORY, "modelId": _REPOSITORY, "sha": _COMMIT, "siblings": self._siblings()})
        elif path.startswith(f"/{_REPOSITORY}/resolve/{_COMMIT}/"):
            self._file(path.rpartition("/")[2])
        elif path.startswith("/api/models/" + _REPOSITORY):
            self._json({"error": "no revision"}, 404, X_Error_Code="RevisionNotFound")
        else:
            self._json({"error": "no such model"}, 404, X_Error_Code="RepoNotFound")

    def _siblings(self) -> list[dict[str, Any]]:
        found = []
        for name, content in self.files.items():
            entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": "0" * 40}
            if name in self.promised:
                entry["lfs"] = {"sha256": self.promised[name], "size": len(content), "pointerSize": 130}
            found.append(entry)
        return found

    def _file(self, name: str) -> None:
        content = self.files[name]
        start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0]) if "Range" in self.headers else 0
        etag = self.promised.get(name, hashlib.sha1(content).hexdigest())
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", _COMMIT)
        if name in self.promised:
            self.send_header("X-Linked-Etag", f'"{etag}"')
            self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        stall = type(self).stall_after
        if stall is not None and name in self.promised:
            self.wfile.write(content[start : start + stall])
            self.wfile.flush()
            self.stalled.set()
            self.released.wait(60)
            return
        end = len(content) if self.break_after is None else start + self.break_after
        self.wfile.write(content[start:end])
        if end < len(content):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def hub() -> Iterator[type[_Hub]]:
    """A hub that holds the embedded model under another name."""
    _Hub.files = {path.name: path.read_bytes() for path in sorted(_NANO.iterdir())}
    _Hub.files["pytorch_model.bin"] = b"a pickle, which is never fetched"
    _Hub.promised = {"model.safetensors": hashlib.sha256(_Hub.files["model.safetensors"]).hexdigest()}
    _Hub.asked, _Hub.stall_after, _Hub.break_after = [], None, None
    _Hub.stalled, _Hub.released = threading.Event(), threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.daemon_threads = True
    _Hub.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield _Hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def online(hub: type[_Hub], tmp_path: Path) -> dict[str, str]:
    """An environment in which the hub is ours and may be asked."""
    url: str = hub.url  # type: ignore[attr-defined]
    return {
        "HF_ENDPOINT": url,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


# -- list and info -------------------------------------------------------------------------------------------


def test_the_list_names_what_is_here_and_what_is_released(logos: Any, tmp_path: Path) -> None:
    env = {"HF_HOME": str(tmp_path), "LOGOS_CACHE": str(tmp_path)}
    found = json.loads(logos("models", "list", "--json", env=env, code=ExitCode.OK).stdout)
    assert [entry["name"] for entry in found] == [EMBEDDED, *(release.name for release in RELEASES)]
    assert (found[0]["where"], found[0]["parameters"], found[0]["licence"]) == ("embedded", "4.9M", "apache-2.0")
    assert {entry["licence"] for entry in found[1:]} == {"CC-BY-4.0"}
    shown = logos("models", "list", env=env, code=ExitCode.OK)
    assert shown.stdout.splitlines()[1].split()[:3] == [EMBEDDED, "embedded", "llama"]
    assert "16.4 GB" in shown.stdout
    assert "logos models pull" in shown.stderr


def test_a_model_is_described(logos: Any) -> None:
    found = json.loads(logos("models", "info", "--json", code=ExitCode.OK).stdout)
    assert (found["architecture"], found["tags"], found["context_tokens"]) == ("llama", 16, 2048)
    weights = (_NANO / "model.safetensors").stat().st_size
    cache = 2 * 6 * 256 * 2  # keys and values, layers, width, bytes of 16 bits
    assert found["cache_bytes_per_token"] == cache
    assert found["memory_bytes"]["64"]["2048"] == weights + 64 * 2048 * cache
    shown = logos("models", "info", code=ExitCode.OK).stdout
    assert "4,890,880" in shown
    assert "16 of 16 tags" in shown
    assert logos("models", "info", "nowhere", code=ExitCode.USAGE).stderr.startswith("error: nowhere")


# -- convert, quantize, verify -------------------------------------------------------------------------------


def test_from_checkpoint_to_a_small_file_that_generates(logos: Any, tmp_path: Path) -> None:
    done = logos("models", "convert", EMBEDDED, "-o", "nano.gguf", "--type", "f16", code=ExitCode.OK)
    assert done.stdout == "nano.gguf\n"
    assert "4,890,880 parameters" in done.stderr
    done = logos("models", "quantize", "nano.gguf", "-o", "small.gguf", "--type", "q8_0", "--json", code=ExitCode.OK)
    assert json.loads(done.stdout)["tensors"]["q8_0"] == 43
    assert done.stderr == ""  # nothing of what llama.cpp says
    done = logos("models", "verify", "small.gguf", "--against", EMBEDDED, code=ExitCode.OK)
    sha256 = hashlib.sha256((tmp_path / "small.gguf").read_bytes()).hexdigest()
    assert done.stdout == f"{sha256}  small.gguf\n"
    assert done.stderr.startswith("sound: 56 tensors, 0 of them wrong")
    assert json.loads(logos("models", "info", "small.gguf", "--json").stdout)["format"] == "gguf"
    texts = [
        logos("generate", "molecule", "-n", "4", "--model", "small.gguf", "-b", batch, "-f", "text").stdout
        for batch in ("1", "4")
    ]
    assert texts[0] == texts[1]
    assert len(texts[0].splitlines()) == 4


def test_what_llama_cpp_says_is_shown_on_request(logos: Any) -> None:
    logos("models", "convert", EMBEDDED, "-o", "nano.gguf", code=ExitCode.OK)
    command = ("generate", "molecule", "--model", "nano.gguf", "--max-new-tokens", "5", "-f", "text")
    silent, verbose = logos(*command), logos(*command, "-v")
    assert verbose.stdout == silent.stdout
    assert "llamacpp" not in silent.stderr
    said = [line for line in verbose.stderr.splitlines() if line.startswith("llamacpp: ")]
    assert sum("general.architecture" in line for line in said) == 1  # once, though it is read twice
    assert any("KV buffer size" in line for line in said)


def test_a_wrong_file_is_told_with_exit_code_1(logos: Any, tmp_path: Path) -> None:
    logos("models", "convert", EMBEDDED, "-o", "nano.gguf", code=ExitCode.OK)
    data = bytearray((tmp_path / "nano.gguf").read_bytes())
    data[-5] ^= 0x40
    (tmp_path / "nano.gguf").write_bytes(data)
    done = logos("models", "verify", "nano.gguf", "--against", EMBEDDED, code=ExitCode.FAILED)
    assert "NOT sound: 56 tensors, 1 of them wrong" in done.stderr
    (tmp_path / "nano.gguf").write_bytes(data[:5000])
    for command in (("models", "info"), ("models", "verify"), ("generate", "molecule", "--model")):
        done = logos(*command, "nano.gguf", code=ExitCode.USAGE)
        assert done.stderr.startswith("error: nano.gguf: ")
        assert done.stdout == ""


def test_mistakes_are_explained(logos: Any, tmp_path: Path) -> None:
    done = logos("models", "quantize", EMBEDDED, "-o", "x.gguf", "--type", "q4_k_m", code=ExitCode.USAGE)
    assert "q4_k_m has blocks of 256 numbers" in done.stderr
    assert "hint: use q8_0" in done.stderr
    (tmp_path / "x.gguf").touch()
    done = logos("models", "convert", EMBEDDED, "-o", "x.gguf", code=ExitCode.USAGE)
    assert "--overwrite" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.gguf"]


# -- pull ----------------------------------------------------------------------------------------------------


def test_a_model_is_fetched_checked_and_then_used_without_a_connection(
    logos_process: Any, hub: type[_Hub], online: dict[str, str], tmp_path: Path
) -> None:
    plan = json.loads(logos_process("models", "pull", _REPOSITORY, "--dry-run", "--json", env=online, code=0).stdout)
    wanted = {
        "README.md",
        "config.json",
        "figures.json",
        "generation_config.json",
        "model.safetensors",
        "skills.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert {file["name"] for file in plan["files"]} == wanted
    assert plan["bytes"] == sum(len(hub.files[name]) for name in wanted)
    assert not (tmp_path / "hf" / "hub").exists()
    done = logos_process("models", "pull", _REPOSITORY, env=online, code=ExitCode.OK)
    snapshot = Path(done.stdout.strip())
    assert snapshot.name == _COMMIT
    assert {path.name for path in snapshot.iterdir()} == wanted
    n_asked = len(hub.asked)
    offline = online | {"HF_HUB_OFFLINE": "1"}
    record = json.loads(logos_process("generate", "molecule", "--model", _REPOSITORY, env=offline, code=0).stdout)
    assert record["sample"]["revision"] == _COMMIT
    found = json.loads(logos_process("models", "list", "--json", env=offline).stdout)
    assert [(entry["name"], entry["where"]) for entry in found][1] == (_REPOSITORY, "cached")
    assert logos_process("models", "verify", _REPOSITORY, env=offline, code=0).stderr.startswith("sound")
    assert len(hub.asked) == n_asked


@pytest.mark.slow
def test_a_cache_may_be_read_only_for_those_who_use_it(
    logos_process: Any, online: dict[str, str], tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    logos_process("models", "pull", _REPOSITORY, "--cache-dir", shared, env=online, code=ExitCode.OK)
    for path in [shared, *shared.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        env = online | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(shared)}
        assert logos_process("generate", "molecule", "--model", _REPOSITORY, env=env, code=ExitCode.OK).stdout
    finally:
        for path in [shared, *shared.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)


@pytest.mark.slow
def test_what_was_fetched_before_the_end_is_kept(
    logos_process: Any,
    preloaded_argv: list[str],
    logos_env: dict[str, str],
    hub: type[_Hub],
    online: dict[str, str],
    tmp_path: Path,
) -> None:
    """The program is killed in the middle of a large file; the next run fetches the rest of it, and nothing else."""
    large = bytes(range(256)) * 100_000
    hub.files = {"config.json": b"{}", "model.safetensors": large}
    hub.promised = {"model.safetensors": hashlib.sha256(large).hexdigest()}
    hub.stall_after = 24_000_000
    argv = [*preloaded_argv, "models", "pull", _REPOSITORY]
    with subprocess.Popen(argv, env=logos_env | online, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        assert hub.stalled.wait(90)
        process.kill()
    hub.stall_after = None
    hub.released.set()
    (part,) = (tmp_path / "hf").rglob("*.incomplete")
    begun = part.stat().st_size
    assert 10_000_000 < begun < len(large)
    hub.asked.clear()
    plan = json.loads(logos_process("models", "pull", _REPOSITORY, "--dry-run", "--json", env=online, code=0).stdout)
    assert plan["bytes"] == len(large) - begun
    logos_process("models", "pull", _REPOSITORY, env=online, code=ExitCode.OK)
    assert _fetched(hub) == [("model.safetensors", f"bytes={begun}-")]
    assert not list((tmp_path / "hf").rglob("*.incomplete"))
    weights = next((tmp_path / "hf").rglob("snapshots/*/model.safetensors"))
    assert weights.read_bytes() == large


def _fetched(hub: type[_Hub]) -> list[tuple[str, str]]:
    """Return the files that were asked for, and from where on."""
    asked = [line.split() for line in hub.asked if line.startswith("GET") and "/resolve/" in line]
    return [(words[1].rpartition("/")[2], words[2] if len(words) > 2 else "") for words in asked]


def test_a_connection_that_breaks_off_is_taken_up_again(
    logos_process: Any, hub: type[_Hub], online: dict[str, str], tmp_path: Path
) -> None:
    large = bytes(range(256)) * 100_000
    hub.files = {"config.json": b"{}", "model.safetensors": large}
    hub.promised = {"model.safetensors": hashlib.sha256(large).hexdigest()}
    hub.break_after = 12_000_000
    logos_process("models", "pull", _REPOSITORY, env=online, code=ExitCode.OK)
    starts = [range_ for name, range_ in _fetched(hub) if name == "model.safetensors"]
    assert starts == ["", "bytes=10485760-", "bytes=20971520-"]  # what has been written, ten MiB at a time
    assert next((tmp_path / "hf").rglob("snapshots/*/model.safetensors")).read_bytes() == large


@pytest.mark.slow
def test_a_beginning_of_something_else_is_found_out(
    logos_process: Any, hub: type[_Hub], online: dict[str, str], tmp_path: Path
) -> None:
    blobs = tmp_path / "hf" / "hub" / f"models--{_REPOSITORY.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True)
    part = blobs / f"{hub.promised['model.safetensors']}.incomplete"
    part.write_bytes(b"not the beginning")
    done = logos_process("models", "pull", _REPOSITORY, env=online, code=ExitCode.USAGE)
    assert "another SHA-256 than on the hub" in done.stderr
    assert not part.exists()
    logos_process("models", "pull", _REPOSITORY, env=online, code=ExitCode.OK)


def test_a_file_that_is_not_what_was_promised_is_removed(
    logos_process: Any, hub: type[_Hub], online: dict[str, str], tmp_path: Path
) -> None:
    content = bytearray(hub.files["model.safetensors"])
    content[-1] ^= 1
    hub.files["model.safetensors"] = bytes(content)
    done = logos_process("models", "pull", _REPOSITORY, env=online, code=ExitCode.USAGE)
    assert "another SHA-256 than on the hub" in done.stderr
    assert not list((tmp_path / "hf").rglob("model.safetensors"))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((_REPOSITORY, "--offline"), ExitCode.MISSING, "connections are forbidden"),
        (("nobody/nothing",), ExitCode.USAGE, "the hub has no such model"),
        pytest.param((_REPOSITORY, "--revision", "v9"), ExitCode.USAGE, "no revision 'v9'", marks=pytest.mark.slow),
        pytest.param(("no name",), ExitCode.USAGE, "not owner/name", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_be_fetched_is_explained(
    logos_process: Any, online: dict[str, str], words: tuple[str, ...], code: ExitCode, told: str
) -> None:
    assert told in logos_process("models", "pull", *words, env=online, code=code).stderr
