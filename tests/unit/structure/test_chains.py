"""Chains and data blocks as files have them: without names, with long ones, with waters inside, several in a file."""

from __future__ import annotations

import gemmi
import pytest

from logos_cli.errors import InputError
from logos_cli.structure.residues.map import ResidueMap
from tests.structures import AMIDE, ligand_lines, notes, one, pdb, peptide_lines, read

PEPTIDE = peptide_lines()
LIGAND = ligand_lines()
GOOD = pdb(PEPTIDE, ["TER"], LIGAND)


def document(text: str = GOOD) -> gemmi.cif.Document:
    """The structure as mmCIF with entities."""
    structure = gemmi.read_pdb_string(text)
    structure.setup_entities()
    structure.assign_label_seq_id()
    return structure.make_mmcif_document()


def mmcif(**columns: object) -> str:
    """The structure as mmCIF, columns of its atoms changed: a function of the row, or None to leave them out."""
    found = document()
    loop = found[0].find_loop("_atom_site.id").get_loop()
    tags = [tag.removeprefix("_atom_site.") for tag in loop.tags]
    rows = [{tag: loop[row, column] for column, tag in enumerate(tags)} for row in range(loop.length())]
    for tag, change in columns.items():
        for row in rows:
            row[tag] = "" if change is None else change(row)
    kept = [tag for tag in tags if columns.get(tag, 0) is not None]
    found[0].init_mmcif_loop("_atom_site.", kept).set_all_values([[row[tag] for row in rows] for tag in kept])
    return found.as_string()


def test_the_mmcif_is_the_pdb_file():
    assert one(mmcif()).item == one(GOOD).item


# -- names ------------------------------------------------------------------------------------------------


def test_a_chain_without_a_name_is_chosen_by_what_is_printed():
    text = pdb([f"{line[:21]} {line[22:]}" for line in [*PEPTIDE, *LIGAND]])
    assert one(text).id == "stdin::LIG:1"
    for name in (":1", "stdin::LIG:1", ":LIG:1", "LIG"):
        assert one(text, ligand=name).item == one(GOOD).item
    with pytest.raises(InputError, match="no ligand ':9'") as caught:
        read(text, ligand=":9")
    assert "LIG :1" in str(caught.value.hint)
    assert one(text, chains=("",)).source["chains"] == [""]
    source = one(text).source
    assert ResidueMap(source, [23]).select(":105,:107-108") == [[4, 6, 7]]


LONG = "HEAVYCHAIN1"


def test_names_of_any_length():
    text = mmcif(
        label_comp_id=lambda row: "MetAspCS" if row["label_comp_id"] == "LIG" else row["label_comp_id"],
        auth_comp_id=lambda row: "MetAspCS" if row["label_comp_id"] == "MetAspCS" else row["label_comp_id"],
        auth_asym_id=lambda row: LONG if row["auth_asym_id"] == "A" else "LIGANDCHAIN",
        label_atom_id=lambda row: "CARBON_NUMBER_1" if row["label_atom_id"] == "C1" else row["label_atom_id"],
    )
    entry = one(text)
    assert entry.id == "stdin:LIGANDCHAIN:MetAspCS:1"
    assert entry.item == one(GOOD).item
    assert entry.source["chains"] == [LONG]
    assert one(text, ligand="MetAspCS").item == one(text, ligand="LIGANDCHAIN:1").item == entry.item


def test_residues_without_numbers():
    author = dict.fromkeys(("auth_asym_id", "auth_seq_id", "auth_comp_id", "auth_atom_id"))
    text = mmcif(
        label_seq_id=lambda row: str(int(row["auth_seq_id"]) - 100) if row["auth_asym_id"] == "A" else ".", **author
    )
    entry = one(text)
    with pytest.raises(InputError, match="no number"):
        read(mmcif(label_seq_id=lambda row: ".", **author))
    assert entry.item == one(GOOD).item
    assert entry.source["ligand"]["number"] is None
    assert entry.id.endswith(":LIG")
    chain = entry.source["ligand"]["chain"]
    for name in (entry.id, f"{chain}:.", "LIG"):
        assert one(text, ligand=name).item == entry.item


# -- waters and ligands in the entity of a protein ---------------------------------------------------------


