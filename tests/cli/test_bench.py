"""``logos bench``: it measures, and says what it measured on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.errors import UsageError
from logos_cli.workflows.bench.models import SHAPES, random_checkpoint
from logos_cli.workflows.bench.throughput import ThroughputOptions, as_markdown, parse_batches, throughput

if TYPE_CHECKING:
    from tests.cli.conftest import Logos


def test_a_measurement_is_json_and_a_table(logos: Logos, tmp_path: Path) -> None:
    done = logos(
        "bench",
        "throughput",
        "--shape",
        "2m",
        "--batch",
        "1,8",
        "-n",
        "9",
        "--max-new-tokens",
        "12",
        "--repeats",
        "1",
        "--prompt-tokens",
        "16",
        "--threads",
        "1",
        "--device",
        "cpu",
        "--json",
        "--write",
        tmp_path / "p.md",
        code=0,
    )
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


def test_two_backends_are_measured_in_turns() -> None:
    load = LoadOptions(backend="onnxruntime", device="cpu", dtype="float32", threads=1)
    options = ThroughputOptions(
        "2m", load, batches=(2,), n_samples=2, prompt_tokens=8, max_new_tokens=4, repeats=1, beside="llamacpp"
    )
    result = throughput(options)
    (row,) = result["rows"]
    assert row["beside_decode_tokens_per_s"] > 0
    assert row["times_beside"] > 0
    assert f"{row['times_beside']:.2f}" in as_markdown([result])


def test_the_plain_script_is_measured_in_turns() -> None:
    options = ThroughputOptions(
        "2m",
        LoadOptions(backend="torch", device="cpu", dtype="float32", threads=1),
        batches=(8,),
        n_samples=4,
        prompt_tokens=8,
        max_new_tokens=6,
        naive=True,
        repeats=1,
    )
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
    from logos_cli.checkpoints.config import DecoderConfig

    sizes = {}
    for name, shape in SHAPES.items():
        config = {"model_type": "llama", "rms_norm_eps": 1e-5} | shape
        sizes[name] = DecoderConfig.from_json(config).n_parameters / 1e6
    assert sizes == pytest.approx({"2m": 1.95, "nano": 4.9, "9m": 9.0, "1b": 1498.5, "8b": 8190.0}, rel=0.02)


def test_batch_sizes_are_numbers() -> None:
    assert parse_batches("1,16") == (1, 16)
    for text in ("", "0", "1,x", "-1"):
        with pytest.raises(UsageError, match="not batch sizes"):
            parse_batches(text)


@pytest.fixture
def bench_data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "uspto50k").mkdir(parents=True)
    (tmp_path / "data" / "uspto50k" / "test.csv").write_text("product,reactants\nCCOC(C)=O,CC(=O)Cl.OCC\n")
    return tmp_path / "data"


def test_tasks_write_figures_and_a_page(logos: Logos, bench_data: Path, tmp_path: Path) -> None:
    arguments = ("bench", "tasks", "--data", "data", "-n", "4", "-o", "out", "--offline")
    done = logos(*arguments, code=0)
    assert "| top-1 (%) |" in done.stdout
    assert "left out: site_coach420" in done.stderr
    (row,) = (tmp_path / "out" / "results" / "1-of-1.jsonl").read_text().splitlines()
    assert json.loads(row)["case"] == "uspto50k:00001"
    assert "USPTO-50K" in (tmp_path / "out" / "report.html").read_text()
    assert (tmp_path / "out" / "results.md").read_text() == done.stdout.removesuffix("\n")
    again = logos("bench", "tasks", "--report-only", "-o", "out", "--json", code=0)
    (found,) = json.loads(again.stdout)
    assert found["figures"]["top-1"]["published"]["LOGOS-8B"] == 74.8
    assert "has results" in logos(*arguments, code=2).stderr
    assert "out has 1 records; going on" in logos(*arguments, "--resume", code=0).stderr
    assert logos("runs", "verify", "out", code=0).stdout == "out: complete: 1 entry: 1 ok\n"


def test_editing_trains_on_the_pool_or_reports_that_it_does_not(logos: Logos, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    rows = ["sequence,fitness"]
    for _ in range(400):
        n_changed = int(random.integers(0, 13))
        places = set(random.choice(12, size=min(n_changed, 12), replace=False).tolist())
        rows.append("".join("W" if place in places else "A" for place in range(12)) + f",{n_changed}")
    (tmp_path / "data" / "fitness").mkdir(parents=True)
    (tmp_path / "data" / "fitness" / "aav.csv").write_text("\n".join(rows) + "\n")
    arguments = (
        "bench",
        "tasks",
        "--data",
        "data",
        "--task",
        "editing_aav_hard",
        "--limit",
        "2",
        "-n",
        "3",
        "--threads",
        "1",
    )
    plain = logos(*arguments, "-o", "plain", "--offline", code=0)
    assert "- Trained on the pool first, as the protocol is" in plain.stdout
    (row,) = [line for line in plain.stdout.splitlines() if line.startswith("| fitness, likelihood |")]
    assert "not computed" not in row
    assert (tmp_path / "plain" / "adapted" / "editing_aav_hard" / "oracle.json").is_file()
    assert not (tmp_path / "plain" / "skills.json").exists()  # what a trained model can do is no skill of the given one
    as_it_is = logos(*arguments, "--no-adapt", "-o", "as-it-is", "--offline", code=0)
    assert "- Nothing was trained on the pool (`--no-adapt`), which is not the protocol" in as_it_is.stdout
    assert not (tmp_path / "as-it-is" / "adapted").exists()
    assert "protein --edit" in (tmp_path / "as-it-is" / "skills.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "retrosynthesi"), "did you mean retrosynthesis"),
        (("--shard", "2"), "'2' is no shard"),
        (("--shard", "3/2"), "there is no shard 3 of 2"),
        (("--task", "material"), "the data directory has no mofs/train.jsonl"),
        (("--model", "nothing-there", "--task", "retrosynthesis"), "nothing-there"),
    ],
)
def test_mistakes_about_tasks_are_explained(
    logos: Logos, bench_data: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = logos("bench", "tasks", "--data", str(bench_data), "-o", "out", "--offline", *arguments)
    assert done.returncode in (2, 4)
    assert message in done.stderr


def test_tasks_without_data_are_refused(logos: Logos, tmp_path: Path) -> None:
    assert "give --data" in logos("bench", "tasks", "-o", "out", code=2).stderr
    (tmp_path / "empty").mkdir()
    for further in ((), ("--task", "material")):
        done = logos("bench", "tasks", "--data", "empty", "-o", "out", *further, code=2)
        assert "data" in done.stderr
        assert not (tmp_path / "out").exists()  # nothing blocks the next try
    assert "no directory of a run" in logos("bench", "tasks", "--report-only", "-o", "out", code=2).stderr
