"""One structure file to its entries."""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Iterator

from logos_cli.errors import LogosError, StructureError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.structure.entries import EntryBuilder
from logos_cli.io.input import Input
from logos_cli.io.reopen import remember
from logos_cli.objects.molecule import Molecule
from logos_cli.structure import read as reading
from logos_cli.structure.ligand.chem_comp import ChemComps
from logos_cli.structure.model import StructureModel

_PDB_CODE = re.compile(r"[0-9][A-Za-z0-9]{3}|pdb_[0-9a-z]{8}", re.IGNORECASE)


def read(source: Input, options: ReadOptions) -> Iterator[Entry]:
    """Yield the entries of a file.

    Raises
    ------
    InputError
        If it is no structure, or has nothing of what the options ask for.
    """
    with _collector_paused(), _damage_explained(source.name):
        entries = list(_entries(source, options))
    yield from entries


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause Python's cycle collector: a structure makes many objects and no cycles.

    The collector would take a fifth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def _damage_explained(name: str) -> Iterator[None]:
    """Turn what gemmi throws at a damaged file, wherever it notices, into a reason."""
    try:
        yield
    except (RuntimeError, ValueError, IndexError) as error:
        raise reading.explain(error, name) from error


def _entries(source: Input, options: ReadOptions) -> Iterator[Entry]:
    block = None
    is_file = source.path is not None and source.sha256 is not None  # no pipe, which can be read only once
    if is_file and source.path and reading.kind_of(source.head[:4096]) == "mmcif":
        block = reading.block_of_file(source.path)
    data = b"" if block is not None else source.read()
    heard = {"sha256": remember(data)} if source.path is None else {}
    if block is None and reading.kind_of(data[:4096]) == "mmcif":
        block = reading.cif_block(data, source.name)
        if not reading.has_atoms(block) and (names := ChemComps(block).names()):
            yield from _components(ChemComps(block), names, source)
            return
    loaded = reading.load(data, source.name) if block is None else reading.load_block(block, "mmcif", source.name)
    del data
    provenance = source.provenance | heard
    info = loaded.structure.info
    code = info["_entry.id"] if "_entry.id" in info else ""  # noqa: SIM401 - gemmi's map has no get
    if _PDB_CODE.fullmatch(code):
        provenance["entry"] = code.upper() if len(code) == 4 else code
        title = code.lower()
    else:
        title = source.stem
    try:
        model = StructureModel(loaded, source.name, options.model)
        yield from EntryBuilder(model, options, title, provenance).entries()
    except LogosError as error:
        raise error.at(source.name) from error


def _components(comps: ChemComps, names: list[str], source: Input) -> Iterator[Entry]:
    """Yield the molecules of a file that defines chemical components and has no structure."""
    from logos_cli.structure.ligand import chemistry

    for name in names:
        provenance = {**source.provenance, "format": "chem_comp", "component": name}
        try:
            found = comps.get(name)
            if found is None:
                raise StructureError(f"component {name} has no bonds", hint="_chem_comp_bond is needed")
            smiles = chemistry.to_smiles(chemistry.molecule_of(found))
        except LogosError as error:
            yield Entry(name, None, provenance, error.at(source.name))
        else:
            yield Entry(name, Molecule(smiles), provenance)
