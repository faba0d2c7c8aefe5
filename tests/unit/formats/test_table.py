"""Tables and JSON in and out."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rdkit import Chem, rdBase

from logos_cli.errors import FormatError, InputError, UsageError
from logos_cli.formats.base import Entry, ReadOptions, WriteOptions
from logos_cli.formats.detect import detect
from logos_cli.formats.table import identifiers
from logos_cli.formats.table.plugin import PLUGIN
from logos_cli.grammar import Form
from logos_cli.io.input import Input
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
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


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_smiles_by_column_name(delimiter: str) -> None:
    text = "ID,SMILES,activity\na,CCO,1.5\nb,C1CC,\n\nc,CCN,2\n".replace(",", delimiter)
    good, bad, last = read(text)
    assert (good.id, good.item) == ("a", Molecule("CCO"))
    assert good.source == {"path": "<stdin>", "line": 2, "columns": {"activity": "1.5"}}
    assert bad.error is not None
    assert bad.error.source == "<stdin>:3"
    assert (last.id, last.source["line"]) == ("c", 5)


def test_a_named_column() -> None:
    assert items(read("id,ligand_smi\na,CCO\n", column="ligand_smi")) == [Molecule("CCO")]
    assert items(read("id,x\na,MKVLLAGG\n", column="X")) == [Protein("MKVLLAGG")]
    assert items(read("id,x\na,CBr.N>>CN\n", column="x")) == [Reaction(("CBr", "N"), "CN")]
    assert items(read("smiles,x\nCCO,CCN\n", column="x")) == [Molecule("CCN")]
    with pytest.raises(UsageError, match="no column 'y'") as caught:
        read("id,smiles\na,CCO\n", column="y")
    assert "id, smiles" in (caught.value.hint or "")


def test_reactions_and_directions() -> None:
    text = "class,product,reactants\n1,CN,CBr.N\n"
    assert items(read(text)) == [Reaction(("CBr", "N"), "CN")]
    assert items(read("mapped_rxn,x\n[CH3:1]Br.[NH3:2].[K+:3]>>[CH3:1][NH2:2],1\n")) == [Reaction(("CBr", "N"), "CN")]


def test_antibodies_and_proteins() -> None:
    entries = read("name,heavy,light\na,EVQL,DIQM\nb,EVKL,\nc,,DIQ\nd,EV1,DIQ\n")
    assert items(entries) == [Antibody(("EVQL", "DIQM")), Antibody(("EVKL",)), Antibody(("DIQ",)), None]
    assert items(read("id,sequence\na,MKV\n")) == [Protein("MKV")]
    assert items(read("id,sequence\na,EVQ\n", form=Form.ANTIBODY)) == [Antibody(("EVQ",))]


def test_several_kinds_must_be_chosen_from() -> None:
    text = "smiles,sequence\nCCO,MKV\n"
    with pytest.raises(UsageError, match="several kinds") as caught:
        read(text)
    assert caught.value.hint == "choose: --as molecule or --as protein"
    assert items(read(text, form=Form.MOLECULE)) == [Molecule("CCO")]
    assert items(read(text, form=Form.PROTEIN)) == [Protein("MKV")]


def test_rows_that_do_not_fit() -> None:
    entries = read('id,smiles\na,CCO,extra\nb\nc,\nd,"CCN"\n')
    assert items(entries) == [None, None, None, Molecule("CCN")]
    messages = [entry.error.message for entry in entries[:3] if entry.error]
    assert messages == [
        "the row has 3 columns, the header 2",
        "the row has 1 columns, the header 2",
        "the column with the smiles is empty",
    ]


def test_unknown_columns_are_listed() -> None:
    with pytest.raises(UsageError, match="among: a, b") as caught:
        read("a,b\n1,2\n3,4\n")
    assert caught.value.hint == "name it: --column NAME"


@pytest.mark.parametrize("text", ["smiles,smiles\nC,C\n", 'smiles,x\nC,"a\0b\n'])
def test_broken_tables(text: str) -> None:
    if "\0" in text:
        text = 'smiles,x\nC,"' + "a" * 200_000 + '"\n'
    with pytest.raises(FormatError):
        read(text)


def test_a_table_without_rows() -> None:
    with pytest.raises(InputError, match="no rows"):
        read("id,smiles\n")


def test_json_lines_each_by_itself() -> None:
    entries = read(
        '{"id": "a", "heavy": "EVQL", "light": null, "n": 3}\n{"id": "b", "sequence": "MKV"}\n'
        '{"id": "c"}\n{broken\n[1]\n'
        '{"nodes": ["[Zn]"], "linkers": ["CCO", "C"]}\n'
    )
    assert items(entries) == [Antibody(("EVQL",)), Protein("MKV"), None, None, None, Material("[Zn]", ("C", "CCO"))]
    assert entries[0].source["columns"] == {"n": 3}
    assert [entry.error.source for entry in entries[2:5] if entry.error] == ["<stdin>:3", "<stdin>:4", "<stdin>:5"]


def test_objects_of_the_same_keys_may_hold_different_things() -> None:
    """The columns are chosen once for each set of keys, and still by what the cells hold."""
    objects: list[dict[str, object]] = [
        {"id": "a", "VL": LIGHT, "Hchain": "H"},
        {"id": "b", "VL": LIGHT, "Hchain": HEAVY},
        {"id": "c", "VL": None, "Hchain": HEAVY},
        {"id": "d", "VL": LIGHT, "Hchain": "H"},
        {"id": "e", "smiles": "CCO", "sequence": None},
        {"id": "f", "smiles": None, "sequence": "MKV"},
        {"id": "g", "smiles": "CCN", "sequence": None},
        {"id": "h", "smiles": "CCN", "sequence": "MKV"},
        {"id": "i", "sequence": "GAGGTGCAGCTG", "translation_aa": "EVQL"},
        {"id": "j", "sequence": "EVQLVESGG", "translation_aa": "EVQL"},
    ]
    expected = [Antibody((LIGHT,)), Antibody((HEAVY, LIGHT)), Antibody((HEAVY,)), Antibody((LIGHT,))]
    for text in (json.dumps(objects), "\n".join(map(json.dumps, objects))):
        found = read(text)
        assert items(found) == [
            *expected,
            Molecule("CCO"),
            Protein("MKV"),
            Molecule("CCN"),
            None,
            None,
            Protein("EVQLVESGG"),
        ]
        assert "columns of several kinds" in str(found[7].error)
        assert "nucleotide" in str(found[8].error)
    by_column = [{"x": "CCO"}, {"x": "MKVLLDE"}, {"x": "CC>>CN"}]
    assert items(read(json.dumps(by_column), column="x")) == [
        Molecule("CCO"),
        Protein("MKVLLDE"),
        Reaction(("CC",), "CN"),
    ]


def test_sentences_in_a_column() -> None:
    entries = read("id,text\na,<MoleculeS>C<MoleculeE>\nb,<MoleculeS>C\n")
    assert items(entries) == [Molecule("C"), None]
    assert entries[0].form is Form.MOLECULE


OBJECTS: list[tuple[Record, ScienceObject]] = [
    (Record("p", "protein", "<ProteinS>MKV<ProteinE>", scores={"len": {"value": 3}}), Protein("MKV")),
    (Record("ab", "antibody", ""), Antibody(("EVQL", "DIQM"))),
    (Record("m", "molecule", "", sample={"seed": 1}), Molecule("CCO")),
    (Record("r", "retrosynthesis", ""), Reaction(("CBr", "N"), "CN")),
    (Record("f", "material", ""), Material("[Zn]", ("C", "CCO"))),
    (Record("c", "complex", "", source={"path": "x", "chains": ["A"]}), Complex((Protein("MKV", (0, 2)),), "CCO")),
]


def written(to: str) -> str:
    stream = io.StringIO()
    writer = PLUGIN.writers()[to](stream, WriteOptions())
    for record, item in OBJECTS:
        writer.write(record, item)
    writer.close()
    return stream.getvalue()


@pytest.mark.parametrize(("to", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_csv(to: str, delimiter: str) -> None:
    rows = list(csv.DictReader(io.StringIO(written(to)), delimiter=delimiter))
    assert list(rows[0])[:3] == ["id", "kind", "status"]
    assert rows[0]["scores.len"] == "3"
    assert (rows[1]["heavy"], rows[1]["light"], rows[1]["sequence"]) == ("EVQL", "DIQM", "")
    assert (rows[3]["reactants"], rows[3]["product"]) == ("CBr.N", "CN")
    assert rows[4]["linkers"] == "C.CCO"
    assert (rows[5]["sequence"], rows[5]["site"], rows[5]["ligand"]) == ("MKV", "1 3", "CCO")
    assert rows[5]["source.chains"] == '["A"]'


def test_nested_keys_have_columns_of_their_own_and_structures_none() -> None:
    extra = {"docking": {"engine": "vina", "site": {"covered": 0.5}, "poses": [{"rank": 1}], "pose": "\n RDKit\n"}}
    record = Record("m", "molecule", "", scores={"vina": {"value": -7.5}}, source={"line": 1}, extra=extra)
    stream = io.StringIO()
    writer = PLUGIN.writers()["csv"](stream, WriteOptions())
    writer.write(record, Molecule("CCO"))
    writer.close()
    header, row = csv.reader(io.StringIO(stream.getvalue()))
    assert header == [
        "id",
        "kind",
        "status",
        "smiles",
        "scores.vina",
        "docking.engine",
        "docking.site.covered",
        "docking.poses",
        "source.line",
    ]
    assert row[4:] == ["-7.5", "vina", "0.5", '[{"rank": 1}]', "1"]


def test_json_out_and_in() -> None:
    text = written("json")
    data = json.loads(text)
    assert [one["kind"] for one in data] == [record.kind for record, _ in OBJECTS]
    assert data[3]["reactants"] == ["CBr", "N"]
    assert data[5]["chains"] == [{"sequence": "MKV", "site": [1, 3]}]
    for one in data:
        del one["text"], one["source" if "source" in one else "id"]
    again = read(json.dumps(data[:5]))
    assert items(again) == [item for _, item in OBJECTS[:5]]
    assert again[3].form is Form.RETROSYNTHESIS


def test_nothing_written() -> None:
    for to, expected in (("json", "[]\n"), ("csv", "id,kind,status\n")):
        stream = io.StringIO()
        PLUGIN.writers()[to](stream, WriteOptions()).close()
        assert stream.getvalue() == expected


def test_real_tables(shared_data: Path) -> None:
    for name, kind in (
        ("antibodies/antibodies.train.jsonl.xz", Antibody),
        ("reactions/uspto50k.csv.xz", Reaction),
        ("reactions/uspto_mit_subset.mapped.csv.xz", Reaction),
        ("molecules/pdb_ligand_components.tsv.xz", Molecule),
    ):
        with Input(str(shared_data / name)) as source:
            assert detect(source) is PLUGIN
            entries = [entry for entry, _ in zip(PLUGIN.read(source, ReadOptions()), range(300), strict=False)]
        assert all(isinstance(entry.item, kind) for entry in entries), name


# -- quotes, names of columns --------------------------------------------------------------------------------


def test_a_quote_that_is_not_closed_is_told_with_its_line() -> None:
    good, bad = read('smiles,name\nCCO,a\nCCN,"b\nCCC,c\nCCCC,d\n')
    assert good.item == Molecule("CCO")
    assert bad.error is not None
    assert bad.error.message == "a quote in this line is not closed"
    assert bad.error.source == "<stdin>:3"


def test_rows_inside_a_quoted_cell_are_not_swallowed() -> None:
    good, bad, last = read('smiles,name\nCCO,a\nCCN,"b\nCCC,c\nCCCC,d"\nN,e\n')
    assert bad.error is not None
    assert "line 4 between them is a row" in bad.error.message
    assert items([good, last]) == [Molecule("CCO"), Molecule("N")]
    (comment,) = read('smiles,name,comment\nCCN,a,"melts,\nthen boils, slowly"\n')
    assert comment.item == Molecule("CCN")


def test_a_broken_quote_costs_its_row_only() -> None:
    bad, good = read('smiles,name\nCCN,"b"c\nCCC,c\n')
    assert bad.error is not None
    assert good.item == Molecule("CCC")


def test_columns_without_a_name() -> None:
    entries = read("smiles,name,,\nCCO,ethanol,,\nCCN,amine,x,\n")
    assert [(entry.id, entry.item) for entry in entries] == [("ethanol", Molecule("CCO")), ("amine", Molecule("CCN"))]
    assert entries[1].source["columns"] == {"column 3": "x"}
    assert items(read(",smiles\n0,CCO\n")) == [Molecule("CCO")]
    assert items(read("smiles,name\nCCO,a,,\nCCN,b\n")) == [Molecule("CCO"), Molecule("CCN")]


def test_columns_of_one_name() -> None:
    (entry,) = read("smiles,pIC50,pIC50\nCCO,5,6\n")
    assert entry.source["columns"] == {"pIC50 (column 2)": "5", "pIC50 (column 3)": "6"}
    for header in ("smiles,smiles", "SMILES,smiles"):
        with pytest.raises(FormatError, match="2 columns have the name") as caught:
            read(f"{header}\nCCO,CCN\n")
        assert (caught.value.hint or "").startswith("choose one: --column '")
    assert items(read("smiles,smiles\nCCO,CCN\n", column="smiles (column 2)")) == [Molecule("CCN")]
    assert items(read("SMILES,smiles\nCCO,CCN\n", column="smiles")) == [Molecule("CCN")]


@pytest.mark.parametrize(
    "name",
    [
        "ChEMBL ID",
        "Molecule ChEMBL ID",
        "PubChem CID",
        "CID",
        "ZINC ID",
        "zinc_id",
        "DrugBank ID",
        "CAS Number",
        "DTXSID",
    ],
)
def test_ids_of_databases_come_before_names(name: str) -> None:
    rows = f'"Name";"{name}";"Smiles"\n"ETHANOL";"X1";"CCO"\n"";"X2";"CCN"\n"water";"";"O"\n'
    assert [entry.id for entry in read(rows)] == ["X1", "X2", "water"]
    assert read(f"{name},id,smiles\nX1,own,CCO\n")[0].id == "own"


def test_inchi_in_a_table() -> None:
    text = 'id,InChI\na,"InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"\n'
    assert items(read(text)) == [Molecule("CCO")]


# -- receptors and nucleotides -------------------------------------------------------------------------------

HEAVY = "EVQLVESGGGLVQPGGSLRLSCAAS"
DNA = "GAGGTGCAGCTGGTGGAGTCTGGGGGAGGC"


def test_amino_acids_come_before_nucleotides() -> None:
    for name in ("sequence_alignment_aa", "sequence_aa", "protein_sequence"):
        assert items(read(f"sequence,{name}\n{DNA},{HEAVY}\n")) == [Protein(HEAVY)]
    text = f"sequence_heavy,sequence_light,sequence_alignment_aa_heavy,sequence_alignment_aa_light\n{DNA},{DNA},EVQL,DIQM\n"
    assert items(read(text)) == [Antibody(("EVQL", "DIQM"))]


def test_tables_of_airr() -> None:
    text = (
        "sequence_id\tsequence\tv_call\tlocus\tsequence_alignment_aa\n"
        f"a\t{DNA}\tIGHV3-23*01\tIGH\tEVQL..VES\n"
        f"b\t{DNA}\tTRBV3-1*01\tTRB\tDSAVTQTP\n"
        f"c\t{DNA}\tIGKV1-5*01\tIGK\t\n"
    )
    heavy, receptor, empty = read(text)
    assert heavy.item == Antibody(("EVQLVES",))
    assert receptor.item == Protein("DSAVTQTP")
    assert "a chain of a T-cell receptor (TRB), read as a protein" in receptor.source["notes"]
    assert empty.item is None
    refused = read(text, form=Form.ANTIBODY)[1]
    assert refused.error is not None
    assert "T-cell receptor (TRB)" in refused.error.message
    nucleotides = "sequence_id\tsequence\tv_call\na\t" + DNA + "\tIGHV3-23*01\n"
    for form in (None, Form.ANTIBODY, Form.PROTEIN):
        (entry,) = read(nucleotides, form=form)
        assert entry.error is not None
        assert "nucleotide sequence" in entry.error.message
    assert items(read(nucleotides, translate=True)) == [Antibody(("EVQLVESGGG",))]


def test_a_column_of_nucleotides_is_refused_or_translated() -> None:
    text = "id,sequence\na,GAGGTG\nb,CAGCTGG\nc,TGGAG\n"
    assert all("nucleotide sequence" in str(entry.error) for entry in read(text))
    assert items(read(text, translate=True)) == [Protein("EV"), Protein("QL"), Protein("W")]
    (entry, *_) = read(text, form=Form.PROTEIN)
    assert entry.item == Protein("GAGGTG")
    assert "read as residues" in entry.source["notes"][0]
    assert items(read("id,sequence\na,GAGGTG\nb,MKVLLA\n")) == [Protein("GAGGTG"), Protein("MKVLLA")]


def test_a_stop_inside_a_translation_is_refused() -> None:
    (entry,) = read(f"id,sequence\na,GAGTGATAG{DNA}\n", translate=True)
    assert entry.error is not None
    assert "stop at residue 2" in entry.error.message


@pytest.mark.parametrize(
    "header", ["CanonicalSMILES,IsomericSMILES", "canonicalsmiles,isosmiles", "ConnectivitySMILES,SMILES"]
)
def test_of_two_columns_the_smiles_with_stereo_are_read(header: str) -> None:
    (entry,) = read(f"CID,{header}\n5950,CC(N)C(=O)O,C[C@@H](N)C(=O)O\n")
    assert items([entry]) == [Molecule("C[C@@H](N)C(=O)O")]


def test_columns_of_chains_that_the_sequences_contradict() -> None:
    heavy, light = "EVQLVESGGGLVQPGGSLRLSCAASDYWGQGTLVTVSS", "DIQMTQSPSSLSASVGDRVTITCQQSYSTPLTFGGGTKVEIK"
    good, swapped, single = read(f"id,heavy,light\na,{heavy},{light}\nb,{light},{heavy}\nc,{light},\n")
    assert good.item == Antibody((heavy, light))
    assert "ends like a light chain" in str(swapped.error)
    assert single.source["notes"] == ["the chain labelled heavy ends like a light chain (FGGGTKVE)"]


def test_short_nucleotides_beside_amino_acids_are_no_protein() -> None:
    (entry,) = read("id,sequence,translation_aa\na,GAGGTGCAG,EVQ\n")
    assert "nucleotide" in str(entry.error)
    (entry,) = read("id,sequence,sequence_vdj_aa\na,GAGGTGCAG,EVQLVESGG\n")
    assert entry.item == Protein("EVQLVESGG")


# -- missing values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["NA", "ND", "nan", "Nil", "missing"])
def test_words_that_could_be_peptides_stand_for_missing_values(word: str) -> None:
    """Asn-Asp is no light chain: beside a heavy chain the word is left out with a note; alone it is refused."""
    pair, alone = read(f"id,heavy,light\na,{HEAVY},{word}\nb,{word},\n")
    assert pair.item == Antibody((HEAVY,))
    assert pair.source["notes"] == [f"the light {word!r} read as a missing value"]
    assert f"holds {word!r}, which stands for a missing value" in str(alone.error)
    assert "as FASTA" in str(alone.error.hint if alone.error else "")
    assert items(read(f"id,sequence\na,{word}\nb,MKV\n")) == [None, Protein("MKV")]


@pytest.mark.parametrize(
    "word", ["NULL", "None", "N/A", "n.a.", "TBD", "Unknown", "not  determined", "#N/A", "-", ".", "?"]
)
def test_other_words_are_empty_cells(word: str) -> None:
    pair, alone = read(f"id,heavy,light\na,{HEAVY},{word}\nb,{word},{word}\n")
    assert pair.item == Antibody((HEAVY,))
    assert "notes" not in pair.source
    assert "stands for a missing value" in str(alone.error)
    for header, cell in (
        ("smiles", "CCO"),
        ("sequence", "MKV"),
        ("rxn", "CBr.N>>CN"),
        ("text", "<MoleculeS>C<MoleculeE>"),
    ):
        missing, present = read(f"id,{header}\na,{word}\nb,{cell}\n")
        assert f"holds {' '.join(word.split())!r}" in str(missing.error).replace("  ", " ")
        assert present.item is not None


def test_words_are_no_nucleotides() -> None:
    (first, *_) = read("id,sequence\na,GAGGTG\nb,CAGCTGG\nc,TGGAG\nd,NULL\n", form=Form.PROTEIN)
    assert "read as residues" in first.source["notes"][0]


def test_nan_in_json_is_null() -> None:
    entries = read(f'{{"id": "a", "heavy": "{HEAVY}", "light": NaN, "kd": Infinity}}\n')
    assert items(entries) == [Antibody((HEAVY,))]
    assert "columns" not in entries[0].source


@pytest.mark.parametrize("column", ["smiles", "sequence", "heavy"])
def test_a_column_that_is_null_is_empty_and_not_unknown(column: str) -> None:
    (entry,) = read(f'{{"id": "b", "{column}": null}}\n')
    assert f"the column with the {column} is empty" in str(entry.error)
    (entry,) = read('{"id": "c", "x": null}\n')
    assert "no column with a sequence, SMILES or reaction is known among: id, x" in str(entry.error)


# -- columns of chains ---------------------------------------------------------------------------------------

LIGHT = "DIQMTQSPSSLSASVGDRVTITC"


@pytest.mark.parametrize(
    "header",
    [
        "VHorVHH,VL",  # CoV-AbDab
        "VH or VHH,VL or VK",
        "HeavySequence,LightSequence",  # Thera-SAbDab
        "Heavy Sequence,Light Sequence",
        "heavy_sequence,light_sequence",  # PLAbDab
        "sequence_alignment_aa_heavy,sequence_alignment_aa_light",  # OAS
        "VH_sequence,VL",
        "heavy_chain_aa,light_chain",
        "heavy_chain_seq,light",
        "VH (aa),VL (aa)",
        "VL AA,VH AA",
        "Heavy Chain,Light Chain",
        "HC_seq,LC_seq",
        "hchain_sequence,lchain_sequence",
        "Variable heavy chain,Variable light chain",
        "HC,LC",
        "mAb HC,mAb LC",
        "H_chain,L_chain",
        "Hchain,Lchain",
        "Fab heavy,Fab light",
        "V_H,V_L",
        "VH_1,VL_1",
        "VH1,VL1",
        "VH1 seq,VL1 seq",
        "heavy_1,light_1",
        "Heavy Chain Sequence (1),Light Chain Sequence (1)",
        "VH,VL_1",
        "IGH,K",
    ],
)
@pytest.mark.parametrize("form", [None, Form.ANTIBODY])
def test_chains_by_the_words_of_their_columns(header: str, form: Form | None) -> None:
    first, second = (HEAVY, LIGHT) if not header.startswith("VL") else (LIGHT, HEAVY)
    names = header.split(",")
    assert items(read(f"{header},Ab or Nb\n{first},{second},Ab\n", form=form)) == [Antibody((HEAVY, LIGHT))]
    row = json.dumps({names[0]: first, names[1]: second})
    assert items(read(row, form=form)) == [Antibody((HEAVY, LIGHT))]
    dna, more_dna = DNA, DNA[::-1]
    with_dna = f"{header},heavy_dna,light_nt\n{first},{second},{dna},{more_dna}\n"
    assert items(read(with_dna, form=form)) == [Antibody((HEAVY, LIGHT))]


def test_a_nanobody_is_its_one_chain() -> None:
    pair, single = read(f"Name,VHorVHH,VL\na,{HEAVY},{LIGHT}\nb,{HEAVY},ND\n")
    assert (pair.item, single.item) == (Antibody((HEAVY, LIGHT)), Antibody((HEAVY,)))


@pytest.mark.parametrize("name", ["my VH (final)", "heavy v2", "VHH_humanised", "IGH_input", "Heavy_dna"])
def test_a_chain_in_a_column_of_unknown_name_is_not_dropped(name: str) -> None:
    for form in (None, Form.ANTIBODY):
        with pytest.raises(UsageError, match="seems to hold the heavy chain") as caught:
            read(f"id,{name},VL\na,{HEAVY},{LIGHT}\n", form=form)
        assert "rename it to heavy" in (caught.value.hint or "")
    (entry,) = read(json.dumps({"id": "a", name: HEAVY, "VL": LIGHT}))
    assert "seems to hold the heavy chain" in str(entry.error)
    alone = f"id,{name},VL\na,{HEAVY},{LIGHT}\n"
    assert items(read(alone, form=Form.ANTIBODY, column="VL")) == [Antibody((LIGHT,))]


@pytest.mark.parametrize("name", ["my VL (final)", "light v2", "VK_humanised", "IGL_input", "Kappa_dna"])
def test_a_light_chain_in_a_column_of_unknown_name_is_not_dropped(name: str) -> None:
    with pytest.raises(UsageError, match="seems to hold the light chain"):
        read(f"id,heavy,{name}\na,{HEAVY},{LIGHT}\n")


def test_annotations_of_a_chain_are_no_chain() -> None:
    header = "Name,VL,Heavy V Gene,CDRH3,cdr3_aa_heavy,heavy_chain_id,heavy_germline,VH identity"
    text = f"{header}\na,{LIGHT},IGHV3-23,ARDYWGQGTLVTVSS,ARDYWGQGTLVTVSS,H,{HEAVY},97.1\n"
    assert items(read(text)) == [Antibody((LIGHT,))]


def test_several_columns_of_one_chain_must_be_chosen_from() -> None:
    with pytest.raises(UsageError, match="2 columns may be the heavy chain: HC seq, heavy chain seq"):
        read(f"HC seq,heavy chain seq,VL\n{HEAVY},{HEAVY},{LIGHT}\n")
    assert items(read(f"VH seq,VH aa seq,VL\n{DNA},{HEAVY},{LIGHT}\n")) == [Antibody((HEAVY, LIGHT))]


@pytest.mark.parametrize(
    "header",
    [
        "VH sequence,Full length HC sequence",
        "VH sequence,HC sequence",
        "Heavy sequence,Heavy chain full length aa",
        "variable heavy chain,heavy chain seq",
    ],
)
def test_the_variable_domain_comes_before_the_whole_chain(header: str) -> None:
    first, second = header.split(",")
    for text in (
        f"id,{header},VL\na,{HEAVY},{HEAVY}ASTKGPS,{LIGHT}\n",
        f"id,{second},{first},VL\na,{HEAVY}ASTKGPS,{HEAVY},{LIGHT}\n",
    ):
        (entry,) = read(text)
        assert entry.item == Antibody((HEAVY, LIGHT))
        assert entry.source["columns"] == {second: f"{HEAVY}ASTKGPS"}


def test_numbered_columns_of_chains_must_be_one_of_each() -> None:
    """Tables of bispecifics have two heavy and two light chains."""
    with pytest.raises(UsageError, match="2 columns may be the heavy chain: VH_1, VH_2"):
        read(f"id,VH_1,VL_1,VH_2,VL_2\na,{HEAVY},{LIGHT},{HEAVY},{LIGHT}\n")
    with pytest.raises(UsageError, match="'VH_1' and 'VL_2' have different numbers"):
        read(f"id,VH_1,VL_2\na,{HEAVY},{LIGHT}\n")
    other = HEAVY[::-1]
    (entry,) = read(f"id,VH,VL,VH_2,VL_2,VH_3,HC seq\na,{HEAVY},{LIGHT},{other},,{HEAVY},{HEAVY}ASTKGPS\n")
    assert entry.item == Antibody((HEAVY, LIGHT))
    assert entry.source["notes"] == ["not carried: the column 'VH_2', which seems to hold another heavy chain"]


def test_a_loop_is_no_chain_of_a_number() -> None:
    with pytest.raises(UsageError, match="no column"):
        read(f"id,H1,L1\na,{HEAVY},{LIGHT}\n")


@pytest.mark.parametrize("header", ["heavy v2,light v2", "heavy_chain_id,light_chain_id"])
@pytest.mark.parametrize("form", [None, Form.ANTIBODY])
def test_unknown_columns_of_chains_are_listed_with_the_remedy(header: str, form: Form | None) -> None:
    with pytest.raises(UsageError, match=f"known among: id, {header.replace(',', ', ')}") as caught:
        read(f"id,{header}\na,{HEAVY},{LIGHT}\n", form=form)
    assert "rename the columns of the chains to heavy and light" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "no light chain",
            "heavy chain only",
            "single domain",
            "Nanobody",
            "VHH",
            "VHH only",
            "no VL",
            "NO LIGHT CHAIN",
        ),
        *(
            "SINGLE DOMAIN",
            "heavy-chain only",
            "N/A (VHH)",
            "single-domain antibody (VHH)",
            "has no light chain",
            "sdAb",
        ),
        *("VL not determined", "light chain unknown", "without VL"),
    ],
)
def test_a_cell_that_tells_that_there_is_no_light_chain(cell: str) -> None:
    (entry,) = read(f"id,VH,VL\na,{HEAVY},{cell}\n")
    assert entry.item == Antibody((HEAVY,))
    assert entry.source["notes"] == [f"the light {cell!r} read as a missing value"]
    (entry,) = read(f"id,VH,VL\na,{cell},\n")
    assert f"the heavy holds {cell!r}, which stands for a missing value" in str(entry.error)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("see the patent", "'see the patent' is no sequence, but words"),
        ("to be confirmed", "'to be confirmed' is no sequence, but words"),
        ("SEE THE PATENT OF 1999", "'1' is not a residue"),
        ("same as mAb1", "'1' is not a residue"),
        ("scFv", "the light chain has 4 residues: scFv"),
        ("diqmtq", "the light chain has 6 residues: diqmtq"),
        ("L", "the light chain has 1 residues: L"),
    ],
)
def test_other_words_in_the_place_of_a_chain_are_refused(cell: str, message: str) -> None:
    (entry,) = read(f"id,VH,VL\na,{HEAVY},{cell}\n")
    assert message in str(entry.error)
    assert entry.error is not None
    assert entry.error.hint


@pytest.mark.parametrize("name", ["Vkappa", "VLambda", "LCVR", "LCVR (aa)", "VLight", "Vkappa seq"])
def test_words_for_variable_light_chains(name: str) -> None:
    assert items(read(f"VH,{name}\n{HEAVY},{LIGHT}\n")) == [Antibody((HEAVY, LIGHT))]
    assert items(read(f"HCVR,{name}\n{HEAVY},{LIGHT}\n")) == [Antibody((HEAVY, LIGHT))]


@pytest.mark.parametrize(
    "cell",
    [
        LIGHT,
        LIGHT.lower(),
        f"{LIGHT[:5]}--{LIGHT[5:]}",
        f"{LIGHT[:9]}.{LIGHT[9:]}*",
        f"{LIGHT[:10]} {LIGHT[10:20]} {LIGHT[20:]}",
    ],
)
@pytest.mark.parametrize("name", ["VL v2", "VLv2", "predLight", "light (generated)", "light_aligned"])
def test_a_chain_is_not_dropped_however_it_is_written(name: str, cell: str) -> None:
    with pytest.raises(UsageError, match="seems to hold the light chain"):
        read(f"id,VH,{name}\na,{HEAVY},{cell}\n")


def test_a_chain_in_a_later_row_is_an_error_of_its_row() -> None:
    text = "id,VH,VL v2\n" + f"a,{HEAVY},ND\n" * 120 + f"z,{HEAVY},{LIGHT}\ny,{HEAVY},\n"
    *others, last, after = read(text)
    assert all(entry.item == Antibody((HEAVY,)) for entry in (*others, after))
    assert "the column 'VL v2' seems to hold the light chain" in str(last.error)


@pytest.mark.parametrize("name", ["highlight", "light sensitivity", "Light notes", "lightness", "flight"])
@pytest.mark.parametrize("cell", ["LIGHT SENSITIVE MATERIAL", "IMPORTANT FINDING", "YES", "STABLEINTHEDARK"])
def test_words_are_no_chain(name: str, cell: str) -> None:
    assert items(read(f"id,VH,{name}\na,{HEAVY},{cell}\n")) == [Antibody((HEAVY,))]
    if name in ("highlight", "lightness", "flight"):
        assert items(read(f"id,VH,{name}\na,{HEAVY},{LIGHT}\n")) == [Antibody((HEAVY,))]


def test_letters_of_chains_are_no_sequences() -> None:
    """SAbDab's summary names the chains of a PDB file."""
    (entry,) = read("pdb,heavy_chain,light_chain\n1abc,H,L\n")
    assert "the heavy chain has 1 residues: H" in str(entry.error)
    with pytest.raises(UsageError, match="no column"):
        read("pdb,Hchain,Lchain\n1abc,H,L\n")


