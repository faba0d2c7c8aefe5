"""Find the box: by the options, the receptor's own ligand, or a record's site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.docking.box import LARGE_VOLUME_ANGSTROM3, Box, Triple
from logos_cli.docking.defaults import MARGIN_ANGSTROM
from logos_cli.docking.ligand import placed_positions
from logos_cli.errors import InputError, LogosError, UsageError
from logos_cli.grammar import parse
from logos_cli.io import places
from logos_cli.io.input import Input
from logos_cli.objects.base import from_sentence
from logos_cli.objects.complex import Complex
from logos_cli.records import Record, read_records
from logos_cli.records.parts import ChainResidues
from logos_cli.structure import read as reading
from logos_cli.structure.kinds import is_structure
from logos_cli.structure.ligand.user_molecule import UserMolecule, is_selection, read_given
from logos_cli.structure.ligands import Ligand, find_ligands, is_additive
from logos_cli.structure.model import StructureModel
from logos_cli.structure.residues.map import ResidueMap, ResidueName
from logos_cli.structure.select import listing, select_ligands

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE_ANGSTROM = 22.0
_LEAST_FLAT = 3
"""A molecule of more atoms, all with z = 0, is a drawing, whatever its header has."""
SHARE_KNOWN = 0.9
"""A record's site belongs to a receptor with at least this share of its residues."""


@dataclass(frozen=True, slots=True)
class BoxOptions:
    """Options of the box; at most one of the first four is given.

    Attributes
    ----------
    ligand : str, optional
        A file with a posed ligand (SDF, MOL2, PDB, mmCIF), or a ligand of the receptor: ``HEM``, ``A:301``.
    site : str, optional
        Residues of the receptor (``A:45,A:47-52``), or a file of records, for the site of the first one.
    residues : tuple of str, optional
        Residues that a model predicted, as ``A:45``.
    center_angstrom : tuple of float, optional
    size_angstrom : tuple of float, optional
        Sides; by default the extent of the atoms, and ``add_angstrom`` on every side.
    add_angstrom : float
    """

    ligand: str | None = None
    site: str | None = None
    residues: tuple[str, ...] | None = None
    center_angstrom: Triple | None = None
    size_angstrom: Triple | None = None
    add_angstrom: float = MARGIN_ANGSTROM

    def __post_init__(self) -> None:
        given = [
            name
            for name, value in (
                ("--autobox-ligand", self.ligand),
                ("--autobox-site", self.site),
                ("--autobox-pocket", self.residues),
                ("--center", self.center_angstrom),
            )
            if value is not None
        ]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} exclude each other", hint="give one of them")
        if self.add_angstrom < 0:
            raise UsageError(f"--autobox-add is {self.add_angstrom:g}", hint="give 0 or more, in Å")

    @property
    def is_open(self) -> bool:
        """Whether no option sets the box, so that a ligand of the receptor or a record's site must."""
        given = (self.ligand, self.site, self.residues, self.center_angstrom)
        return all(value is None for value in given)


@dataclass(slots=True)
class DockingBox:
    """A box, and the ligand that it was drawn around."""

    box: Box
    occupied: NDArray[np.float64] | None
    notes: list[str]


@dataclass(frozen=True, slots=True)
class SiteReference:
    """The ligand or residues that mark the site of a record.

    Attributes
    ----------
    name : str
        Name of the ligand, or names of the residues: ``A:45,A:47``.
    ligand : Ligand, optional
        The ligand in the receptor; None if residues mark the site.
    """

    name: str
    ligand: Ligand | None = field(default=None, compare=False)


def find_place(model: StructureModel, options: BoxOptions, mark: SiteReference | None = None) -> DockingBox:
    """Return the box to dock into.

    By default it lies around the mark of a record's site, or around the receptor's only ligand.

    Parameters
    ----------
    mark : SiteReference, optional
        See :class:`SiteLocator`.

    Raises
    ------
    LogosError
        If the options name nothing in the receptor, or there is no ligand or more than one.
    """
    if options.center_angstrom is not None:
        size = options.size_angstrom
        sides = size or (SIDE_ANGSTROM,) * 3
        return _checked(DockingBox(Box(options.center_angstrom, sides, "given"), None, []))
    if options.residues is not None:
        return _around_residues(model, ",".join(options.residues), options, "predicted site")
    if options.site is not None:
        return _around_site(model, options)
    if options.ligand is not None:
        return _around_ligand(model, options.ligand, options)
    if mark is not None and mark.ligand is None:
        return _around_residues(model, mark.name, options, "site of the record")
    return _around_own(model, options, None if mark is None else mark.ligand)


