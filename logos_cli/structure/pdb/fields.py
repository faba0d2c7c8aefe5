"""Parse an atom line of a PDB file that does not keep to its columns, or report why its meaning is not certain.

Programs that print a number or a name wider than its field push the rest of the line to the right. If exactly one way
of cutting the line leaves every field complete, it is taken. The three coordinates, with three decimals each, show by
how much the line is pushed, and a field that pushes has no blank left in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

MOST_PUSHED = 4
"""Columns by which a line may be pushed to the right."""

_COORDINATE = re.compile(r" *-?\d{1,4}\.\d{3}")
_LOOSE = re.compile(r" *[-+]?\d+\.\d+")
_NUMBER = re.compile(r" *-?\d+|-?\d+ *|[0-9A-Za-z]{4}")
_RIGHT_NUMBER = re.compile(r" *(?:0|-?[1-9]\d*)")
_WIDE_NUMBER = re.compile(r"-?\d+")
_FIVE_DIGITS = re.compile(r"\d{5}|-\d{4}")
_SERIAL = re.compile(r" *[0-9A-Za-z]+ *|\*+| *")
_CODE = re.compile(r"[ A-Za-z]")
_VALUE = re.compile(r" *[-+]?\d+\.\d*| *[-+]?\d+| *|\*+")
_CHARGE = re.compile(r"\d?[-+]?\d?")


class UncertainError(Exception):
    """An atom line cannot be parsed with certainty; the message describes its columns."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or "write each field into its own columns, or give the structure as mmCIF"


@dataclass(frozen=True, slots=True)
class AtomFields:
    """The fields of an atom line.

    Attributes
    ----------
    record : str
        ``ATOM`` or ``HETATM``, six columns.
    serial : str
        The five columns of the serial number.
    name : str
        The four columns of the atom name.
    residue : str
        Residue name without blanks; it may have more than three letters.
    chain : str
        One column or more.
    beside : str
        Column 21, between residue name and chain; mostly a blank.
    number : str
        Residue number without blanks.
    pushed_by : str
        The field that is wider than its columns: ``serial``, ``residue``, ``chain``, ``number``, ``factor`` or empty.
    tail : str
        Columns 31 to 80, with each field in its columns.
    is_loose : bool
        Whether the coordinates have another number of decimals than three.
    element : str
        ``given``, ``absent``, or ``beside``: an element beside its columns, corrected in ``tail``.
    """

    record: str
    serial: str
    name: str
    altloc: str
    residue: str
    beside: str
    chain: str
    number: str
    insertion: str
    tail: str
    pushed_by: str = ""
    is_loose: bool = False
    element: str = "given"


def readings(line: str) -> list[AtomFields]:
    """Return the possible readings of a line; a single one is certain.

    Raises
    ------
    UncertainError
        If there is none; the message has the first columns that do not have their format.
    """
    if "\t" in line:
        raise UncertainError("tabs stand where columns are counted", "replace them by blanks")
    if any(mark in line[60:] for mark in ("ATOM  ", "HETATM")):
        raise UncertainError("two atoms stand in one line", "a line break is missing")
    record = line[:6].upper()
    if record != "HETATM" and not re.fullmatch(r"ATOM[ \d]{2}", record):
        raise UncertainError(f"the record is called {line[:6]!r}", "ATOM and HETATM lines hold atoms")
    text = line.ljust(80 + MOST_PUSHED)
    pushed, is_loose = _offset(text)
    tail, by_factor, element = _tail(text[30 + pushed :], len(line) - 30 - pushed)
    heads = list(_heads(text, pushed))
    if not heads:
        raise _first_fault(text, pushed)
    return [
        AtomFields(
            "HETATM" if record == "HETATM" else "ATOM  ",
            *head,
            tail=tail,
            pushed_by=by or by_factor,
            is_loose=is_loose,
            element=element,
        )
        for head, by in heads
    ]


