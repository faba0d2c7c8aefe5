"""Read configuration files: TOML, checked key by key.

An unknown key, a value of another type and one out of range are errors that name the line and the valid values.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from logos_cli.errors import InputError, UsageError
from logos_cli.io.toml import parse_toml, toml_text
from logos_cli.training.config import (
    DataConfig,
    EvaluationConfig,
    LoraConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    ScheduleConfig,
    TrainConfig,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Place:
    """The source of a configuration, for the lines of errors."""

    file: str
    text: str

    def error(self, message: str, table: str = "", key: str = "", hint: str | None = None) -> UsageError:
        line = _line_of(self.text, table, key)
        return UsageError(message, source=f"{self.file}:{line}" if line else self.file, hint=hint)


def _line_of(text: str, table: str, key: str) -> int | None:
    """Return the line, from 1, of a key in its table, or of the table's heading."""
    current, heading = "", None
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"\s*\[\s*([\w.\-\"]+)\s*\]", line):
            current = match[1].strip('"')
            if current.split(".")[0] == table.split(".")[0]:
                heading = heading or number
                if not key or current == f"{table}.{key}":
                    return number
        elif (key and current == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[.=]", line)) or (
            not current and re.match(rf"\s*{re.escape(table or key)}\s*[.=]", line)
        ):
            return number
    return heading


def load_config(path: Path) -> TrainConfig:
    """Read a TOML file.

    Raises
    ------
    InputError
        If it cannot be read or is not TOML.
    UsageError
        If a key does not exist or a value does not fit.
    """
    try:
        text = toml_text(path)
        tables = parse_toml(text, str(path))
    except FileNotFoundError as error:
        raise InputError("there is no such configuration file", source=str(path)) from error
    except (OSError, ValueError) as error:
        raise InputError(f"the configuration cannot be read: {error}", source=str(path)) from error
    return from_tables(tables, str(path), text)


