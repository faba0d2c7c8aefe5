"""The PyTorch backend: planned memory, precision, parts on several devices, and errors of the device."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import logos_cli.backends.torch.plugin as backend_module
from logos_cli.backends import device
from logos_cli.backends.base import Backend, LoadOptions, open_model, rounded_up
from logos_cli.backends.torch import linear
from logos_cli.backends.torch.decoder import Decoder
from logos_cli.backends.torch.weights import read_tensors
from logos_cli.checkpoints.safetensors import stored_type
from logos_cli.errors import DeviceMemoryError, ExitCode, LogosError, ModelError
from logos_cli.resources import EMBEDDED, data_path

NANO = data_path("tokenizers", EMBEDDED)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """The embedded model as released checkpoints are: in bfloat16."""
    directory = Path(shutil.copytree(NANO, tmp_path / "half"))
    file = directory / "model.safetensors"
    save_file({name: tensor.bfloat16() for name, tensor in load_file(file).items()}, file)
    return directory


def _open(path: Path = NANO, **options: Any) -> backend_module.TorchCheckpoint:
    checkpoint = open_model(LoadOptions(str(path), device="cpu", **options, backend="torch"))
    assert isinstance(checkpoint, backend_module.TorchCheckpoint)
    return checkpoint


def _logits(backend: Backend, slots: Sequence[int], n_steps: int = 12) -> dict[int, np.ndarray]:
    """Return the logits of sequences of various lengths, one a slot."""
    backend.reserve(max(slots) + 1)
    found = {}
    for slot in slots:
        found[slot] = [backend.prefill(slot, [16, *((slot * 5 + i) % 256 for i in range(3 + 23 * slot))])]
    for step in range(n_steps):
        rows = backend.step(slots, [(step + slot) % 256 for slot in slots])
        for slot, row in zip(slots, rows, strict=True):
            found[slot].append(row)
    return {slot: np.stack(rows) for slot, rows in found.items()}


@pytest.mark.parametrize(
    "dtype", [each if each == "float32" else pytest.param(each, marks=pytest.mark.slow) for each in device.DTYPES]
)
def test_neither_neighbours_nor_threads_change_a_bit_where_it_is_promised(dtype: str) -> None:
    backend = _open(dtype=dtype, threads=1).load()
    way = linear.layout(getattr(torch, dtype))
    assert backend.capabilities.batch_invariant is backend.info.batch_invariant is way.exact
    if not way.exact:
        assert way.linear is linear.Plain or not way.keeps_bits(getattr(torch, dtype))
        pytest.skip(f"no product of {dtype} keeps its bits here")
    # prompts of 3 to 302 tokens: below eight rows, of one chunk and of two
    together = _logits(backend, (0, 1, 2, 5, 12, 13), n_steps=3)
    for slots, threads in (([0], 2), ([13], 2), ([12, 13], 1), ([0, 1, 5], 2)):
        torch.set_num_threads(threads)
        for slot, rows in _logits(backend, slots, n_steps=3).items():
            assert (rows == together[slot]).all(), (slot, slots, threads)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_prompts_read_together_are_read_as_alone(dtype: str) -> None:
    backend = _open(threads=1, dtype=dtype).load()
    lengths = [3, 1, 8, 70, 256, 257, 9, 16, 40]  # some are longer than one pass
    prompts = [[16, *((7 * i + n) % 200 for i in range(n - 1))] for n in lengths]
    slots = [len(lengths) - i for i in range(len(lengths))]
    backend.reserve(len(lengths) + 1)
    alone = [backend.prefill(slot, prompt) for slot, prompt in zip(slots, prompts, strict=True)]
    stepped = backend.step(sorted(slots), [40] * len(slots))
    backend.reserve(len(lengths) + 1)
    assert (backend.prefill_many(slots, prompts) == np.stack(alone)).all()
    assert (backend.step(sorted(slots), [40] * len(slots)) == stepped).all()


class _Wavering(linear.Plain):
    """Products whose sums have another order for few rows, or with several threads."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None, *, by: str = "rows") -> None:
        super().__init__(weight, bias)
        self._by = by

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        if (len(rows) if self._by == "rows" else 3 - torch.get_num_threads()) > 2:
            return super().__call__(rows)
        parts = [linear.linear(rows[:, i::2], self._weight[:, i::2]) for i in range(2)]
        return parts[0] + parts[1] if self._bias is None else parts[0] + parts[1] + self._bias


