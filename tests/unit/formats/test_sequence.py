"""Annotated sequences and alignments: what Biopython writes is read as it reads it; what is cut is refused."""

from __future__ import annotations

import io
import struct
from contextlib import closing
from pathlib import Path

import pytest
from Bio import AlignIO, SeqIO
from Bio.Align import MultipleSeqAlignment
from Bio.Seq import Seq
from Bio.SeqFeature import AfterPosition, BeforePosition, CompoundLocation, SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from logos_cli.errors import InputError
from logos_cli.formats.base import Entry, ReadOptions, WriteOptions
from logos_cli.formats.detect import detect
from logos_cli.formats.sequence.plugin import PLUGIN
from logos_cli.formats.sequence.write import EmblWriter, GenBankWriter
from logos_cli.grammar import Form
from logos_cli.io.input import Input
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.protein import Protein
from logos_cli.records import Record

_PROTEIN = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV"
_GENE = "ATGAAAACCGCGTATATTGCGAAACAGCGTCAGATTAGCTTTGTGAAAAGCCATTTTAGCCGTCAGTAA"
_GENE_PRODUCT = "MKTAYIAKQRQISFVKSHFSRQ"
_ROWS = {"a": "MKT-AYIAKQRW", "b": "MKTLAY--KQRW"}


def _record(sequence: str, kind: str, *features: SeqFeature) -> SeqRecord:
    record = SeqRecord(Seq(sequence), id="P1.1", name="P1", description="a test")
    record.annotations["molecule_type"] = kind
    record.features = list(features)
    return record


def _feature(start: int, end: int, type: str, strand: int | None = None, **qualifiers: str) -> SeqFeature:
    values = {name: [value] for name, value in qualifiers.items()}
    return SeqFeature(SimpleLocation(start, end, strand), type=type, qualifiers=values)


def _read(path: Path, **options: object) -> list[Entry]:
    with closing(Input(str(path))) as source:
        assert detect(source) is PLUGIN
        return list(PLUGIN.read(source, ReadOptions(**options)))  # type: ignore[arg-type]


def _sequences(entries: list[Entry]) -> list[str]:
    return [entry.item.sequence for entry in entries if isinstance(entry.item, Protein)]


