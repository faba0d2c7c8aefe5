"""Residues that are drawn again: their distribution, what stays as it is, and what does not change the outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from logos_cli.backends.base import LoadOptions
from logos_cli.backends.fake import FakeBackend
from logos_cli.engine.gibbs import GibbsEngine
from logos_cli.engine.reading import residue_ids
from logos_cli.engine.redraw import Redraw
from logos_cli.engine.sampler import Sampling, log_softmax
from logos_cli.engine.scheduler import Completion, Engine, Request
from logos_cli.engine.start import in_request_order
from logos_cli.engine.workers import Workers
from logos_cli.errors import DeviceMemoryError
from logos_cli.grammar.constrain import block_templates_grammar
from logos_cli.grammar.spec import Kind

START, END = Kind.ANTIBODY.start, Kind.ANTIBODY.end
SAMPLING = Sampling(max_new_tokens=60)


class _Remembering(FakeBackend):
    """Computes the log-probabilities after each beginning once."""

    def __init__(self) -> None:
        super().__init__()
        self._after = lru_cache(maxsize=None)(lambda beginning: log_softmax(self._logits(beginning)))

    def token_logps(
        self, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]] | None = None
    ) -> list[NDArray[np.float64]]:
        assert wanted is None
        return [
            np.array([self._after(tuple(each[:place]))[each[place]] for place in range(1, len(each))])
            for each in sequences
        ]


def _requests(
    backend: FakeBackend, n: int, template: str = "{X:2}DK", pattern: str = "([A-Z]{2})DK", n_sweeps: int = 4
) -> list[Request]:
    grammar = block_templates_grammar([(Kind.ANTIBODY, template)])
    redraw = Redraw(START + pattern + END, n_sweeps) if n_sweeps else None
    ids = tuple(backend.tokenizer.encode(START))
    return [Request(f"x#{number}", ids, grammar=grammar, given=START, redraw=redraw) for number in range(n)]


def _made(
    backend: FakeBackend, requests: Sequence[Request], batch_size: int = 64, sampling: Sampling = SAMPLING
) -> list[Completion]:
    engine = GibbsEngine(Engine(backend, sampling, batch_size=batch_size, seed=3))
    return list(in_request_order(engine.run(requests)))


def _texts(backend: FakeBackend, made: Sequence[Completion]) -> list[str]:
    return [backend.tokenizer.decode(completion.tokens).removesuffix(END) for completion in made]


def _log_probabilities(backend: FakeBackend) -> dict[str, float]:
    """Return that of each loop of two residues, given what is on both sides of it, up to a constant."""
    loops = [a + b for a in "ACDEFGHIKLMNPQRSTVWY" for b in "ACDEFGHIKLMNPQRSTVWY"]
    read = backend.token_logps([backend.tokenizer.encode(f"{START}{loop}DK{END}") for loop in loops])
    return {loop: float(logps.sum()) for loop, logps in zip(loops, read, strict=True)}


def test_loops_have_the_distribution_given_both_sides_and_are_without_it_those_from_left_to_right() -> None:
    backend = _Remembering()
    exact = _log_probabilities(backend)
    warm = replace(SAMPLING, temperature=3.0)  # else few loops have all the probability, far from each other
    weights = np.exp(np.array([*exact.values()]) / warm.temperature)
    wanted = dict(zip(exact, weights / weights.sum(), strict=True))

    def distance(n_sweeps: int) -> float:
        texts = _texts(backend, _made(backend, _requests(backend, 400, n_sweeps=n_sweeps), sampling=warm))
        found = Counter(text.removesuffix("DK") for text in texts)
        return sum(abs(found[loop] / 400 - share) for loop, share in wanted.items()) / 2

    draws = np.random.default_rng(0).choice(len(wanted), 400, p=[*wanted.values()])
    exactly = Counter(np.array([*wanted])[draws].tolist())
    noise = sum(abs(exactly[loop] / 400 - share) for loop, share in wanted.items()) / 2
    assert distance(3) < 1.15 * noise
    assert distance(0) > 1.6 * noise


def test_only_the_free_residues_change_and_the_log_probability_is_that_of_the_text() -> None:
    backend = FakeBackend()
    requests = _requests(backend, 8, "AC{X:3}WG{X:2}K", "AC([A-Z]{3})WG([A-Z]{2})K")
    before = _made(backend, [replace(request, redraw=None) for request in requests])
    after = _made(backend, requests)
    assert all(text[:2] + text[5:7] + text[9:] == "ACWGK" for text in _texts(backend, after))
    assert sum(a.tokens != b.tokens for a, b in zip(before, after, strict=True)) > 5
    for completion in after:
        (read,) = backend.token_logps([(*completion.request.prompt, *completion.tokens)])
        assert completion.logps == pytest.approx(read[len(completion.request.prompt) - 1 :].tolist(), abs=1e-5)


def test_at_temperature_0_each_residue_becomes_the_likeliest_given_the_others() -> None:
    backend = _Remembering()
    exact = _log_probabilities(backend)
    (made,) = _made(backend, _requests(backend, 1, n_sweeps=6), sampling=replace(SAMPLING, temperature=0.0))
    (text,) = _texts(backend, [made])
    loop = text.removesuffix("DK")
    letters = {letter for pair in exact for letter in pair}
    assert exact[loop] == max(exact[loop[0] + letter] for letter in letters)
    assert exact[loop] == max(exact[letter + loop[1]] for letter in letters)


def test_neighbours_and_devices_change_nothing() -> None:
    backend = FakeBackend()
    requests = _requests(backend, 14)
    mixed = [replace(request, redraw=None) if number % 5 == 4 else request for number, request in enumerate(requests)]
    together = _made(backend, mixed)
    assert _made(backend, mixed, batch_size=3) == together
    assert _made(backend, [mixed[6]])[0].tokens == together[6].tokens
    workers = Workers(LoadOptions(backend="fake", devices="cpu,cpu", threads=1), SAMPLING, batch_size=3, seed=3)
    assert list(in_request_order(workers.run(mixed))) == together


def test_fewer_texts_are_read_together_where_memory_is_short() -> None:
    class Small(FakeBackend):
        most = 7

        def token_logps(
            self, sequences: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]] | None = None
        ) -> list[NDArray[np.float64]]:
            if len(sequences) > self.most:
                raise DeviceMemoryError("the device is out of memory")
            return super().token_logps(sequences, wanted)

    plenty, small = FakeBackend(), Small()
    wanted = _made(plenty, _requests(plenty, 3, n_sweeps=1))
    assert _made(small, _requests(small, 3, n_sweeps=1)) == wanted
    small.most = 0
    with pytest.raises(DeviceMemoryError):
        _made(small, _requests(small, 3, n_sweeps=1))


def test_a_sample_that_does_not_have_the_parts_stays_as_it_is() -> None:
    backend = FakeBackend()
    plain = _requests(backend, 3, n_sweeps=0)
    other = [replace(request, redraw=Redraw(START + "([A-Z]{9})DK" + END, 2)) for request in plain]
    assert [c.tokens for c in _made(backend, other)] == [c.tokens for c in _made(backend, plain)]


def test_a_class_of_residues_stays_one() -> None:
    backend = FakeBackend()
    made = _made(backend, _requests(backend, 20, "{[ILV]:4}DK", "([ILV]{4})DK"))
    texts = _texts(backend, made)
    assert all(set(text[:4]) <= set("ILV") for text in texts)
    assert len(set(texts)) > 5


def test_the_residues_are_those_of_the_tokenizer() -> None:
    tokenizer = FakeBackend().tokenizer
    assert tokenizer.decode(residue_ids(tokenizer)) == "ACDEFGHIKLMNPQRSTVWY"