def parse_setting(text: str) -> tuple[str, Any]:
    """Parse ``table.key=value``; the value is TOML, or else text.

    Raises
    ------
    UsageError
        If the text has another form.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not re.fullmatch(r"\w+\.\w+", key):
        raise UsageError(f"--set takes table.key=value, not {text!r}", hint="e.g. --set optimizer.beta2=0.98")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return key, value.strip()


def _nearest(word: str, known: Iterable[str], what: str) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(word, known, 1, 0.6)
    return f"did you mean {close[0]!r}?" if close else f"{what}: {', '.join(known)}"


def with_values(config: TrainConfig, values: Mapping[str, Any]) -> TrainConfig:
    """Return a configuration with dotted keys replaced: ``{"schedule.n_steps": 9}``.

    Raises
    ------
    UsageError
        If there is no such key, or it cannot have the value.
    """
    tables = config.to_dict()
    if tables["lora"] is None:
        del tables["lora"]
    for key, value in values.items():
        table, _, name = key.partition(".")
        tables.setdefault(table, {})[name] = value
    return from_tables(tables, "--set")


def from_tables(tables: Mapping[str, Any], source: str, text: str = "") -> TrainConfig:
    """Return a configuration from the tables of a TOML file.

    Parameters
    ----------
    tables : mapping
    source, text : str
        The file and its content, for the lines of errors.

    Raises
    ------
    UsageError
        If a key does not exist or a value does not fit.
    """
    place = _Place(source, text)
    kinds = {
        "model": ModelConfig,
        "data": DataConfig,
        "optimizer": OptimizerConfig,
        "schedule": ScheduleConfig,
        "evaluation": EvaluationConfig,
        "run": RunConfig,
        "lora": LoraConfig,
    }
    parts: dict[str, Any] = {}
    for table, values in tables.items():
        if table not in kinds:
            owners = [name for name, kind in kinds.items() if table in {part.name for part in fields(kind)}]
            hint = f"it belongs into [{owners[0]}]" if owners else _nearest(table, kinds, "tables")
            what = "table" if isinstance(values, dict) else "key"
            raise place.error(f"there is no {what} {table!r}", table, hint=hint)
        if not isinstance(values, dict):
            raise place.error(f"{table} is a table, not a value", table, hint=f"write [{table}]")
        parts[table] = _section(kinds[table], table, values, place)
    config = TrainConfig(**parts)
    _check(config, place)
    return config


def _section(kind: type[T], table: str, values: Mapping[str, Any], place: _Place) -> T:
    known = {part.name: part for part in fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    checked = {}
    for key, value in values.items():
        if key not in known:
            raise place.error(f"[{table}] has no key {key!r}", table, key, _nearest(key, known, f"keys of [{table}]"))
        checked[key] = _value(value, hints[key], known[key].metadata, (table, key), place)
    return kind(**checked)


def _value(value: Any, kind: Any, bounds: Mapping[str, Any], where: tuple[str, str], place: _Place) -> Any:
    """Return the value in the type of the field."""
    table, key = where
    if get_origin(kind) is types.UnionType:
        if value is None:
            return None
        kind = next(option for option in get_args(kind) if option is not types.NoneType)

    def refuse(wanted: str) -> UsageError:
        return place.error(f"{table}.{key} must be {wanted}, not {value!r}", table, key)

    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise place.error(
                f"{table}.{key} cannot be {value!r}", table, key, _nearest(str(value), get_args(kind), "one of")
            )
        return value
    if kind is bool or kind is str:
        if not isinstance(value, kind):
            raise refuse("true or false" if kind is bool else "text")
        return value
    if kind in (int, float):
        if wanted := _wrong_number(value, kind, bounds):
            raise refuse(wanted)
        return kind(value)
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise refuse("a list of names")
        return tuple(value)
    return _weights(value, refuse)


def _wrong_number(value: Any, kind: type, bounds: Mapping[str, Any]) -> str | None:
    """Return the description of a valid number, or None if the number is valid."""
    good = isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
    if not good or not math.isfinite(value):
        return "a whole number" if kind is int else "a number"
    low, high = bounds.get("low"), bounds.get("high")
    if (low is not None and value < low) or (high is not None and value > high):
        return f"at least {low}" if high is None else f"from {low} to {high}"
    return None


def _weights(value: Any, refuse: Callable[[str], UsageError]) -> dict[str, float]:
    if not isinstance(value, dict) or not all(_is_weight(item) for item in value.values()):
        raise refuse("a table of numbers, none below 0")
    if value and not any(value.values()):
        raise refuse("a table with a number above 0")
    return {name: float(item) for name, item in value.items()}


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _check(config: TrainConfig, place: _Place) -> None:
    """Check keys that depend on each other."""
    model, schedule = config.model, config.schedule
    if model.base is None:
        if model.head_dim is None and model.hidden_size % model.n_heads:
            raise place.error(
                f"hidden_size {model.hidden_size} is no multiple of n_heads {model.n_heads}",
                "model",
                "hidden_size",
                "change one of them, or give head_dim",
            )
        if (model.head_dim or model.hidden_size // model.n_heads) % 2:
            raise place.error("the width of a head must be even", "model", "n_heads")
        if model.n_heads % (model.n_kv_heads or model.n_heads):
            raise place.error("n_heads is no multiple of n_kv_heads", "model", "n_kv_heads")
    falling = schedule.n_decay_steps if schedule.name == "wsd" else 0
    if schedule.n_warmup_steps + falling > schedule.n_steps:
        raise place.error(
            f"warm-up and decay take {schedule.n_warmup_steps + falling} steps of {schedule.n_steps}",
            "schedule",
            "n_steps",
            "lower n_warmup_steps or n_decay_steps",
        )
    if config.optimizer.name == "muon" and config.run.sharding == "fsdp":
        raise place.error(
            "Muon needs whole matrices and cannot train a sharded model",
            "optimizer",
            "name",
            'take name = "adamw", or sharding = "none"',
        )
    if config.optimizer.average and config.run.sharding == "fsdp":
        raise place.error(
            "a sharded model has no moving average", "optimizer", "average", 'take 0, or sharding = "none"'
        )
    if config.lora and config.optimizer.name == "muon":
        raise place.error(
            "Muon is for whole weight matrices, not for adapters", "optimizer", "name", 'take name = "adamw"'
        )