@pytest.mark.parametrize("kind", ["genbank", "embl"])
def test_a_protein_is_read_whole_or_by_feature(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "protein"
    SeqIO.write([_record(_PROTEIN, "protein", _feature(20, 60, "mat_peptide", product="mature chain"))], path, kind)
    (entry,) = _read(path)
    assert (entry.id, _sequences([entry])) == ("P1.1", [_PROTEIN])
    assert (entry.source["format"], entry.source["description"]) == (kind, "a test")
    (mature,) = _read(path, feature="mat_peptide")
    assert (mature.id, _sequences([mature])) == ("P1.1:mature_chain", [_PROTEIN[20:60]])
    assert mature.source["feature"] == {"type": "mat_peptide", "location": "[20:60]", "name": "mature chain"}
    (antibody,) = _read(path, form=Form.ANTIBODY)
    assert antibody.item == Antibody((_PROTEIN,))
    with pytest.raises(InputError, match="no record has a feature of type 'sig_peptide'"):
        _read(path, feature="sig_peptide")


@pytest.mark.parametrize("kind", ["genbank", "embl"])
def test_coding_sequences_of_a_nucleotide_record(kind: str, tmp_path: Path) -> None:
    """On both strands; what the record states is believed, the rest is translated; a pseudogene is no protein."""
    reverse = str(Seq(_GENE).reverse_complement())
    whole = f"GG{_GENE}CC{reverse}T"
    second = 2 + len(_GENE) + 2
    record = _record(
        whole,
        "DNA",
        _feature(2, 2 + len(_GENE), "CDS", 1, gene="abc"),
        _feature(second, second + len(_GENE), "CDS", -1, gene="rev"),
        _feature(2, 2 + len(_GENE), "CDS", 1, protein_id="X1", translation="MKV"),
        _feature(2, 2 + len(_GENE), "CDS", 1, gene="dead", pseudogene="unknown"),
        _feature(3, 2 + len(_GENE), "CDS", 1, gene="shifted"),
    )
    path = tmp_path / "gene"
    SeqIO.write([record], path, kind)
    entries = _read(path)
    assert [entry.id for entry in entries] == ["P1.1:abc", "P1.1:rev", "P1.1:X1", "P1.1:dead", "P1.1:shifted"]
    assert _sequences(entries) == [_GENE_PRODUCT, _GENE_PRODUCT, "MKV"]
    assert entries[0].source["notes"] == ["translated from the nucleotides"]
    assert "notes" not in entries[2].source
    assert "pseudogene" in str(entries[3].error)
    assert "stop" in str(entries[4].error)


def test_nucleotides_without_a_coding_sequence_are_refused_or_translated(tmp_path: Path) -> None:
    path = tmp_path / "dna.gb"
    SeqIO.write([_record(_GENE, "DNA")], path, "genbank")
    (entry,) = _read(path)
    assert entry.error is not None
    assert "without a coding sequence" in entry.error.message
    assert "--translate" in str(entry.error.hint)
    assert _sequences(_read(path, translate=True)) == [_GENE_PRODUCT]
    read = SeqRecord(Seq(_GENE), id="read1", letter_annotations={"phred_quality": [30] * len(_GENE)})
    path = tmp_path / "reads.fastq"
    SeqIO.write([read], path, "fastq")
    assert _read(path)[0].item is None
    assert _sequences(_read(path, translate=True)) == [_GENE_PRODUCT]


def _abi(sequence: str) -> bytes:
    """Return a trace of ABI with its bases and qualities only."""
    bases, qualities = sequence.encode(), bytes([40]) * len(sequence)
    entries = [(name, number, data) for number in (1, 2) for name, data in ((b"PBAS", bases), (b"PCON", qualities))]
    start = 128
    body = b"".join(data for _, _, data in entries)
    directory, place = b"", start
    for name, number, data in entries:
        directory += struct.pack(">4sIHHIIII", name, number, 2, 1, len(data), len(data), place, 0)
        place += len(data)
    head = struct.pack(">4sH4sIHHIIII", b"ABIF", 101, b"tdir", 1, 1023, 28, len(entries), len(directory), place, 0)
    return head.ljust(start, b"\0") + body + directory


def test_a_trace_of_abi_is_nucleotides(tmp_path: Path) -> None:
    path = tmp_path / "read1.ab1"
    path.write_bytes(_abi(_GENE))
    assert str(SeqIO.read(path, "abi").seq) == _GENE
    (entry,) = _read(path)
    assert "nucleotide sequence" in str(entry.error)
    assert _sequences(_read(path, translate=True)) == [_GENE_PRODUCT]


@pytest.mark.parametrize("kind", ["stockholm", "clustal", "phylip-relaxed", "nexus"])
def test_rows_of_an_alignment(kind: str, tmp_path: Path) -> None:
    rows = [SeqRecord(Seq(text), id=id, annotations={"molecule_type": "protein"}) for id, text in _ROWS.items()]
    path = tmp_path / "alignment"
    AlignIO.write(MultipleSeqAlignment(rows), path, kind)
    entries = _read(path)
    assert [entry.id for entry in entries] == list(_ROWS)
    assert _sequences(entries) == [text.replace("-", "") for text in _ROWS.values()]
    assert entries[1].source["notes"] == ["2 gaps (- or .) removed"]
    assert _sequences(_read(path, row="b")) == ["MKTLAYKQRW"]
    with pytest.raises(InputError, match="no row 'c'"):
        _read(path, row="c")


_SWISS = """\
ID   TEST_HUMAN              Reviewed;          70 AA.
AC   P12345;
DE   RecName: Full=Test protein;
OS   Homo sapiens (Human).
FT   SIGNAL          1..20
FT   CHAIN           21..70
FT                   /note="Test protein"
FT                   /id="PRO_0000000001"
SQ   SEQUENCE   70 AA;  7800 MW;  0123456789ABCDEF CRC64;
     MKTAYIAKQR QISFVKSHFS RQLEERLGLI EVQAPILSRV GDGTQDNLSG AEKAVQVKVK
     ALPDAQFEVV
//
"""
_XML = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<uniprot xmlns="http://uniprot.org/uniprot">
<entry dataset="Swiss-Prot" created="2000-01-01" modified="2000-01-01" version="1">
<accession>P12345</accession><name>TEST_HUMAN</name>
<protein><recommendedName><fullName>Test protein</fullName></recommendedName></protein>
<organism><name type="scientific">Homo sapiens</name></organism>
<feature type="chain" description="Test protein" id="PRO_1">
<location><begin position="21"/><end position="70"/></location></feature>
<proteinExistence type="evidence at protein level"/>
<sequence length="70" mass="7800" checksum="0" modified="2000-01-01" version="1">{_PROTEIN}</sequence>
</entry></uniprot>
"""


@pytest.mark.parametrize("text", [_SWISS, _XML])
def test_mature_chain_of_a_uniprot_entry(text: str, tmp_path: Path) -> None:
    path = tmp_path / "entry"
    path.write_text(text)
    assert _sequences(_read(path)) == [_PROTEIN]
    assert _sequences(_read(path, feature="chain")) == [_PROTEIN[20:]]


@pytest.mark.parametrize("kind", ["genbank", "embl", "swiss", "uniprot-xml", "stockholm"])
def test_a_file_that_is_cut_off_is_refused(kind: str, tmp_path: Path) -> None:
    """Wherever it is cut, nothing passes for whole."""
    if kind in ("swiss", "uniprot-xml"):
        text = _SWISS if kind == "swiss" else _XML
    else:
        stream = io.StringIO()
        rows = [SeqRecord(Seq(row), id=id) for id, row in _ROWS.items()]
        records = rows if kind == "stockholm" else [_record(_PROTEIN, "protein", _feature(0, 9, "Region", note="n"))]
        SeqIO.write(records, stream, kind)
        text = stream.getvalue()
    path = tmp_path / "cut"
    for length in range(40, len(text.rstrip()), 7):
        path.write_text(text[:length])
        with closing(Input(str(path))) as source:
            if PLUGIN.sniff(source.head) == 0:
                continue
            with pytest.raises(InputError) as caught:
                list(PLUGIN.read(source, ReadOptions()))
        assert caught.value.source == str(path)
        assert caught.value.hint


@pytest.mark.parametrize(("writer", "kind"), [(GenBankWriter, "genbank"), (EmblWriter, "embl")])
def test_what_is_written_is_read_by_biopython(writer: type[GenBankWriter], kind: str) -> None:
    stream = io.StringIO()
    record = Record("a protein", Form.SITE, "", source={"description": "of  a test"})
    writer(stream, WriteOptions()).write(record, Protein(_PROTEIN, (1, 4)))
    (found,) = SeqIO.parse(io.StringIO(stream.getvalue()), kind)
    assert str(found.seq) == _PROTEIN
    assert [int(feature.location.start) for feature in found.features] == [1, 4]


# -- coding sequences without a translation ------------------------------------------------------------------


def _coding(
    codons: str, location: str = "whole", kind: str = "genbank", *, tmp_path: Path, **qualifiers: str
) -> tuple[SeqFeature, Entry]:
    """Write a coding sequence in a record of its own; return the feature as Biopython reads it, and the entry."""
    n = len(codons)
    half = n // 2
    text = codons
    if location == "whole":
        place = SimpleLocation(0, n, 1)
    elif location == "complement":
        place, text = SimpleLocation(0, n, -1), str(Seq(codons).reverse_complement())
    elif location == "join":
        place = CompoundLocation([SimpleLocation(0, half, 1), SimpleLocation(half + 6, n + 6, 1)])
        text = f"{codons[:half]}GTAAGT{codons[half:]}"
    elif location == "partial":
        place = SimpleLocation(BeforePosition(0), n, 1)
    else:
        assert location == "partial complement"
        place, text = SimpleLocation(0, AfterPosition(n), -1), str(Seq(codons).reverse_complement())
    values = {name: [value] for name, value in qualifiers.items()}
    path = tmp_path / "coding"
    SeqIO.write([_record(text, "DNA", SeqFeature(place, type="CDS", qualifiers=values))], path, kind)
    record = SeqIO.read(path, kind)
    (feature,) = record.features
    feature.record = record
    (entry,) = _read(path)
    return feature, entry


@pytest.mark.parametrize("kind", ["genbank", "embl"])
@pytest.mark.parametrize("location", ["whole", "complement", "join"])
@pytest.mark.parametrize(("start", "table"), [("ATG", "1"), ("CTG", "1"), ("GTG", "11"), ("TTG", "11"), ("ATA", "2")])
def test_a_complete_coding_sequence_is_that_of_biopython(
    kind: str, location: str, start: str, table: str, tmp_path: Path
) -> None:
    feature, entry = _coding(start + _GENE[3:], location, kind, tmp_path=tmp_path, transl_table=table)
    assert _sequences([entry]) == [str(feature.translate(feature.record.seq))] == [_GENE_PRODUCT]
    expected = [
        "translated from the nucleotides",
        *([] if start in ("ATG", "ATA") else [f"the start codon {start} read as M"]),
    ]
    assert entry.source["notes"] == expected


@pytest.mark.parametrize("location", ["partial", "partial complement"])
def test_a_partial_coding_sequence_has_no_start(location: str, tmp_path: Path) -> None:
    feature, entry = _coding("GTG" + _GENE[3:], location, tmp_path=tmp_path, transl_table="11")
    expected = str(feature.extract(feature.record.seq).translate(table=11)).rstrip("*")
    assert _sequences([entry]) == [expected] == [f"V{_GENE_PRODUCT[1:]}"]
    _, shifted = _coding("AGTG" + _GENE[3:], location, tmp_path=tmp_path, transl_table="11", codon_start="2")
    assert _sequences([shifted]) == [f"V{_GENE_PRODUCT[1:]}"]


def test_a_first_codon_that_is_no_start_is_noted(tmp_path: Path) -> None:
    _, entry = _coding("GTG" + _GENE[3:], tmp_path=tmp_path)
    assert _sequences([entry]) == [f"V{_GENE_PRODUCT[1:]}"]
    assert "the first codon, GTG, is no start of genetic code 1" in entry.source["notes"]


@pytest.mark.parametrize(("name", "letter"), [("Sec", "U"), ("Pyl", "O"), ("OTHER", "X"), ("Trp", "W")])
@pytest.mark.parametrize(
    ("location", "place"),
    [("whole", "7..9"), ("complement", "complement(61..63)"), ("join", "7..9"), ("partial", "7..9")],
)
def test_exceptions_of_the_genetic_code(name: str, letter: str, location: str, place: str, tmp_path: Path) -> None:
    """The third codon of 23 is a stop; read from the other end of 69 letters it is at 61 to 63."""
    codons = _GENE[:6] + "TGA" + _GENE[9:]
    _, refused = _coding(codons, location, tmp_path=tmp_path)
    assert "stop at residue 3" in str(refused.error)
    assert "/transl_except" in str(refused.error.hint if refused.error else "")
    _, entry = _coding(codons, location, tmp_path=tmp_path, transl_except=f"(pos:{place},aa:{name})")
    assert _sequences([entry]) == [f"MK{letter}{_GENE_PRODUCT[3:]}"]


@pytest.mark.parametrize(("table", "codon"), [("27", "TGA"), ("28", "TAA"), ("31", "TAG"), ("11", "TGA")])
def test_the_last_codon_of_a_code_whose_stops_are_residues_elsewhere_is_the_stop(
    table: str, codon: str, tmp_path: Path
) -> None:
    _, entry = _coding("ATGGGGAAA" + codon, tmp_path=tmp_path, transl_table=table)
    assert _sequences([entry]) == ["MGK"]


def test_a_stop_that_poly_a_completes(tmp_path: Path) -> None:
    codons = _GENE[:-3] + "TA"
    _, entry = _coding(
        codons, tmp_path=tmp_path, transl_table="2", transl_except=f"(pos:{len(codons) - 1}..{len(codons)},aa:TERM)"
    )
    assert _sequences([entry]) == [_GENE_PRODUCT]
    assert entry.source["notes"] == ["translated from the nucleotides"]
    _, entry = _coding(codons, tmp_path=tmp_path)
    assert entry.source["notes"][-1] == "2 letters after the last codon, and no stop"


@pytest.mark.parametrize(
    ("qualifiers", "said"),
    [
        ({"exception": "RNA editing"}, "the exception 'RNA editing' and no translation"),
        ({"transl_except": "(pos:700..702,aa:Sec)"}, "cannot be read"),
        ({"transl_except": "(pos:7..9,aa:Foo)"}, "cannot be read"),
        ({"transl_except": "7..9 is Sec"}, "cannot be read"),
        ({"codon_start": "4"}, "/codon_start=4"),
        ({"transl_table": "77"}, "/transl_table=77"),
    ],
)
def test_what_does_not_follow_from_the_nucleotides_is_refused(
    qualifiers: dict[str, str], said: str, tmp_path: Path
) -> None:
    _, entry = _coding(_GENE, tmp_path=tmp_path, **qualifiers)
    assert said in str(entry.error)


def test_a_short_row_of_an_alignment_has_gaps_and_no_groups(tmp_path: Path) -> None:
    path = tmp_path / "rows.sto"
    rows = {"a": "H-RGDS-OH", "b": "HARGDSMOH"}
    AlignIO.write(MultipleSeqAlignment([SeqRecord(Seq(row), id=name) for name, row in rows.items()]), path, "stockholm")
    assert _sequences(_read(path)) == ["HRGDSOH", "HARGDSMOH"]
