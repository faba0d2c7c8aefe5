"""The contract that keeps plug-ins of one layer apart, on graphs made for it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import grimp
import pytest


@pytest.fixture(scope="module")
def contracts(checkout: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("import_contracts", checkout / "scripts" / "import_contracts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FORMATS = "logos_cli.formats"


def _graph(*imports: tuple[str, str]) -> grimp.ImportGraph:
    graph = grimp.ImportGraph()
    for name in {name for pair in imports for name in pair}:
        parts = name.split(".")
        for n in range(1, len(parts) + 1):
            graph.add_module(".".join(parts[:n]))
    for importer, imported in imports:
        graph.add_import(importer=importer, imported=imported)
    return graph


@pytest.mark.parametrize(
    ("importer", "imported", "kept"),
    [
        (f"{FORMATS}.fasta.plugin", f"{FORMATS}.chem.plugin", False),
        (f"{FORMATS}.fasta.plugin", f"{FORMATS}.chem.molfile", False),
        (f"{FORMATS}.fasta.write", f"{FORMATS}.crystal", False),
        (f"{FORMATS}.crystal", f"{FORMATS}.sentences", False),
        (f"{FORMATS}.fasta.plugin", f"{FORMATS}.fasta.write", True),
        (f"{FORMATS}.fasta.plugin", f"{FORMATS}.base", True),
        (f"{FORMATS}.base", f"{FORMATS}.chem.plugin", True),
        (f"{FORMATS}.fasta.plugin", "logos_cli.io.input", True),
    ],
)
def test_siblings(contracts: ModuleType, importer: str, imported: str, kept: bool) -> None:
    contract = contracts.SiblingsContract("siblings", {}, {"packages": [FORMATS]})
    check = contract.check(_graph((importer, imported)), verbose=False)
    assert check.kept is kept
    assert check.metadata["broken"] == ([] if kept else [(importer, imported)])


@pytest.mark.parametrize(
    ("importer", "imported", "kept"),
    [
        ("logos_cli.io.input", "logos_cli.engine._masks", False),
        ("logos_cli.engine", "logos_cli.engine.parts._masks", False),
        ("logos_cli.engine.sampler", "logos_cli.engine._masks", True),
        ("logos_cli.engine.parts.sampler", "logos_cli.engine._masks", True),
        ("logos_cli.io.input", "logos_cli.engine.masks", True),
    ],
)
def test_private_modules(contracts: ModuleType, importer: str, imported: str, kept: bool) -> None:
    check = contracts.PrivateContract("private", {}, {}).check(_graph((importer, imported)), verbose=False)
    assert check.kept is kept


def test_circles(contracts: ModuleType) -> None:
    a, b, c = (f"logos_cli.engine.{name}" for name in "abc")
    contract = contracts.AcyclicContract("acyclic", {}, {})
    assert contract.check(_graph((a, b), (b, c), (a, c)), verbose=False).kept
    found = contract.check(_graph((a, b), (b, c), (c, a)), verbose=False)
    assert found.metadata["broken"] == [(a, b, c)]
