"""Plug-ins are found by file name, unimported."""

from __future__ import annotations

import pytest

from logos_cli import registry
from logos_cli.errors import UsageError
from logos_cli.objects.base import ObjectType

OBJECTS = ("antibody", "complex", "material", "molecule", "protein", "reaction")


def test_names_are_file_names_without_machinery() -> None:
    assert registry.names("objects") == OBJECTS
    for layer in ("objects", "formats", "backends", "tasks", "cli.commands"):
        assert not [name for name in registry.names(layer) if name == "base" or name.startswith("_")]


def test_a_plugin_is_loaded_by_name() -> None:
    plugin = registry.load("objects", "molecule")
    assert isinstance(plugin, ObjectType)
    assert plugin.name == "molecule"
    assert registry.load("objects", "molecule") is plugin


def test_all_plugins_of_a_layer() -> None:
    assert tuple(registry.load_all("objects")) == OBJECTS


def test_an_unknown_name_suggests_a_near_one() -> None:
    with pytest.raises(UsageError, match="unknown object 'protien'") as caught:
        registry.load("objects", "protien")
    assert caught.value.hint == "did you mean protein?"
    with pytest.raises(UsageError) as caught:
        registry.load("objects", "zzz")
    assert caught.value.hint == f"choose {', '.join(OBJECTS)}"


def test_machinery_is_no_plugin() -> None:
    with pytest.raises(UsageError):
        registry.load("objects", "base")


def test_an_unknown_layer_is_a_programming_error() -> None:
    with pytest.raises(LookupError):
        registry.names("nonsense")
