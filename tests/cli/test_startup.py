"""Start-up is part of the interface: what needs no science loads none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = (
    "Bio",
    "anarcii",
    "biotite",
    "gemmi",
    "llama_cpp",
    "llguidance",
    "numpy",
    "openpyxl",
    "pandas",
    "pyarrow",
    "pymatgen",
    "rdkit",
    "scipy",
    "selfies",
    "tokenizers",
    "torch",
    "transformers",
    "yaml",
)

_PROBE = """
import runpy, sys
for arguments in {commands!r}:
    sys.argv = ["logos", *arguments]
    try:
        runpy.run_module("logos_cli", run_name="__main__")
    except SystemExit as leave:
        code = leave.code
    heavy = sorted(set({heavy!r}) & set(sys.modules))
    if code or heavy:
        break
sys.stderr.write(f"{{' '.join(arguments)}}\\ncode={{code}} heavy={{heavy}}")
"""


def _probe(arguments: list[str], env: dict[str, str], cwd: Path, *others: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE.format(commands=[arguments, *others], heavy=HEAVY)],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["grammar", "show"],
        ["grammar", "show", "search"],
        ["grammar", "check", "sentences.txt"],
    ],
    ids=" ".join,
)
def test_no_heavy_library_is_loaded(arguments: list[str], logos_env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "sentences.txt").write_text("<ProteinS>MKV<ProteinE>\n")
    assert _probe(arguments, logos_env, tmp_path) == "code=0 heavy=[]"


def test_every_help_is_light(logos_env: dict[str, str], tmp_path: Path) -> None:
    from logos_cli import registry

    first, *others = ([name, "--help"] for name in registry.names("cli.commands"))
    assert _probe(first, logos_env, tmp_path, *others) == "code=0 heavy=[]"


def test_completion_is_light(logos_env: dict[str, str], tmp_path: Path) -> None:
    env = logos_env | {"COMP_WORDS": "logos encode --as m", "COMP_CWORD": "3", "_LOGOS_COMPLETE": "complete_bash"}
    assert _probe([], env, tmp_path).endswith("heavy=[]")


def test_encoding_sequences_loads_neither_chemistry_nor_models(logos_env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_text(">a\nMKTAYIAKQR\n")
    last = _probe(["encode", "a.fasta"], logos_env, tmp_path)
    for name in ("torch", "transformers", "pymatgen", "rdkit", "gemmi"):
        assert name not in last
    assert last.startswith("code=0")


def test_encoding_a_structure_loads_no_library_of_other_formats(
    logos_env: dict[str, str], checkout: Path, tmp_path: Path
) -> None:
    last = _probe(["encode", str(checkout / "examples" / "complex.cif")], logos_env, tmp_path)
    for name in ("Bio", "openpyxl", "pandas", "pyarrow", "pymatgen", "selfies", "torch", "transformers", "yaml"):
        assert f"'{name}'" not in last
    assert "'gemmi'" in last
    assert last.startswith("code=0")


def test_generating_with_the_embedded_model_loads_no_pytorch(logos_env: dict[str, str], tmp_path: Path) -> None:
    last = _probe(["generate", "protein", "-n", "1", "--max-new-tokens", "3", "--device", "cpu"], logos_env, tmp_path)
    assert last.startswith("code=3")  # the sample is cut
    assert "torch" not in last
    for name in ("transformers", "pandas", "pymatgen", "Bio"):
        assert f"'{name}'" not in last


def test_the_light_layers_import_no_heavy_library(logos_env: dict[str, str], checkout: Path) -> None:
    """Errors, records, registry, resources, grammar, objects and the command line, each module of them."""
    package = checkout / "logos_cli"
    files = [package / f"{name}.py" for name in ("errors", "options", "records", "registry", "resources")]
    for layer in ("grammar", "objects", "cli"):
        files += sorted((package / layer).rglob("*.py"))
    modules = [".".join(path.relative_to(checkout).with_suffix("").parts).removesuffix(".__init__") for path in files]
    assert len(modules) > 20
    code = f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\n"
    code += f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], env=logos_env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_logos_cli_is_light(logos_env: dict[str, str]) -> None:
    code = f"import logos_cli, sys; print(sorted(set({HEAVY!r}) & set(sys.modules)), logos_cli.__version__)"
    done = subprocess.run([sys.executable, "-c", code], env=logos_env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] ")


def test_the_package_offers_what_it_promises() -> None:
    import logos_cli

    for name in logos_cli.__all__:
        assert getattr(logos_cli, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _: Any = logos_cli.nonsense
    assert set(dir(logos_cli)) == set(logos_cli.__all__)
