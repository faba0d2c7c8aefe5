"""Grammar text and records as input."""

from __future__ import annotations

import io
import json
import time

import pytest

from logos_cli.errors import FormatError, GrammarError, InputError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.formats.sentences import PLUGIN
from logos_cli.grammar import Form
from logos_cli.io.input import Input
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Status


def read(text: str) -> list[Entry]:
    source = Input("-", io.BytesIO(text.encode()))
    assert detect(source) is PLUGIN
    return list(PLUGIN.read(source, ReadOptions()))


def test_text_one_sentence_a_line() -> None:
    molecule, protein, reaction = read(
        "<MoleculeS>CCO<MoleculeE>\n\n  <ProteinS>MKV<ProteinE>  \r\n"
        "<MoleculeS>CO<MoleculeE><ReverseReact><MoleculeS>C<MoleculeE><MoleculeS>O<MoleculeE>"
    )
    assert (molecule.id, molecule.item, molecule.form) == ("stdin:1", Molecule("CCO"), Form.MOLECULE)
    assert (protein.id, protein.item) == ("stdin:3", Protein("MKV"))
    assert (reaction.item, reaction.form) == (Reaction(("C", "O"), "CO"), Form.RETROSYNTHESIS)
    assert protein.source == {"path": "<stdin>", "line": 3}


def test_a_bad_sentence_harms_no_other() -> None:
    good, bad, last = read("<MoleculeS>C<MoleculeE>\n<MoleculeS>C C<MoleculeE>\n<MoleculeS>N<MoleculeE>\n")
    assert [good.item, last.item] == [Molecule("C"), Molecule("N")]
    assert isinstance(bad.error, GrammarError)
    assert bad.error.source == "<stdin>:2"
    assert bad.error.span == (12, 13)


def test_records_carry_everything_through() -> None:
    record = {
        "schema": 1,
        "id": "4hhb#7",
        "kind": "molecule",
        "text": "<MoleculeS>C<MoleculeE>",
        "status": "invalid",
        "reason": "odd",
        "source": {"path": "x"},
        "sample": {"seed": 3},
        "scores": {"qed": {"value": 0.5}},
        "mine": [1],
    }
    (entry,) = read(json.dumps(record))
    assert (entry.id, entry.item, entry.form) == ("4hhb#7", Molecule("C"), Form.MOLECULE)
    assert entry.record is not None
    assert entry.record.to_dict() == record


def test_records_with_status_error_are_carried() -> None:
    (entry,) = read('{"schema": 1, "id": "a", "kind": "site", "text": "", "status": "error", "reason": "no ligand"}')
    assert entry.item is None
    assert isinstance(entry.error, InputError)
    assert entry.error.message == "no ligand"
    assert entry.record is not None
    assert (entry.record.status, entry.form) == (Status.ERROR, Form.SITE)


def test_broken_lines_of_jsonl() -> None:
    good, cut, listed, last = read(
        '{"text": "<MoleculeS>C<MoleculeE>"}\n{"text": "<Molec\n[1]\n{"text": "<MoleculeS>N<MoleculeE>", "id": 5}\n'
    )
    assert [good.id, last.id] == ["stdin:1", "5"]
    assert isinstance(cut.error, FormatError)
    assert cut.error.source == "<stdin>:2"
    assert isinstance(listed.error, GrammarError)


def test_no_sentences() -> None:
    with pytest.raises(InputError, match="no sentences"):
        list(PLUGIN.read(Input("-", io.BytesIO(b"\n \n")), ReadOptions()))


@pytest.mark.parametrize(
    ("content", "sure"),
    [
        ("<ProteinS>MK", True),
        ("<Search>", True),
        ("<proteins>MK", True),
        ("<MoleculS>C", True),
        ("<html>", False),
        ('{"schema": 1', True),
        ('{"id": "a\\"b", "n": 3, "text": "', True),
        ('{"id": "a", "smiles": "C"}', False),
        ('{"id": [1, 2], "text": 3}', False),
        ("MKV", False),
        (">a\nMK", False),
    ],
)
def test_sniff(content: str, sure: bool) -> None:
    assert (PLUGIN.sniff(content.encode()) > 0.5) is sure


def test_sniffing_many_keys_is_linear() -> None:
    began = time.process_time()
    keys = ", ".join(f'"k{number}" : {number}  ' for number in range(200))
    assert PLUGIN.sniff(f"{{{keys}}}".encode()) == 0.0
    assert time.process_time() - began < 2.0
