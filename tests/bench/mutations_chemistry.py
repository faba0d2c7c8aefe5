"""Mutations of good files of molecules and crystals: right, refused, or wrong; wrong must not happen.

Run ``python -m tests.bench.mutations_chemistry [--count 200] [--seed 1] [--kind sdf]``. Right: the molecules of the good file, or
others with a note that says why. Refused: an error in place of each molecule that is not there. Wrong: another molecule
without a note, or fewer molecules without an error. Another SMILES, or
another element or charge in an SDF, is no fault: right is what RDKit reads.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rdkit import Chem, rdBase
from rdkit.Chem import AllChem

from logos_cli.errors import LogosError
from logos_cli.objects.base import to_text
from tests.crystals import MOF5, cif, cubic, embedded, shifted
from tests.structures import read

Lines = list[str]
Mutation = Callable[[Lines, random.Random], Lines]

ASPIRIN, AMIDE, ZWITTERION = "CC(=O)Oc1ccccc1C(=O)O", "CC(=O)Nc1ccc(Cl)cc1", "C[C@H]([NH3+])C(=O)[O-]"
MOLECULES: Final = (ASPIRIN, AMIDE, ZWITTERION)
JUNK: Final = ("", " ", "x", "-", "?", "9999", "nan", "1e9", "0", "C", "N", "H", "Xx", "CA", "\t", "'", ";")


def embed(smiles: str) -> Chem.Mol:
    """Return a molecule with hydrogens, relaxed."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(molecule, randomSeed=7)
    AllChem.MMFFOptimizeMolecule(molecule)
    return molecule


def mol2(smiles: str) -> str:
    """Return a MOL2 record with the types of SYBYL and the charges as Open Babel states them."""
    molecule = embed(smiles)
    Chem.Kekulize(molecule)
    kinds = {Chem.BondType.SINGLE: "1", Chem.BondType.DOUBLE: "2", Chem.BondType.TRIPLE: "3"}
    atoms, charges, bonds = [], [], []
    for atom, (x, y, z) in zip(molecule.GetAtoms(), molecule.GetConformer().GetPositions().tolist(), strict=True):
        number, symbol = atom.GetIdx() + 1, atom.GetSymbol()
        hybrid = {Chem.HybridizationType.SP3: "3", Chem.HybridizationType.SP2: "2", Chem.HybridizationType.SP: "1"}
        kind = symbol if symbol in {"H", "Cl"} else f"{symbol}.{hybrid[atom.GetHybridization()]}"
        kind = {"N.2": "N.am"}.get(kind, "N.4" if symbol == "N" and atom.GetFormalCharge() else kind)
        atoms.append(f"{number:7d} {symbol}{number:<6d} {x:10.4f}{y:10.4f}{z:10.4f} {kind:<6} 1 UNL1 0.0000")
        if atom.GetFormalCharge():
            charges += [f"{number} 1", f"charge {atom.GetFormalCharge()}"]
    for bond in molecule.GetBonds():
        ends = bond.GetBeginAtomIdx() + 1, bond.GetEndAtomIdx() + 1
        bonds.append(f"{bond.GetIdx() + 1:6d}{ends[0]:6d}{ends[1]:6d} {kinds[bond.GetBondType()]:>4}")
    lines = ["@<TRIPOS>MOLECULE", "name", f" {len(atoms)} {len(bonds)} 0 0 0", "SMALL", "USER_CHARGES", ""]
    lines += ["@<TRIPOS>ATOM", *atoms]
    if charges:
        lines += ["@<TRIPOS>UNITY_ATOM_ATTR", *charges]
    return "\n".join([*lines, "@<TRIPOS>BOND", *bonds]) + "\n"


def aminated() -> str:
    """Return MOF-5 with a quarter of an amino group on each ring carbon."""
    hydrogen = "H3 H 0.3065 0.1935 0.0463 1"
    site = "N1 N 0.31543 0.18457 0.05364 0.25"
    return cubic("irmof3", 25.832, MOF5.replace(hydrogen, f"{hydrogen[:-1]}0.75\n{site}"))


