"""Read PQR: atoms with charge and radius, as PDB2PQR writes them for solvers of the Poisson-Boltzmann equation.

White space separates the fields; most programs also keep to PDB's columns up to the coordinates. There are neither
elements nor bonds.
"""

from __future__ import annotations

from logos_cli.errors import FormatError
from logos_cli.structure.kinds import pqr_fields
from logos_cli.structure.pdb.load import load_pdb
from logos_cli.structure.types import StructureFile


def load_pqr(data: bytes, name: str) -> StructureFile:
    """Read the atoms of a PQR file as a structure.

    Raises
    ------
    FormatError
        If an atom line cannot be parsed; the error names the line.
    StructureError
        If there are no atoms.
    """
    lines: list[str] = []
    for number, line in enumerate(data.decode("latin-1").splitlines(), 1):
        if line[:4] not in ("ATOM", "HETA"):
            lines.append(line)
            continue
        fields = pqr_fields(line)
        if fields is None:
            raise FormatError(
                "the line is no atom of PQR",
                source=f"{name}:{number}",
                hint="charge and radius follow the coordinates; blanks separate the fields",
            )
        lines.append(_as_pdb(line[:6].ljust(6), number, fields))
    file = load_pdb("\n".join(lines).encode("latin-1"), name)
    file.kind = "pqr"
    return file


def _as_pdb(record: str, serial: int, fields: tuple[str, ...]) -> str:
    """Return an atom as a line of PDB; names and numbers that are too wide push the fields behind them."""
    name, residue, chain, number, code, *xyz = fields
    record = "HETATM" if record.startswith("HETATM") else "ATOM  "
    called = f" {name:<3}" if len(name) < 4 else name
    x, y, z = (float(value) for value in xyz)
    place = f"{chain or ' '}{number:>4}{code or ' '}"
    return f"{record}{serial % 100000:5d} {called} {residue:>3} {place}   {x:8.3f}{y:8.3f}{z:8.3f}"
