"""Figures that docs/guide/scores.md quotes: centres of sites, agreement of antibody regions, the fitness oracle, base pools.

python -m tests.bench.figures_bio_scores DATA [sites|antibodies|fitness ...]
"""

from __future__ import annotations

import argparse
import csv
import json
import lzma
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import numpy as np

from logos_cli.errors import LogosError
from logos_cli.evaluators.proteins.editing import Pool, base_pool
from logos_cli.evaluators.proteins.oracle import train_oracle
from logos_cli.evaluators.sites.geometry import dca, dcc
from logos_cli.evaluators.sites.truth import Floats, chain_atoms, read_structure
from logos_cli.io.input import Input
from logos_cli.objects.antibody_numbering import number_chains
from logos_cli.structure.distances import CONTACT_ANGSTROM
from logos_cli.structure.site_centre import site_centre
from tests.bench.data import require_data

_N_EACH = 30
_NEIGHBOUR_ANGSTROM = 14.0


def sites(data: Path) -> None:
    """Share of ligands that the centre of their residues meets: all of them, 60 %, and 60 % with as many others."""
    rng = Random(1)
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for ligand, lining, others, protein in _lined(data / "complexes" / "posebusters_raw_mmcif"):
        part = rng.sample(lining, max(2, round(0.6 * len(lining))))
        middle = np.concatenate(part).mean(axis=0)
        near = [each for each in others if np.linalg.norm(each.mean(axis=0) - middle) < _NEIGHBOUR_ANGSTROM]
        noisy = part + rng.sample(near, min(len(near), len(part)))
        for name, residues in (("all", lining), ("60 %", part), ("60 % and as many others", noisy)):
            centres = {
                "free space": site_centre(residues, protein),
                "mean of atoms": np.concatenate(residues).mean(axis=0),
            }
            for kind, centre in centres.items():
                found[name, kind].append((dca(centre, ligand), dcc(centre, ligand)))
    for (name, kind), rows in found.items():
        met = (np.array(rows) <= 4.0).mean(axis=0)
        print(f"{name:24} {kind:14} n {len(rows)}  DCA {met[0]:.1%}  DCC {met[1]:.1%}")


def _lined(folder: Path) -> Iterator[tuple[Floats, list[Floats], list[Floats], Floats]]:
    """Yield each relevant ligand with the residues that line it, the other residues, and the protein."""
    for path in sorted(folder.iterdir()):
        try:
            with closing(Input(str(path))) as source:
                structure = read_structure(source)
        except LogosError as error:
            print(error, file=sys.stderr)
            continue
        atoms = chain_atoms(str(path))
        residues = [
            each for chain in atoms.residues for each in list(chain.values())[-1] if len(each)
        ]  # the observed sequence comes last
        for ligand in structure.ligands:
            near = [_gap(each, ligand) <= CONTACT_ANGSTROM for each in residues]
            lining = [each for each, is_near in zip(residues, near, strict=True) if is_near]
            if len(lining) >= 3:
                others = [each for each, is_near in zip(residues, near, strict=True) if not is_near]
                yield ligand, lining, others, atoms.protein


def _gap(one: Floats, other: Floats) -> float:
    return float(np.linalg.norm(one[:, None] - other[None], axis=-1).min())


def antibodies(data: Path) -> None:
    """Agreement of IMGT regions with the annotated CDRs, thirty records of each source."""
    by_source = defaultdict(list)
    with lzma.open(data / "antibodies" / "antibodies.train.jsonl.xz", "rt", encoding="utf-8") as stream:
        for row in map(json.loads, stream):
            by_source[row["source"]].append(row)
    rng = Random(2)
    wanted = [
        (row["source"], row[chain], f"CDR-{letter}{n}", row[f"cdr{letter.lower()}{n}"])
        for rows in by_source.values()
        for row in rng.sample(rows, min(_N_EACH, len(rows)))
        for chain, letter in (("heavy", "H"), ("light", "L"))
        for n in (1, 2, 3)
        if row[chain] and row.get(f"cdr{letter.lower()}{n}")
    ]
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for (source, chain, name, cdr), domain in zip(
        wanted, number_chains([chain for _, chain, _, _ in wanted]), strict=True
    ):
        span = None if isinstance(domain, str) else domain.cdrs.get(name)
        verdict = "cut" if span is None else "same" if chain[slice(*span)] == cdr else "other"
        own = "harvey H2" if source == "harvey_vhh" and name == "CDR-H2" else "all but harvey H2"
        counts[own][verdict] += 1
    for name, count in counts.items():
        print(name, dict(count), f"{count['same'] / count.total():.1%} of {count.total():,}")


def fitness(data: Path) -> None:
    """Held-out rank correlation of the oracle, and the sizes of the base pools."""
    for name in ("aav", "avgfp"):
        with lzma.open(data / "fitness" / f"{name}.csv.xz", "rt", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        sequences, values = [row["sequence"] for row in rows], [float(row["score"]) for row in rows]
        held_out = train_oracle(sequences, values).held_out
        print(f"{name}: {len(rows):,} variants, oracle's held-out Spearman {held_out.to_dict()}")
        for pool in Pool:
            print(f"  {pool.name.lower()} pool: {len(base_pool(sequences, values, pool.value)):,}")


PARTS: dict[str, Callable[[Path], None]] = {"sites": sites, "antibodies": antibodies, "fitness": fitness}

_NEEDED = {
    "sites": "complexes/posebusters_raw_mmcif/*",
    "antibodies": "antibodies/antibodies.train.jsonl.xz",
    "fitness": "fitness/*.csv.xz",
}


def main() -> None:
    """Print the figures of the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all if none is named")
    args = parser.parse_args()
    parts = args.parts or [*PARTS]
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}")
    require_data(parser, args.data, *(_NEEDED[part] for part in parts))
    for part in parts:
        PARTS[part](args.data)


if __name__ == "__main__":
    main()