@pytest.mark.parametrize("line", ["VHVL", "AAVLAA"])
def test_a_peptide_of_such_words_is_no_header(line: str) -> None:
    assert detect(Input("-", io.BytesIO(f"{line}\nMKVLLA\n".encode()))) is not PLUGIN


# -- identifiers ---------------------------------------------------------------------------------------------


def columns(entries: list[Entry], name: str) -> list[object]:
    return [entry.source["columns"][name] for entry in entries]


@pytest.mark.parametrize("values", [("1", "0", "1"), ("0.52", "1.7", "3.1")])
def test_a_label_is_kept_as_it_is(values: tuple[str, ...]) -> None:
    entries = read("smiles,label\n" + "".join(f"CCO,{value}\n" for value in values))
    assert [entry.id for entry in entries] == ["stdin:2", "stdin:3", "stdin:4"]
    assert columns(entries, "label") == list(values)
    entries = read("\n".join(json.dumps({"smiles": "CCO", "label": float(value)}) for value in values))
    assert columns(entries, "label") == [float(value) for value in values]


@pytest.mark.parametrize("name", ["name", "Title", "Compound Name"])
def test_names_of_classes_are_no_identifiers(name: str) -> None:
    rows = [("CCO", "toxic"), ("CCN", "safe"), ("CCC", "toxic")]
    for text in (
        f"smiles,{name}\n" + "".join(f"{smiles},{value}\n" for smiles, value in rows),
        json.dumps([{"smiles": smiles, name: value} for smiles, value in rows]),
    ):
        entries = read(text)
        assert all(entry.id.startswith("stdin:") for entry in entries)
        assert columns(entries, name) == ["toxic", "safe", "toxic"]
    named = read(f"smiles,{name}\nCCO,a\nCCN,b\nCCC,\nCCCC,\n")
    assert [entry.id for entry in named] == ["a", "b", "stdin:4", "stdin:5"]
    assert all("columns" not in entry.source for entry in named)


