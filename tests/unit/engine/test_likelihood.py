"""Log-probabilities of given tokens: what transformers says, whatever runs beside, on every backend."""

from __future__ import annotations

import json
import math
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logos_cli import explain, registry, score
from logos_cli.backends.base import Backend, LoadOptions, open_model
from logos_cli.backends.remote.http import RetryPolicy
from logos_cli.backends.remote.plugin import RemoteCheckpoint
from logos_cli.backends.remote.servers import Servers
from logos_cli.engine.likelihood import Likelihood, ScoredText, answer_start, blocks_of, perplexity
from logos_cli.errors import DeviceMemoryError, InputError, ModelError
from logos_cli.grammar import parse
from logos_cli.resources import EMBEDDED, data_path

_RETRO = "<MoleculeS>CC(=O)OC<MoleculeE><ReverseReact><MoleculeS>CC(=O)O<MoleculeE><MoleculeS>CO<MoleculeE>"
_COMPLEX = "<ProteinS>MKTAYIAKQRQISFVKSHFSRQ<ProteinE><MoleculeS>{}<MoleculeE>"
TEXTS = (
    "<MoleculeS>CC(=O)Oc1ccccc1C(=O)O<MoleculeE>",
    "<ProteinS>MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV<ProteinE>",
    _RETRO,
    "<MoleculeS>C<MoleculeE>",
    *(_COMPLEX.format(smiles) for smiles in ("CCO", "c1ccccc1", "CCO", "CCOC")),
)
_ALIKE = ("<MoleculeS>CCOC(=O)c1ccccc1<MoleculeE>", "<MoleculeS>CCOC(=O)CCCCN<MoleculeE>")


@pytest.fixture(scope="module")
def backend() -> Backend:
    loaded = open_model(LoadOptions(device="cpu", dtype="float32", threads=1, backend="torch")).load()
    assert isinstance(loaded, Backend)
    return loaded


def test_perplexities_are_those_of_transformers(backend: Backend) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    path = Path(data_path("tokenizers", EMBEDDED))
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    for text, scored in zip(TEXTS, Likelihood(backend, 2048).score(TEXTS), strict=True):
        assert isinstance(scored, ScoredText)
        ids = torch.tensor([backend.tokenizer.encode(text)])
        with torch.inference_mode():
            loss = float(model(input_ids=ids, labels=ids).loss)
        assert math.log(perplexity(scored.all)) == pytest.approx(loss, abs=1e-4)


def test_neighbours_change_nothing(backend: Backend) -> None:
    rows = [backend.tokenizer.encode(text) for text in TEXTS]
    together = backend.token_logps(rows)
    for row, found in zip(rows, together, strict=True):
        (alone,) = backend.token_logps([row])
        assert found == pytest.approx(alone, abs=2e-5)


def test_common_beginnings_are_read_once_and_rightly(backend: Backend) -> None:
    """Sequences that share many tokens, end inside each other, or are the same, agree with those read alone."""
    begin = backend.tokenizer.encode(TEXTS[1])
    rows = [[*begin[:n], *begin[10 + i : 20 + i]] for i in range(6) for n in (5, 40)]
    rows += [begin[:40], begin, begin, begin[:2], begin[:1]]
    for row, found in zip(rows, backend.token_logps(rows), strict=True):
        assert len(found) == len(row) - 1
        if found.size:
            assert found == pytest.approx(backend.token_logps([row])[0], abs=2e-5)