@pytest.mark.parametrize("by", ["rows", "threads"])
def test_products_that_do_not_keep_their_bits_are_found_out(by: str) -> None:
    def wavering(weight: torch.Tensor, bias: torch.Tensor | None) -> linear.Linear:
        return _Wavering(weight, bias, by=by)

    way = linear.layout(torch.float32)._replace(linear=wavering)
    assert way.is_correct(torch.float32)
    assert not way.keeps_bits(torch.float32)
    assert torch.get_num_threads() == torch.get_num_threads()


def test_nothing_is_promised_where_no_product_keeps_its_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = _logits(_open(threads=1, dtype="float32").load(), [0, 5])
    monkeypatch.setattr(linear, "Packed", _Wavering)
    linear.layout.cache_clear()
    try:
        backend = _open(threads=1, dtype="float32").load()
        assert not backend.capabilities.batch_invariant
        assert not backend.info.batch_invariant
        # in multiples of eight rows bits depend on their number no more than they must
        assert backend._decoder.row_multiple == 8
        for slot, rows in _logits(backend, [0, 5]).items():
            assert rows == pytest.approx(exact[slot], abs=1e-3)
    finally:
        linear.layout.cache_clear()


@pytest.mark.parametrize("dtype", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def test_half_precision_is_widened_where_the_processor_has_none(
    dtype: str, half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "computes", lambda dtype: dtype is torch.float32)
    linear.layout.cache_clear()
    try:
        checkpoint = _open(half, threads=1, dtype=dtype)
        backend = checkpoint.load()
        assert backend.info.dtype == dtype
        assert backend.info.batch_invariant
        backend.reserve(8)
        decoder = backend._decoder
        plan = checkpoint.plan(n_tokens=255)
        assert plan.weights_bytes == 2 * decoder.n_parameters
        cache = sum(half.nbytes for stage in decoder.stages for pair in stage.caches for half in pair)
        assert cache == rounded_up(8, decoder.row_multiple) * plan.cache_bytes_per_sequence
        whole = _logits(_open(half, threads=1, dtype="float32").load(), [0, 9])
        for slot, rows in _logits(backend, [0, 9]).items():
            assert rows == pytest.approx(whole[slot], abs=1e-3 if dtype == "bfloat16" else 0.1)
    finally:
        linear.layout.cache_clear()


@pytest.mark.slow
def test_half_precision_has_products_of_its_own_with_the_same_bits_in_every_batch() -> None:
    if not device.multiplies_half():
        pytest.skip("FBGEMM is a part of PyTorch for x86")
    assert linear.layout(torch.float16).linear is linear.Half
    assert linear.layout(torch.float16).exact
    generator = torch.Generator().manual_seed(3)
    weight, rows = torch.randn(70, 96, generator=generator).half(), torch.randn(200, 96, generator=generator)
    product, gated = linear.make_linear(weight), linear.make_gated(weight, weight.flip(0))
    for made in (product, gated):
        whole = made(rows)
        for n in (1, 2, 4, 7, 14, 31, 32, 67, 128, 199):
            assert torch.equal(made(rows[:n].contiguous()), whole[:n]), n
    assert torch.allclose(product(rows), rows @ weight.float().T, atol=1e-4)
    half, full = (_logits(_open(threads=1, dtype=dtype).load(), [0, 9]) for dtype in ("float16", "float32"))
    for slot, logits in half.items():  # the weights of the file are in half precision: nothing is rounded
        assert logits == pytest.approx(full[slot], abs=1e-3)


@pytest.mark.parametrize("rows", [1, 5])
def test_the_root_mean_square_is_that_of_pytorch(rows: int) -> None:
    generator = torch.Generator().manual_seed(4)
    hidden, weight = torch.randn(rows, 64, generator=generator), torch.randn(64, generator=generator)
    expected = torch.rms_norm(hidden, (64,), weight, 1e-5)
    assert torch.allclose(linear.rms_norm(hidden, (64,), weight, 1e-5), expected, atol=1e-6)
    assert linear.rms_norm(torch.zeros(1, 64), (64,), weight, 1e-5).abs().max() == 0


def test_a_sequence_survives_the_growth_of_the_cache() -> None:
    backend = _open(threads=1).load()
    backend.reserve(2)
    ids = [16, *(i % 256 for i in range(299))]
    backend.prefill(1, ids[:250])
    backend.prefill(0, ids[:9])  # another, to be kept beside
    for token in ids[250:299]:
        grown = backend.step([1], [token])[0]
    backend.reserve(1)
    assert grown == pytest.approx(backend.prefill(0, ids[:299]), abs=1e-4)


def test_a_bias_that_only_some_projections_have_counts() -> None:
    checkpoint = _open(threads=1)
    name = "model.layers.2.self_attn.{}_proj.bias"
    key = torch.linspace(-1, 1, checkpoint.shape.n_kv_heads * checkpoint.shape.head_dim)
    zeros = {name.format(part): torch.zeros_like(key) for part in "qv"}
    logits = []
    for biases in ({}, {name.format("k"): key}, {name.format("k"): key, **zeros}):
        decoder = Decoder(checkpoint.shape, read_tensors(checkpoint.files, torch.float32, lambda _: CPU) | biases)
        with torch.inference_mode():
            decoder.reserve(1, 64)
            logits.append(decoder.prefill([0], [[16, 4, 5, 6]]))
    without, partial, whole = logits
    assert (partial == whole).all()
    assert (partial - without).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ({"model.layers.0.mlp.up_proj.bias": (683,)}, r"does not describe: model\.layers\.0\.mlp\.up_proj\.bias \("),
        (
            {"model.layers.6.mlp.up_proj.weight": (1,), "model.layers.6.input_layernorm.weight": (1,)},
            r"does not describe: model\.layers\.6\.\S+ and 1 more \(",
        ),
    ],
)
def test_tensors_that_the_network_would_not_use_are_refused(added: dict[str, tuple[int, ...]], said: str) -> None:
    checkpoint = _open(threads=1)
    tensors = read_tensors(checkpoint.files, torch.float32, lambda _: CPU)
    twice = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(16)}
    Decoder(checkpoint.shape, tensors | twice)
    with pytest.raises(ModelError, match=said):
        Decoder(checkpoint.shape, tensors | {name: torch.zeros(shape) for name, shape in added.items()})