def _checked(place: DockingBox) -> DockingBox:
    if place.box.volume_angstrom3 > LARGE_VOLUME_ANGSTROM3:
        place.notes.append(
            f"the box has {place.box.volume_angstrom3:,.0f} Å³; above {LARGE_VOLUME_ANGSTROM3:,.0f} Å³ "
            "raise --exhaustiveness"
        )
    return place


def _around(positions: NDArray[np.float64], options: BoxOptions, origin: str) -> DockingBox:
    box = Box.around(positions, options.add_angstrom, origin, options.size_angstrom)
    return _checked(DockingBox(box, positions, []))


# -- ligands -----------------------------------------------------------------------------------------


def _around_ligand(model: StructureModel, text: str, options: BoxOptions) -> DockingBox:
    if is_selection(text):
        ligands = find_ligands(model)[0]
        found = select_ligands(model, ligands, text)
        if len(found) > 1:
            raise UsageError(
                f"{text} names {len(found)} ligands", source=model.name, hint=f"choose one: {listing(found)}"
            )
        return _around_own_ligand(model, found[0], options)
    return _around(positions_of_file(text), options, Path(text).name)


def positions_of_file(path: str) -> NDArray[np.float64]:
    """Return the positions (Å) of the first molecule of a file, or of all atoms of a structure file.

    Raises
    ------
    LogosError
        If it has none.
    """
    with closing(Input(path)) as source:
        head = source.head
        if is_structure(head) and b"M  END" not in head and b"@<TRIPOS>" not in head:
            model = StructureModel(reading.load(source.read(), source.name), source.name)
            if model.chains and find_ligands(model)[0]:
                return _own_positions(model, _only(model))
            heavy: NDArray[np.float64] = model.positions[model.heavy]
            return heavy
    given = read_given(path)[0]
    if isinstance(given, LogosError):
        raise given
    return posed(given, path)


def posed(given: UserMolecule, source: str) -> NDArray[np.float64]:
    """Return the positions (Å) of a molecule, checked to be a pose.

    Raises
    ------
    MoleculeError
        If it has none.
    """
    positions = placed_positions(given.molecule, given.title) if given.positions is None else given.positions
    if not len(positions):
        raise InputError("the molecule has no atoms", source=source)
    if len(positions) > 1 and not np.ptp(positions, axis=0).any():
        raise InputError(
            f"all atoms of {given.title} lie at one point",
            source=source,
            hint="the file has no coordinates; give one with a pose",
        )
    if len(positions) > _LEAST_FLAT and not positions[:, 2].any():
        raise InputError(
            f"the coordinates of {given.title} are two-dimensional (every z is 0)",
            source=source,
            hint="give a file with a pose in the receptor's frame",
        )
    return positions


def _around_own(model: StructureModel, options: BoxOptions, ligand: Ligand | None) -> DockingBox:
    place = _around_own_ligand(model, ligand or _only(model), options)
    place.notes.append(f"the box is drawn around {place.box.origin}: {place.box}")
    return place


def _only(model: StructureModel) -> Ligand:
    """Return the only ligand, without additives."""
    relevant = [ligand for ligand in find_ligands(model)[0] if not is_additive(model, ligand)]
    if not relevant:
        raise UsageError(
            "the receptor has no ligand to draw the box around",
            source=model.name,
            hint="give --autobox-ligand FILE, --autobox-site A:45,A:47 or --center X,Y,Z",
        )
    if len(relevant) > 1:
        raise UsageError(
            f"the receptor has {len(relevant)} ligands",
            source=model.name,
            hint=f"choose one with --autobox-ligand; {listing(relevant)}",
        )
    return relevant[0]


class SiteLocator:
    """Finds the ligand or residues of a receptor that mark the site of a record."""

    def __init__(self, model: StructureModel) -> None:
        self._ligands: dict[tuple[str, int | None, str], Ligand | None] = {}
        for ligand in find_ligands(model)[0]:
            for each in ligand.residues:
                key = (each.chain, each.number, each.insertion)
                # if two ligands have one name, the residues of the site decide
                self._ligands[key] = None if self._ligands.get(key, ligand) is not ligand else ligand
        table = model.residues
        self._letters = {
            ResidueName(chain.name, table.numbers[index], table.insertions[index]): letter
            for chain in model.chains
            for index, letter in zip(chain.members, chain.sequence, strict=True)
        }

    def of(self, record: Record) -> SiteReference | None:
        """Return the ligand that a record names, else the residues of its site; None if the receptor lacks them.

        Residues must be the same amino acids under the same names, which another protein does not have.
        """
        named = record.source.get("ligand")
        if isinstance(named, Mapping) and "chain" in named and "number" in named:
            key = (named["chain"], named["number"], str(named.get("insertion", "")))
            if (ligand := self._ligands.get(key)) is not None:
                return SiteReference(str(ligand), ligand)
        site = _lettered_site(record)
        here = [str(name) for name, letter in site if self._letters.get(name) == letter]
        return SiteReference(",".join(here)) if here and len(here) >= SHARE_KNOWN * len(site) else None


