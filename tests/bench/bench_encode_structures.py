"""Speed of ``encode`` on mmCIF files, against Biopython and against a bare gemmi loop, in one run.

Run ``python -m tests.bench.bench_encode_structures --data ../shared/data``. Each is timed in turn, several rounds;
the ratios of the medians count. Targets: 12 times Biopython, 0.6 of the gemmi loop.
"""

from __future__ import annotations

import argparse
import gzip
import io
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from tests.bench.data import require_data

CUTOFF_ANGSTROM = 4.5


def with_logos(paths: list[Path]) -> int:
    """Encode and write the records as JSON: everything that the command does but start."""
    from logos_cli.workflows.encode import encode

    return sum(len(record.to_json()) > 0 for path in paths for record in encode(str(path)))


def with_gemmi(paths: list[Path]) -> int:
    """Parse, and search around every atom of every ligand; no SMILES, no records."""
    import gemmi

    n_sites = 0
    for path in paths:
        structure = gemmi.read_structure(str(path))
        structure.setup_entities()
        model = structure[0]
        search = gemmi.NeighborSearch(model, gemmi.UnitCell(), CUTOFF_ANGSTROM).populate(include_h=False)
        for chain in model:
            for ligand in chain.get_ligands():
                near = set()
                for atom in ligand:
                    for mark in search.find_atoms(atom.pos, radius=CUTOFF_ANGSTROM):
                        found = mark.to_cra(model)
                        near.add((found.chain.name, str(found.residue.seqid)))
                n_sites += bool(near)
    return n_sites


def with_biopython(paths: list[Path]) -> int:
    """Do the same with Biopython."""
    from Bio.PDB import MMCIFParser, NeighborSearch

    n_sites = 0
    for path in paths:
        with gzip.open(path, "rt") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = MMCIFParser(QUIET=True).get_structure("x", io.StringIO(stream.read()))[0]
        search = NeighborSearch([atom for atom in model.get_atoms() if atom.element not in ("H", "D")])
        for residue in model.get_residues():
            if residue.id[0].startswith("H_"):
                near = set()
                for atom in residue:
                    near.update(search.search(atom.coord, CUTOFF_ANGSTROM, "R"))
                n_sites += bool(near)
    return n_sites


def median_s(work: Callable[[list[Path]], int], paths: list[Path]) -> float:
    """Time one round."""
    started = time.perf_counter()
    work(paths)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without-biopython", action="store_true")
    options = parser.parse_args()
    pattern = "complexes/posebusters_raw_mmcif/*.cif.gz"
    paths = sorted(require_data(parser, options.data, pattern).glob(pattern))
    works = {"logos": with_logos, "gemmi": with_gemmi, "biopython": with_biopython}
    if options.without_biopython:
        del works["biopython"]
    times: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work(paths[:2])
    for number in range(options.rounds):
        for name, work in works.items():
            if name != "biopython" or number < 2:
                times[name].append(median_s(work, paths))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name}: {len(paths) / value:.1f} files/s (median of {len(times[name])})")
    print(f"logos / gemmi loop: {medians['gemmi'] / medians['logos']:.2f} (target 0.60)")
    if "biopython" in medians:
        print(f"logos / Biopython: {medians['biopython'] / medians['logos']:.1f} (target 12)")


if __name__ == "__main__":
    main()
