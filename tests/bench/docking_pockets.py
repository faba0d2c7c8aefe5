"""CrossDocked test pockets: Vina's score of their own ligands, of logos-nano's, and of random molecules."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem

from logos_cli.chemistry.smiles import parse_smiles
from logos_cli.docking.box import Box
from logos_cli.docking.tally import DockTally
from logos_cli.errors import LogosError
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.grammar import Form
from logos_cli.io.input import Input
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Status
from logos_cli.structure.ligand.user_molecule import read_given
from logos_cli.workflows.decode import decode
from logos_cli.workflows.dock.docking import BoxOptions, DockOptions, dock
from logos_cli.workflows.generate.generation import generate

SEED = 1
PUBLISHED_ROOM_ANGSTROM = 2.5
"""Published scores of these ligands were taken in a box 5 Å wider than the ligand (TargetDiff, 2023)."""

SIDE_ANGSTROM = 22.0
_ATOM = re.compile(r"\[[^\]]*\]|Br|Cl|[BCNOFPSIbcnops]")
_KNOWN_TO_VINA = frozenset(("H", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br", "I"))
_SIZES = range(5, 61)
"""Heavy atoms of the library's molecules."""
_UNKNOWN_TO_VINA = re.compile(r"\[?(B(?!r)|b|Se|se)")


@dataclass(frozen=True, slots=True)
class Pocket:
    """A receptor with its ligand's pose."""

    name: str
    receptor: Path
    ligand: Path

    def reference(self) -> Chem.Mol:
        """Return the ligand in its pose."""
        given = read_given(str(self.ligand))[0]
        if isinstance(given, LogosError):
            raise given
        return given.molecule

    def prompt(self) -> ScienceObject:
        """Return the pocket, as ``encode`` reads it, with the ligand that the task leaves out."""
        with Input(str(self.receptor)) as source:
            options = ReadOptions(form=Form.COMPLEX, ligand=str(self.ligand))
            entry = next(iter(detect(source).read(source, options)))
        if entry.item is None:
            raise entry.error or LogosError(f"no pocket in {self.receptor}")
        return entry.item


def crossdocked(data: Path) -> list[Pocket]:
    """Return the test pairs in a fixed random order, so that any beginning is a sample of all."""
    found = []
    for ligand in sorted((data / "crossdocked_test").glob("*/*.sdf.gz")):
        receptor = ligand.with_name(f"{ligand.name.partition('_rec')[0]}_rec.pdb.gz")
        found.append(Pocket(ligand.name.removesuffix(".sdf.gz"), receptor, ligand))
    order = np.random.default_rng(SEED).permutation(len(found))
    return [found[index] for index in order]


class Library:
    """Molecules to draw from, by their number of heavy atoms."""

    def __init__(self, path: Path) -> None:
        self._by_size: dict[int, list[str]] = {}
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                smiles = line.split("\t", 1)[0]
                if "." not in smiles and not _UNKNOWN_TO_VINA.search(smiles):
                    self._by_size.setdefault(_estimated_size(smiles), []).append(smiles)

    def like(self, sizes: Sequence[int], name: str) -> list[str]:
        """Return one molecule for each size, by chance but always the same for a name."""
        rng = np.random.default_rng([SEED, *name.encode()])
        return [self._one(size, rng) for size in sizes]

    def _one(self, size: int, rng: np.random.Generator) -> str:
        near = [each for delta in (-1, 0, 1) for each in self._by_size.get(size + delta, ())]
        if not near:
            raise LogosError(f"the library has no molecule of {size} heavy atoms")
        return near[int(rng.integers(len(near)))]


def _estimated_size(smiles: str) -> int:
    """Count heavy atoms in a canonical SMILES without parsing it: letters that begin an atom."""
    return len(_ATOM.findall(smiles))


def n_heavy_atoms(smiles: str) -> int:
    """Return the number of heavy atoms."""
    return int(parse_smiles(smiles).GetNumHeavyAtoms())


def reference_row(pocket: Pocket, modes: Sequence[str], exhaustiveness: int) -> dict[str, Any]:
    """Score, relax and dock the ligand of a pocket in the box of the published figures."""
    row: dict[str, Any] = {"name": pocket.name, "ok": True, "heavy_atoms": pocket.reference().GetNumHeavyAtoms()}
    for mode in modes:
        options = DockOptions(
            BoxOptions(ligand=str(pocket.ligand), add_angstrom=PUBLISHED_ROOM_ANGSTROM),
            mode=mode,
            exhaustiveness=exhaustiveness,
            n_poses=1,
            seed=SEED,
            cpu=1,
        )
        tally = DockTally()
        record = next(dock(pocket.receptor, str(pocket.ligand), options, tally=tally))
        if record.status is Status.OK:
            row[mode] = record.scores["vina"]["value"]
            row[f"{mode}_s"] = round(tally.search_s, 2)
        else:
            row |= {"ok": False, "class": mode, "reason": record.reason}
    return row


