"""Hostile names and texts: shown, written and read so that nobody is let in and nothing is lost."""

from __future__ import annotations

import io
import json
import os
import re
import socket
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

import logos_cli
from logos_cli.chemistry.molecule_records import sdf_records
from logos_cli.chemistry.sd_tags import read_tags, tag_text, title_line
from logos_cli.cli.console import VisibleConsole
from logos_cli.cli.progress import Bar
from logos_cli.errors import FormatError, InputError
from logos_cli.formats.base import WriteOptions
from logos_cli.io.formulas import guarded, unguarded
from logos_cli.io.json_types import to_json
from logos_cli.io.toml import parse_toml
from logos_cli.io.visible import VisibleStream, one_line, visible
from logos_cli.records import Record
from logos_cli.workflows.decode import decode, writers
from logos_cli.workflows.encode import encode

HOSTILE = "a\x1b[2J\x1b]0;title\x07b\x9b31m\u202ec\x7f"


def test_control_characters_are_written_out() -> None:
    assert visible(HOSTILE) == "a\\x1b[2J\\x1b]0;title\\x07b\\x9b31m\\u202ec\\x7f"
    assert visible("naïve\tÅ\n") == "naïve\tÅ\n"
    assert one_line("a\nload x.pml\r\nb\tc") == "a load x.pml b c"


def test_a_terminal_gets_visible_text_only(capsys: pytest.CaptureFixture[str]) -> None:
    from logos_cli.cli.terminal import Terminal

    Terminal().error(f"{HOSTILE}: no molecule")
    assert "\x1b" not in capsys.readouterr().err

    class Stream:
        text = ""

        def write(self, text: str) -> int:
            self.text += text
            return len(text)

    stream = Stream()
    VisibleStream(stream).write(HOSTILE)  # type: ignore[arg-type]
    assert "\x1b" not in stream.text


def test_a_console_shows_texts_and_obeys_none() -> None:
    stream = io.StringIO()
    console = VisibleConsole(stream, width=300)
    table = Table()
    table.add_column(HOSTILE)
    table.add_row("[red]x[/nope]")
    for shown in (HOSTILE, Text(HOSTILE), "[bold]:x: [/nope]", table):
        console.print(shown)
    assert stream.getvalue().count(visible(HOSTILE).replace("\\x07", "")) >= 2
    assert stream.getvalue().count("[/nope]") == 2
    assert visible(stream.getvalue()) == stream.getvalue()


def test_there_is_one_console() -> None:
    package = Path(logos_cli.__file__).parent
    made = [path.name for path in package.rglob("*.py") if re.search(r"\bConsole\(", path.read_text())]
    assert made == []


def test_a_bar_shows_the_name_of_a_model_as_it_is() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80)
    with Bar(console, "loading [/red]model"):
        pass
    assert "loading [/red]model" in stream.getvalue()


def test_json_has_no_character_that_a_terminal_obeys() -> None:
    record = Record(HOSTILE, "protein", "<ProteinS>MK<ProteinE>")
    for text in (record.to_json(), to_json({"a": HOSTILE}, indent=1)):
        assert visible(text) == text
        assert HOSTILE in json.loads(text).values()


@pytest.mark.parametrize("text", ["=1+2", "+cmd|' /C calc'!A0", "@SUM(A1)", "\tx", "-1+1", "-x"])
def test_formulas_are_guarded_and_read_back(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["-1.5", "-3e-05", "CCO", "[Na+]", "a=b", "'quoted'", ""])
def test_other_cells_stay(text: str) -> None:
    assert guarded(text) == text
    assert unguarded(text) == text


@pytest.mark.parametrize("value", ["a\n$$$$\nb", "x\n\ny", "> <ID>\nz", "$$$$", "\x1b[2J"])
def test_a_data_field_does_not_end_its_record(value: str) -> None:
    field = tag_text("na<me>\nx", value)
    record = f"title\n\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n{field}{tag_text('next', 1)}"
    tags = read_tags(record)
    assert list(tags) == ["na_me_x", "next"]
    assert "\x1b" not in field
    assert len(list(sdf_records((record + "$$$$\n").splitlines()))) == 1


def test_a_title_does_not_end_its_record() -> None:
    assert not title_line("$$$$ x").startswith("$$$$")
    assert title_line("a\nb  c") == "a b c"


def _json(**changed: object) -> str:
    return json.dumps({"schema": 1, "id": "a", "kind": "molecule", "text": "", "status": "ok", **changed})


def test_lone_surrogates_in_records_become_replacement_characters() -> None:
    record = Record.from_json(_json(id="a\ud800b", extra={"x\udc00": ["\ud83d\ude00"]}))
    assert record.id == "a\ufffdb"
    record.to_json().encode()
    assert "😀" in record.to_json()


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400])
def test_numbers_beyond_floats_are_no_record(number: str) -> None:
    line = _json(scores={"x": {"value": 7}}).replace("7", number)
    with pytest.raises(FormatError, match="not a JSON record"):
        Record.from_json(line)


def test_pipes_and_sockets_in_a_folder_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "ok.smi").write_text("CCO a\n")
    os.mkfifo(tmp_path / "pipe.smi")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.smi"))
        assert [record.id for record in encode(tmp_path)] == ["a"]


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    try:
        Path(os.fsdecode(folder + b"/\xff\xfe.smi")).write_text("CCO\n")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    (record,) = encode(tmp_path)
    assert record.text == "<MoleculeS>CCO<MoleculeE>"
    assert Record.from_json(record.to_json().encode()).status == "ok"


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "{a=" * 3000])
def test_toml_that_is_nested_too_deep(text: str) -> None:
    with pytest.raises(InputError, match=r"nested too deep \(at line 2, column \d+\)"):
        parse_toml("y = 1\n" + text, "c.toml")


@pytest.mark.parametrize("name", ["embl", "genbank", "table"])
def test_an_id_of_any_characters_is_one_word_of_a_line(name: str) -> None:
    stream = io.StringIO()
    writer = writers()[name](stream, WriteOptions())
    for id in ("b; python\nload x", HOSTILE, " \n", ";"):
        record = Record(id, "protein", "<ProteinS>MKTAYIAK<ProteinE>")
        writer.write(record, decode(record))
    writer.close()
    assert not re.search(r"^\s*load", stream.getvalue(), re.MULTILINE)
    assert visible(stream.getvalue()) == stream.getvalue()
