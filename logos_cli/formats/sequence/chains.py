"""Read the protein chains of annotated sequence files: whole records, features, coding sequences, alignment rows."""

from __future__ import annotations

import io
import re
import warnings
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from logos_cli.errors import FormatError, InputError
from logos_cli.formats.base import ReadOptions
from logos_cli.formats.sequence.coding import first_of, translate_coding
from logos_cli.formats.sequence.kinds import Kind
from logos_cli.grammar import Form
from logos_cli.io.input import Input
from logos_cli.records import Source
from logos_cli.structure.residues.nucleotides import TRANSLATED, translate
from logos_cli.structure.sequences import clean_sequence, is_nucleotide, nucleotide_error

if TYPE_CHECKING:
    from Bio.SeqFeature import SeqFeature
    from Bio.SeqRecord import SeqRecord

_CODING = "CDS"
_LENGTH = re.compile(r"^(?:SQ   (?:SEQUENCE|Sequence) +(\d+) |LOCUS +\S+ +(\d+) (?:bp|aa)\b)")
_NUCLEIC = re.compile(r"DNA|RNA", re.IGNORECASE)
_NAMING = ("protein_id", "locus_tag", "gene", "product", "note", "description", "id")


@dataclass(frozen=True, slots=True)
class ProteinChain:
    """One sequence of a file.

    Attributes
    ----------
    record : int
        One-based number of the record in the file.
    text : str
        The letters in the file, with gaps and stops.
    is_row : bool
        Whether it is a row of an alignment.
    error : FormatError, optional
        Why there is no sequence.
    """

    id: str
    record: int
    text: str = ""
    is_nucleic: bool = False
    is_row: bool = False
    provenance: Source = field(default_factory=Source)
    notes: tuple[str, ...] = ()
    error: FormatError | None = None

    def residues(self, options: ReadOptions) -> tuple[str, list[str]]:
        """Return the residues, and notes on what was removed or translated.

        Raises
        ------
        FormatError
            If there is no sequence, a letter is not a residue, or the letters are nucleotides.
        """
        if self.error is not None:
            raise self.error
        sequence, notes = clean_sequence([(1, self.text)], self.id, is_row=self.is_row)
        if self.is_nucleic or (is_nucleotide(sequence) and options.form is not Form.PROTEIN):
            if options.translate:
                return translate(sequence), [*notes, TRANSLATED]
            raise nucleotide_error(sequence, self.id)
        return sequence, notes


def iter_chains(source: Input, kind: Kind, options: ReadOptions) -> Iterator[ProteinChain]:
    """Yield the protein chains of a file in order.

    Raises
    ------
    InputError
        If the file is cut off or Biopython cannot read it.
    """
    lines = _CheckedLines(source, kind)
    for number, (record, messages) in enumerate(_iter_records(source, kind, lines), 1):
        lines.check_length(record, number)
        if options.row is not None and record.id != options.row:
            continue
        yield from _chains_of(record, number, kind, options, messages)
    lines.check_end()


class _CheckedLines(io.TextIOBase):
    """The text of a file, line by line, for Biopython; keeps the lengths that it states, and its last line."""

    def __init__(self, source: Input, kind: Kind) -> None:
        self._lines = (f"{line}\n" for line in source.text_lines())
        self._name, self._kind = source.name, kind
        self._lengths: deque[int] = deque()
        self._last = ""

    def readable(self) -> bool:
        return True

    def readline(self, _size: int | None = -1, /) -> str:  # type: ignore[override]
        line = next(self._lines, "")
        if line.strip():
            self._last = line.strip()
        if match := _LENGTH.match(line):
            self._lengths.append(int(match[1] or match[2]))
        return line

    def read(self, size: int | None = -1) -> str:
        if size is None or size < 0:
            return "".join(iter(self.readline, ""))
        return self.readline() if size else ""

    def check_length(self, record: SeqRecord, number: int) -> None:
        """Refuse a record if its sequence is not as long as its header states."""
        if not self._lengths:
            return
        stated, found = self._lengths.popleft(), len(record.seq) if record.seq is not None else 0
        if stated != found:
            raise InputError(
                f"record {number} ({record.id}) states {stated:,} letters and has {found:,}",
                source=self._name,
                hint="the file is cut off or damaged: download it again",
            )

    def check_end(self) -> None:
        """Refuse a file that lacks its last line."""
        if self._kind.ends and self._last != self._kind.ends:
            raise InputError(
                f"the file does not end with {self._kind.ends!r}: it is cut off",
                source=self._name,
                hint="download it again",
            )


