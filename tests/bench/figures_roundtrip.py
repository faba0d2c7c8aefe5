"""decode(encode(x)) == x over the data sets.

    python -m tests.bench.figures_roundtrip --data ../shared/data [--count 10000] [--only proteins]

Each line of output: how many objects, how many came back identical, and the seconds it took. "Identical" is
two things: the object decoded from the sentence equals the object that was read from the file; and a file
written from the decoded objects, read again, gives the same objects.
"""

from __future__ import annotations

import argparse
import io
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from logos_cli.errors import LogosError
from logos_cli.formats.base import Entry, ReadOptions, WriteOptions
from logos_cli.formats.detect import detect
from logos_cli.grammar import Form
from logos_cli.io.input import Input
from logos_cli.objects.base import ScienceObject, to_text
from logos_cli.records import Record
from logos_cli.workflows.decode import decode, writer_for


@dataclass(frozen=True)
class Figure:
    """One data set: its files, how they are read, and the format that the objects are written back to."""

    files: tuple[str, ...]
    options: ReadOptions
    to: str
    limit: int | None = None
    forms: tuple[Form, ...] = ()


@dataclass
class Result:
    """What came of one data set."""

    n_read: int = 0
    n_errors: int = 0
    n_same_object: int = 0
    n_same_file: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every object that was read came back."""
        return 0 < self.n_read == self.n_same_object == self.n_same_file


def figures(count: int) -> dict[str, Figure]:
    """Return the data sets of the issue."""
    proteins = ("proteins/mixed_natural.fasta.xz",)
    both = (Form.REACTION, Form.RETROSYNTHESIS)
    return {
        "proteins": Figure(proteins, ReadOptions(form=Form.PROTEIN), "fasta", count),
        "antibodies": Figure(
            ("antibodies/antibodies.train.jsonl.xz",), ReadOptions(form=Form.ANTIBODY), "fasta", count
        ),
        "molecules": Figure(("molecules/molecules.train.smi.xz",), ReadOptions(canonical=True), "smi", count),
        "reactions": Figure(("reactions/uspto50k.csv.xz",), ReadOptions(form=Form.REACTION), "smi", forms=both),
        "frameworks": Figure(("mofs/mofid.train.jsonl.xz",), ReadOptions(form=Form.MATERIAL), "json"),
    }


def entries(data: Path, figure: Figure) -> Iterator[Entry]:
    """Yield what the files hold; of large ones, records evenly spread."""
    for name in figure.files:
        with Input(str(data / name)) as source:
            found = detect(source).read(source, figure.options)
            step = 1 if figure.limit is None else 5
            yield from itertools.islice(found, 0, None if figure.limit is None else figure.limit * step, step)


def measure(data: Path, figure: Figure) -> Result:
    """Read, encode, decode, compare; write, read again, compare."""
    result = Result()
    items: list[ScienceObject] = []
    for entry in entries(data, figure):
        if entry.item is None:
            result.n_errors += 1
            result.reasons.append(str(entry.error))
            continue
        result.n_read += 1
        forms = figure.forms or (entry.item.forms[0],)
        if all(decode(to_text(entry.item, form)) == entry.item for form in forms):
            result.n_same_object += 1
        else:
            result.reasons.append(f"{entry.id}: {entry.item} came back differently")
        items.append(entry.item)
    again = _through_file(items, figure)
    result.n_same_file = (
        sum(one == other for one, other in zip(items, again, strict=False)) if len(items) == len(again) else 0
    )
    return result


def _through_file(items: list[ScienceObject], figure: Figure) -> list[ScienceObject | None]:
    """Write the decoded objects as a native file and read that."""
    stream = io.StringIO()
    writer = writer_for(figure.to, None)(stream, WriteOptions())
    for number, item in enumerate(items):
        text = to_text(item, item.forms[0])
        writer.write(Record(f"r{number}", item.forms[0].value, text), decode(text))
    writer.close()
    source = Input("-", io.BytesIO(stream.getvalue().encode()))
    return [entry.item for entry in detect(source).read(source, figure.options)]


def main() -> int:
    """Print one line a data set; the exit status is 1 if anything came back differently."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--count", type=int, default=10_000, help="proteins, antibodies, molecules (default: 10,000)")
    parser.add_argument("--only", choices=list(figures(1)), action="append")
    options = parser.parse_args()
    passed = True
    for name, figure in figures(options.count).items():
        if options.only and name not in options.only:
            continue
        began = time.perf_counter()
        try:
            result = measure(options.data, figure)
        except LogosError as error:
            print(f"{name}: {error}")
            return 1
        passed &= result.passed
        print(
            f"{name:<11} {result.n_read:>7,} read  {result.n_same_object:>7,} same object  "
            f"{result.n_same_file:>7,} same through {figure.to:<5}  {result.n_errors:>4} not readable  "
            f"{time.perf_counter() - began:6.1f} s"
        )
        for reason in result.reasons[:3]:
            print(f"            e.g. {reason[:160]}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
