"""Figures of the embedded model's family, on held-out data, with bootstrap 95 % intervals.

``python -m tests.bench.figures_nano measure [PARTS…] --model DIRECTORY… --corpus corpus -o figures`` measures each
model and writes ``figures/NAME.json`` after each part; parts that are there already are not measured again, unless the
weights, the corpus or the scale are others or ``--again`` is given. Parts are losses, fitness, sites, pockets,
molecules, antibodies, materials, forms, reactions, defaults.

``python -m tests.bench.figures_nano report FAMILY.json… --shipped FILE.json --before FIRST.json`` writes the tables of the model
card, ``docs/measurements/scaling.md``, its plot and the JSON files beside them.

``python -m tests.bench.figures_nano sweep [TASKS…] --model DIRECTORY --corpus corpus -o sweep.jsonl`` measures samples at
other temperatures, cuts and penalties; what is in the file is not measured again.

``python -m tests.bench.figures_nano targets FILE.json`` prints what the second edition is asked for, and what it does.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rdkit import rdBase

from tests.bench.data import require_data
from tests.bench.figures.bench import Bench, HeldOut, say
from tests.bench.figures.fitness import fitness
from tests.bench.figures.losses import losses
from tests.bench.figures.metrics import Figures
from tests.bench.figures.pockets import pockets
from tests.bench.figures.reactions import reactions
from tests.bench.figures.report import write_card, write_editions, write_json, write_scaling
from tests.bench.figures.samples import antibodies, forms, materials, molecules
from tests.bench.figures.sampling import TASKS, defaults, rows_of, sweep
from tests.bench.figures.sites import sites
from tests.bench.figures.targets import target_rows

ROOT: Final = Path(__file__).resolve().parents[2]
SHIPPED: Final = "logos-nano"

PARTS: Final[dict[str, Callable[[Bench], dict[str, Any]]]] = {
    part.__name__: part
    for part in (losses, fitness, sites, pockets, molecules, antibodies, materials, forms, reactions, defaults)
}


def measure(
    bench: Bench, parts: Sequence[str], path: Path, *, scales: Mapping[str, float] | None = None, again: bool = False
) -> Figures:
    """Measure the parts that are not yet in the file, and write it after each one.

    Parameters
    ----------
    scales : mapping of str to float, optional
        Parts whose sample sizes have a share of their own.
    """
    facts = bench.facts
    known: Figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if known.get("model") != facts:
        if known:
            say(f"{path} is of other weights, another corpus or another scale: all parts anew")
        known = {"model": facts, "seconds": {}, "scales": {}}
    own = known.setdefault("scales", {})
    usual, scales = bench.scale, scales or {}
    for name in parts:
        bench.scale = scales.get(name, usual)
        if name in known and own.get(name, usual) == bench.scale and not again:
            say(f"{facts['name']}, {name}: is there already")
            continue
        say(f"{facts['name']}, {name}")
        start, busy = time.monotonic(), time.process_time()
        known[name] = PARTS[name](bench)
        known["seconds"][name] = round(time.monotonic() - start)
        own[name] = bench.scale
        write_json(path, known)
        busy = time.process_time() - busy
        say(f"{facts['name']}, {name}: {known['seconds'][name]} s, {busy:.0f} s of processor time")
    bench.scale = usual
    return known


def run_measure(args: argparse.Namespace) -> None:
    """Measure every model that was named."""
    rdBase.DisableLog("rdApp.*")
    args.output.mkdir(parents=True, exist_ok=True)
    held_out = HeldOut(args.corpus)
    for model in args.model or [ROOT / "tokenizers" / SHIPPED]:
        bench = Bench(model, held_out, args.data, args.scale, args.device, dict(args.seen))
        path = args.output / f"{bench.directory.name}.json"
        figures = measure(bench, args.parts or list(PARTS), path, scales=dict(args.scale_of), again=args.again)
        print(json.dumps(figures, indent=1, ensure_ascii=False))


def run_report(args: argparse.Namespace) -> None:
    """Write the card and the page about sizes."""
    family = [figures for path in args.figures for figures in models_of(path)]
    shipped = json.loads(args.shipped.read_text(encoding="utf-8"))
    write_card(args.card, shipped, family)
    if args.before is not None:
        write_editions(args.card, json.loads(args.before.read_text(encoding="utf-8")), shipped)
    write_scaling(args.docs, family)


def models_of(path: Path) -> list[Figures]:
    """Return the figures of a file: of one model, or of a family as ``scaling.json`` holds it."""
    found = json.loads(path.read_text(encoding="utf-8"))
    models: list[Figures] = found.get("models", [found])
    return models


def run_sweep(args: argparse.Namespace) -> None:
    """Measure samples of each task at many values, and print the tables."""
    rdBase.DisableLog("rdApp.*")
    bench = Bench(args.model, HeldOut(args.corpus), args.data, args.scale, args.device)
    text = args.output.read_text(encoding="utf-8") if args.output.exists() else ""
    known = [json.loads(line) for line in text.splitlines()]
    with args.output.open("a", encoding="utf-8") as stream:
        for task in args.tasks or TASKS:
            done = [row["sampling"] for row in known if row["task"] == task]
            for row in sweep(bench, task, done):
                known.append(row)
                stream.write(json.dumps(row) + "\n")
                stream.flush()
    print(*rows_of(known), sep="\n")


def run_targets(args: argparse.Namespace) -> None:
    """Print the targets."""
    print(*target_rows(json.loads(args.figures.read_text(encoding="utf-8"))), sep="\n")


def part_and_share(text: str) -> tuple[str, float]:
    """Read an option's value such as ``sites=1``."""
    part, _, share = text.partition("=")
    if part not in PARTS:
        raise argparse.ArgumentTypeError(f"there is no part {part!r}")
    return part, float(share)


