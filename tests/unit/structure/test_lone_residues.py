"""Residues whose chain no bond shows: modified ones in cut pockets, free amino acids, several at one place."""

from __future__ import annotations

from collections.abc import Sequence

import gemmi
import pytest

from logos_cli.structure.model import StructureModel
from logos_cli.structure.read import load
from logos_cli.structure.types import Role
from tests.structures import ligand_lines, notes, one, pdb, peptide_lines, read

PEPTIDE = peptide_lines()
"""ACDEFGHIKLMNPQRSTVWYHDE, residues 101 to 123 of chain A."""

LIGAND = ligand_lines()


def residues(*numbers: int) -> list[str]:
    """Return residues of the peptide."""
    return [line for line in PEPTIDE if int(line[22:26]) in numbers]


def modified(
    number: int = 111,
    name: str = "MSE",
    atoms: Sequence[tuple[str, str, str]] = (("SD", "SE", "SE"),),
    at: int | None = None,
) -> list[str]:
    """Return a residue of the peptide as HETATM lines, atoms of it renamed; under another number it is moved by 5 Å."""
    found = []
    for line in residues(number):
        place, away = (number, 0.0) if at is None else (at, -5.0)
        text = f"HETATM{line[6:17]}{name:>3}{line[20:22]}{place:4d}{line[26:38]}{float(line[38:46]) + away:8.3f}{line[46:]}"
        for old, new, symbol in atoms:
            if line[12:16].strip() == old:
                text = f"{text[:12]}{new:<4}{text[16:76]}{symbol:>2}"
        found.append(text)
    return found


def with_end(lines: Sequence[str]) -> list[str]:
    """Return a residue with the second oxygen of a free amino acid."""
    oxygen = next(line for line in lines if line[12:16].strip() == "O")
    x = float(oxygen[30:38]) + 1.5
    return [*lines, f"{oxygen[:12]} OXT{oxygen[16:30]}{x:8.3f}{oxygen[38:]}"]


def atom_sites(text: str, *, group_pdb: bool = True, **columns: str | None) -> str:
    """Return a structure as mmCIF of atoms alone, as gemmi writes it; columns are left out, or have one value."""
    structure = gemmi.read_pdb_string(text)
    structure.setup_entities()
    structure.assign_label_seq_id()
    document = structure.make_mmcif_document(gemmi.MmcifOutputGroups(False, atoms=True, group_pdb=group_pdb))
    loop = document[0].find_loop("_atom_site.id").get_loop()
    for tag, value in columns.items():
        if value is None:
            loop.remove_column(f"_atom_site.{tag}")
        else:
            at = list(loop.tags).index(f"_atom_site.{tag}")
            for row in range(loop.length()):
                loop[row, at] = value
    return document.as_string()


def parts(text: str) -> tuple[list[str], list[str], str]:
    """Return the sequences of the chains of a structure, the names of residues of none, and the notes."""
    model = StructureModel(load(text.encode(), "x"), "x")
    others = [model.residues[index].name for index in model.residues.with_role(Role.OTHER)]
    return [chain.sequence for chain in model.chains], others, "; ".join(model.notes.lines)


INSIDE = pdb(residues(101, 102, 103), modified(), residues(119, 120), LIGAND)
LAST = pdb(residues(101, 102, 103), modified(), LIGAND)
FIRST = pdb(modified(), residues(119, 120), LIGAND)


@pytest.mark.parametrize(("text", "sequence"), [(INSIDE, "ACDMWY"), (LAST, "ACDM"), (FIRST, "MWY")])
def test_a_modified_residue_of_a_cut_pocket_stays_in_its_chain(text: str, sequence: str):
    chains, others, noted = parts(text)
    assert (chains, others) == ([sequence], ["LIG"])
    assert (
        "1 modified residue is not bonded to a neighbour, and taken for part of the chain by place: MSE A:111" in noted
    )


