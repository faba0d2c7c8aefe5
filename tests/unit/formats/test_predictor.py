"""Inputs of AlphaFold 3, Boltz and Chai: what they ask for, out and back, and what is noted or refused."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
import zstandard
from Bio import SeqIO
from rdkit import Chem

from logos_cli import encode
from logos_cli.errors import LogosError
from logos_cli.formats.base import WriteOptions
from logos_cli.formats.predictor.write import IONS
from logos_cli.records import Record
from logos_cli.workflows.decode import decode, writers

_HEAVY, _LIGHT = "EVQLVESGGGLVQPGGSLRLSCAAS", "DIQMTQSPSSLSASVGDRVTITCRAS"
_PROTEIN = "MKTAYIAKQRDSAWEKLGRHF"
_ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
_KINDS = ("alphafold3", "boltz", "chai")
_SENTENCES = {
    "protein": f"<ProteinS>{_PROTEIN}<ProteinE>",
    "complex": f"<ProteinS>{_PROTEIN}<ProteinE><MoleculeS>{_ASPIRIN}<MoleculeE>",
    "dimer": f"<ProteinS>{_PROTEIN}<ProteinE><ProteinS>{_PROTEIN}<ProteinE><ProteinS>{_LIGHT}<ProteinE>"
    f"<MoleculeS>{_ASPIRIN}<MoleculeE>",
    "ligand": f"<MoleculeS>{_ASPIRIN}<MoleculeE>",
    "isomer": f"<ProteinS>{_PROTEIN}<ProteinE><MoleculeS>F/C=C\\C(=O)[C@@H](N)C#N<MoleculeE>",
}


def _read(tmp_path: Path, content: object, **choices: object) -> list[Record]:
    path = tmp_path / "job"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return list(encode(str(path), **choices))  # type: ignore[arg-type]


def _write(kind: str, sentence: str, name: str = "design 1", **source: object) -> str:
    stream = io.StringIO()
    record = Record(name, "", sentence, source=source)  # type: ignore[arg-type]
    writers()[kind](stream, WriteOptions()).write(record, decode(sentence))
    return stream.getvalue()


def _job(*sequences: dict[str, Any], **keys: object) -> dict[str, object]:
    return {
        "name": "job",
        "modelSeeds": [1],
        "sequences": list(sequences),
        "dialect": "alphafold3",
        "version": 1,
        **keys,
    }


def _protein(id: object = "A", sequence: str = _PROTEIN, **keys: object) -> dict[str, Any]:
    return {"protein": {"id": id, "sequence": sequence, **keys}}


def _ligand(id: object = "L", **keys: object) -> dict[str, Any]:
    return {"ligand": {"id": id, **keys}}


@pytest.mark.parametrize("what", _SENTENCES)
@pytest.mark.parametrize("kind", _KINDS)
def test_out_and_back(kind: str, what: str, tmp_path: Path) -> None:
    (record,) = _read(tmp_path, _write(kind, _SENTENCES[what]))
    assert record.status == "ok"
    assert record.text == _SENTENCES[what]
    assert record.source["format"] == kind
    if kind == "alphafold3":
        assert record.id == "design_1"


@pytest.mark.parametrize("kind", _KINDS)
def test_an_antibody_out_and_back(kind: str, tmp_path: Path) -> None:
    sentence = f"<AntibodyS>{_HEAVY}<AntibodyE><AntibodyS>{_LIGHT}<AntibodyE>"
    text = _write(kind, sentence, chains=["H", "L"])
    (record,) = _read(tmp_path, text, form="antibody")
    assert record.text == sentence
    assert record.source["chains"] == ["H", "L"]
    heavy, light = _read(tmp_path, text)
    assert [heavy.text, light.text] == [f"<ProteinS>{chain}<ProteinE>" for chain in (_HEAVY, _LIGHT)]


def test_what_the_predictors_own_libraries_read() -> None:
    """The keys that the specifications ask for; copies that stand side by side share an entity."""
    job = json.loads(_write("alphafold3", _SENTENCES["dimer"]))
    assert (job["dialect"], job["version"], job["modelSeeds"], job["name"]) == ("alphafold3", 1, [0], "design 1")
    chains = [{"protein": {"id": ["A", "B"], "sequence": _PROTEIN}}, {"protein": {"id": "C", "sequence": _LIGHT}}]
    assert job["sequences"] == [*chains, {"ligand": {"id": "D", "smiles": _ASPIRIN}}]
    assert yaml.safe_load(_write("boltz", _SENTENCES["dimer"])) == {"version": 1, "sequences": job["sequences"]}
    records = list(SeqIO.parse(io.StringIO(_write("chai", _SENTENCES["dimer"])), "fasta"))
    assert [record.description for record in records] == [*(f"protein|name={name}" for name in "ABC"), "ligand|name=D"]
    assert [str(record.seq) for record in records] == [_PROTEIN, _PROTEIN, _LIGHT, _ASPIRIN]


def test_tagged_residues_are_no_constraint() -> None:
    """A site is not written: the predictor is to find it."""
    tagged = _SENTENCES["complex"].replace("MKTA", "MK<PocketS>T<PocketE>A")
    for kind in _KINDS:
        assert _write(kind, tagged) == _write(kind, _SENTENCES["complex"])


def test_ions_are_components(tmp_path: Path) -> None:
    from logos_cli.structure.ligand.chemistry import molecule_of, to_smiles
    from logos_cli.structure.ligand.dictionary import component

    for (symbol, charge), code in IONS.items():
        atom = Chem.MolFromSmiles(to_smiles(molecule_of(component(code)))).GetAtomWithIdx(0)
        assert (atom.GetSymbol(), atom.GetFormalCharge()) == (symbol, charge)
    zinc = f"<ProteinS>{_PROTEIN}<ProteinE><MoleculeS>[Zn+2]<MoleculeE>"
    assert json.loads(_write("alphafold3", zinc))["sequences"][1] == {"ligand": {"id": "B", "ccdCodes": ["ZN"]}}
    assert yaml.safe_load(_write("boltz", zinc))["sequences"][1] == {"ligand": {"id": "B", "ccd": "ZN"}}
    assert [record.text for record in _read(tmp_path, _write("boltz", zinc))] == [zinc]


def test_components_copies_and_other_ligands(tmp_path: Path) -> None:
    """A complex for each ligand that is no ion, with all copies of the protein; the rest is noted."""
    job = _job(
        _protein(["A", "B"]),
        _ligand(["C", "D"], ccdCodes=["BEN"]),
        _ligand("M", ccdCodes=["MG"]),
        _ligand("S", smiles=_ASPIRIN),
    )
    benzamidine, aspirin = _read(tmp_path, job)
    chains = f"<ProteinS>{_PROTEIN}<ProteinE>" * 2
    assert benzamidine.text == f"{chains}<MoleculeS>N=C(N)c1ccccc1<MoleculeE>"
    assert aspirin.text == f"{chains}<MoleculeS>{_ASPIRIN}<MoleculeE>"
    assert (benzamidine.id, aspirin.id) == ("job:C", "job:S")
    assert benzamidine.source["ligand"]["component"] == "BEN"
    assert benzamidine.source["notes"] == [
        "not carried: 2 copies of the ligand: C, D",
        "not carried: other ligands: MG (M), S (S)",
        "no site is known: level 1",
    ]
    (ion,) = _read(tmp_path, job, ligand="MG", chains=("B",))
    assert ion.text == f"<ProteinS>{_PROTEIN}<ProteinE><MoleculeS>[Mg+2]<MoleculeE>"
    assert ion.source["chains"] == ["B"]
    molecules = _read(tmp_path, job, form="molecule")
    assert molecules[-1].text == f"<MoleculeS>{_ASPIRIN}<MoleculeE>"
    assert [record.id for record in _read(tmp_path, job, form="protein")] == ["job:A", "job:B"]


def test_a_component_that_the_job_defines(tmp_path: Path) -> None:
    cif = (
        "data_NEW-1\nloop_\n_chem_comp_atom.comp_id\n_chem_comp_atom.atom_id\n_chem_comp_atom.type_symbol\n"
        "_chem_comp_atom.charge\nNEW-1 C1 C 0\nNEW-1 C2 C 0\nNEW-1 O1 O 0\nloop_\n_chem_comp_bond.comp_id\n"
        "_chem_comp_bond.atom_id_1\n_chem_comp_bond.atom_id_2\n_chem_comp_bond.value_order\n"
        "NEW-1 C1 C2 SING\nNEW-1 C2 O1 SING\n"
    )
    job = _job(_protein(), _ligand(ccdCodes=["NEW-1"]), userCCD=cif)
    assert _read(tmp_path, job)[0].text.endswith("<MoleculeS>CCO<MoleculeE>")
    (record,) = _read(tmp_path, _job(_protein(), _ligand(ccdCodes=["NEW-1"])))
    assert "has no NEW-1" in (record.reason or "")


def _definition(name: str, *, block: str = "", atoms: str = "C1 C2 O1", bonds: str = "C1-C2 C2=O1") -> str:
    """A component as AlphaFold 3 documents it: bonds without comp_id."""
    rows = [f"{name} {atom} {atom[0]} 0 N 0.0 0.0 0.0" for atom in atoms.split()]
    pairs = [f"{re.sub('[-=]', ' ', pair)} {'DOUB' if '=' in pair else 'SING'} N" for pair in bonds.split()]
    columns = ("comp_id", "atom_id", "type_symbol", "charge", "pdbx_leaving_atom_flag")
    ideal = [f"_chem_comp_atom.pdbx_model_Cartn_{axis}_ideal" for axis in "xyz"]
    return "\n".join(
        [
            f"data_{block or name}\n#\n_chem_comp.id {name}\n_chem_comp.type non-polymer\n#\nloop_",
            *(f"_chem_comp_atom.{column}" for column in columns),
            *ideal,
            *rows,
            "#\nloop_\n_chem_comp_bond.atom_id_1\n_chem_comp_bond.atom_id_2\n_chem_comp_bond.value_order",
            "_chem_comp_bond.pdbx_aromatic_flag",
            *pairs,
            "#\n",
        ]
    )


@pytest.mark.parametrize(
    ("code", "cif"),
    [
        ("MY-X7F", _definition("MY-X7F")),
        ("MY-X7F", _definition("OTHER", atoms="N1 C1", bonds="N1-C1") + _definition("MY-X7F")),
        ("ATP", _definition("ATP")),
        ("atp", _definition("ATP")),
        ("ATP", _definition("LIG", block="ATP")),
        ("ATP", _definition("ATP", atoms="C1 C2 O1 H1 H2 H3 H4", bonds="C1-C2 C2=O1 C1-H1 C1-H2 C1-H3 C2-H4")),
    ],
)
def test_the_jobs_own_definition_counts_more_than_the_dictionary(tmp_path: Path, code: str, cif: str) -> None:
    job = _job(_protein(), _ligand(ccdCodes=[code]), userCCD=cif)
    (record,) = _read(tmp_path, job)
    assert record.text.endswith("<MoleculeS>CC=O<MoleculeE>")
    assert record.source["ligand"]["origin"] == "chem_comp"
    is_noted = any("its definition is used, not that of the dictionary" in note for note in record.source["notes"])
    assert is_noted == (code != "MY-X7F")


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"userCCD": _definition("ATP", bonds="C1-C2 C2=O9")}, "own definition of ATP (userCCD) lacks atoms or bonds"),
        (
            {"userCCD": _definition("ATP").split("#\nloop_\n_chem_comp_bond")[0]},
            "own definition of ATP (userCCD) lacks",
        ),
        ({"userCCD": "data_ATP\n_chem_comp.id ATP\n"}, "own definition of ATP (userCCD) lacks"),
        ({"userCCD": {"ATP": "x"}}, "userCCD is no text"),
        ({"userCCDPath": "mine.cif", "userCCD": _definition("ATP")}, "the job has userCCD and userCCDPath"),
        ({"userCCDPath": "."}, "(userCCDPath) is a directory"),
        ({"userCCDPath": "/dev/null"}, "(userCCDPath) is a pipe, socket or device"),
        ({"userCCDPath": "job"}, "cannot be read"),
    ],
)
def test_a_definition_that_cannot_be_used_is_no_reason_for_the_dictionarys(
    tmp_path: Path, keys: dict[str, object], reason: str
) -> None:
    (record,) = _read(tmp_path, _job(_protein(), _ligand(ccdCodes=["ATP"]), **keys))
    assert reason in (record.reason or "")


def test_other_ligands_of_a_job_with_definitions_are_those_of_the_dictionary(tmp_path: Path) -> None:
    job = _job(_protein(), _ligand(ccdCodes=["BNZ"]), userCCD=_definition("MY-X7F"))
    assert _read(tmp_path, job)[0].text.endswith("<MoleculeS>c1ccccc1<MoleculeE>")
    job = _job(_protein(), _ligand(smiles=_ASPIRIN), userCCDPath="mine.cif")
    assert _read(tmp_path, job)[0].text.endswith(f"<MoleculeS>{_ASPIRIN}<MoleculeE>")


@pytest.mark.parametrize("pack", [None, gzip.compress, lzma.compress, zstandard.compress])
@pytest.mark.parametrize("is_absolute", [True, False])
def test_definitions_in_a_file_beside_the_job(
    tmp_path: Path, pack: Callable[[bytes], bytes] | None, *, is_absolute: bool
) -> None:
    """The path is relative to the job, and the file may be packed, as AlphaFold 3 reads it."""
    content = _definition("MY-X7F").encode()
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "mine.cif").write_bytes(pack(content) if pack else content)
    path = str(tmp_path / "parts" / "mine.cif") if is_absolute else "parts/mine.cif"
    job = _job(_protein(), {"ligand": {"id": "L", "ccdCodes": ["MY-X7F"]}}, userCCDPath=path)
    (record,) = _read(tmp_path, job)
    assert record.text.endswith("<MoleculeS>CC=O<MoleculeE>")
    assert record.source["ligand"]["origin"] == "chem_comp"
    (record,) = _read(tmp_path, _job(_protein(), _ligand(ccdCodes=["BNZ"]), userCCDPath=path))
    assert record.text.endswith("<MoleculeS>c1ccccc1<MoleculeE>")
    assert record.source["ligand"]["origin"] == "ccd"
    assert not any("userCCD" in note for note in record.source["notes"])


def test_a_file_of_definitions_counts_more_than_the_dictionary(tmp_path: Path) -> None:
    (tmp_path / "mine.cif").write_text(_definition("ATP"))
    (record,) = _read(tmp_path, _job(_protein(), _ligand(ccdCodes=["ATP"]), userCCDPath="mine.cif"))
    assert record.text.endswith("<MoleculeS>CC=O<MoleculeE>")
    assert any("defines ATP itself (userCCDPath: " in note for note in record.source["notes"])


def test_a_file_of_definitions_that_is_not_there(tmp_path: Path) -> None:
    (record,) = _read(tmp_path, _job(_protein(), _ligand(ccdCodes=["BNZ"]), userCCDPath="mine.cif"))
    assert record.text.endswith("<MoleculeS>c1ccccc1<MoleculeE>")
    assert any(
        "mine.cif) is not there; it is read as the dictionary defines it" in note for note in record.source["notes"]
    )
    (record,) = _read(tmp_path, _job(_protein(), _ligand(ccdCodes=["MY-X7F"]), userCCDPath="mine.cif"))
    assert "the Chemical Component Dictionary has no MY-X7F, and the file that may define it" in (record.reason or "")


def test_what_no_sentence_carries_is_noted(tmp_path: Path) -> None:
    job = _job(
        _protein(
            modifications=[{"ptmType": "SEP", "ptmPosition": 12}], unpairedMsa=">q\nMKT\n", templates=[{"mmcif": "x"}]
        ),
        {"rna": {"id": "R", "sequence": "ACGUACGU"}},
        _ligand(smiles=_ASPIRIN),
        bondedAtomPairs=[[["A", 1, "CA"], ["L", 1, "C1"]]],
    )
    (record,) = _read(tmp_path, job, verify=True)
    assert record.source["verify"]["not_carried"] == [
        "alignments",
        "templates",
        "covalent bonds between chains and ligands",
        "SEP at residue 12 of A, which is written S",
        "the rna R of 8 letters",
    ]


def test_a_job_of_the_server(tmp_path: Path) -> None:
    """Copies are counted and named A, B, C; several jobs are in one file."""
    one = {
        "name": "first job",
        "modelSeeds": [],
        "sequences": [
            {
                "proteinChain": {
                    "sequence": _PROTEIN,
                    "count": 2,
                    "modifications": [{"ptmType": "CCD_SEP", "ptmPosition": 12}],
                }
            },
            {"ligand": {"ligand": "CCD_BEN", "count": 1}},
            {"ion": {"ion": "MG", "count": 2}},
        ],
    }
    first, second = _read(tmp_path, [one, {**one, "name": "second"}])
    assert (first.id, second.id) == ("first_job", "second")
    assert first.text.startswith(f"<ProteinS>{_PROTEIN}<ProteinE>" * 2 + "<MoleculeS>")
    assert first.source["chains"] == ["A", "B"]
    assert first.source["ligand"]["chain"] == "C"
    assert "not carried: other ligands: MG (D, E)" in first.source["notes"]


_BOLTZ = f"""version: 1
sequences:
  - protein:
      id: [A, B]
      sequence: {_PROTEIN}
      msa: ./a.a3m
  - ligand:
      id: C
      smiles: '{_ASPIRIN}'
