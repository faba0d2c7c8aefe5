"""Weights in eight and four bits: near the others, counted right, and refused where they cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import linear

from logos_cli.backends.base import Backend, LoadOptions, open_model
from logos_cli.backends.torch.quantized import Int8, Nf4, quantize
from logos_cli.engine.likelihood import Likelihood, ScoredText
from logos_cli.engine.sampler import Sampling
from logos_cli.engine.scheduler import Engine, Request
from logos_cli.engine.start import in_request_order
from logos_cli.errors import ExitCode, MissingError, UsageError
from tests.checkpoints import small_tokenizer, write_checkpoint

needs_nf4 = pytest.mark.skipif(sys.platform != "linux", reason="the tests install bitsandbytes on Linux only")
KINDS = ["int8", pytest.param("nf4", marks=needs_nf4)]
SENTENCES = [
    "<MoleculeS>CC(=O)Oc1ccccc1C(=O)O<MoleculeE>",
    "<ProteinS>MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ<ProteinE>",
    "<MoleculeS>CN1C=NC2=C1C(=O)N(C(=O)N2C)C<MoleculeE>",
]


def _load(dtype: str, model: str | Path = "logos-nano") -> Backend:
    loaded = open_model(LoadOptions(str(model), device="cpu", dtype=dtype, threads=1, backend="torch")).load()
    assert isinstance(loaded, Backend)
    return loaded


@pytest.mark.parametrize(("kind", "most"), [("int8", 0.01), pytest.param("nf4", 0.11, marks=needs_nf4)])
@pytest.mark.parametrize("n_rows", [1, 40])
def test_a_product_is_that_of_the_weights_within_the_rounding(kind: str, most: float, n_rows: int) -> None:
    generator = torch.Generator().manual_seed(1)
    weight, bias, rows = (torch.randn(size, generator=generator) for size in ((96, 128), (96,), (n_rows, 128)))
    made = quantize(kind, weight, bias)
    wanted = linear(rows, weight, bias)
    assert 0 < ((made(rows) - wanted).norm() / wanted.norm()).item() < most
    assert made.n_parameters == 96 * 128 + 96


def test_eight_bits_hold_a_row_of_zeros_and_widths_that_no_kernel_takes() -> None:
    weight = torch.randn((5, 7), generator=torch.Generator().manual_seed(1))
    weight[2] = 0
    rows = torch.randn((3, 7), generator=torch.Generator().manual_seed(2))
    found = Int8(weight)(rows)
    assert (found[:, 2] == 0).all()
    assert found == pytest.approx(linear(rows, weight), abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_near_those_of_whole_weights(kind: str) -> None:
    whole, fewer = (Likelihood(_load(dtype), 2048).score(SENTENCES) for dtype in ("float32", kind))
    for a, b in zip(whole, fewer, strict=True):
        assert isinstance(a, ScoredText)
        assert isinstance(b, ScoredText)
        found, wanted = np.nansum(b.logps), np.nansum(a.logps)  # nothing comes before the first token
        assert found != wanted
        assert found == pytest.approx(wanted, rel=0.01 if kind == "int8" else 0.15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", ["llama", "qwen3"])
def test_both_architectures_step_as_they_read(kind: str, architecture: str, tmp_path: Path) -> None:
    model = write_checkpoint(tmp_path / "m", architecture, small_tokenizer(architecture), hidden_size=64)
    backend = _load(kind, model)
    assert backend.info.dtype == kind
    ids = list(range(5, 25))
    backend.reserve(2)
    whole = backend.prefill(0, ids)
    backend.prefill(1, ids[:-1])
    assert backend.step([1], ids[-1:])[0] == pytest.approx(whole, abs=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_those_of_any_batch(kind: str) -> None:
    def run(batch_size: int) -> list[tuple[int, ...]]:
        engine = Engine(backend, Sampling(max_new_tokens=12), batch_size=batch_size, seed=3)
        prompt = tuple(backend.tokenizer.encode("<MoleculeS>"))
        return [done.tokens for done in in_request_order(engine.run(Request(f"m#{i}", prompt) for i in range(4)))]

    backend = _load(kind)
    assert run(4) == run(3) == run(1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_counts_the_weights_as_they_are_kept(kind: str) -> None:
    whole, fewer = (
        open_model(LoadOptions(device="cpu", dtype=dtype, backend="torch")).plan(100) for dtype in ("float32", kind)
    )
    assert whole is not None
    assert fewer is not None
    assert fewer.dtype == kind
    assert whole.weights_bytes / (4.5 if kind == "int8" else 9) < fewer.weights_bytes < whole.weights_bytes / 3


def test_what_is_missing_is_told_with_the_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(MissingError, match="needs bitsandbytes") as caught:
        _load("nf4")
    assert caught.value.exit_code is ExitCode.MISSING
    assert caught.value.hint == "pip install 'logos-cli[bnb]'"
    with pytest.raises(UsageError, match="one of auto, float32, bfloat16, float16, int8, nf4"):
        _load("int4")


@pytest.mark.slow
@needs_nf4
def test_no_code_is_fetched_for_bitsandbytes(tmp_path: Path) -> None:
    """It would ask a package ``kernels`` for some from the hub, and says so where there is none."""
    (tmp_path / "kernels.py").write_text("CALLS = []\ndef get_kernel(*names, **_):\n    CALLS.append(names)\n")
    script = (
        "import torch, kernels\n"
        "from logos_cli.backends.torch.quantized import Nf4\n"
        "Nf4(torch.ones((4, 64)))(torch.ones((2, 64)))\n"
        "import kernels as again\n"
        "print(kernels.CALLS, again is kernels)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (run.stdout, run.stderr) == ("[] True\n", "")


def test_a_device_without_the_type_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a CPU or a CUDA device, not meta"):
        Nf4(torch.empty((4, 64), device="meta"))


def test_factors_keep_the_type_of_the_weights() -> None:
    made = Int8(torch.ones((4, 32), dtype=torch.bfloat16))
    found = made(torch.ones((2, 32), dtype=torch.bfloat16))
    assert found.dtype == torch.bfloat16
    assert found.float().numpy() == pytest.approx(np.full((2, 4), 32.0), rel=0.01)