def test_it_does_in_mmcif_without_entities():
    for group_pdb in (True, False):
        assert one(atom_sites(INSIDE, group_pdb=group_pdb)).item == one(INSIDE).item


@pytest.mark.parametrize(
    ("number", "name", "letter", "renamed"),
    [
        (116, "SEP", "S", ()),
        (117, "TPO", "T", ()),
        (120, "PTR", "Y", ()),
        (102, "CSO", "C", ()),
        (109, "KCX", "K", ()),
        (109, "MLY", "K", ()),
        (113, "HYP", "P", ()),
        (114, "PCA", "Q", [("OE1", " OE", "O")]),
        (102, "CME", "C", ()),
        (110, "MLE", "L", ()),
    ],
)
def test_each_modified_residue_of_the_dictionary_does(
    number: int, name: str, letter: str, renamed: Sequence[tuple[str, str, str]]
):
    lone = [line for line in modified(number, name, renamed) if not (name == "PCA" and line[12:16].strip() == "NE2")]
    before, after = (
        residues(*(near for near in span if abs(near - number) > 2))
        for span in (range(101, number), range(number + 1, 124))
    )
    chains, others, _ = parts(pdb(before, lone, after, LIGAND))
    letters = "ACDEFGHIKLMNPQRSTVWYHDE"
    expected = letters[: max(number - 103, 0)] + letter + letters[number - 98 :]
    assert (chains, others) == ([expected], ["LIG"])


FREE = [
    pytest.param(with_end(modified()), id="with the second oxygen of a free one"),
    pytest.param(modified(at=100), id="numbered before the residue that it follows"),
    pytest.param(modified(atoms=[("SD", "S1", "S")]), id="with other atoms than the component"),
    pytest.param([line for line in modified() if line[12:16].strip() != "N"], id="without a backbone"),
    pytest.param(modified(122, "ASP", ()), id="a standard amino acid as HETATM"),
]


@pytest.mark.parametrize("free", FREE)
def test_a_free_amino_acid_stays_a_ligand(free: list[str]):
    name = free[0][17:20]
    assert parts(pdb(residues(101, 102, 103), free))[:2] == (["ACD"], [name])


@pytest.mark.parametrize("number", [124, 900])
def test_a_modified_residue_that_cannot_be_the_next_one_of_the_chain_is_a_ligand(number: int):
    sequences, others, _ = parts(pdb(PEPTIDE, modified(at=number)))
    assert (sequences, others) == (["ACDEFGHIKLMNPQRSTVWYHDE"], ["MSE"])


def test_a_header_that_lacks_the_residue_makes_it_a_ligand():
    header = ["SEQRES   1 A    6  ALA CYS ASP GLU TRP TYR"]
    assert parts(pdb(header, residues(101, 102, 103), modified(), residues(119, 120)))[:2] == (["ACDWY"], ["MSE"])


def test_what_mmcif_says_of_the_sequence_counts_more_than_the_place():
    text = pdb(residues(101, 102, 103), with_end(modified()), LIGAND)
    structure = gemmi.read_pdb_string(text)
    structure.setup_entities()
    groups = gemmi.MmcifOutputGroups(False, atoms=True, group_pdb=True)
    for asym, label, sequence in (("A", 4, "ACDM"), ("A", None, "ACD"), ("X", None, "ACD"), ("X", 4, "ACD")):
        for chain in structure[0]:
            for place, residue in enumerate(chain, 1):
                is_lone = residue.name == "MSE"
                residue.subchain = asym if is_lone else chain.name
                residue.label_seq = label if is_lone else place if chain.name == "A" else None
        found = parts(structure.make_mmcif_document(groups).as_string())
        assert found[:2] == ([sequence], ["LIG"] if sequence == "ACDM" else ["MSE", "LIG"]), (asym, label)


# -- columns that mmCIF may lack ----------------------------------------------------------------------------

