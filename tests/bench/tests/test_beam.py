"""Beam search, against all answers that there are."""

from __future__ import annotations

import hashlib
from itertools import product

import numpy as np
import pytest

from logos_cli.backends.fake import FakeBackend
from logos_cli.engine.sampler import log_softmax
from logos_cli.grammar.spec import Kind
from tests.bench.figures.beam import BeamSearch, Hypothesis

LETTERS = "ABC"
LONGEST = 5


class Small(FakeBackend):
    """Knows three letters and the end, and likes each differently after each beginning."""

    def _logits(self, sequence):
        size = len(self.tokenizer.vocabulary)
        logits = np.full(size, -1e9, np.float32)
        seed = int.from_bytes(hashlib.blake2b(repr(sequence).encode(), digest_size=8).digest(), "little")
        known = [*self.tokenizer.encode(LETTERS, whole=False), self.tokenizer.eos_ids[0]]
        logits[known] = np.random.default_rng(seed).normal(0, 1.5, len(known))
        return logits


def all_answers(backend: Small, prompt: tuple[int, ...]) -> list[Hypothesis]:
    """Every answer of at most LONGEST tokens, the end included, best first."""
    letters, eos = backend.tokenizer.encode(LETTERS, whole=False), backend.tokenizer.eos_ids[0]
    found = []
    for length in range(LONGEST):
        for tokens in product(letters, repeat=length):
            whole = (*tokens, eos)
            logp = sum(
                float(log_softmax(backend._logits((*prompt, *whole[:i]))[None])[0, whole[i]]) for i in range(len(whole))
            )
            found.append(Hypothesis(tokens, logp))
    return sorted(found, key=lambda answer: -answer.logp)


@pytest.fixture
def prompts() -> list[tuple[int, ...]]:
    encode = FakeBackend().tokenizer.encode
    return [tuple(encode(Kind.MOLECULE.start + text)) for text in ("C", "CO", "N", "CCC", "S", "O", "CN")]


def test_a_wide_beam_finds_the_best_of_all_answers(prompts):
    backend = Small()
    found = list(BeamSearch(backend, width=81, n_parallel=3).run(prompts, [LONGEST] * len(prompts)))
    for prompt, answers in zip(prompts, found, strict=True):
        best = all_answers(backend, prompt)[: len(answers)]
        assert [answer.tokens for answer in answers] == [answer.tokens for answer in best]
        assert [answer.logp for answer in answers] == pytest.approx([answer.logp for answer in best])


@pytest.mark.parametrize("width", [1, 2, 4])
def test_what_runs_beside_a_prompt_does_not_change_its_answers(prompts, width):
    limits = [LONGEST + number for number in range(len(prompts))]
    runs = [list(BeamSearch(Small(), width, n_parallel).run(prompts, limits)) for n_parallel in (1, 3, 20)]
    assert runs[0] == runs[1] == runs[2]
    assert all(0 < len(answers) <= width for answers in runs[0])


def test_a_narrow_beam_of_one_is_greedy(prompts):
    backend = Small()
    (answer,) = next(BeamSearch(backend, width=1).run(prompts[:1], [200]))
    tokens, eos = list(prompts[0]), backend.tokenizer.eos_ids[0]
    while (token := int(backend._logits(tuple(tokens)).argmax())) != eos:
        tokens.append(token)
    assert answer.tokens[: len(tokens)] == tuple(tokens[len(prompts[0]) :])


def test_a_recited_sentence_comes_first():
    start, end = Kind.MOLECULE.start, Kind.MOLECULE.end
    backend = FakeBackend([f"{start}CCO{end}", f"{start}CN{end}"])
    (answers,) = BeamSearch(backend, width=2).run([backend.tokenizer.encode(start)], [20])
    assert {backend.tokenizer.decode(answer.tokens) for answer in answers} == {f"CCO{end}", f"CN{end}"}


def test_no_prompts_no_answers():
    assert list(BeamSearch(FakeBackend()).run([], [])) == []
