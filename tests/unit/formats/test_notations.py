"""SELFIES, HELM and InChI: read and written against the libraries' own readers."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import selfies
from rdkit import Chem

from logos_cli import encode
from logos_cli.errors import LogosError
from logos_cli.formats.base import ReadOptions, WriteOptions
from logos_cli.formats.chem.plugin import PLUGIN
from logos_cli.formats.detect import detect
from logos_cli.grammar import Form
from logos_cli.io.input import Input
from logos_cli.objects.material import material_from_blocks
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Record
from logos_cli.workflows.decode import decode, writers

_MOLECULES = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[C@H](N)C(=O)O",
    "F/C=C/F",
    "C[N+](C)(C)CC(=O)[O-]",
    "[Na+].[Cl-]",
    "C[C@@]12CC[C@H](C1)C2",
    "[13CH4]",
    "Cn1c(=O)c2c(ncn2C)n(C)c1=O",
    "C[S@](=O)CC",
)


def _read(tmp_path: Path, text: str, name: str = "list.txt", **choices: object) -> list[Record]:
    (tmp_path / name).write_text(text)
    return list(encode(str(tmp_path / name), **choices))  # type: ignore[arg-type]


def _write(name: str, text: str) -> str:
    stream = io.StringIO()
    writers()[name](stream, WriteOptions()).write(Record("some id", "", text), decode(text))
    return stream.getvalue()


def _molecule(smiles: str) -> str:
    return f"<MoleculeS>{smiles}<MoleculeE>"


def test_a_list_of_selfies(tmp_path: Path) -> None:
    text = "".join(f"{selfies.encoder(smiles)}\tm{number}\n" for number, smiles in enumerate(_MOLECULES))
    records = _read(tmp_path, text)
    assert [record.text for record in records] == [_molecule(Chem.CanonSmiles(smiles)) for smiles in _MOLECULES]
    assert records[3].id == "m3"
    assert records[3].source["line"] == 4


@pytest.mark.parametrize("smiles", _MOLECULES)
def test_selfies_and_inchi_out_and_back(smiles: str, tmp_path: Path) -> None:
    text = _write("selfies", _molecule(smiles))
    assert Chem.CanonSmiles(selfies.decoder(text.split("\t")[0])) == Chem.CanonSmiles(smiles)
    (record,) = _read(tmp_path, text, "a.selfies")
    assert (record.id, record.text) == ("some id", _molecule(Chem.CanonSmiles(smiles)))
    inchi = _write("inchi", _molecule(smiles)).split("\t")[0]
    assert inchi == Chem.MolToInchi(Chem.MolFromSmiles(smiles))
    (record,) = _read(tmp_path, inchi + "\n")
    assert (
        Chem.MolToInchi(Chem.MolFromSmiles(record.text.removeprefix("<MoleculeS>").removesuffix("<MoleculeE>")))
        == inchi
    )


@pytest.mark.parametrize("name", ["selfies", "inchi"])
@pytest.mark.parametrize("smiles", ["[NH3]->[Pt](Cl)Cl", "*CC"])
def test_a_molecule_without_a_notation_is_refused(name: str, smiles: str) -> None:
    with pytest.raises(LogosError, match=r"cannot write|writes no InChI"):
        _write(name, _molecule(smiles))


def test_selfies_of_hypervalent_halogens(tmp_path: Path) -> None:
    """Never another molecule in silence: perchloric acid is not hypochlorous acid."""
    ions = selfies.decoder(_write("selfies", _molecule("O=Cl(=O)(=O)O")).split("\t")[0])
    assert Chem.CanonSmiles(ions) == Chem.CanonSmiles("O=Cl(=O)(=O)O")
    selfies.set_semantic_constraints("hypervalent")
    try:
        written = selfies.encoder("O=Cl(=O)(=O)O")
    finally:
        selfies.set_semantic_constraints()
    assert selfies.decoder(written) == "OCl"
    acid, sampled = _read(tmp_path, f"{written} acid\n[O][=Cl][=O][C][Branch1][C] sampled\n")
    assert acid.text == _molecule(Chem.CanonSmiles("O=Cl(=O)(=O)O"))
    assert "written with other valences" in acid.source["notes"][0]
    assert sampled.text == _molecule(Chem.CanonSmiles(selfies.decoder("[O][=Cl][=O][C][Branch1][C]")))
    assert "are left out" in sampled.source["notes"][0]
    assert selfies.get_semantic_constraints()["Cl"] == 1


def test_what_is_both_smiles_and_selfies(tmp_path: Path) -> None:
    """Refused unless the list, its name, its header or its column decides."""
    ambiguous, benzene = "[C][C][O]", "[C][=C][C][=C][C][=C][Ring1][=Branch1]"
    ethanol = _molecule("CCO")
    (record,) = _read(tmp_path, f"{ambiguous}\n")
    assert "SELFIES of a molecule, or SMILES" in (record.reason or "")
    assert _read(tmp_path, f"{ambiguous}\n{benzene}\n")[0].text == ethanol
    assert _read(tmp_path, f"{ambiguous}\n", "a.selfies.txt")[0].text == ethanol
    assert _read(tmp_path, f"selfies\n{ambiguous}\n")[0].text == ethanol
    assert _read(tmp_path, f"id,selfies\na,{ambiguous}\n", "a.csv")[0].text == ethanol
    assert _read(tmp_path, f"id,x\na,{ambiguous}\n", "a.csv", column="x")[0].status == "error"
    assert [record.status for record in _read(tmp_path, f"CCO\n{ambiguous}\n{benzene}\n")] == ["ok", "error", "ok"]
    assert [record.text for record in _read(tmp_path, "[NH4+]\n[Cu][Cu]\n")] == [
        _molecule("[NH4+]"),
        _molecule("[Cu][Cu]"),
    ]


@pytest.mark.parametrize("text", ["[C][Branch1_1][C][O]", "[C][Expl=Ring1][C]", "[C][=foo]"])
def test_symbols_of_other_versions_are_refused(text: str, tmp_path: Path) -> None:
    (record,) = _read(tmp_path, f"{text}\n", "a.selfies")
    assert "invalid symbol" in (record.reason or "")
    (record,) = _read(tmp_path, "CCO\n", "b.selfies")  # the library itself reads nothing from it, without an error
    assert "is no SELFIES" in (record.reason or "")


_CYCLE = "PEPTIDE1{A.C.D.C}$PEPTIDE1,PEPTIDE1,2:R3-4:R3$$$"


def test_helm_of_peptides(tmp_path: Path) -> None:
    """A plain peptide is a protein; anything more is a molecule, whose SMILES is RDKit's."""
    more = (_CYCLE, "PEPTIDE1{[ac].A.G.[am]}$$$$V2.0", "PEPTIDE1{[dA].C}$$$$", "PEPTIDE1{A.C}|PEPTIDE2{C.A}$$$$")
    records = _read(tmp_path, "\n".join(["PEPTIDE1{A.C.D}$$$$ p", "PEPTIDE2{A.C.D}$$$$V2.0", *more]) + "\n")
    assert [record.text for record in records[:2]] == ["<ProteinS>ACD<ProteinE>"] * 2
    assert records[0].id == "p"
    expected = [_molecule(Chem.MolToSmiles(Chem.MolFromHELM(text))) for text in more]
    assert [record.text for record in records[2:]] == expected
    (peptide,) = _read(tmp_path, "PEPTIDE1{A.C.D}$$$$\n", form="molecule")
    assert peptide.text == _molecule(Chem.MolToSmiles(Chem.MolFromSequence("ACD")))


