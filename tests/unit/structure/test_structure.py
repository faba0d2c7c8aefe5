"""Structures that the tests write themselves: one awkward thing each."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from logos_cli import Record
from logos_cli.errors import InputError, LogosError, OutputError
from logos_cli.formats.base import ReadOptions, WriteOptions
from logos_cli.formats.structure.plugin import PLUGIN
from logos_cli.grammar import Form
from logos_cli.io.input import Input
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.workflows.encode import encode

BENZENE = [(1.39, 0, 0), (0.695, 1.204, 0), (-0.695, 1.204, 0), (-1.39, 0, 0), (-0.695, -1.204, 0), (0.695, -1.204, 0)]


def atom(
    name: str,
    residue: str,
    chain: str,
    number: str,
    place: Iterable[float],
    *,
    het: bool = False,
    altloc: str = " ",
    occupancy: float = 1.0,
    element: str | None = None,
) -> str:
    """One ATOM line; ``number`` may end in an insertion code."""
    digits, code = (number[:-1], number[-1]) if number[-1].isalpha() else (number, " ")
    x, y, z = place
    symbol = name[0] if element is None else element
    return (
        f"{'HETATM' if het else 'ATOM  '}    1 {' ' + name if len(name) < 4 else name:<4}{altloc}{residue:>3} {chain}"
        f"{digits:>4}{code}   {x:8.3f}{y:8.3f}{z:8.3f}{occupancy:6.2f}{10:6.2f}          {symbol:>2}"
    )


def chain(
    sequence: str, *, name: str = "A", start: int = 1, z: float = 4.0, step: float = 3.8, x: float = 0.0
) -> list[str]:
    """A straight strand of residues along x; each has N, CA, C and O, peptide bonds of 1.3 Å."""
    codes = {"A": "ALA", "G": "GLY", "S": "SER", "K": "LYS", "M": "MET", "L": "LEU", "C": "CYS", "Y": "TYR"}
    lines = []
    for place, letter in enumerate(sequence):
        at = x + place * step
        for atom_name, shift in (("N", 0.0), ("CA", 1.2), ("C", 2.5), ("O", 2.5)):
            y = 1.2 if atom_name == "O" else 0.0
            lines.append(atom(atom_name, codes[letter], name, str(start + place), (at + shift, y, z)))
    return lines


def benzene(name: str = "A", number: str = "900", z: float = 0.0, residue: str = "BNZ", **more: object) -> list[str]:
    """Benzene around the origin."""
    return [
        atom(f"C{i + 1}", residue, name, number, (x, y, z), het=True, **more) for i, (x, y, _) in enumerate(BENZENE)
    ]


def pdb(*parts: list[str]) -> bytes:
    """A PDB file without headers."""
    return ("\n".join(line for part in parts for line in part) + "\nEND\n").encode()


def read(data: bytes, **options: object) -> list:
    return list(PLUGIN.read(Input("-", io.BytesIO(data)), ReadOptions(**options)))


def one(data: bytes, **options: object):
    entries = read(data, **options)
    assert len(entries) == 1
    assert entries[0].error is None, str(entries[0].error)
    return entries[0]


HOLO = pdb(chain("AGSKMLAAGS", x=-3), benzene())


def test_a_ligand_gives_its_smiles_and_the_residues_within_the_cutoff():
    entry = one(HOLO)
    assert isinstance(entry.item, Complex)
    assert entry.item.ligand == "c1ccccc1"
    assert entry.item.chains[0].sequence == "AGSKMLAAGS"
    assert entry.item.chains[0].site == (0, 1)
    assert entry.source["ligand"]["origin"] == "ccd"
    assert entry.source["residues"] == [{"chain": "A", "numbers": list(range(1, 11))}]
    wider = one(HOLO, cutoff_angstrom=8.0)
    assert set(wider.item.chains[0].site) > {0, 1}
    assert wider.source["cutoff_angstrom"] == 8.0


def test_the_cutoff_is_inclusive_and_exact():
    lines = [atom(name, "GLY", "A", "1", (0, 0, z)) for name, z in (("N", 4.5), ("CA", 6.0), ("C", 7.5))]
    for distance, expected in ((4.5, 1), (4.499, 0)):
        ligand = [atom("ZN", "ZN", "A", "9", (0, 0, 0), het=True, element="ZN")]
        entries = read(pdb(lines, ligand), ligand="ZN", cutoff_angstrom=distance)
        assert sum(entry.item is not None for entry in entries) == expected
    assert entries[0].error is not None


def test_forms_that_are_asked_for():
    assert isinstance(one(HOLO, form=Form.PROTEIN).item, Protein)
    assert one(HOLO, form=Form.MOLECULE).item == Molecule("c1ccccc1")
    for form in (Form.SITE, Form.EXPANDED, Form.TRANSFORMATION, Form.SEARCH):
        assert one(HOLO, form=form).item == Complex(one(HOLO).item.chains)


def test_a_bare_protein_is_a_protein_or_a_search_without_tags():
    bare = pdb(chain("AGSK"), chain("GGAAM", name="B", z=30))
    assert [entry.item for entry in read(bare)] == [Protein("AGSK"), Protein("GGAAM")]
    assert [entry.item for entry in read(bare, form=Form.SEARCH)] == [
        Complex((Protein("AGSK"),)),
        Complex((Protein("GGAAM"),)),
    ]
    assert [entry.item for entry in read(bare, chains=("B",))] == [Protein("GGAAM")]
    with pytest.raises(InputError, match="no ligand"):
        read(bare, form=Form.COMPLEX)


def test_additives_small_and_distant_molecules_are_not_relevant():
    water = [atom("O", "HOH", "A", "700", (0, 2, 2), het=True)]
    glycerol = [
        atom(name, "GOL", "A", "701", (i, 0, 0), het=True)
        for i, name in enumerate(("C1", "C2", "C3", "O1", "O2", "O3"))
    ]
    far = benzene(number="702", z=-40)
    for extra in (water, glycerol, far):
        assert isinstance(read(pdb(chain("AGSK"), extra))[0].item, Protein)
    with pytest.raises(InputError, match="no relevant ligand") as caught:
        read(pdb(chain("AGSK"), glycerol), form=Form.COMPLEX)
    assert "GOL A:701" in str(caught.value.hint)


def test_every_copy_of_a_ligand_is_an_entry():
    entries = read(pdb(chain("A" * 30, x=-3), benzene(), benzene(number="901", residue="BNZ", z=8.0)))
    assert [entry.id for entry in entries] == ["stdin:A:BNZ:900", "stdin:A:BNZ:901"]


def test_ligand_by_component_number_or_record_id():
    data = pdb(chain("AGSK", x=-3), benzene(), [atom("ZN", "ZN", "A", "901", (0, 0, 1.5), het=True, element="ZN")])
    assert one(data, ligand="ZN").item.ligand == "[Zn+2]"
    for text in ("A:900", "A:BNZ:900", "BNZ:A:900", "1abc:A:BNZ:900", "bnz"):
        assert one(data, ligand=text).item.ligand == "c1ccccc1"
    for text, said in (("XYZ", "no ligand"), ("A:5", "no ligand"), ("A:1", "part of a protein chain")):
        with pytest.raises(InputError, match=said) as caught:
            read(data, ligand=text)
        assert "BNZ A:900" in str(caught.value.hint)


def test_unknown_chain_lists_those_that_are_there():
    with pytest.raises(InputError, match="no protein chain 'Q'") as caught:
        read(HOLO, chains=("Q",))
    assert "A" in str(caught.value.hint)


def test_altlocs_take_the_highest_occupancy_and_the_first_label_on_a_tie():
    near, away = (0.0, 0.0, 3.5), (0.0, 0.0, 30.0)
    for high, sites in ((0.6, 1), (0.5, 1), (0.3, 0)):
        moving = [
            atom("CB", "ALA", "A", "3", near, altloc="A", occupancy=high),
            atom("CB", "ALA", "A", "3", away, altloc="B", occupancy=1 - high),
        ]
        backbone = [atom(name, "ALA", "A", "3", (0, 0, 25 + i)) for i, name in enumerate(("N", "CA", "C"))]
        entries = read(pdb(chain("AG", x=-3), backbone, moving, benzene()))
        assert (2 in entries[0].item.chains[0].site) == bool(sites)
        assert any("alternative locations" in note for note in entries[0].source["notes"])


def test_microheterogeneity_keeps_the_better_occupied_residue():
    rival = [line[:54] + "  0.30" + line[60:] for line in chain("S", start=2, x=0.8)]
    main = [line[:54] + "  0.70" + line[60:] for line in chain("K", start=2, x=0.8)]
    for order in ((main, rival), (rival, main)):
        item = read(pdb(chain("A", x=-3), *order, chain("G", start=3, x=4.6)))[0].item
        assert item.sequence == "AKG"


def test_insertion_codes_negative_and_duplicate_numbers():
    lines = [*chain("A", start=-1, x=-6.8), *chain("G", start=0, x=-3)]
    inserted = [line.replace("GLY A   0 ", "SER A   0A") for line in chain("G", start=0, x=0.8)]
    entry = one(pdb(lines, inserted, chain("K", start=1, x=4.6), benzene()))
    mapped = entry.source["residues"][0]
    assert entry.item.chains[0].sequence == "AGSK"
    assert mapped["numbers"] == [-1, 0, 0, 1]
    assert mapped["insertion"] == {"2": "A"}
    again = pdb(chain("AGS"), [line.replace(" 4.000", "34.000") for line in chain("AGS")])
    entry = one(again)
    assert entry.item.sequence == "AGSAGS"
    assert entry.source["residues"][0]["numbers"] == [1, 2, 3, 1, 2, 3]
    assert any("again" in note for note in entry.source["notes"])


def test_modified_residues_have_their_parents_letter():
    modified = [line.replace("MET", "MSE").replace("ATOM  ", "HETATM") for line in chain("M", start=2, x=0.8)]
    entry = one(pdb(chain("A", x=-3), modified, chain("G", start=3, x=4.6)))
    assert entry.item.sequence == "AMG"
    assert entry.source["residues"][0]["names"] == {"1": "MSE"}


@pytest.mark.parametrize(
    ("name", "letter"),
    [
        ("MSE", "M"),
        ("SEP", "S"),
        ("TPO", "T"),
        ("PTR", "Y"),
        ("CSO", "C"),
        ("HYP", "P"),
        ("DAL", "A"),
        ("SEC", "U"),
        ("PYL", "O"),
        ("HID", "H"),
        ("UNK", "X"),
        ("CRO", "X"),
        ("QQQ", "X"),
        ("MVA", "V"),
    ],
)
def test_letters(name: str, letter: str):
    from logos_cli.structure.residues.residue_names import letter as letter_of

    assert letter_of(name) == letter


def test_a_ligand_before_ter_is_no_residue_of_the_chain():
    data = pdb(chain("AGSK", x=-3), benzene(number="5"), ["TER"])
    assert one(data).item.chains[0].sequence == "AGSK"


def test_models_are_chosen_and_counted():
    two = (
        b"MODEL        1\n"
        + pdb(chain("AGSK"))[:-4]
        + b"ENDMDL\nMODEL        2\n"
        + pdb(chain("KKKK"))[:-4]
        + b"ENDMDL\nEND\n"
    )
    assert one(two).item.sequence == "AGSK"
    assert one(two, model=2).item.sequence == "KKKK"
    assert "2 models" in one(two).source["notes"][0]
    with pytest.raises(InputError, match="no model 3"):
        read(two, model=3)


def test_full_sequence_from_seqres():
    seqres = ["SEQRES   1 A    6  MET ALA GLY SER LYS TYR"]
    data = pdb(seqres, chain("AGSK", start=2))
    entry = one(data, sequence="full")
    assert entry.item.sequence == "MAGSKY"
    assert entry.source["residues"][0]["numbers"] == [None, 2, 3, 4, 5, None]
    assert one(data).item.sequence == "AGSK"


def test_short_peptides_beside_a_longer_chain_are_ligands():
    entries = read(pdb(chain("A" * 25, x=-3), chain("GGA", name="P", z=0.5, x=2)))
    assert [entry.id for entry in entries] == ["stdin:P:GLY-GLY-ALA:1"]
    assert entries[0].item.ligand == "C[C@H](NC(=O)CNC(=O)CN)C(=O)O"
    assert entries[0].source["ligand"]["peptide"] is True


def test_element_columns_that_are_missing_or_wrong():
    for change in (lambda line: line[:76], lambda line: line[:76] + "XX", lambda line: line[:76] + "CA"):
        data = pdb(*[[change(line) for line in part] for part in (chain("AGSK", x=-3), benzene())])
        assert one(data).item == one(pdb(chain("AGSK", x=-3), benzene())).item
    shifted = [line[:76] + " H" if line[13] == "N" else line for line in chain("AGSK", x=-3)]
    assert one(pdb(shifted, benzene())).item.chains[0].site == (0, 1)


def test_unknown_components_are_perceived_and_other_names_matched():
    entry = one(pdb(chain("AGSK", x=-3), benzene(residue="ZZ9")))
    assert entry.item.ligand == "c1ccccc1"
    assert entry.source["ligand"]["origin"] == "perceived"
    renamed = [line.replace(" C1 ", " CX ").replace(" C2 ", " CY ") for line in benzene()]
    entry = one(pdb(chain("AGSK", x=-3), renamed))
    assert entry.source["ligand"]["origin"] == "ccd"
    assert any("atom names" in note for note in entry.source["notes"])


def test_a_bad_ligand_leaves_the_others_unharmed():
    strange = [
        atom(f"X{i}", "ZZ8", "A", "950", (x, y, 8.0), het=True, element="X") for i, (x, y, _) in enumerate(BENZENE)
    ]
    entries = read(pdb(chain("AGSK", x=-3), benzene(), strange))
    assert [entry.error is None for entry in entries] == [True, False]
    assert "--ligand" in str(entries[1].error.hint)


SDF = (
    """cyclohexane
     RDKit          3D

  6  6  0  0  0  0  0  0  0  0999 V2000
