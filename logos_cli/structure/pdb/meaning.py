"""Check the atom lines of a PDB file, and rewrite them for gemmi if their meaning is certain."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.errors import FormatError
from logos_cli.structure.pdb.columns import AtomLines, has_element, misplaced
from logos_cli.structure.pdb.fields import AtomFields, UncertainError, readings
from logos_cli.structure.pdb.names import StandIns, wide_residue_names
from logos_cli.structure.pdb.numbering import LARGEST_DECIMAL, NumberError, hybrid36, read_numbers
from logos_cli.structure.pdb.unnamed import UNNAMED, unnamed_chains

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PUSHED = {
    "serial": "serial numbers of six digits",
    "residue": "residue names of four letters",
    "chain": "chain names of two letters",
    "number": "residue numbers of five digits",
    "factor": "B-factors of seven digits",
}


@dataclass(slots=True)
class Meaning:
    """Changes of the lines before gemmi reads them.

    Attributes
    ----------
    lines : dict of int to bytes
        New lines by line number (zero-based).
    residues, chains : dict of str to str
        Names without room in the columns, by their stand-ins.
    has_elements : bool
        Whether every atom line has an element.
    notes : list of str
    """

    lines: dict[int, bytes] = field(default_factory=dict)
    residues: dict[str, str] = field(default_factory=dict)
    chains: dict[str, str] = field(default_factory=dict)
    has_elements: bool = True
    notes: list[str] = field(default_factory=list)


def settle_columns(lines: AtomLines, name: str) -> Meaning:
    """Check every field of the atom lines.

    Raises
    ------
    FormatError
        If a line has damaged fields and no certain meaning; the error names the line.
    """
    meaning = Meaning()
    wrong = np.flatnonzero(misplaced(lines))
    fields = _fields(lines, wrong.tolist(), name) if len(wrong) else {}
    without = ~has_element(lines.cells)
    for row, each in fields.items():
        without[row] = each.element == "absent"
    meaning.has_elements = not without.any()
    is_mixed = not meaning.has_elements and not without.all()
    chains, note = ({}, None) if fields else unnamed_chains(lines)
    meaning.notes += [note] if note else []
    numbers = _numbers(lines, fields, meaning, name)
    if not (fields or numbers or chains or is_mixed):
        return meaning
    residue_names = StandIns(3, {_text(lines, row, 17, 20) for row in range(len(lines.rows))})
    chain_names = StandIns(2, {_text(lines, row, 20, 22) for row in range(len(lines.rows))})
    changed = {*fields, *numbers, *chains} | (set(np.flatnonzero(without).tolist()) if is_mixed else set())
    for row in sorted(changed):
        each = fields.get(row) or _plain(lines, row)
        try:
            number = hybrid36(numbers[row] if row in numbers else int(each.number))
        except UncertainError as error:
            raise _error(lines, row, error, name) from error
        residue = residue_names.short(each.residue)
        chain = chain_names.short(chains.get(row, each.chain))
        tail = each.tail if not (is_mixed and without[row]) else f"{each.tail[:46]} X{each.tail[48:]}"
        head = f"{each.record}{each.serial} {each.name}{each.altloc}{residue:>3}{chain:>2}{number}{each.insertion}   "
        meaning.lines[int(lines.rows[row])] = f"{head}{tail}".encode("latin-1")
    meaning.residues = residue_names.long_names
    # chains without names that TER separates have none afterwards, either
    meaning.chains = {short: "" if name.startswith(UNNAMED) else name for short, name in chain_names.long_names.items()}
    return _with_notes(meaning, fields)


def _plain(lines: AtomLines, row: int) -> AtomFields:
    """Return the fields of a line that keeps to its columns."""
    text = lines.cells[row].tobytes().decode("latin-1")
    return AtomFields(
        text[:6].upper(),
        text[6:11],
        text[12:16],
        text[16],
        text[17:20].strip(),
        text[20],
        text[20:22].strip() or " ",
        text[22:26].strip(),
        text[26],
        text[30:80],
    )


def _text(lines: AtomLines, row: int, start: int, stop: int) -> str:
    return lines.cells[row, start:stop].tobytes().decode("latin-1").strip()


def _error(lines: AtomLines, row: int, error: UncertainError, name: str) -> FormatError:
    return FormatError(str(error), source=f"{name}:{int(lines.rows[row]) + 1}", hint=error.hint)


# -- lines that do not keep to their columns ------------------------------------------------------------


def _fields(lines: AtomLines, rows: list[int], name: str) -> dict[int, AtomFields]:
    """Return the fields of the lines that do not keep to their columns."""
    meant: dict[int, list[AtomFields]] = {}
    for row in rows:
        try:
            meant[row] = readings(lines.line(int(lines.rows[row])).decode("latin-1"))
        except UncertainError as error:
            raise _error(lines, row, error, name) from error
    # the field that pushes the lines with a single reading pushes the others, too
    known = {found[0].pushed_by for found in meant.values() if len(found) == 1}
    fields: dict[int, AtomFields] = {}
    for row, found in meant.items():
        likely = [each for each in found if each.pushed_by in known] if len(found) > 1 else found
        if len(likely) != 1:
            ways = " or ".join(each.pushed_by for each in found)
            raise _error(
                lines, row, UncertainError(f"the line is too long, and the field that is too wide may be {ways}"), name
            )
        fields[row] = likely[0]
    _check_decimals(lines, fields, name)
    return _with_names(lines, fields)


def _check_decimals(lines: AtomLines, fields: dict[int, AtomFields], name: str) -> None:
    """Refuse coordinates with other decimals than three, unless all atoms have the same."""
    loose = {
        row: tuple(len(part.strip().partition(".")[2]) for part in _cut(each.tail))
        for row, each in fields.items()
        if each.is_loose
    }
    if loose and (len(loose) < len(lines.rows) or len(set(loose.values())) > 1):
        counts = Counter(loose.values())
        row = next(row for row in loose if len(loose) < len(lines.rows) or counts[loose[row]] < max(counts.values()))
        what = fields[row].tail[:24]
        fault = UncertainError(
            f"columns 31 to 54 hold {what!r}: coordinates without three decimals, unlike the other lines",
            "the line is shifted or damaged; give the structure as mmCIF",
        )
        raise _error(lines, row, fault, name)


def _cut(tail: str) -> tuple[str, str, str]:
    return tail[:8], tail[8:16], tail[16:24]


def _with_names(lines: AtomLines, fields: dict[int, AtomFields]) -> dict[int, AtomFields]:
    """Add column 21 to the residue's name or to the chain's, by all residues of the file."""
    if all(each.beside == " " for each in fields.values()):
        return fields
    listed = {
        (chars[:3], chars[3], chars[4])
        for chars in (bytes(cells).decode("latin-1") for cells in np.unique(lines.cells[:, 17:22], axis=0))
    }
    wide = wide_residue_names(listed)
    found: dict[int, AtomFields] = {}
    for row, each in fields.items():
        if each.beside == " ":
            found[row] = each
            continue
        called = lines.cells[row, 17:22].tobytes().decode("latin-1")
        if (called[:3], called[3], called[4]) in wide:
            found[row] = replace(each, residue=called[:4].strip(), beside=" ", pushed_by=each.pushed_by or "residue")
        else:
            found[row] = replace(each, chain=each.beside + each.chain.strip(), pushed_by=each.pushed_by or "chain")
    return found


def _with_notes(meaning: Meaning, fields: dict[int, AtomFields]) -> Meaning:
    counts = Counter(part for each in fields.values() for part in each.pushed_by.split(" and ") if part)
    for what, count in sorted(counts.items()):
        lines = "1 line has" if count == 1 else f"{count} lines have"
        names = sorted({_named(each, what) for each in fields.values() if what in each.pushed_by})
        examples = f" ({', '.join(names[:3])}{' …' if len(names) > 3 else ''})" if names[0] else ""
        meaning.notes.append(f"{lines} {_PUSHED[what]}{examples}, which the PDB format has no room for")
    beside = sum(each.element == "beside" for each in fields.values())
    if beside:
        meaning.notes.append(f"{beside} lines have their element beside columns 77 and 78")
    return meaning


def _named(fields: AtomFields, what: str) -> str:
    return {"residue": fields.residue, "chain": fields.chain, "number": fields.number}.get(what, "")


# -- chains and numbers ---------------------------------------------------------------------------------


def _numbers(lines: AtomLines, fields: dict[int, AtomFields], meaning: Meaning, name: str) -> dict[int, int]:
    """Return the residue numbers, by row, that gemmi would misread."""
    written: NDArray[np.uint8] = lines.cells[:, 22:26]
    letters = (written > ord("9")).any()
    wide = any(len(each.number) > 4 for each in fields.values())
    # a possibly hexadecimal number has letters, or follows one of 9,000 and more
    if not letters and not wide and not ((written[:, 0] == ord("9")) & (written[:, 1] >= ord("0"))).any():
        return {}
    residues: list[tuple[str, str]] = []
    owner: list[int] = []
    last: tuple[str, str, str, str] | None = None
    for row in range(len(lines.rows)):
        each = fields.get(row) or _plain(lines, row)
        key = (each.chain, each.number, each.insertion, each.residue)
        if key != last:
            residues.append((each.chain, each.number))
            last = key
        owner.append(len(residues) - 1)
    try:
        numbers = read_numbers(residues)
    except NumberError as error:
        raise _error(lines, owner.index(error.place), error, name) from error
    counted = sum(
        number > LARGEST_DECIMAL and text not in (str(number), hybrid36(number))
        for (_, text), number in zip(residues, numbers, strict=True)
    )
    if counted:
        residues_are = "1 residue number is" if counted == 1 else f"{counted} residue numbers are"
        meaning.notes.append(f"{residues_are} hexadecimal, as VMD writes those beyond {LARGEST_DECIMAL}")
    return {row: numbers[place] for row, place in enumerate(owner) if numbers[place] > LARGEST_DECIMAL}