def _own_positions(model: StructureModel, ligand: Ligand) -> NDArray[np.float64]:
    positions: NDArray[np.float64] = model.positions[ligand.atoms]
    return positions


def _around_own_ligand(model: StructureModel, ligand: Ligand, options: BoxOptions) -> DockingBox:
    place = _around(_own_positions(model, ligand), options, str(ligand))
    bonded = _bonded_to(model, ligand)
    if bonded:
        place.notes.append(
            f"{ligand} is bonded to {', '.join(bonded)} in the crystal; poses are searched without that bond"
        )
    return place


def _bonded_to(model: StructureModel, ligand: Ligand) -> list[str]:
    from logos_cli.structure.contacts import Neighbours
    from logos_cli.structure.ligands import surroundings

    inside = {index for chain in model.chains for index in chain.members}
    inside -= {residue.index for residue in ligand.residues}
    touched = surroundings(model, Neighbours(model, 3.0), ligand, inside, 3.0)
    return [str(model.residues[index]) for index, _ in touched.bonds]


# -- sites -------------------------------------------------------------------------------------------


def _around_site(model: StructureModel, options: BoxOptions) -> DockingBox:
    text = options.site or ""
    if places.is_file(text):
        with closing(Input(text)) as source:
            records = list(read_records(source.lines(), source.name))
        site = next((found for record in records if (found := site_of(record))), None)
        if site is None:
            raise InputError(
                "the file has no record of a site with residues",
                source=text,
                hint="make one with logos encode or logos generate site",
            )
        return _around_residues(model, ",".join(map(str, site)), options, f"site in {Path(text).name}")
    return _around_residues(model, text, options, "given residues")


def _around_residues(model: StructureModel, text: str, options: BoxOptions, origin: str) -> DockingBox:
    table = model.residues
    maps: list[ChainResidues] = []
    for chain in model.chains:
        codes = {
            str(place): table.insertions[index] for place, index in enumerate(chain.members) if table.insertions[index]
        }
        maps.append(
            {"chain": chain.name, "numbers": [table.numbers[index] for index in chain.members], "insertion": codes}
        )
    chosen = ResidueMap({"residues": maps}, [len(chain.members) for chain in model.chains]).select(text)
    indices = [chain.members[place] for chain, places in zip(model.chains, chosen, strict=True) for place in places]
    box = Box.around(model.positions_of(indices), options.add_angstrom, origin, options.size_angstrom)
    return _checked(DockingBox(box, None, [f"the box is drawn around {len(indices)} residues: {box}"]))


def site_of(record: Record) -> list[ResidueName]:
    """Return the names of a record's site residues in their file; empty if it has no site or no names."""
    return [name for name, _ in _lettered_site(record)]


def _lettered_site(record: Record) -> list[tuple[ResidueName, str]]:
    """Return the residues of a record's site, each with its letter."""
    if "residues" not in record.source or not record.text:
        return []
    try:
        item = from_sentence(parse(record.text))
        if not isinstance(item, Complex):
            return []
        names = ResidueMap(record.source, [len(chain.sequence) for chain in item.chains])
    except LogosError:
        return []
    found = [
        (names.name((number, position)), chain.sequence[position])
        for number, chain in enumerate(item.chains)
        for position in chain.site
    ]
    return [(name, letter) for name, letter in found if name is not None]


def parse_triple(text: str, option: str) -> Triple:
    """Parse three numbers ``x,y,z``, or one for all three sides.

    Raises
    ------
    UsageError
        If the text has another form.
    """
    try:
        values: Sequence[float] = [float(part) for part in text.replace(" ", ",").split(",") if part]
    except ValueError as error:
        raise UsageError(f"{option} {text!r} is not a list of numbers", hint=f"write {option} 10.5,-3,22") from error
    if len(values) == 1 and option == "--size":
        values = [*values] * 3
    if len(values) != 3:
        raise UsageError(f"{option} has {len(values)} numbers", hint=f"write three: {option} 10.5,-3,22")
    return values[0], values[1], values[2]