def test_waters_and_ligands_that_a_converter_left_in_the_polymer():
    water = ["HETATM 9999  O   HOH A 901      60.000  10.000  10.000  1.00 10.00           O"]
    structure = document(pdb(PEPTIDE, ["TER"], LIGAND, water))
    loop = structure[0].find_loop("_atom_site.id").get_loop()
    tags = [tag.removeprefix("_atom_site.") for tag in loop.tags]
    rows = [[loop[row, column] for column in range(len(tags))] for row in range(loop.length())]
    entity = rows[0][tags.index("label_entity_id")]
    for row in rows:
        row[tags.index("label_entity_id")] = entity
        row[tags.index("label_asym_id")] = rows[0][tags.index("label_asym_id")]
    structure[0].init_mmcif_loop("_atom_site.", tags).set_all_values(list(map(list, zip(*rows, strict=True))))
    entry = one(structure.as_string())
    assert entry.item == one(GOOD).item
    assert entry.source["waters"] == 1
    assert "LIG L:1 is no residue of the polymer" in notes(entry)


# -- data blocks and models --------------------------------------------------------------------------------


def two_blocks() -> str:
    first, second = document(), document(pdb(PEPTIDE, ["TER"], ligand_lines("c1ccccc1C", "TOL", shift=-6.0)))
    first[0].name, second[0].name = "one", "two"
    return first.as_string() + second.as_string()


def test_every_data_block_is_read():
    entries = read(two_blocks())
    assert [entry.id for entry in entries] == ["stdin_one:L:LIG:1", "stdin_two:L:TOL:1"]
    assert [entry.item.ligand for entry in entries] == [AMIDE, "Cc1ccccc1"]
    assert [entry.source["block"] for entry in entries] == ["one", "two"]


def test_a_block_that_fails_leaves_the_others():
    text = (
        two_blocks().replace("data_two", "data_two\n_entry.note x")
        + "\ndata_three\nloop_\n_atom_site.id\n_atom_site.Cartn_x\n1 1.0\n"
    )
    entries = read(text)
    assert [entry.error is None for entry in entries] == [True, True, False]


def test_one_structure_is_asked_for_where_one_is_needed():
    from logos_cli.structure.read import load

    with pytest.raises(InputError, match="2 structures: one, two"):
        load(two_blocks().encode(), "x.cif")
    assert load(two_blocks().encode(), "x.cif", "two").block.name == "two"


def test_a_block_of_definitions_gives_the_bonds():
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(AMIDE)
    counts: dict[str, int] = {}
    names = []
    for atom in molecule.GetAtoms():
        counts[atom.GetSymbol()] = counts.get(atom.GetSymbol(), 0) + 1
        names.append(f"{atom.GetSymbol().upper()}{counts[atom.GetSymbol()]}")
    Chem.Kekulize(molecule, clearAromaticFlags=True)
    orders = {Chem.BondType.SINGLE: "single", Chem.BondType.DOUBLE: "double"}
    atoms = "".join(f"LIG {name} {atom.GetSymbol()} 0\n" for name, atom in zip(names, molecule.GetAtoms(), strict=True))
    bonds = "".join(
        f"LIG {names[bond.GetBeginAtomIdx()]} {names[bond.GetEndAtomIdx()]} {orders[bond.GetBondType()]}\n"
        for bond in molecule.GetBonds()
    )
    hydrogens = ""
    for atom in molecule.GetAtoms():
        for number in range(atom.GetTotalNumHs()):
            name = f"H{names[atom.GetIdx()]}{number}"
            atoms += f"LIG {name} H 0\n"
            hydrogens += f"LIG {names[atom.GetIdx()]} {name} single\n"
    definition = (
        "data_comp_LIG\nloop_\n_chem_comp_atom.comp_id\n_chem_comp_atom.atom_id\n_chem_comp_atom.type_symbol\n"
        f"_chem_comp_atom.charge\n{atoms}loop_\n_chem_comp_bond.comp_id\n_chem_comp_bond.atom_id_1\n"
        f"_chem_comp_bond.atom_id_2\n_chem_comp_bond.type\n{bonds}{hydrogens}"
    )
    entry = one(document().as_string() + definition)
    assert entry.item == one(GOOD).item
    assert entry.source["ligand"]["origin"] == "chem_comp"


def test_the_hint_names_the_option_of_models():
    with pytest.raises(InputError, match="no model 5") as caught:
        read(GOOD, model=5)
    assert "--model-number" in str(caught.value.hint)
