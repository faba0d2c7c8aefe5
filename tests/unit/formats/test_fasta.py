"""FASTA in and out."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from logos_cli.errors import FormatError, InputError, UsageError
from logos_cli.formats.base import Entry, ReadOptions, WriteOptions
from logos_cli.formats.detect import detect
from logos_cli.formats.fasta.plugin import PLUGIN
from logos_cli.grammar import Form
from logos_cli.io.input import Input
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.records import Record
from logos_cli.structure.sequences import antibody_chain, is_nucleotide


def read(text: str | bytes, form: Form | None = None, *, translate: bool = False) -> list[Entry]:
    content = text.encode() if isinstance(text, str) else text
    source = Input("-", io.BytesIO(content))
    assert detect(source) is PLUGIN
    return list(PLUGIN.read(source, ReadOptions(form=form, translate=translate)))


def sequences(entries: list[Entry]) -> dict[str, str]:
    return {entry.id: entry.item.sequence for entry in entries if isinstance(entry.item, Protein)}


def test_records_with_wrapped_lines_blank_lines_and_comments() -> None:
    entries = read(";file\n\n>sp|P1|A first one\nMKV\n LLA \n\nGG\n>b\nMK\n")
    assert sequences(entries) == {"sp|P1|A": "MKVLLAGG", "b": "MK"}
    assert entries[0].source == {"path": "<stdin>", "line": 3, "description": "first one"}


def test_soft_masking_stops_and_gaps_are_noted() -> None:
    entries = read(">a\nMKVlla\n>b\nMK*\n>c\nM--K.V\n")
    assert sequences(entries) == {"a": "MKVLLA", "b": "MK", "c": "MKV"}
    assert [entry.source["notes"] for entry in entries] == [
        ["lower-case residues read as upper case"],
        ["stop (*) at the end removed"],
        ["3 gaps (- or .) removed"],
    ]


@pytest.mark.parametrize(
    ("body", "place", "message"),
    [
        ("MK\nV1L\n", "<stdin>:5:2", "'1' is not a residue"),
        ("MK*V\n", "<stdin>:4:3", "a stop"),
        ("MK\nLé\n", "<stdin>:5:2", "'é' is not a residue"),
        ("MK:LL\n", "<stdin>:4:3", "':' is not a residue"),
        ("", "<stdin>:3", "no residues"),
        ("---\n", "<stdin>:4", "no residues"),
        ("MetLysThrAla\n", "<stdin>:4", "4 three-letter codes (Met Lys …)"),
        ("MET LYS THR\nALA\n", "<stdin>:4", "4 three-letter codes"),
        ("Gly-Ser-Ala\n", "<stdin>:4", "3 three-letter codes"),
    ],
)
def test_a_bad_record_names_its_place_and_harms_no_other(body: str, place: str, message: str) -> None:
    before, bad, after = read(f">a\nMKV\n>bad\n{body}>c\nMKL\n")
    assert sequences([before, after]) == {"a": "MKV", "c": "MKL"}
    assert (bad.id, bad.item, bad.form) == ("bad", None, Form.PROTEIN)
    assert isinstance(bad.error, FormatError)
    assert bad.error.source == place
    assert message in bad.error.message


def test_identifiers_are_made_unique() -> None:
    entries = read(">a\nMK\n>a\nMKV\n>\nMKL\n>a_2\nMKLL\n>a\nMKVV\n")
    assert [entry.id for entry in entries] == ["a", "a_2", "stdin:3", "a_2_2", "a_3"]
    assert entries[1].source["notes"] == ["the identifier a stands for several records"]


def test_nucleotides_are_refused_unless_a_protein_is_asked_for() -> None:
    dna = "ATGGCCAAGTTGACCAGTGCCGTTCCGGTGCTCACC"
    (entry,) = read(f">gene\n{dna}\n")
    assert entry.error is not None
    assert "nucleotide" in entry.error.message
    assert "translate" in (entry.error.hint or "")
    (entry,) = read(f">gene\n{dna}\n", Form.PROTEIN)
    assert sequences([entry]) == {"gene": dna}
    assert "nucleotide" in entry.source["notes"][0]


def test_poly_amino_acids_are_no_nucleotides() -> None:
    assert not is_nucleotide("G" * 60)
    assert not is_nucleotide("AG" * 40)
    assert not is_nucleotide("ATGC")
    assert is_nucleotide("AUGC" * 10)


def test_bare_sequences() -> None:
    assert sequences(read("MKVLLAGGEE\n")) == {"stdin:1": "MKVLLAGGEE"}
    wrapped = read("MKVLAAGGHH" * 6 + "\n" + "MKVLAAGGHH" * 6 + "\n" + "MKV\n")
    assert sequences(wrapped) == {"stdin:1": "MKVLAAGGHH" * 12 + "MKV"}
    assert wrapped[0].source["notes"] == ["3 lines without a header read as one wrapped sequence"]
    assert sequences(read("MKVLL\nMKVLLAAA\n")) == {"stdin:1": "MKVLL", "stdin:2": "MKVLLAAA"}


def test_heavy_and_light_chains_pair() -> None:
    text = (
        ">ab1|heavy x\nEVQL\n>ab1|light\nDIQM\n>ab2_L\nDIVM\n>ab2_H\nQVQL\n"
        ">ab3 VH\nEVKL\n>ab3 VL\nDIKM\n>nano\nQVQLV\n>ab4_H\nEEEL\n"
    )
    entries = read(text, Form.ANTIBODY)
    assert {entry.id: entry.item for entry in entries} == {
        "ab1": Antibody(("EVQL", "DIQM")),
        "ab2": Antibody(("QVQL", "DIVM")),
        "ab3": Antibody(("EVKL", "DIKM")),
        "nano": Antibody(("QVQLV",)),
        "ab4_H": Antibody(("EEEL",)),
    }


def test_a_pair_in_one_record_and_a_bad_partner() -> None:
    pair, bad = read(">p\nEVQL:DIQM\n>q_H\nEV1\n>q_L\nDIQ\n", Form.ANTIBODY)
    assert pair.item == Antibody(("EVQL", "DIQM"))
    assert (bad.id, bad.item, bad.form) == ("q", None, Form.ANTIBODY)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ab1|heavy", ("ab1", "heavy")),
        ("4hhb_L", ("4hhb", "light")),
        ("x VK", ("x", "light")),
        ("a.b-VHH", ("a.b", "heavy")),
        ("trastuzumab heavy chain", ("trastuzumab", "heavy")),
        ("XYZL", None),
        ("H", None),
        ("ab_M", None),
    ],
)
def test_antibody_chain_names(name: str, expected: tuple[str, str] | None) -> None:
    assert antibody_chain(name) == expected


@pytest.mark.parametrize(
    ("content", "sure"),
    [
        (b">a\nMK", True),
        (b"\n\n>a\nMK", True),
        (b"MKVLLAG\nMKV", True),
        (b"CCO\nCCN\n", False),
        (b">>CCO", False),
        (b"HEADER    HYDROLASE", False),
        (b"<ProteinS>MK", False),
        (b"", False),
        (b"SNSSIC", False),
    ],
)
def test_sniff(content: bytes, sure: bool) -> None:
    assert (PLUGIN.sniff(content) > 0.5) is sure


def test_no_sequences_at_all() -> None:
    with pytest.raises(InputError, match="no sequences"):
        list(PLUGIN.read(Input("-", io.BytesIO(b";only a comment\n\n")), ReadOptions()))


def test_latin_1_headers_do_not_stop_the_reader() -> None:
    (entry,) = read(b">prot\xe9ine\nMKV\n")
    assert sequences([entry]) == {"prot\ufffdine": "MKV"}


def test_writing() -> None:
    stream = io.StringIO()
    writer = PLUGIN.writers()["fasta"](stream, WriteOptions())
    writer.write(Record("p 1", "protein", "", source={"description": "a  kinase"}), Protein("M" * 100))
    writer.write(Record("ab", "antibody", ""), Antibody(("EVQL", "DIQM")))
    writer.write(Record("nb", "antibody", ""), Antibody(("EVQL",)))
    two = Complex((Protein("MKV", (1,)), Protein("LLL")), "CCO")
    writer.write(Record("c", "complex", "", source={"chains": ["A", "B"]}), two)
    writer.write(Record("d", "complex", ""), two)
    writer.close()
    assert stream.getvalue() == (
        f">p 1 a kinase\n{'M' * 80}\n{'M' * 20}\n>ab|heavy\nEVQL\n>ab|light\nDIQM\n>nb\nEVQL\n"
        ">c|A\nMKV\n>c|B\nLLL\n>d|1\nMKV\n>d|2\nLLL\n"
    )


def test_what_fasta_cannot_say() -> None:
    writer = PLUGIN.writers()["fasta"](io.StringIO(), WriteOptions())
    with pytest.raises(UsageError, match="molecule has no sequence"):
        writer.write(Record("m", "molecule", ""), Molecule("C"))


def test_real_files(shared_data: Path) -> None:
    source = Input(str(shared_data / "proteins" / "mixed_natural.fasta.xz"))
    entries = [entry for entry, _ in zip(PLUGIN.read(source, ReadOptions()), range(3000), strict=False)]
    assert all(entry.error is None for entry in entries)
    assert len({entry.id for entry in entries}) == len(entries)


def test_nucleotides_are_translated_on_request() -> None:
    dna = "GAGGTGCAGCTGGTGGAGTCTGGG"
    (entry,) = read(f">a\n{dna}TAA\n", translate=True)
    assert entry.item == Protein("EVQLVESG")
    assert entry.source["notes"] == ["translated from the nucleotides"]
    assert read(f">a|heavy\n{dna}\n", form=Form.ANTIBODY, translate=True)[0].item == Antibody(("EVQLVESG",))
    bare = read("GAGGTGCAGCTGGT\nCAGCTGGAAAA\nTGGAGCCCCCAAAA\n")
    assert all("nucleotide sequence" in str(entry.error) for entry in bare)
    assert read(">a\nMKVSTGAR\n", translate=True)[0].item == Protein("MKVSTGAR")


# -- PIR --------------------------------------------------------------------------------------------------


def test_pir_has_a_title_and_an_end():
    text = b">P1;A\nsome description of it\nMKV LLA\nGG*\nC;Species: human\n>F1;B\n\nMK-V*\n"
    first, second = read(text)
    assert (first.id, first.item, first.source["description"]) == ("A", Protein("MKVLLAGG"), "some description of it")
    assert (second.id, second.item) == ("B", Protein("MKV"))


def test_pir_of_modeller_parts_chains():
    entries = read(b"C; a sample\n\n>P1;x\nstructureX:x:1:A:5:B::::\nMKV/LLA\nAA*\n")
    assert [(entry.id, entry.item) for entry in entries] == [("x:1", Protein("MKV")), ("x:2", Protein("LLAAA"))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b">P1;x\ntitle\nMKV\n", "must end with"),
        (b">DL;x\ntitle\nACGT*\n", "nucleotide"),
        (b">P1;x\nMKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ\nMKV*\n", "title"),
        (b">P1;x\ntitle\nMKV*\n>sp|y\nMKV\n", "not one of PIR"),
        (b">y\nMKV\n>P1;x\ntitle\nMKV*\n", "among records of FASTA"),
    ],
)
def test_pir_that_is_damaged_is_refused(text: bytes, said: str):
    assert said in str(read(text)[-1].error)


# -- A3M -----------------------------------------------------------------------------------------------------


def read_a3m(tmp_path: Path, text: str, row: str | None = None) -> list[Entry]:
    (tmp_path / "rows.a3m").write_text(text)
    with Input(str(tmp_path / "rows.a3m")) as source:
        assert detect(source) is PLUGIN
        return list(PLUGIN.read(source, ReadOptions(row=row)))


def test_a3m_rows_keep_their_insertions(tmp_path: Path) -> None:
    """Lower-case letters are residues of the row; its other letters and gaps are the columns of the first row."""
    text = ">query\nMKTAYIAKQRQW\n>hit a hit\nMKTaayYI-KQ\n-QRQW\n>short\n----YIAKQ---\n>bad\nMKTAYIAKQRQWM\n"
    entries = read_a3m(tmp_path, text.replace("MKTaayYI-KQ\n-QRQW", "MKTaayAYI-KQ\nRQW"))
    assert sequences(entries) == {"query": "MKTAYIAKQRQW", "hit": "MKTAAYAYIKQRQW", "short": "YIAKQ"}
    assert entries[1].source["format"] == "a3m"
    assert entries[1].source["notes"][0] == "3 residues inserted relative to the first row (lower case)"
    assert "13 columns, the first one 12" in str(entries[3].error)
    assert str(entries[3].error).startswith(str(tmp_path / "rows.a3m") + ":8")
    (entry,) = read_a3m(tmp_path, text, row="short")
    assert sequences([entry]) == {"short": "YIAKQ"}
    with pytest.raises(InputError, match="no record 'other'"):
        read_a3m(tmp_path, text, row="other")


def test_chains_side_by_side_in_an_a3m_of_colabfold_are_parted() -> None:
    """By content, whatever the name; never one protein of two chains."""
    text = "#10,8\t1,1\n>101\t102\nMKTAYIAKQRSFVKSHFW\n>one\nMKTaaAYIAKQR--------\n>p\tq\nMK-AYIAKQRSFVkkkKSHFW\n"
    entries = read(text)
    assert sequences(entries) == {
        "101": "MKTAYIAKQR",
        "102": "SFVKSHFW",
        "one:1": "MKTAAAYIAKQR",
        "p": "MKAYIAKQR",
        "q": "SFVKKKKSHFW",
    }
    assert sequences(read("#18\t1\n>101\nMKTAYIAKQRSFVKSHFW\n")) == {"101": "MKTAYIAKQRSFVKSHFW"}


HEAVY, LIGHT = "EVQLVESGGGLVQPGGSLRLSCAASDYWGQGTLVTVSS", "DIQMTQSPSSLSASVGDRVTITCQQSYSTPLTFGGGTKVEIK"


def test_labels_that_the_chains_contradict() -> None:
    """The last strand tells a heavy from a light chain."""
    (entry,) = read(f">x_H\n{LIGHT}\n>x_L\n{HEAVY}\n", Form.ANTIBODY)
    assert "ends like a light chain (FGGGTKVE), and the other one like a heavy chain" in str(entry.error)
    assert "exchange" in str(read(f">x\n{LIGHT}:{HEAVY}\n", Form.ANTIBODY)[0].error)
    (entry,) = read(f">x_H\n{LIGHT}\n", Form.ANTIBODY)
    assert entry.source["notes"] == ["the chain labelled heavy ends like a light chain (FGGGTKVE)"]
    good = f">x_H\n{HEAVY}\n>x_L\n{LIGHT}\n>y_H\n{HEAVY}GGGGSGGGGS{LIGHT}\n>z\n{LIGHT}\n"
    assert all("notes" not in entry.source and entry.error is None for entry in read(good, Form.ANTIBODY))


def test_the_remains_of_a_pdb_file_are_no_sequences() -> None:
    source = Input("-", io.BytesIO(b"ATOM\nATOM  \nTER\nHETATM\nEND\n"))
    with pytest.raises(InputError, match="no known format"):
        detect(source)


@pytest.mark.parametrize(
    "word",
    ["nan", "NaN", "None", "null", "NULL", "n.a.", "N.D.", "TBD", "not available", "Unknown", "sequence unavailable"],
)
def test_words_for_a_missing_value_are_no_residues(word: str) -> None:
    bad, good = read(f">a\n{word}\n>b\nMKV\n")
    assert f"{word!r} stands for a missing sequence" in str(bad.error)
    assert sequences([good]) == {"b": "MKV"}


@pytest.mark.parametrize("peptide", ["NA", "ND", "NAN", "MISSING"])
def test_peptides_in_capitals_are_residues(peptide: str) -> None:
    assert sequences(read(f">a\n{peptide}\n")) == {"a": peptide}


# -- peptides with end groups --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peptide", "group"),
    [
        ("Ac-DEVD-AMC", "Ac"),
        ("AC-DEVD-AMC", "AC"),
        ("ac-devd-amc", "ac"),
        ("Ac - DEVD - AMC", "Ac"),
        ("Ac-\nDEVD-AMC", "Ac"),
        ("Ac-RGDS-NH2", "Ac"),
        ("DEVD-CHO", "CHO"),
        ("Z-VAD-FMK", "Z"),
        ("H-RGDS-OH", "H"),
        ("H-RGDS", "H"),
        ("KLVFF-OH", "OH"),
        ("Suc-AAPF-pNA", "Suc"),
        ("MeOSuc-AAPV-AMC", "MeOSuc"),
        ("Boc-LRR-AMC", "Boc"),
        ("Fmoc-RGD", "Fmoc"),
        ("Cbz-LLL-al", "Cbz"),
        ("LLL-al", "al"),
        ("Biotin-RGDS", "Biotin"),
        ("FITC-Ahx-DEVD", "FITC"),
        ("pGlu-HWSYGLRPG-amide", "pGlu"),
        ("pGluHWSYGLRPG", "pGlu"),
        ("AcDEVD", "Ac"),
        ("Dabcyl-KTSAVLQSGFRKME-EDANS", "Dabcyl"),
        ("RGD-Aib-K", "Aib"),
        ("RGD-Xyz", "Xyz"),
        ("Ala-Gly", "Ala"),
        ("H-Ala-Gly-OH", "H"),
        ("H-DAEFRHDSGYEVHHQKLVFFAEDVGSNKGAIIGLMVGGVVIA-OH", "OH"),
        ("Ac-DEVD-", "Ac"),
        ("Ac--DEVD", "Ac"),
        ("-Ac-DEVD", "Ac"),
        ("Ac.DEVD.AMC", "Ac"),
        ("DEVD--pNA", "pNA"),
        ("RGDS.OMe", "OMe"),
    ],
)
def test_end_groups_are_no_residues(peptide: str, group: str) -> None:
    bad, good = read(f">a\n{peptide}\n>b\nMKV\n")
    assert bad.item is None
    assert f"{group!r} in" in str(bad.error)
    assert "SMILES or HELM" in str(bad.error.hint if bad.error else "")
    assert sequences([good]) == {"b": "MKV"}


@pytest.mark.parametrize(
    "row",
    [
        "MK--LV",
        "-MKV-",
        "--H-RGDS",
        "MKV-LLA",
        "M--K.V",
        "A-C-D",
        "mkv-lla",
        "MKvl-LLA",
        "MK-LV-",
        "AC--DEVD",
        "H-A-E-G-T",
        "H-RGDS-",
        "--MKlv--LLAvs-",
        "H-MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRV-ACDE",
        "AC-MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRV-AMC",
        "MKTAYIAKQ-AMC-RQISFVKSHFSRQ",
        "AMC",
        "Mkv",
    ],
)
def test_gaps_are_gaps(row: str) -> None:
    expected = row.replace("-", "").replace(".", "").upper()
    assert sequences(read(f">a\n{row}\n")) == {"a": expected}


def test_every_hyphen_of_an_a3m_is_a_gap(tmp_path: Path) -> None:
    entries = read_a3m(tmp_path, ">a\nH-RGDSAMC\n>b\nHARGDS-OH\n>c\nAc-RGDS-MC\n")
    assert sequences(entries) == {"a": "HRGDSAMC", "b": "HARGDSOH", "c": "ACRGDSMC"}


@pytest.mark.parametrize("before", ["", " ", "\t", "\n  "])
def test_an_indented_header_is_a_header(before: str) -> None:
    entries = read(f"{before}>a first\nMKV\nLL\n  >b\nMKL\n")
    assert sequences(entries) == {"a": "MKVLL", "b": "MKL"}
    assert len(entries) == 2


@pytest.mark.parametrize(
    "rows",
    [
        ("AC-DEFGHI", "ACM-EFGHI", "ACMDEFGHI"),
        ("SIINFEK-AL", "SIINFEKLAL"),
        ("H-MNPQ", "HA-NPQ"),
        ("H-A-E-G-T", "HMAKEAGST"),
        ("H-RGDS-OH", "HARGDSMOH"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_hyphens_of_rows_of_one_length_are_gaps(rows: tuple[str, ...], wrapped: bool) -> None:
    lines = [f"{row[:4]}\n{row[4:]}" if wrapped else row for row in rows]
    text = "".join(f">{number}\n{line}\n" for number, line in enumerate(lines))
    assert list(sequences(read(text)).values()) == [row.replace("-", "") for row in rows]


@pytest.mark.parametrize(
    "peptides",
    [
        ("AC-DEVD-AMC", "AC-IETD-AMC"),
        ("Ac-DEVD-AMC", "MK-VLLAAAMC"),
        ("H-RGDS-OH", "Z-LLLL-OH"),
        ("H-RGDS", "KLVFF-OH"),
        ("AC-DEVD",),
    ],
)
def test_peptides_with_groups_of_one_length_are_no_alignment(peptides: tuple[str, ...]) -> None:
    entries = read("".join(f">{number}\n{peptide}\n" for number, peptide in enumerate(peptides)))
    assert "is a group of a peptide" in str(entries[0].error)


@pytest.mark.parametrize("row", ["MKTayi-akQRQ", "MKTAYI-akQRQ", "mKT-ayiAK"])
def test_gaps_beside_lower_case_are_refused_with_the_remedy(tmp_path: Path, row: str) -> None:
    (entry,) = read(f">a\n{row}\n")
    assert entry.error is not None
    assert "if its hyphens are gaps, remove them, or name the alignment .afa" in (entry.error.hint or "")
    path = tmp_path / "rows.afa"
    path.write_text(f">a\n{row}\n>b\n{'A' * len(row)}\n")
    residues = row.replace("-", "").upper()
    assert sequences(list(PLUGIN.read(Input(str(path)), ReadOptions())))["a"] == residues
    (entry,) = read(f">a\n{residues}\n")
    assert entry.item == Protein(residues)


def test_every_hyphen_of_an_afa_is_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "rows.afa"
    path.write_text(">a\nH-RGDS-OH\n>b\nAc-RGDSMC\n")
    assert sequences(list(PLUGIN.read(Input(str(path)), ReadOptions()))) == {"a": "HRGDSOH", "b": "ACRGDSMC"}


@pytest.mark.parametrize(
    "words", ["no light chain", "see patent", "sequence not yet known", "NO LIGHT CHAIN", "to be\nconfirmed by us"]
)
def test_words_of_a_language_are_no_residues(words: str) -> None:
    (entry, other) = read(f">a\n{words}\n>b\nMKVLLA\n")
    assert "is no sequence, but words" in str(entry.error)
    assert "without spaces" in str(entry.error.hint if entry.error else "")
    assert other.item == Protein("MKVLLA")


@pytest.mark.parametrize(
    "line",
    [
        "MKVLLAWQDE RTYIPASDFG HKLCVNM",
        "mkvllawqde rtyipasdfg hklcvnm",
        "AWQDE RTYIPASDFG HKLCVNMQWE RTY",
        "MKVLL AWQDE RTYIP ASD",
        "MKVLLAWQDERTYIPASDFGHKLCVNM GFTFSSYA WVRQ",
        "M K V L L A",
        "mkvllawqde rtyipasdfg *",
    ],
)
def test_spaces_between_parts_of_a_sequence_are_removed(line: str) -> None:
    (entry,) = read(f">a\n{line}\n")
    assert entry.item == Protein("".join(filter(str.isalpha, line.upper())))
