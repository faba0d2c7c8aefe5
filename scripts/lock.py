"""Write the versions and hashes of all packages that the tests need, .ci/lock.txt (make lock; needs uv), or print a part of them.

    python scripts/lock.py              # new requirements only; the other versions stay
    python scripts/lock.py --upgrade    # the newest versions
    python scripts/lock.py --base       # print what logos itself and its build need, without the extras

PyTorch and what it brings for GPUs are not in the file: PyTorch has one build for each kind of device, and is installed before.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / ".ci" / "lock.txt"
_HEADER = """\
# Versions and hashes with which the suite passed: pip install --no-deps --require-hashes -r .ci/lock.txt
# Written by `make lock`. PyTorch and its packages for GPUs are installed before, from where the machine has them.
"""
_COMMAND = "uv pip compile pyproject.toml --extra test --universal --generate-hashes --no-header --quiet"
_BESIDE = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
_BEGIN = re.compile(r"^(?=[A-Za-z0-9])", re.MULTILINE)


def blocks(text: str) -> dict[str, str]:
    """Return the lines of each package of a lock file, by its name."""
    return {name_of(block): block for block in _BEGIN.split(text) if "==" in block}


def name_of(requirement: str) -> str:
    """Return the normalised name of a requirement."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s;<>=!~\[(]", requirement, maxsplit=1)[0]).lower()


def base(text: str) -> str:
    """Return the part of a lock file that logos itself and its build need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {name_of(each) for each in (*project["project"]["dependencies"], *project["build-system"]["requires"])}
    packages = blocks(text)
    needed_by = {
        name: set(re.findall(r"^    # +(?:via )?(\S+)", block, re.MULTILINE)) for name, block in packages.items()
    }
    while more := {name for name, users in needed_by.items() if name not in wanted and users & wanted}:
        wanted |= more
    return "".join(block for name, block in packages.items() if name in wanted)


def write(*, upgrade: bool) -> None:
    """Write the lock file."""
    command = [*_COMMAND.split(), "--output-file", str(LOCK), *(["--upgrade"] if upgrade else [])]
    subprocess.run(command, cwd=ROOT, check=True)
    kept = [block for name, block in blocks(LOCK.read_text()).items() if not _BESIDE.fullmatch(name)]
    LOCK.write_text(_HEADER + "".join(kept))


def main() -> int:
    """Write the lock file, or print a part of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", action="store_true", help="print what logos needs without its extras")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    args = parser.parse_args()
    if args.base:
        sys.stdout.write(base(LOCK.read_text()))
    else:
        write(upgrade=args.upgrade)
    return 0


if __name__ == "__main__":
    sys.exit(main())
