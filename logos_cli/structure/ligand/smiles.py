"""Write the SMILES of a structure's ligands, with bond orders from the most reliable source.

The sources are, in this order: a molecule of the user, the chemical component in the mmCIF file itself, the Chemical
Component Dictionary, and the coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from logos_cli.chemistry.notes import NOT_CARRIED
from logos_cli.errors import LogosError, MoleculeError
from logos_cli.structure.ligand import build, chemistry
from logos_cli.structure.ligand.chem_comp import ChemComps
from logos_cli.structure.ligand.dictionary import Component, component
from logos_cli.structure.ligand.fit import misfit
from logos_cli.structure.ligands import Ligand
from logos_cli.structure.model import StructureModel
from logos_cli.structure.types import Residue

if TYPE_CHECKING:
    from rdkit import Chem


_WITHOUT_BONDS = ("pdbqt", "pqr")
"""Formats without bonds; none are perceived from their coordinates."""


@dataclass(frozen=True, slots=True)
class LigandSmiles:
    """A ligand's SMILES, and the origin of its bonds: ``file``, ``chem_comp``, ``ccd`` or ``perceived``."""

    smiles: str
    origin: str
    notes: tuple[str, ...] = ()


def _piece(parts: Sequence[build.Fragment]) -> str:
    """Return the component that two parts are pieces of, as they share no atom; empty if there is none."""
    seen: dict[str, set[str]] = {}
    for part in parts:
        if part.component.id in seen and seen[part.component.id].isdisjoint(part.positions):
            return part.component.id
        seen.setdefault(part.component.id, set()).update(part.positions)
    return ""


@dataclass(slots=True)
class LigandSmilesResolver:
    """Writes the SMILES of the ligands of one model; ``given`` is the user's molecule, if any."""

    model: StructureModel
    given: Chem.Mol | None = None
    comps: list[ChemComps] = field(init=False)

    def __post_init__(self) -> None:
        self.comps = [ChemComps(block) for block in self.model.file.definitions]

    def smiles(self, ligand: Ligand) -> LigandSmiles:
        """Return the SMILES of a ligand.

        Raises
        ------
        MoleculeError
            If no molecule can be made; the hint has the remedy.
        """
        if self.given is not None:
            return self._by_template(ligand, self.given, "file")
        found = [self.definition(residue) for residue in ligand.residues]
        if any(item is None for item in found):
            missing = sorted(
                {residue.name for residue, item in zip(ligand.residues, found, strict=True) if item is None}
            )
            return self._perceived(ligand, f"the dictionary does not know {', '.join(missing)}")
        components = [item[0] for item in found if item is not None]
        origin = "ccd" if any(item[1] == "ccd" for item in found if item is not None) else "chem_comp"
        parts, place, unlike = self.parts(ligand, components)
        if unlike:
            return self._unlike(ligand, components, origin, unlike)
        drawing = chemistry.draw(parts, [build.Link(place[one], place[other]) for one, other in ligand.links])
        notes = self._unmodelled(ligand, drawing.n_atoms)
        if drawing.metals:
            notes += (f"{NOT_CARRIED}the geometry of {', '.join(drawing.metals)} in {ligand}",)
        return LigandSmiles(drawing.smiles, origin, notes)

    def definition(self, residue: Residue) -> tuple[Component, str] | None:
        """Return the component of a residue's name, and its origin: ``chem_comp`` (the file) or ``ccd``."""
        for comps in self.comps:
            if (found := comps.get(residue.name)) is not None:
                return found, "chem_comp"
        known = component(residue.name)
        return (known, "ccd") if known is not None else None

    def parts(
        self, ligand: Ligand, components: list[Component]
    ) -> tuple[list[build.Fragment], dict[int, tuple[int, str]], str]:
        """Return the parts, the part and name of each atom, and the reason if the definitions do not fit the atoms."""
        model = self.model
        place: dict[int, tuple[int, str]] = {}
        parts, strangers, unlike = [], [], ""
        for number, (residue, comp) in enumerate(zip(ligand.residues, components, strict=True)):
            atoms = model.atoms([residue.index])
            known = comp.elements
            positions: dict[str, build.Position] = {}
            for atom, element, (x, y, z) in zip(
                atoms.tolist(), model.elements[atoms].tolist(), model.positions[atoms].tolist(), strict=True
            ):
                name = model.atom_name(atom)
                if known.get(name) != element or name in positions:
                    strangers.append(name)
                place[atom] = (number, name)
                positions[name] = (x, y, z)
            unlike = unlike or ("" if strangers else misfit(comp, positions))
            parts.append(build.Fragment(comp, positions))
        if not (strangers or unlike) and (piece := _piece(parts)):
            unlike = f"two residues {piece} are pieces of one"
        if strangers:
            names = ", ".join(strangers[:6]) + (" …" if len(strangers) > 6 else "")
            unlike = f"atoms {names} are not those of component {ligand.title}"
        return parts, place, unlike

    @staticmethod
    def _unmodelled(ligand: Ligand, n_atoms: int) -> tuple[str, ...]:
        """Return a note on the atoms of the molecule without coordinates."""
        n_missing = n_atoms - len(ligand.atoms)
        if n_missing <= 0:
            return ()
        atoms = "1 heavy atom has" if n_missing == 1 else f"{n_missing} heavy atoms have"
        return (f"{atoms} no coordinates in {ligand}; the SMILES is of the whole component",)

    def _unlike(self, ligand: Ligand, components: list[Component], origin: str, unlike: str) -> LigandSmiles:
        """Use a definition with other atom names if the bonded atoms are the same; else perceive the bonds."""
        if len(components) == 1:
            template = chemistry.molecule_of(components[0])
            try:
                found = self._by_template(ligand, template, origin)
            except MoleculeError:
                return self._perceived(ligand, unlike)
            note = f"atom names of {ligand} are not those of component {ligand.title} ({unlike}); matched by bonds"
            return LigandSmiles(found.smiles, origin, (*found.notes, note))
        return self._perceived(ligand, unlike)

    def _by_template(self, ligand: Ligand, template: Chem.Mol, origin: str) -> LigandSmiles:
        from logos_cli.structure.ligand import perception

        numbers, positions = self._atoms(ligand)
        smiles = perception.apply_template(numbers, positions, template)
        return LigandSmiles(smiles, origin)

    def _perceived(self, ligand: Ligand, why: str) -> LigandSmiles:
        from logos_cli.structure.ligand import perception

        kind = self.model.file.kind
        if kind in _WITHOUT_BONDS:
            raise MoleculeError(
                f"no bond orders for ligand {ligand}: {why}, and {kind.upper()} has no bonds",
                hint=f"give them with --ligand FILE.sdf: the molecule that the {kind.upper()} was made from",
            )
        numbers, positions = self._atoms(ligand)
        try:
            smiles = perception.perceive(numbers, positions)
        except LogosError as error:
            raise MoleculeError(
                f"no bond orders for ligand {ligand}: {why}, and {error.message}",
                hint="give them with --ligand FILE.sdf or --ligand SMILES",
            ) from error
        notes = [f"{why}; bond orders of {ligand} are perceived from coordinates"]
        if n_parts := smiles.count("."):
            notes.append(f"the atoms of {ligand} are {n_parts + 1} molecules by their distances")
        return LigandSmiles(smiles, "perceived", tuple(notes))

    def _atoms(self, ligand: Ligand) -> tuple[list[int], list[build.Position]]:
        atoms = ligand.atoms
        positions = [(x, y, z) for x, y, z in self.model.positions[atoms].tolist()]
        return [int(number) for number in self.model.elements[atoms].tolist()], positions
