"""Read GenBank, EMBL, UniProt, FASTQ, ABI, Stockholm, Clustal, PHYLIP, NEXUS and MSF with Biopython."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from logos_cli.errors import FormatError, InputError, LogosError
from logos_cli.formats.base import SNIFFED, Entry, Format, ReadOptions, Writer
from logos_cli.formats.sequence.kinds import KINDS, Kind, kind_of
from logos_cli.formats.sequence.write import EmblWriter, GenBankWriter
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.protein import Protein
from logos_cli.records import Source

if TYPE_CHECKING:
    from logos_cli.formats.sequence.chains import ProteinChain


class SequenceFormat(Format):
    """Sequences with features, sequencing reads, and the rows of alignments.

    A protein record gives the whole chain, or with ``ReadOptions.feature`` each feature of that type
    (``mat_peptide``, ``CHAIN``). A nucleotide record gives the protein of each coding sequence (``CDS``): the one that
    the record states, else a translation. An alignment gives each row, without its gaps.
    """

    name = "sequence"
    suffixes = tuple(suffix for kind in KINDS for suffix in kind.suffixes)

    def sniff(self, head: bytes) -> float:
        """Recognise the first line of each kind."""
        return 0.96 if kind_of(head[:SNIFFED]) else 0.0

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield one entry a protein chain, feature or row.

        Raises
        ------
        InputError
            If the file is cut off, breaks its format, or has no sequence.
        """
        from logos_cli.formats.sequence.chains import iter_chains

        kind = kind_of(source.head)
        if kind is None:
            raise InputError(
                "the file does not begin like an annotated sequence or an alignment",
                source=source.name,
                hint="check that it was written completely",
            )
        ids, is_empty = UniqueIds(source.stem), True
        for chain in iter_chains(source, kind, options):
            is_empty = False
            yield _entry(chain, kind, source, options, ids)
        if is_empty:
            raise InputError(
                _nothing(kind, options), source=source.name, hint="leave out --feature and --row to read all sequences"
            )

    def writers(self) -> Mapping[str, type[Writer]]:
        """Return the writers of annotated proteins."""
        return {"genbank": GenBankWriter, "embl": EmblWriter}


def _nothing(kind: Kind, options: ReadOptions) -> str:
    if options.row is not None:
        return f"the alignment has no row {options.row!r}"
    if options.feature is not None:
        return f"no record has a feature of type {options.feature!r}"
    return f"the {kind.name} file has no sequences"


def _entry(chain: ProteinChain, kind: Kind, source: Input, options: ReadOptions, ids: UniqueIds) -> Entry:
    provenance: Source = {**source.provenance, "format": kind.name, "record": chain.record, **chain.provenance}
    notes = list(chain.notes)
    name = ids.take(chain.id or f"{source.stem}:{chain.record}")
    if chain.id and name != chain.id:
        notes.append(f"the identifier {chain.id} stands for several records")
    item: ScienceObject | None = None
    error: LogosError | None = None
    try:
        sequence, removed = chain.residues(options)
        notes += removed
        item = Antibody((sequence,)) if options.form is Form.ANTIBODY else Protein(sequence)
    except FormatError as problem:
        error = problem.at(f"{source.name}: record {chain.record} ({chain.id})")
    if notes:
        provenance["notes"] = notes
    form = Form.ANTIBODY if options.form is Form.ANTIBODY else Form.PROTEIN
    return Entry(name, item, provenance, error, form if item is None else None)


PLUGIN = SequenceFormat()
