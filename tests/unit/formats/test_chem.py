"""Molecules and reactions in and out."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from rdkit import Chem
from rdkit.Chem import AllChem, rdDistGeom

from logos_cli.errors import FormatError, InputError, MoleculeError, UsageError
from logos_cli.formats.base import Entry, ReadOptions, WriteOptions
from logos_cli.formats.chem.plugin import PLUGIN
from logos_cli.formats.detect import detect
from logos_cli.grammar import Form
from logos_cli.io.input import Input
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import Material
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Record


def read(text: str, **options: object) -> list[Entry]:
    source = Input("-", io.BytesIO(text.encode()))
    assert detect(source) is PLUGIN
    return list(PLUGIN.read(source, ReadOptions(**options)))  # type: ignore[arg-type]


def items(entries: list[Entry]) -> list[object]:
    return [entry.item for entry in entries]


# -- SMILES --------------------------------------------------------------------------------------------------


def test_a_list_with_header_names_comments_and_extensions() -> None:
    entries = read("SMILES Name\n# none\nCCO ethyl alcohol\n\nOCC\tx\ty\nC1CC1 |$;;$| ring\nN\n")
    assert items(entries) == [Molecule("CCO"), Molecule("OCC"), Molecule("C1CC1"), Molecule("N")]
    assert [entry.id for entry in entries] == ["ethyl alcohol", "x", "ring", "stdin:7"]
    assert entries[0].source == {"path": "<stdin>", "line": 3}


def test_canonical_smiles() -> None:
    assert items(read("OCC\n")) == [Molecule("OCC")]
    assert items(read("OCC\nF[C@](Cl)(Br)I\n", canonical=True)) == [Molecule("CCO"), Molecule("F[C@](Cl)(Br)I")]


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("CC(C)(C)(C)C", "valence for atom # 1 C, 5, is greater than permitted"),
        ("c1cccc1", "Can't kekulize"),
        ("C1CC", "unclosed ring"),
        ("CC(", "syntax error near character 3"),
        ("C[Xx]", "syntax error"),
        ("CC.", "syntax error"),
        ("C{C}", "'{' is not a SMILES character"),
    ],
)
def test_what_rdkit_rejects_is_an_error_with_its_reason(smiles: str, message: str) -> None:
    good, bad, last = read(f"CCO a\n{smiles} b\nCCN c\n")
    assert items([good, last]) == [Molecule("CCO"), Molecule("CCN")]
    assert (bad.id, bad.item, bad.form) == ("b", None, Form.MOLECULE)
    assert isinstance(bad.error, MoleculeError)
    assert message in bad.error.message
    assert bad.error.source == "<stdin>:2"


def test_nothing_reaches_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    read("CCO\nC1CC\nC(C)(C)(C)(C)C\nCC(\nCCO\n")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("content", "sure"),
    [
        ("CCO\nCCN\n", True),
        ("c1ccccc1", True),
        ("[Na+].[Cl-] salt\n", True),
        ("SMILES\tID\nCCO\ta\n", True),
        ("CO>>CN\n", True),
        ("$RXN\n", True),
        ("$RDFILE 1\n", True),
        ("@<TRIPOS>MOLECULE\nx\n", True),
        ("MKVLLA\n", False),
        (">a\nCCO\n", False),
        ("HEADER    X\nATOM      1\n", False),
        ("data_X\n_cell_length_a 3\n", False),
        ("hello world\nthis is text\n", False),
        ("", False),
        ("<ProteinS>", False),
        ('{"a": 1}', False),
    ],
)
def test_sniff(content: str, sure: bool) -> None:
    assert (PLUGIN.sniff(content.encode()) > 0.5) is sure


def test_sniffing_a_long_word_is_linear() -> None:
    began = time.process_time()
    assert PLUGIN.sniff(b"[Fe+]C" * 500 + b"!\n") == 0.0
    assert time.process_time() - began < 2.0


def test_a_list_with_nothing_in_it() -> None:
    with pytest.raises(InputError, match="no SMILES"):
        list(PLUGIN.read(Input("-", io.BytesIO(b"# nothing\n")), ReadOptions()))


# -- SDF, MOL, MOL2 ------------------------------------------------------------------------------------------


def embedded(smiles: str, name: str = "") -> Chem.Mol:
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMolecule(molecule, randomSeed=7)
    molecule.SetProp("_Name", name)
    return molecule


def stripped_of_stereo_marks(block: str) -> str:
    """Leave the coordinates alone to say which enantiomer it is."""
    lines = [f"{line[:9]}  0" if len(line) == 12 and line[:9].split()[:1] else line for line in block.split("\n")]
    return "\n".join(lines)


def test_sdf_with_stereo_from_coordinates_and_without_hydrogens() -> None:
    one = stripped_of_stereo_marks(Chem.MolToMolBlock(embedded("C[C@H](F)Cl", "chiral")))
    two = Chem.MolToV3KMolBlock(embedded("CC(=O)[O-]", ""))
    entries = read(f"{one}> <ACT>\n1\n\n$$$$\n{two}> <ID>\nacetate\n\n$$$$\n\n")
    assert items(entries) == [Molecule("C[C@H](F)Cl"), Molecule("CC(=O)[O-]")]
    assert [entry.id for entry in entries] == ["chiral", "acetate"]
    assert [entry.source["record"] for entry in entries] == [1, 2]


def test_a_broken_record_harms_no_other() -> None:
    good = Chem.MolToMolBlock(embedded("CCO", "good")) + "$$$$\n"
    bad = good.replace("  1  2  1  0", "  1  2  3  0").replace("good", "bad")
    cut = good.split("M  END")[0].replace("good", "cut") + "\n$$$$\n"
    entries = read(good + bad + cut + good)
    assert items(entries) == [Molecule("CCO"), None, None, Molecule("CCO")]
    assert [entry.id for entry in entries] == ["good", "bad", "cut", "good_2"]
    first, second = (entry.error for entry in entries[1:3])
    assert first is not None
    assert second is not None
    assert first.source == f"<stdin>:{entries[1].source['line']}"
    assert "RDKit rejects" in first.message
    assert "cut off" in second.message


def test_a_single_mol_file_and_one_without_atoms() -> None:
    assert items(read(Chem.MolToMolBlock(Chem.MolFromSmiles("C1CC1")))) == [Molecule("C1CC1")]
    (empty,) = read("x\n\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n")
    assert empty.error is not None
    assert "no atoms" in empty.error.message


def test_mol2() -> None:
    block = """@<TRIPOS>MOLECULE
