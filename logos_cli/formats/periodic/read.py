"""Read the crystals of a file as structures of pymatgen, and write these as CIF."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from logos_cli.errors import FormatError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

_WORDS: Final = re.compile(r"[A-Za-z]")
_GUESSED: Final = "Elements in POSCAR cannot be determined"
_WHOLE: Final = "the file may be cut off or damaged"
_P1: Final = re.compile(r"\bSPGR *= *(\d+)", re.IGNORECASE)
_LEAST_VOLUME: Final = 1e-3
_DIMENSIONS: Final = {"SLAB": "two", "POLYMER": "one", "MOLECULE": "no"}


@dataclass(frozen=True, slots=True)
class Crystal:
    """One crystal of a file, or the reason why there is none."""

    structure: Structure | None
    title: str = ""
    notes: list[str] = field(default_factory=list)
    error: FormatError | None = None


def read_crystals(text: str, kind: str, name: str) -> Iterator[Crystal]:
    """Yield the crystals of a file.

    Parameters
    ----------
    kind : str
        ``poscar``, ``cssr``, ``xsf`` or ``pymatgen-json``.
    name : str
        Name of the file, for errors.

    Raises
    ------
    FormatError
        If the file breaks its format, or lacks something that a crystal needs.
    """
    if kind == "pymatgen-json":
        yield from _json_crystals(text, name)
        return
    try:
        if kind == "poscar":
            crystal = _poscar(text)
        elif kind == "cssr":
            crystal = Crystal(_cssr(text), text.splitlines()[3].strip())
        else:
            crystal = Crystal(_xsf(text))
        _check(crystal.structure)
        yield crystal
    except FormatError as error:
        raise error.at(name) from error
    except Exception as error:  # pymatgen raises errors of any type
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise FormatError(f"pymatgen cannot read the {kind}: {reason}", source=name, hint=_WHOLE) from error


def _check(structure: Structure | None) -> None:
    """Refuse a cell without volume, or numbers that are none."""
    import numpy as np

    if structure is None:
        return
    matrix = structure.lattice.matrix
    with np.errstate(all="ignore"):
        volume = abs(np.linalg.det(matrix)) if np.isfinite(matrix).all() else 0.0
    if not _LEAST_VOLUME < volume < math.inf:
        raise FormatError("the unit cell is impossible", hint="correct the vectors of the cell and the scale")
    if not np.isfinite(structure.frac_coords).all():
        raise FormatError("a coordinate is no finite number", hint="correct it")


def cif_of(structure: Structure) -> str:
    """Return a CIF of all atoms of a cell; the labels are the element and the number of the site in the file."""
    cell = structure.lattice
    lines = ["data_crystal", "_symmetry_Int_Tables_number 1"]
    lines += [f"_cell_length_{axis} {value:.10g}" for axis, value in zip("abc", cell.abc, strict=True)]
    angles = zip(("alpha", "beta", "gamma"), cell.angles, strict=True)
    lines += [f"_cell_angle_{angle} {value:.10g}" for angle, value in angles]
    lines += ["loop_", "_space_group_symop_operation_xyz", "'x,y,z'", "loop_"]
    lines += [f"_atom_site_{name}" for name in ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")]
    for number, site in enumerate(structure, 1):
        a, b, c = site.frac_coords
        for species, occupancy in site.species.items():
            lines.append(f"{species.symbol}{number} {species.symbol} {a:.8f} {b:.8f} {c:.8f} {occupancy:.6g}")
    return "\n".join(lines) + "\n"


# -- POSCAR ------------------------------------------------------------------------------------------------------


def _poscar(text: str) -> Crystal:
    from pymatgen.io.vasp.inputs import Poscar

    lines = text.splitlines()
    _check_poscar(lines)
    scale = float(lines[1].split()[0])
    if scale < 0:  # pymatgen would multiply Cartesian coordinates by the volume
        lines[1] = f"{_scale_of_volume(lines[2:5], -scale):.16g}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        poscar = Poscar.from_str("\n".join(lines), read_velocities=False)
    notes = [" ".join(str(warning.message).split()) for warning in caught]
    if any(note.startswith(_GUESSED) for note in notes):
        raise FormatError(
            "the POSCAR does not name its elements (VASP 4)", hint="write their symbols in a line above the counts"
        )
    structure = poscar.structure
    structure.remove_oxidation_states()
    return Crystal(structure, lines[0].strip(), [note for note in notes if "dynamics" not in note])


def _scale_of_volume(vectors: list[str], volume_angstrom3: float) -> float:
    import numpy as np

    matrix = np.array([[float(word) for word in line.split()[:3]] for line in vectors])
    return float((volume_angstrom3 / abs(np.linalg.det(matrix))) ** (1 / 3))


def _check_poscar(lines: list[str]) -> None:
    """Refuse what pymatgen would accept: counts without symbols, no line with the mode, atoms beyond the counts."""
    if len(lines[1].split("!")[0].split("#")[0].split()) > 1:
        raise FormatError("the POSCAR has three scale factors", hint="multiply them into the vectors, and write 1.0")
    place = 5
    symbols: list[str] = []
    while place < len(lines) and _WORDS.match(lines[place].strip()):
        symbols += lines[place].split()
        place += 1
    counts: list[str] = []
    while place < len(lines) and len(counts) < max(len(symbols), 1) and all(map(str.isdigit, lines[place].split())):
        counts += lines[place].split()
        place += 1
    if symbols and len(symbols) != len(counts):
        raise FormatError(f"the POSCAR has {len(symbols)} element symbols and {len(counts)} counts", hint=_WHOLE)
    mode = lines[place].strip() if place < len(lines) else ""
    if mode[:1].lower() == "s":
        place += 1
        mode = lines[place].strip() if place < len(lines) else ""
    if mode[:1].lower() not in {"d", "c", "k"}:
        raise FormatError(f"line {place + 1} of the POSCAR is neither Direct nor Cartesian: {mode[:40]!r}", hint=_WHOLE)
    n_atoms = sum(map(int, counts))
    atoms = lines[place + 1 : place + 1 + n_atoms]
    if len(atoms) < n_atoms or not all(line.strip() for line in atoms):
        found = next((number for number, line in enumerate(atoms) if not line.strip()), len(atoms))
        raise FormatError(f"the POSCAR states {n_atoms} atoms and has {found}", hint=_WHOLE)
    if place + 1 + n_atoms < len(lines) and _is_place(lines[place + 1 + n_atoms]):
        raise FormatError(f"the POSCAR states {n_atoms} atoms and has more", hint="correct the counts")


def _is_place(line: str) -> bool:
    try:
        return len([float(word) for word in line.split()[:3]]) == 3
    except ValueError:
        return False


# -- CSSR, XSF ---------------------------------------------------------------------------------------------------


def _cssr(text: str) -> Structure:
    from pymatgen.core.structure import Structure

    lines = text.splitlines()
    group = _P1.search(lines[1])
    if group is None or group[1] != "1":
        raise FormatError(
            f"the CSSR has the space group {group[1] if group else '(none)'}, but pymatgen reads P 1 only",
            hint="expand the symmetry, or give a CIF",
        )
    words = lines[2].split()
    n_atoms = int(words[0])
    if len(words) > 1 and words[1] != "0":
        raise FormatError("the coordinates of the CSSR are not fractional", hint="give a CIF")
    # charges and neighbours follow the coordinates; a label may have a number: C12
    rows = [re.sub(r"^(\s*\d+\s+[A-Za-z]+)[\d+-]*", r"\1", line) for line in lines[4:]]
    structure = Structure.from_str("\n".join([*lines[:4], *rows]), fmt="cssr")
    if len(structure) != n_atoms or len([line for line in lines[4:] if line.strip()]) != n_atoms:
        raise FormatError(f"the CSSR states {n_atoms} atoms, but {len(structure)} are complete", hint=_WHOLE)
    return structure


def _xsf(text: str) -> Structure:
    from pymatgen.core.structure import Structure

    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    words = [line[0].upper() for line in lines]
    if "ANIMSTEPS" in words:
        raise FormatError("the XSF is an animation", hint="write one frame to a file of its own")
    for keyword, number in _DIMENSIONS.items():
        if keyword in words[:1]:
            raise FormatError(f"the XSF ({keyword}) is periodic in {number} direction: it is no crystal")
    structure = Structure.from_str(text, fmt="xsf")
    n_atoms = int(lines[words.index("PRIMCOORD") + 1][0])
    if len(structure) != n_atoms:
        raise FormatError(f"the XSF states {n_atoms} atoms, but {len(structure)} are complete", hint=_WHOLE)
    return structure


# -- JSON --------------------------------------------------------------------------------------------------------


def _json_crystals(text: str, name: str) -> Iterator[Crystal]:
    """Yield the structures of one JSON object, of an array, or of JSON lines."""
    try:
        values = json.loads(text)
        values = values if isinstance(values, list) else [values]
    except ValueError:
        try:
            values = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError) as error:
            raise FormatError(f"not JSON: {error}", source=name, hint=_WHOLE) from error
    except RecursionError as error:
        raise FormatError(f"not JSON: {error}", source=name) from error
    for number, value in enumerate(values, 1):
        try:
            yield Crystal(_structure_of(value))
        except FormatError as error:
            error.at(f"{name}: crystal {number}")
            yield Crystal(None, error=error)


def _structure_of(value: object) -> Structure:
    from pymatgen.core.structure import Structure

    kind = value.get("@class") if isinstance(value, dict) else type(value).__name__
    if not isinstance(value, dict) or kind not in ("Structure", "IStructure"):
        raise FormatError(f"an object of pymatgen's class {kind} is no crystal", hint="write its Structure")
    try:
        structure = Structure.from_dict(value)
    except Exception as error:  # pymatgen raises errors of any type
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise FormatError(f"pymatgen cannot read the structure: {reason}", hint=_WHOLE) from error
    if not all(structure.lattice.pbc):
        raise FormatError("the structure is not periodic in three directions: it is no crystal")
    _check(structure)
    return structure
