"""``logos train --assay``: adapt a model to a table of measured values."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from logos_cli.cli.commands.train.options import METHODS, SPLITS
from logos_cli.cli.options.common import parse_time
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from logos_cli.cli.commands.train.options import AssayArguments, TrainArguments
    from logos_cli.training.assay.adapt import Adapted


def train_on_assay(args: TrainArguments, chosen: AssayArguments, began: float) -> ExitCode:
    """Adapt a model, and report the correlations; its path is the output."""
    from logos_cli.resources import EMBEDDED
    from logos_cli.training.assay.adapt import AdaptRequest, adapt

    refused = {
        "CORPUS": args.corpus, "--config": args.config, "--set": args.settings, "--steps": args.steps,
        "--resume": args.resume, "--dry-run": args.dry_run, "--verify": args.verify,
        "--no-verify": args.verify is False,
        "--device": None if args.device in (None, "auto", "cpu") else args.device,
    }  # fmt: skip
    if unfit := [name for name, value in refused.items() if value]:
        raise UsageError(f"{unfit[0]} and --assay exclude each other", hint="an adaptation takes minutes on a CPU")
    for name, value, choices in (("split", chosen.split, SPLITS), ("oracle-method", chosen.oracle_method, METHODS)):
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
