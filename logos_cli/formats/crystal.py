"""Read crystal structures in CIF: metal-organic frameworks as nodes and linkers, other crystals as molecules."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar

from logos_cli.errors import FormatError, InputError, LogosError, StructureError
from logos_cli.formats.base import Entry, Format, ReadOptions
from logos_cli.grammar import Form
from logos_cli.io.reopen import reopen
from logos_cli.objects.material import material_from_blocks
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Source
from logos_cli.records.parts import BlockSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logos_cli.crystal.blocks import Blocks, Kind
    from logos_cli.crystal.bonds import BondGraph
    from logos_cli.crystal.cell import UnitCell
    from logos_cli.io.input import Input

_MACROMOLECULAR = (b"_atom_site.", b"_entity_poly", b"_chem_comp_atom", b"_chem_comp.")
_ATOM_TAGS = ("_atom_site_fract_x", "_atom_site_Cartn_x")
_CORE = (b"_cell_length_", b"_cell_angle_", b"_symmetry_equiv_pos_as_xyz", b"_space_group_symop_operation_xyz")


class CrystalFormat(Format):
    """CIF of the core dictionary: a unit cell, its symmetry, and atoms with fractional coordinates.

    A crystal with a metal becomes one :class:`~logos_cli.objects.material.Material` per data block: its nodes
    and linkers in the lowest whole-number ratio. A crystal without metals becomes its molecules.
    """

    name: ClassVar[str] = "crystal"
    suffixes: ClassVar[tuple[str, ...]] = (".cif",)
    is_list = False

    def sniff(self, head: bytes) -> float:
        """Return how sure this is a CIF of a small-molecule crystal or framework."""
        lower = head.lower()
        if not (lower.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"data_") or b"\ndata_" in lower):
            return 0.0
        if any(tag in lower for tag in _MACROMOLECULAR):
            return 0.0
        if b"_atom_site_fract_x" in lower:
            return 0.95
        if any(tag in lower for tag in _CORE):
            return 0.9
        return 0.3 if any(tag in lower for tag in (b"_atom_site_", b"_chemical_", b"_audit_", b"_journal_")) else 0.2

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield one framework, or the molecules, of every data block with atoms.

        Raises
        ------
        FormatError
            If the file is no CIF.
        StructureError
            If no data block has atoms.
        """
        from logos_cli.crystal.cif import parse_cif

        document, notes = parse_cif(source.read().decode("utf-8", errors="replace"), source.name)
        if not len(document):
            raise FormatError("the CIF has no data block", source=source.name, hint="it must begin with data_NAME")
        blocks = [block for block in document if any(map(block.find_values, _ATOM_TAGS))]
        if not blocks:
            blocks = [document[0]]
        seen: Counter[str] = Counter()
        for block in blocks:
            name = block.name or "block"
            seen[name] += 1
            entry_id = name if seen[name] == 1 else f"{name}#{seen[name]}"
            provenance: Source = {"path": source.name, "sha256": source.sha256, "block": block.name, "notes": notes}
            try:
                yield from _entries(entry_id, block, provenance, options)
            except LogosError as error:
                error.at(f"{source.name}: data_{block.name}")
                yield Entry(entry_id, None, provenance, error, form=_likely_form(provenance))

    def not_carried(self, entry: Entry) -> list[str]:
        """List what the sentence leaves out: coordinates, cell, net, solvent."""
        source = entry.source
        if "n_atoms" not in source:
            return []
        found = [f"coordinates of {source['n_atoms']:,} atoms, unit cell and symmetry"]
        if "nodes" in source:
            found.append("how nodes and linkers are joined: topology, interpenetration, stereo of the linkers")
            found.append(f"the number of formula units in the cell ({source['formula_units_in_cell']})")
            found += [
                f"{where} solvent: {', '.join(f'{count} {name}' for name, count in molecules.items())}"
                for where, molecules in source["solvent"].items()
                if molecules
            ]
        elif source.get("n_in_cell", 1) > 1:
            found.append(f"the number of molecules in the cell ({source['n_in_cell']})")
        return found + [note for note in source.get("notes", ()) if note.startswith("disorder")]

    def second_opinion(self, entry: Entry) -> list[str]:
        """List what pymatgen reads differently in the CIF."""
        from logos_cli.crystal.cif import parse_cif
        from logos_cli.crystal.second_opinion import second_opinion

        try:
            with closing(reopen(entry.source)) as file:
                document, _ = parse_cif(file.read().decode("utf-8", errors="replace"), file.name)
            block = document.find_block(entry.source["block"])
            return [] if block is None else second_opinion(block)
        except (InputError, KeyError):  # from a pipe or an object in memory
            return []


