"""Start-up and parsing speeds, held against their bounds: ``make bench``, or ``pytest -m bench -s`` on this file."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from logos_cli.grammar import emit, parse

pytestmark = pytest.mark.bench
N_RUNS = 15


@pytest.fixture(scope="module")
def env(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    import os

    return dict(os.environ) | {
        "PYTHONPATH": str(checkout),
        "OMP_NUM_THREADS": "1",
        "LOGOS_CACHE": str(tmp_path_factory.mktemp("cache")),
    }


def _best_s(run: Callable[[], object], n_runs: int = N_RUNS) -> float:
    """Return the shortest wall time of several runs: what other programs on the machine add varies."""
    run()  # byte code and file cache warm
    times = []
    for _ in range(n_runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def _process_s(argv: list[str], env: dict[str, str], cwd: Path | None = None) -> float:
    return _best_s(lambda: subprocess.run(argv, env=env, cwd=cwd, check=True, capture_output=True))


def test_help_takes_less_than_two_and_a_half_imports_of_typer(env: dict[str, str]) -> None:
    typer_s = _process_s([sys.executable, "-c", "import typer"], env)
    for arguments in (["--help"], ["--version"], ["encode", "--help"], ["grammar", "show"]):
        logos_s = _process_s([sys.executable, "-m", "logos_cli", *arguments], env)
        name = " ".join(arguments)
        ratio = f"{logos_s / typer_s:.2f} x `import typer` ({1000 * typer_s:.0f} ms)"
        print(f"logos {name}: {1000 * logos_s:.0f} ms = {ratio}")
        if name == "--help":
            assert logos_s < 2.5 * typer_s


def test_a_warm_structure_takes_less_than_800_ms(env: dict[str, str], checkout: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "logos_cli", "encode", str(checkout / "examples" / "complex.cif")]
    encode_s = _process_s(argv, env, tmp_path)
    print(f"logos encode complex.cif, warm: {1000 * encode_s:.0f} ms")
    assert encode_s < 0.8


@pytest.mark.parametrize(
    ("name", "head", "unit", "tail"),
    [
        ("plain protein", "<ProteinS>", "MKTAYIAKQR", "<ProteinE>"),
        ("molecule with dative bonds", "<MoleculeS>", "CC(=O)N<-[Fe]", "<MoleculeE>"),
        ("site, every third residue tagged", "<ProteinS>", "AK<PocketS>S<PocketE>", "<ProteinE>"),
        ("reaction of many reactants", "", "<MoleculeS>CCO<MoleculeE>", "<React><MoleculeS>C<MoleculeE>"),
    ],
)
def test_parsing_speed(name: str, head: str, unit: str, tail: str) -> None:
    text = head + unit * (100_000 // len(unit)) + tail
    parse_s = _best_s(lambda: parse(text))
    tree = parse(text)
    emit_s = _best_s(lambda: emit(tree))
    print(f"{name}: {len(text):,} characters parsed in {1000 * parse_s:.1f} ms, emitted in {1000 * emit_s:.1f} ms")
    assert parse_s < 0.2
