"""Look up chemical components, the molecules of residue names in the PDB.

The Chemical Component Dictionary comes with biotite as one BinaryCIF file of 63 MB. Reading it takes seconds
and several hundred megabytes, so it is indexed once in the cache directory (SQLite, one row per component).
After that a look-up takes well below a millisecond, and needs neither biotite nor numpy.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import tempfile
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from logos_cli.errors import MissingError
from logos_cli.processes.lock import locked
from logos_cli.resources import cache_dir

INDEX_SCHEMA = 1
_ATOM = struct.Struct("<BbBBc")
_BOND = struct.Struct("<HHBc")
_TABLE = """CREATE TABLE component (
  id TEXT PRIMARY KEY, type TEXT, parent TEXT, letter TEXT, names TEXT, atoms BLOB, bonds BLOB) WITHOUT ROWID"""
_INSERT = "INSERT OR REPLACE INTO component VALUES (?, ?, ?, ?, ?, ?, ?)"


class Atom(NamedTuple):
    """A heavy atom of a component.

    ``hydrogens`` counts its hydrogens in the definition; ``leaving`` marks an atom that leaves when the component is
    linked; ``stereo`` is ``R``, ``S`` or ``N``.
    """

    name: str
    number: int
    charge: int
    hydrogens: int
    leaving: bool
    stereo: str


class Bond(NamedTuple):
    """A bond between two heavy atoms, by position; ``order`` 1 to 4; ``stereo`` is ``E``, ``Z`` or ``N``."""

    first: int
    second: int
    order: int
    stereo: str


@dataclass(frozen=True, slots=True)
class Component:
    """A chemical component without its hydrogens.

    Attributes
    ----------
    type : str
        Type in the dictionary, in upper case: ``NON-POLYMER``, ``L-PEPTIDE LINKING`` …
    parent : str
        Component that this is a modification of, or empty.
    letter : str
        One-letter code, or empty.
    """

    id: str
    type: str
    parent: str
    letter: str
    atoms: tuple[Atom, ...]
    bonds: tuple[Bond, ...]

    @property
    def elements(self) -> dict[str, int]:
        """Atomic number by atom name."""
        return {atom.name: atom.number for atom in self.atoms}


@lru_cache(maxsize=4096)
def component(name: str) -> Component | None:
    """Return a component of the dictionary, or None.

    Raises
    ------
    MissingError
        If the dictionary is not installed.
    """
    row = _index().execute("SELECT * FROM component WHERE id = ?", (name,)).fetchone()
    if row is None:
        return None
    names = row[4].split()
    atoms = tuple(
        Atom(name, number, charge, hydrogens, bool(leaving), stereo.decode())
        for name, (number, charge, hydrogens, leaving, stereo) in zip(names, _ATOM.iter_unpack(row[5]), strict=True)
    )
    bonds = tuple(
        Bond(first, second, order, stereo.decode()) for first, second, order, stereo in _BOND.iter_unpack(row[6])
    )
    return Component(row[0], row[1], row[2], row[3], atoms, bonds)


@cache
def _index() -> sqlite3.Connection:
    """Open the index, or make it; in memory if the cache directory cannot be written."""
    path = index_path()
    if (found := _open(path)) is not None:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path, "indexing", wait=True):
            if (found := _open(path)) is not None:
                return found
            _write(path)
    except OSError:
        return _in_memory()
    return _open(path) or _in_memory()


def index_path() -> Path:
    """Return the path of the index of the installed dictionary."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        release = version("biotite")
    except PackageNotFoundError as error:
        raise _missing() from error
    return cache_dir() / f"components-{release}-{INDEX_SCHEMA}.sqlite"


def _open(path: Path) -> sqlite3.Connection | None:
    if not path.is_file():
        return None
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        connection.execute("SELECT id FROM component LIMIT 1").fetchone()
    except sqlite3.Error:
        return None
    return connection


def _in_memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    _fill(connection)
    return connection


def _write(path: Path) -> None:
    """Write the index under a temporary name, and rename it."""
    handle, name = tempfile.mkstemp(prefix=path.stem, suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        connection = sqlite3.connect(temporary, isolation_level="IMMEDIATE")
        try:
            connection.execute("PRAGMA journal_mode = OFF")
            _fill(connection)
        except sqlite3.OperationalError as error:
            raise OSError(f"the component index cannot be written: {error}") from error
        finally:
            connection.close()
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _fill(connection: sqlite3.Connection) -> None:
    from logos_cli.structure.ligand.dictionary_index import rows

    with connection:
        connection.execute(_TABLE)
        connection.executemany(_INSERT, rows(dictionary_path()))


def dictionary_path() -> Path:
    """Return the path of the dictionary in the installed biotite, without importing biotite.

    Raises
    ------
    MissingError
        If there is none.
    """
    spec = find_spec("biotite")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place, "structure", "info", "components.bcif")
        if path.is_file():
            return path
    raise _missing()


def _missing() -> MissingError:
    return MissingError(
        "the Chemical Component Dictionary is not installed", hint="pip install --force-reinstall biotite"
    )