FILES: Final[dict[str, tuple[str, ...]]] = {
    "smi": ("".join(f"{smiles} molecule{n}\n" for n, smiles in enumerate(MOLECULES)),),
    "csv": (
        "id,smiles,activity,comment\n" + "".join(f'M{n},{smiles},{n}.5,"a, b"\n' for n, smiles in enumerate(MOLECULES)),
    ),
    "sdf": (
        "".join(f"{Chem.MolToMolBlock(embed(smiles))}> <ID>\nM{n}\n\n$$$$\n" for n, smiles in enumerate(MOLECULES)),
        "".join(f"{Chem.MolToV3KMolBlock(embed(smiles))}> <ID>\nM{n}\n\n$$$$\n" for n, smiles in enumerate(MOLECULES)),
    ),
    "mol2": ("".join(map(mol2, MOLECULES)),),
    "cif": (
        cubic("mof5", 25.832, MOF5),
        aminated(),
        cif(shifted(embedded(ASPIRIN), (6.0, 6.0, 6.0)), (20.0, 21.0, 22.0), operations=("x,y,z", "-x,-y,-z")).replace(
            "_cell", "_chemical_formula_sum 'C9 H8 O4'\n_cell", 1
        ),
        cif(embedded("NC(=O)c1ccccc1"), (15.0, 16.0, 17.0)),
    ),
}


def shift(lines: Lines, rng: random.Random) -> Lines:
    """Insert or lose characters at a column of a line, or of all lines."""
    at, text, lost = rng.randrange(0, 40), rng.choice((" ", "  ", "1", "A", "-", "")), rng.choice((0, 1, 2))
    rows = rng.choice(([rng.randrange(len(lines))], range(len(lines))))
    return [line[:at] + text + line[at + lost :] if n in rows and line else line for n, line in enumerate(lines)]


def cut_line(lines: Lines, rng: random.Random) -> Lines:
    """Cut a line off."""
    row = rng.choice([n for n, line in enumerate(lines) if len(line) > 1])
    return [*lines[:row], lines[row][: rng.randrange(1, len(lines[row]))], *lines[row + 1 :]]


def cut_file(lines: Lines, rng: random.Random) -> Lines:
    """Cut the file off inside a line."""
    return cut_line(lines, rng)[: rng.randrange(1, len(lines))]


def drop_line(lines: Lines, rng: random.Random) -> Lines:
    """Lose a line."""
    row = rng.randrange(len(lines))
    return [*lines[:row], *lines[row + 1 :]]


def repeat_line(lines: Lines, rng: random.Random) -> Lines:
    """Write a line twice."""
    row = rng.randrange(len(lines))
    return [*lines[:row], lines[row], *lines[row:]]


def swap_lines(lines: Lines, rng: random.Random) -> Lines:
    """Exchange two lines."""
    one, other = sorted(rng.sample(range(len(lines)), 2))
    swapped = list(lines)
    swapped[one], swapped[other] = lines[other], lines[one]
    return swapped


def replace_word(lines: Lines, rng: random.Random) -> Lines:
    """Write something else for a word."""
    row = rng.choice([n for n, line in enumerate(lines) if line.split()])
    words = lines[row].split()
    word = rng.choice(words)
    return [*lines[:row], lines[row].replace(word, rng.choice(JUNK), 1), *lines[row + 1 :]]


def drop_word(lines: Lines, rng: random.Random) -> Lines:
    """Lose a field of a line, or exchange two."""
    row = rng.choice([n for n, line in enumerate(lines) if len(line.split()) > 1])
    words = lines[row].split()
    place = rng.randrange(len(words) - 1)
    if rng.random() < 0.5:
        words[place], words[place + 1] = words[place + 1], words[place]
    else:
        del words[place]
    return [*lines[:row], " ".join(words), *lines[row + 1 :]]


def rename(lines: Lines, rng: random.Random) -> Lines:
    """Misspell a keyword, a tag, a column or an element."""
    row = rng.choice([n for n, line in enumerate(lines) if any(c.isalpha() for c in line)])
    line = lines[row]
    at = rng.choice([n for n, c in enumerate(line) if c.isalpha()])
    return [*lines[:row], line[:at] + rng.choice("xXqQzZ_") + line[at + 1 :], *lines[row + 1 :]]


def change_number(lines: Lines, rng: random.Random) -> Lines:
    """Change a digit."""
    row = rng.choice([n for n, line in enumerate(lines) if any(c.isdigit() for c in line)])
    line = lines[row]
    at = rng.choice([n for n, c in enumerate(line) if c.isdigit()])
    return [*lines[:row], line[:at] + rng.choice("0123456789") + line[at + 1 :], *lines[row + 1 :]]


def separate(lines: Lines, rng: random.Random) -> Lines:
    """Write another separator in all lines, or other ends of lines."""
    old, new = rng.choice(((" ", "\t"), (" ", "  "), (",", ";"), (",", "\t"), (".", ","), ("\n", "\r"), (" ", "")))
    return "\n".join(lines).replace(old, new).split("\n")


