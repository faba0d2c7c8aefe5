"""The sampler that works where the logits are, held to the host's: on tensors of the CPU both must agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from logos_cli.backends.base import Backend, Capabilities, LoadOptions, TensorBackend, open_model
from logos_cli.backends.fake import FakeBackend
from logos_cli.engine import device_sampler
from logos_cli.engine.device_sampler import DeviceDistribution, DeviceSampler
from logos_cli.engine.sampler import HostSampler, TokenDistribution, unpack_bits
from logos_cli.engine.sampling import Sampling
from logos_cli.engine.scheduler import Completion, Engine, Request, make_sampler
from logos_cli.engine.start import in_request_order
from logos_cli.grammar.constrain import grammar

_CASES = [
    Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05),
    Sampling(top_k=40, top_p=0.9),
    Sampling(temperature=0.7, min_p=0.02),
    Sampling(top_k=7, min_p=0.05, repetition_penalty=1.3),
    Sampling(temperature=0, repetition_penalty=1.2),
    Sampling(temperature=1e-6),
    Sampling(),
]


def _packed(allowed: np.ndarray) -> np.ndarray:
    width = -(-allowed.shape[1] // 32) * 32
    padded = np.zeros((len(allowed), width), bool)
    padded[:, : allowed.shape[1]] = allowed
    return np.packbits(padded, axis=1, bitorder="little").view(np.int32)


def _both(
    sampling: Sampling, size: int, masked: bool, n_logits: int | None = None
) -> tuple[TokenDistribution, DeviceDistribution]:
    generator = np.random.default_rng(size)
    logits = generator.normal(0, 3, (6, n_logits or size)).astype(np.float32)
    logits[:, 10:20] = logits[:, :size].max()  # equal ones, of which top-p keeps the first
    seen = generator.random((6, size)) < 0.05
    bits = _packed(generator.random((6, size)) < 0.2) if masked else None
    allowed = None if bits is None else unpack_bits(bits, size)
    host = TokenDistribution(logits, sampling, seen=seen, allowed=allowed)
    return host, DeviceDistribution(torch.from_numpy(logits), sampling, torch.from_numpy(seen), bits)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [276, 9001])
@pytest.mark.parametrize("sampling", _CASES)
def test_the_same_tokens_as_on_the_host(sampling: Sampling, size: int, masked: bool) -> None:
    host, device = _both(sampling, size, masked, n_logits=size + 7)
    for draw in (0.0, 0.07, 0.31, 0.5, 0.77, 0.93, 1 - 2**-53):
        draws = np.full(6, draw)
        tokens = host.draw(draws)
        assert device.draw(draws).tolist() == tokens.tolist()
        assert device.logps(tokens) == pytest.approx(host.logps(tokens), abs=1e-6)
    others = (tokens + 1) % size
    assert device.logps(others) == pytest.approx(host.logps(others), abs=1e-6)
    assert device.likeliest([4, 1]).tolist() == host.likeliest([4, 1]).tolist()
    refused = host.draw(np.full(6, 0.3)).tolist()
    for row in range(6):
        again = host.redraw(row, 0.4, [refused[row]])
        assert device.redraw(row, 0.4, [refused[row]]) == again != refused[row]


def test_a_nucleus_larger_than_what_is_ranked_first_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    sampling = Sampling(temperature=3.0, top_p=0.95)
    host, _ = _both(sampling, 5000, masked=False)
    monkeypatch.setattr(device_sampler, "_RANKED", 3)
    _, device = _both(sampling, 5000, masked=False)
    draws = np.linspace(0, 0.999, 6)
    assert device.draw(draws).tolist() == host.draw(draws).tolist()
    assert int((device._weights > 0).sum(dim=1).min()) > 1000


def test_frequencies_follow_the_weights() -> None:
    logits = np.log(np.array([[0.5, 0.3, 0.15, 0.05]], np.float32))
    options = DeviceDistribution(torch.from_numpy(logits), Sampling(top_p=0.9), torch.zeros((1, 4)).bool(), None)
    generator = np.random.default_rng(3)
    found = Counter(int(options.draw(generator.random(1))[0]) for _ in range(1000))
    assert set(found) == {0, 1, 2}
    for token, share in enumerate([0.5, 0.3, 0.15]):
        # four standard deviations of a binomial share
        assert found[token] / 1000 == pytest.approx(share / 0.95, abs=4 * (0.25 / 1000) ** 0.5)


# -- whole runs ----------------------------------------------------------------------------------------------


def _on_device(backend: Backend) -> TensorBackend:
    assert isinstance(backend, TensorBackend)
    backend.capabilities = Capabilities(batch_invariant=True, device_logits=True)
    return backend


def _mixed(backend: Backend) -> list[Request]:
    texts = {"molecule": "<MoleculeS>", "protein": "<ProteinS>MKTAYI", "antibody": "<AntibodyS>EVQ"}
    made = [
        Request(
            f"{form}#{number}",
            tuple(backend.tokenizer.encode(text)),
            grammar(form),
            text,
            chemistry=form == "molecule",
            greedy=number == 3,
        )
        for number in range(4)
        for form, text in texts.items()
    ]
    end = backend.tokenizer.tag_ids["<ProteinE>"]
    return [*made, Request("free", made[1].prompt, end=end)]


def _done(backend: Backend, requests: Sequence[Request], batch_size: int) -> list[Completion]:
    sampling = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05, max_new_tokens=25)
    return list(in_request_order(Engine(backend, sampling, batch_size=batch_size, seed=2).run(requests)))


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_a_run_is_the_same_wherever_tokens_are_chosen(dtype: str) -> None:
    backend = open_model(LoadOptions(device="cpu", threads=1, dtype=dtype, backend="torch")).load()
    assert isinstance(backend, Backend)
    requests = _mixed(backend)
    wanted = _done(backend, requests, 5)
    there = _on_device(backend)
    assert isinstance(make_sampler(there, Sampling(), 2), DeviceSampler)
    found = _done(there, requests, 16)
    assert [each.tokens for each in found] == [each.tokens for each in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.logps == pytest.approx(other.logps, abs=1e-5)


class _Tensors(TensorBackend):
    """The scripted backend, with its logits as tensors."""

    def __init__(self, sentences: Sequence[str]) -> None:
        self._inner = FakeBackend(sentences)
        self.info, self.tokenizer = self._inner.info, self._inner.tokenizer
        self.context_tokens = self._inner.context_tokens
        self.capabilities = Capabilities(device_logits=True)

    def prefill_tensor(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        return torch.from_numpy(self._inner.prefill_many(slots, prompts))

    def step_tensor(self, slots: Sequence[int], tokens: Sequence[int]) -> torch.Tensor:
        return torch.from_numpy(self._inner.step(slots, tokens))

    def reserve(self, n_slots: int) -> None:
        self._inner.reserve(n_slots)

    def copy(self, source: int, target: int) -> None:
        self._inner.copy(source, target)

    def free(self, slot: int) -> None:
        self._inner.free(slot)


def test_tokens_that_chemistry_refuses_are_drawn_anew() -> None:
    # nothing that it knows is valid, so that tokens are drawn in place of refused ones
    sentences = ["<MoleculeS>CFC<MoleculeE>"]
    plain, there = FakeBackend(sentences), _Tensors(sentences)
    assert isinstance(make_sampler(plain, Sampling(), 2), HostSampler)
    ids = tuple(plain.tokenizer.encode("<MoleculeS>"))
    requests = [Request(f"x#{n}", ids, grammar("molecule"), given="<MoleculeS>", chemistry=True) for n in range(6)]
    wanted = _done(plain, requests, 4)
    assert [each.tokens for each in _done(there, requests, 4)] == [each.tokens for each in wanted]
    assert all("CFC" not in plain.tokenizer.decode(each.tokens) for each in wanted)
