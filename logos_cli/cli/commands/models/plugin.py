"""``logos models``: list, fetch, describe, convert, quantize and verify models."""

from __future__ import annotations

from logos_cli.cli.base import Command
from logos_cli.cli.commands.models.files import (
    ConvertArguments,
    QuantizeArguments,
    VerifyArguments,
    convert,
    quantize,
    verify,
)
from logos_cli.cli.commands.models.hub import InfoArguments, ListArguments, PullArguments, info, list_, pull
from logos_cli.cli.option_specs import command

PLUGIN = Command(
    "models",
    subcommands={
        "list": command(list_, ListArguments),
        "info": command(info, InfoArguments),
        "pull": command(pull, PullArguments),
        "convert": command(convert, ConvertArguments),
        "quantize": command(quantize, QuantizeArguments),
        "verify": command(verify, VerifyArguments),
    },
    panel="Models",
    order=60,
)
