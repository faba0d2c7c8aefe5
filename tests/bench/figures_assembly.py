"""Assemble frameworks of a list, and count what is refused: ``python -m tests.bench.figures_assembly MOFIDS.jsonl.xz``."""

from __future__ import annotations

import argparse
import json
import lzma
import random
import re
from collections import Counter

from logos_cli.crystal.assembly.assemble import assemble
from logos_cli.errors import LogosError
from logos_cli.objects.material import material_from_blocks

_DETAIL = re.compile(r"(?:the linker |the node )\S+|'[^']*'|[\d.]+ Å|\d+|: .*")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mofids")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--node", help="only frameworks with this node")
    args = parser.parse_args()
    with lzma.open(args.mofids, "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    rows = [row for row in rows if row["linkers_clean"] and row["topology_known"]]
    if args.node is not None:
        rows = [row for row in rows if row["nodes"] == [args.node]]
    chosen = random.Random(1).sample(rows, min(args.count, len(rows)))
    outcomes: Counter[str] = Counter()
    for row in chosen:
        try:
            made = assemble(material_from_blocks(row["nodes"], row["linkers"]), row["topology"], "x")
        except LogosError as error:
            outcomes[_DETAIL.sub("…", error.message)] += 1
        else:
            outcomes["assembled"] += 1
            print(*row["ids"][:1], row["topology"], made.n_atoms, round(made.density, 3), flush=True)
    print(len(rows), "records,", len(chosen), "tried")
    for reason, count in outcomes.most_common():
        print(f"{count:5} {reason}")


if __name__ == "__main__":
    main()
