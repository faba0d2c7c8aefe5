"""``logos doctor``: report what works here: versions, backends, devices, models, caches, and whether a run needs the network."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from logos_cli.backends.options import LoadOptions
from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import command
from logos_cli.cli.options.load import load_block
from logos_cli.cli.options.output import json_option
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode

if TYPE_CHECKING:
    from logos_cli.workflows.doctor import Examination

_GOOD, _BAD, _ABSENT = "ok", "MISSING", "-"
_STYLES = {_GOOD: "green", _BAD: "bold red", _ABSENT: "yellow"}
ReportLine = tuple[str, str, str, str]
"""Section, name, mark and text."""


@dataclass(frozen=True, kw_only=True)
class DoctorArguments:
    """The arguments of ``logos doctor``."""

    load: LoadOptions = load_block(without=("devices", "batch_size", "offline"), device="cpu", offline=True)
    as_json: bool = json_option("Print the findings as one JSON object.")


def doctor(args: DoctorArguments) -> ExitCode:
    """Report what works here: versions, backends, devices, models, caches, and whether a run needs the network.

    The exit code is 0 exactly if this installation can generate a sentence. The test runs without the network, by
    default with the embedded model on the CPU.

    Examples:

      logos doctor

      logos doctor --json | jq .problems

      logos doctor --model model.gguf --device cuda
    """
    from logos_cli.workflows.doctor import doctor as examine

    with terminal().bar("examining this installation, then a first answer of the model"):
        found = examine(args.load)
    if args.as_json:
        typer.echo(json.dumps(found, indent=2))
    elif sys.stdout.isatty():
        _paint(found)
    else:
        for section, name, mark, text in rows(found):
            typer.echo(f"{section:<10}{name:<18}{mark:<9}{text}".rstrip())
        for line in _summary(found):
            typer.echo(line)
    return ExitCode.OK if found["ready"] else ExitCode.FAILED


def rows(found: Examination) -> Iterator[ReportLine]:
    """Yield the lines of the report."""
    cpu = found["cpu"]
    yield "system", "logos", _GOOD, found["logos"]
    yield "system", "python", _GOOD, f"{found['python']} ({found['executable']})"
    memory = f", {cpu['memory_gib']} GiB memory" if cpu["memory_gib"] else ""
    yield "system", "machine", _GOOD, f"{found['platform']}, {cpu['usable']} of {cpu['cores']} cores{memory}"
    for name, entry in found["libraries"].items():
        if entry["extra"] is None:
            yield "libraries", name, _GOOD if entry["version"] else _BAD, entry["version"] or entry["remedy"] or ""
    for name, extra in found["extras"].items():
        missing = extra["missing"]
        text = extra["gives"] if not missing else f"{extra['gives']}: {extra['command']}"
        yield "extras", name, _ABSENT if missing else _GOOD, text
    for name, backend in found["backends"].items():
        yield "backends", name, _GOOD if backend["available"] else _BAD, backend["version"] or backend["remedy"] or ""
        for device, text in backend["devices"].items():
            yield "devices", device, _GOOD, text
    for model in found["models"]:
        facts = {key: value for key, value in model.items() if key not in ("name", "where", "error") and value}
        text = model.get("error") or ", ".join(f"{key} {value}" for key, value in facts.items())
        yield "models", model["name"], _BAD if "error" in model else _GOOD, f"{model['where']}: {text}"
    for cache in found["caches"]:
        yield ("caches", cache["name"], _GOOD if cache["writable"] else _ABSENT, cache["remedy"] or cache["path"])
    offline = found["offline"]
    forced = (
        "HF_HUB_OFFLINE is set: no connection is made" if offline["forced"] else "the embedded model needs no network"
    )
    yield "offline", "ready", _GOOD if offline["ready"] else _BAD, forced
    test = found["self_test"]
    yield "self-test", "generate", _BAD if test["error"] else _GOOD, test["error"] or f"{test['seconds']} s"


def _summary(found: Examination) -> Iterator[str]:
    yield from (f"problem: {text}" for text in found["problems"])
    yield from (f"advice: {text}" for text in found["advice"])
    yield "ready" if found["ready"] else "not ready"


def _paint(found: Examination) -> None:
    """Show the report as tables."""
    from rich.table import Table
    from rich.text import Text

    from logos_cli.cli.console import VisibleConsole

    console = VisibleConsole()
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    last = ""
    for section, name, mark, text in rows(found):
        if section != last and last:
            table.add_row()
        shown = Text(section if section != last else "", style="bold cyan")
        sign = {_GOOD: "✓", _BAD: "✗", _ABSENT: "–"}[mark]
        table.add_row(shown, name, Text(sign, style=_STYLES[mark]), Text(text or ""))
        last = section
    console.print(table)
    console.print()
    for line in _summary(found):
        console.print(
            Text(line, style="bold green" if line == "ready" else "bold red" if "problem" in line else "yellow")
        )


PLUGIN = Command("doctor", command(doctor, DoctorArguments), panel="Installation", order=90)
