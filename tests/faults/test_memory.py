"""Limits of memory: small inputs need little address space, and long ones no more than short ones."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

_LIMIT_KB = 700_000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")


def limited(argv: list[str], env: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", "-c", f'ulimit -v {_LIMIT_KB} && exec "$@"', "sh", *argv, *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["complex.cif.gz", "x.sdf", pytest.param("complex.cif", marks=pytest.mark.slow)])
def test_a_small_file_needs_little_address_space(
    checkout: Path, logos_argv: list[str], logos_env: dict[str, str], tmp_path: Path, name: str
) -> None:
    """Sites limit it (h_vmem): a reader must not reserve what the largest file would need."""
    if name == "x.sdf":
        (tmp_path / name).write_text(_MOLECULE)
    else:
        content = (checkout / "examples" / name.removesuffix(".gz")).read_bytes()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    done = limited(logos_argv, logos_env, tmp_path, "encode", name, "-f", "text")
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_memory_does_not_grow_with_the_records(logos_env: dict[str, str], tmp_path: Path) -> None:
    peaks = []
    for n_lines in (2_000, 50_000):
        (tmp_path / "x.smi").write_text("".join(f"{'C' * (n % 9 + 1)}O mol{n}\n" for n in range(n_lines)))
        command = [sys.executable, "-c", _MEASURED, "encode", "x.smi", "-o", "run/", "--overwrite", "-q"]
        done = subprocess.run(command, cwd=tmp_path, env=logos_env, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[1]) / 1024)
    assert peaks[1] - peaks[0] < 15, peaks  # MB: 16 bytes for each id, and a block of records


_MEASURED = """
from pathlib import Path
from logos_cli.cli.app import main
try:
    main()
finally:
    print(*(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""
_MOLECULE = """\
ethanol
  test

  3  2  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0  0  0  0  0  0  0  0  0  0  0
    1.5000    0.0000    0.0000 C   0  0  0  0  0  0  0  0  0  0  0  0
    2.0000    1.3000    0.0000 O   0  0  0  0  0  0  0  0  0  0  0  0
  1  2  1  0
  2  3  1  0
M  END
$$$$
"""
