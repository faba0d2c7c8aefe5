"""The options of ``logos train``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from logos_cli.cli.option_specs import argument, block, option
from logos_cli.cli.options.common import one_of
from logos_cli.cli.options.load import offline_option

_RUN, _COMPUTE = "Run", "Computation"
_FILE_S = "the file's"
_ASSAY = "Table of measured values"
SPLITS, METHODS = ("random", "mutations"), ("auto", "gp", "ridge")


@dataclass(frozen=True, kw_only=True)
class AssayArguments:
    """The options of an adaptation."""

    assay: str | None = option(
        None,
        "--assay",
        metavar="TABLE",
        panel=_ASSAY,
        show_default=False,
        help="Adapt a model to this table (CSV, TSV, Parquet …) of sequences with fitness or SMILES with activity.",
    )
    column: str | None = option(
        None, metavar="NAME", panel=_ASSAY, show_default="by its name", help="Column with the sequence or SMILES."
    )
    fitness: str | None = option(
        None, metavar="NAME", panel=_ASSAY, show_default="by its name", help="Column with the measured value."
    )
    lower_is_better: bool = option(
        False, "--lower-is-better", panel=_ASSAY, help="Low values are the good ones (IC50, Kd)."
    )
    wild_type: str | None = option(
        None,
        metavar="SEQUENCE|FILE",
        panel=_ASSAY,
        show_default="the consensus",
        help="Sequence from which mutations are counted.",
    )
    split: str = option(
        "random",
        metavar="random|mutations",
        panel=_ASSAY,
        autocompletion=one_of(*SPLITS),
        help="Rows held out for the reported correlation: random ones, or those with the most mutations.",
    )
    held_out: float = option(0.2, metavar="SHARE", panel=_ASSAY, help="Share of the rows that are held out.")
    epochs: int | None = option(
        None, min=1, metavar="N", panel=_ASSAY, show_default="12", help="Passes over the table, at most."
    )
    oracle_method: str = option(
        "auto",
        metavar="auto|gp|ridge",
        panel=_ASSAY,
        autocompletion=one_of(*METHODS),
        help="Oracle beside the model: a Gaussian process (auto: up to 600 rows) or Bayesian ridge regression.",
    )


@dataclass(frozen=True, kw_only=True)
class TrainArguments:
    """The arguments of ``logos train``."""

    corpus: Path | None = argument(
        None,
        metavar="[CORPUS]",
        help="Directory that `logos corpus build` wrote; none with --assay.",
        show_default=False,
    )
    assay: AssayArguments = block(AssayArguments)
    config: Path | None = option(
        None,
        "--config",
        "-c",
        metavar="FILE.toml",
        show_default="that of the run, or the defaults",
        help="Model, mixture, optimizer, schedule; docs/guide/training.md lists every key.",
    )
    base: str | None = option(
        None,
        "--from",
        metavar="NAME|DIR",
        show_default="random weights",
        help="Start from this model: logos-nano, a directory, or owner/name of the Hugging Face hub.",
    )
    output: Path | None = option(
        None,
        "--output",
        "-o",
        metavar="RUN",
        panel=_RUN,
        show_default="the file's name + -run",
        help="Directory of the run: checkpoints, log, and the model in RUN/model.",
    )
    resume: bool = option(
        False, "--resume", panel=_RUN, help="Go on from the last checkpoint in RUN; begin if there is none."
    )
    limit: str | None = option(
        None,
        "--time",
        metavar="55m",
        panel=_RUN,
        show_default="until done",
        help="End within this time (2h, 55m, 1h30m, 90s), with a checkpoint to resume from.",
    )
    steps: int | None = option(
        None, min=1, metavar="N", panel=_RUN, show_default=_FILE_S, help="Optimizer steps in all (schedule.n_steps)."
    )
    seed: int | None = option(
        None,
        min=0,
        metavar="N",
        panel=_RUN,
        show_default=_FILE_S,
        help="Seed of weights, data order and samples (run.seed).",
    )
    settings: list[str] | None = option(
        None,
        "--set",
        metavar="KEY=VALUE",
        panel=_RUN,
        help="Set any key of the file, e.g. optimizer.beta2=0.98; may be repeated.",
    )
    verify: bool | None = option(
        None,
        "--verify/--no-verify",
        panel=_RUN,
        show_default=_FILE_S,
        help="First compare every file of the corpus with its hash (data.verify).",
    )
    device: str | None = option(
        None,
        metavar="auto|cpu|cuda[:N]|mps",
        envvar="LOGOS_DEVICE",
        panel=_COMPUTE,
        show_default=_FILE_S,
        autocompletion=one_of("auto", "cpu", "cuda", "mps"),
        help="auto takes a GPU if there is one (run.device).",
    )
    threads: int | None = option(
        None,
        min=1,
        metavar="N",
        envvar="LOGOS_THREADS",
        panel=_COMPUTE,
        show_default=_FILE_S,
        help="CPU threads of one process (run.threads).",
    )
    offline: bool = offline_option(_COMPUTE)
    dry_run: bool = option(False, "--dry-run", help="Check everything, show the plan, and exit.")
