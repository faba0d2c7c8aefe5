"""Names of residues that force fields and programs give, of three letters and of four."""

from __future__ import annotations

import pytest

from logos_cli.structure.pdb.names import wide_residue_names
from logos_cli.structure.residues.force_field_names import NAMES
from logos_cli.structure.residues.residue_names import STANDARD
from tests import receptors
from tests.structures import AMIDE, atom_line, ligand_lines, notes, one, pdb, peptide_lines, read, renamed

PEPTIDE = peptide_lines()
LIGAND = ligand_lines()
SEQUENCE = "ACDEFGHIKLMNPQRSTVWYHDE"


def test_every_name_stands_for_a_standard_residue():
    assert {each.standard for each in NAMES.values()} <= STANDARD.keys()
    assert len(NAMES) > 100


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_named_residue_has_its_letter(name: str):
    """Those too that are other molecules in the dictionary, such as HSE (homoserine) and SRO (serotonin)."""
    entry = one(pdb(renamed(PEPTIDE, NAMES[name].standard, name), ["TER"], LIGAND))
    assert entry.item.chains[0].sequence == SEQUENCE
    assert entry.item.ligand == AMIDE
    assert name in entry.source["residues"][0]["names"].values()


def test_the_dictionarys_molecule_of_that_name_is_what_its_atoms_say():
    """HSE with the atoms of homoserine is homoserine: the letter of its parent, serine."""
    lines = [line for line in PEPTIDE if line[22:26] != " 116" or line[12:16].strip() in ("N", "CA", "C", "O")]
    at = max(index for index, line in enumerate(lines) if line[22:26] == " 116") + 1
    own = [line for line in PEPTIDE if line[22:26] == " 116" and line[12:16].strip() == "CB"]
    carbon = own[0].replace(" CB ", " C3 ")
    x = float(carbon[30:38])
    more = [carbon, f"{carbon[:12]} C4 {carbon[16:30]}{x + 1.5:8.3f}{carbon[38:]}"]
    renamed_lines = [
        f"{line[:17]}HSE{line[20:]}" if line[22:26] == " 116" else line for line in [*lines[:at], *more, *lines[at:]]
    ]
    assert one(pdb(renamed_lines)).item.sequence == SEQUENCE  # S
    serotonin = ligand_lines("NCCc1c[nH]c2ccc(O)cc12", "SRO")
    assert one(pdb(PEPTIDE, ["TER"], serotonin)).item.ligand == "NCCc1c[nH]c2ccc(O)cc12"


def test_an_unknown_name_is_what_its_atoms_are_and_that_is_said():
    entry = one(pdb(renamed(PEPTIDE, "TRP", "ZQX"), ["TER"], LIGAND))
    assert entry.item.chains[0].sequence == SEQUENCE
    assert "no table has the residue name ZQX; by its atoms it is TRP" in notes(entry)


@pytest.mark.parametrize("name", ["HOH", "WAT", "TIP3", "TIP", "SOL", "SPC", "OPC", "T4P"])
def test_names_of_water(name: str):
    x, y, z = receptors.centre()
    water = [
        f"{line[:17]}{name:<4}{line[21:]}"
        for line in (
            atom_line("O", "XXX", "W", 1, (x + 20, y, z), "O"),
            atom_line("H1", "XXX", "W", 1, (x + 20.9, y, z), "H"),
        )
    ]
    entry = one(pdb(PEPTIDE, ["TER"], LIGAND, water))
    assert entry.source["waters"] == 1
    assert entry.item.ligand == AMIDE


def test_a_molecule_with_a_waters_name_is_no_water():
    entry = one(pdb(PEPTIDE, ["TER"], ligand_lines(residue="OPC")))
    assert entry.source["waters"] == 0
    assert entry.item.ligand == AMIDE


# -- four letters or a chain of two -----------------------------------------------------------------------


