"""The scheduler when memory runs out, when it is interrupted, and beside neighbours of other lengths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from logos_cli.backends.base import Backend, LoadOptions, open_model
from logos_cli.backends.fake import FakeBackend
from logos_cli.engine import sampler
from logos_cli.engine.sampler import Sampling, TokenDistribution, choose
from logos_cli.engine.scheduler import Completion, Engine, Request
from logos_cli.engine.start import in_request_order
from logos_cli.errors import DeviceMemoryError, ExitCode
from logos_cli.grammar.constrain import grammar

SENTENCES = [f"<ProteinS>{letter}{'MK' * n}<ProteinE>" for n, letter in enumerate("ACDEFGHIKLMNPQRSTVWY", 1)]


class _Small(FakeBackend):
    """Has memory for so many tokens in all."""

    def __init__(self, most: int) -> None:
        super().__init__(SENTENCES)
        self.most = most

    def step(self, slots: Sequence[int], tokens: Sequence[int]) -> np.ndarray:
        held = sum(len(sequence) for sequence in self._sequences if sequence is not None)
        if held + len(slots) > self.most:
            raise DeviceMemoryError("the device is out of memory")
        return super().step(slots, tokens)


def _made(engine: Engine, requests: Iterable[Request]) -> list[Completion]:
    return list(in_request_order(engine.run(requests)))


def _requests(backend: Backend, n: int, text: str = "<ProteinS>") -> Iterator[Request]:
    ids = tuple(backend.tokenizer.encode(text))
    return (Request(f"x#{number}", ids, grammar=grammar("protein"), given=text) for number in range(n))


def _engine(backend: Backend, batch_size: int) -> Engine:
    return Engine(backend, Sampling(top_p=0.999, max_new_tokens=60), batch_size=batch_size, seed=1)


def test_out_of_memory_halves_the_batch_and_changes_nothing() -> None:
    plenty, small = FakeBackend(SENTENCES), _Small(150)
    wanted = _made(_engine(plenty, 16), _requests(plenty, 30))
    assert _made(_engine(small, 16), _requests(small, 30)) == wanted
    reserved = [call[1] for call in small.calls if call[0] == "reserve"]
    assert reserved[0] == 17
    assert reserved[-1] < 17
    assert reserved == sorted(reserved, reverse=True)


def test_too_little_memory_for_one_sequence_ends_the_run_with_its_exit_code() -> None:
    small = _Small(8)
    with pytest.raises(DeviceMemoryError) as caught:
        list(_engine(small, 16).run(_requests(small, 30)))
    assert caught.value.exit_code is ExitCode.OUT_OF_MEMORY
    assert [call[1] for call in small.calls if call[0] == "reserve"] == [17, 9, 5, 3, 2]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError, DeviceMemoryError])
def test_what_is_finished_is_handed_over_before_the_run_breaks_off(stop: type[BaseException]) -> None:
    class Breaking(FakeBackend):
        def step(self, slots: Sequence[int], tokens: Sequence[int]) -> np.ndarray:
            if len([call for call in self.calls if call[0] == "step"]) > 12:
                raise stop("lost")
            return super().step(slots, tokens)

    backend = Breaking(SENTENCES)
    # the first request goes on to its limit, so that all others wait for it
    first = Request("long", tuple(backend.tokenizer.encode("<MoleculeS>")))
    done: list[Completion] = []
    with pytest.raises(stop):
        alone = stop is DeviceMemoryError
        requests = _requests(backend, 40) if alone else [first, *_requests(backend, 40)]
        for each in in_request_order(_engine(backend, 1 if alone else 8).run(requests)):
            done.append(each)  # noqa: PERF402 - what came before the exception counts
    wanted = [each.index for each in done]
    assert wanted == sorted(wanted)
    assert stop is DeviceMemoryError or wanted
    assert 0 not in wanted or stop is DeviceMemoryError


def test_a_greedy_request_takes_the_likeliest_token_whatever_its_neighbours_do() -> None:
    backend = FakeBackend(SENTENCES)
    samples = list(_requests(backend, 6))
    greedy = [replace(request, id=f"greedy{n}", greedy=True) for n, request in enumerate(samples[:2])]
    mixed = _made(_engine(backend, 4), [samples[0], greedy[0], *samples[1:], greedy[1]])
    coldest = Engine(backend, Sampling(temperature=0, max_new_tokens=60), batch_size=1, seed=5)
    (wanted,) = coldest.run(samples[:1])
    assert [each.tokens for each in mixed if each.request.greedy] == [wanted.tokens] * 2
    assert [each.logps for each in mixed if each.request.greedy] == [wanted.logps] * 2
    alone = [each.tokens for each in _made(_engine(backend, 4), samples)]
    assert [each.tokens for each in mixed if not each.request.greedy] == alone
    assert len(set(alone)) > 1


def test_completions_come_as_they_are_finished() -> None:
    backend = FakeBackend(SENTENCES)
    ordered = _made(_engine(backend, 8), _requests(backend, 30))
    free = list(_engine(backend, 8).run(_requests(backend, 30)))
    assert [each.index for each in ordered] == list(range(30))
    assert [each.index for each in free] != list(range(30))
    assert sorted(free, key=lambda each: each.index) == ordered


def test_the_embedded_model_writes_the_same_beside_any_neighbours() -> None:
    backend = open_model(LoadOptions(device="cpu", dtype="float32", threads=1, backend="torch")).load()
    assert isinstance(backend, Backend)
    prompts = {"molecule": "<MoleculeS>", "protein": "<ProteinS>" + "MKTAYIAKQR" * 7, "antibody": "<AntibodyS>EVQ"}
    mixed = [
        Request(f"{form}#{number}", tuple(backend.tokenizer.encode(text)), grammar=grammar(form), given=text)
        for number in range(3)
        for form, text in prompts.items()
    ]
    options = Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05, max_new_tokens=15)
    wanted = _made(Engine(backend, options, batch_size=64, seed=2), mixed)
    assert len({each.tokens for each in wanted}) > 6
    assert _made(Engine(backend, options, batch_size=4, seed=2), mixed) == wanted
    alone = list(Engine(backend, options, batch_size=1, seed=2).run([mixed[4]]))
    assert alone == [wanted[4]]


# -- large vocabularies --------------------------------------------------------------------------------------

_CASES = [
    Sampling(temperature=1.2, top_p=0.85, repetition_penalty=1.05),
    Sampling(top_k=40, top_p=0.9),
    Sampling(temperature=0.7, min_p=0.02),
    Sampling(top_k=7, min_p=0.05, repetition_penalty=1.3),
    Sampling(temperature=0, repetition_penalty=1.2),
    Sampling(),
]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("sampling", _CASES)
def test_a_large_vocabulary_is_sampled_as_a_small_one(
    sampling: Sampling, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(5)
    logits = generator.normal(0, 3, (6, 9000)).astype(np.float32)
    logits[:, 1000:1010] = logits.max()  # equal ones
    seen = generator.random(logits.shape) < 0.01
    allowed = generator.random(logits.shape) < 0.2 if masked else None
    combs = (np.arange(10) + 0.5) / 10
    large = [choose(logits, sampling, np.full(6, draw), seen=seen, allowed=allowed) for draw in combs]
    monkeypatch.setattr(sampler, "_WIDE", 1 << 20)
    for draw, (tokens, logps) in zip(combs, large, strict=True):
        small, small_logps = choose(logits, sampling, np.full(6, draw), seen=seen, allowed=allowed)
        assert tokens.tolist() == small.tolist()
        assert logps == pytest.approx(small_logps)


@pytest.mark.parametrize("size", [50, 6000])
def test_tokens_drawn_anew_follow_what_remains(size: int) -> None:
    logits = np.full((2, size), -20.0, np.float32)
    logits[:, [3, 7, 11]] = np.log([0.5, 0.3, 0.2])
    options = TokenDistribution(logits, Sampling(top_p=0.95), seen=np.zeros((2, size), bool))
    found = [options.redraw(1, (k + 0.5) / 1000, [3]) for k in range(1000)]
    assert found.count(7) / 1000 == pytest.approx(0.6, abs=0.01)
    assert set(found) == {7, 11}
    # what top-p has left out comes back when all else has been refused
    assert options.redraw(0, 0.5, [3, 7, 11]) not in (3, 7, 11) if size == 50 else True
    assert TokenDistribution(logits[:, :3], Sampling(), seen=np.zeros((2, 3), bool)).redraw(0, 0.5, [0, 1, 2]) is None
