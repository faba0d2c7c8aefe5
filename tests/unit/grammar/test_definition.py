"""``grammar.lark`` as the program shows it."""

from __future__ import annotations

import re

import pytest

from logos_cli.errors import UsageError
from logos_cli.grammar import FORMS, TAGS
from logos_cli.grammar.definition import EXAMPLES, definition, lark_text, rules
from logos_cli.grammar.spec import RESIDUES, SMILES, Form


def test_the_definition_has_a_rule_for_every_form_and_names_every_tag() -> None:
    assert set(FORMS) <= set(rules())
    start = rules()["start"].split(":", 1)[1]
    assert {name.strip() for name in start.split("|")} == set(FORMS)
    written = set(re.findall(r"<[A-Z]\w+>", "\n".join(rules().values())))
    assert written == set(TAGS)


def test_the_alphabets_are_those_of_the_parser() -> None:
    residues, smiles = (re.compile(rules()[name].split("/", 1)[1].rsplit("/", 1)[0]) for name in ("RESIDUES", "SMILES"))
    characters = [chr(code) for code in range(0x250)]
    assert {character for character in characters if residues.fullmatch(character)} == RESIDUES
    assert {character for character in characters if smiles.fullmatch(character)} == SMILES


def test_no_rule_refers_to_a_rule_that_is_not_there() -> None:
    for name, rule in rules().items():
        body = re.sub(r"/.*/|<\w+>", "", rule.split(":", 1)[1])
        assert set(re.findall(r"[A-Za-z_][A-Za-z_0-9]*", body)) <= set(rules()), name


@pytest.mark.parametrize("form", FORMS)
def test_one_form_comes_with_all_that_it_needs_and_an_example(form: str) -> None:
    text = definition(form)
    assert re.search(rf"^{form}:", text, re.MULTILINE)
    assert f"// example: {EXAMPLES[Form(form)]}" in text
    shown = set(re.findall(r"^([A-Za-z_0-9]+):", text, re.MULTILINE))
    for name in shown:
        body = re.sub(r"/.*/|<\w+>", "", rules()[name].split(":", 1)[1])
        assert set(re.findall(r"[A-Za-z_][A-Za-z_0-9]*", body)) <= shown


def test_without_a_form_the_file_as_it_is() -> None:
    assert definition() == lark_text()


def test_an_unknown_form() -> None:
    with pytest.raises(UsageError, match="unknown form 'protien'") as caught:
        definition("protien")
    assert caught.value.hint is not None
    assert "protein" in caught.value.hint
