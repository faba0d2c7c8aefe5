"""Damaged models: safetensors and GGUF files whose headers were changed, each loaded in a process of its own.

    python tests/fuzz/headers.py 2000 --seed 1

Of each file, the outcome is one of: refused (by an error of logos), loaded, crashed (the process died), raised
(another exception), hung (more than ``SECONDS``). The last three must not occur; the exit code is then 1, and the seed of
each is printed, with which ``--only SEED`` loads it again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import traceback
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

SECONDS = 30
MEMORY_BYTES = 6 << 30
"""Address space of one loading: what a header claims must not be reserved."""

REFUSED, LOADED, RAISED = 0, 10, 11
_ODD: tuple[Any, ...] = (
    *(
        -1,
        0,
        1,
        2,
        3,
        255,
        2**31,
        2**32,
        2**40,
        2**53,
        2**63,
        2**64 - 1,
        10**30,
        0.5,
        1e300,
        float("inf"),
        float("nan"),
    ),
    *(None, True, "", "F32", "F8", "x" * 5000, "\ud800", [], [[]], {}, {"a": 1}, [1] * 50, [-1, 2], [2**63, 2**63]),
)


def damage(content: bytes, kind: str, rng: random.Random) -> bytes:
    """Return a model file with one to four changes of its header."""
    if kind == "safetensors" and rng.random() < 0.6:
        return _damage_json(content, rng)
    end = min(len(content), 20_000) if kind == "gguf" else 8 + int.from_bytes(content[:8], "little")
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        # the first bytes hold the counts, and are changed more often
        place = rng.randrange(32) if rng.random() < 0.3 else rng.randrange(end)
        choice = rng.randrange(6)
        if choice == 0:
            data[place] = rng.randrange(256)
        elif choice == 1:
            data[place] ^= 1 << rng.randrange(8)
        elif choice == 2:
            number = rng.choice([each for each in _ODD if isinstance(each, int) and -1 <= each < 2**64])
            data[place : place + 8] = struct.pack("<Q", number % 2**64)
        elif choice == 3:
            data[place : place + 4] = struct.pack("<I", rng.choice((0, 1, 8, 9, 40, 2**31, 2**32 - 1)))
        elif choice == 4:
            del data[place : place + rng.randrange(1, 64)]
        else:
            data[place:place] = rng.randbytes(rng.randrange(1, 64))
    if rng.random() < 0.15:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


def _damage_json(content: bytes, rng: random.Random) -> bytes:
    """Return a safetensors file whose header is other JSON."""
    length = int.from_bytes(content[:8], "little")
    header, rest = json.loads(content[8 : 8 + length]), content[8 + length :]
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(sorted(header))
        choice = rng.randrange(6)
        if choice == 0:
            header[name] = rng.choice(_ODD)
        elif choice == 1:
            del header[name]
        elif choice == 2:
            header[str(rng.choice(_ODD))] = header[name]
        elif isinstance(header[name], dict):
            field = rng.choice(("dtype", "shape", "data_offsets"))
            value = header[name].get(field)
            if choice == 3 and isinstance(value, list) and value:
                value[rng.randrange(len(value))] = rng.choice(_ODD)
            else:
                header[name][field] = rng.choice(_ODD)
    written = json.dumps(header).encode()
    if rng.random() < 0.1:
        written = b"[" * 50_000
    claimed = rng.choice(_ODD[:12]) % 2**64 if rng.random() < 0.1 else len(written)
    return struct.pack("<Q", claimed) + written + rest


def load(path: Path, backend: str) -> int:
    """Load a model as a user does; return the outcome."""
    from logos_cli.backends.base import LoadOptions, open_model
    from logos_cli.checkpoints.safetensors import stored_tensors, stored_type
    from logos_cli.errors import DefectError, LogosError
    from logos_cli.models.card import facts

    for read in (
        lambda: facts(str(path), offline=True),
        lambda: stored_type([path / "model.safetensors"]) if path.is_dir() else None,
        lambda: stored_tensors(path) if path.is_dir() else None,
    ):
        with suppress(LogosError):
            read()
    try:
        checkpoint = open_model(LoadOptions(model=str(path), backend=backend, device="cpu", threads=1, offline=True))
        checkpoint.plan(64, 1)
        checkpoint.load()
    except DefectError:
        raise
    except LogosError as error:
        if not error.message.strip():
            raise AssertionError("an error without a message") from error
        return REFUSED
    return LOADED


def attempt(path: Path, backend: str, log: Path) -> str:
    """Load a model in a process of its own; return the outcome."""
    child = os.fork()
    if child == 0:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        try:
            code = load(path, backend)
        except BaseException:  # noqa: BLE001 - the outcome
            traceback.print_exc()
            code = RAISED
        os._exit(code)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return "hung" if os.WTERMSIG(status) == signal.SIGALRM else "crashed"
    return {REFUSED: "refused", LOADED: "loaded", RAISED: "raised"}.get(os.WEXITSTATUS(status), "crashed")


def main() -> int:
    """Load damaged models, and print a line of outcomes for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n_files", type=int, nargs="?", default=2000, help="files, half of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="load the file of this seed only")
    args = parser.parse_args()

    from logos_cli.backends.base import open_model  # what is imported here, children share
    from logos_cli.checkpoints.gguf.write import write_gguf
    from tests.checkpoints import small_tokenizer, write_checkpoint

    del open_model
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        directory = write_checkpoint(root / "model", "qwen3", small_tokenizer("qwen3"), hidden_size=32, head_dim=8)
        write_gguf(directory, root / "model.gguf", "f32")
        sources = {
            "safetensors": (directory / "model.safetensors").read_bytes(),
            "gguf": (root / "model.gguf").read_bytes(),
        }
        log = root / "log"
        backends = {"safetensors": "torch", "gguf": "llamacpp"}
        for kind, path in (("safetensors", directory), ("gguf", root / "model.gguf")):
            if attempt(path, backends[kind], log) != "loaded":
                sys.exit(f"the undamaged {kind} does not load:\n{log.read_text()}")
        outcomes = {kind: Counter[str]() for kind in sources}
        seeds = (
            [args.only] if args.only is not None else range(args.seed * 1_000_000, args.seed * 1_000_000 + args.n_files)
        )
        for seed in seeds:
            kind = ("safetensors", "gguf")[seed % 2]
            content = damage(sources[kind], kind, random.Random(seed))
            path = directory if kind == "safetensors" else root / "damaged.gguf"
            target = directory / "model.safetensors" if kind == "safetensors" else path
            target.write_bytes(content)
            outcome = attempt(path, backends[kind], log)
            outcomes[kind][outcome] += 1
            if outcome in ("crashed", "raised", "hung"):
                print(f"{kind} of seed {seed}: {outcome}\n{log.read_text(errors='replace')[-1500:]}", flush=True)
        shutil.rmtree(directory)
    bad = 0
    for kind, counts in outcomes.items():
        names = ("refused", "loaded", "crashed", "raised", "hung")
        print(f"{kind}: {counts.total()} files:", ", ".join(f"{counts[name]} {name}" for name in names))
        bad += counts["crashed"] + counts["raised"] + counts["hung"]
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