def test_helm_as_protein_or_antibody_notes_the_bonds(tmp_path: Path) -> None:
    (record,) = _read(tmp_path, f"{_CYCLE}\n", form="protein")
    assert record.text == "<ProteinS>ACDC<ProteinE>"
    assert record.source["notes"] == ["not carried: the bond PEPTIDE1,PEPTIDE1,2:R3-4:R3"]
    (record,) = _read(tmp_path, "id,helm\na,PEPTIDE1{E.V.Q.L}|PEPTIDE2{D.I.Q.M}$$$$\n", "a.csv", form="antibody")
    assert record.text == "<AntibodyS>EVQL<AntibodyE><AntibodyS>DIQM<AntibodyE>"
    (record,) = _read(tmp_path, "PEPTIDE1{[dA].C}$$$$\n", form="protein")
    assert "none of the 20 amino acids" in (record.reason or "")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("PEPTIDE1{A.[Aib].[xyz].D}$$$$", "does not know the monomers [Aib], [xyz]"),
        ("PEPTIDE1{A}|CHEM1{[SS3]}$$$$", "it has no CHEM"),
        ("PEPTIDE1{A.C}$$$", "four sections"),
        ("PEPTIDE1{A.C}$PEPTIDE1,PEPTIDE1,2:R3-9:R3$$$", "connections"),
        ("PEPTIDE1{A.C}|PEPTIDE1{A}$$$$", "as another molecule"),
        ("PEPTIDE1{A.(A,G).C}$$$$", "RDKit cannot read"),
    ],
)
def test_helm_that_rdkit_cannot_read_is_refused(text: str, what: str, tmp_path: Path) -> None:
    (record,) = _read(tmp_path, f"{text} name\n")
    assert record.status == "error"
    assert what in (record.reason or "")


