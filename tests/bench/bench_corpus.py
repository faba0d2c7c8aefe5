"""Sentences a minute and core that ``logos corpus build`` makes, end to end, from files to verified shards.

python -m pytest -m bench -s tests/bench/bench_corpus.py

The figures are of processor time, so that they hold on a machine that does other work meanwhile. What is asked
for is 100,000 sentences a minute and core from records and from native files of lines; alignment and augmentation
of reactions call RDKit for every molecule and are reported beside it.
"""

from __future__ import annotations

import csv
import json
import lzma
import random
import time
from pathlib import Path

import pytest

from logos_cli.chemistry.smiles_variants import canonical
from logos_cli.objects.base import to_text
from logos_cli.objects.complex import Complex
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.resources import EMBEDDED
from logos_cli.workflows.corpus.corpus import build
from logos_cli.workflows.corpus.options import BuildOptions
from logos_cli.workflows.corpus.sentences import SentenceOptions

pytestmark = pytest.mark.bench

ASKED_PER_MINUTE = 100_000
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"


def lines_of(path: Path) -> list[str]:
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        return stream.read().splitlines()


def measure(name: str, source: Path, output: Path, options: BuildOptions | None = None) -> float:
    """Build, print and return the sentences a minute of processor time."""
    wall, start = time.monotonic(), time.process_time()
    report = build(source, output, options)
    seconds = time.process_time() - start
    tokens = sum(e["n_tokens"] for s in report.manifest["domains"].values() for e in s.values())
    rate = report.n_made / seconds * 60
    print(
        f"\n{name:36} {report.records.read:>8,} records {report.n_made:>8,} sentences {tokens:>11,} tokens  "
        f"{seconds:6.1f} s of CPU ({time.monotonic() - wall:.1f} s)  {rate:>9,.0f} sentences/min"
    )
    return rate


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Sites and complexes, of which every record gives four or seven sentences, and plain proteins."""
    rng = random.Random(0)
    path = tmp_path / "records.jsonl"
    with path.open("w") as stream:
        for number in range(3000):
            chain = Protein(
                "".join(rng.choices(RESIDUES, k=rng.randint(80, 500))), tuple(sorted(rng.sample(range(80), 15)))
            )
            item = (Complex((chain,)), Complex((chain,), "CC(=O)Oc1ccccc1C(=O)O"), Protein(chain.sequence))[number % 3]
            form = ("site", "complex", "protein")[number % 3]
            text = to_text(item, {str(f): f for f in item.forms}[form])
            stream.write(json.dumps({"schema": 1, "id": str(number), "kind": form, "text": text}) + "\n")
    return path


def test_records_of_every_form(records: Path, tmp_path: Path) -> None:
    assert measure("records: sites, complexes, proteins", records, tmp_path / "c") > ASKED_PER_MINUTE


def test_smiles(shared_data: Path, tmp_path: Path) -> None:
    lines = lines_of(shared_data / "molecules" / "molecules.train.smi.xz")
    source = tmp_path / "m.smi"
    source.write_text("".join(f"{line.split()[0]}\n" for line in random.Random(0).sample(lines, 100_000)))
    assert measure("SMILES", source, tmp_path / "c") > ASKED_PER_MINUTE


def test_fasta(shared_data: Path, tmp_path: Path) -> None:
    text = "\n".join(lines_of(shared_data / "proteins" / "pfam_domains_balifam.fasta.xz")[:60_000])
    source = tmp_path / "p.fasta"
    source.write_text(text[: text.rindex("\n>")] + "\n")
    assert measure("FASTA", source, tmp_path / "c") > ASKED_PER_MINUTE


def test_fasta_with_a_large_vocabulary(shared_data: Path, tmp_path: Path) -> None:
    from tests.unit.training.test_vocabulary import train_bpe

    model = train_bpe(tmp_path / "model", n_tokens=60_000)
    text = "\n".join(lines_of(shared_data / "proteins" / "pfam_domains_balifam.fasta.xz")[:60_000])
    source = tmp_path / "p.fasta"
    source.write_text(text[: text.rindex("\n>")] + "\n")
    assert measure("FASTA, byte-pair encoding", source, tmp_path / "c", BuildOptions(str(model))) > ASKED_PER_MINUTE


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("reactions", SentenceOptions()),
        ("reactions, aligned", SentenceOptions(align=True)),
        ("reactions, aligned, 4 augmented", SentenceOptions(align=True, n_augmented=4)),
    ],
)
def test_reactions(shared_data: Path, tmp_path: Path, name: str, options: SentenceOptions) -> None:
    rows = list(csv.DictReader(lines_of(shared_data / "reactions" / "uspto50k.csv.xz")))
    source = tmp_path / "r.jsonl"
    with source.open("w") as stream:
        for row in random.Random(0).sample(rows, 1000):
            text = to_text(Reaction(tuple(row["reactants"].split(".")), row["product"]))
            stream.write(json.dumps({"text": text}) + "\n")
    canonical.cache_clear()
    rate = measure(name, source, tmp_path / "c", BuildOptions(EMBEDDED, sentences=options))
    assert options.align or rate > ASKED_PER_MINUTE


def test_molecules_with_random_writings(shared_data: Path, tmp_path: Path) -> None:
    lines = lines_of(shared_data / "molecules" / "molecules.train.smi.xz")
    source = tmp_path / "m.smi"
    source.write_text("".join(f"{line.split()[0]}\n" for line in random.Random(0).sample(lines, 10_000)))
    measure("SMILES, 4 randomized", source, tmp_path / "c", BuildOptions(sentences=SentenceOptions(n_randomized=4)))
