"""Beam search, against all answers that there are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from logos_cli.backends.fake import FakeBackend
from logos_cli.engine.beam import BeamEngine
from logos_cli.engine.local import LocalEngine
from logos_cli.engine.sampler import Sampling, log_softmax
from logos_cli.engine.scheduler import BeamPlace, Completion, Finish, Request
from logos_cli.errors import DeviceMemoryError, ModelError
from logos_cli.grammar.constrain import grammar
from logos_cli.grammar.spec import Kind

LETTERS = "ABC"
LONGEST = 5
START, END = Kind.MOLECULE.start, Kind.MOLECULE.end


class Small(FakeBackend):
    """Knows three letters and the end, and likes each differently after each beginning."""

    def _logits(self, sequence: tuple[int, ...]) -> np.ndarray:
        size = len(self.tokenizer.vocabulary)
        logits = np.full(size, -np.inf, np.float32)
        seed = int.from_bytes(hashlib.blake2b(repr(sequence).encode(), digest_size=8).digest(), "little")
        known = [*self.tokenizer.encode(LETTERS, whole=False), self.tokenizer.eos_ids[0]]
        logits[known] = np.random.default_rng(seed).normal(0, 1.5, len(known))
        return logits


class Cramped(Small):
    """Has memory for a number of sequences."""

    most = 4

    def reserve(self, n_slots: int) -> None:
        if n_slots > self.most:
            raise DeviceMemoryError(f"no memory for {n_slots} sequences")
        super().reserve(n_slots)


class Padded(FakeBackend):
    """Has logits beyond its vocabulary, the highest of all."""

    def _logits(self, sequence: tuple[int, ...]) -> np.ndarray:
        own = super()._logits(sequence)
        return np.concatenate([own, np.full(40, own.max() + 3, np.float32)])


def all_answers(backend: FakeBackend, prompt: tuple[int, ...]) -> list[tuple[tuple[int, ...], float]]:
    """Every answer of at most LONGEST tokens, the end included, with its log-probability, best first."""
    letters, eos = backend.tokenizer.encode(LETTERS, whole=False), backend.tokenizer.eos_ids[0]
    found = []
    for length in range(LONGEST):
        for tokens in product(letters, repeat=length):
            whole = (*tokens, eos)
            logp = sum(
                float(log_softmax(backend._logits((*prompt, *whole[:i]))[None])[0, whole[i]]) for i in range(len(whole))
            )
            found.append((whole, logp))
    return sorted(found, key=lambda answer: -answer[1])


def asked(prompts: Sequence[tuple[int, ...]], width: int, **fields: object) -> list[Request]:
    return [
        Request(f"{number}#{rank}", prompt, beam=BeamPlace(width, rank), **fields)  # type: ignore[arg-type]
        for number, prompt in enumerate(prompts)
        for rank in range(width)
    ]


def made(
    backend: FakeBackend, requests: Sequence[Request], *, batch_size: int = 64, longest: int = LONGEST
) -> list[Completion]:
    engine = BeamEngine(backend, batch_size=batch_size, max_new_tokens=longest)
    return sorted(engine.run(requests), key=lambda completion: completion.index)


@pytest.fixture
def prompts() -> list[tuple[int, ...]]:
    encode = FakeBackend().tokenizer.encode
    return [tuple(encode(START + text)) for text in ("C", "CO", "N", "CCC", "S", "O", "CN")]


def test_a_wide_beam_finds_the_best_of_all_answers(prompts: list[tuple[int, ...]]) -> None:
    backend, width = Small(), 81
    found = made(backend, asked(prompts, width), batch_size=3 * width)
    assert [completion.index for completion in found] == list(range(width * len(prompts)))
    for number, prompt in enumerate(prompts):
        answers = found[number * width : (number + 1) * width]
        best = all_answers(backend, prompt)[:width]
        assert [answer.tokens for answer in answers] == [tokens for tokens, _ in best]
        assert [sum(answer.logps) for answer in answers] == pytest.approx([logp for _, logp in best])
        assert {answer.finish for answer in answers} == {Finish.STOP}


@pytest.mark.parametrize("width", [1, 2, 4])
def test_what_is_searched_beside_a_prompt_does_not_change_its_answers(
    prompts: list[tuple[int, ...]], width: int
) -> None:
    runs = [made(Small(), asked(prompts, width), batch_size=n * width) for n in (1, 3, 20)]
    assert runs[0] == runs[1] == runs[2]
    assert len(runs[0]) == width * len(prompts)


def test_a_beam_of_one_is_greedy(prompts: list[tuple[int, ...]]) -> None:
    backend = Small()
    (answer,) = made(backend, asked(prompts[:1], 1), longest=200)
    tokens, eos = list(prompts[0]), backend.tokenizer.eos_ids[0]
    while tokens[-1] != eos:
        tokens.append(int(backend._logits(tuple(tokens)).argmax()))
    assert answer.tokens == tuple(tokens[len(prompts[0]) :])


def test_answers_are_found_by_their_rank_whichever_are_wanted(prompts: list[tuple[int, ...]]) -> None:
    requests = asked(prompts[:3], 4)
    by_id = {completion.request.id: completion for completion in made(Small(), requests)}
    some = [request for request in requests if request.id in ("0#2", "1#0", "1#3", "2#1")]
    for completion in made(Small(), some):
        whole = by_id[completion.request.id]
        assert (completion.tokens, completion.logps) == (whole.tokens, whole.logps)


def test_the_grammar_permits_only_its_own_answers() -> None:
    backend = FakeBackend([f"{START}CCO{END}", f"{START}CN{END}"])
    prompt = tuple(backend.tokenizer.encode(START))
    found = made(backend, asked([prompt], 2, grammar=grammar("molecule_block"), given=START), longest=20)
    assert {backend.tokenizer.decode(answer.tokens) for answer in found} == {f"CCO{END}", f"CN{END}"}
    unlike = made(FakeBackend(), asked([prompt], 8, grammar=grammar("molecule_block"), given=START), longest=4)
    texts = [backend.tokenizer.decode(answer.tokens) for answer in unlike if answer.finish is Finish.STOP]
    assert len(set(texts)) == len(texts) > 0
    assert all(text.endswith(END) and "<" not in text.removesuffix(END) for text in texts)


@pytest.mark.parametrize("rules", [grammar("molecule_block"), None])
def test_tokens_that_are_none_are_not_found(rules: str | None) -> None:
    backend = Padded()
    prompt = tuple(backend.tokenizer.encode(START))
    for answer in made(backend, asked([prompt], 8, grammar=rules, given=START), longest=4):
        assert max(answer.tokens) < len(backend.tokenizer.vocabulary)


def test_an_end_without_a_grammar_counts_as_often_as_it_must() -> None:
    backend = FakeBackend([f"{START}C{END}{START}N{END}{START}O{END}"])
    prompt = tuple(backend.tokenizer.encode(START))
    end = backend.tokenizer.tag_ids[END]
    (first,) = made(backend, asked([prompt], 1, end=end), longest=20)
    (second,) = made(backend, asked([prompt], 1, end=end, n_ends=2), longest=20)
    assert backend.tokenizer.decode(first.tokens) == f"C{END}"
    assert backend.tokenizer.decode(second.tokens) == f"C{END}{START}N{END}"


def test_what_the_limit_cuts_comes_after_the_answers(prompts: list[tuple[int, ...]]) -> None:
    found = made(Small(), asked(prompts[:1], 8), longest=2)
    finishes = [completion.finish for completion in found]
    assert finishes == sorted(finishes, key=lambda finish: finish is Finish.LENGTH)
    assert finishes.count(Finish.STOP) == 4  # the end at once, or after one of three letters
    assert [len(completion.tokens) for completion in found if completion.finish is Finish.LENGTH] == [2] * 4


def test_fewer_searches_at_a_time_where_memory_is_short(prompts: list[tuple[int, ...]]) -> None:
    assert made(Cramped(), asked(prompts, 2), batch_size=64) == made(Small(), asked(prompts, 2))


def test_a_beam_too_wide_for_the_memory_is_refused_with_the_remedy(prompts: list[tuple[int, ...]]) -> None:
    with pytest.raises(DeviceMemoryError) as caught:
        made(Cramped(), asked(prompts, 5))
    assert caught.value.hint == "give a narrower --beam"


def test_memory_that_runs_out_on_the_way_loses_no_answer(
    prompts: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, backend, calls = made(Small(), asked(prompts, 2)), Small(), []
    step = backend.step

    def failing(slots: Sequence[int], tokens: Sequence[int]) -> np.ndarray:
        calls.append(len(slots))
        if len(calls) in (2, 9):
            raise DeviceMemoryError("no memory")
        return step(slots, tokens)

    monkeypatch.setattr(backend, "step", failing)
    assert made(backend, asked(prompts, 2), batch_size=16) == wanted


def test_values_that_are_no_numbers_are_refused(
    prompts: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Small()
    monkeypatch.setattr(backend, "_logits", lambda _: np.full(len(backend.tokenizer.vocabulary), np.nan, np.float32))
    with pytest.raises(ModelError, match="no numbers"):
        made(backend, asked(prompts, 2))


def test_no_requests_no_answers() -> None:
    assert made(FakeBackend(), []) == []


# -- beside other kinds of requests ----------------------------------------------------------------------------


def test_requests_of_all_kinds_are_answered_in_one_run(prompts: list[tuple[int, ...]]) -> None:
    backend = Small()
    answer = tuple(backend.tokenizer.encode("AB", whole=False))
    searched, sampled = asked(prompts[:2], 2), [Request("s", prompts[2]), Request("t", prompts[3])]
    read = Request("r", prompts[0], answer=answer)
    requests = [searched[0], searched[1], sampled[0], read, searched[2], searched[3], sampled[1]]
    engine = LocalEngine(backend, Sampling(max_new_tokens=LONGEST), batch_size=8, seed=1)
    found = sorted(engine.run(requests), key=lambda completion: completion.index)
    assert [completion.request.id for completion in found] == [request.id for request in requests]
    assert found[0].tokens == made(Small(), searched)[0].tokens
    alone = LocalEngine(Small(), Sampling(max_new_tokens=LONGEST), batch_size=8, seed=1)
    assert found[2].tokens == next(alone.run([sampled[0]])).tokens
    logps = backend.token_logps([(*prompts[0], *answer)])[0][-len(answer) :]
    assert (found[3].tokens, found[3].logps) == (answer, pytest.approx(logps))


def test_an_answer_that_is_too_long_to_read_has_no_likelihood(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FakeBackend()
    monkeypatch.setattr(backend, "context_tokens", 6)
    prompt, (short, long) = tuple(backend.tokenizer.encode("CC")), ((5, 5), (5,) * 6)
    engine = LocalEngine(backend, Sampling(), batch_size=2, seed=0)
    found = list(engine.run([Request("a", prompt, answer=long), Request("b", prompt, answer=short)]))
    assert found[0].logp is None
    assert found[1].logp is not None
    assert math.isfinite(found[1].logp)
