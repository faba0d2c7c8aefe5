"""ONNX Runtime: the networks that it runs and refuses, when ``auto`` takes it, and its likelihoods."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logos_cli.backends.base import Backend, LoadOptions, open_model
from logos_cli.backends.onnxruntime import plugin
from logos_cli.backends.onnxruntime.network import Network
from logos_cli.errors import DeviceMemoryError, ModelError, UsageError
from logos_cli.resources import EMBEDDED, data_path

NANO = data_path("tokenizers", EMBEDDED)
_PROTEIN = "<ProteinS>MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKRQ<ProteinE>"


def _load(path: Path = NANO, **options: Any) -> Backend:
    given: dict[str, Any] = {"device": "cpu", "backend": "onnxruntime"} | options
    loaded = open_model(LoadOptions(str(path), **given)).load()
    assert isinstance(loaded, Backend)
    return loaded


def _with_config(tmp_path: Path, **changes: Any) -> Path:
    """Return a directory without weights, with a changed configuration."""
    directory = tmp_path / "model"
    directory.mkdir()
    config = json.loads((NANO / "config.json").read_text()) | changes
    (directory / "config.json").write_text(json.dumps(config))
    shutil.copy(NANO / "tokenizer.json", directory)
    return directory


def test_auto_takes_it_for_a_small_network_on_a_cpu() -> None:
    assert _load(backend="auto").info.backend == "onnxruntime"
    for other in ("bfloat16", "nf4"):
        assert type(open_model(LoadOptions(device="cpu", dtype=other))).__name__ == "TorchCheckpoint"


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "qwen3"},
        {"num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 24},
        {"hidden_size": 4096, "intermediate_size": 8192},
    ],
    ids=["qwen3", "head", "size"],
)
def test_auto_leaves_other_networks_to_pytorch(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = _with_config(tmp_path, **changes)
    assert type(open_model(LoadOptions(str(path), device="cpu"))).__name__ == "TorchCheckpoint"


def test_auto_leaves_a_machine_with_a_gpu_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "_has_gpu", lambda: True)
    assert not plugin.PLUGIN.accepts(NANO, LoadOptions())
    assert plugin.PLUGIN.accepts(NANO, LoadOptions(device="cpu"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_type": "qwen3"}, "normalise queries and keys"),
        ({"head_dim": 24}, "width 24"),
        ({"hidden_size": 8192, "intermediate_size": 16384}, "450 million"),
    ],
)
def test_a_network_that_it_does_not_run_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    path = _with_config(tmp_path, **changes)
    with pytest.raises(ModelError, match=reason) as caught:
        open_model(LoadOptions(str(path), backend="onnxruntime", device="cpu")).plan(100)
    assert "torch" in str(caught.value.hint)


@pytest.mark.parametrize("options", [{"device": "cuda"}, {"dtype": "bfloat16"}])
def test_devices_and_types_that_it_lacks_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="the backend onnxruntime has no"):
        open_model(LoadOptions(backend="onnxruntime", **options))


def test_the_embedded_model_samples_without_pytorch() -> None:
    code = (
        "import sys; from logos_cli import generate;"
        "records = list(generate('molecule', n_samples=2, device='cpu'));"
        "assert records[0].sample['backend'] == 'onnxruntime', records[0].sample;"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_logits_are_those_of_torch() -> None:
    ours, torch = _load(), _load(backend="torch")
    ids = ours.tokenizer.encode(_PROTEIN)
    for backend in (ours, torch):
        backend.reserve(3)
    assert ours.prefill(2, ids) == pytest.approx(torch.prefill(2, ids), abs=2e-4)
    for token in ids[:20]:
        assert ours.step([2], [token]) == pytest.approx(torch.step([2], [token]), abs=2e-4)


def test_eight_bits_stay_near_and_keep_the_bits_of_a_row() -> None:
    exact, coarse = _load(), _load(backend="auto", dtype="int8")
    assert (coarse.info.backend, coarse.info.dtype) == ("onnxruntime", "int8")
    ids = exact.tokenizer.encode(_PROTEIN)
    for backend in (exact, coarse):
        backend.reserve(9)
        for slot in range(9):
            backend.prefill(slot, ids[: 20 + slot])
    steps = [backend.step(range(9), ids[:9]) for backend in (exact, coarse)]
    assert 0 < np.abs(steps[0] - steps[1]).max() < 0.5
    if coarse.capabilities.batch_invariant:
        coarse.reserve(1)
        coarse.prefill(0, ids[:24])
        assert (coarse.step([0], ids[4:5])[0] == steps[1][4]).all()
    plans = [open_model(LoadOptions(device="cpu", dtype=dtype)).plan(100) for dtype in ("int8", "float32")]
    assert plans[0] is not None
    assert plans[1] is not None
    assert plans[0].weights_bytes < 0.4 * plans[1].weights_bytes


def test_a_prompt_of_several_passes_is_that_of_single_steps() -> None:
    backend = _load()
    ids = (backend.tokenizer.encode(_PROTEIN) * 8)[:600]
    backend.reserve(1)
    whole = backend.prefill(0, ids)
    backend.free(0)
    backend.prefill(0, ids[:1])
    for token in ids[1:]:
        stepped = backend.step([0], [token])
    assert stepped[0] == pytest.approx(whole, abs=2e-4)
    with pytest.raises(UsageError, match="does not fit the context"):
        backend.prefill(0, [40] * (backend.context_tokens + 1))


def test_a_sequence_can_fill_the_context_while_others_go_on() -> None:
    backend = _load()
    backend.reserve(2)
    backend.prefill(1, [40] * (backend.context_tokens - 1))
    backend.prefill(0, [16, 40])
    backend.step([0, 1], [41, 41])
    for token in range(30, 40):  # the full row only pads
        stepped = backend.step([0], [token])
    backend.reserve(1)
    assert (backend.prefill(0, [16, 40, 41, *range(30, 40)]) - stepped[0]) == pytest.approx(0, abs=2e-4)


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    found = []
    for threads in (1, 2, 3):
        backend = _load(threads=threads)
        backend.reserve(40)
        ids = backend.tokenizer.encode(_PROTEIN)
        first = backend.prefill_many(range(40), [ids[: 5 + row] for row in range(40)])
        found.append(np.concatenate([first, *(backend.step(range(40), ids[:40]) for _ in range(3))]))
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


def test_likelihoods_are_those_of_torch_in_any_order() -> None:
    ours, torch = _load(), _load(backend="torch")
    ids = ours.tokenizer.encode(_PROTEIN)
    sequences = [ids, ids[:30], [*ids[:40], 50, *ids[41:]], ids[:1], [16, *ids[5:9]], ids, (ids * 5)[:400]]
    wanted = [[(token + 1) % 256 for token in sequence[1:]] for sequence in sequences]
    for targets in (None, wanted):
        for one, other in zip(ours.token_logps(sequences, targets), torch.token_logps(sequences, targets), strict=True):
            assert one == pytest.approx(other, abs=2e-4)
    assert ours.token_logps([]) == []
    backwards = ours.token_logps(sequences[::-1])[::-1]
    for one, other in zip(ours.token_logps(sequences), backwards, strict=True):
        assert (one == other).all()


def test_the_memory_of_a_run_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = open_model(LoadOptions(device="cpu", backend="onnxruntime"))
    monkeypatch.setattr(plugin, "free_host_bytes", lambda: 200_000_000)
    plan = checkpoint.plan(255)
    assert plan is not None
    assert plan.cache_bytes_per_sequence == 2 * 6 * 256 * 4 * 256
    assert 1 <= plan.batch_size < 64
    monkeypatch.setattr(plugin, "free_host_bytes", lambda: 20_000_000)
    with pytest.raises(DeviceMemoryError, match="does not fit"):
        checkpoint.plan(255)


def test_a_lack_of_memory_has_the_error_of_logos() -> None:
    checkpoint = open_model(LoadOptions(device="cpu", backend="onnxruntime"))
    assert isinstance(checkpoint, plugin.OnnxRuntimeCheckpoint)
    network = Network(checkpoint.shape, checkpoint._model, 1)
    with pytest.raises(DeviceMemoryError):
        network.reserve(1 << 40, 64)
    network.reserve(1, 64)
    assert network.read(0, [16, 40], 0).shape == (2, 276)
