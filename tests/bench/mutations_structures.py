"""Mutations of good structure files: right, refused, or wrong; wrong must not happen.

Run ``python -m tests.bench.mutations_structures [--count 200] [--seed 1]``. Right: the sentence of the good file, or
another one with a note that says why. Refused: an error. Wrong: another sentence without a note.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable

from logos_cli.errors import LogosError
from tests.structures import ligand_lines, pdb, peptide_lines, read

Mutation = Callable[[list[str], random.Random], list[str]]

_NAMES = ("LIG", "MOL", "UNK", "CPD", "ATP", "HEM", "DRUG", "LIG1", "TYR", "HSE", "SRO", "HOH", "TIP3", "STI", "X")


def _atoms(lines: list[str]) -> list[int]:
    return [row for row, line in enumerate(lines) if line.startswith(("ATOM", "HETATM"))]


def _some(lines: list[str], rng: random.Random) -> list[int]:
    """One line, the ligand, or all."""
    rows = _atoms(lines)
    ligand = [row for row in rows if lines[row].startswith("HETATM")]
    return rng.choice(([rng.choice(rows)], [rng.choice(ligand)], ligand, rows))


def _edit(lines: list[str], rows: list[int], change: Callable[[str], str]) -> list[str]:
    wanted = set(rows)
    return [change(line) if row in wanted else line for row, line in enumerate(lines)]


def shift_right(lines: list[str], rng: random.Random) -> list[str]:
    """Insert blanks or characters at a column."""
    at, text = rng.randrange(1, 79), rng.choice((" ", "  ", "1", "A", "-"))
    return _edit(lines, _some(lines, rng), lambda line: line[:at] + text + line[at:])


def shift_left(lines: list[str], rng: random.Random) -> list[str]:
    """Lose characters at a column."""
    at, n = rng.randrange(0, 78), rng.choice((1, 1, 2))
    return _edit(lines, _some(lines, rng), lambda line: line[:at] + line[at + n :])


def cut_line(lines: list[str], rng: random.Random) -> list[str]:
    """Cut lines off."""
    at = rng.randrange(6, 79)
    return _edit(lines, _some(lines, rng), lambda line: line[:at])


def rename(lines: list[str], rng: random.Random) -> list[str]:
    """Give the ligand another name."""
    name = rng.choice(_NAMES)
    rows = [row for row in _atoms(lines) if lines[row].startswith("HETATM")]
    return _edit(
        lines,
        rows,
        lambda line: f"{line[:17]}{name:>3}{line[20:]}" if len(name) < 4 else f"{line[:17]}{name}{line[21:]}",
    )


def drop_elements(lines: list[str], rng: random.Random) -> list[str]:
    """Lose the element columns, or set them wrong."""
    text = rng.choice(("  ", "", "XX", " X"))
    return _edit(lines, _some(lines, rng), lambda line: line[:76] + text)


def put_end(lines: list[str], rng: random.Random) -> list[str]:
    """Put an END, TER, MODEL or ENDMDL line somewhere."""
    at = rng.randrange(len(lines))
    return [*lines[:at], rng.choice(("END", "TER", "ENDMDL", "MODEL        2")), *lines[at:]]


def break_line(lines: list[str], rng: random.Random) -> list[str]:
    """Break a line in two, or join two."""
    row = rng.choice(_atoms(lines)[:-1])
    if rng.random() < 0.5:
        at = rng.randrange(7, 76)
        return [*lines[:row], lines[row][:at], lines[row][at:], *lines[row + 1 :]]
    return [*lines[:row], lines[row] + lines[row + 1], *lines[row + 2 :]]


def set_number(lines: list[str], rng: random.Random) -> list[str]:
    """Write another residue number into four columns or five."""
    text = rng.choice(("10003", " 271a", "A000 ", "**** ", "     ", "  1  ", "-1000", " 9999"))
    return _edit(lines, _some(lines, rng), lambda line: f"{line[:22]}{text}{line[27:]}")


def set_coordinate(lines: list[str], rng: random.Random) -> list[str]:
    """Write something else where a coordinate stands."""
    at = rng.choice((30, 38, 46))
    text = rng.choice(("-1002.983", "********", "     nan", "   1.0e3", "        ", "    12  "))
    row = rng.choice(_atoms(lines))
    return _edit(lines, [row], lambda line: line[:at] + text + line[at + 8 :])


def duplicate(lines: list[str], rng: random.Random) -> list[str]:
    """Write the ligand twice, the second elsewhere or at the same place."""
    shift = rng.choice((0.0, 30.0))
    ligand = [line for line in lines if line.startswith("HETATM")]
    moved = [f"{line[:30]}{float(line[30:38]) + shift:8.3f}{line[38:]}" for line in ligand]
    return [*lines[:-1], *moved, lines[-1]]


def damage_record(lines: list[str], rng: random.Random) -> list[str]:
    """Spoil the record's name."""
    text = rng.choice(("ATM   ", "TOM   ", "HETATX", "atom  ", "ATOM1 ", "ANISOU"))
    return _edit(lines, [rng.choice(_atoms(lines))], lambda line: text + line[6:])


MUTATIONS: tuple[Mutation, ...] = (
    shift_right,
    shift_left,
    cut_line,
    rename,
    drop_elements,
    put_end,
    break_line,
    set_number,
    set_coordinate,
    duplicate,
    damage_record,
)


def sentences(text: str) -> tuple[list[object], list[str]]:
    """Return the objects of a file and its notes; raises if it, or one of them, is refused."""
    found: list[object] = []
    notes: list[str] = []
    for entry in read(text):
        if entry.error is not None:
            raise entry.error
        found.append(entry.item)
        notes += [note for note in entry.source.get("notes", ()) if note not in notes]
    return found, notes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    lines = pdb(peptide_lines(), ["TER"], ligand_lines()).splitlines()
    good, usual = sentences("\n".join(lines) + "\n")
    counts: Counter[tuple[str, str]] = Counter()
    for number in range(options.count):
        mutation = MUTATIONS[number % len(MUTATIONS)]
        mutated = mutation(lines, rng)
        try:
            found, notes = sentences("\n".join(mutated) + "\n")
        except LogosError:
            counts[mutation.__name__, "refused"] += 1
            continue
        said = [note for note in notes if note not in usual]
        verdict = "right" if found == good or said else "wrong"
        counts[mutation.__name__, verdict] += 1
        if verdict == "wrong":
            changed = [line for line in mutated if line not in lines][:2]
            print(f"wrong: {number} {mutation.__name__}: {changed} -> {found}")
    print(f"{'mutation':<16}{'right':>8}{'refused':>9}{'wrong':>7}")
    for name in [each.__name__ for each in MUTATIONS]:
        print(
            f"{name:<16}"
            + "".join(f"{counts[name, what]:>{w}}" for what, w in (("right", 8), ("refused", 9), ("wrong", 7)))
        )
    total = Counter(
        {what: sum(n for (_, each), n in counts.items() if each == what) for what in ("right", "refused", "wrong")}
    )
    print(f"{'all':<16}{total['right']:>8}{total['refused']:>9}{total['wrong']:>7}")


if __name__ == "__main__":
    main()