def test_sequences_longer_than_a_pass_stay_whole(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    from logos_cli.backends.torch import logps

    rows = [backend.tokenizer.encode(text) for text in TEXTS]
    expected = backend.token_logps(rows)
    monkeypatch.setitem(logps._TOKENS, "cpu", 16)
    monkeypatch.setitem(logps._LOGITS, "cpu", 1000)
    for a, b in zip(backend.token_logps(rows), expected, strict=True):
        assert a == pytest.approx(b, abs=2e-5)


def test_passes_run_side_by_side_and_find_the_same(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from logos_cli.backends.torch import logps

    rows = [backend.tokenizer.encode(text) for text in TEXTS]
    expected = backend.token_logps(rows)
    whole, threads = logps._run, []

    def run(*args: Any) -> Any:
        assert torch.is_inference_mode_enabled()
        threads.append((threading.current_thread().name, torch.get_num_threads()))
        return whole(*args)

    monkeypatch.setattr(logps, "_run", run)
    monkeypatch.setitem(logps._TOKENS, "cpu", 64)
    two = open_model(LoadOptions(device="cpu", dtype="float32", threads=2, backend="torch")).load()
    assert isinstance(two, Backend)
    for a, b in zip(two.token_logps(rows), expected, strict=True):
        assert a == pytest.approx(b, abs=2e-5)
    assert len(threads) > 2
    assert {(name.partition("_")[0], n) for name, n in threads} == {("logps", 1)}
    assert torch.get_num_threads() == 2

    def fail(*_: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(logps, "_run", fail)
    with pytest.raises(DeviceMemoryError):
        two.token_logps(rows)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


@pytest.mark.parametrize("long", [False, True])
def test_attention_of_padded_groups_is_that_of_single_sequences(
    backend: Backend, long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What GPUs do, on the CPU: paths of like length in one call, with short and long common beginnings."""
    from logos_cli.backends.torch import logps

    rows = [backend.tokenizer.encode(text) for text in (TEXTS if long else TEXTS[:4] + _ALIKE)]
    expected = backend.token_logps(rows)
    monkeypatch.setattr(logps, "_groups", lambda paths, _: [[path for path in paths if path.n_new]])
    for a, b in zip(backend.token_logps(rows), expected, strict=True):
        assert a == pytest.approx(b, abs=2e-5)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ("torch", "transformers") else name
        for name in registry.names("backends")
        if not registry.load("backends", name).served
    ],
)
def test_every_backend_agrees_with_its_own_steps(name: str) -> None:
    dtype = "auto" if name == "fake" else "float32"
    loaded = open_model(LoadOptions(backend=name, device="cpu", threads=1, dtype=dtype)).load()
    assert isinstance(loaded, Backend)
    rows = [loaded.tokenizer.encode(text) for text in TEXTS[:4]]
    for row, found in zip(rows, loaded.token_logps(rows), strict=True):
        (stepped,) = Backend.token_logps(loaded, [row])
        assert found == pytest.approx(stepped, abs=2e-3)


def test_the_parts_sum_to_the_whole(backend: Backend) -> None:
    (scored,) = Likelihood(backend, 2048).score([_RETRO])
    assert isinstance(scored, ScoredText)
    sentence = parse(_RETRO)
    start = answer_start(sentence)
    assert _RETRO[start:].startswith("<MoleculeS>CC(=O)O<")
    assert scored.between(0, start).sum() + scored.between(start, len(_RETRO)).sum() == pytest.approx(scored.all.sum())
    blocks = blocks_of(sentence)
    assert [_RETRO[slice(*block.span)] for block in blocks][-1] == "<MoleculeS>CO<MoleculeE>"
    operator = scored.between(blocks[0].span.end, blocks[1].span.start)
    total = sum(scored.between(*block.span).sum() for block in blocks) + operator.sum()
    assert total == pytest.approx(scored.all.sum())
    assert np.nansum(scored.characters()) == pytest.approx(scored.all.sum())


def test_spans_are_the_characters_of_tokens(backend: Backend) -> None:
    (scored,) = Likelihood(backend, 2048).score([TEXTS[0]])
    assert isinstance(scored, ScoredText)
    assert "".join(TEXTS[0][span.start : span.end] for span in scored.spans) == TEXTS[0]
    assert math.isnan(scored.logps[0])
    assert scored.spans[0].start == scored.spans[0].end == 0  # BOS


def test_a_text_beyond_the_context_is_told_and_others_go_on(backend: Backend) -> None:
    long, short = Likelihood(backend, 30).score([TEXTS[1], TEXTS[3]])
    assert isinstance(long, InputError)
    assert "the model reads at most 30" in long.message
    assert isinstance(short, ScoredText)


_LONG, _SHORT = f"<ProteinS>{'M' * 300}<ProteinE>", "<ProteinS>MK<ProteinE>"


@pytest.fixture(scope="module", params=["torch", "transformers", "llamacpp"])
def short_context(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The options that load the embedded model with a context of 200 tokens in some backend."""
    path = Path(shutil.copytree(data_path("tokenizers", EMBEDDED), tmp_path_factory.mktemp("short") / "model"))
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 200}))
    return {"model": str(path), "backend": request.param, "device": "cpu", "threads": 1}


@pytest.mark.parametrize(
    "texts",
    [
        *([_LONG], [_SHORT, _LONG], [_LONG, _SHORT, _LONG]),
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ([_LONG, _LONG], [_LONG, _SHORT], [_SHORT, _LONG, _SHORT])
        ),
    ],
    ids=lambda texts: "".join("l" if text is _LONG else "s" for text in texts),
)
def test_a_sentence_beyond_the_context_is_a_null_score_in_every_position(
    texts: list[str], short_context: dict[str, Any]
) -> None:
    metrics = "logp,logp_per_token,ppl,logp_answer,ppl_answer,logp_ratio"
    records = list(score(texts, metrics=metrics, wild_type=_SHORT, **short_context))
    explanations = list(explain(texts, **short_context))
    for text, record, explanation in zip(texts, records, explanations, strict=True):
        told = "the text is 303 tokens long; the model reads at most 200 tokens"
        assert set(record.scores) == set(metrics.split(","))
        for value in record.scores.values():
            assert (value["value"] is None) is (text is _LONG)
            assert value.get("reason") == (told if text is _LONG else None)
        assert (explanation.error is None) is (text is not _LONG)
        assert explanation.to_dict().get("error") == (told if text is _LONG else None)
        assert record.status == "ok"