def test_the_cell_of_a_repeated_identifier_is_kept() -> None:
    entries = read("id,smiles\nP1,CCO\nP1,CCN\nP2,CCC\n")
    assert [entry.id for entry in entries] == ["P1", "P1_2", "P2"]
    assert [entry.source.get("columns") for entry in entries] == [None, {"id": "P1"}, None]
    late = "smiles,name\n" + "".join(f"{'C' * n},n{n}\n" for n in range(1, 151)) + "CCO,n7\n"
    assert (read(late)[-1].id, columns(read(late)[-1:], "name")) == ("n7_2", ["n7"])


@pytest.mark.parametrize("header", ["sequence", "heavy", "light"])
def test_end_groups_in_cells_are_no_residues(header: str) -> None:
    text = f"id,{header}\na,Ac-DEVD-AMC\nb,MKVLL\n"
    for entries in (read(text), read("\n".join(map(json.dumps, csv.DictReader(io.StringIO(text)))))):
        assert "'Ac' in 'Ac-DEVD-AMC'" in str(entries[0].error)
        assert entries[1].item is not None


# -- columns separated by spaces -----------------------------------------------------------------------------


@pytest.mark.parametrize("space", [" ", "   "])
def test_columns_separated_by_spaces(space: str) -> None:
    entries = read("id smiles pIC50\na CCO 5\nb C1CC 6\n\nc CCN 7\n".replace(" ", space))
    assert [(entry.id, entry.item) for entry in entries] == [
        ("a", Molecule("CCO")),
        ("b", None),
        ("c", Molecule("CCN")),
    ]
    assert entries[0].source["columns"] == {"pIC50": "5"}
    assert items(read(f"name{space}sequence\na{space}MKV\n")) == [Protein("MKV")]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "heavy water",
            "reaction 1",
            "PROTAC linker",
            "light",
            "sequence 5",
            "the sentence",
            "1 smiles",
            "metal linkers",
        ),
        *("product 1", "id smiles", "name sequence", "reaction product", "id light"),
    ],
)
@pytest.mark.parametrize("smiles", ["CCO", "O", "c1ccccc1", "[Na+].[Cl-]"])
def test_a_list_with_words_of_tables_in_its_names_is_a_list(smiles: str, name: str) -> None:
    text = f"{smiles} {name}\nCCN {name.replace('1', '2').replace('light', 'heavy')}x\nCCC {name}y\n"
    source = Input("-", io.BytesIO(text.encode()))
    entries = list(detect(source).read(source, ReadOptions()))
    assert [entry.item for entry in entries] == [Molecule(smiles), Molecule("CCN"), Molecule("CCC")]
    assert entries[0].id == name


