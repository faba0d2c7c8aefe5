"""Run the commands that the documents show and write down what they really print.

    python scripts/update_readme.py            # write the outputs anew
    python scripts/update_readme.py --check    # report which differ, and fail
    python scripts/update_readme.py README.md  # this document only
    python scripts/update_readme.py --logos=bin/  # with the program in this directory, and the caller's LOGOS_CACHE

The ``console`` blocks of the README and of ``docs/`` hold commands (``$ …``) and their output, standard error included. The
commands of a document run one after the other in an empty directory with a copy of ``examples/``. Samples of a model and facts
about the machine differ from place to place: ``--check`` runs these commands and does not compare.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
WIDTH = 140
_BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
_VARIES = re.compile(r"\blogos (generate|doctor|models list|corpus build)\b|^\$ cat best")


def run(command: str, cwd: Path, program: Path, cache: str | None = None) -> str:
    """Return what a command prints, in the order in which it prints it; long lines are cut.

    The programs of a pipeline print side by side, messages and results in any order: messages are shown last.
    """
    pipeline = " | " in command
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOGOS_")}
    env |= {
        "PATH": f"{program}:{env['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
        # models that somebody has here belong to nobody's README
        "LOGOS_CACHE": str(cache or program.parent / "cache"),
        "HF_HOME": str(program.parent / "hub"),
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "100",
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if pipeline else subprocess.STDOUT,
        text=True,
        check=False,
    )
    printed = done.stdout + (done.stderr or "")
    if "Traceback" in printed:
        raise SystemExit(f"{command}\n{printed}")
    lines = (line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in printed.splitlines())
    return "".join(f"{line}\n" for line in lines)


def refreshed(text: str, cwd: Path, program: Path, *, compare: bool, cache: str | None = None) -> str:
    """Return a document with the output of every command; if ``compare``, as it stands where output varies."""

    def block(match: re.Match[str]) -> str:
        pieces = re.split(r"^(\$ .*\n)", match.group(), flags=re.MULTILINE)
        out = pieces[0]
        for command, shown in zip(pieces[1::2], pieces[2::2], strict=True):
            printed = run(command[2:].strip(), cwd, program, cache)
            blank = "\n" if shown.endswith("\n\n") else ""
            out += command + (shown if compare and _VARIES.search(command) else printed + blank)
        return out

    return _BLOCK.sub(block, text)


def documents() -> list[str]:
    """Return the documents with commands, as paths in the checkout."""
    pages = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
    return [str(path.relative_to(CHECKOUT)) for path in pages if _BLOCK.search(path.read_text(encoding="utf-8"))]


def main(arguments: list[str]) -> int:
    """Write the outputs, or with ``--check`` compare them."""
    compare = "--check" in arguments
    names = [name for name in arguments if not name.startswith("--")] or documents()
    given = next((name.partition("=")[2] for name in arguments if name.startswith("--logos=")), None)
    stale = 0
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "bin"
        program.mkdir()
        start = f"{given}/logos" if given else f'{sys.executable}" -m "logos_cli'
        (program / "logos").write_text(f'#!/bin/sh\nexec "{start}" "$@"\n')
        (program / "logos").chmod(0o755)
        for name in names:
            path = CHECKOUT / name
            old = path.read_text(encoding="utf-8")
            work = Path(folder) / "work" / name
            shutil.copytree(CHECKOUT / "examples", work / "examples")
            new = refreshed(old, work, program, compare=compare, cache=os.environ.get("LOGOS_CACHE") if given else None)
            if new == old:
                continue
            stale += 1
            if compare:
                sys.stderr.write(f"{name} does not show what its commands print: run `make readme`\n")
                for was, now in zip(old.splitlines(), new.splitlines(), strict=False):
                    if was != now:
                        sys.stderr.write(f"  shown:   {was}\n  printed: {now}\n")
                        break
            else:
                path.write_text(new, encoding="utf-8")
    return stale if compare else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