"""
    + "".join(f"{x:10.4f}{y:10.4f}{z:10.4f} C   0  0\n" for x, y, z in BENZENE)
    + "".join(f"{i + 1:3d}{(i + 1) % 6 + 1:3d}  1  0\n" for i in range(6))
    + "M  END\n$$$$\n"
)


def test_a_molecule_file_brings_bond_orders_and_its_own_place(tmp_path: Path):
    path = tmp_path / "pose.sdf"
    path.write_text(SDF)
    entry = one(pdb(chain("AGSK", x=-3)), ligand=str(path))
    assert entry.item == Complex((Protein("AGSK", (0, 1)),), "C1CCCCC1")
    assert entry.source["ligand"]["file"]["path"] == str(path)
    path.write_text(SDF.replace("1.3900", "9.3900").replace("0.0000 C", "90.0000 C"))
    entry = one(HOLO, ligand=str(path))
    assert entry.item.ligand == "C1CCCCC1"
    assert entry.source["ligand"]["component"] == "BNZ"
    with pytest.raises(InputError, match="no ligand of the structure"):
        read(pdb(chain("AGSK", x=-3)), ligand=str(path))
    with pytest.raises(InputError, match="no such file"):
        read(HOLO, ligand=str(tmp_path / "absent.sdf"))


def test_smiles_text_brings_bond_orders():
    assert one(HOLO, ligand="C1CCCCC1").item.ligand == "C1CCCCC1"
    with pytest.raises(InputError, match="no ligand of the structure"):
        read(HOLO, ligand="CCCCCCCO")


def test_mates_count_only_when_asked_for():
    crystal = ["CRYST1   20.000   20.000   20.000  90.00  90.00  90.00 P 1           1"]
    data = pdb(crystal, chain("AG", x=-3), chain("K", start=3, x=3, z=17), benzene())
    assert 2 not in one(data).item.chains[0].site
    entry = one(data, symmetry=True)
    assert 2 in entry.item.chains[0].site
    assert entry.source["ligand"]["symmetry_contacts"] == ["LYS A:3"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"HEADER    NOTHING HERE\nEND\n", "no atoms"),
        (HOLO[:-90], "ends inside"),
        (HOLO[:-125] + b"\n", "no x coordinate"),
        (HOLO.replace(b"   1.390", b"     nan", 1), "no x coordinate"),
        (HOLO.replace(b"   1.390", b"********", 1), "no x coordinate"),
        (b"data_x\n_entry.id x\n_cell.length_a 1\n", "no atoms"),
        (b"data_x\nloop_\n_atom_site.id\n_atom_site.Cartn_x\n1\n", "not a readable structure"),
        (b"\x82\xa7encoder\xa1x\xaadataBlocks\x90", "without data blocks"),
        (b"\x82\xa7encoder\xa1x\xaadataBlocks", "damaged BinaryCIF"),
    ],
)
def test_bad_files_say_what_is_wrong(data: bytes, said: str):
    assert PLUGIN.sniff(data) > 0
    with pytest.raises(InputError, match=said) as caught:
        read(data)
    assert caught.value.hint
    assert str(caught.value.source).startswith("<stdin>")


ONE_ATOM_CIF = b"""data_x
loop_
_atom_site.group_PDB
_atom_site.id
_atom_site.type_symbol
_atom_site.label_atom_id
_atom_site.label_comp_id
_atom_site.label_asym_id
_atom_site.label_seq_id
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
_atom_site.auth_asym_id
_atom_site.auth_seq_id
_atom_site.pdbx_PDB_model_num
ATOM 1 C CA GLY A 1 nan 0 0 A 1 1
"""


def test_coordinates_that_are_no_positions():
    for number in (b"nan", b"1e9"):
        with pytest.raises(InputError, match="no position"):
            read(ONE_ATOM_CIF.replace(b"nan", number))
    with pytest.raises(InputError, match="lack label_asym_id"):
        read(ONE_ATOM_CIF.replace(b"_atom_site.label_asym_id", b"_atom_site.other"))
    assert one(ONE_ATOM_CIF.replace(b"nan", b"1.0")).item == Protein("G")


def test_sniffing_leaves_crystals_and_other_text_alone():
    crystal = b"data_mof\n_cell_length_a 25\nloop_\n_atom_site_label\n_atom_site_fract_x\nZn1 0.2\n"
    for data in (crystal, b"CCO\n", b">x\nMKV\n", b"\x00\x01\x02", b"", b"REMARKABLE text\n"):
        assert PLUGIN.sniff(data) == 0
    assert PLUGIN.sniff(HOLO) > 0.9


ETHANOL_CIF = b"""data_EOH
loop_
_chem_comp_atom.comp_id
_chem_comp_atom.atom_id
_chem_comp_atom.type_symbol
EOH C1 C
EOH C2 C
EOH O O
EOH H1 H
EOH H2 H
EOH HO H
EOH H3 H
EOH H4 H
EOH H5 H
loop_
_chem_comp_bond.comp_id
_chem_comp_bond.atom_id_1
_chem_comp_bond.atom_id_2
_chem_comp_bond.value_order
EOH C1 C2 SING
EOH C1 O SING
EOH C1 H1 SING
EOH C1 H2 SING
EOH O HO SING
EOH C2 H3 SING
EOH C2 H4 SING
EOH C2 H5 SING
"""


def test_a_component_definition_is_a_molecule():
    entry = one(ETHANOL_CIF)
    assert entry.item == Molecule("CCO")
    assert entry.id == "EOH"


# -- writers ---------------------------------------------------------------------------------------------


def written(name: str, records: list[Record]) -> str:
    from logos_cli.workflows.decode import decode

    stream = io.StringIO()
    writer = PLUGIN.writers()[name](stream, WriteOptions())
    for record in records:
        writer.write(record, decode(record))
    writer.close()
    return stream.getvalue()


def test_writers_show_the_site_and_refuse_a_changed_file(tmp_path: Path):
    import gemmi

    path = tmp_path / "holo.pdb"
    path.write_bytes(HOLO)
    records = list(encode(str(path)))
    block = gemmi.cif.read_string(written("cif", records))[0]
    factors = {
        residue.seqid.num: {each.b_iso for each in residue}
        for residue in gemmi.make_structure_from_block(block)[0]["A"]
    }
    assert factors[1] == factors[2] == {100.0}
    assert factors[3] == factors[900] == {0.0}
    assert "resi 1+2)" in written("pml", records)
    assert "/A:1,2" in written("cxc", records)
    assert written("pml", records * 2).count("load ") == 1
    path.write_bytes(HOLO.replace(b" 1.390", b" 1.391"))
    for name in ("cif", "pml", "cxc"):
        with pytest.raises(OutputError, match="changed"):
            written(name, records)
    path.unlink()
    with pytest.raises(OutputError, match="no such file"):
        written("cif", records)


def test_writers_need_a_structure_behind_the_record():
    for record, reason in (
        (Record("x", "molecule", "<MoleculeS>C<MoleculeE>"), "a molecule has no residues to show"),
        (Record("y", "protein", "<ProteinS>MK<ProteinE>"), "no residue map"),
    ):
        with pytest.raises(OutputError, match=reason):
            written("pml", [record])


def test_negative_numbers_are_escaped_for_pymol(tmp_path: Path):
    path = tmp_path / "negative.pdb"
    path.write_bytes(pdb(chain("AGSK", x=-3, start=-1), benzene()))
    assert "resi \\-1+0)" in written("pml", list(encode(str(path))))


@pytest.mark.parametrize("name", ["pml", "cxc"])
def test_scripts_take_no_commands_from_records(name: str, tmp_path: Path):
    path = tmp_path / "holo.pdb"
    path.write_bytes(HOLO)
    (record,) = encode(str(path))
    lines = written(name, [record]).splitlines()
    hostile = replace(record, id="x\nquit\nsystem rm x\x1b[2J")
    found = written(name, [hostile]).splitlines()
    assert len(found) == len(lines)
    assert not any(line.startswith(("quit", "system")) or "\x1b" in line for line in found)
    residues = [{**record.source["residues"][0], "chain": 'A" or all\nquit'}]
    with pytest.raises(OutputError, match="of a chain cannot be written into a script"):
        written(name, [replace(record, source={**record.source, "residues": residues})])


@pytest.mark.parametrize("file", ["a;quit.pdb", 'a"b.pdb', "a,b.pdb", "a\nquit.pdb", "a#b.pdb"])
def test_scripts_refuse_names_of_files_that_are_commands(file: str, tmp_path: Path):
    path = tmp_path / file
    path.write_bytes(HOLO)
    for name in ("pml", "cxc"):
        with pytest.raises(OutputError, match="viewers read as commands"):
            written(name, list(encode(path)))


# -- the component index -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_index_is_made_once_and_read_without_biotite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import subprocess
    import sys

    from logos_cli.structure.ligand import dictionary

    monkeypatch.setenv("LOGOS_CACHE", str(tmp_path))
    dictionary._index.cache_clear()
    dictionary.component.cache_clear()
    assert dictionary.component("BNZ") is not None
    path = dictionary.index_path()
    assert path.is_file()
    made = path.stat().st_mtime_ns
    dictionary._index.cache_clear()
    dictionary.component.cache_clear()
    found = dictionary.component("HEM")
    assert found is not None
    assert len(found.atoms) == 43
    assert path.stat().st_mtime_ns == made
    code = (
        "import sys; from logos_cli.structure.ligand import dictionary as c\n"
        "assert c.component('STI').atoms; print('biotite' in sys.modules)"
    )
    warm = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert warm.stdout == "False\n"
    path.write_bytes(b"damaged")
    dictionary._index.cache_clear()
    dictionary.component.cache_clear()
    assert dictionary.component("BNZ") is not None
    dictionary._index.cache_clear()
    dictionary.component.cache_clear()


def test_the_index_works_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch):
    from logos_cli.structure.ligand import dictionary

    monkeypatch.setenv("LOGOS_CACHE", "/proc/nowhere")
    dictionary._index.cache_clear()
    dictionary.component.cache_clear()
    found = dictionary.component("MSE")
    assert found is not None
    assert (found.parent, found.letter) == ("MET", "M")
    assert dictionary.component("no such component") is None
    dictionary._index.cache_clear()
    dictionary.component.cache_clear()


def test_errors_are_of_the_library():
    with pytest.raises(LogosError):
        read(b"ATOM\n")
