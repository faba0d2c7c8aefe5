"""Nodes of a cluster without a network, on which only the run's directory and the cache can be written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import receptors

_READ_ONLY = """
set -e
mount --make-rprivate /
for place in "$@"; do mount --bind "$place" "$place"; done
while read -r _ place kind _; do
    case $kind in proc|sysfs|devtmpfs|devpts|mqueue|cgroup*|*fs/*) continue ;; esac
    for kept in "$@"; do [ "$place" = "$kept" ] && continue 2; done
    mount -o remount,bind,ro "$place" 2>/dev/null || true
done < /proc/self/mounts
cd "$1"
touch "$HOME/touched" /tmp/touched 2>/dev/null && { echo "the system can be written"; exit 9; }
exec sh -e work.sh
"""
NO_NAMESPACE = "no namespaces here"


def isolated(run: Path, cache: Path | None, work: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run commands where no interface is up, and nothing can be written but some directories."""
    (run / "work.sh").write_text("\n".join(work))
    places = [str(run), *([str(cache)] if cache is not None else [])]
    trace = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=socket,connect", "-o", str(run / "trace")]
    command = ["unshare", "--user", "--map-root-user", "--net", "--mount", "bash", "-c", _READ_ONLY, "-", *places]
    return subprocess.run(
        [*(trace if shutil.which("strace") else []), *command], env=env, capture_output=True, text=True, timeout=280
    )


@pytest.fixture
def _namespaces() -> None:
    possible = shutil.which("unshare") is not None
    if possible:
        trial = ["unshare", "--user", "--map-root-user", "--net", "--mount", "mount", "--make-rprivate", "/"]
        possible = subprocess.run(trial, capture_output=True, check=False).returncode == 0
    if not possible:
        pytest.skip(f"{NO_NAMESPACE}: unshare is not permitted, or not installed")


@pytest.mark.slow
@pytest.mark.usefixtures("_namespaces")
def test_commands_need_no_network_and_write_to_the_run_and_the_cache_only(
    checkout: Path, program: dict[str, str], tmp_path: Path
) -> None:
    for library in ("meeko", "openmm", "pdbfixer", "vina"):
        pytest.importorskip(library)
    run, cache, home = (tmp_path / name for name in ("run", "cache", "home"))
    for place in (run, cache, home):
        place.mkdir()
    for name in ("complex.cif", "molecules.smi"):
        shutil.copy(checkout / "examples" / name, run)
    (run / "complex.pdb").write_text(receptors.with_ligand())
    (run / "ligands.smi").write_text("CCO ethanol\n")
    given = {path.name for path in run.iterdir()}
    env = {name: value for name, value in program.items() if name != "HF_HUB_OFFLINE"}
    env |= {"HOME": str(home), "LOGOS_CACHE": str(cache), "HF_HOME": str(home / "hub"), "LOGOS_OFFLINE": "1"}
    work = [
        "logos encode complex.cif -o encoded/",
        "logos generate molecule -n 2 --max-new-tokens 30 --seed 3 --offline -o generated/ || [ $? -eq 3 ]",
        "logos score molecules.smi --metrics qed,sa,ppl --offline -o scored/ || [ $? -eq 3 ]",
        "logos dock -r complex.pdb -l ligands.smi --exhaustiveness 1 --cpu 1 --num-modes 1 -o docked/",
    ]
    done = isolated(run, cache, work, env)
    assert done.returncode == 0, done.stderr + done.stdout
    runs = ("encoded", "generated", "scored", "docked")
    assert {path.name for path in run.iterdir()} - {"trace"} == {*given, *runs, "work.sh"}
    for name in runs:
        assert json.loads((run / name / "results" / "1-of-1.state.json").read_text())["state"] == "finished"
    assert [path.name for path in cache.glob("*.sqlite")]
    assert not [*home.iterdir()]
    if (run / "trace").exists():
        calls = (run / "trace").read_text()
        assert not re.findall(r"^.*AF_INET.*$", calls, re.MULTILINE)
    # a cache that is shared and cannot be written
    again = isolated(run, None, ["logos encode complex.cif -o again/"], env)
    assert again.returncode == 0, again.stderr
    results = [(run / name / "results" / "1-of-1.jsonl").read_bytes() for name in ("encoded", "again")]
    assert results[0] == results[1]


@pytest.mark.slow
def test_eight_processes_may_make_the_component_index_at_once(program: dict[str, str], tmp_path: Path) -> None:
    code = (
        "import sys; from logos_cli.structure.ligand.dictionary import component; sys.stdin.read(); "
        "found = component('STI'); print(len(found.atoms), len(found.bonds))"
    )
    env = program | {"LOGOS_CACHE": str(tmp_path / "cache")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(8)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()  # now
        process.stdin = None
    printed = [process.communicate(timeout=280) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, printed
    assert {out for out, _ in printed} == {b"37 41\n"}
    assert {errors for _, errors in printed} == {b""}
    (index,) = (tmp_path / "cache").iterdir()
    assert re.fullmatch(r"components-[\d.]+-\d+\.sqlite", index.name)
