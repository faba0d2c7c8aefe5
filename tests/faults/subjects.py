"""The commands that are disturbed, their inputs, and their results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.starts import Started

N_MOLECULES = 150
Start = Callable[[Sequence[str], Path, Path | None], Started]
"""Starts a command in a folder; standard output goes into a file if one is given."""

_CORPUS = "corpus/"
_TRAINED = "trained/"
_BENCH = "bench/"
_COMPARED = frozenset(
    (
        "manifest.json",
        "shards",
        "tokenizer",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    )
)
"""What is compared of a corpus and of a model: the card and the curves of a model have its speed."""


@dataclass(frozen=True)
class Subject:
    """A command that is disturbed.

    Attributes
    ----------
    again : tuple of str
        Options with which a user runs it again.
    """

    name: str
    arguments: tuple[str, ...]
    output: str
    again: tuple[str, ...]
    workers: bool = False

    @property
    def is_run(self) -> bool:
        """Whether the output is the directory of a run."""
        return self.output.endswith("/")


def _file(name: str, output: str, *arguments: str) -> Subject:
    return Subject(name, (*arguments, "-o", output), output, ("--overwrite",))


def _run(name: str, *arguments: str, output: str = "run/", workers: bool = False) -> Subject:
    return Subject(name, (*arguments, "-o", output), output, ("--resume",), workers)


_BOX = ("--center", "0,0,0", "--size", "14", "--exhaustiveness", "1", "--num-modes", "1", "--cpu", "2")
_SHORT = ("--threads", "1", "--max-new-tokens", "40")
SUBJECTS = (
    _file("encode, file", "out.jsonl", "encode", "x.smi"),
    _file("encode, gzip", "out.jsonl.gz", "encode", "x.smi"),
    _run("encode, run", "encode", "x.smi", "-j", "2"),
    _run("encode files, run", "encode", "lists", "-j", "2", workers=True),
    _run("encode, compressed run", "encode", "x.smi", "--compress"),
    _file("decode", "out.smi", "decode", "x.jsonl", "--to", "smi"),
    _run("score, run", "score", "x.smi", "--metrics", "qed", "-j", "2", workers=True),
    _file("score, file", "out.csv", "score", "x.smi", "--metrics", "qed"),
    _run("corpus build", "corpus", "build", "x.smi", "x.csv", "-j", "2", output=_CORPUS, workers=True),
    _file("runs merge", "out.jsonl", "runs", "merge", "done/"),
    _file("models convert", "out.gguf", "models", "convert", "logos-nano"),
    _run("dock", "dock", "-r", "peptide.pdb", "-l", "few.smi", *_BOX, workers=True),
    _run("train", "train", "built", "-c", "tiny.toml", output=_TRAINED),
    _run("generate, run", "generate", "molecule", "-n", "24", "-b", "8", *_SHORT),
    _run("explain", "explain", "few.jsonl", "--threads", "1", "-b", "4"),
    _run("generate, two processes", "generate", "molecule", "-n", "8", "--devices", "cpu,cpu", *_SHORT, workers=True),
    _file("generate site", "sites.csv", "generate", "site", "peptide.fasta", "--threads", "1"),
    _run("bench tasks", "bench", "tasks", "--data", "data", "-n", "2", "--threads", "1", output=_BENCH),
)

TRAINING = """\
[model]
hidden_size = 32
intermediate_size = 64
n_layers = 2
n_heads = 2
context_length = 128
[data]
n_step_tokens = 512
n_micro_tokens = 256
[optimizer]
name = "muon"
[schedule]
n_steps = 6
n_warmup_steps = 2
n_decay_steps = 2
[evaluation]
every_steps = 4
n_tokens = 1000
n_samples = 0
[run]
precision = "fp32"
device = "cpu"
log_every_steps = 1
checkpoint_every_minutes = 0.001
"""


def prepare(folder: Path, run: Callable[[Sequence[str], Path], None]) -> None:
    """Write the inputs of all commands; ``run`` runs one in a folder."""
    from tests.receptors import SEQUENCE, centre, peptide
    from tests.training_corpora import write_corpus

    lines = [f"{'C' * (n % 11 + 1)}Oc1ccccc1{'N' * (n % 3)} m{n}\n" for n in range(N_MOLECULES)]
    (folder / "x.smi").write_text("".join(lines))
    rows = [f"{'C' * (n % 29 + 1)}{'O' * (n // 29 + 1)},{n // 7}\n" for n in range(N_MOLECULES)]
    (folder / "x.csv").write_text("smiles,group\n" + "".join(rows))
    (folder / "lists").mkdir()
    for at in range(0, N_MOLECULES, 25):
        (folder / "lists" / f"{at:03}.smi").write_text("".join(lines[at : at + 25]))
    (folder / "data" / "uspto50k").mkdir(parents=True)
    rows = [f"{'C' * n}NC,{'C' * n}Br.CN\n" for n in range(1, 7)]
    (folder / "data" / "uspto50k" / "test.csv").write_text("product,reactants\n" + "".join(rows))
    (folder / "few.smi").write_text("CCO a\nCCN b\nOB(O)C c\nCO d\n")
    (folder / "tiny.toml").write_text(TRAINING)
    write_corpus(folder / "built", longest=12)
    middle = centre()
    moved = [
        f"{line[:30]}{''.join(f'{float(line[at : at + 8]) - middle[(at - 30) // 8]:8.3f}' for at in (30, 38, 46))}{line[54:]}"
        for line in peptide().splitlines()
    ]
    (folder / "peptide.pdb").write_text("\n".join(moved) + "\nEND\n")
    (folder / "peptide.fasta").write_text(f">peptide\n{SEQUENCE}\n")
    for name, output in (("x", "x.jsonl"), ("few", "few.jsonl"), ("x", "done/")):
        run(("encode", f"{name}.smi", "-o", output), folder)


def result(folder: Path, subject: Subject, start: Start) -> bytes:
    """Return the result of a command that has ended."""
    if subject.output == _CORPUS:
        return _digests(folder / _CORPUS)
    if subject.output == _TRAINED:
        return _digests(folder / _TRAINED / "model")
    if not subject.is_run:
        return (folder / subject.output).read_bytes()
    merged = folder / "merged.jsonl"
    start(("runs", "merge", subject.output), folder, merged).wait()
    if subject.output == _BENCH:
        figures = json.loads((folder / _BENCH / "results.json").read_text())["benchmarks"]
        return merged.read_bytes() + json.dumps(figures).encode()
    return merged.read_bytes()


def torn(folder: Path, subject: Subject, whole: bytes) -> bool:
    """Return whether a file under its final name is not whole, after a command that has been disturbed."""
    target = folder / subject.output
    if subject.output == _CORPUS:
        return (target / "manifest.json").exists() and _digests(target) != whole
    if subject.output == _TRAINED:
        return (target / "model").exists() and _digests(target / "model") != whole
    if subject.output == _BENCH:
        return any(not _is_json(path) for path in target.glob("*.json"))
    return not subject.is_run and target.exists() and target.read_bytes() != whole


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except ValueError:
        return False
    return True


def _digests(directory: Path) -> bytes:
    """Return a line for each file of a corpus or model, with its digest."""
    lines = [
        f"{path.relative_to(directory)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.relative_to(directory).parts[0] in _COMPARED
    ]
    return "".join(lines).encode()


def open_files(folder: Path, subject: Subject) -> list[Path]:
    """Return the files that a command of a run appends to, or had not finished."""
    own = folder / subject.output
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and (
            path.name.endswith(".part")
            or (subject.is_run and own in path.parents and (path.parent.name == "results" or path.name == "log.jsonl"))
        )
    ]