def test_four_letters_in_columns_18_to_21():
    lines = renamed(renamed(PEPTIDE, "HIS", "HISB"), "LYS", "LYSH")
    entry = one(pdb(lines, ["TER"], LIGAND))
    assert entry.item == one(pdb(PEPTIDE, ["TER"], LIGAND)).item
    assert entry.source["residues"][0]["names"] == {"6": "HISB", "8": "LYSH", "20": "HISB"}
    assert "residue names of four letters (HISB, LYSH)" in notes(entry)


@pytest.mark.parametrize("name", ["LIG1", "POPC", "DRUG", "CHL1"])
def test_a_ligand_of_four_letters(name: str):
    lines = [f"{line[:17]}{name}A{line[22:]}" for line in LIGAND]
    entry = one(pdb(PEPTIDE, ["TER"], lines))
    assert entry.id == f"stdin:A:{name}:1"
    assert entry.item == one(pdb(PEPTIDE, ["TER"], LIGAND)).item


def test_chains_of_two_letters_in_columns_21_and_22():
    lines = [f"{line[:20]}BA{line[22:]}" for line in PEPTIDE]
    entry = one(pdb(lines, ["TER"], LIGAND))
    assert entry.source["chains"] == ["BA"]
    assert entry.item == one(pdb(PEPTIDE, ["TER"], LIGAND)).item
    other = [f"{line[:20]}A2{line[22:]}" for line in LIGAND]  # as gemmi writes them
    assert one(pdb(PEPTIDE, ["TER"], other)).id == "stdin:A2:LIG:1"


@pytest.mark.parametrize(
    ("found", "wide"),
    [
        ([("HIS", "B", "A"), ("SER", " ", "A")], {("HIS", "B", "A")}),
        ([("HIS", "B", "A"), ("ALA", "B", "A"), ("GLY", "B", "A"), ("SER", " ", "A")], set()),
        ([("TIP", "3", "W"), ("SER", " ", "A")], {("TIP", "3", "W")}),
        ([("LIG", "A", "2"), ("SER", " ", "A")], set()),
        ([("POP", "C", "A"), ("SER", " ", "A")], {("POP", "C", "A")}),
    ],
)
def test_what_column_21_belongs_to(found: list[tuple[str, str, str]], wide: set[tuple[str, str, str]]):
    assert wide_residue_names(found) == wide


def test_segments_stand_for_chains_without_names():
    second = [f"{line[:30]}{float(line[30:38]) + 60:8.3f}{line[38:]}" for line in PEPTIDE]
    lines = [
        f"{line[:21]} {line[22:72]}{segment:<4}{line[76:]}"
        for segment, part in (("PROA", PEPTIDE), ("PROB", second), ("HETA", LIGAND))
        for line in part
    ]
    entry = one(pdb(lines))
    assert entry.source["chains"] == ["PROA"]
    assert entry.item == one(pdb(PEPTIDE, ["TER"], LIGAND)).item
    assert "segments (columns 73 to 76) stand for them: HETA, PROA, PROB" in notes(entry)
    assert [each.id for each in read(pdb(lines), form=None, chains=("PROB",))] == ["stdin:PROB"]


def test_ter_parts_chains_without_names_behind_their_ends():
    last = next(line for line in PEPTIDE[::-1] if line[12:16].strip() == "O")
    end = f"{last[:12]} OXT{last[16:30]}{float(last[30:38]) + 1:8.3f}{last[38:]}"
    first = [f"{line[:21]} {line[22:]}" for line in [*PEPTIDE, end]]
    second = [
        f"{line[:22]}{int(line[22:26]) + 23:4d}{line[26:30]}{float(line[30:38]) + 60:8.3f}{line[38:]}" for line in first
    ]
    entries = read(pdb(first, ["TER"], second, ["TER"]))
    assert [entry.item.sequence for entry in entries] == [SEQUENCE, SEQUENCE]
    assert [entry.source["residues"][0]["numbers"][0] for entry in entries] == [101, 124]
    assert "TER separates 2 of them" in notes(entries[0])
    # behind a gap TER means nothing
    gap = [line for line in first if int(line[22:26]) < 110], [line for line in first if int(line[22:26]) > 112]
    assert len(read(pdb(gap[0], ["TER"], gap[1]))) == 1