def _iter_records(source: Input, kind: Kind, lines: _CheckedLines) -> Iterator[tuple[SeqRecord, list[str]]]:
    """Yield Biopython's records, each with its warnings."""
    handle = io.BytesIO(source.read()) if kind.is_binary else lines
    records: Iterator[SeqRecord] | None = None
    while True:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                records = _parsed(handle, kind) if records is None else records
                record = next(records, None)
            except InputError:
                raise
            except Exception as error:  # parsers of Biopython raise whatever their slices meet
                reason = " ".join(str(error).split())[:200] or type(error).__name__
                raise InputError(
                    f"Biopython cannot read the {kind.name} file: {reason}",
                    source=source.name,
                    hint="the file may be cut off or damaged",
                ) from error
        if record is None:
            return
        yield record, [" ".join(str(warning.message).split()) for warning in caught]


def _parsed(handle: io.BytesIO | io.TextIOBase, kind: Kind) -> Iterator[SeqRecord]:
    from Bio import AlignIO, SeqIO

    if kind.is_alignment:
        return (row for alignment in AlignIO.parse(handle, kind.name) for row in alignment)
    return iter(SeqIO.parse(handle, kind.name))


def _chains_of(
    record: SeqRecord, number: int, kind: Kind, options: ReadOptions, messages: list[str]
) -> Iterator[ProteinChain]:
    provenance: Source = {}
    if (description := record.description) and not description.startswith("<unknown"):
        provenance["description"] = description
    if (organism := record.annotations.get("organism")) and organism != ".":
        provenance["organism"] = organism
    nucleic = _is_nucleic(record, kind)
    wanted = options.feature or (_CODING if nucleic and not options.translate else None)
    id = "" if record.id is None or record.id.startswith("<unknown") else record.id
    if wanted is None:
        text, error = _text_of(record)
        yield ProteinChain(id, number, text, nucleic, kind.is_alignment, provenance, tuple(messages), error)
        return
    features = [feature for feature in record.features if feature.type.lower() == wanted.lower()]
    if not features and options.feature is None:
        message = f"the record is a nucleotide sequence of {len(record):,} letters without a coding sequence (CDS)"
        hint = "read the record with its features, or translate it with --translate"
        yield ProteinChain(id, number, error=FormatError(message, hint=hint), provenance=provenance)
    for feature in features:
        yield _feature_chain(record, number, feature, provenance, nucleic, tuple(messages))


def _is_nucleic(record: SeqRecord, kind: Kind) -> bool:
    if kind.name in ("fastq", "abi"):
        return True
    return bool(_NUCLEIC.search(str(record.annotations.get("molecule_type", ""))))


def _text_of(record: SeqRecord) -> tuple[str, FormatError | None]:
    from Bio.Seq import UndefinedSequenceError

    try:
        return str(record.seq), None
    except UndefinedSequenceError:
        return "", FormatError("the record has no sequence", hint="download it with its sequence (full record)")


def _feature_chain(
    record: SeqRecord, number: int, feature: SeqFeature, provenance: Source, nucleic: bool, notes: tuple[str, ...]
) -> ProteinChain:
    """Return the protein of one feature: stated by the record, cut out of a protein, or translated."""
    qualifiers = feature.qualifiers
    name = next((first_of(qualifiers[key]) for key in _NAMING if qualifiers.get(key)), str(feature.location))
    own: Source = {**provenance, "feature": {"type": feature.type, "location": str(feature.location), "name": name}}
    id = f"{record.id}:{'_'.join(name.split())}"
    if nucleic and ("pseudo" in qualifiers or "pseudogene" in qualifiers):
        return ProteinChain(id, number, provenance=own, error=FormatError("the coding sequence is a pseudogene's"))
    if stated := qualifiers.get("translation"):
        return ProteinChain(id, number, first_of(stated), provenance=own, notes=notes)
    try:
        if not nucleic:
            return ProteinChain(id, number, str(feature.extract(record.seq)), provenance=own, notes=notes)
        if feature.type.upper() == _CODING:
            protein, found = translate_coding(feature, record.seq)
        else:
            table = int(first_of(qualifiers.get("transl_table", "1")))
            protein, found = translate(str(feature.extract(record.seq)).upper(), table), [TRANSLATED]
    except (ValueError, TypeError, KeyError) as error:
        reason = FormatError(f"the feature cannot be read: {error}", hint="check its location")
        return ProteinChain(id, number, provenance=own, error=reason)
    except FormatError as error:
        return ProteinChain(id, number, provenance=own, error=error)
    return ProteinChain(id, number, protein, provenance=own, notes=(*notes, *found))