@pytest.mark.parametrize("n_stages", [2, 3, 6])
def test_a_network_in_parts_is_the_same_network(n_stages: int) -> None:
    checkpoint = _open(threads=1)
    shape = checkpoint.shape
    places = [shape.stage_of(f"model.layers.{index}.mlp.up_proj.weight", n_stages) for index in range(6)]
    assert sorted(set(places)) == list(range(n_stages))
    assert places == sorted(places)
    whole = Decoder(shape, read_tensors(checkpoint.files, torch.float32, lambda _: CPU))
    parts = Decoder(shape, read_tensors(checkpoint.files, torch.float32, lambda _: CPU), [CPU] * n_stages)
    assert [len(stage.layers) for stage in parts.stages] == [6 // n_stages] * n_stages
    assert whole.n_parameters == parts.n_parameters == shape.n_parameters
    with torch.inference_mode():
        for decoder in (whole, parts):
            decoder.reserve(8, 64)
        assert (whole.prefill([2], [[16, 4, 5]]) == parts.prefill([2], [[16, 4, 5]])).all()
        tokens, positions = [7] * 8, [0, 0, 3, 0, 0, 0, 0, 0]
        assert (whole.step(tokens, positions) == parts.step(tokens, positions)).all()


def test_auto_computes_in_the_type_that_the_processor_and_the_checkpoint_share(
    half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stored_type(_open().files) == "F16"
    assert _open().dtype is (torch.float16 if device.multiplies_half() else torch.float32)
    monkeypatch.setattr("logos_cli.backends.torch.plugin.multiplies_half", lambda: False)
    assert _open().dtype is torch.float32
    assert stored_type(_open(half).files) == "BF16"
    monkeypatch.setattr(device, "computes", lambda _dtype: True)
    assert _open(half).dtype is torch.bfloat16
    assert _open(half).load().info.dtype == "bfloat16"
    monkeypatch.setattr(device, "computes", lambda _dtype: False)
    assert _open(half).dtype is torch.float32
    assert _open(half, dtype="float16").dtype is torch.float16


def test_the_plan_is_what_is_allocated() -> None:
    checkpoint = _open(threads=1, dtype="float32")
    plan = checkpoint.plan(255)
    backend = checkpoint.load()
    backend.reserve(8)
    decoder = backend._decoder
    assert plan.weights_bytes == sum(tensor.float().nbytes for tensor in load_file(NANO / "model.safetensors").values())
    assert plan.weights_bytes == 4 * decoder.n_parameters
    cache = sum(half.nbytes for stage in decoder.stages for pair in stage.caches for half in pair)
    assert cache == rounded_up(8, decoder.row_multiple) * plan.cache_bytes_per_sequence
    assert plan.batch_size == 64
    assert plan.free_bytes is None or plan.free_bytes > plan.weights_bytes


@pytest.mark.parametrize(("wanted", "fitting"), [(None, 20), (12, 12), (300, 20)])
def test_as_many_sequences_are_planned_as_fit(
    wanted: int | None, fitting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = _open()
    each = checkpoint.plan(1000).cache_bytes_per_sequence
    free = int((checkpoint.weights_bytes + 21.5 * each) / 0.9)
    monkeypatch.setattr(backend_module, "free_bytes", lambda device: free)
    assert checkpoint.plan(1000, wanted).batch_size == fitting


def test_a_model_that_does_not_fit_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_module, "free_bytes", lambda device: 8_000_000)
    with pytest.raises(DeviceMemoryError, match="does not fit cpu") as caught:
        _open().plan(2000)
    assert caught.value.exit_code is ExitCode.OUT_OF_MEMORY


def test_where_free_memory_is_unknown_the_plan_trusts_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_module, "free_bytes", lambda device: None)
    assert _open().plan(1000, 500).batch_size == 500


def test_memory_that_cannot_be_had_is_told_so_that_the_batch_can_be_halved() -> None:
    backend = _open(threads=1).load()
    backend.reserve(4)
    backend.prefill(0, [16, 5])
    with pytest.raises(DeviceMemoryError):
        backend.reserve(1 << 23)
    # after which a smaller batch works
    backend.reserve(2)
    assert backend.prefill(0, [16, 5]).shape == (276,)


@pytest.mark.parametrize(
    ("error", "wanted", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), DeviceMemoryError, "out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), DeviceMemoryError, "out of"),
        (RuntimeError("CUDA error: an illegal memory access"), LogosError, "the GPU stopped working: CUDA error"),
    ],
)
def test_errors_of_the_device_are_explained(error: Exception, wanted: type[LogosError], said: str) -> None:
    with pytest.raises(wanted, match=said) as caught, device.translate_errors():
        raise error
    assert caught.value.hint
    assert caught.value.__cause__ is error


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shape"), device.translate_errors():
        raise RuntimeError("shape '[3]' is invalid")