ASPARTATE = modified(122, "ASP", (), at=401)
WITH_ASPARTATE = pdb(PEPTIDE, ASPARTATE, LIGAND)


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"label_entity_id": None},
        {"label_seq_id": None},
        {"label_seq_id": "?"},
        {"occupancy": None, "B_iso_or_equiv": None, "pdbx_PDB_ins_code": None, "pdbx_PDB_model_num": None},
        {"pdbx_formal_charge": None, "label_alt_id": None, "id": None},
    ],
    ids=lambda columns: ",".join(columns) or "none",
)
def test_a_free_amino_acid_is_no_residue_without_group_pdb(columns: dict[str, str | None]):
    expected = [entry.item for entry in read(WITH_ASPARTATE)]
    assert [item.chains[0].sequence for item in expected] == ["ACDEFGHIKLMNPQRSTVWYHDE"] * 2
    assert [entry.item for entry in read(atom_sites(WITH_ASPARTATE))] == expected
    entries = read(atom_sites(WITH_ASPARTATE, group_pdb=False, **columns))
    assert [entry.item for entry in entries] == expected


def test_a_file_that_tells_nothing_of_its_residues_is_noted():
    text = atom_sites(WITH_ASPARTATE, group_pdb=False, label_seq_id=None, label_asym_id="A", auth_asym_id="A")
    assert "has neither group_PDB nor label_seq_id" in notes(read(text)[0])
    assert "group_PDB" not in notes(read(atom_sites(WITH_ASPARTATE, group_pdb=False))[0])


# -- several residues at one place --------------------------------------------------------------------------


def rivals(*occupied: tuple[str, str, float]) -> list[str]:
    """Return residue 111 as several residues at one place: name, label, occupancy; names are cut to the backbone."""
    backbone = [line for line in residues(111) if line[12:16].strip() in ("N", "CA", "C", "O")]
    return [
        f"{line[:16]}{label}{name:>3}{line[20:54]}{occupancy:6.2f}{line[60:]}"
        for name, label, occupancy in occupied
        for line in backbone
    ]


@pytest.mark.parametrize(
    ("occupied", "letter", "left_out"),
    [
        ([("THR", "A", 0.5), ("SER", "B", 0.2), ("ALA", "C", 0.3)], "T", "SER and ALA are left out"),
        ([("THR", "A", 0.3), ("SER", "B", 0.2), ("ALA", "C", 0.5)], "A", "THR and SER are left out"),
        ([("THR", "A", 0.2), ("SER", "B", 0.5), ("ALA", "C", 0.3)], "S", "THR and ALA are left out"),
        (
            [("GLY", "A", 0.1), ("THR", "B", 0.2), ("SER", "C", 0.3), ("ALA", "D", 0.4)],
            "A",
            "GLY, THR and SER are left out",
        ),
        ([("THR", "A", 0.5), ("SER", "B", 0.5)], "T", "SER is left out"),
        ([("THR", "A", 0.33), ("SER", "B", 0.33), ("ALA", "C", 0.33)], "T", "SER and ALA are left out"),
        ([("THR", "A", 0.3), ("THR", "B", 0.3), ("SER", "C", 0.4)], "T", "SER is left out"),
        ([("THR", "A", 0.3), ("MSE", "B", 0.5), ("ALA", "C", 0.2)], "M", "THR and ALA are left out"),
    ],
)
def test_residues_at_one_place_are_one_letter(occupied: list[tuple[str, str, float]], letter: str, left_out: str):
    before, after = residues(*range(101, 111)), residues(*range(112, 124))
    lines = [line.replace("ATOM  ", "HETATM") if "MSE" in line else line for line in rivals(*occupied)]
    text = pdb(before, lines, after, LIGAND)
    for written in (text, atom_sites(text)):
        entry = one(written)
        assert entry.item.chains[0].sequence == f"ACDEFGHIKL{letter}NPQRSTVWYHDE"
        assert entry.source["residues"][0]["numbers"] == list(range(101, 124))
        assert left_out in notes(entry)
