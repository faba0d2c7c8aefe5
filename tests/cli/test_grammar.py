"""``logos grammar check`` and ``logos grammar show``, as a user runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from logos_cli.errors import ExitCode
from logos_cli.grammar import FORMS
from logos_cli.grammar.definition import EXAMPLES, lark_text
from logos_cli.grammar.spec import Form

GOOD = "\n".join(EXAMPLES.values()) + "\n"


# -- check ---------------------------------------------------------------------------------------------------


def test_good_sentences_from_a_file_and_from_stdin(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text(GOOD)
    for done in (logos("grammar", "check", "good.txt", code=0), logos("grammar", "check", stdin=GOOD, code=0)):
        assert done.stdout == ""
        assert done.stderr == "11 sentences: 11 well formed, 0 not\n"


def test_every_error_with_place_caret_and_what_was_expected(logos: Any) -> None:
    text = f"{EXAMPLES[Form.PROTEIN]}\n\n<ProteinS>MK1V<ProteinE>\n<MoleculeS>CCO\n"
    done = logos("grammar", "check", "-", stdin=text, code=ExitCode.PARTIAL)
    assert done.stderr.splitlines() == [
        "error: <stdin>:3: '1' is not a residue",
        "  <ProteinS>MK1V<ProteinE>",
        "              ^",
        "  expected: residue, <ProteinE>",
        "error: <stdin>:4: the sentence ends too early",
        "  <MoleculeS>CCO",
        "                ^",
        "  expected: <MoleculeE>",
        "3 sentences: 1 well formed, 2 not",
    ]


def test_only_errors(logos: Any) -> None:
    done = logos("grammar", "check", stdin="<ProteinS>\nMKV\n", code=ExitCode.USAGE)
    assert done.stderr.endswith("2 sentences: 0 well formed, 2 not\n")


def test_one_form_only(logos: Any) -> None:
    done = logos("grammar", "check", "--as", "molecule", stdin=GOOD, code=ExitCode.PARTIAL)
    assert done.stderr.endswith("11 sentences: 1 well formed, 10 not\n")
    assert "of the form protein, not molecule" in done.stderr


def test_prompts(logos: Any) -> None:
    prompts = "<ProteinS>MK\n<MaterialS>\n<ProteinS>AK<ProteinE><Search><ProteinS>\n"
    logos("grammar", "check", stdin=prompts, code=ExitCode.USAGE)
    logos("grammar", "check", "--prefix", stdin=prompts, code=0)


def test_records_are_checked_by_their_text(logos: Any) -> None:
    lines = [
        json.dumps({"schema": 1, "id": "a", "text": EXAMPLES[Form.SITE]}),
        json.dumps({"schema": 1, "id": "b", "text": "", "status": "error", "reason": "no"}),
        json.dumps({"schema": 1, "id": "c", "text": "<ProteinS>"}),
        "{not json",
        '{"text": 1}',
    ]
    done = logos("grammar", "check", stdin="\n".join(lines), code=ExitCode.PARTIAL)
    assert done.stderr.endswith("4 sentences: 1 well formed, 1 not, 2 unreadable\n")
    for place in ("<stdin>:3: the sentence ends", "<stdin>:4: not a JSON record", "<stdin>:5: a record needs"):
        assert place in done.stderr


def test_several_files_of_which_some_cannot_be_read(logos: Any, tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text(GOOD)
    (tmp_path / "empty.txt").write_text("")
    done = logos("grammar", "check", "nowhere.txt", "good.txt", "empty.txt", code=ExitCode.PARTIAL)
    assert "nowhere.txt: there is no such file" in done.stderr
    assert "empty.txt: the file has no sentences" in done.stderr
    assert done.stderr.endswith("13 sentences: 11 well formed, 0 not, 2 unreadable\n")


def test_compressed_sentences(logos: Any, tmp_path: Path) -> None:
    import gzip

    (tmp_path / "good.txt.gz").write_bytes(gzip.compress(GOOD.encode()))
    logos("grammar", "check", "good.txt.gz", code=0)
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(GOOD.encode())[:-20])
    done = logos("grammar", "check", "cut.txt.gz")
    assert done.returncode in (ExitCode.USAGE, ExitCode.PARTIAL)
    assert "cut.txt.gz: the compressed data are cut off" in done.stderr


def test_windows_line_ends_and_a_missing_last_one(logos: Any) -> None:
    logos("grammar", "check", stdin=GOOD.replace("\n", "\r\n").rstrip(), code=0)


def test_bytes_that_are_no_text(logos: Any) -> None:
    done = logos("grammar", "check", stdin=b"<ProteinS>M\xffK<ProteinE>\n\x00\x1b[31m\n", code=ExitCode.USAGE)
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr
    assert "\x00" not in done.stderr


# -- show ----------------------------------------------------------------------------------------------------


def test_the_definition_as_it_is(logos: Any) -> None:
    assert logos("grammar", "show", code=0).stdout == lark_text()


@pytest.mark.parametrize("form", FORMS)
def test_one_form_with_an_example_that_checks(form: str) -> None:
    from logos_cli.grammar.definition import definition

    (example,) = re.findall(r"^// example: (.*)$", definition(form), re.MULTILINE)
    assert example == EXAMPLES[Form(form)]


def test_an_example_can_be_piped_into_check(logos: Any) -> None:
    shown = logos("grammar", "show", "complex", code=0).stdout
    (example,) = re.findall(r"^// example: (.*)$", shown, re.MULTILINE)
    logos("grammar", "check", "--as", "complex", stdin=example, code=0)


def test_an_unknown_form(logos: Any) -> None:
    done = logos("grammar", "show", "protien", code=ExitCode.USAGE)
    assert "unknown form 'protien'" in done.stderr


# -- on a terminal -------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_on_a_terminal_unless_asked_otherwise(
    logos_argv: list[str], logos_env: dict[str, str], env: dict[str, str], coloured: bool
) -> None:
    env = {key: value for key, value in logos_env.items() if key != "NO_COLOR"} | {"TERM": "xterm-256color"} | env
    for arguments in (["grammar", "show", "search"], ["grammar", "check", "/nonexistent"]):
        shown = on_terminal([*logos_argv, *arguments], env)
        assert bool(re.search(r"\x1b\[[0-9;]*3[0-9]m|\x1b\[[0-9;]*9[0-9]m", shown)) == coloured, shown
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        assert "<Search>" in plain or "there is no such file" in plain


def on_terminal(argv: list[str], env: dict[str, str]) -> str:
    """Run a program on a pseudo-terminal and return what it shows."""
    import pty

    parent, child = pty.openpty()
    process = subprocess.Popen(argv, stdin=child, stdout=child, stderr=child, env=env, close_fds=True)
    os.close(child)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(parent)
    process.wait(timeout=60)
    return shown.decode()
