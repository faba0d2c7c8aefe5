"""``logos corpus``: sentences to train on."""

from __future__ import annotations

from logos_cli.cli.base import Command
from logos_cli.cli.commands.corpus.build import BuildArguments, build
from logos_cli.cli.commands.corpus.inspection import InfoArguments, ShowArguments, VerifyArguments, info, show, verify
from logos_cli.cli.option_specs import command

PLUGIN = Command(
    "corpus",
    subcommands={
        "build": command(build, BuildArguments),
        "info": command(info, InfoArguments),
        "show": command(show, ShowArguments),
        "verify": command(verify, VerifyArguments),
    },
    help="Build and inspect what models are trained on.",
    panel="Training",
    order=50,
)
