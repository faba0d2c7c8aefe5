"""The table for people on a terminal: it fits the width, and residues have their chain and number."""

from __future__ import annotations

import io

import pytest

from logos_cli.formats.base import WriteOptions
from logos_cli.formats.table.write_text import TextTableWriter, _by_chain, _folded
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.records import Record


class _Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def _lines(records: list[tuple[Record, object]], monkeypatch: pytest.MonkeyPatch, width: int) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = _Terminal()
    writer = TextTableWriter(stream, WriteOptions())
    for record, item in records:
        writer.write(record, item)  # type: ignore[arg-type]
    writer.close()
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_fits_the_terminal_and_loses_nothing(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    smiles = "CC(C)Cc1ccc(cc1)[C@H](C)C(=O)O" * 9
    records = [
        (
            Record(
                f"p#{n:04d}",
                "molecule",
                f"<MoleculeS>{smiles}<MoleculeE>",
                sample={"prompt": "p", "logp": -1.5},
                scores={"mofkey": {"value": "Al.PYYKTYOHZJQKLY.RMXWQMIPUTWZMQ.MOFkey-v1" * 2}, "qed": {"value": 0.5}},
            ),
            Molecule(smiles if n == 1 else f"N{smiles}"),
        )
        for n in (1, 2)
    ]
    lines = _lines(records, monkeypatch, width)
    assert max(map(len, lines)) <= width
    assert lines[1].split() == ["id", "mofkey", "qed", "logp", "smiles"]
    assert "#0001" in lines[2]
    column = lines[1].index("smiles")
    assert "".join(line[column:] for line in lines[2:]).replace(" ", "") == f"{smiles}N{smiles}"


def test_residues_of_a_site_are_those_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    residues = [{"residue": name} for name in ("A:9", "A:12A", "B:4")]
    record = Record("x:site1", "search", "", scores={"rank": {"value": 1}}, extra={"site": {"residues": residues}})
    lines = _lines([(record, Protein("MKTAYIAK", (1, 2, 3)))], monkeypatch, 80)
    assert lines == ["rank  residues", "   1  A 9 12A; B 4"]
    assert _by_chain(["5", "8"]) == "5 8"


def test_texts_break_at_spaces_where_there_are_some() -> None:
    assert _folded("A 5 8 11 14", 7) == ["A 5 8", "11 14"]
    assert _folded("CCCCCCCCCC", 4) == ["CCCC", "CCCC", "CC"]
