"""The examples run, and the documents show what their commands print."""

from __future__ import annotations

import ast
import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.update_readme import documents

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in (".sh", ".py"))
DATA = sorted(
    path.name for path in EXAMPLES.iterdir() if path.suffix not in (".sh", ".py", ".md", ".ipynb") and path.is_file()
)
LONG = {
    *("route.sh", "complete.sh"),
    *("README.md", "docs/guide/training.md", "docs/guide/scores.md", "docs/guide/files.md", "docs/guide/generation.md"),
}


@pytest.fixture
def program(tmp_path: Path, preloaded_argv: list[str]) -> Path:
    """A directory for PATH in which ``logos`` is the program of this checkout, its libraries loaded already."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "logos").write_text(f'#!/bin/sh\nexec {" ".join(preloaded_argv)} "$@"\n')
    (folder / "logos").chmod(0o755)
    return folder


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=pytest.mark.slow) if each in LONG else each for each in SCRIPTS]
)
def test_an_example_runs(name: str, program: Path, logos_env: dict[str, str], tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    runner = [sys.executable] if name.endswith(".py") else ["bash"]
    done = subprocess.run(
        [*runner, str(EXAMPLES / name)],
        cwd=work,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=logos_env | {"PATH": f"{program}:{logos_env['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.strip()


def library(folder: Path) -> None:
    lines = [f"{'C' * (number % 11 + 1)}O mol{number}" for number in range(60)]
    (folder / "library.smi").write_text("\n".join([*lines, "CC( bad"]) + "\n")


@pytest.mark.slow
def test_a_job_array_scores_a_library(program: Path, logos_env: dict[str, str], tmp_path: Path) -> None:
    """The script of the array, with the variables that Slurm sets for its tasks."""
    library(tmp_path)
    environment = logos_env | {"PATH": f"{program}:{logos_env['PATH']}"}
    for task in ("4", "1", "7"):
        array = {"ID": task, "MIN": "1", "MAX": "7", "STEP": "3"}
        variables = {f"SLURM_ARRAY_TASK_{name}": value for name, value in array.items()}
        script = ["bash", str(EXAMPLES / "hpc" / "slurm_array.sh"), "library.smi", "run/"]
        subprocess.run(script, cwd=tmp_path, env=environment | variables, check=True, capture_output=True, timeout=300)
    logos = str(program / "logos")
    done = subprocess.run(
        [logos, "runs", "verify", "run"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout == "run: complete: 61 entries: 60 ok, 1 failed\n", done.stderr


def test_all_cores_score_a_library(program: Path, logos_env: dict[str, str], tmp_path: Path) -> None:
    library(tmp_path)
    done = subprocess.run(
        ["sh", str(EXAMPLES / "hpc" / "local_parallel.sh"), "library.smi", "run/", "2"],
        cwd=tmp_path,
        env=logos_env | {"PATH": f"{program}:{logos_env['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "complete: 61 entries: 60 ok, 1 failed" in done.stdout
    with gzip.open(tmp_path / "run.jsonl.gz", "rt") as stream:
        records = [json.loads(line) for line in stream]
    assert [record["id"] for record in records] == [*(f"mol{number}" for number in range(60)), "bad"]


def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cell by cell, as in its folder; what a cell ends with is shown without an error, records with a drawing."""
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    monkeypatch.chdir(EXAMPLES)
    names: dict[str, object] = {}
    shown = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == []
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, cell["id"], "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), cell["id"], "eval"), names)
            shown.append(value._repr_html_() if hasattr(value, "_repr_html_") else repr(value))
    assert len(shown) >= 8
    assert sum("<svg" in each for each in shown) >= 3


def test_every_data_file_is_used() -> None:
    """By an example, the README or a document: nothing lies about."""
    root = EXAMPLES.parent
    texts = [(EXAMPLES / name).read_text(encoding="utf-8") for name in SCRIPTS]
    texts += [path.read_text(encoding="utf-8") for path in (*root.glob("*.md"), *(root / "docs").rglob("*.md"))]
    assert [name for name in DATA if not any(name in text for text in texts)] == []


@pytest.mark.parametrize("name", DATA)
def test_every_data_file_encodes(name: str, program: Path, logos_env: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [str(program / "logos"), "encode", str(EXAMPLES / name)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=logos_env,
        cwd=tmp_path,
    )
    assert done.returncode in (0, 3), done.stderr
    assert done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    "document", [pytest.param(each, marks=pytest.mark.slow) if each in LONG else each for each in documents()]
)
def test_documents_show_what_their_commands_print(
    document: str, checkout: Path, program: Path, logos_env: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, str(checkout / "scripts" / "update_readme.py"), "--check", f"--logos={program}", document],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=logos_env,
    )
    assert done.returncode == 0, done.stderr + done.stdout
