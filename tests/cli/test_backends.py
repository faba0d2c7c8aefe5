"""What every backend does for a user: interruptions, bad models, and the shapes and tokenizers that are released."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from logos_cli.errors import ExitCode
from logos_cli.resources import EMBEDDED, data_path
from tests.checkpoints import KINDS, small_tokenizer, write_checkpoint

if TYPE_CHECKING:
    from tests.cli.conftest import Logos


class _Server(BaseHTTPRequestHandler):
    """Completes every molecule with ethanol, some ten times a second; hangs up once it has had ``most`` questions."""

    most: int | None = None
    n_asked = 0
    lock = threading.Lock()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _send(self, found: object) -> None:
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._send({"data": [{"id": "stub"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/completions":
            self.send_error(404)
            return
        if body["prompt"].endswith("<Search>"):
            self._send({"choices": [{"text": "<ProteinS>", "finish_reason": "stop"}]})
            return
        with self.lock:
            type(self).n_asked += 1
            turn = self.n_asked
        if self.most is not None and turn > self.most:
            self.close_connection = True
            return
        time.sleep(1.5 if turn == self.most else 0.05)  # the last is under way when the next is refused
        self._send({"choices": [{"text": "CCO<MoleculeE>", "finish_reason": "stop"}]})


@pytest.fixture
def server() -> Iterator[tuple[type[_Server], str]]:
    """A served model, and its address."""
    _Server.most, _Server.n_asked = None, 0
    found = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
    yield _Server, f"http://127.0.0.1:{found.server_port}/v1"
    found.shutdown()
    found.server_close()


@pytest.mark.parametrize("backend", [pytest.param("torch", marks=pytest.mark.slow), "llamacpp", "remote"])
@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_a_signal_keeps_what_is_finished(
    backend: str,
    sent: signal.Signals,
    code: ExitCode,
    preloaded_argv: list[str],
    logos_env: dict[str, str],
    server: tuple[type[_Server], str],
    tmp_path: Path,
) -> None:
    local = ("--device", "cpu", "--threads", "1", "--backend", backend)
    chosen = ("--base-url", server[1]) if backend == "remote" else local
    process = subprocess.Popen(
        [*preloaded_argv, "generate", "molecule", *chosen, "-n", "100000", "-b", "8", "-o", "out.jsonl"],
        cwd=tmp_path,
        env=logos_env,
        stderr=subprocess.PIPE,
    )
    part = tmp_path / "out.jsonl.part"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (part.exists() and part.stat().st_size):
        time.sleep(0.05)
    process.send_signal(sent)
    try:
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, stderr.decode()
    assert b"out.jsonl.part holds" in stderr
    assert b"Traceback" not in stderr
    assert b"Exception ignored" not in stderr
    records = [json.loads(line) for line in part.read_text().splitlines()]
    assert records
    assert {record["sample"]["backend"] for record in records} == {backend}
    numbers = [int(record["id"].rpartition("#")[2]) for record in records]
    assert numbers == sorted(set(numbers))


def test_a_server_that_dies_leaves_the_finished_records(
    logos: Logos, server: tuple[type[_Server], str], tmp_path: Path
) -> None:
    server[0].most = 5
    done = logos(
        "generate",
        "molecule",
        "-n",
        "50",
        "-b",
        "2",
        "--base-url",
        server[1],
        "-o",
        "out.jsonl",
        env={"LOGOS_REMOTE_TRIES": "2"},
        code=ExitCode.MISSING,
    )
    assert "the server did not answer in 2 tries" in done.stderr
    assert "finished records are kept" in done.stderr
    records = [json.loads(line) for line in (tmp_path / "out.jsonl.part").read_text().splitlines()]
    assert len(records) == 5
    assert {record["status"] for record in records} == {"ok"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_released_shape_is_encoded_sampled_constrained_scored_and_converted(
    kind: str, logos: Logos, tmp_path: Path
) -> None:
    """Llama with untied embeddings, Qwen3 with normed queries and keys; tests/unit does it with their vocabularies."""
    write_checkpoint(tmp_path / "model", kind, small_tokenizer(kind))
    logos("models", "convert", "model", "-o", "model.gguf", code=ExitCode.OK)
    logos("models", "verify", "model.gguf", "--against", "model", code=ExitCode.OK)
    (tmp_path / "a.smi").write_text("CC(=O)Oc1ccccc1C(=O)O aspirin\n")
    found: dict[str, list[Any]] = {"ids": [], "texts": [], "perplexities": []}
    for model in ("model", "model.gguf"):
        ids = logos("encode", "a.smi", "-f", "ids", "--model", model, code=ExitCode.OK).stdout.split()
        found["ids"].append(ids)
        common = ("--model", model, "--device", "cpu", "--threads", "1", "-f", "text")
        answer = ("generate", "protein", "MKT", "--template", "MKT{X:3,6}GG", *common, "-n", "3")
        texts = logos(*answer, code=ExitCode.OK).stdout.splitlines()
        assert len(texts) == 3
        assert all(text.startswith("<ProteinS>MKT") and text.endswith("GG<ProteinE>") for text in texts)
        found["texts"].append(texts)
        scored = logos("score", "a.smi", "--metrics", "ppl", "--model", model, code=ExitCode.OK).stdout
        found["perplexities"].append(json.loads(scored)["scores"]["ppl"]["value"])
    assert found["ids"][0] == found["ids"][1]
    assert found["perplexities"][0] == pytest.approx(found["perplexities"][1], rel=1e-3)


@pytest.mark.parametrize("backend", ["torch", "llamacpp"])
def test_a_model_that_cannot_be_read_is_refused(backend: str, logos: Logos, tmp_path: Path) -> None:
    embedded = data_path("tokenizers", EMBEDDED)
    model = tmp_path / "model"
    model.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (model / name).write_bytes((embedded / name).read_bytes())
    command = ("generate", "molecule", "--model", "model", "--backend", backend)
    done = logos(*command, code=ExitCode.USAGE)
    assert "the weights model.safetensors are missing" in done.stderr
    (model / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    done = logos(*command, code=ExitCode.USAGE)
    assert "hint: pytorch_model.bin is a pickle, which can run code and is never read" in done.stderr
    assert not (tmp_path / "pwned").exists()
    weights = (embedded / "model.safetensors").read_bytes()
    for content in (weights[: len(weights) // 2], weights[1:], b"", bytes(64)):
        (model / "model.safetensors").write_bytes(content)
        done = logos(*command, code=ExitCode.USAGE)
        assert "model.safetensors is damaged" in done.stderr
        assert "Traceback" not in done.stderr


# -- one block of options ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_gguf_is_scored_and_explained_as_it_was_sampled(logos: Logos, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason="llama.cpp is an extra")
    logos("models", "convert", EMBEDDED, "-o", "nano.gguf", "--type", "q8_0", code=ExitCode.OK)
    how = ("--model", "nano.gguf", "--gpu-layers", "0", "--kv-type", "f32", "--no-mmap", "--threads", "1", "-b", "2")
    logos("generate", "molecule", "-n", "3", "--seed", "4", "-o", "made.jsonl", *how, code=ExitCode.OK)
    scored = logos("score", "made.jsonl", "--metrics", "logp_answer", *how, code=ExitCode.OK).stdout
    explained = logos("explain", "made.jsonl", "-f", "json", *how, code=ExitCode.OK).stdout
    rows = list(zip(scored.splitlines(), explained.splitlines(), strict=True))
    assert len(rows) == 3
    for score, explanation in rows:
        record = json.loads(score)
        assert record["sample"]["backend"] == "llamacpp"
        answer = json.loads(explanation)["answer"]["logp"]
        assert record["scores"]["logp_answer"]["value"] == pytest.approx(answer, abs=1e-4)
        # kernels for one token and for many round in their own ways, which depend on the processor
        assert answer == pytest.approx(record["sample"]["logp"], abs=0.002 * record["sample"]["n_tokens"])


def test_options_that_only_one_backend_knows_are_refused_by_the_others(logos: Logos, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("<MoleculeS>CCO<MoleculeE>\n")
    for command in (("score", "a.txt", "--metrics", "logp"), ("explain", "a.txt")):
        done = logos(*command, "--kv-type", "f32", code=ExitCode.USAGE)
        assert "the backend onnxruntime has no option --kv-type" in done.stderr


def test_devices_share_what_is_scored(logos: Logos, tmp_path: Path) -> None:
    texts = [f"<MoleculeS>{'C' * n}O<MoleculeE>" for n in range(1, 12)]
    (tmp_path / "a.txt").write_text("\n".join(texts))
    command = ("explain", "a.txt", "-f", "json", "--backend", "fake", "--threads", "1")
    alone = logos(*command, code=ExitCode.OK).stdout
    assert logos(*command, "--devices", "cpu,cpu", "-b", "4", code=ExitCode.OK).stdout == alone
    assert len(alone.splitlines()) == len(texts)
