"""Options of commands that work on many records: which part of them, and how to go on."""

from __future__ import annotations

from dataclasses import dataclass

from logos_cli.cli.option_specs import block, option

_PANEL = "Run"


@dataclass(frozen=True, kw_only=True)
class RunArguments:
    """How a command takes its part in a run."""

    shard: str | None = option(
        None,
        metavar="I/N|auto",
        panel=_PANEL,
        show_default="all",
        help="Do this part of the records only; auto: that of the task in a job array (Slurm, PBS, LSF, SGE).",
    )
    resume: bool = option(False, "--resume", panel=_PANEL, help="Go on in the directory of an earlier run.")
    retry: str | None = option(
        None, metavar="failed", panel=_PANEL, show_default=False, help="Go on, and do records in error again."
    )
    force: bool = option(
        False,
        "--force",
        panel=_PANEL,
        help="Go on although arguments, inputs or version are not those of the run: its results are mixed then.",
    )


def run_block() -> RunArguments:
    """Return the block of options of a run."""
    return block(RunArguments, panel=None)
