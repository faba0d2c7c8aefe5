"""Train a model: the function behind ``logos train``."""

from __future__ import annotations

import json
import os
import platform
import socket
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from logos_cli import __version__
from logos_cli.errors import InputError, OutputError, UsageError
from logos_cli.io.json_types import JsonMapping, JsonObject
from logos_cli.processes.lock import LOCK, locked
from logos_cli.records.json_text import parse_json

if TYPE_CHECKING:
    from logos_cli.training.config import TrainConfig
    from logos_cli.training.corpus.shards import Corpus
    from logos_cli.training.model import Base
    from logos_cli.training.plan import RunPlan
    from logos_cli.training.run.distributed import ProcessGroup
    from logos_cli.training.run.loop import Trainer
    from logos_cli.training.run.report import Listener
    from logos_cli.training.run.signals import RunEnd, Signals

RUN_FILE: Final = "run.json"
_NEW_RUN_FILE: Final = f"tmp-{RUN_FILE}"
MODEL: Final = "model"
_LIBRARIES: Final = ("torch", "transformers", "tokenizers", "numpy", "safetensors")


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """The arguments of a training run.

    Attributes
    ----------
    corpus, output : Path
        Directories of the corpus and of the run.
    config : Path, optional
        TOML file; by default that of the run that is resumed, else the defaults.
    values : mapping
        Dotted keys that take precedence over the file.
    base : str, optional
        The model to start from; takes precedence over ``model.base``.
    resume : bool
        Go on from the last checkpoint in ``output``, if there is one.
    deadline : float, optional
        Time of ``time.monotonic`` before which the run ends.
    offline : bool
        Never use the network.
    arguments : sequence of str
        The command line, for ``run.json``.
    """

    corpus: Path
    output: Path
    config: Path | None = None
    values: JsonMapping | None = None
    base: str | None = None
    resume: bool = False
    deadline: float | None = None
    offline: bool = False
    arguments: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TrainSummary:
    """How a run ended.

    Attributes
    ----------
    outcome : RunEnd
    step, n_steps, n_tokens : int
        Steps done, steps in all, and tokens seen.
    model : Path or None
        The model's directory, if one was written.
    mean_loss : float or None
        The best one on held-out sentences.
    best_step : int or None
        The step with that loss.
    has_picture : bool
        Whether the loss curves were drawn (with matplotlib).
    is_first : bool
        Whether this is the process that reports.
    """

    outcome: RunEnd
    step: int
    n_steps: int
    n_tokens: int
    model: Path | None
    mean_loss: float | None
    best_step: int | None
    has_picture: bool
    is_first: bool


def read_config(request: TrainRequest) -> TrainConfig:
    """Return the configuration: flags take precedence over the file, or over ``run.json`` of a resumed run.

    Raises
    ------
    UsageError, InputError
        If a key does not exist, a value does not fit, or a file cannot be read.
    """
    from logos_cli.training.config import TrainConfig, with_base
    from logos_cli.training.config_file import load_config, with_values

    if request.config is not None:
        config = load_config(request.config)
    elif request.resume and (stored := read_run_file(request.output)):
        values = {
            f"{table}.{key}": value
            for table, part in stored["config"].items()
            if part is not None
            for key, value in part.items()
        }
        config = with_values(TrainConfig(), values)
    else:
        config = TrainConfig()
    if request.values:
        config = with_values(config, request.values)
    return config if request.base is None else with_base(config, request.base)


def read_run_file(output: Path) -> JsonObject | None:
    """Return ``run.json`` of a run, or None if it has none.

    Raises
    ------
    InputError
        If it is damaged.
    """
    path = output / RUN_FILE
    try:
        found: JsonObject = parse_json(path.read_text(encoding="utf-8"))
        if not isinstance(found["config"], dict):
            raise ValueError("no configuration")  # noqa: TRY301, TRY004 - reported as damage, below
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"cannot be read: {error}", source=str(path), hint="give --config") from error
    return found


def plan_training(request: TrainRequest) -> tuple[TrainConfig, RunPlan]:
    """Return the resolved configuration and the plan of the run, without training.

    Raises
    ------
    LogosError
        As :func:`train`.
    """
    from logos_cli.training.plan import make_plan
    from logos_cli.training.run.distributed import environment_number

    config, corpus, base = _prepare(request)
    return config, make_plan(config, corpus, base, environment_number("WORLD_SIZE", 1))


def _prepare(request: TrainRequest) -> tuple[TrainConfig, Corpus, Base | None]:
    from logos_cli.training.corpus.shards import Corpus
    from logos_cli.training.model import check_tokenizer, find_base, require_transformers
    from logos_cli.training.resolve import resolve

    config = read_config(request)
    corpus = Corpus(request.corpus)
    require_transformers()
    base = find_base(config.model, offline=request.offline)
    if base is not None:
        check_tokenizer(base, corpus.vocabulary)
    return resolve(config, corpus), corpus, base


def train(request: TrainRequest, listener: Listener | None = None, signals: Signals | None = None) -> TrainSummary:
    """Train, or resume a run, until the end, the deadline or a signal.

    Raises
    ------
    UsageError
        If the configuration does not fit, the run's directory is not empty and ``resume`` is not set, or
        another process trains there.
    InputError
        If the corpus or the checkpoint is damaged.
    ModelError, MissingError
        If the base model, a library or a device is missing.
    TrainingError
        If the loss becomes infinite or not a number.
    OutputError
        If the disk is full; the last checkpoint stays.
    """
    from logos_cli.training.run import distributed

    config, corpus, base = _prepare(request)
    _set_threads(config.run.threads)
    world = distributed.start(config.run.device)
    try:
        if world.is_first:
            _check_directory(request)
            if config.data.verify:
                corpus.verify()
        world.wait()
        with locked(request.output, "training") if world.is_first else nullcontext():
            return _run(request, config, corpus, base, world, listener, signals)
    finally:
        distributed.end()