def test_the_plain_product_serves_where_the_packed_one_is_missing(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from logos_cli.backends.torch import linear

    rows = [backend.tokenizer.encode(text) for text in TEXTS]
    expected = backend.token_logps(rows)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    linear.layout.cache_clear()
    try:
        plain = open_model(LoadOptions(device="cpu", dtype="float32", threads=1, backend="torch")).load()
    finally:
        linear.layout.cache_clear()
    assert isinstance(plain, Backend)
    assert not plain.capabilities.batch_invariant
    for a, b in zip(plain.token_logps(rows), expected, strict=True):
        assert a == pytest.approx(b, abs=5e-4)


class _EchoServer:
    """A server of completions that echoes prompts letter by letter; ``tells`` is what it says of log-probabilities."""

    url = root = "http://127.0.0.1:1/v1"

    def __init__(self, tells: str) -> None:
        self.tells = tells
        self.retries = RetryPolicy(tries=1)

    def get(self, _path: str) -> dict[str, Any]:
        return {"data": [{"id": "m", "max_model_len": 60}]}

    def post_once(self, _path: str, _body: dict[str, Any]) -> None:
        return None

    def attempt(self, _path: str, body: dict[str, Any]) -> dict[str, Any]:
        if not body.get("echo") or self.tells == "nothing":
            return {"choices": [{"text": "<ProteinS>", "finish_reason": "length"}]}
        pieces = ["<|bos|>", *re.findall(r"<\w+>|.", body["prompt"]), "X"]
        logps: list[float | None] = [None, *(-0.5 for _ in pieces[1:])]
        if self.tells == "answers only":
            pieces, logps = pieces[-1:], logps[-1:]
        return {"choices": [{"text": "…", "logprobs": {"tokens": pieces, "token_logprobs": logps}}]}


def _served(tells: str) -> Likelihood:
    server: Any = _EchoServer(tells)
    checkpoint = RemoteCheckpoint(Servers([server]), "m")
    return Likelihood(checkpoint.load(), checkpoint.context_tokens)


def test_a_server_that_echoes_is_read() -> None:
    scored, long = _served("everything").score(["<MoleculeS>CCO<MoleculeE>", "<ProteinS>" + "M" * 80 + "<ProteinE>"])
    assert isinstance(scored, ScoredText)
    assert scored.all.tolist() == [-0.5] * 5  # the tags and three letters; neither BOS nor what it generated
    assert scored.between(*parse(scored.text).left[0].span).sum() == -2.5
    assert isinstance(long, InputError)


@pytest.mark.parametrize("tells", ["nothing", "answers only"])
def test_a_server_that_does_not_is_refused_with_the_reason(tells: str) -> None:
    with pytest.raises(ModelError, match="log-probabilities of given texts"):
        _served(tells).score(["<MoleculeS>CCO<MoleculeE>"])


def test_explain_of_the_package_tells_every_token() -> None:
    from logos_cli import explain, score
    from logos_cli.objects.molecule import Molecule

    [explanation] = explain(Molecule("CC(=O)O"))
    assert "".join(token.text for token in explanation.tokens) == "<MoleculeS>CC(=O)O<MoleculeE>"
    [record] = score(Molecule("CC(=O)O"), metrics=("logp",))
    total = sum(token.logp for token in explanation.tokens if token.logp is not None)
    assert record.scores["logp"]["value"] == pytest.approx(total, abs=1e-5)


def test_fewer_texts_are_read_together_where_memory_lacks(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"<MoleculeS>{'C' * n}<MoleculeE>" for n in range(1, 12)]
    whole = Likelihood(backend, backend.context_tokens).score(texts)
    read, sizes = backend.token_logps, []

    def lacking(sequences: Any, wanted: Any = None) -> Any:
        sizes.append(len(sequences))
        if len(sequences) > 3:
            raise DeviceMemoryError("the device is out of memory")
        return read(sequences, wanted)

    monkeypatch.setattr(backend, "token_logps", lacking)
    found = Likelihood(backend, backend.context_tokens).score(texts)
    assert max(sizes[2:]) <= 3
    for one, other in zip(found, whole, strict=True):
        assert isinstance(one, ScoredText)
        assert isinstance(other, ScoredText)
        assert one.logps[1:] == pytest.approx(other.logps[1:], abs=1e-4)
    monkeypatch.setattr(backend, "token_logps", lambda sequences, wanted=None: lacking([[]] * 9))
    with pytest.raises(DeviceMemoryError):
        Likelihood(backend, backend.context_tokens).score(texts)
