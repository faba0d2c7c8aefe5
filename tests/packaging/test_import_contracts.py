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


@pytest.mark.parametrize(
    ("importer", "imported", "kept"),
    [
        ("app.formats.fasta", "app.formats.chem", False),
        ("app.formats.fasta", "app.formats.base", True),
        ("app.formats.fasta", "app.formats._shared", True),
        ("app.formats._shared", "app.formats.chem", True),
        ("app.formats.base", "app.formats.chem", True),
        ("app.formats.fasta", "app.other", True),
    ],
)
def test_siblings(contracts: ModuleType, importer: str, imported: str, kept: bool) -> None:
    graph = grimp.ImportGraph()
    for name in ("base", "_shared", "fasta", "chem"):
        graph.add_module(f"app.formats.{name}")
    graph.add_module("app")
    graph.add_module("app.formats")
    graph.add_module("app.other")
    graph.add_import(importer=importer, imported=imported)
    contract = contracts.SiblingsContract("siblings", {}, {"packages": ["app.formats"]})
    check = contract.check(graph, verbose=False)
    assert check.kept is kept
    assert check.metadata["broken"] == ([] if kept else [(importer, imported)])