def generated_row(pocket: Pocket, library: Library, count: int, exhaustiveness: int) -> dict[str, Any]:
    """Dock what logos-nano designs for a pocket, as many random molecules of these sizes, and its own ligand."""
    reference = pocket.reference()
    box = Box.around(reference.GetConformer().GetPositions(), 0, pocket.name, (SIDE_ANGSTROM,) * 3)
    refused: list[str] = []
    designed = list(_designed(pocket, count, refused))
    drawn = library.like([n_heavy_atoms(smiles) for smiles in designed], pocket.name)
    options = DockOptions(
        BoxOptions(center_angstrom=box.center_angstrom, size_angstrom=(SIDE_ANGSTROM,) * 3),
        exhaustiveness=exhaustiveness,
        n_poses=1,
        seed=SEED,
        cpu=1,
    )
    groups = {"reference": [str(Chem.MolToSmiles(reference))], "generated": designed, "random": drawn}
    flat = [(group, smiles) for group, members in groups.items() for smiles in members]
    row: dict[str, Any] = {"name": pocket.name, "ok": True, "exhaustiveness": exhaustiveness, "refused": refused}
    row |= {group: [] for group in groups}
    records = dock(pocket.receptor, [Molecule(smiles) for _, smiles in flat], options)
    for (group, smiles), record in zip(flat, records, strict=True):
        score = record.scores["vina"]["value"] if record.status is Status.OK else None
        told = {"smiles": smiles, "heavy_atoms": n_heavy_atoms(smiles), "vina": score}
        row[group].append(told if score is not None else told | {"reason": record.reason})
    return row


def _designed(pocket: Pocket, count: int, refused: list[str]) -> Iterator[str]:
    """Yield the first distinct valid ligands that logos-nano samples from its whole distribution.

    Those of elements that Vina does not know, hemes mostly, and those outside the library's sizes go into
    ``refused``.
    """
    records = generate(
        "ligand", pocket.prompt(), n_samples=40 * count, temperature=1.0, top_p=1.0, seed=SEED, threads=1
    )
    seen: set[str] = set()
    for record in records:
        item = decode(record) if record.status is Status.OK else None
        if not isinstance(item, Complex) or not item.ligand:
            continue
        molecule = parse_smiles(item.ligand)
        smiles = str(Chem.MolToSmiles(molecule))
        if smiles in seen or smiles in refused:
            continue
        is_known = {atom.GetSymbol() for atom in molecule.GetAtoms()} <= _KNOWN_TO_VINA
        if not is_known or molecule.GetNumHeavyAtoms() not in _SIZES:
            refused.append(smiles)
            continue
        seen.add(smiles)
        yield smiles
        if len(seen) == count:
            return


# -- summaries -----------------------------------------------------------------------------------------


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean."""
    drawn = np.random.default_rng(SEED).choice(values, (10_000, len(values))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def stated(values: Sequence[float], digits: int = 2) -> str:
    """Return a mean with its interval as text."""
    low, high = interval(values)
    return f"{np.mean(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f}), n = {len(values)}"


def reference_summary(rows: Sequence[dict[str, Any]]) -> None:
    """Print the mean score of the reference ligands by mode."""
    for mode in ("score", "minimize", "dock"):
        if values := [row[mode] for row in rows if mode in row]:
            print(f"{mode}: mean {stated(values)}; median {np.median(values):.2f} kcal/mol")


def generated_summary(rows: Sequence[dict[str, Any]]) -> None:
    """Print mean scores by group, and how often a designed ligand beats the random ones of its pocket."""
    means: dict[str, list[float]] = {}
    wins, above = [], []
    for row in rows:
        scores = {
            group: [each["vina"] for each in row[group] if each["vina"] is not None]
            for group in ("reference", "generated", "random")
        }
        if not all(scores.values()):
            continue
        for group, values in scores.items():
            means.setdefault(group, []).append(float(np.mean(values)))
        designed, drawn = np.array(scores["generated"]), np.array(scores["random"])
        wins.append(float((designed[:, None] < drawn[None, :]).mean()))
        above.append(float((designed < scores["reference"][0]).mean()))
    for group, values in means.items():
        sizes = [each["heavy_atoms"] for row in rows for each in row[group]]
        print(f"{group}: mean over pockets {stated(values)} kcal/mol; {np.mean(sizes):.1f} heavy atoms")
    gaps = [one - other for one, other in zip(means["generated"], means["random"], strict=True)]
    print(f"generated minus random: {stated(gaps)} kcal/mol")
    print(f"share of designed-random pairs of a pocket that the designed one wins: {stated(wins, 3)}")
    print(f"share of designed ligands better than the pocket's own: {stated(above, 3)}")
    lost = [
        each
        for row in rows
        for group in ("reference", "generated", "random")
        for each in row[group]
        if each["vina"] is None
    ]
    n_refused = sum(len(row["refused"]) for row in rows)
    print(f"designed with elements that Vina does not know or below {_SIZES.start} atoms, left out: {n_refused}")
    print(f"not docked: {len(lost)}")
    for each in lost:
        print(f"  {each['smiles']}: {each['reason']}")
