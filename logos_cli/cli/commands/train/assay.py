"""``logos train --assay``: adapt a model to a table of measured values."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from logos_cli.cli.option_specs import option
from logos_cli.cli.options.common import one_of, parse_time
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from logos_cli.cli.commands.train.plugin import TrainArguments
    from logos_cli.training.assay.adapt import Adapted

_ASSAY = "Table of measured values"
_SPLITS, _METHODS = ("random", "mutations"), ("auto", "gp", "ridge")


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
        autocompletion=one_of(*_SPLITS),
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
        autocompletion=one_of(*_METHODS),
        help="Oracle beside the model: a Gaussian process (auto: up to 600 rows) or Bayesian ridge regression.",
    )


def train_on_assay(args: TrainArguments, chosen: AssayArguments, began: float) -> ExitCode:
    """Adapt a model, and report the correlations; its path is the output."""
    from logos_cli.resources import EMBEDDED
    from logos_cli.training.assay.adapt import AdaptRequest, adapt

    refused = {
        "CORPUS": args.corpus, "--config": args.config, "--set": args.settings, "--steps": args.steps,
        "--resume": args.resume, "--dry-run": args.dry_run, "--verify": args.verify,
        "--device": None if args.device in (None, "auto", "cpu") else args.device,
    }  # fmt: skip
    if unfit := [name for name, value in refused.items() if value]:
        raise UsageError(f"{unfit[0]} and --assay exclude each other", hint="an adaptation takes minutes on a CPU")
    for name, value, choices in (("split", chosen.split, _SPLITS), ("oracle-method", chosen.oracle_method, _METHODS)):
        if value not in choices:
            raise UsageError(f"there is no {name} {value!r}", hint=f"choose {', '.join(choices)}")
    wild_type = None
    if chosen.wild_type is not None:
        from logos_cli.workflows.score.mutants import WildType

        wild_type = WildType.read(chosen.wild_type).sequence
    request = AdaptRequest(
        table=chosen.assay or "",
        output=args.output or Path(f"{Path(chosen.assay or '').name.split('.')[0]}-model"),
        base=args.base or EMBEDDED,
        column=chosen.column,
        value=chosen.fitness,
        lower_is_better=chosen.lower_is_better,
        wild_type=wild_type,
        split=chosen.split,  # type: ignore[arg-type]  # checked above
        held_out=chosen.held_out,
        oracle=chosen.oracle_method,  # type: ignore[arg-type]  # checked above
        n_epochs=chosen.epochs,
        deadline=None if args.limit is None else began + parse_time(args.limit),
        seed=args.seed or 0,
        threads=args.threads,
        offline=args.offline,
        arguments=["logos", *sys.argv[1:]],
    )
    with terminal().bar("reading the table", unit="epochs") as bar:

        def update(n_done: int, n_all: int, correlation: float) -> None:
            bar.update(n_done, n_all, "training")
            terminal().detail(f"epoch {n_done}: Spearman {correlation:.3f}")

        adapted = adapt(request, update)
    return _report(adapted)


def _report(adapted: Adapted) -> ExitCode:
    from logos_cli.training.assay.adapt import shown

    assay = adapted.assay
    left_out = {
        "without a value": assay.n_unmeasured, "that cannot be read": assay.n_refused, "repeated": assay.n_repeated
    }  # fmt: skip
    rest = "".join(f", {count:,} {what}" for what, count in left_out.items() if count)
    terminal().note(f"{len(assay.values):,} {assay.kind}s, measured in the column {assay.column}{rest}")
    terminal().note(f"Spearman on {adapted.n_held_out:,} held-out rows:")
    for name, each in adapted.correlations.items():
        terminal().note(f"  {name:<30}{shown(each)}")
    value = adapted.correlations["adapted model"].value
    better = [
        name
        for name, each in adapted.correlations.items()
        if name != "adapted model" and each.value is not None and (value is None or each.value > value)
    ]
    if better:
        terminal().warning(f"better than the adapted model: {', '.join(better)}")
    typer.echo(str(adapted.directory))
    return ExitCode.OK