WHAT: Final = ("right", "refused", "wrong")
MUTATIONS: Final[tuple[Mutation, ...]] = (
    shift,
    cut_line,
    cut_file,
    drop_line,
    repeat_line,
    swap_lines,
    replace_word,
    drop_word,
    rename,
    change_number,
    separate,
)


@dataclass(frozen=True)
class Reading:
    """What a file gives: sentences, notes of each, and whether a part was refused."""

    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    n_refused: int


def reading(text: str) -> Reading:
    """Return what is read from a file; raises if all of it is refused."""
    found: list[str] = []
    notes: list[str] = []
    n_refused = 0
    for entry in read(text):
        if entry.error is not None:
            n_refused += 1
            continue
        found.append("" if entry.item is None else to_text(entry.item))
        notes += entry.source.get("notes", ())
    return Reading(tuple(found), tuple(notes), n_refused)


def stated(kind: str, good: Lines, lines: Lines) -> set[str]:
    """Return the sentences of other molecules that a mutated file states without a fault, as RDKit reads them.

    These are the SMILES in a list or table, and the records of an SDF whose lines differ in elements and charges of atoms only.
    """
    with rdBase.BlockLogs():
        if kind in {"smi", "csv"}:
            words = " ".join(lines).replace(",", " ").replace(";", " ").replace('"', " ").split()
            found = [word for word in words if Chem.MolFromSmiles(word) is not None]
        elif kind == "sdf" and sorted(map(_without_element, lines)) == sorted(map(_without_element, good)):
            records = ("\n".join(lines) + "\n").split("$$$$\n")
            molecules = [Chem.MolFromMolBlock(record) for record in records[:-1]]
            found = [Chem.MolToSmiles(molecule) for molecule in molecules if molecule is not None]
        else:
            found = []
    return {f"<MoleculeS>{smiles}<MoleculeE>" for smiles in found}


def _without_element(line: str) -> str:
    if re.match(r" *-?\d+\.\d{4} ", line):
        line = f"{line[:36]}  *{line[39:]}"  # the charge
    return re.sub(r"(?<=\d )[A-Z][a-z]?(?= )", "*", line)


def verdict(kind: str, good: Reading, text: str, mutated: Lines) -> str:
    """Return whether the mutated file is read right."""
    try:
        found = reading("\n".join(mutated) + "\n")
    except LogosError:
        return "refused"
    if [note for note in found.notes if note not in good.notes]:
        return "right"
    allowed = set(good.sentences) | stated(kind, text.splitlines(), mutated)
    if any(sentence not in allowed for sentence in found.sentences):
        return "wrong"
    n_gone = len(good.sentences) - len(found.sentences)
    if kind in {"smi", "csv"}:  # a line that is gone is gone
        n_gone -= max(0, len(text.splitlines()) - len([line for line in mutated if line.strip()]))
    elif kind in {"sdf", "mol2"}:
        n_gone -= len(good.sentences) - sum(line.startswith(("M  END", "@<TRIPOS>MOLECULE")) for line in mutated)
    if n_gone > found.n_refused and not (kind in {"csv", "sdf"} and found.n_refused):  # one error for what it swallows
        return "wrong"
    return "refused" if found.n_refused else "right"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=tuple(FILES))
    options = parser.parse_args()
    rng = random.Random(options.seed)
    files = [(kind, text) for kind, texts in FILES.items() for text in texts if options.kind in {None, kind}]
    usual = {text: reading(text) for _, text in files}
    counts: Counter[tuple[str, str]] = Counter()
    for number in range(options.count):
        kind, text = files[number % len(files)]
        mutation = MUTATIONS[number // len(files) % len(MUTATIONS)]
        lines = text.splitlines()
        mutated = mutation(lines, rng)
        result = verdict(kind, usual[text], text, mutated)
        counts[kind, result] += 1
        if result == "wrong":
            changed = [line for line in mutated if line not in lines][:2]
            print(
                f"wrong: {number} {kind} {mutation.__name__}: {changed} -> {reading(chr(10).join(mutated) + chr(10))}"
            )
    print(f"{'file':<8}{'right':>8}{'refused':>9}{'wrong':>7}")
    for kind in [*FILES, "all"]:
        row = [sum(n for (each, what), n in counts.items() if kind in {each, "all"} and what == w) for w in WHAT]
        print(f"{kind:<8}{row[0]:>8}{row[1]:>9}{row[2]:>7}")


if __name__ == "__main__":
    main()
