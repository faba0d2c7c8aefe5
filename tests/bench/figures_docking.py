"""Figures of docking on real complexes: receptors that can be prepared, redocking, time, CrossDocked pockets.

    python -m tests.bench.figures_docking DATA receptors -o receptors.jsonl
    python -m tests.bench.figures_docking DATA redock -o redock.jsonl --count 100 --exhaustiveness 8
    python -m tests.bench.figures_docking DATA reference -o reference.jsonl --modes score minimize
    python -m tests.bench.figures_docking DATA generated -o generated.jsonl --count 10 --exhaustiveness 4
    python -m tests.bench.figures_docking DATA speed -o speed.jsonl --ligands 12
    python -m tests.bench.figures_docking DATA summary redock.jsonl

DATA is the folder ``complexes``, beside which ``molecules`` lies. Each result is a line that is written at once, and
what is there is not done again: a run can be stopped, continued, and summed up while it goes on.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem

from logos_cli.chemistry.molblock import read_molblock
from logos_cli.docking.box import Box
from logos_cli.docking.receptor import preparation as receptors
from logos_cli.docking.tally import DockTally
from logos_cli.errors import LogosError
from logos_cli.io.input import Input
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Status
from logos_cli.workflows.dock.docking import BoxOptions, DockOptions, dock
from tests.bench import docking_pockets as pockets
from tests.bench import docking_speed as speed
from tests.bench.docking_pockets import interval

SIDE_ANGSTROM = 25.0
NEAR_ANGSTROM = 2.0
SEED = 1


@dataclass(frozen=True, slots=True)
class Pair:
    """A complex with the crystal ligand as SDF."""

    name: str
    receptor: Path
    ligand: Path

    def crystal(self) -> Chem.Mol:
        """Return the ligand in its crystal pose, without hydrogens."""
        text = gzip.decompress(self.ligand.read_bytes()).decode()
        return read_molblock(text.partition("M  END")[0] + "M  END\n")[0]

    def box(self) -> tuple[Box, Any]:
        """Return the box around the crystal ligand, and its positions."""
        positions = self.crystal().GetConformer().GetPositions()
        return Box.around(positions, 0, self.name, (SIDE_ANGSTROM,) * 3), positions


def posebusters(data: Path) -> list[Pair]:
    """Return the pairs of the PoseBusters benchmark, in the order of their names."""
    folder = data / "posebusters"
    return [
        Pair(path.name.removesuffix("_ligand.sdf.gz"), path.with_name(path.name.replace("_ligand.sdf", ".pdb")), path)
        for path in sorted(folder.glob("*_ligand.sdf.gz"))
    ]


def prepared(pair: Pair, *, cache: bool) -> receptors.Receptor:
    """Return the receptor of a pair."""
    box, positions = pair.box()
    with Input(str(pair.receptor)) as source:
        model = receptors.read_model(source)
    return receptors.prepare(model, box, occupied=positions, cache=cache)


def receptor_row(pair: Pair) -> dict[str, Any]:
    """Prepare one receptor from nothing, and let Vina read it."""
    start = time.perf_counter()
    try:
        made = prepared(pair, cache=False)
    except LogosError as error:
        return {"name": pair.name, "ok": False, "class": type(error).__name__, "reason": str(error)}
    wall = time.perf_counter() - start
    return {
        "name": pair.name,
        "ok": True,
        "wall_s": round(wall, 2),
        "atoms": len(made.rigid_pdbqt.splitlines()),
        "notes": list(made.notes),
    }


def redock_row(pair: Pair, exhaustiveness: int) -> dict[str, Any]:
    """Dock a crystal ligand from its SMILES into a box around it, and measure how far the poses are from it."""
    smiles = str(Chem.MolToSmiles(pair.crystal()))
    options = DockOptions(
        BoxOptions(ligand=str(pair.ligand), size_angstrom=(SIDE_ANGSTROM,) * 3),
        exhaustiveness=exhaustiveness,
        seed=SEED,
        cpu=1,
        reference=str(pair.ligand),
        check=True,
    )
    start = time.perf_counter()
    tally = DockTally()
    record = next(dock(pair.receptor, Molecule(smiles), options, tally=tally))
    row: dict[str, Any] = {"name": pair.name, "ok": record.status is Status.OK, "exhaustiveness": exhaustiveness}
    if record.status is not Status.OK:
        return row | {"class": "ligand", "reason": record.reason}
    told = record.extra["docking"]
    distances = [pose.get("rmsd_angstrom") for pose in told["poses"]]
    return row | {
        "vina": record.scores["vina"]["value"],
        "rmsd": distances[0],
        "rmsds": distances,
        "valid": told["checks"]["valid"],
        "failed": told["checks"]["failed"],
        "n_torsions": told["n_torsions"],
        "search_s": round(tally.search_s, 2),
        "wall_s": round(time.perf_counter() - start, 2),
    }


def attempted(work: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """Return the work with its errors told as rows."""

    def row(pair: Any) -> dict[str, Any]:
        try:
            return work(pair)
        except LogosError as error:
            return {"name": pair.name, "ok": False, "class": type(error).__name__, "reason": str(error)}

    return row


def run(pairs: Iterable[Any], work: Callable[[Any], dict[str, Any]], output: Path) -> None:
    """Do what has not been done yet, one line at a time."""
    done = {row["name"] for row in rows(output)} if output.exists() else set()
    with output.open("a", encoding="utf-8") as stream:
        for pair in pairs:
            if pair.name not in done:
                stream.write(json.dumps(work(pair)) + "\n")
                stream.flush()


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the results of a file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def summary(path: Path) -> None:
    """Print what the rows of a file say."""
    found = list(rows(path))
    good = [row for row in found if row["ok"]]
    print(f"{len(good)} of {len(found)} ({len(good) / len(found):.1%})")
    for reason, count in Counter(row.get("class", "") for row in found if not row["ok"]).most_common():
        print(f"  {count} {reason}")
        for row in found:
            if not row["ok"] and row.get("class", "") == reason:
                print(f"    {row['name']}: {row['reason']}")
    if any("vina_s" in row for row in good):
        speed.speed_summary(good)
    elif any("generated" in row for row in good):
        pockets.generated_summary(good)
    elif any(mode in row for row in good for mode in ("score", "minimize", "dock")):
        pockets.reference_summary(good)
    if distances := [row["rmsd"] for row in good if row.get("rmsd") is not None]:
        near = [float(distance <= NEAR_ANGSTROM) for distance in distances]
        both = [float(row["rmsd"] <= NEAR_ANGSTROM and row["valid"]) for row in good if row.get("rmsd") is not None]
        best = [float(min(row["rmsds"]) <= NEAR_ANGSTROM) for row in good if row.get("rmsd") is not None]
        for name, values in (("top pose within 2 Å", near), ("and PB-valid", both), ("any of the poses", best)):
            low, high = interval(values)
            print(f"{name}: {np.mean(values):.1%} ({low:.1%} to {high:.1%}) of {len(values)}")
        print(f"search: median {np.median([row['search_s'] for row in good]):.1f} s a ligand")
    if walls := [row["wall_s"] for row in good if "wall_s" in row]:
        print(f"wall time: median {np.median(walls):.1f} s, 90 % below {np.quantile(walls, 0.9):.1f} s")


def main() -> None:
    """Run or sum up one figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("figure", choices=("receptors", "redock", "reference", "generated", "speed", "summary"))
    parser.add_argument("rows", nargs="?", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("docking.jsonl"))
    parser.add_argument("--count", type=int, default=100, help="pairs, in a fixed random order")
    parser.add_argument("--exhaustiveness", type=int, default=8)
    parser.add_argument("--modes", nargs="+", default=["score", "minimize", "dock"], help="of reference")
    parser.add_argument("--ligands", type=int, default=5, help="designed and random ones a pocket")
    arguments = parser.parse_args()
    if arguments.figure == "summary":
        summary(arguments.rows or arguments.output)
    else:
        items, measure = work(arguments)
        if not items:
            parser.error(f"there are no structures for the figure {arguments.figure} in {arguments.data}")
        run(items, measure, arguments.output)


def work(arguments: argparse.Namespace) -> tuple[list[Any], Callable[[Any], dict[str, Any]]]:
    """Return what a figure is measured on, and how."""
    data, count, exhaustiveness = arguments.data, arguments.count, arguments.exhaustiveness
    if arguments.figure in ("reference", "generated", "speed"):
        chosen = pockets.crossdocked(data)[:count]
        if arguments.figure == "reference":
            return chosen, attempted(lambda each: pockets.reference_row(each, arguments.modes, exhaustiveness))
        library = pockets.Library(data.parent / "molecules" / "molecules.train.smi.xz")
        if arguments.figure == "speed":
            return chosen[:1], lambda each: speed.speed_row(each, library, arguments.ligands, exhaustiveness)
        return chosen, attempted(lambda each: pockets.generated_row(each, library, arguments.ligands, exhaustiveness))
    pairs = posebusters(data)
    if arguments.figure == "receptors":
        return pairs, receptor_row
    order = np.random.default_rng(SEED).permutation(len(pairs))[:count]
    return [pairs[index] for index in order], attempted(lambda pair: redock_row(pair, exhaustiveness))


if __name__ == "__main__":
    main()