def _run(
    request: TrainRequest,
    config: TrainConfig,
    corpus: Corpus,
    base: Base | None,
    world: ProcessGroup,
    listener: Listener | None,
    signals: Signals | None,
) -> TrainSummary:
    from logos_cli.training.run.loop import Trainer
    from logos_cli.training.run.signals import RunEnd

    trainer = Trainer(corpus, config, request.output, base, world, listener, signals)
    session = {"began": _now(), "host": socket.gethostname(), "from_step": trainer.step}
    run = _run_facts(request, config, corpus, base, trainer)
    if world.is_first:
        _write_run_file(request.output, run, session)
    outcome = trainer.run(request.deadline)
    model, has_picture = None, False
    if outcome in (RunEnd.FINISHED, RunEnd.TIME_UP):
        model = trainer.export(request.output / MODEL)
        if world.is_first:
            has_picture = _write_card(request, trainer, run, corpus, model)
    if world.is_first:
        session |= {"ended": _now(), "to_step": trainer.step, "outcome": outcome.value}
        _write_run_file(request.output, run, session)
    best = trainer.best or {}
    return TrainSummary(
        outcome,
        trainer.step,
        config.schedule.n_steps,
        trainer.n_tokens,
        model,
        best.get("loss"),
        int(best["step"]) if best else None,
        has_picture,
        world.is_first,
    )


def _check_directory(request: TrainRequest) -> None:
    """Refuse to mix two runs.

    Raises
    ------
    UsageError
        If the directory has files and the run is not resumed, or if there is no run to resume.
    OutputError
        If the directory cannot be made.
    """
    from logos_cli.training.run.checkpoint import latest
    from logos_cli.training.run.loop import CHECKPOINTS

    output = request.output
    try:
        output.mkdir(parents=True, exist_ok=True)
        # a run that was killed in its first seconds leaves its lock, and is begun anew
        is_empty = {path.name for path in output.iterdir()} <= {LOCK, _NEW_RUN_FILE}
    except OSError as error:
        raise OutputError(f"the run's directory cannot be made: {error.strerror}", source=str(output)) from error
    if is_empty:
        return
    if not request.resume:
        found = latest(output / CHECKPOINTS)
        what = f"a run with {found.name}" if found else "something else"
        raise UsageError(
            f"the directory holds {what} already", source=str(output), hint="go on with --resume, or choose another -o"
        )
    if not (output / RUN_FILE).exists():
        raise UsageError("there is no run to resume", source=str(output), hint="choose another -o")


def _set_threads(threads: int | None) -> None:
    import torch

    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if threads is None and slurm.isdigit() and "OMP_NUM_THREADS" not in os.environ:
        threads = int(slurm)
    if threads is not None:
        torch.set_num_threads(threads)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _versions(config: TrainConfig) -> dict[str, str]:
    names = [*_LIBRARIES, *(["peft"] if config.lora is not None else [])]
    return {"logos": __version__, "python": platform.python_version()} | {
        name: metadata.version(name) for name in names
    }


def _run_facts(
    request: TrainRequest, config: TrainConfig, corpus: Corpus, base: Base | None, trainer: Trainer
) -> JsonObject:
    import torch

    device = trainer.world.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "arguments": list(request.arguments),
        "config": config.to_dict(),
        "seed": config.run.seed,
        "versions": _versions(config),
        "device": f"{device} ({name})",
        "n_threads": torch.get_num_threads(),
        "n_processes": trainer.world.size,
        "matrix_tflops_per_s": round(trainer.matrix_flops_per_s / 1e12, 4),
        "corpus": {
            "path": str(corpus.directory),
            "sha256": corpus.sha256,
            "tokenizer_sha256": corpus.vocabulary.sha256,
        },
        "base": {**asdict(base), "path": str(base.path)} if base is not None else None,
        "n_parameters": trainer.learner.n_parameters,
        "n_trained": trainer.learner.n_trained,
    }


def _write_run_file(output: Path, run: JsonObject, session: JsonMapping) -> None:
    """Write ``run.json``: the earlier sessions, and the last state of this one."""
    before = read_run_file(output) or {}
    sessions = [one for one in before.get("sessions", []) if one["began"] != session["began"]]
    text = json.dumps({**run, "sessions": [*sessions, dict(session)]}, indent=1) + "\n"
    temporary = output / _NEW_RUN_FILE
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(output / RUN_FILE)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", source=str(output / RUN_FILE)) from error


def _write_card(request: TrainRequest, trainer: Trainer, run: JsonObject, corpus: Corpus, model: Path) -> bool:
    from logos_cli.training.card import CardFacts, write_card
    from logos_cli.training.run.journal import LOG, read_journal

    facts = CardFacts(
        name=request.output.resolve().name,
        run=run,
        manifest=corpus.manifest,
        n_parameters=trainer.learner.n_parameters,
        step=trainer.step,
        n_tokens=trainer.n_tokens,
        n_targets=trainer.n_targets,
        epochs=trainer.epochs(),
    )
    return write_card(facts, read_journal(request.output / LOG), model)
