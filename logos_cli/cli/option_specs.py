"""Command lines declared as data: the arguments of a command are a frozen dataclass, and its fields are options.

    @dataclass(frozen=True, kw_only=True)
    class EncodeArguments:
        inputs: list[str] | None = inputs_argument()
        cutoff: float = option(4.5, min=0.1, metavar="Å", panel="Structures", help="…")
        load: LoadOptions = block(LoadArguments, LoadOptions)

    PLUGIN = Command("encode", command(encode, EncodeArguments))

A field that is a :func:`block` is a dataclass itself: its fields are options of the command, and their values become
the dataclass. Type, default, help and value of an option are in one place, and commands share blocks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import partial
from types import EllipsisType
from typing import TYPE_CHECKING, Annotated, TypedDict, TypeVar, Unpack, cast, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from logos_cli.cli.base import Callback
from logos_cli.errors import ExitCode

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
Arguments = TypeVar("Arguments", bound="DataclassInstance")

_GIVEN, _BLOCK, _OTHERS = "given", "block", "others"


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """A parameter of a command.

    Attributes
    ----------
    name : str
        The keyword of the value.
    type : type
        Type of the value, as in a signature.
    info : OptionInfo or ArgumentInfo
        The result of ``typer.Option(…)`` or ``typer.Argument(…)``.
    default : object
        ``…`` if there must be a value.
    """

    name: str
    type: object
    info: OptionInfo | ArgumentInfo
    default: object = None

    def within(self, panel: str) -> OptionSpec:
        """Return the option in another panel of the help."""
        info = copy(self.info)
        info.rich_help_panel = panel
        return replace(self, info=info)

    def parameter(self) -> inspect.Parameter:
        """Return the option as a parameter of a signature."""
        kind, info = self.type, self.info
        if kind in (bool, bool | None) and info.metavar is None:
            info = copy(info)
            info.metavar = ""  # a flag takes no value
        annotation = Annotated[kind, info]  # type: ignore[valid-type]
        return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, default=self.default, annotation=annotation)


class Settings(TypedDict, total=False):
    """Further settings of an option or an argument, as in Typer."""

    metavar: str | None
    min: float | None
    max: float | None
    show_default: bool | str
    envvar: str
    hidden: bool
    autocompletion: Callable[[str], list[str]] | None


def option(
    default: T | EllipsisType, *spellings: str, panel: str | None = None, help: str, **settings: Unpack[Settings]
) -> T:
    """Return a field that is an option.

    Parameters
    ----------
    default : object
        ``…`` if the option is required.
    *spellings : str
        By default the field's name.
    panel : str, optional
        Panel of the help.
    """
    info: OptionInfo = typer.Option(*spellings, help=help, rich_help_panel=panel, **settings)
    return _field(default, info)


def argument(default: T | EllipsisType, *, help: str, **settings: Unpack[Settings]) -> T:
    """Return a field that is a positional argument."""
    info: ArgumentInfo = typer.Argument(help=help, **settings)
    return _field(default, info)


def _field(default: T | EllipsisType, info: OptionInfo | ArgumentInfo) -> T:
    if isinstance(default, EllipsisType):
        required: T = field(metadata={_GIVEN: info})
        return required
    optional: T = field(default=default, metadata={_GIVEN: info})
    return optional


@dataclass(frozen=True, slots=True)
class _Block:
    """Options that are a dataclass within another."""

    declared: type[DataclassInstance]
    kind: Callable[..., object]
    without: frozenset[str]
    panel: str | None
    defaults: Mapping[str, object]

    def specs(self) -> Iterator[OptionSpec]:
        """Yield its options."""
        for each in specs_of(self.declared):
            if each.name not in self.without:
                spec = replace(each, default=self.defaults.get(each.name, each.default))
                yield spec if self.panel is None else spec.within(self.panel)

    def made(self, values: Mapping[str, object]) -> object:
        """Return the dataclass made of the values of its options."""
        own = {name: value for name, value in values.items() if name not in self.without}
        return self.kind(**{**self.defaults, **_values_of(self.declared, own)})


def block(
    declared: type[DataclassInstance],
    kind: Callable[..., T] | None = None,
    *,
    without: Iterable[str] = (),
    panel: str | None = None,
    **defaults: object,
) -> T:
    """Return a field that several commands share: a dataclass, made of options of its own.

    Parameters
    ----------
    declared : type
        The dataclass with the options as fields.
    kind : callable, optional
        Takes the options by their names, such as a dataclass of the library with the same fields; by default ``declared``.
    without : iterable of str
        Options that this command does not have; they keep their defaults.
    panel : str, optional
        Panel of the help for all of them.
    **defaults
        Defaults that replace the declared ones.
    """
    made = cast(Callable[..., T], declared) if kind is None else kind
    options = _Block(declared, made, frozenset(without), panel, defaults)
    found: T = field(default_factory=partial(made, **defaults), metadata={_BLOCK: options})
    return found


def others() -> Mapping[str, object]:
    """Return a field for the values of options that are declared elsewhere, by name."""
    found: Mapping[str, object] = field(default_factory=dict, metadata={_OTHERS: True})
    return found


def specs_of(kind: type[DataclassInstance]) -> Iterator[OptionSpec]:
    """Yield the options of a dataclass, with those of its blocks."""
    types = get_type_hints(kind)
    for each in fields(kind):
        if _BLOCK in each.metadata:
            yield from each.metadata[_BLOCK].specs()
        elif _GIVEN in each.metadata:
            default = ... if each.default is MISSING else each.default
            yield OptionSpec(each.name, types[each.name], each.metadata[_GIVEN], default)


def changed(arguments: DataclassInstance) -> list[str]:
    """Return the spellings of the options of a block with a value other than the default."""
    found: list[str] = []
    for each in fields(arguments):
        value = getattr(arguments, each.name)
        if _BLOCK in each.metadata:
            found += changed(value)
        elif value != each.default:
            found.append(f"--{each.name.replace('_', '-')}")
    return found


def _values_of(kind: type[DataclassInstance], values: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of a dataclass for the values of a command line; one that the command lacks is left out."""
    found: dict[str, object] = {}
    for each in fields(kind):
        if _BLOCK in each.metadata:
            found[each.name] = each.metadata[_BLOCK].made(values)
        elif _OTHERS in each.metadata:
            own = {spec.name for spec in specs_of(kind)}
            found[each.name] = {name: value for name, value in values.items() if name not in own}
        elif each.name in values:
            found[each.name] = values[each.name]
    return found


def command(
    run: Callable[[Arguments], ExitCode | None],
    kind: type[Arguments],
    *,
    specs: Iterable[OptionSpec] | None = None,
    help: str | None = None,
) -> Callback:
    """Return a command for the command line.

    Parameters
    ----------
    run : callable
        Runs the command; its docstring is the help.
    kind : type
        The dataclass of its arguments.
    specs : iterable of OptionSpec, optional
        The options; by default all that ``kind`` declares.
    help : str, optional
        Instead of the docstring.
    """
    parameters = [each.parameter() for each in (specs_of(kind) if specs is None else specs)]

    def callback(**values: object) -> ExitCode | None:
        return run(kind(**_values_of(kind, values)))

    callback.__doc__ = help or run.__doc__
    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    callback.__annotations__ = {each.name: each.annotation for each in parameters}
    return callback