methanol
 2 1 0 0 0
SMALL
NO_CHARGES

@<TRIPOS>ATOM
      1 C1          0.0000    0.0000    0.0000 C.3
      2 O1          1.4000    0.0000    0.0000 O.3
@<TRIPOS>BOND
     1     1     2 1
"""
    entries = read("# made by hand\n" + block + block.replace("methanol", "bad").replace("O.3", "Qq"))
    assert entries[0].id == "methanol"
    assert entries[0].item == Molecule("CO")
    assert entries[0].source["notes"] == ["the file has no hydrogens; added by valence"]
    assert entries[1].error is not None


def test_counts_that_lie_are_refused_at_once() -> None:
    head = "@<TRIPOS>MOLECULE\nx\n2147483648 2 1 0 0\nSMALL\nNO_CHARGES\n\n@<TRIPOS>ATOM\n"
    (entry,) = read(head + "      1 C1          0.0000    0.0000    0.0000 C.3\n")
    assert entry.error is not None
    assert "counts 2147483648 atoms" in entry.error.message
    block = Chem.MolToV3KMolBlock(Chem.MolFromSmiles("CC")).replace("COUNTS 2 1", "COUNTS 200000000 1")
    (entry,) = read(block)
    assert entry.error is not None
    assert "counts 200000000 atoms" in entry.error.message


def test_real_sdf(shared_data: Path) -> None:
    with Input(str(shared_data / "molecules" / "pdb_ligands_3d.sdf.xz")) as source:
        entries = [entry for entry, _ in zip(PLUGIN.read(source, ReadOptions()), range(300), strict=False)]
    assert all(isinstance(entry.item, Molecule) for entry in entries)
    assert len({entry.id for entry in entries}) == 300


# -- reactions -----------------------------------------------------------------------------------------------


def test_reaction_smiles() -> None:
    entries = read("CC(=O)O.OCC>>CC(=O)OCC ester\nCBr.[NH3]>O.[Na+]>CN\nC->[Pt]>>C\n")
    assert items(entries[:2]) == [Reaction(("CC(=O)O", "OCC"), "CC(=O)OCC"), Reaction(("CBr", "[NH3]"), "CN")]
    assert entries[0].id == "ester"
    assert entries[1].source["reagents"] == ["O", "[Na+]"]


def test_reagents() -> None:
    (entry,) = read("CBr.N>O>CN\n", reagents="reactants")
    assert entry.item == Reaction(("CBr", "N", "O"), "CN")
    (entry,) = read("CBr.N>O>CN\n", reagents="error")
    assert entry.error is not None
    assert "has reagents: O" in entry.error.message


def test_atom_maps_go_and_tell_reagents() -> None:
    (entry,) = read("[CH3:1][Br:2].[NH3:3].[Na+:9].[Cl-:8]>>[CH3:1][NH2:3].[Br-:2]\n")
    assert entry.item == Reaction(("CBr", "N"), "CN.[Br-]")
    assert entry.source["reagents"] == ["[Na+]", "[Cl-]"]
    assert entry.source["notes"] == ["atom maps removed"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CC>CC", "two arrows"),
        (">>CC", "no reactants"),
        ("CC>>", "no product"),
        ("CC>>C(C)(C)(C)(C)C", "valence"),
        ("C1CC>>CC", "unclosed ring"),
    ],
)
def test_bad_reactions(text: str, message: str) -> None:
    good, bad = read(f"CBr.N>>CN\n{text}\n", form=Form.REACTION)
    assert good.item == Reaction(("CBr", "N"), "CN")
    assert (bad.item, bad.form) == (None, Form.REACTION)
    assert bad.error is not None
    assert message in bad.error.message


def test_rings_closed_across_a_dot_are_one_molecule() -> None:
    (entry,) = read("C1.C1.O>>CCO\n")
    assert isinstance(entry.item, Reaction)
    assert sorted(entry.item.reactants) == ["CC", "O"]


ESTERIFICATION = "[CH3:1][C:2](=[O:3])[OH:4].[CH3:5][OH:6]>[Na+].[Cl-]>[CH3:1][C:2](=[O:3])[O:6][CH3:5].O"


def rxn(v3000: bool = False) -> str:
    reaction = AllChem.ReactionFromSmarts(ESTERIFICATION, useSmiles=True)
    write = AllChem.ReactionToV3KRxnBlock if v3000 else AllChem.ReactionToRxnBlock
    return str(write(reaction, separateAgents=True))


@pytest.mark.parametrize("v3000", [False, True])
def test_rxn(v3000: bool) -> None:
    (entry,) = read(rxn(v3000))
    assert entry.item == Reaction(("CC(=O)O", "CO"), "COC(C)=O.O")
    assert entry.source["reagents"] == ["[Na+]", "[Cl-]"]


def test_rxn_cut_off() -> None:
    text = rxn()
    for end in ("M  END", "$MOL"):
        (entry,) = read(text[: text.rindex(end)])
        assert entry.error is not None
        assert "cut off" in str(entry.error)


def test_rdf() -> None:
    head = "$RDFILE 1\n$DATM    11/23/26 12:00\n"
    ethanol = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    first = f"$RFMT $RIREG 7\n{rxn()}$DTYPE YIELD\n$DATUM 90\n"
    text = f"{head}{first}$RFMT\n{rxn(True)}$MFMT $MIREG m1\n{ethanol}$RFMT\n$RXN\n\n"
    entries = read(text)
    assert [entry.id for entry in entries] == ["7", "stdin:2", "m1", "stdin:4"]
    assert items(entries[:2]) == [Reaction(("CC(=O)O", "CO"), "COC(C)=O.O")] * 2
    assert entries[2].item == Molecule("CCO")
    assert isinstance(entries[3].error, FormatError)


# -- out -----------------------------------------------------------------------------------------------------


def written(to: str, *pairs: tuple[Record, object], **options: object) -> str:
    stream = io.StringIO()
    writer = PLUGIN.writers()[to](stream, WriteOptions(**options))  # type: ignore[arg-type]
    for record, item in pairs:
        writer.write(record, item)  # type: ignore[arg-type]
    writer.close()
    return stream.getvalue()


MOF = Material("[Zn][O]([Zn])([Zn])[Zn]", ("O=C([O-])c1ccc(C(=O)[O-])cc1",))


def test_smi() -> None:
    text = written(
        "smi",
        (Record("m 1", "molecule", ""), Molecule("CCO")),
        (Record("", "molecule", ""), Molecule("CCN")),
        (Record("r", "retrosynthesis", ""), Reaction(("CBr", "N"), "CN")),
        (Record("c", "complex", ""), Complex((Protein("MK"),), "CCC")),
        (Record("f", "material", ""), MOF),
    )
    assert text == (
        "CCO\tm 1\nCCN\nCBr.N>>CN\tr\nCCC\tc\n"
        "[Zn][O]([Zn])([Zn])[Zn]\tf|metal\nO=C([O-])c1ccc(C(=O)[O-])cc1\tf|linker1\n"
    )


def test_sdf_out_and_in() -> None:
    smiles = "C[C@H](F)/C=C/c1ccccc1"
    record = Record("s1", "molecule", "", scores={"qed": {"value": 0.5}}, sample={"logp": -3.5})
    flat = written("sdf", (record, Molecule(smiles)))
    assert ">  <qed>\n0.5\n" in flat
    assert Chem.MolFromMolBlock(flat).GetConformer().Is3D() is False
    solid = written("sdf", (record, Molecule(smiles)), conformer=True, seed=3)
    assert solid == written("sdf", (record, Molecule(smiles)), conformer=True, seed=3)
    assert solid != written("sdf", (record, Molecule(smiles)), conformer=True, seed=4)
    again = Chem.MolFromMolBlock(solid, removeHs=False)
    assert again.GetConformer().Is3D()
    assert any(atom.GetAtomicNum() == 1 for atom in again.GetAtoms())
    expected = Molecule(Chem.CanonSmiles(smiles))
    assert items(read(flat)) == items(read(solid)) == [expected]


def test_sdf_of_a_framework_and_a_reaction() -> None:
    text = written("sdf", (Record("f", "material", ""), MOF), (Record("r", "reaction", ""), Reaction(("CBr",), "CN")))
    titles = [record.split("\n")[0] for record in text.split("$$$$\n")]
    assert titles == ["f|metal", "f|linker1", "r|reactant1", "r|product", ""]


@pytest.mark.parametrize("to", ["smi", "sdf"])
def test_what_they_cannot_say(to: str) -> None:
    with pytest.raises(UsageError, match="protein has no molecule"):
        written(to, (Record("p", "protein", ""), Protein("MK")))
    with pytest.raises(UsageError, match="site without a ligand"):
        written(to, (Record("p", "site", ""), Complex((Protein("MK", (0,)),))))


def test_sdf_of_a_bad_molecule_writes_nothing() -> None:
    with pytest.raises(MoleculeError):
        written("sdf", (Record("p", "molecule", ""), Molecule("C1CC")))


def _mol(smiles: str, title: str = "") -> str:
    molecule = Chem.MolFromSmiles(smiles)
    molecule.SetProp("_Name", title)
    return str(Chem.MolToMolBlock(molecule))


def test_molecules_one_after_the_other_without_delimiter() -> None:
    entries = read("".join(_mol(smiles) for smiles in ("CCO", "CCN", "CCC")))
    assert items(entries) == [Molecule("CCO"), Molecule("CCN"), Molecule("CCC")]
    assert [entry.source["line"] for entry in entries] == [1, 11, 21]
    assert "without a line $$$$" in entries[0].source["notes"][0]
    tagged = read(f"{_mol('CCO')}> <ID>\na\n\n{_mol('CCN')}> <ID>\nb\n\n$$$$\n{_mol('CCC', 'c')}")
    assert [(entry.id, entry.item) for entry in tagged] == [
        ("a", Molecule("CCO")),
        ("b", Molecule("CCN")),
        ("c", Molecule("CCC")),
    ]


def test_a_mol_block_in_a_data_field_is_no_record() -> None:
    entries = read(f"{_mol('CCO', 'a')}> <PARENT>\n{_mol('CCN', 'x')}\n> <ID>\n1\n\n$$$$\n{_mol('CCC', 'b')}$$$$\n")
    assert [(entry.id, entry.item) for entry in entries] == [("a", Molecule("CCO")), ("b", Molecule("CCC"))]


def test_what_follows_a_molecule_must_be_data() -> None:
    bad, good = read(f"{_mol('CCO')}CCN\n$$$$\n{_mol('CCC')}$$$$\n")
    assert bad.error is not None
    assert "line 11: neither a data field nor $$$$" in bad.error.message
    assert good.item == Molecule("CCC")


def test_blank_lines_before_the_header() -> None:
    entries = read(f"\n{_mol('CCO')}$$$$\n\n\n{_mol('CCN')}$$$$\n")
    assert items(entries) == [Molecule("CCO"), Molecule("CCN")]


def test_inchi_in_lists_and_tables() -> None:
    inchi = "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"
    assert items(read(f"{inchi} ethanol\nInChI=1S/CH4/h1H4\n")) == [Molecule("CCO"), Molecule("C")]
    (key,) = read("LFQSCWFLJHTTHZ-UHFFFAOYSA-N ethanol\n")
    assert key.error is not None
    assert "InChIKey" in key.error.message


def test_what_a_sentence_does_not_carry_is_listed() -> None:
    (entry,) = read("C[C@H](O)N |&1:1| racemate\n")
    assert PLUGIN.not_carried(entry) == ["stereo group &1: a mixture of both hands (atoms 2)"]


@pytest.mark.parametrize("n_blank", [0, 1, 2, 4])
@pytest.mark.parametrize("title", ["methanol", ""])
def test_blank_lines_before_the_title_of_an_sdf(n_blank: int, title: str) -> None:
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CO")).split("\n", 1)[1]
    source = Input("-", io.BytesIO(("\n" * n_blank + f"{title}\n{block}$$$$\n\n{title}\n{block}$$$$\n").encode()))
    first, second = detect(source).read(source, ReadOptions())
    assert (first.item, second.item) == (Molecule("CO"), Molecule("CO"))
    assert (first.id, second.id) == (("methanol", "methanol_2") if title else ("stdin:1", "stdin:2"))
