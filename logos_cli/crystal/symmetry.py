"""Read the symmetry operations of a crystal: listed, or by name, Hall symbol or number of its space group."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import gemmi
import numpy as np

from logos_cli.errors import StructureError

_NUMBER_TAGS: Final = ("_space_group_IT_number", "_symmetry_Int_Tables_number")
_NAME_TAGS: Final = ("_space_group_name_H-M_alt", "_symmetry_space_group_name_H-M")
_HALL_TAGS: Final = ("_space_group_name_Hall", "_symmetry_space_group_name_Hall")
_SETTING: Final = re.compile(r"[:\s][12HRSZ]$", re.IGNORECASE)
"""End of a name that defines the origin or the axes."""
_ANGLE_TOLERANCE_DEGREES: Final = 0.1
_LENGTH_TOLERANCE: Final = 0.002
_HEXAGONAL_DEGREES: Final = 120.0
_RIGHT_DEGREES: Final = 90.0
_METRIC_TOLERANCE: Final = 0.03
_N_GROUPS: Final = 230

Operations = list[gemmi.Op]
Count = Callable[[Operations], int]


class Expansion(NamedTuple):
    """Numbers of atoms and of clashes in a cell after symmetry operations.

    Attributes
    ----------
    n_atoms, n_clashes : callable
        Return the number of atoms in the cell, and of pairs of atoms that are too near to each other.
    """

    n_atoms: Count
    n_clashes: Count


def symmetry_operations(block: Any, small: Any, expansion: Expansion, notes: list[str]) -> Operations:
    """Return the operations of a data block.

    If the file names a space group with several settings or origins, and none of these, the cell and the distances
    decide.

    Raises
    ------
    StructureError
        If an operation cannot be read, the operations are not complete or do not fit the cell, the space group is
        unknown, or its setting cannot be decided.
    """
    if len(small.symops):
        operations = _completed(_listed(list(small.symops)), block, expansion, notes)
    else:
        operations = _of_group(block, small, expansion, notes)
    _check_cell(operations, small.cell)
    return operations


def _of_group(block: Any, small: Any, expansion: Expansion, notes: list[str]) -> Operations:
    """Return the operations of a space group by its name, Hall symbol or number."""
    if (operations := _of_hall(_value(block, _HALL_TAGS))) is not None:
        return operations
    name = _value(block, _NAME_TAGS) or _value(block, _HALL_TAGS)
    group = small.spacegroup or (gemmi.find_spacegroup_by_name(name) if name else None)
    number = _value(block, _NUMBER_TAGS)
    if group is not None and number.isdigit() and int(number) != group.number:
        raise StructureError(
            f"the space group is {name!r} (number {group.number}) by its name and {number} by its number",
            hint="correct one of them, or add _space_group_symop_operation_xyz",
        )
    if group is not None:
        candidates = [group] if _SETTING.search(name) else _same_name(group)
    elif (operations := _of_hall(name)) is not None:
        notes.append(f"the name of the space group {name!r} is a Hall symbol")
        return operations
    else:
        candidates = [] if name else _by_number(block)
    candidates = [each for each in candidates if _fits(each, small.cell)] or candidates
    if candidates:
        return _choose(candidates, expansion.n_clashes, notes, is_named=bool(name))
    if name and name.replace(" ", "").upper() != "P1":
        raise StructureError(
            f"the space group {name!r} is unknown, and the file lists no symmetry operations",
            hint="add _space_group_symop_operation_xyz",
        )
    if not name:
        notes.append("the file has no symmetry: read as P 1, with all atoms listed")
    return [gemmi.Op("x,y,z")]


def _listed(texts: list[str]) -> Operations:
    """Return the listed operations; ``x, y, z`` without quotes is in three pieces."""
    joined: list[str] = []
    for text in texts:
        if joined and joined[-1].count(",") + text.count(",") <= 2 and joined[-1].rstrip().endswith(","):
            joined[-1] += text
        else:
            joined.append(text)
    try:
        return [gemmi.Op(text) for text in joined]
    except (RuntimeError, ValueError) as error:
        raise StructureError(
            f"a symmetry operation cannot be read: {error}", hint="correct _space_group_symop_operation_xyz"
        ) from error


def _completed(listed: Operations, block: Any, expansion: Expansion, notes: list[str]) -> Operations:
    """Return the listed operations, or all of the named space group if some are not listed.

    Raises
    ------
    StructureError
        If the listed ones are no group and no name defines it, or if the atoms need more of them.
    """
    keys = {operation.wrap().triplet() for operation in listed}
    known = _named_group(block, keys)
    if _is_closed(listed, keys):
        if known is None or len(known) == len(keys) or expansion.n_atoms(listed) == expansion.n_atoms(known):
            return listed
        raise StructureError(
            f"the file lists {len(keys)} symmetry operations, but the space group that it names has {len(known)}",
            hint="list all operations, or name the space group of the listed ones",
        )
    if known is None:
        raise StructureError(
            f"the {len(keys)} symmetry operations are no group: some are missing or wrong",
            hint="correct _space_group_symop_operation_xyz",
        )
    notes.append(f"the file lists {len(keys)} of the {len(known)} operations of its space group: all were used")
    return known


def _named_group(block: Any, keys: set[str]) -> Operations | None:
    """Return the operations of the group that the file names in any way, if they include those with the keys."""
    name, number = _value(block, _NAME_TAGS), _value(block, _NUMBER_TAGS)
    groups = [group for group in (gemmi.find_spacegroup_by_name(name) if name else None,) if group is not None]
    candidates = [list(each.operations()) for group in groups for each in _same_name(group)]
    if number.isdigit() and 1 <= int(number) <= _N_GROUPS:
        candidates += [list(group.operations()) for group in _standard(int(number))]
    if (of_hall := _of_hall(_value(block, _HALL_TAGS))) is not None:
        candidates.append(of_hall)
    return next((each for each in candidates if keys <= {operation.wrap().triplet() for operation in each}), None)


def _is_closed(operations: Operations, keys: set[str]) -> bool:
    """Return whether the product of any two operations is one of them."""
    rotations = np.array([operation.rot for operation in operations], dtype=np.int64) // gemmi.Op.DEN
    shifts = np.array([operation.tran for operation in operations], dtype=np.int64)
    products = np.einsum("aij,bjk->abik", rotations, rotations).reshape(-1, 9)
    moved = (np.einsum("aij,bj->abi", rotations, shifts) + shifts[:, None]).reshape(-1, 3) % gemmi.Op.DEN
    found = np.unique(np.concatenate([products, moved], axis=1), axis=0)
    return len(found) == len(keys)


def _check_cell(operations: Operations, cell: Any) -> None:
    """Compare the cell with the operations: a threefold axis needs equal lengths.

    Raises
    ------
    StructureError
        If an operation changes lengths or angles of the cell.
    """
    matrix = np.array(cell.orth.mat.tolist(), dtype=float)
    metric = matrix.T @ matrix
    scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    for operation in operations:
        rotation = np.array(operation.rot, dtype=float) / gemmi.Op.DEN
        if (np.abs(rotation.T @ metric @ rotation - metric) > _METRIC_TOLERANCE * scale).any():
            raise StructureError(
                f"the cell does not have the symmetry of the operation {operation.triplet()}",
                hint="correct the cell parameters or the symmetry",
            )


def _value(block: Any, tags: Iterable[str]) -> str:
    """Return the first known value of some tags, without its quotes."""
    values = (gemmi.cif.as_string(value).strip() for tag in tags if (value := block.find_value(tag)) is not None)
    return next((value for value in values if value not in {"", "?", "."}), "")


def _of_hall(symbol: str) -> Operations | None:
    """Return the operations of a Hall symbol; None if it is no Hall symbol."""
    if not symbol:
        return None
    try:
        return list(gemmi.symops_from_hall(symbol))
    except (RuntimeError, ValueError):
        return None


def _by_number(block: Any) -> list[Any]:
    """Return the settings of a space group by its number only."""
    text = _value(block, _NUMBER_TAGS)
    if not text:
        return []
    if not re.fullmatch(r"\d{1,3}", text) or not 1 <= int(text) <= _N_GROUPS:
        raise StructureError(f"there is no space group with number {text}", hint=f"correct {_NUMBER_TAGS[0]}")
    return _standard(int(text))


def _standard(number: int) -> list[Any]:
    """Return the standard settings of a space group: one, or two origins, or two axes."""
    groups = [group for group in gemmi.spacegroup_table() if group.number == number]
    reference = next(group for group in groups if group.is_reference_setting())
    return [reference, *(group for group in groups if group.hm == reference.hm and group.ext != reference.ext)]


def _same_name(group: Any) -> list[Any]:
    """Return a group and the groups that differ from it in origin or axes only."""
    others = (
        other
        for other in gemmi.spacegroup_table()
        if other.number == group.number and other.hm == group.hm and other.ext != group.ext
    )
    return [group, *others]


def _fits(group: Any, cell: Any) -> bool:
    """Return whether rhombohedral or hexagonal axes of a group are those of the cell; True for any other group."""
    if group.ext not in {"H", "R"}:
        return True
    angles = (cell.alpha, cell.beta, cell.gamma)
    is_hexagonal = _near(angles, (_RIGHT_DEGREES, _RIGHT_DEGREES, _HEXAGONAL_DEGREES), _ANGLE_TOLERANCE_DEGREES)
    is_hexagonal = is_hexagonal and abs(cell.a - cell.b) <= _LENGTH_TOLERANCE * cell.a
    return bool(is_hexagonal == (group.ext == "H"))


def _near(values: Iterable[float], wanted: Iterable[float], tolerance: float) -> bool:
    return all(abs(value - each) <= tolerance for value, each in zip(values, wanted, strict=True))


def _choose(candidates: list[Any], clashes: Count, notes: list[str], *, is_named: bool) -> Operations:
    """Return the operations of the candidate with the fewest clashes, and note the choice.

    Raises
    ------
    StructureError
        If several have equally few.
    """
    operations = [list(group.operations()) for group in candidates]
    if len(candidates) > 1:
        counts = [clashes(each) for each in operations]
        best = [place for place, count in enumerate(counts) if count == min(counts)]
        names = ", ".join(candidates[place].xhm() for place in best)
        if len(best) > 1:
            raise StructureError(
                f"the file does not define the setting of its space group: {names} are possible",
                hint="add _space_group_symop_operation_xyz",
            )
        notes.append(f"the setting {names} of the space group was chosen, since the atoms do not overlap in it")
        return operations[best[0]]
    if not is_named:
        notes.append(f"the file has only the number of the space group: read as {candidates[0].xhm()}")
    return operations[0]
