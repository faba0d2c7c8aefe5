"""Components that a job defines itself: in its text (``userCCD``), or in a file beside it (``userCCDPath``)."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from logos_cli.errors import FormatError, LogosError, MoleculeError
from logos_cli.formats.predictor.job import Job
from logos_cli.io import places
from logos_cli.io.input import Input

if TYPE_CHECKING:
    from logos_cli.structure.ligand.dictionary import Component


def component_of(code: str, job: Job) -> tuple[Component, str, str]:
    """Return a component that the job or the dictionary defines, its origin (``chem_comp``, ``ccd``), and a note or nothing.

    The job goes first. If its file is not there, the component is the dictionary's, with a note.

    Raises
    ------
    LogosError
        If neither has the component, or the job's definitions cannot be used.
    """
    from logos_cli.structure.ligand.dictionary import component

    known = component(code.upper())
    path = job.definitions_path
    is_absent = bool(path) and not places.exists(path)
    where = f"userCCDPath: {path[:120]}" if path else "userCCD"
    own = None if is_absent else _definition(code, _text_of(path) if path else job.definitions, where)
    if own is not None:
        note = f"the job defines {code} itself ({where}); its definition is used, not that of the dictionary"
        return own, "chem_comp", note if known is not None else ""
    if known is not None:
        note = f"the file that may define {code} ({where}) is not there; it is read as the dictionary defines it"
        return known, "ccd", note if is_absent else ""
    if is_absent:
        raise FormatError(
            f"the Chemical Component Dictionary has no {code}, and the file that may define it ({where}) is not there",
            hint="put it beside the job, or give the ligand as SMILES",
        )
    raise MoleculeError(f"the Chemical Component Dictionary has no {code}", hint="give the ligand as SMILES")


def _text_of(path: str) -> str:
    """Return the text of a file with definitions, plain or compressed.

    Raises
    ------
    FormatError
        If it cannot be read.
    """
    if places.is_special(path):
        raise FormatError(f"{path[:120]} (userCCDPath) is a pipe, socket or device", hint="save it as a file")
    try:
        with closing(Input(path)) as source:
            return source.read().decode("utf-8", "replace")
    except LogosError as error:
        raise FormatError(f"{path[:120]} (userCCDPath) {error.message}", hint=error.hint) from error


def _definition(code: str, definitions: str, where: str) -> Component | None:
    """Return the job's own definition of a component, if it has one.

    Raises
    ------
    FormatError
        If the definitions cannot be read, or that of the component lacks atoms or bonds.
    """
    import gemmi

    from logos_cli.structure.ligand.chem_comp import ChemComps

    if not definitions:
        return None
    try:
        blocks = list(gemmi.cif.read_string(definitions))
    except (RuntimeError, ValueError) as error:
        raise FormatError(f"the components that the job defines ({where}) cannot be read: {error}") from error
    for block in blocks:
        comps = ChemComps(block)
        names = comps.names()
        own = next((name for name in names if name.upper() == code.upper()), None)
        if own is None and block.name.upper() != code.upper():
            continue
        found = comps.get(own or (names[0] if len(names) == 1 else code))
        if found is None:
            raise FormatError(
                f"the job's own definition of {code} ({where}) lacks atoms or bonds, or has bonds of atoms that it lacks",
                hint="it needs _chem_comp_atom and _chem_comp_bond as the Chemical Component Dictionary has them",
            )
        return found
    return None