def test_no_identifier_that_begins_a_header_is_a_smiles() -> None:
    with rdBase.BlockLogs():
        assert not [key for key in identifiers._RANK if Chem.MolFromSmiles(key) or Chem.MolFromSmiles(key.upper())]


def test_a_smiles_and_its_name_are_a_list_and_a_header_of_two_words_is_one_column() -> None:
    source = Input("-", io.BytesIO(b"smiles name\nCCO a\nCCN b\n"))
    assert [entry.id for entry in detect(source).read(source, ReadOptions())] == ["a", "b"]
    assert items(read("Canonical SMILES\nCCO\nCCN\n")) == [Molecule("CCO"), Molecule("CCN")]
    assert items(read("my id,Ligand SMILES\na,CCO\n")) == [Molecule("CCO")]


# -- identifiers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["NA", "nan", "N/A", "-", "None"])
def test_a_word_for_a_missing_value_identifies_no_row(word: str) -> None:
    first, second, third = read(f"cid,name,smiles\n{word},aspirin,CCO\n2244,{word},CCN\n{word},{word},CCC\n")
    assert (first.id, second.id, third.id) == ("aspirin", "2244", "stdin:4")
    assert first.source["columns"] == {"cid": word}
    (entry,) = read(json.dumps({"id": word, "name": "b", "smiles": "CCN"}))
    assert entry.id == "b"


