"""How fast molecules are scored, metric by metric and all together, on one core.

python -m tests.bench.bench_molecule_scores --data ../shared/data [--count 10000] [--reference 3000] [--each]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from logos_cli.evaluators.base import Context, Subject
from logos_cli.evaluators.molecules.plugin import PLUGIN
from logos_cli.evaluators.reference import ReferenceSet
from logos_cli.grammar import Form
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Record
from tests.bench.bench_smiles import molecules
from tests.bench.data import require_data

BATCH = 256


def subject(smiles: str) -> Subject:
    return Subject(Record(smiles, Form.MOLECULE, ""), Molecule(smiles), Form.MOLECULE)


def rate(count: int, work: Callable[[], object]) -> float:
    """Return molecules per second of processor time."""
    began = time.process_time()
    work()
    return count / (time.process_time() - began)


def forget() -> None:
    from logos_cli.evaluators.molecules.properties import measure

    measure.cache_clear()


def all_together(subjects: list[Subject], context: Context) -> list[object]:
    """Score and observe as a run does, batch by batch; print the rate."""
    wanted = [metric.name for metric in PLUGIN.metrics if all(context.offers(need) for need in metric.needs)]
    seen: list[object] = []

    def run() -> None:
        for start in range(0, len(subjects), BATCH):
            batch = subjects[start : start + BATCH]
            PLUGIN.score_batch(batch, wanted, context)
            seen.extend(PLUGIN.observe(each, context) for each in batch)

    forget()
    print(
        f"{len(subjects):,} molecules, {len(wanted)} metrics, with what figures need: {rate(len(subjects), run):,.0f}/s"
    )
    return seen


def figures(seen: list[object], context: Context) -> None:
    for metric in PLUGIN.summary_metrics:
        began = time.process_time()
        found = PLUGIN.summarise(seen, (metric.name,), context)[metric.name]
        value = "–" if found.value is None else f"{found.value:.4g}"
        print(f"  {metric.name:26} {time.process_time() - began:6.2f} s  {value}")


def each_alone(subjects: list[Subject], context: Context) -> None:
    """Print what each metric takes when the molecule is read for it alone."""
    for metric in PLUGIN.metrics:
        if all(context.offers(need) for need in metric.needs):
            forget()
            found = rate(len(subjects), lambda name=metric.name: PLUGIN.score_batch(subjects, (name,), context))
            print(f"  {metric.name:26} {1e6 / found:6.0f} µs, reading included")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--reference", type=int, default=0, help="molecules of the reference set")
    parser.add_argument("--each", action="store_true", help="each metric alone as well")
    options = parser.parse_args()
    require_data(parser, options.data, "molecules/molecules.train.smi.xz")
    smiles = molecules(options.data, options.count + options.reference)
    subjects = [subject(each) for each in smiles[: options.count]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reference.smi"
        path.write_text("\n".join(smiles[options.count :]) + "\n", encoding="utf-8")
        context = Context(reference=ReferenceSet(str(path)) if options.reference else None)
        names = [metric.name for metric in (*PLUGIN.metrics, *PLUGIN.summary_metrics)]
        PLUGIN.prepare(names, context)
        seen = all_together(subjects, context)
        figures(seen, context)
        if options.each:
            each_alone(subjects[:2000], context)


if __name__ == "__main__":
    main()
