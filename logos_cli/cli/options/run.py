"""Options of bulk commands: the shard to work on, and how to resume a run."""

from __future__ import annotations

from dataclasses import dataclass

from logos_cli.cli.option_specs import block, option

_PANEL = "Run"


@dataclass(frozen=True, kw_only=True)
class RunArguments:
    """The part of a run that a command works on."""

    shard: str | None = option(
        None,
        metavar="I/N|auto",
        panel=_PANEL,
        show_default="all",
        help="Work on this part of the records only; auto: the part of a task in a job array (Slurm, PBS, LSF, SGE).",
    )
    resume: bool = option(False, "--resume", panel=_PANEL, help="Go on in the directory of an earlier run.")
    retry: str | None = option(
        None, metavar="failed", panel=_PANEL, show_default=False, help="Go on, and retry records in error."
    )
    force: bool = option(
        False,
        "--force",
        panel=_PANEL,
        help="Go on with other arguments, inputs or version than those of the run, and mix the results.",
    )
    compress: bool = option(
        False, "--compress", panel=_PANEL, help="Compress the records of a run: results/1-of-1.jsonl.gz."
    )


def run_block() -> RunArguments:
    """Return the block of options of a run."""
    return block(RunArguments, panel=None)
