"""What every object file owes to the rest of the program."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from logos_cli import registry
from logos_cli.grammar import FORMS, emit, parse
from logos_cli.grammar.definition import EXAMPLES
from logos_cli.grammar.spec import Form
from logos_cli.objects.base import ObjectType, ScienceObject, from_sentence, to_text

NAMES = registry.names("objects")


@pytest.fixture(params=NAMES)
def plugin(request: pytest.FixtureRequest) -> ObjectType:
    found = registry.load("objects", request.param)
    assert isinstance(found, ObjectType)
    return found


def test_the_plugin_is_named_as_its_file_and_class(plugin: ObjectType) -> None:
    assert plugin.name in NAMES
    assert plugin.cls.__module__ == f"logos_cli.objects.{plugin.name}"
    assert plugin.cls.__name__.lower() == plugin.name


def test_objects_are_values(plugin: ObjectType) -> None:
    assert is_dataclass(plugin.cls)
    item = from_sentence(parse(EXAMPLES[plugin.cls.forms[0]]))
    assert isinstance(item, plugin.cls)
    assert isinstance(item, ScienceObject)
    assert item == from_sentence(parse(EXAMPLES[plugin.cls.forms[0]]))
    assert hash(item) == hash(from_sentence(parse(EXAMPLES[plugin.cls.forms[0]])))
    with pytest.raises(FrozenInstanceError):
        setattr(item, fields(item)[0].name, None)
    assert plugin.cls.__doc__


def test_every_form_belongs_to_one_object() -> None:
    owners: dict[Form, list[str]] = {Form(form): [] for form in FORMS}
    for name, plugin in registry.load_all("objects").items():
        for form in plugin.cls.forms:
            owners[form].append(name)
    assert all(len(names) == 1 for names in owners.values()), owners


@pytest.mark.parametrize("form", FORMS)
def test_the_example_of_a_form_goes_through_its_object(form: str) -> None:
    sentence = parse(EXAMPLES[Form(form)])
    item = from_sentence(sentence)
    assert form in item.forms
    again = parse(to_text(item, Form(form), sentence.level or 2))
    assert from_sentence(again) == item
    assert emit(again) == to_text(item, Form(form), sentence.level or 2)