constraints:
  - pocket:
      binder: C
      contacts: [[A, 9], [A, 12], [B, 1]]
properties:
  - affinity:
      binder: C
"""


def test_the_pocket_of_boltz_is_the_site(tmp_path: Path) -> None:
    (record,) = _read(tmp_path, _BOLTZ)
    assert record.text.startswith(
        "<ProteinS>MKTAYIAK<PocketS>Q<PocketE>RD<PocketS>S<PocketE>AWEKLGRHF<ProteinE><ProteinS><PocketS>M<PocketE>KTAY"
    )
    assert record.source["notes"] == ["not carried: alignments", "not carried: properties to predict (affinity)"]
    (site,) = _read(tmp_path, _BOLTZ, form="site")
    assert site.kind == "site"
    (record,) = _read(tmp_path, _BOLTZ.replace("[A, 9]", "[A, 99]"))
    assert "residue 99 of A, which has 21 residues" in (record.reason or "")
    plain = _BOLTZ[: _BOLTZ.index("constraints")]
    assert "states no pocket" in (_read(tmp_path, plain, form="site")[0].reason or "")
    assert _read(tmp_path, plain, form="search")[0].kind == "search"


def test_scalars_of_yaml_are_text(tmp_path: Path) -> None:
    """NO is nitric oxide and 017 a component, not false and fifteen."""
    text = _BOLTZ[: _BOLTZ.index("constraints")]
    (record,) = _read(tmp_path, text.replace(f"smiles: '{_ASPIRIN}'", "ccd: NO"))
    assert record.source["ligand"]["component"] == "NO"
    (record,) = _read(tmp_path, text.replace(f"smiles: '{_ASPIRIN}'", "ccd: 017"))
    assert record.source["ligand"]["component"] == "017"


def test_residues_of_chai_in_brackets(tmp_path: Path) -> None:
    text = f">protein|name=one\nMKT(SEP)AY\nIAK[NH2]\n>ligand|name=two\n{_ASPIRIN}\n>dna|three\nACGT\n"
    (record,) = _read(tmp_path, text)
    assert record.text == f"<ProteinS>MKTSAYIAKX<ProteinE><MoleculeS>{_ASPIRIN}<MoleculeE>"
    assert "not carried: SEP at residue 4 of one, which is written S" in record.source["notes"]
    assert "not carried: the dna three of 4 letters" in record.source["notes"]
    assert record.source["chains"] == ["one"]


def test_plain_fasta_stays_fasta(tmp_path: Path) -> None:
    records = _read(tmp_path, f">protein|P12345 a name\n{_PROTEIN}\n>protein|P2\n{_PROTEIN}\n")
    assert [record.id for record in records] == ["protein|P12345", "protein|P2"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (_job(_protein(), _ligand(ccdCodes=["NAG", "FUC"])), "made of 2 components: NAG-FUC"),
        (_job(_protein(), _ligand(ccdCodes=["QQQQQ"])), "has no QQQQQ"),
        (_job(_protein(), _ligand(smiles="C1CC")), "unclosed ring"),
        (_job(_protein(), _ligand(smiles="C", ccdCodes=["MG"])), "either smiles or ccdCodes"),
        (_job(_protein(), _ligand()), "either smiles or ccdCodes"),
        (_job(_protein(), _protein()), "'A' stands for several chains"),
        (_job(_protein(sequence="MKT1")), "is not a residue"),
        (_job(_protein(modifications=[{"ptmType": "SEP", "ptmPosition": 99}])), "no residue 99"),
        (_job({"rna": {"id": "R", "sequence": "ACGU"}}), "no protein and no ligand"),
        (_job({"glycan": {"id": "G"}}), "unknown kind"),
        (_job(), "no sequences"),
        (_job({"protein": {"sequence": _PROTEIN}}), "sequences[0].protein.id is missing"),
        (json.dumps(_job(_protein()))[:-9], "not JSON"),
        (_BOLTZ.replace("smiles:", "smile:"), "either smiles or ccd"),
        (_BOLTZ.replace("[A, B]", "[A, B"), "not YAML"),
        (_BOLTZ.replace("  - ligand:", "  - ligands:"), "unknown kind"),
        (">protein|name=A\nMKT*A\n>ligand|name=B\nCCO\n", "character 4 is no residue"),
        (">protein|name=A\nMKTA\n>water|name=B\nO\n", "'water' is not a kind"),
        (">protein|name=A\nMKTA\n>ligand|name=B|x\nO\n", "is not KIND|NAME"),
        (">protein|name=A\nMKTA\n>ligand|name=B\n", "'B' is empty"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(content: object, what: str, tmp_path: Path) -> None:
    (record,) = _read(tmp_path, content)
    assert record.status == "error"
    assert what in (record.reason or "")


@pytest.mark.parametrize("kind", _KINDS)
def test_what_predictors_do_not_take_is_refused(kind: str) -> None:
    for sentence, what in (
        (_SENTENCES["protein"].replace("YIAK", "YIUK"), "residue 7 of chain A is U"),
        ("<MaterialS><MetalS>[Zn]<MetalE><MoleculeS>C<MoleculeE><MaterialE>", "predictors do not take a material"),
    ):
        with pytest.raises(LogosError, match=what):
            _write(kind, sentence)
    writer = writers()[kind](io.StringIO(), WriteOptions())
    writer.write(Record("a", "", _SENTENCES["ligand"]), decode(_SENTENCES["ligand"]))
    with pytest.raises(LogosError, match="is one job, and a has been written"):
        writer.write(Record("b", "", _SENTENCES["ligand"]), decode(_SENTENCES["ligand"]))
