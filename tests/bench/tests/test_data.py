"""A benchmark without its data ends with a message, not with a figure of nothing."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

COMMANDS = (
    "bench_encode_structures",
    "bench_molecule_scores",
    "bench_smiles speed",
    "bench_smiles soundness",
    "figures_complexes",
    "figures_mofs",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_benchmark_without_data_names_what_it_lacks(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *words = command.split()
    monkeypatch.setattr(sys, "argv", [name, *words, "--data", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"tests.bench.{name}").main()
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert f"there is no {tmp_path}" in message
    assert "--data" in message
