"""``logos corpus``: build and inspect training corpora."""

from __future__ import annotations

from logos_cli.cli.base import Command
from logos_cli.cli.commands.corpus.build import BuildArguments, MergeArguments, build, merge
from logos_cli.cli.commands.corpus.inspection import InfoArguments, ShowArguments, VerifyArguments, info, show, verify
from logos_cli.cli.option_specs import command

PLUGIN = Command(
    "corpus",
    subcommands={
        "build": command(build, BuildArguments),
        "merge": command(merge, MergeArguments),
        "info": command(info, InfoArguments),
        "show": command(show, ShowArguments),
        "verify": command(verify, VerifyArguments),
    },
    panel="Models",
    order=55,
)
