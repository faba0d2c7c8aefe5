"""The scheduler over the scripted backend: order, refill, sharing of prompts, ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from logos_cli.backends.base import Capabilities
from logos_cli.backends.fake import FakeBackend
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Completion, Engine, Finish, Request
from logos_cli.engine.start import in_request_order
from logos_cli.grammar.constrain import grammar

SENTENCES = [f"<ProteinS>{letter}{'MK' * n}<ProteinE>" for n, letter in enumerate("ACDEFGHIKLNPQRSTVWY", 1)]


def _requests(backend: FakeBackend, prompts: dict[str, str], n: int = 1, **options: object) -> Iterator[Request]:
    for name, text in prompts.items():
        ids = tuple(backend.tokenizer.encode(text))
        for number in range(n):
            yield Request(f"{name}#{number}", ids, **options)  # type: ignore[arg-type]


def _run(backend: FakeBackend, requests: Iterator[Request], batch_size: int, **sampling: float) -> list[Completion]:
    options = Sampling(**{"temperature": 1.0, "top_p": 0.999, **sampling})  # type: ignore[arg-type]
    return list(in_request_order(Engine(backend, options, batch_size=batch_size, seed=5).run(requests)))


def _texts(backend: FakeBackend, completions: list[Completion]) -> list[str]:
    return [backend.tokenizer.decode(completion.tokens) for completion in completions]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 64])
def test_completions_come_in_order_and_do_not_depend_on_the_batch(batch_size: int) -> None:
    backend = FakeBackend(SENTENCES)
    prompts = {"a": "<ProteinS>", "b": "<ProteinS>Y", "c": "<MoleculeS>"}
    done = _run(backend, _requests(backend, prompts, 9), batch_size, max_new_tokens=40)
    assert [each.request.id for each in done] == [f"{name}#{n}" for name in "abc" for n in range(9)]
    alone = FakeBackend(SENTENCES)
    wanted = [
        each
        for name, text in prompts.items()
        for each in _run(alone, _requests(alone, {name: text}, 9), 5, max_new_tokens=40)
    ]
    assert done == wanted
    assert len(set(_texts(backend, done[:9]))) > 3


def test_a_prompt_is_read_once_for_all_its_samples() -> None:
    backend = FakeBackend(SENTENCES)
    _run(backend, _requests(backend, {"a": "<ProteinS>", "b": "<ProteinS>Y"}, 20), 4, max_new_tokens=80)
    calls = Counter(call[0] for call in backend.calls)
    assert calls["prefill"] == 2
    assert calls["copy"] >= 40


def test_slots_are_refilled_as_soon_as_they_are_free() -> None:
    backend = FakeBackend(SENTENCES)
    done = _run(backend, _requests(backend, {"a": "<ProteinS>"}, 50), 8, max_new_tokens=100)
    steps = [call[1] for call in backend.calls if call[0] == "step"]
    assert max(steps) == 8
    # the last token of a sequence needs no step; all others need one each
    needed = sum(len(each.tokens) - 1 for each in done)
    assert sum(steps) == needed
    longest = max(len(each.tokens) for each in done)
    assert len(steps) < needed / 8 + longest


def test_towards_the_end_the_sequences_left_move_together() -> None:
    backend = FakeBackend(SENTENCES)
    seen: list[int] = []
    step = backend.step

    def watched(slots, tokens):  # type: ignore[no-untyped-def]
        seen.append(max(slots) + 1 - len(slots))
        return step(slots, tokens)

    backend.step = watched  # type: ignore[method-assign]
    _run(backend, _requests(backend, {"a": "<ProteinS>"}, 24), 8, max_new_tokens=100)
    assert max(seen) > 0  # until then a step goes over slots that are about to be refilled
    assert seen[-8:] == [0] * 8


def test_requests_are_drawn_as_they_are_needed() -> None:
    backend = FakeBackend(SENTENCES)
    drawn = 0

    def endless() -> Iterator[Request]:
        nonlocal drawn
        ids = tuple(backend.tokenizer.encode("<ProteinS>"))
        while True:
            drawn += 1
            yield Request(f"x#{drawn}", ids)

    engine = Engine(backend, Sampling(max_new_tokens=30), batch_size=4, seed=0)
    completions = engine.run(endless())
    for _ in range(100):
        next(completions)
    assert drawn < 100 + 4 * 31


def test_free_answers_end_at_eos_at_the_tag_or_at_the_limit() -> None:
    sentence = "<ProteinS>MK<ProteinE><Search><ProteinS>MK<ProteinE><ProteinS>K<ProteinE>"
    backend = FakeBackend([sentence])
    prompt = {"a": "<ProteinS>MK<ProteinE><Search>"}
    end = backend.tokenizer.tag_ids["<ProteinE>"]
    cases = [
        ({}, "<ProteinS>MK<ProteinE><ProteinS>K<ProteinE>", Finish.STOP),
        ({"end": end}, "<ProteinS>MK<ProteinE>", Finish.STOP),
        ({"end": end, "n_ends": 2}, "<ProteinS>MK<ProteinE><ProteinS>K<ProteinE>", Finish.STOP),
    ]
    for options, text, finish in cases:
        (done,) = _run(backend, _requests(backend, prompt, **options), 1, temperature=0)
        assert (backend.tokenizer.decode(done.tokens), done.finish) == (text, finish)
        assert (done.tokens[-1] in backend.tokenizer.eos_ids) == (not options)
        assert sum(done.logps) == pytest.approx(0, abs=1e-3)
    (cut,) = _run(backend, _requests(backend, prompt), 1, temperature=0, max_new_tokens=3)
    assert (backend.tokenizer.decode(cut.tokens), cut.finish) == ("<ProteinS>MK", Finish.LENGTH)


def test_a_sequence_ends_where_the_context_ends() -> None:
    backend = FakeBackend()
    backend.context_tokens = 20
    (done,) = _run(backend, _requests(backend, {"a": "<ProteinS>MK"}, grammar=None), 1, max_new_tokens=1000)
    assert done.finish is Finish.LENGTH
    assert len(done.tokens) == 20 - 4


def test_constrained_and_free_requests_share_a_batch() -> None:
    backend = FakeBackend()
    ids = tuple(backend.tokenizer.encode("<MoleculeS>"))
    bound = grammar("molecule")
    requests = [
        Request(f"r#{n}", ids, grammar=bound if n % 2 else None, given="<MoleculeS>" if n % 2 else "")
        for n in range(12)
    ]
    together = _run(backend, iter(requests), 12, max_new_tokens=25)
    apart = [_run(backend, iter([request]), 1, max_new_tokens=25)[0] for request in requests]
    assert together == apart
    texts = _texts(backend, together)
    assert all(text.isascii() for text in texts[1::2])
    assert not all(text.isascii() for text in texts[::2])


def test_a_backend_with_few_slots_is_not_asked_for_more() -> None:
    backend = FakeBackend(SENTENCES)
    backend.capabilities = Capabilities(max_slots=3)
    done = _run(backend, _requests(backend, {"a": "<ProteinS>"}, 7), 64, max_new_tokens=80)
    assert len(done) == 7
    assert ("reserve", 3) in backend.calls


def test_an_engine_can_run_again() -> None:
    backend = FakeBackend(SENTENCES)
    engine = Engine(backend, Sampling(max_new_tokens=80), batch_size=4, seed=1)
    first = list(engine.run(_requests(backend, {"a": "<ProteinS>"}, 6)))
    half = engine.run(_requests(backend, {"a": "<ProteinS>"}, 6))
    next(half)
    half.close()
    assert list(engine.run(_requests(backend, {"a": "<ProteinS>"}, 6))) == first
