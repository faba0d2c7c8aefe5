"""The package as users get it: sdist, a wheel from it, installed outside the checkout, doing the main job there."""

from __future__ import annotations

import ast
import email
import email.message
import json
import os
import re
import site
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

SEQUENCES = ">first\nMKTAYIAKQR\n>second\nACDEFGHIKL\n"


@pytest.fixture(scope="module")
def dist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from the sdist, with the tools that are installed: no network."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(checkout)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return out


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_string(archive.read(name).decode())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel in a fresh environment that borrows its dependencies from the one of the tests."""
    home = tmp_path_factory.mktemp("venv") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    # after its own packages, so that the installed logos_cli wins over an editable one
    (packages / "borrowed.pth").write_text("\n".join([*site.getsitepackages(), ""]))
    return home


def _run(installed: Path, arguments: list[str], cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(installed / "bin" / arguments[0]), *arguments[1:]],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=env | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )


# -- what is in it -------------------------------------------------------------------------------------------


def test_the_wheel_holds_code_data_and_manual_and_nothing_else(wheel: Path, checkout: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert {re.sub(r"-[0-9][^-]*\.", ".", top) for top in tops} == {
        "logos_cli",
        "logos_cli.dist-info",
        "logos_cli.data",
    }
    assert "logos_cli/py.typed" in names
    for path in (*(checkout / "logos_cli").rglob("*.py"), *(checkout / "logos_cli").rglob("*.csv")):
        assert path.relative_to(checkout).as_posix() in names
    for path in (checkout / "tokenizers").rglob("*"):
        if path.is_file():
            assert f"logos_cli/data/{path.relative_to(checkout).as_posix()}" in names
    manual = {name.rsplit("/", 1)[1] for name in names if "/data/share/man/man1/" in name}
    assert manual == {path.name for path in (checkout / "man").glob("*.1")}


def test_the_sdist_holds_what_the_tests_need(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    for name in (
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "CITATION.cff",
        "LICENSE",
        "Makefile",
        "tests/conftest.py",
        "scripts/generate_man.py",
        "docs/reference/record.schema.json",
        "examples/seq.fasta",
        "tokenizers/grammar.lark",
        "man/logos.1",
    ):
        assert name in names, name


def test_the_metadata(metadata: email.message.Message, checkout: Path) -> None:
    from packaging.requirements import Requirement

    import logos_cli

    assert metadata["Name"] == "logos-cli"
    assert metadata["Version"] == logos_cli.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("Provides-Extra", [])) == {
        "all",
        "antibody",
        "bnb",
        "dock",
        "fcd",
        "frameworks",
        "gguf",
        "hpc",
        "oracle",
        "plausibility",
        "routes",
        "sites",
        "tables",
        "test",
        "train",
    }
    for line in metadata.get_all("Requires-Dist", []):
        requirement = Requirement(line)
        assert requirement.specifier or requirement.name == "logos-cli", f"no lower bound: {line}"
    assert str(metadata.get_payload()).strip() == (checkout / "README.md").read_text(encoding="utf-8").strip()


def test_vina_is_asked_for_only_where_it_has_wheels(metadata: email.message.Message) -> None:
    from packaging.requirements import Requirement

    found = [Requirement(line) for line in metadata.get_all("Requires-Dist", []) if re.match(r"vina\b", line)]
    vina = next(requirement for requirement in found if "dock" in str(requirement.marker))
    assert vina.marker is not None
    linux = {"sys_platform": "linux", "platform_machine": "x86_64", "extra": "dock"}
    wanted = {
        version: vina.marker.evaluate(linux | {"python_version": version}) for version in ("3.11", "3.12", "3.13")
    }
    assert wanted == {"3.11": True, "3.12": True, "3.13": False}
    assert not vina.marker.evaluate(linux | {"sys_platform": "darwin", "python_version": "3.12"})
    assert not vina.marker.evaluate(linux | {"platform_machine": "aarch64", "python_version": "3.12"})


def test_hard_dependencies_are_those_that_the_code_imports(checkout: Path) -> None:
    """Every third-party import of the package is a dependency or belongs to an extra; none is superfluous."""
    from packaging.requirements import Requirement

    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module_of = {
        "biopython": "Bio",
        "huggingface-hub": "huggingface_hub",
        "llama-cpp-python": "llama_cpp",
        "pyyaml": "yaml",
        "scikit-learn": "sklearn",
    }

    def modules(lines: list[str]) -> set[str]:
        return {module_of.get(name, name.replace("-", "_")) for name in (Requirement(line).name for line in lines)}

    imported: set[str] = set()
    for path in (checkout / "logos_cli").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
        if path.name == "in_memory.py":  # whoever has objects of these libraries has the libraries
            imported -= {"ase", "pandas"}
        imported |= set(re.findall(r"""find_spec\(["'](\w+)["']\)""", text))  # its data are read, not its code
    for_type_checkers = {"typing_extensions", "_typeshed"}
    imported -= sys.stdlib_module_names | {"logos_cli"} | for_type_checkers
    base = modules(project["dependencies"])
    extras = [modules(lines) for name, lines in project["optional-dependencies"].items() if name not in ("all", "test")]
    assert imported <= base.union(*extras), f"undeclared: {imported - base.union(*extras)}"
    assert base <= imported, f"never imported: {base - imported}"


def test_the_licence_is_the_standard_text(checkout: Path) -> None:
    text = (checkout / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text.split()) == 1581


# -- what it does --------------------------------------------------------------------------------------------


def test_it_is_the_installed_package_that_runs(installed: Path, checkout: Path, tmp_path: Path) -> None:
    code = "import logos_cli, logos_cli.resources as r; print(logos_cli.__file__, r.data_path('tokenizers'))"
    done = _run(installed, ["python", "-c", code], tmp_path)
    assert done.returncode == 0, done.stderr
    package, data = map(Path, done.stdout.split())
    assert package.is_relative_to(installed)
    assert data.is_relative_to(installed)
    assert not package.is_relative_to(checkout)


def test_the_main_job(installed: Path, tmp_path: Path) -> None:
    """``logos generate protein --prompt seq.fasta``, from the wheel, in an empty directory, offline."""
    (tmp_path / "seq.fasta").write_text(SEQUENCES)
    done = _run(installed, ["logos", "generate", "protein", "--prompt", "seq.fasta", "-n", "2"], tmp_path)
    # 3: a sample was cut at the limit of tokens, which depends on the model and is said
    assert done.returncode in (0, 3), done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == 4
    from logos_cli.grammar import parse_prefix
    from logos_cli.grammar.spec import Kind

    for record, sequence in zip(records, ["MKTAYIAKQR"] * 2 + ["ACDEFGHIKL"] * 2, strict=True):
        assert record["text"].startswith(Kind.PROTEIN.start + sequence)
        parse_prefix(record["text"])
        assert record["text"].endswith(Kind.PROTEIN.end) or record["status"] != "ok"
    assert "4 requested" in done.stderr


def test_files_to_sentences_and_back(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "seq.fasta").write_text(SEQUENCES)
    encoded = _run(installed, ["logos", "encode", "seq.fasta"], tmp_path)
    assert encoded.returncode == 0, encoded.stderr
    checked = _run(installed, ["logos", "grammar", "check"], tmp_path, encoded.stdout)
    assert checked.returncode == 0, checked.stderr
    decoded = _run(installed, ["logos", "decode", "--to", "fasta"], tmp_path, encoded.stdout)
    assert decoded.stdout == SEQUENCES


def test_the_manual_is_installed(installed: Path) -> None:
    assert (installed / "share" / "man" / "man1" / "logos.1").is_file()


def test_version(installed: Path, tmp_path: Path, metadata: email.message.Message) -> None:
    done = _run(installed, ["logos", "--version"], tmp_path)
    assert done.stdout == f"logos {metadata['Version']}\n"
