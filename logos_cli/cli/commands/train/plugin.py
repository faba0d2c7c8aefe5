"""``logos train``: train a language model on a corpus of sentences."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.commands.train.options import TrainArguments
from logos_cli.cli.option_specs import changed, command
from logos_cli.cli.options.common import parse_time
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from logos_cli.training.config import TrainConfig
    from logos_cli.training.plan import RunPlan
    from logos_cli.training.run.signals import RunEnd
    from logos_cli.workflows.train import TrainRequest, TrainSummary

_BEGAN = time.monotonic()


def train(args: TrainArguments) -> ExitCode:
    """Train a language model on a corpus of sentences, from nothing or from another model.

    By default a small model with random weights is trained. With --from, any causal language model of
    transformers is trained further, whole or through low-rank adapters. Its tokenizer gets the tags of the grammar, and
    the corpus must have been built with it. Domains can be trained on their answers only (post-training).

    With --assay, a model learns instead to rank the rows of a table of sequences with fitness, or of SMILES with
    activity. RUN is then the model, with its card, the correlation with held-out rows beside that of trivial scores, and
    an oracle: `logos generate protein --edit wt.fasta --model RUN --oracle RUN`.

    RUN holds checkpoints, run.json and log.jsonl. When the run ends, RUN/model has the model with its card, and the path
    is printed. SIGTERM, SIGUSR1 and Ctrl-C write a checkpoint first; --resume goes on exactly from it. For several
    processes, start it with torchrun.

    Examples:

      logos train corpus/ --config nano.toml -o nano

      logos train corpus/ --config nano.toml -o nano --time 55m --resume

      logos train corpus/ --config post.toml --from nano/model -o nano-post

      logos train corpus/ --config nano.toml --set schedule.n_steps=200 --dry-run

      logos train --assay variants.csv --from logos-nano -o my-model
    """
    from logos_cli.workflows.train import TrainRequest, plan_training

    # Threads that spin while they wait for each other make a busy machine several times slower. The OpenMP of torch
    # reads this when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if args.assay.assay is not None:
        from logos_cli.cli.commands.train.assay import train_on_assay

        return train_on_assay(args, args.assay, _BEGAN)
    if unused := changed(args.assay):
        raise UsageError(f"{unused[0]} needs --assay", hint="give the table with --assay")
    if args.corpus is None:
        raise UsageError("training needs a corpus or a table", hint="give CORPUS, or --assay TABLE")
    request = TrainRequest(
        corpus=args.corpus,
        output=args.output or Path(f"{args.config.stem if args.config else 'logos'}-run"),
        config=args.config,
        values=_values(args),
        base=args.base,
        resume=args.resume,
        deadline=None if args.limit is None else _BEGAN + parse_time(args.limit),
        offline=args.offline,
        arguments=["logos", *sys.argv[1:]],
    )
    if args.dry_run:
        return _show_plan(*plan_training(request))
    return _train(request)


def _values(args: TrainArguments) -> dict[str, object]:
    """Return dotted keys and values; the other options take precedence over ``--set``."""
    from logos_cli.training.config_file import parse_setting

    flags = {
        "schedule.n_steps": args.steps,
        "run.seed": args.seed,
        "data.verify": args.verify,
        "run.device": args.device,
        "run.threads": args.threads,
    }
    found = dict(parse_setting(text) for text in args.settings or ())
    return found | {key: value for key, value in flags.items() if value is not None}


def _train(request: TrainRequest) -> ExitCode:
    from logos_cli.cli.commands.train.display import Display
    from logos_cli.training.run.signals import Signals, StopNow
    from logos_cli.workflows.train import read_config, train

    with Signals() as signals:
        try:
            with Display(read_config(request).run.log_every_steps) as display:
                summary = train(request, display, signals)
        except StopNow:
            terminal().note("stopped before the first step; there was nothing to save")
            return _code(signals.outcome)
    return _report(request, summary)


def _code(outcome: RunEnd | None) -> ExitCode:
    from logos_cli.training.run.signals import RunEnd

    codes = {RunEnd.TERMINATED: ExitCode.TERMINATED, RunEnd.INTERRUPTED: ExitCode.INTERRUPTED}
    return ExitCode.OK if outcome is None else codes.get(outcome, ExitCode.OK)


def _report(request: TrainRequest, summary: TrainSummary) -> ExitCode:
    """Report how the run ended; the model's path is the output."""
    from logos_cli.cli.commands.train.display import count
    from logos_cli.training.run.signals import RunEnd

    if not summary.is_first:
        return _code(summary.outcome)
    held_out = (
        ""
        if summary.mean_loss is None
        else (f"; best held-out loss {summary.mean_loss:.4f} at step {summary.best_step}")
    )
    terminal().note(
        f"{summary.outcome.value}: step {summary.step} of {summary.n_steps}, {count(summary.n_tokens)} tokens{held_out}"
    )
    if summary.outcome is not RunEnd.FINISHED:
        config = f" --config {shlex.quote(str(request.config))}" if request.config else ""
        base = f" --from {shlex.quote(request.base)}" if request.base else ""
        terminal().note(
            f"go on with: logos train {shlex.quote(str(request.corpus))}{config}{base} "
            f"-o {shlex.quote(str(request.output))} --resume"
        )
    if summary.model is not None:
        if not summary.has_picture:
            terminal().note("the card has no loss curves, as matplotlib is missing: pip install 'logos-cli[train]'")
        typer.echo(str(summary.model))
    return _code(summary.outcome)


def _show_plan(config: TrainConfig, plan: RunPlan) -> ExitCode:
    """Print the plan of the run."""
    from logos_cli.cli.commands.train.display import count

    facts = {
        "model": plan.model,
        "parameters": f"{plan.n_parameters:,}"
        + ("" if plan.n_trained == plan.n_parameters else f", trained {plan.n_trained:,}"),
        "from": config.model.base or "random weights",
        "steps": f"{plan.n_steps:,} of {config.data.n_step_tokens:,} tokens",
        "tokens": f"{count(plan.n_tokens)} ({plan.n_tokens / plan.n_parameters:.1f} a parameter)",
        "longest": f"{plan.longest:,} tokens",
        "optimizer": f"{config.optimizer.name}, {config.schedule.name}",
        "precision": config.run.precision,
        "memory": f"about {plan.memory_bytes / 2**30:.2f} GiB a process",
    }
    for key, value in facts.items():
        typer.echo(f"{key:<12}{value}")
    typer.echo(f"\n{'domain':<24}{'share':>7}{'tokens':>9}{'sentences':>11}{'epochs':>10}  loss on")
    for name, domain in sorted(plan.domains.items(), key=lambda item: -item[1].share):
        typer.echo(
            f"{name:<24}{domain.share:>7.1%}{count(domain.n_tokens):>9}{domain.n_sentences:>11,}{domain.epochs:>10,.2f}"
            f"  {'answer' if domain.answer_only else 'all'}"
        )
    return ExitCode.OK


PLUGIN = Command("train", command(train, TrainArguments), panel="Models", order=50)
