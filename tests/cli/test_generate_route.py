"""``logos generate route`` with the shipped model and a small stock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("syntheseus")

if TYPE_CHECKING:
    from tests.cli.conftest import Logos

PARACETAMOL, ASPIRIN = "CC(=O)Nc1ccc(O)cc1", "CC(=O)Oc1ccccc1C(=O)O"
STOCK = "CC(=O)Cl\nNc1ccc(O)cc1\nO=C(O)c1ccccc1O\nCC(=O)OC(C)=O\n"
FAST = ("--stock", "stock.smi", "-n", "16", "--expansions", "2", "--top", "2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stock.smi").write_text(STOCK)
    (tmp_path / "targets.smi").write_text(f"{PARACETAMOL} paracetamol\n{ASPIRIN} aspirin\nCC( bad\nFC(F)(F)F cf4\n")
    return tmp_path


def test_routes_as_records(logos: Logos, folder: Path) -> None:
    done = logos("generate", "route", "targets.smi", *FAST, code=3)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    *routes, failed, without = records
    assert [record["status"] for record in records] == ["ok"] * len(routes) + ["error", "invalid"]
    assert {record["sample"]["prompt"] for record in routes} == {"paracetamol", "aspirin"}
    stock = set(STOCK.split())
    for record in routes:
        (step,) = record["route"]["steps"]
        assert step["text"] == record["text"]
        assert set(record["route"]["stock"]) <= stock
        assert step["product"] not in {each["smiles"] for each in step["reactants"]}
    assert records[0]["id"] == "paracetamol:route1"
    assert failed["id"] == "bad"
    assert without["reason"].startswith("no route to molecules in stock among ")
    assert f"4 targets → 2 with a route (1 without a route, 1 failed); routes: {len(routes)}" in done.stderr
    again = logos("generate", "route", "targets.smi", *FAST, "-b", "4", code=3)
    assert again.stdout == done.stdout
    first = logos("decode", "--to", "smi", stdin=done.stdout).stdout.split()[0]
    assert first.endswith(f">>{PARACETAMOL}")
    assert set(first.partition(">")[0].split(".")) <= stock


def test_drawings_and_trees(logos: Logos, folder: Path) -> None:
    logos("generate", "route", PARACETAMOL, *FAST, "-o", "r.svg", code=0)
    root = ET.parse(folder / "r.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    drawn = (folder / "r.svg").read_text()
    assert drawn.count("#2e7d32") == 4  # two routes, two molecules in stock each
    logos("generate", "route", "targets.smi", *FAST, "-o", "r.html", code=3)
    page = (folder / "r.html").read_text()
    assert "paracetamol:route1: 1 step" in page
    assert "no route to molecules in stock" in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    text = logos("generate", "route", PARACETAMOL, *FAST, "-f", "text", code=0).stdout
    assert text.splitlines()[1].startswith(f"  {PARACETAMOL}  [share 0.")
    assert "    CC(=O)Cl  [in stock]" in text


@pytest.mark.slow
def test_a_run_goes_on_where_it_ended(logos: Logos, folder: Path) -> None:
    arguments = ("generate", "route", "targets.smi", *FAST, "-o", "run/")
    logos(*arguments, code=3)
    results = folder / "run" / "results" / "1-of-1.jsonl"
    whole = results.read_text()
    lines = whole.splitlines(keepends=True)
    index = folder / "run" / "results" / "1-of-1.index"
    results.write_text("".join(lines[:3]))  # killed within the second target
    os.truncate(index, index.stat().st_size // 2)
    logos(*arguments, "--resume")
    assert results.read_text() == whole
    assert "begun differently" in logos(*arguments, "--resume", "--depth", "3", code=2).stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((PARACETAMOL,), 2, "--stock"),
        ((PARACETAMOL, "-s", "none.smi"), 2, "there is no such file"),
        (("CC(", "-s", "stock.smi"), 2, "RDKit rejects"),
        (("CCO.CCN", "-s", "stock.smi"), 2, "the product is 2 molecules"),
        ((PARACETAMOL, "-s", "stock.smi", "--time-per-target", "soon"), 2, "is not a time"),
        ((PARACETAMOL, "-s", "stock.smi", "-o", "r.pdf"), 2, "names no format of routes"),
        ((PARACETAMOL, "-p", ASPIRIN, "-s", "stock.smi"), 2, "exclude each other"),
    ],
)
def test_errors_name_the_remedy(logos: Logos, folder: Path, words: tuple[str, ...], code: int, message: str) -> None:
    done = logos("generate", "route", *words, code=code)
    assert message in done.stderr
    assert done.stdout == ""


def test_the_missing_extra_is_named(logos: Logos, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == "syntheseus"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "logos_cli.workflows.route.search", raising=False)
    monkeypatch.setitem(sys.modules, "syntheseus", None)
    done = logos("generate", "route", PARACETAMOL, "-s", "stock.smi", code=4)
    assert "pip install 'logos-cli[routes]'" in done.stderr


@pytest.mark.slow
def test_an_interruption_keeps_what_was_found(folder: Path, logos_argv: list[str], logos_env: dict[str, Any]) -> None:
    (folder / "many.smi").write_text(f"{PARACETAMOL} first\n" + f"{'C' * 12}N(c1ccccc1)C(=O)C(F)Br slow\n" * 3)
    process = subprocess.Popen(
        [*logos_argv, "generate", "route", "many.smi", "-s", "stock.smi", "-n", "16", "--top", "2", "-o", "r.jsonl"],
        cwd=folder,
        env=logos_env,
        stderr=subprocess.PIPE,
        text=True,
    )
    part = folder / "r.jsonl.part"
    until = time.monotonic() + 100
    while not (part.is_file() and part.read_text().count("\n") >= 2):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    records = [json.loads(line) for line in part.read_text().splitlines()]
    assert [record["id"] for record in records[:2]] == ["first:route1", "first:route2"]