def _likely_form(provenance: Source) -> Form:
    """Return the likely form of a block that could not be encoded."""
    from logos_cli.crystal.distances import is_metal

    symbols = [part.rstrip("0123456789") for part in provenance.get("formula", "").split()]
    return Form.MOLECULE if symbols and not any(map(is_metal, symbols)) else Form.MATERIAL


def _entries(entry_id: str, block: Any, provenance: Source, options: ReadOptions) -> Iterator[Entry]:
    """Yield the entries of one data block."""
    from logos_cli.crystal.blocks import cut, formula_unit
    from logos_cli.crystal.bonds import find_bonds
    from logos_cli.crystal.distances import is_metal
    from logos_cli.crystal.molecules import formula
    from logos_cli.crystal.resolved import resolved_cell

    atoms = resolved_cell(block)
    atoms.notes[:0] = provenance["notes"]
    cell = atoms.cell
    provenance["cell"] = {
        "lengths_angstrom": [cell.a, cell.b, cell.c],
        "angles_degree": [cell.alpha, cell.beta, cell.gamma],
        "volume_angstrom3": round(cell.volume, 2),
        "space_group": atoms.space_group,
    }
    provenance["formula"] = formula(atoms.elements)
    provenance["n_atoms"] = len(atoms)
    provenance["notes"] = atoms.notes
    has_metal = any(map(is_metal, atoms.elements))
    if has_metal and "C" not in atoms.elements:
        raise StructureError(
            f"the crystal ({provenance['formula']}) has no carbon: it is an inorganic solid",
            hint="a metal-organic framework needs organic linkers",
        )
    if options.form is Form.MATERIAL and not has_metal:
        raise StructureError(
            f"the crystal ({provenance['formula']}) has no metal: it is no metal-organic framework",
            hint="encode it as molecules: --as molecule",
        )
    graph = find_bonds(atoms)
    if not has_metal or options.form is Form.MOLECULE:
        yield from _molecules(entry_id, atoms, graph, provenance)
        return
    blocks = cut(atoms, graph)
    if not any("C" in kind.smiles.upper().replace("CL", "") for kind in blocks.linkers.values()):
        raise StructureError(
            f"the crystal ({provenance['formula']}) has metals but no organic linkers",
            hint="an inorganic solid cannot be written as a framework",
        )
    nodes, linkers, factor = formula_unit(blocks)
    _describe(blocks, factor, atoms, provenance)
    yield Entry(entry_id, material_from_blocks(nodes, linkers), provenance)


def _describe(blocks: Blocks, factor: int, atoms: UnitCell, provenance: Source) -> None:
    """Write the nodes, linkers and solvent, and their atoms in the file, into the provenance."""

    def listed(kinds: dict[str, Kind]) -> list[BlockSource]:
        return [
            {"smiles": kind.smiles, "n_in_cell": kind.count, "labels": [atoms.labels[i] for i in kind.atoms]}
            for kind in kinds.values()
        ]

    from logos_cli.crystal.charges import charge_of, imbalance

    provenance["formula_units_in_cell"] = factor
    provenance["nodes"] = listed(blocks.nodes)
    provenance["linkers"] = listed(blocks.linkers)
    provenance["linker_charge"] = sum(charge_of(kind.smiles) * kind.count for kind in blocks.linkers.values()) // factor
    provenance["solvent"] = {
        "bound": {smiles: kind.count for smiles, kind in blocks.bound.items()},
        "free": {smiles: kind.count for smiles, kind in blocks.free.items()},
    }
    provenance["periodicity"] = blocks.periodicity
    provenance["n_nets"] = blocks.n_nets
    provenance["atoms"] = dict(blocks.n_atoms)
    note = imbalance(blocks)
    provenance["notes"] = [*atoms.notes, *blocks.notes, *([note] if note else [])]


def _molecules(entry_id: str, atoms: UnitCell, graph: BondGraph, provenance: Source) -> Iterator[Entry]:
    """Yield the different molecules of a crystal, with stereo from the coordinates."""
    from logos_cli.crystal.distances import is_metal
    from logos_cli.crystal.molecular import find_molecules

    if any(map(is_metal, atoms.elements)):
        raise StructureError("the crystal has a metal and is not read as molecules", hint="encode it as a material")
    found = find_molecules(atoms, graph, atoms.formula)
    provenance["notes"] = [*atoms.notes, *found.notes]
    for number, (smiles, count) in enumerate(found.counts.items(), 1):
        own: Source = {**provenance, "n_in_cell": count}
        yield Entry(entry_id if len(found.counts) == 1 else f"{entry_id}:{number}", Molecule(smiles), own)
    for number, failure in enumerate(found.failures.values(), len(found.counts) + 1):
        failure.at(str(provenance["path"]))
        yield Entry(f"{entry_id}:{number}", None, provenance.copy(), failure, form=Form.MOLECULE)


PLUGIN = CrystalFormat()
