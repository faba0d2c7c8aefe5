"""What every backend promises, held to by each that is registered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from logos_cli import registry
from logos_cli.backends.base import Backend, LoadOptions, open_model
from logos_cli.engine.beam import BeamEngine
from logos_cli.engine.scheduler import BeamPlace, Request
from logos_cli.grammar.constrain import grammar

_TEXTS = ("<ProteinS>MKTAYIAKQR", "<MoleculeS>CC(=O)Oc1ccccc1", "<MaterialS><MetalS>[Zn]")


# a served model is none of ours to step: see tests/unit/backends/test_remote.py
_STEPPED = [name for name in registry.names("backends") if not registry.load("backends", name).served]


@pytest.fixture(params=_STEPPED)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend with the embedded model (the fake one with none)."""
    state = registry.load("backends", request.param).probe()
    assert state.available, state.remedy
    return open_model(LoadOptions(device="cpu", backend=request.param)).load()


def _ids(backend: Backend, text: str) -> list[int]:
    return backend.tokenizer.encode(text)


def _follow(backend: Backend, slot: int, tokens: Sequence[int]) -> np.ndarray:
    return np.stack([backend.step([slot], [token])[0] for token in tokens])


def test_names_and_facts(backend: Backend) -> None:
    assert backend.info.backend in registry.names("backends")
    assert registry.load("backends", backend.info.backend).name == backend.info.backend
    assert backend.context_tokens > 0
    assert backend.info.batch_invariant is backend.capabilities.batch_invariant
    assert len(backend.tokenizer.tag_ids) == 16
    assert backend.tokenizer.eos_ids


def test_steps_agree_with_a_longer_prompt(backend: Backend) -> None:
    backend.reserve(3)
    ids = _ids(backend, _TEXTS[1])
    first = backend.prefill(0, ids[:4])
    later = _follow(backend, 0, ids[4:])
    assert first.shape == (later.shape[1],)
    assert first.dtype == np.float32
    assert first.shape[0] >= len(backend.tokenizer.vocabulary)
    for end in range(5, len(ids) + 1, 5):
        whole = backend.prefill(1, ids[:end])
        assert later[end - 5] == pytest.approx(whole, abs=1e-4)
        backend.free(1)


def test_prompts_can_be_read_together(backend: Backend) -> None:
    prompts = [_ids(backend, text) for text in _TEXTS]
    backend.reserve(5)
    alone = []
    for prompt in prompts:
        alone.append(backend.prefill(0, prompt))
        backend.free(0)
    together = backend.prefill_many([3, 0, 1], prompts)
    assert together.shape == (3, len(alone[0]))
    assert together == pytest.approx(np.stack(alone), abs=1e-4)
    tokens = [_ids(backend, text + "A")[-1] for text in _TEXTS]
    stepped = backend.step([0, 1, 3], [tokens[1], tokens[2], tokens[0]])
    for slot in (0, 1, 3):
        backend.free(slot)
    backend.prefill(4, prompts[0])
    assert stepped[2] == pytest.approx(backend.step([4], [tokens[0]])[0], abs=1e-4)


def test_a_copy_is_a_sequence_of_its_own(backend: Backend) -> None:
    backend.reserve(4)
    ids = _ids(backend, _TEXTS[0])
    backend.prefill(3, ids)
    backend.copy(3, 0)
    backend.copy(3, 2)
    token, other = _ids(backend, _TEXTS[0] + "A")[-1], _ids(backend, _TEXTS[0] + "C")[-1]
    both = backend.step([0, 2], [token, other])
    alone = backend.step([3], [token])[0]
    assert both[0] == pytest.approx(alone, abs=1e-4)
    assert np.abs(both[0] - both[1]).max() > 1e-3


def test_a_freed_slot_holds_nothing_of_its_past(backend: Backend) -> None:
    backend.reserve(2)
    ids = _ids(backend, _TEXTS[2])
    clean = backend.prefill(0, ids)
    backend.prefill(1, _ids(backend, _TEXTS[1]))
    backend.step([1], ids[-1:])
    backend.free(1)
    assert (backend.prefill(1, ids) == clean).all()
    backend.reserve(2)
    assert (backend.prefill(0, ids) == clean).all()


def test_sequences_that_are_not_stepped_stay_as_they_are(backend: Backend) -> None:
    backend.reserve(3)
    prompts = [_ids(backend, text) for text in _TEXTS]
    for slot, ids in enumerate(prompts):
        backend.prefill(slot, ids)
    token = prompts[0][-1]
    for _ in range(5):
        backend.step([0, 2], [token, token])
    late = backend.step([1], [token])[0]
    backend.reserve(1)
    backend.prefill(0, prompts[1])
    assert late == pytest.approx(backend.step([0], [token])[0], abs=1e-4)


def test_answers_of_a_beam_search_are_as_likely_as_they_are_read(backend: Backend) -> None:
    """The search copies, frees and steps sequences at every token."""
    prompts = [tuple(_ids(backend, f"<MoleculeS>{smiles}")) for smiles in ("CC(=O)O", "c1ccc", "N")]
    requests = [
        Request(f"{number}#{rank}", prompt, grammar("molecule_block"), "<MoleculeS>", beam=BeamPlace(6, rank))
        for number, prompt in enumerate(prompts)
        for rank in range(6)
    ]
    found = list(BeamEngine(backend, batch_size=12, max_new_tokens=25).run(requests))
    assert len(found) == len(requests)
    read = backend.token_logps([(*one.request.prompt, *one.tokens) for one in found])
    for one, logps in zip(found, read, strict=True):
        assert one.logps == pytest.approx(logps[len(one.request.prompt) - 1 :], abs=1e-3)


def test_logits_are_the_same_bits_whatever_runs_beside(backend: Backend) -> None:
    if not backend.capabilities.batch_invariant:
        pytest.skip("not promised")
    prompts = [_ids(backend, text) for text in _TEXTS] * 6
    steps = 70

    def run(slots: Sequence[int]) -> np.ndarray:
        backend.reserve(max(slots) + 1)
        for slot in slots:
            backend.prefill(slot, prompts[slot])
        tokens = [prompts[slot][-1] for slot in slots]
        return np.stack([backend.step(slots, tokens) for _ in range(steps)], axis=1)

    together = run(range(len(prompts)))
    for slots in ([4], [3, 11, 17]):
        assert (run(slots) == together[slots]).all(), slots
