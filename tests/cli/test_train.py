"""``logos train``: from a corpus to a model that generates, and what it says about mistakes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from logos_cli.cli.app import build_app
from logos_cli.cli.commands.train.plugin import parse_time
from logos_cli.errors import UsageError
from logos_cli.processes.lock import locked
from tests.training_corpora import write_corpus

TOML = """\
[model]
hidden_size = 32
intermediate_size = 64
n_layers = 2
n_heads = 2
context_length = 128
[data]
n_step_tokens = 512
[schedule]
n_steps = 4
n_warmup_steps = 1
n_decay_steps = 1
[evaluation]
n_samples = 2
max_new_tokens = 20
[run]
precision = "fp32"
log_every_steps = 2
"""
_WITHOUT_CHEMISTRY = """
import sys
for name in ("rdkit", "gemmi", "biotite", "llguidance", "scipy", "Bio", "pymatgen"):
    sys.modules[name] = None
from logos_cli.cli.app import main
main()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("train")
    write_corpus(directory / "corpus")
    (directory / "tiny.toml").write_text(TOML)
    return directory


class Run:
    """The command in this process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        done = CliRunner().invoke(build_app(rich_help=False), ["train", *arguments])
        assert done.exit_code == code, done.output
        return done.stdout, done.stderr


@pytest.fixture
def train(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").symlink_to(place / "corpus")
    (tmp_path / "tiny.toml").write_text(TOML)
    return Run(tmp_path)


def _without_chemistry(
    place: Path, folder: Path, env: dict[str, str], *options: str
) -> subprocess.CompletedProcess[str]:
    words = ["train", str(place / "corpus"), "-c", str(place / "tiny.toml"), *options]
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_CHEMISTRY, *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_a_plan_needs_no_chemistry(place: Path, tmp_path: Path, logos_env: dict[str, str]) -> None:
    assert _without_chemistry(place, tmp_path, logos_env, "--dry-run").stdout


@pytest.mark.slow
def test_a_run_without_chemistry_makes_a_model(place: Path, tmp_path: Path, logos_env: dict[str, str]) -> None:
    done = _without_chemistry(place, tmp_path, logos_env)
    assert done.stdout == "tiny-run/model\n"
    assert re.search(r"step 2/4  loss \d\.\d+  .* tokens/s  MFU \d+%", done.stderr)
    assert "finished: step 4 of 4" in done.stderr


def test_a_run_leaves_all_that_is_needed(train: Run) -> None:
    out, err = train("corpus", "-c", "tiny.toml", "-o", "run", "--seed", "7", "-v")
    assert out == "run/model\n"
    assert "step 4: held-out loss" in err
    assert "molecule: loss" in err
    run = json.loads(Path("run/run.json").read_text())
    assert run["config"]["run"]["seed"] == run["seed"] == 7
    assert run["config"]["data"]["weights"].keys() == {"molecule", "retrosynthesis"}
    assert run["sessions"][0]["outcome"] == "finished"
    assert {"torch", "transformers", "logos", "python"} <= run["versions"].keys()
    card = Path("run/model/README.md").read_text()
    assert "| molecule | " in card
    assert "alcohols.smi (CC0)" in card
    assert run["corpus"]["sha256"] in card
    assert Path("run/model/curves.csv").read_text().startswith("step,n_tokens,loss,held_out,molecule")
    assert Path("run/model/curves.png").read_bytes()[:4] == b"\x89PNG"
    # again: refused, unless resumed; then the length may change, the rest not
    _, err = train("corpus", "-c", "tiny.toml", "-o", "run", code=2)
    assert "holds a run with step-00000004" in err
    assert "--resume" in err
    _, err = train("corpus", "-c", "tiny.toml", "-o", "run", "--resume", code=2)
    assert "run.seed: 7 -> 20" in err
    _, err = train("corpus", "-o", "run", "--resume", "--steps", "6")  # the configuration is that of the run
    assert "finished: step 6 of 6" in err
    assert [one["from_step"] for one in json.loads(Path("run/run.json").read_text())["sessions"]] == [0, 4]


def test_without_matplotlib_the_card_has_a_table(train: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    _, err = train("corpus", "-c", "tiny.toml", "-o", "run")
    assert "pip install 'logos-cli[train]'" in err
    assert not Path("run/model/curves.png").exists()
    assert "matplotlib was not installed" in Path("run/model/README.md").read_text()
    assert len(Path("run/model/curves.csv").read_text().splitlines()) >= 3


def test_time_that_is_up_is_no_failure(train: Run) -> None:
    out, err = train("corpus", "-c", "tiny.toml", "-o", "run", "--steps", "100000", "--time", "1s")
    assert out == "run/model\n"
    assert re.search(r"time is up: step \d+ of 100000", err)
    assert "go on with: logos train corpus --config tiny.toml -o run --resume" in err


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(
    place: Path, tmp_path: Path, logos_env: dict[str, str], preloaded_argv: list[str]
) -> None:
    # not Muon, whose bfloat16 iterations turn last bits into per cents of the weights
    words = ["train", str(place / "corpus"), "-c", str(place / "tiny.toml"), "--set", "optimizer.name='adamw'"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "USE_LIBUV": "0", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [*preloaded_argv, *words, "-o", output],
            cwd=tmp_path,
            env=logos_env | group | {"WORLD_SIZE": size, "RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for output, size, rank in (("one", "1", "0"), ("two", "2", "0"), ("two", "2", "1"))
    ]
    errors = [process.communicate(timeout=240)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], "\n".join(errors)
    one, two = (
        [json.loads(line) for line in (tmp_path / run / "log.jsonl").read_text().splitlines()] for run in ("one", "two")
    )
    assert [line["n_tokens"] for line in one] == [line["n_tokens"] for line in two]
    for name in ("loss", "mean_loss"):
        losses = [[line[name] for line in log if name in line] for log in (one, two)]
        assert losses[0]
        assert losses[1] == pytest.approx(losses[0], rel=1e-3)


@pytest.mark.slow
def test_sigterm_writes_a_checkpoint_and_exits_with_143(
    place: Path, tmp_path: Path, logos_env: dict[str, str], preloaded_argv: list[str]
) -> None:
    command = [
        *preloaded_argv,
        "train",
        str(place / "corpus"),
        "-c",
        str(place / "tiny.toml"),
        "-o",
        "run",
        "--steps",
        "1000000",
    ]
    with subprocess.Popen(command, cwd=tmp_path, env=logos_env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step 2/"):
                break
        os.kill(process.pid, signal.SIGUSR1)
        rest = process.stderr.read()
        assert process.wait(60) == 143, rest
    assert "terminated: step" in rest
    assert len(list((tmp_path / "run" / "checkpoints").iterdir())) == 1


def test_two_processes_do_not_train_in_one_directory(train: Run, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    with locked(tmp_path / "run", "training"):
        _, err = train("corpus", "-c", "tiny.toml", "-o", "run", "--resume", code=2)
    assert " is training here" in err


def test_a_dry_run_says_what_would_be_done(train: Run) -> None:
    out, _ = train("corpus", "-c", "tiny.toml", "--dry-run", "--set", "data.answer_only=['retrosynthesis']")
    assert re.search(r"^parameters +2[0-9],\d{3}$", out, re.MULTILINE)
    assert re.search(r"^steps +4 of 512 tokens$", out, re.MULTILINE)
    assert re.search(r"^retrosynthesis .*answer$", out, re.MULTILINE)
    assert re.search(r"^molecule .*all$", out, re.MULTILINE)
    assert not Path("tiny-run").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["corpus", "--set", "run.sede=3"], 2, "did you mean 'seed'?"),
        (["corpus", "-c", "none.toml"], 2, "no such configuration file"),
        (["nowhere"], 2, "not a corpus"),
        (["corpus", "-c", "tiny.toml", "--from", "nowhere"], 2, "no such model"),
        (["corpus", "-c", "tiny.toml", "--time", "soon"], 2, "'soon' is not a time"),
        (["corpus", "-c", "tiny.toml", "--set", "data.weights={mol = 1}"], 2, "no domain mol"),
        (["corpus", "-c", "tiny.toml", "--set", "model.context_length=16"], 2, "a context of 16"),
        (["corpus", "-c", "tiny.toml", "--set", "lora.rank=4"], 2, "adapters need a base model"),
        (["corpus", "-c", "tiny.toml", "--device", "cuda:77"], 2, "no device cuda:77"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistakes_are_explained(train: Run, arguments: list[str], code: int, message: str) -> None:
    _, err = train(*arguments, "-o", "run", code=code)
    assert message in err
    assert "Traceback" not in err


def test_an_altered_corpus_is_refused_unless_it_is_not_verified(train: Run) -> None:
    write_corpus(Path("own"))
    path = Path("own/shards/molecule.valid.tokens.npy")
    content = bytearray(path.read_bytes())
    content[-4] ^= 1
    path.write_bytes(content)
    _, err = train("own", "-c", "tiny.toml", "-o", "run", code=2)
    assert "molecule.valid.tokens.npy" in err
    train("own", "-c", "tiny.toml", "-o", "run", "--no-verify", "--steps", "2")


@pytest.mark.slow
def test_the_embedded_model_is_gone_on_from(train: Run) -> None:
    out, _ = train(
        "corpus",
        "-c",
        "tiny.toml",
        "--from",
        "logos-nano",
        "-o",
        "run",
        "--steps",
        "2",
        "--set",
        "data.answer_only=['*']",
        "--set",
        "optimizer.learning_rate=1e-4",
    )
    card = Path(out.strip(), "README.md").read_text()
    assert "trained from `logos-nano`" in card
    generation = json.loads(Path(out.strip(), "generation_config.json").read_text())
    assert generation["task_specific_params"]["protein"]["top_p"] == 1.0  # as its base wants to be sampled
    done = CliRunner().invoke(build_app(rich_help=False), ["generate", "molecule", "-n", "2", "--model", out.strip()])
    assert done.exit_code in (0, 3), done.output


@pytest.mark.parametrize(
    ("text", "seconds"), [("55m", 3300), ("1h30m", 5400), ("90s", 90), ("2h", 7200), ("1d", 86400), ("0.5m", 30)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "1m1h", "-5m"])
def test_no_times(text: str) -> None:
    with pytest.raises(UsageError):
        parse_time(text)


def test_the_shipped_configurations_are_read(checkout: Path) -> None:
    from logos_cli.training.config_file import load_config
    from logos_cli.training.corpus.vocabulary import Vocabulary
    from logos_cli.training.model import count_parameters, new_model

    folder = checkout / "examples" / "training"
    configs = {path.stem: load_config(path) for path in sorted(folder.glob("*.toml"))}
    assert {"nano-s", "nano-m", "nano-l", "post", "lora", "gpu-2m", "gpu-8m", "gpu-30m"} <= set(configs)
    vocabulary = Vocabulary.load(checkout / "tokenizers" / "logos-nano")
    sizes = {name: configs[name].model for name in ("nano-s", "nano-m", "nano-l", "gpu-2m", "gpu-8m", "gpu-30m")}
    n_parameters = {name: count_parameters(new_model(shape, vocabulary, 0))[0] for name, shape in sizes.items()}
    wanted = {"nano-s": 0.47e6, "nano-m": 1.6e6, "nano-l": 4.9e6, "gpu-2m": 2.3e6, "gpu-8m": 7.7e6, "gpu-30m": 29e6}
    assert n_parameters == pytest.approx(wanted, rel=0.06)
    done = subprocess.run(["bash", "-n", str(folder / "train.sbatch")], capture_output=True, check=False)
    assert done.returncode == 0