def _offset(text: str) -> tuple[int, bool]:
    """Return the number of columns by which coordinates are pushed, and whether their decimals are unusual."""
    for pushed in range(MOST_PUSHED + 1):
        if all(_COORDINATE.fullmatch(text, start + pushed, start + pushed + 8) for start in (30, 38, 46)):
            if pushed and text[29 + pushed] != " ":
                raise UncertainError(
                    "the x coordinate has more than its 8 columns",
                    "move the structure to the origin, or give it as mmCIF",
                )
            return pushed, False
    for axis, start in zip("xyz", (30, 38, 46), strict=True):
        if not _LOOSE.fullmatch(text, start, start + 8):
            what = text[start : start + 8]
            raise UncertainError(
                f"columns {start + 1} to {start + 8} hold {what!r}, which is no {axis} coordinate"
                if what.strip()
                else f"columns {start + 1} to {start + 8} are blank: there is no {axis} coordinate",
                "the line is cut off or shifted, or a number is too wide for its columns; give the structure as mmCIF",
            )
    return 0, True


# -- before the coordinates -----------------------------------------------------------------------------

_Head = tuple[str, str, str, str, str, str, str, str]


def _heads(text: str, pushed: int) -> Iterator[tuple[_Head, str]]:
    """Yield the fields before the coordinates, in the order of :class:`AtomFields`, and the field that pushed them."""
    if text[28 + pushed : 30 + pushed].strip():
        return
    if not pushed:
        five = _FIVE_DIGITS.fullmatch(text, 22, 27)
        if five and _CODE.fullmatch(text[27]) and (head := _head(text, (0, 0, 0, 0), number=(22, 27))):
            yield head, "number"
            return
    if text[27 + pushed] != " ":
        return
    for widths in _compositions(pushed):
        if head := _head(text, widths):
            pushing = [name for name, width in zip(_PUSHING, widths, strict=True) if width]
            yield head, " and ".join(pushing)


_PUSHING = ("serial", "residue", "chain", "number")


@cache
def _compositions(pushed: int) -> list[tuple[int, int, int, int]]:
    """Return the ways in which the four fields can share the columns by which a line is pushed."""
    return [
        (serial, residue, chain, pushed - serial - residue - chain)
        for serial in range(pushed + 1)
        for residue in range(pushed + 1 - serial)
        for chain in range(pushed + 1 - serial - residue)
        if pushed - serial - residue - chain <= 1
    ]


def _head(text: str, widths: tuple[int, int, int, int], number: tuple[int, int] | None = None) -> _Head | None:
    """Cut the line with fields wider by these columns; return None if a field is then not complete."""
    serial, residue, chain, wide = widths
    at = 11 + serial
    if not _is_serial(text, serial):
        return None
    name, altloc = text[at + 1 : at + 5], text[at + 5]
    end = at + 9 + residue
    called = text[at + 6 : end]
    first = end + 1
    last = first + 1 + chain
    letters = text[first:last]
    start, stop = number or (last, last + 4 + wide)
    digits, code = text[start:stop], text[stop]
    number_of = _WIDE_NUMBER if wide or number else _RIGHT_NUMBER if any(widths) else _NUMBER
    good = (
        name.strip()
        and (" " not in called if residue else called.strip() and " " not in called.strip())
        and (" " not in letters if chain else True)
        and number_of.fullmatch(digits)
        and _CODE.fullmatch(code)
        and (text[end] == " " or not any(widths))
    )
    if not good:
        return None
    number_of_atom = f"{int(text[6:at]) % 100000:5d}" if serial else text[6:11]
    return number_of_atom, name, altloc, called.strip(), text[end], letters, digits.strip(), code


def _is_serial(text: str, wider: int) -> bool:
    if wider:
        return text[6 : 11 + wider].isdigit() and text[11 + wider] == " "
    if text[11] == " ":
        return bool(_SERIAL.fullmatch(text, 6, 11)) or text[4:11].strip().isdigit()
    return text[6:12].isdigit()