def test_weights_that_are_no_floating_point_numbers_are_refused(tmp_path: Path) -> None:
    directory = Path(shutil.copytree(NANO, tmp_path / "quantized"))
    file = directory / "model.safetensors"
    tensors = load_file(file)
    tensors["model.norm.weight"] = tensors["model.norm.weight"].to(torch.int8)
    save_file(tensors, file)
    with pytest.raises(ModelError, match=r"model\.norm\.weight has the type torch\.int8"):
        _open(directory).load()


def test_checkpoints_quantized_for_transformers_are_refused_with_the_way_out(tmp_path: Path) -> None:
    directory = Path(shutil.copytree(NANO, tmp_path / "quantized"))
    config = json.loads((directory / "config.json").read_text())
    config["quantization_config"] = {"load_in_8bit": True, "quant_method": "bitsandbytes"}
    (directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="quantized for transformers") as caught:
        _open(directory).load()
    assert "GGUF" in (caught.value.hint or "")


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x08" + b"\0" * 7 + b"[1, 2] x", b"\x02" + b"\0" * 7 + b"{}"])
def test_a_damaged_header_is_named(content: bytes, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(NANO, tmp_path / "damaged"))
    (directory / "model.safetensors").write_bytes(content)
    for use in (lambda: _open(directory).plan(100), lambda: _open(directory).load()):
        with pytest.raises(ModelError, match=r"damaged|have no tensor"):
            use()


@pytest.mark.parametrize("index", ["{}", '{"weight_map": 3}', '{"weight_map": {"a": "gone.safetensors"}}'])
def test_a_damaged_index_is_named(index: str, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(NANO, tmp_path / "damaged"))
    (directory / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ModelError, match=r"model\.safetensors\.index\.json|gone\.safetensors"):
        _open(directory).load()


def test_idle_threads_do_not_spin_unless_the_user_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import sys

    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    device.prepare()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.delenv("OMP_WAIT_POLICY")
    device.prepare()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    assert int(os.environ["GOMP_SPINCOUNT"]) > 0
    monkeypatch.delenv("GOMP_SPINCOUNT")  # set beside the fixture, so it would stay
