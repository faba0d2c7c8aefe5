"""Structures as programs write them by mistake: atoms twice, dummy atoms, other units, drawings, wrong names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from logos_cli.errors import StructureError
from logos_cli.objects.base import to_text
from tests.structures import AMIDE, ligand_lines, notes, one, pdb, peptide_lines, read, renamed

PEPTIDE, LIGAND = peptide_lines(), ligand_lines()
GOOD = to_text(one(pdb(PEPTIDE, LIGAND)).item)


def moved(lines: Sequence[str], change: Callable[[list[float]], Sequence[float]]) -> list[str]:
    """Change the coordinates of lines."""
    found = []
    for line in lines:
        xyz = change([float(line[at : at + 8]) for at in (30, 38, 46)])
        found.append(line[:30] + "".join(f"{value:8.3f}" for value in xyz) + line[54:])
    return found


def scaled(lines: Sequence[str], factor: float) -> list[str]:
    return moved(lines, lambda xyz: [factor * value for value in xyz])


def test_elements_of_ligands_in_atom_lines_without_an_element_column() -> None:
    """Amber and GROMACS write ligands as ATOM, without elements; CL1 begins in column 14."""
    lines = [f"ATOM  {line[6:12]} {line[12:16].strip():<3} LIG   124{line[26:54]}  1.00  0.00" for line in LIGAND]
    entry = one(pdb([line[:54] for line in PEPTIDE], lines))
    assert entry.item.ligand == AMIDE


@pytest.mark.parametrize("name", [" V1 ", " EP1", " X1 "])
def test_dummy_atoms_are_not_taken_for_metals(name: str) -> None:
    dummy = f"{LIGAND[0][:12]}{name}{LIGAND[0][16:76]} X"
    (entry,) = read(pdb(PEPTIDE, LIGAND, moved([dummy], lambda xyz: [value + 0.5 for value in xyz])))
    assert entry.error is not None
    assert "an atom has no known element" in str(entry.error)


@pytest.mark.parametrize("name", ["H1S", "H2S"])
def test_histidine_of_foldx(name: str) -> None:
    assert to_text(one(pdb(renamed(PEPTIDE, "HIS", name), LIGAND)).item) == GOOD


def test_a_name_of_the_dictionary_on_other_atoms_is_what_its_atoms_are() -> None:
    entry = one(pdb(renamed(PEPTIDE, "LEU", "H5S"), LIGAND))
    assert to_text(entry.item) == GOOD


def test_a_standard_name_on_other_atoms_is_noted() -> None:
    entry = one(pdb(renamed(PEPTIDE, "PHE", "GLY"), LIGAND))
    assert "1 residue has heavy atoms that a residue of that name does not have: GLY A:105" in notes(entry)
    assert "heavy atoms that a residue" not in notes(one(pdb(PEPTIDE, LIGAND)))


def test_what_is_in_the_file_twice_is_read_once() -> None:
    entry = one(pdb(PEPTIDE, LIGAND, PEPTIDE, LIGAND))
    assert to_text(entry.item) == GOOD
    assert "24 residues that repeat others at the same place are left out" in notes(entry)
    entry = one(pdb(PEPTIDE, LIGAND, LIGAND[:4]))
    assert to_text(entry.item) == GOOD
    assert "4 atoms that their residues have twice" in notes(entry)


def test_a_copy_elsewhere_is_another_one() -> None:
    far = moved(PEPTIDE + LIGAND, lambda xyz: [value + 60 for value in xyz])
    texts = [to_text(entry.item) for entry in read(pdb(PEPTIDE, LIGAND, far))]
    assert texts == [GOOD, GOOD]


@pytest.mark.parametrize("factor", [0.1, 1 / 0.529, 10.0])
def test_other_units_are_refused(factor: float) -> None:
    with pytest.raises(StructureError, match="atoms N and CA of residues are"):
        read(pdb(scaled(PEPTIDE, factor), scaled(LIGAND, factor)))


def test_a_structure_pressed_flat_is_refused() -> None:
    with pytest.raises(StructureError, match="atoms N and CA of residues are"):
        read(pdb(moved(PEPTIDE, lambda xyz: (*xyz[:2], 0.0)), LIGAND))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda xyz: (0.0, 0.0, 0.0), "two of its atoms are at one place"),
        (lambda xyz: (*xyz[:2], 4.0), "too short for a molecule in space"),
        (lambda xyz: [round(value) for value in xyz], "molecules by their distances"),
    ],
)
def test_ligands_without_a_place_in_space_are_refused(
    change: Callable[[list[float]], Sequence[float]], reason: str
) -> None:
    (entry,) = read(pdb(PEPTIDE, moved(LIGAND, change)))
    assert entry.error is not None
    assert reason in str(entry.error)


def test_an_unknown_ligand_that_lacks_atoms_in_its_middle_is_refused() -> None:
    (entry,) = read(pdb(PEPTIDE, LIGAND[:5] + LIGAND[7:]))
    assert entry.error is not None
    assert "2 molecules by their distances" in str(entry.error)


@pytest.mark.parametrize("name", ["DA", "A", "U"])
def test_a_ligand_with_the_name_of_a_nucleotide_in_atom_lines(name: str) -> None:
    assert to_text(one(pdb(PEPTIDE, ligand_lines(residue=name, record="ATOM"))).item) == GOOD


@pytest.mark.parametrize("kept", [(" CA ",), (" N  ", " CA ", " C  ", " O  ")])
def test_a_site_without_side_chains_is_noted(kept: tuple[str, ...]) -> None:
    entry = one(pdb([line for line in PEPTIDE if line[12:16] in kept], LIGAND))
    assert "chain A has hardly any side chains" in notes(entry)


def numbered_one(lines: Sequence[str]) -> str:
    """Return an mmCIF in which every residue of a chain has the number 1."""
    import gemmi

    structure = gemmi.read_pdb_string(pdb(lines))
    structure.setup_entities()
    block = structure.make_mmcif_document()[0]
    for tag in ("auth_seq_id", "label_seq_id"):
        column = block.find_values(f"_atom_site.{tag}")
        for row in range(len(column)):
            column[row] = "1"
    return block.as_string()


def test_neighbours_with_one_number_are_no_alternatives() -> None:
    unlike = [line for line in PEPTIDE if int(line[22:26]) <= 120]
    assert one(numbered_one(unlike)).item.sequence == "ACDEFGHIKLMNPQRSTVWY"
    with pytest.raises(StructureError, match="has two atoms N, far apart"):
        read(numbered_one(PEPTIDE))
