"""PDB files whose lines do not keep to their columns: read as their writer meant them, or refused with the line."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from logos_cli.errors import InputError
from logos_cli.formats.base import Entry
from tests.structures import AMIDE, ligand_lines, notes, one, pdb, peptide_lines, read

PEPTIDE = peptide_lines()
LIGAND = ligand_lines()
GOOD = pdb(PEPTIDE, ["TER"], LIGAND)
FIRST_LIGAND_LINE = len(PEPTIDE) + 2


def sentence(entry: Entry) -> object:
    return entry.item


def with_ligand(change: Callable[[str], str]) -> str:
    return pdb(PEPTIDE, ["TER"], [change(line) for line in LIGAND])


def with_all(change: Callable[[str], str]) -> str:
    return pdb([change(line) for line in PEPTIDE], ["TER"], [change(line) for line in LIGAND])


def test_the_good_file_is_what_it_is_made_of():
    entry = one(GOOD)
    assert entry.item.ligand == AMIDE
    assert entry.item.chains[0].sequence == "ACDEFGHIKLMNPQRSTVWYHDE"
    assert entry.source["residues"][0]["numbers"] == list(range(101, 124))


# -- fields that push the rest of the line -----------------------------------------------------------------

PUSHED = {
    "serial numbers of six digits": lambda line: f"{line[:6]}100000{line[11:]}",
    "serial numbers of seven digits": lambda line: f"{line[:6]}1000000{line[11:]}",
    "chains of two letters (Boltz)": lambda line: f"{line[:21]}L1{line[22:]}",
    "chains of three letters": lambda line: f"{line[:21]}L10{line[22:]}",
    "chain and serial": lambda line: f"{line[:6]}100000{line[11:21]}L1{line[22:]}",
    "B-factors of seven digits": lambda line: f"{line[:60]}1234.56{line[66:]}",
    "residue names of four letters, pushed": lambda line: f"{line[:17]}LIG1{line[20:]}",
}


@pytest.mark.parametrize("what", PUSHED)
def test_pushed_lines_are_read_as_meant(what: str):
    entry = one(with_ligand(PUSHED[what]))
    assert entry.item == one(GOOD).item
    assert "no room" in notes(entry)


def test_chains_of_two_letters_keep_their_name():
    entry = one(with_ligand(PUSHED["chains of two letters (Boltz)"]))
    assert entry.id == "stdin:L1:LIG:1"
    entry = one(with_ligand(PUSHED["chains of three letters"]), ligand="L10:1")
    assert entry.source["ligand"]["chain"] == "L10"
    whole = one(with_all(lambda line: f"{line[:21]}{line[21]}1{line[22:]}"))
    assert whole.item == one(GOOD).item
    assert whole.source["chains"] == ["A1"]


@pytest.mark.parametrize(
    "change",
    [
        lambda line: f"ATOM 100000{line[11:]}",  # six digits from column 6 on, nothing pushed
        lambda line: f"{line[:6]}186a0{line[11:]}",  # hexadecimal, VMD
        lambda line: f"{line[:6]}A0000{line[11:]}",  # hybrid-36
        lambda line: f"{line[:6]}*****{line[11:]}",
        lambda line: f"{line[:6]}     {line[11:]}",
        lambda line: line.lower()[:6] + line[6:],
        lambda line: f"{line[:54]}            {line[66:]}",  # neither occupancy nor B-factor
        lambda line: f"{line[:60]}******{line[66:]}",
        lambda line: f"{line}\r",
        lambda line: f"{line[:72]}SEGA{line[76:]}",
    ],
)
def test_harmless_fields_change_nothing(change: Callable[[str], str]):
    assert one(with_all(change)).item == one(GOOD).item


def test_coordinates_of_other_precision_count_if_all_have_them():
    def precise(line: str) -> str:
        return line[:30] + "".join(f"{float(line[at : at + 8]):8.2f}" for at in (30, 38, 46)) + line[54:]

    assert one(with_all(precise)).item.chains[0].sequence == one(GOOD).item.chains[0].sequence
    with pytest.raises(InputError, match="unlike the other lines") as caught:
        read(with_ligand(precise))
    assert str(caught.value.source).endswith(f":{FIRST_LIGAND_LINE}")


# -- lines that cannot be read ----------------------------------------------------------------------------

REFUSED = {
    "a blank lost before the coordinates": lambda line: line[:30] + line[31:],
    "a blank lost before the chain": lambda line: line[:20] + line[21:],
    "a blank too many before x": lambda line: line[:29] + " " + line[29:],
    "x of nine columns": lambda line: f"{line[:30]}-1002.983{line[38:]}",
    "y of nine columns": lambda line: f"{line[:38]}-1002.983{line[46:]}",
    "a blank lost before the occupancy": lambda line: line[:54] + line[55:],
    "no decimal point": lambda line: line[:30] + line[30:38].replace(".", " ") + line[38:],
    "no number": lambda line: f"{line[:38]}     nan{line[46:]}",
    "stars": lambda line: f"{line[:46]}********{line[54:]}",
    "no x": lambda line: f"{line[:30]}        {line[38:]}",
    "cut off": lambda line: line[:47],
    "cut off inside the occupancy": lambda line: line[:58],
    "cut off inside the element": lambda line: line[:77] if line[76] != " " else f"{line[:76]}C",
    "no residue number": lambda line: f"{line[:22]}    {line[26:]}",
    "residue number with stars": lambda line: f"{line[:22]}****{line[26:]}",
    "an insertion code that is none": lambda line: f"{line[:26]}'{line[27:]}",
    "no residue name": lambda line: f"{line[:17]}   {line[20:]}",
    "no atom name": lambda line: f"{line[:12]}    {line[16:]}",
    "tabs": lambda line: re.sub(" +", "\t", line),
    "an element that is none, beside its columns": lambda line: f"{line[:76]}  OA",
    "a charge as in PDBQT": lambda line: f"{line[:66]}     0.100 C ",
    "a record that is none": lambda line: f"HETATX{line[6:]}",
    "a record without its first letter": lambda line: line[1:],
}


@pytest.mark.parametrize("what", REFUSED)
def test_other_lines_are_refused_with_their_number(what: str):
    lines = list(LIGAND)
    lines[3] = REFUSED[what](lines[3])
    with pytest.raises(InputError) as caught:
        read(pdb(PEPTIDE, ["TER"], lines))
    assert str(caught.value.source).endswith(f":{FIRST_LIGAND_LINE + 3}"), str(caught.value)
    assert caught.value.hint


def test_two_atoms_in_one_line_are_refused():
    with pytest.raises(InputError, match="two atoms"):
        read(pdb(PEPTIDE, ["TER"], [LIGAND[0] + LIGAND[1], *LIGAND[2:]]))
    with pytest.raises(InputError, match="two atoms"):
        read(pdb(PEPTIDE, ["TER"], [LIGAND[0][:66] + LIGAND[1], *LIGAND[2:]]))


def test_a_line_that_can_be_two_things_is_refused_unless_others_tell():
    def five_digits(line: str) -> str:
        return f"{line[:21]}A11140 {line[27:]}"  # chain A1 and 1140, or chain A and 11140

    with pytest.raises(InputError, match="may be number or chain"):
        read(with_ligand(five_digits))
    # a residue beside it whose number tells that chains push
    other = [f"{line[:21]}A1 999 {line[27:]}" for line in ligand_lines("c1ccccc1", "BNZ", shift=-6.0)]
    entries = read(pdb(PEPTIDE, ["TER"], [*map(five_digits, LIGAND), *other]))
    assert entries[0].source["ligand"] | {"chain": "A1", "number": 1140} == entries[0].source["ligand"]


# -- residue numbers --------------------------------------------------------------------------------------


def renumbered(write: Callable[[int], str]) -> str:
    """The peptide numbered from 9990 on."""
    return pdb([f"{line[:22]}{write(int(line[22:26]) + 9889)}{line[27:]}" for line in PEPTIDE], ["TER"], LIGAND)


@pytest.mark.parametrize(
    "write",
    [
        lambda number: f"{number:4d} "[:5] if number < 10000 else f"{number:5d}",  # PyMOL: over the insertion code
        lambda number: f"{number:4d} ",  # pushes what follows
        lambda number: f"{number:4d} " if number < 10000 else f"{number:4x} ",  # VMD
        lambda number: f"{number:4d} " if number < 10000 else f"A{number - 10000:03X} ",  # OpenMM counts on it
        lambda number: f"{number:4d} " if number < 10000 else f"A00{'0123456789ABCDEF'[number - 10000]} ",
    ],
)
def test_numbers_beyond_9999(write: Callable[[int], str]):
    entry = one(renumbered(write))
    assert entry.item == one(GOOD).item
    assert entry.source["residues"][0]["numbers"] == list(range(9990, 10013))
    assert "insertion" not in entry.source["residues"][0]


def test_five_digits_with_an_insertion_code():
    lines = [f"{line[:22]}10003A  {line[30:]}" for line in LIGAND]
    entry = one(pdb(PEPTIDE, ["TER"], lines), ligand="L:10003A")
    assert entry.source["ligand"]["number"] == 10003
    assert entry.source["ligand"]["insertion"] == "A"


@pytest.mark.parametrize("text", ["27a1", "271g", "****", "-   "])
def test_numbers_that_are_none(text: str):
    with pytest.raises(InputError, match="residue number"):
        read(with_ligand(lambda line: f"{line[:22]}{text}{line[26:]}"))


def test_a_number_that_can_be_decimal_or_hexadecimal_is_refused():
    lines = [line for line in PEPTIDE if int(line[22:26]) < 111]
    numbered = [f"{line[:22]}{int(line[22:26]) + 9889:4d}{line[26:]}" for line in lines]
    next_one = [f"{line[:22]}2712{line[26:]}" for line in PEPTIDE if int(line[22:26]) == 111]
    with pytest.raises(InputError, match="can be 2712 or, in hexadecimal, 10002"):
        read(pdb(numbered, next_one))


def test_numbers_that_begin_again_are_numbers():
    lines = [f"{line[:22]}{(int(line[22:26]) + 9889) % 10000:4d}{line[26:]}" for line in PEPTIDE]
    entry = one(pdb(lines, ["TER"], LIGAND))
    assert entry.source["residues"][0]["numbers"] == [*range(9990, 10000), *range(13)]


# -- END and MODEL ----------------------------------------------------------------------------------------


def test_atoms_after_end_are_read_and_said():
    entry = one(pdb(PEPTIDE, ["END"], LIGAND))
    assert entry.item == one(GOOD).item
    assert f"{len(LIGAND)} atoms stand after END (line {len(PEPTIDE) + 1})" in notes(entry)
    two = read(pdb(PEPTIDE, ["END"], LIGAND, ["END"], ligand_lines("c1ccccc1C", "TOL", shift=-6.0, number=2)))
    assert [entry.id for entry in two] == ["stdin:L:LIG:1", "stdin:L:TOL:2"]


def test_the_same_atoms_after_end_are_another_model():
    moved = [f"{line[:30]}{float(line[30:38]) + 1:8.3f}{line[38:]}" for line in [*PEPTIDE, *LIGAND]]
    frames = pdb(PEPTIDE, LIGAND, ["END"], moved)
    assert one(frames).item == one(frames, model=2).item == one(GOOD).item
    assert "2 models" in notes(one(frames))


def test_another_structure_after_end_is_refused():
    other = [line for line in PEPTIDE if int(line[22:26]) < 110]
    with pytest.raises(InputError, match="after END have the names of atoms before it") as caught:
        read(pdb(PEPTIDE, LIGAND, ["END"], other))
    assert str(caught.value.source).endswith(f":{len(PEPTIDE) + len(LIGAND) + 2}")


@pytest.mark.parametrize("ends", [["END", "ENDMDL"], ["ENDMDL", "END"], ["ENDMDL"]])
def test_end_inside_models_means_nothing(ends: list[str]):
    first = ["MODEL        1", *PEPTIDE, *LIGAND, *ends]
    second = ["MODEL        2", *PEPTIDE, *LIGAND, *ends]
    for number in (1, 2):
        assert one(pdb(first, second), model=number).item == one(GOOD).item


def test_atoms_outside_of_models_are_refused():
    for lines in (
        ["MODEL        1", *PEPTIDE, "ENDMDL", "END", *LIGAND],
        [*LIGAND, "MODEL        1", *PEPTIDE, "ENDMDL"],
    ):
        with pytest.raises(InputError, match="outside of MODEL"):
            read(pdb(lines))


# -- elements ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda line: line[:76], "elements are in the file"),
        (lambda line: f"{line[:76]}{line[76:78].strip():<2}", ""),  # to the left
        (lambda line: f"{line[:76]} {line[76:78]}", "beside columns 77 and 78"),
        (
            lambda line: f"{line[:72]}1ABC{1:4d}",
            "elements are in the file",
        ),  # files before 1996 number their lines here
    ],
)
def test_elements_that_are_absent_or_beside_their_columns(change: Callable[[str], str], said: str):
    entry = one(with_all(change))
    assert entry.item == one(GOOD).item
    assert said in notes(entry)


@pytest.mark.parametrize("record", ["HETATM", "ATOM"])
@pytest.mark.parametrize("name", ["UNK", "LIG", "ALA", "MOL", "CPD"])
def test_the_element_of_a_ligand_counts_more_than_its_name(name: str, record: str):
    entry = one(pdb(PEPTIDE, ["TER"], ligand_lines(residue=name, record=record)), ligand="L:1")
    assert entry.item.ligand == AMIDE


def test_an_element_that_cannot_be_is_read_off_the_name():
    entry = one(with_all(lambda line: f"{line[:76]}CA" if line[13] == "C" and line[12] == " " else line))
    assert entry.item == one(GOOD).item
    assert "contradicted the atom names" in notes(entry)
