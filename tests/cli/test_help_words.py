"""Help names values in words of the field, never by the types of Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer import Context
from typer.main import get_command

from logos_cli.cli.app import build_app

TYPE = re.compile(r"<(list\[|(str|bool|int|float|path|text|filename|directory)( range)?\b[^|]*>)")


def commands(command: Any, name: str = "logos") -> Iterator[tuple[str, Any]]:
    """Yield every command that runs, with its whole name."""
    if not hasattr(command, "list_commands"):
        yield name, command
        return
    for child in command.commands:
        yield from commands(command.commands[child], f"{name} {child}")


@pytest.mark.parametrize("rich", [False, True])
def test_no_help_shows_a_type_of_python(rich: bool) -> None:
    found = dict(commands(get_command(build_app(rich_help=rich))))
    assert len(found) > 30
    shown = []
    for name, command in found.items():
        context = Context(command, info_name=name)
        for parameter in (each for each in command.params if not each.hidden):
            record = parameter.get_help_record(context) or ("",)
            kinds = (parameter.display_type_rich(ctx=context), record[0])
            shown += [f"{name} {parameter.name}: {kind}" for kind in kinds if TYPE.search(str(kind))]
    assert shown == []
