"""``logos bench``: measure this installation on this machine."""

from __future__ import annotations

from logos_cli import registry
from logos_cli.cli.base import Command

PLUGIN = Command(
    "bench",
    subcommands={name: plugin.callback for name, plugin in registry.load_all("cli.commands.bench").items()},
    panel="Installation",
    order=95,
)
