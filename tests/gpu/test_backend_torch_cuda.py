"""The PyTorch backend on a CUDA device: ``pytest -m gpu tests/gpu``. They are skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from logos_cli import generate
from logos_cli.backends.base import Capabilities, LoadOptions, open_model
from logos_cli.backends.torch.plugin import TorchBackend, TorchCheckpoint
from logos_cli.engine.device_sampler import DeviceDistribution
from logos_cli.engine.sampler import Sampling, TokenDistribution
from logos_cli.engine.scheduler import Completion, Engine, Request
from logos_cli.engine.start import in_request_order
from logos_cli.grammar.constrain import grammar

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")]


def _load(device: str = "cuda", dtype: str = "float32") -> TorchBackend:
    backend = open_model(LoadOptions(device=device, dtype=dtype, backend="torch")).load()
    assert isinstance(backend, TorchBackend)
    return backend


@pytest.fixture(autouse=True)
def _exact_products() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)


def _run(backend: TorchBackend, n_steps: int = 70) -> np.ndarray:
    backend.reserve(12)
    for slot in range(11):
        backend.prefill(slot, [16, *(i % 256 for i in range(5 + slot * 7))])
    backend.copy(3, 11)
    slots = [0, 1, 3, 7, 9, 11]
    return np.stack([backend.step(slots, [(step * 7 + slot) % 256 for slot in slots]) for step in range(n_steps)])


def test_logits_are_those_of_the_cpu() -> None:
    assert _run(_load()) == pytest.approx(_run(_load("cpu")), abs=2e-3)


def test_recorded_steps_are_the_steps_themselves() -> None:
    recorded, plain = _load(), _load()
    assert recorded._graphs is not None
    plain._graphs = None
    plain._step = plain._decoder.step
    assert _run(recorded) == pytest.approx(_run(plain), abs=1e-4)
    # 16 rows at 128 and 256 positions (64 are fewer than the longest prompt has)
    assert 1 <= len(recorded._graphs) <= 4


def test_the_cache_can_grow_under_the_graphs() -> None:
    gpu, cpu = _load(), _load("cpu")
    for backend in (gpu, cpu):
        backend.reserve(3)
        backend.prefill(1, [16, *range(240)])
    for token in range(40):
        both = [backend.step([1], [token])[0] for backend in (gpu, cpu)]
    assert both[0] == pytest.approx(both[1], abs=2e-3)


def test_half_precision_stays_near() -> None:
    exact, half = _run(_load(), 5), _run(_load(dtype="bfloat16"), 5)
    assert 0 < np.abs(exact - half).max() < 1.0


@pytest.mark.parametrize(("dtype", "most"), [("int8", 0.05), ("nf4", 0.5)])
def test_fewer_bits_stay_near(dtype: str, most: float) -> None:
    wanted, found = _run(_load(), 5), _run(_load(dtype=dtype), 5)
    assert np.abs(found - wanted).mean() < most * np.abs(wanted).mean()


def test_the_plan_is_what_is_allocated() -> None:
    checkpoint = open_model(LoadOptions(device="cuda", backend="torch"))
    assert isinstance(checkpoint, TorchCheckpoint)
    plan = checkpoint.plan(255)
    assert plan.free_bytes is not None
    before = torch.cuda.memory_allocated()
    backend = checkpoint.load()
    backend.reserve(64)
    taken = torch.cuda.memory_allocated() - before
    assert taken == pytest.approx(plan.weights_bytes + 64 * plan.cache_bytes_per_sequence, rel=0.2)


def test_prompts_read_together_are_read_as_alone() -> None:
    backend = _load()
    prompts = [[16, *(i % 256 for i in range(n))] for n in (2, 40, 300, 7)]
    backend.reserve(4)
    alone = np.stack([backend.prefill(slot, prompt) for slot, prompt in enumerate(prompts)])
    backend.reserve(4)
    assert backend.prefill_many(range(4), prompts) == pytest.approx(alone, abs=1e-3)


def _completions(backend: TorchBackend, on_device: bool) -> list[Completion]:
    backend.capabilities = Capabilities(device_logits=on_device)
    text = "<MoleculeS>"
    requests = [
        Request(f"x#{n}", tuple(backend.tokenizer.encode(text)), grammar("molecule"), text, chemistry=n % 2 == 0)
        for n in range(80)
    ]
    sampling = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05, max_new_tokens=80)
    return list(in_request_order(Engine(backend, sampling, batch_size=40, seed=2).run(requests)))


def test_tokens_chosen_on_the_device_are_those_that_the_host_chooses() -> None:
    backend = _load()
    assert backend.capabilities.device_logits
    there, here = (_completions(backend, on_device) for on_device in (True, False))
    # the logits are the same bits: batches are, too
    assert [each.tokens for each in there] == [each.tokens for each in here]
    for one, other in zip(there, here, strict=True):
        assert one.logps == pytest.approx(other.logps, abs=1e-4)


@pytest.mark.parametrize("n_tokens", [276, 128_256])
def test_the_samplers_agree_on_any_vocabulary(n_tokens: int) -> None:
    generator = np.random.default_rng(1)
    logits = generator.normal(0, 3, (64, n_tokens)).astype(np.float32)
    seen = generator.random(logits.shape) < 0.01
    for sampling in (Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05), Sampling(top_k=50), Sampling()):
        host = TokenDistribution(logits, sampling, seen=seen)
        there = DeviceDistribution(torch.from_numpy(logits).cuda(), sampling, torch.from_numpy(seen).cuda(), None)
        draws = generator.random(64)
        tokens = host.draw(draws)
        assert there.draw(draws).tolist() == tokens.tolist()
        assert there.logps(tokens) == pytest.approx(host.logps(tokens), abs=1e-5)


def test_samples_are_reproduced_and_well_formed() -> None:
    first = [record.text for record in generate("site", "MKTAYIAKQRQISFVK", n_samples=40, seed=3, device="cuda")]
    again = [record.text for record in generate("site", "MKTAYIAKQRQISFVK", n_samples=40, seed=3, device="cuda")]
    assert first == again
    assert len(set(first)) > 1


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one CUDA device")
def test_a_network_on_two_cards_is_the_same_network() -> None:
    from logos_cli.backends.torch.decoder import Decoder
    from logos_cli.backends.torch.weights import read_tensors

    checkpoint = open_model(LoadOptions(device="cuda", backend="torch"))
    assert isinstance(checkpoint, TorchCheckpoint)
    shape, cards = checkpoint.shape, [torch.device("cuda", 0), torch.device("cuda", 1)]
    parts = read_tensors(checkpoint.files, torch.float32, lambda name: cards[shape.stage_of(name, 2)])
    whole = read_tensors(checkpoint.files, torch.float32, lambda _: cards[0])
    found = []
    with torch.inference_mode():
        for decoder in (Decoder(shape, parts, cards), Decoder(shape, whole)):
            decoder.reserve(8, 64)
            decoder.prefill([0], [[16, 4, 5]])
            found.append(decoder.step([7] * 8, [3] + [0] * 7).cpu())
    assert torch.allclose(found[0], found[1], atol=1e-4)