def domain_and_tokens(text: str) -> tuple[str, int]:
    """Read an option's value such as ``protein=7.5e6``."""
    domain, _, number = text.partition("=")
    return domain, int(float(number))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("measure", help="measure models")
    command.set_defaults(run=run_measure)
    command.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all if none is named")
    command.add_argument("--model", type=Path, action="append", help="a model directory; more than once for a family")
    command.add_argument("--corpus", type=Path, default=ROOT / "corpus")
    command.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    command.add_argument("--scale", type=float, default=1.0, help="share of the full sample sizes")
    command.add_argument(
        "--scale-of",
        type=part_and_share,
        action="append",
        default=[],
        metavar="PART=SHARE",
        help="another share for a part, such as sites=1",
    )
    command.add_argument("--device", default="auto")
    command.add_argument(
        "--seen",
        type=domain_and_tokens,
        action="append",
        default=[],
        metavar="DOMAIN=TOKENS",
        help="tokens of a domain that the model was trained on: a 5-gram of as many is measured too",
    )
    command.add_argument("--again", action="store_true", help="measure parts that are there already")
    command.add_argument("-o", "--output", type=Path, default=ROOT / "figures", help="directory of the JSON files")
    command = commands.add_parser("sweep", help="measure samples at other temperatures, cuts and penalties")
    command.set_defaults(run=run_sweep)
    command.add_argument("tasks", nargs="*", help=f"of {', '.join(TASKS)}; all if none is named")
    command.add_argument("--model", type=Path, default=ROOT / "tokenizers" / SHIPPED)
    command.add_argument("--corpus", type=Path, default=ROOT / "corpus")
    command.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    command.add_argument("--scale", type=float, default=1.0)
    command.add_argument("--device", default="auto")
    command.add_argument("-o", "--output", type=Path, default=Path("sweep.jsonl"))
    command = commands.add_parser("report", help="write card, page and plot")
    command.set_defaults(run=run_report)
    command.add_argument("figures", type=Path, nargs="+", help="JSON files of measure, of a family of sizes")
    command.add_argument(
        "--shipped", type=Path, required=True, help="JSON file of the model that the card is of; it may be one of them"
    )
    command.add_argument(
        "--before", type=Path, help="JSON file of measure of the first edition, for the table of editions"
    )
    command.add_argument("--card", type=Path, default=ROOT / "tokenizers" / SHIPPED / "README.md")
    command.add_argument("--docs", type=Path, default=ROOT / "docs" / "measurements")
    command = commands.add_parser("targets", help="print the targets of the second edition")
    command.set_defaults(run=run_targets)
    command.add_argument("figures", type=Path, help="a JSON file of measure")
    args = parser.parse_args()
    if unknown := set(getattr(args, "parts", ())) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}")
    if args.run is run_measure:
        require_data(parser, args.data, "*")
    args.run(args)


if __name__ == "__main__":
    main()
