"""Hidden spellings of options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Annotated

import typer

from logos_cli.cli.base import Callback
from logos_cli.errors import ExitCode, UsageError


def with_aliases(callback: Callback, aliases: Mapping[str, str]) -> Callback:
    """Return the command with further, hidden options.

    Parameters
    ----------
    aliases : mapping
        The parameter that each hidden option sets: ``{"--num_samples": "num_samples"}``. The
        parameter's own type and checks apply.

    Raises
    ------
    UsageError
        When the command gets both spellings of one option.
    """
    signature = inspect.signature(callback, eval_str=True)
    parameters = list(signature.parameters.values())
    targets = {f"alias_{option.strip('-')}": (option, target) for option, target in aliases.items()}
    for name, (option, target) in targets.items():
        kind = signature.parameters[target].annotation.__origin__
        annotation: object = Annotated[kind | None, typer.Option(option, hidden=True)]
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))

    @functools.wraps(callback)
    def command(*args: object, **kwargs: object) -> ExitCode | None:
        for name, (option, target) in targets.items():
            value = kwargs.pop(name, None)
            if value is None:
                continue
            if kwargs.get(target, signature.parameters[target].default) != signature.parameters[target].default:
                raise UsageError(f"{option} is another spelling of --{target.replace('_', '-')}; give one of them")
            kwargs[target] = value
        return callback(*args, **kwargs)

    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {
        "return": signature.return_annotation
    }
    return command