def test_helm_out_and_back(tmp_path: Path) -> None:
    sentence = "<ProteinS>MKTAYIAKQRQISFVKSHFSRQ<ProteinE>"
    text = _write("helm", sentence)
    assert Chem.MolToSequence(Chem.MolFromHELM(text.split("\t")[0])) == "MKTAYIAKQRQISFVKSHFSRQ"
    assert _read(tmp_path, text)[0].text == sentence
    antibody = "<AntibodyS>EVQL<AntibodyE><AntibodyS>DIQM<AntibodyE>"
    (record,) = _read(tmp_path, _write("helm", antibody), form="antibody")
    assert record.text == antibody
    with pytest.raises(LogosError, match="does not know the monomer X"):
        _write("helm", "<ProteinS>MKXA<ProteinE>")


# -- MOFid ---------------------------------------------------------------------------------------------------

_BDC, _ZN4O, _CU2 = "[O-]C(=O)c1ccc(cc1)C(=O)[O-]", "[Zn][O]([Zn])([Zn])[Zn]", "[Cu][Cu]"


@pytest.mark.parametrize("node", [_ZN4O, _CU2, "[Zn]"])
@pytest.mark.parametrize(
    "text",
    [
        "{} MOFid-v1.pcu.cat0;IRMOF-1\n",
        "{}\tMOFid-v1.pcu.cat0\n",
        "id,mofid\nIRMOF-1,{} MOFid-v1.pcu.cat0;x\n",
        "id,smiles\na,{} MOFid-v1.pcu.cat0\n",
    ],
)
def test_a_mofid_is_a_material(node: str, text: str) -> None:
    source = Input("-", io.BytesIO(text.format(f"{_BDC}.{node}").encode()))
    (entry,) = detect(source).read(source, ReadOptions())
    assert entry.item == material_from_blocks([node], [_BDC])
    assert entry.source["notes"] == ["not carried: net and catenation, MOFid-v1.pcu.cat0"]
    assert entry.id == ("IRMOF-1" if "IRMOF-1" in text else "a" if "id," in text else "stdin:1")


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ("*", "no linker|no node"),
        (_ZN4O, "no linker"),
        (_BDC, "no node"),
        (f"{_BDC}.CC(=O)O[Pb].[Pb]", "a metal and carbon"),
        (f"{_BDC}.[Zn](", "not a SMILES"),
    ],
)
def test_a_mofid_that_is_no_framework_is_refused(blocks: str, said: str) -> None:
    source = Input("-", io.BytesIO(f"CCO MOFid\n{blocks} MOFid-v1.NA.cat0;x\nCCN b\n".encode()))
    named, refused, last = PLUGIN.read(source, ReadOptions())
    assert (named.id, named.item, last.item) == ("MOFid", Molecule("CCO"), Molecule("CCN"))
    assert re.search(said, str(refused.error))
    assert refused.form is Form.MATERIAL
