"""``logos bench``: it measures, and says what it measured on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.errors import UsageError
from logos_cli.workflows._bench_models import SHAPES, random_checkpoint
from logos_cli.workflows.bench_throughput import ThroughputOptions, as_markdown, parse_batches, throughput

if TYPE_CHECKING:
    from tests.cli.conftest import Logos


def test_a_measurement_is_json_and_a_table(logos: Logos, tmp_path: Path) -> None:
    done = logos(
        "bench", "throughput", "--shape", "2m", "--batch", "1,8", "-n", "9", "--max-new-tokens", "12", "--repeats",
        "1", "--prompt-tokens", "16", "--threads", "1", "--device", "cpu", "--json",
        "--write", tmp_path / "p.md", code=0,
    )  # fmt: skip
    result = json.loads(done.stdout)
    assert [row["batch_size"] for row in result["rows"]] == [1, 8]
    for row in result["rows"]:
        assert row["decode_of_roofline"] > 0
        assert row["decode_tokens_per_s"] == pytest.approx(row["batch_size"] / row["step_s"])
        assert row["useful_tokens_per_s"] > 0
        assert "times_naive" not in row
    assert result["machine"]["bandwidth_bytes_per_s"] > 1e8
    assert result["model"]["parameters"] == 1_950_880
    written = (tmp_path / "p.md").read_text()
    assert as_markdown([result]) in written
    assert "PyTorch" in written


def test_the_plain_script_is_measured_in_turns() -> None:
    options = ThroughputOptions(
        "2m", batches=(8,), n_samples=4, prompt_tokens=8, max_new_tokens=6, naive=True, repeats=1, device="cpu",
        threads=1,
    )  # fmt: skip
    (row,) = throughput(options)["rows"]
    assert row["naive_useful_tokens_per_s"] > 0
    assert row["times_naive"] > 0


@pytest.mark.parametrize("shape", ["2m", "9m"])
def test_random_checkpoints_load(shape: str, tmp_path: Path) -> None:
    directory = random_checkpoint(shape, tmp_path / shape)
    backend = open_model(LoadOptions(str(directory), device="cpu", threads=1)).load()
    backend.reserve(1)  # type: ignore[union-attr]
    assert backend.prefill(0, [16, 40]).shape == (SHAPES[shape]["vocab_size"],)  # type: ignore[union-attr]


def test_shapes_are_of_the_sizes_that_they_are_named_after() -> None:
    from logos_cli.backends._architecture import DecoderConfig

    sizes = {}
    for name, shape in SHAPES.items():
        config = {"model_type": "llama", "rms_norm_eps": 1e-5} | shape
        sizes[name] = DecoderConfig.from_json(config).n_parameters / 1e6
    assert sizes == pytest.approx({"2m": 1.95, "9m": 9.0, "1b": 1498.5, "8b": 8190.0}, rel=0.02)


def test_batch_sizes_are_numbers() -> None:
    assert parse_batches("1,16") == (1, 16)
    for text in ("", "0", "1,x", "-1"):
        with pytest.raises(UsageError, match="no batch sizes"):
            parse_batches(text)