@pytest.mark.parametrize(
    ("kind", "names", "item"),
    [
        ("protein", "sequence", Protein("NA")),
        ("protein", "sequence", Protein("ND")),
        ("antibody", "heavy,light", Antibody(("A", "M"))),
        ("antibody", "heavy,light", Antibody(("NA",))),
        ("antibody", "heavy,light", Antibody(("MK",))),
    ],
)
def test_a_row_that_decode_wrote_has_residues_in_its_cells(kind: str, names: str, item: Protein | Antibody) -> None:
    chains = (item.sequence,) if isinstance(item, Protein) else item.chains
    cells = ",".join([*chains, *[""] * (len(names.split(",")) - len(chains))])
    (entry,) = read(f"id,kind,status,{names}\na,{kind},ok,{cells}\n")
    assert entry.item == item
    assert "notes" not in entry.source
    row = dict(zip(names.split(","), cells.split(","), strict=True))
    assert items(read(json.dumps({"id": "a", "kind": kind, "status": "ok", **row}))) == [item]
    assert items(read(f"id,{names}\na,{cells}\n")) != [item]


def test_a_second_chain_that_is_missing_is_none_in_such_a_row_as_well() -> None:
    """R writes NA for an empty column; a chain that is such a word is left out with a note."""
    (entry,) = read(f"id,kind,status,heavy,light\na,antibody,ok,{HEAVY},NA\n")
    assert (entry.item, entry.source["notes"]) == (Antibody((HEAVY,)), ["the light 'NA' read as a missing value"])
    (entry,) = read("id,kind,status,heavy,light\na,antibody,ok,A,NIL\n")
    assert (entry.item, entry.source["notes"]) == (Antibody(("A",)), ["the light 'NIL' read as a missing value"])
