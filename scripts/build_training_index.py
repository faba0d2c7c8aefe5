"""Index what ``logos-nano`` was trained on: ``python -m scripts.build_training_index records/``.

``records/`` is what ``python -m scripts.nano_records`` wrote. The records of the training split are hashed into
``training_index.npz`` beside the model; every sentence counts, whatever share of it training came to see. ``--onto INDEX``
adds them to an index: that of the model that was trained further.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from rdkit import rdBase

from logos_cli.evaluators.novelty import FILE, TrainingIndex
from logos_cli.grammar import parse
from logos_cli.io.input import Input
from logos_cli.objects.base import ScienceObject, from_sentence
from logos_cli.records import read_records
from logos_cli.resources import EMBEDDED, data_path


def trained_on(records: Path) -> Iterator[ScienceObject]:
    """Yield the objects of the training split."""
    for path in sorted(records.glob("*.jsonl.zst")):
        with Input(str(path)) as source:
            for record in read_records(source.lines(), str(path)):
                if record.extra["split"] == "train":
                    yield from_sentence(parse(record.text))
        print(f"{path.name} read", file=sys.stderr)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=data_path("tokenizers", EMBEDDED) / FILE)
    parser.add_argument("--onto", type=Path, metavar="INDEX", help="add to this index")
    args = parser.parse_args(arguments)
    rdBase.DisableLog("rdApp.*")
    objects = trained_on(args.records)
    index = TrainingIndex.load(args.onto).with_objects(objects) if args.onto else TrainingIndex.of(objects, EMBEDDED)
    with args.output.open("wb") as stream:
        index.save(stream)
    for part, keys in index.parts.items():
        rate = keys.false_positive_rate
        print(f"{part.value:10} {len(keys):9,} keys of {keys.n_bits} bits, false positives {rate:.1e}")
    print(f"{args.output}: {args.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
