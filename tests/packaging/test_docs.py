"""The documents say what the program does."""

from __future__ import annotations

import json
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from logos_cli.grammar import FORMS, TAGS, parse
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Record, Status
from logos_cli.workflows.encode import encode

if TYPE_CHECKING:
    import jsonschema  # it takes seconds to import


@pytest.fixture(scope="module")
def grammar_md(checkout: Path) -> str:
    return (checkout / "docs" / "reference" / "grammar.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def validator(checkout: Path) -> jsonschema.Draft202012Validator:
    import jsonschema

    schema = json.loads((checkout / "docs" / "reference" / "record.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


# -- grammar -------------------------------------------------------------------------------------------------


def test_the_reference_has_every_form_with_sentences_of_it(grammar_md: str) -> None:
    sections = dict(re.findall(r"^### ([a-z]+)\n(.*?)(?=^##)", grammar_md, re.MULTILINE | re.DOTALL))
    assert tuple(sections) == FORMS
    for form, text in sections.items():
        examples = re.findall(r"^    (<.*)$", text, re.MULTILINE)
        assert examples, form
        for example in examples:
            assert parse(example).form == form


def test_the_reference_names_every_tag(grammar_md: str) -> None:
    assert all(f"`{tag}`" in grammar_md for tag in TAGS)


def test_the_ebnf_of_the_parser_names_every_form_and_tag() -> None:
    text = import_module("logos_cli.grammar.parse").__doc__ or ""  # the package has a function of this name
    start = re.search(r"sentence +=(.*?)\n +protein +=", text, re.DOTALL)
    assert start is not None
    assert {name.strip() for name in start[1].split("|")} == set(FORMS)
    for form in FORMS:
        assert re.search(rf"^    {form} +=", text, re.MULTILINE)
    named = set(re.findall(r'"(<\w+>)"', text))
    # blocks of one payload (antibody, molecule, metal) are not spelt out in it
    assert named >= {"<ProteinS>", "<ProteinE>", "<PocketS>", "<PocketE>", "<MaterialS>", "<MaterialE>", *TAGS[12:]}


def test_the_smiles_alphabet_is_the_one_described(grammar_md: str) -> None:
    from logos_cli.grammar.spec import SMILES

    listed = re.search(r"digits and ``(.*?)``", grammar_md)
    assert listed is not None
    assert set(listed[1].split()) == {character for character in SMILES if not character.isalnum()}


# -- records -------------------------------------------------------------------------------------------------


def test_real_records_follow_the_schema(validator: jsonschema.Draft202012Validator, tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_text(">a first\nMKV\n>b\nM1\n")
    (tmp_path / "m.smi").write_text("CCO ethanol\nC1CC open\n")
    (tmp_path / "r.csv").write_text("id,smiles,price\na,CCO,3\n")
    (tmp_path / "s.txt").write_text("<ProteinS>A<PocketS>K<PocketE><ProteinE>\n<ProteinS>\n")
    (tmp_path / "empty").write_text("")
    paths = [*sorted(tmp_path.iterdir()), tmp_path / "nowhere"]
    records = [*encode(paths, verify=True), *encode(Molecule("C"))]
    assert {record.status for record in records} == {Status.OK, Status.ERROR}
    assert len(records) >= 9
    for record in records:
        validator.validate(json.loads(record.to_json()))


def test_generated_records_follow_the_schema(validator: jsonschema.Draft202012Validator) -> None:
    from logos_cli import generate

    records = list(generate("protein", "MKTAYIAKQR", n_samples=2))
    assert len(records) == 2
    for record in records:
        validator.validate(json.loads(record.to_json()))


def test_records_of_structures_follow_the_schema(validator: jsonschema.Draft202012Validator, shared_data: Path) -> None:
    paths = sorted((shared_data / "complexes" / "formats").glob("biotite_1l2y*"))[:2]
    paths += sorted((shared_data / "complexes" / "raw_mmcif").glob("*"))[:2]
    records = list(encode(paths))
    assert records
    for record in records:
        validator.validate(json.loads(record.to_json()))


@pytest.mark.parametrize(
    "spoilt",
    [
        {"id": "no text"},
        {"text": 5},
        {"text": "x", "schema": 2},
        {"text": "x", "kind": "protien"},
        {"text": "x", "status": "fine"},
        {"text": "x", "status": "invalid"},
        {"text": "x", "status": "error", "reason": "no"},
        {"text": "x", "scores": {"qed": 0.5}},
        {"text": "x", "source": {"sha256": "123"}},
    ],
    ids=json.dumps,
)
def test_the_schema_refuses_what_is_no_record(
    validator: jsonschema.Draft202012Validator, spoilt: dict[str, Any]
) -> None:
    assert not validator.is_valid(spoilt)


def test_the_schema_and_the_code_know_the_same_keys(validator: jsonschema.Draft202012Validator) -> None:
    full = Record("a", "protein", "x", Status.INVALID, "why", {"path": "p"}, {"seed": 1}, {"a": {"value": 1}})
    assert list(validator.schema["properties"]) == list(full.to_dict())
    assert set(validator.schema["properties"]["status"]["enum"]) == {status.value for status in Status}
    assert set(validator.schema["properties"]["kind"]["enum"]) == {*FORMS, ""}


# -- every document ------------------------------------------------------------------------------------------


def _documents(checkout: Path) -> list[Path]:
    folders = ("docs", "examples", "logos_cli", "scripts", "tests", "tokenizers")
    return [*checkout.glob("*.md"), *(path for name in folders for path in (checkout / name).rglob("*.md"))]


def _documents_of_the_package(checkout: Path) -> list[Path]:
    """Return the documents that name only what the package has: the plug-ins of one page exist nowhere else."""
    return [path for path in _documents(checkout) if path.name != "plugins.md"]


def _prose(document: Path) -> str:
    """Return a document without its code."""
    text = document.read_text(encoding="utf-8")
    return re.sub(r"^    .*$|^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def _anchors(document: Path) -> set[str]:
    """Return the names that GitHub gives to the headings of a document."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere(checkout: Path) -> None:
    broken = []
    for document in _documents(checkout):
        for target in re.findall(r"\]\(([^)\s]+)\)", _prose(document)):
            path, _, anchor = target.partition("#")
            place = document.parent / path if path else document
            if path.startswith(("http://", "https://")):
                continue
            if not place.exists() or (anchor and anchor not in _anchors(place)):
                broken.append(f"{document.relative_to(checkout)}: {target}")
    assert not broken


def test_the_readme_is_short(checkout: Path) -> None:
    assert len((checkout / "README.md").read_text(encoding="utf-8").split()) <= 1200


def test_every_page_is_on_the_map(checkout: Path) -> None:
    docs = checkout / "docs"
    index = (docs / "index.md").read_text(encoding="utf-8")
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")} - {"index.md"}
    assert {page for page in pages if f"]({page})" not in index} == set()


def test_files_named_anywhere_exist(checkout: Path) -> None:
    """In the documents all files, in the code those of ``docs/``."""
    missing = []
    for document in _documents_of_the_package(checkout):
        named = re.findall(
            r"`(?:python )?((?:[a-z_]+/)+[\w.-]+\.(?:py|lark|json|toml|md))", document.read_text("utf-8")
        )
        missing += [
            f"{document.relative_to(checkout)}: {name}"
            for name in named
            if "NAME" not in name
            and not any((base / name).exists() for base in (checkout, checkout / "logos_cli", document.parent))
        ]
    for folder in ("logos_cli", "scripts", "tests"):
        for path in (checkout / folder).rglob("*.py"):
            named = re.findall(r"\bdocs/[\w/-]+\.(?:md|json|svg)\b", path.read_text(encoding="utf-8"))
            missing += [f"{path.relative_to(checkout)}: {name}" for name in named if not (checkout / name).exists()]
    assert not missing


def test_imports_in_documents_work(checkout: Path) -> None:
    for document in _documents(checkout):
        for module, names in re.findall(
            r"^ *from (logos_cli[\w.]*) import (.+)$", document.read_text("utf-8"), re.MULTILINE
        ):
            for name in names.split(", "):
                assert hasattr(import_module(module), name), f"{document.name}: {module}.{name}"


def _command_lines(text: str) -> list[list[str]]:
    """Return the ``logos`` commands of indented and fenced blocks, as words."""
    blocks = re.findall(r"^    .*$", text, re.MULTILINE)
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    blocks += [line for block in fenced for line in block.splitlines()]
    found: list[list[str]] = []
    for line in blocks:
        if not re.match(r"\s*(\$ )?([^<{]*[|;&] *)?logos [a-z]", line):
            continue
        lexer = shlex.shlex(line.strip().removeprefix("$ "), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        command: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|;&<>()"):
                found += [command] if command[:1] == ["logos"] else []
                command = []
            else:
                command.append(word)
    return found


def test_commands_in_documents_exist_with_their_options(checkout: Path) -> None:
    import typer.main

    from logos_cli.cli.app import build_app

    root: Any = typer.main.get_command(build_app(rich_help=False))
    n_checked = 0
    for document in _documents_of_the_package(checkout):
        for words in _command_lines(document.read_text(encoding="utf-8")):
            # what follows a bare -- is another command
            for part in " ".join(words[1:]).split(" -- "):
                _check(root, part.split(), f"{document.name}: {' '.join(words)}")
            n_checked += 1
    assert n_checked >= 3


def _check(command: Any, words: list[str], place: str) -> None:
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, place
        command, words = command.commands[words[0]], words[1:]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
    for word in words:
        if re.match(r"^--?[A-Za-z]", word) and not re.match(r"^-[a-z]\d+$", word):
            assert word.split("=")[0] in known, f"{place}: {word}"
