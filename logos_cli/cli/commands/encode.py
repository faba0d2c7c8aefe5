"""``logos encode``: files to sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import typer

from logos_cli.cli.base import Command
from logos_cli.cli.options.common import Form, Inputs, Jobs, Level, Output, Overwrite, RecordFormat
from logos_cli.cli.output import inputs_or_stdin, open_sink, write_all
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode
from logos_cli.records import Record
from logos_cli.resources import EMBEDDED

_SHOWN = 8
_MOST_NOTES = 1000


def encode(
    inputs: Inputs = None,
    *,
    form: Form = None,
    level: Level = 2,
    cutoff: Annotated[
        float,
        typer.Option(
            min=0.1,
            metavar="Å",
            help="A residue lines the ligand if a heavy atom is this near.",
            rich_help_panel="Structures",
        ),
    ] = 4.5,
    ligand: Annotated[
        str | None,
        typer.Option(
            metavar="ID|CHAIN:NUMBER|FILE|SMILES",
            rich_help_panel="Structures",
            help="The ligand to take; a file or SMILES brings bond orders. Default: every relevant one.",
        ),
    ] = None,
    chain: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Keep this protein chain; may be repeated.", rich_help_panel="Structures"),
    ] = None,
    model_number: Annotated[
        int, typer.Option(min=1, help="Which model of an ensemble (NMR).", rich_help_panel="Structures")
    ] = 1,
    sequence: Annotated[
        Literal["observed", "full"],
        typer.Option(help="Residues with coordinates, or the deposited sequence.", rich_help_panel="Structures"),
    ] = "observed",
    numbering: Annotated[
        Literal["auth", "label"],
        typer.Option(help="Names that --chain and --ligand use in an mmCIF.", rich_help_panel="Structures"),
    ] = "auth",
    symmetry: Annotated[
        bool, typer.Option("--symmetry", help="Count crystal mates as neighbours.", rich_help_panel="Structures")
    ] = False,
    column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Column of a table that holds the SMILES or sequence.", rich_help_panel="Chemistry"
        ),
    ] = None,
    canonical: Annotated[
        bool, typer.Option("--canonical", help="Write canonical isomeric SMILES.", rich_help_panel="Chemistry")
    ] = False,
    translate: Annotated[
        bool,
        typer.Option(
            "--translate",
            help="Translate nucleotide sequences, which are refused otherwise.",
            rich_help_panel="Chemistry",
        ),
    ] = False,
    reagents: Annotated[
        Literal["drop", "reactants", "error"],
        typer.Option(help="What to do with the reagents of a reaction.", rich_help_panel="Chemistry"),
    ] = "drop",
    output: Output = None,
    format: RecordFormat = None,
    overwrite: Overwrite = False,
    model: Annotated[
        str, typer.Option(metavar="NAME|DIR", help="Model whose token ids -f ids writes.", rich_help_panel="Output")
    ] = EMBEDDED,
    jobs: Jobs = 1,
    verify: Annotated[
        bool, typer.Option("--verify", help="Decode again, compare, and list what the grammar cannot carry.")
    ] = False,
) -> ExitCode:
    """Turn files into LOGOS sentences.

    Reads FASTA, SMILES lists and tables, SDF, MOL, MOL2, RXN, RDF, PDB, mmCIF, BinaryCIF, CIFs of
    metal-organic frameworks, sentences and records; plain or compressed. The content decides, not the name.

    Examples:

      logos encode complex.pdb

      logos encode structures/ --as search --jobs 8 -o search.jsonl.gz

      zcat zinc.smi.gz | logos encode - --canonical | logos grammar check
    """
    from logos_cli.formats.base import ReadOptions
    from logos_cli.workflows.encode import encode as run
    from logos_cli.workflows.encode import form_of

    options = ReadOptions(
        form=form_of(form) if form else None,
        level=level,
        cutoff_angstrom=cutoff,
        ligand=ligand,
        chains=tuple(chain or ()),
        symmetry=symmetry,
        sequence=sequence,
        numbering=numbering,
        model=model_number,
        column=column,
        canonical=canonical,
        reagents=reagents,
        translate=translate,
    )
    paths = inputs_or_stdin(inputs)
    with open_sink(output, format, overwrite=overwrite, model=model) as sink:
        records = run(paths, options, jobs=jobs, verify=verify)
        if not sink.has_sources:
            records = _with_notes(records)
        if not verify:
            return write_all(records, sink)
        proof = _Proof()
        code = write_all(map(proof.see, records), sink)
        return max(code, proof.finish())


def _with_notes(records: Iterable[Record]) -> Iterator[Record]:
    """Pass on records that are written without their sources; report the most frequent notes after the last."""
    counts: Counter[str] = Counter()
    for record in records:
        for note in record.source.get("notes", ()):
            if note in counts or len(counts) < _MOST_NOTES:
                counts[note] += 1
        yield record
    for note, count in counts.most_common(_SHOWN):
        terminal().note(f"note: {note} ({count:,} {'record' if count == 1 else 'records'})")
    if len(counts) > _SHOWN:
        terminal().note(f"… and {len(counts) - _SHOWN:,} further notes: -f jsonl has them all")


class _Proof:
    """Sums up what ``--verify`` found."""

    def __init__(self) -> None:
        self.identical = 0
        self.different = 0
        self.not_carried: dict[str, None] = {}

    def see(self, record: Record) -> Record:
        """Note the proof of one record and pass it on; differences are told at once."""
        found = record.source.get("verify")
        if found:
            self.identical += found["identical"]
            self.different += not found["identical"]
            self.not_carried |= dict.fromkeys(found["not_carried"])
            for difference in found["differences"]:
                terminal().warning(f"{record.id}: {difference}")
        return record

    def finish(self) -> ExitCode:
        """Say the sum; a sentence that does not give its object back is a partial failure."""
        terminal().note(f"verified: {self.identical:,} identical after decoding, {self.different:,} different")
        shown = list(self.not_carried)[:_SHOWN]
        if shown:
            more = (
                f" (and {len(self.not_carried) - _SHOWN} more, see source.verify)"
                if len(self.not_carried) > _SHOWN
                else ""
            )
            terminal().note("not carried by the grammar: " + "; ".join(shown) + more)
        return ExitCode.PARTIAL if self.different else ExitCode.OK


PLUGIN = Command("encode", encode, panel="Grammar", order=10)