def _first_fault(text: str, pushed: int) -> UncertainError:
    """Return the error for the first columns before the coordinates that do not have their format."""
    if pushed:
        return UncertainError(
            f"from column 31 on the line is pushed by {pushed} column{'s' if pushed > 1 else ''}, "
            "and it is not certain which field is too wide"
        )
    checks = (
        (6, 11, _SERIAL, "serial number"),
        (11, 12, re.compile(" "), "blank"),
        (12, 16, re.compile(r".*\S.*"), "atom name"),
        (17, 20, re.compile(r" *\S+ *"), "residue name"),
        (22, 26, _NUMBER, "residue number"),
        (26, 27, _CODE, "insertion code"),
        (27, 30, re.compile(" {3}"), "blank"),
    )
    for start, stop, pattern, what in checks:
        if not pattern.fullmatch(text, start, stop):
            columns = f"column {stop}" if stop == start + 1 else f"columns {start + 1} to {stop}"
            held = f"{columns} hold{'s' if stop == start + 1 else ''} {text[start:stop]!r}"
            return UncertainError(f"{held}, which is no {what}")
    return UncertainError("the columns before the coordinates are not those of the format")


# -- after the coordinates ------------------------------------------------------------------------------


def _tail(text: str, length: int) -> tuple[str, str, str]:
    """Return columns 31 to 80, ``factor`` if the B-factor is too wide, and the state of the element.

    Parameters
    ----------
    text : str
        The line from the first coordinate on, padded with blanks.
    length : int
        Its length without the padding.
    """
    occupancy = text[24:30]
    if not _VALUE.fullmatch(occupancy):
        raise UncertainError(f"columns 55 to 60 hold {occupancy!r}, which is no occupancy")
    for wider in range(3):
        factor, rest = text[30 : 36 + wider], text[36 + wider :].ljust(14)
        whole = _VALUE.fullmatch(factor) and (not wider or " " not in factor)
        if whole and not rest[0].strip() and not (24 < length < 36 and factor.strip()):
            break
    else:
        raise UncertainError(f"columns 61 to 66 hold {text[30:36]!r}, which is no B-factor")
    symbol, charge, state = _element(rest, length - 36 - wider)
    written = "999.99" if wider else factor
    return f"{text[:30]}{written}{rest[:10]}{symbol:>2}{charge:<2}", "factor" if wider else "", state


def _element(rest: str, length: int) -> tuple[str, str, str]:
    """Return symbol, charge, and whether the symbol is ``given``, ``absent`` or ``beside`` its columns.

    ``rest`` begins with column 67; ``length`` is its length without padding.
    """
    if re.search(r"\d\.\d", rest[:10]):
        raise UncertainError(
            f"columns 67 to 76 hold {rest[:10]!r}, a number as in PDBQT", "a file is PDB or PDBQT, line by line"
        )
    symbol, charge = rest[10:12], rest[12:14]
    if _is_element(symbol.strip()):
        if symbol[1] == " " and length <= 11:
            raise UncertainError("the line ends inside its element", "it is cut off; download or copy it again")
        if _CHARGE.fullmatch(charge.strip()):
            return symbol.strip(), charge, "given"
    beside = re.fullmatch(r" *([A-Za-z]{1,2})(\d?[-+]?) *", rest[9:16])
    if beside and _is_element(beside[1]):
        return beside[1], beside[2], "beside"
    if re.search("[A-Za-z]", rest[12:14]) and re.fullmatch(r" *[A-Za-z]\w* *", rest[9:16]):
        raise UncertainError(f"columns 77 to 80 hold {rest[10:14]!r}, which is no element")
    return "", "", "absent"


@cache
def _is_element(symbol: str) -> bool:
    import gemmi

    return bool(symbol) and (symbol.upper() == "D" or gemmi.Element(symbol.capitalize()).atomic_number > 0)
