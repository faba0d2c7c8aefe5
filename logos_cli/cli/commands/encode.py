"""``logos encode``: turn files into LOGOS sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from logos_cli.cli.base import Command
from logos_cli.cli.batch import open_batch
from logos_cli.cli.option_specs import command, option
from logos_cli.cli.options.input import (
    canonical_option,
    column_option,
    cutoff_option,
    form_option,
    inputs_argument,
    jobs_option,
    model_number_option,
    reagents_option,
    sequence_option,
)
from logos_cli.cli.options.output import OUTPUT, output_option, overwrite_option, record_format_option
from logos_cli.cli.options.run import RunArguments, run_block
from logos_cli.cli.output import inputs_or_stdin, tracked, write_all
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError
from logos_cli.records import Record, Status
from logos_cli.resources import EMBEDDED
from logos_cli.structure.distances import CONTACT_ANGSTROM

_SHOWN = 8
_MOST_NOTES = 1000
_STRUCTURES, _SEQUENCES, _CHEMISTRY = "Structures", "Sequences", "Chemistry"


@dataclass(frozen=True, kw_only=True)
class EncodeArguments:
    """The arguments of ``logos encode``."""

    inputs: list[str] | None = inputs_argument()
    form: str | None = form_option()
    level: int = option(
        2,
        min=1,
        max=3,
        metavar="1|2|3",
        help="Complex: 1 plain protein, 2 site residues tagged, 3 tagged and expanded.",
    )
    cutoff: float = cutoff_option(_STRUCTURES)
    ligand: str | None = option(
        None,
        metavar="ID|CHAIN:NUMBER|FILE|SMILES",
        panel=_STRUCTURES,
        help="The ligand; a file or SMILES sets its bond orders. Default: every relevant one.",
    )
    chain: list[str] | None = option(
        None, metavar="ID", help="Keep this protein chain; may be repeated.", panel=_STRUCTURES
    )
    model_number: int = model_number_option(_STRUCTURES)
    sequence: Literal["observed", "full"] = sequence_option(_STRUCTURES)
    numbering: Literal["auth", "label"] = option(
        "auth", help="Names that --chain and --ligand use in an mmCIF.", panel=_STRUCTURES
    )
    symmetry: bool = option(False, "--symmetry", help="Count crystal mates as neighbours.", panel=_STRUCTURES)
    feature: str | None = option(
        None,
        metavar="TYPE",
        panel=_SEQUENCES,
        show_default="CDS of nucleotides, else the whole chain",
        help="Annotated sequence: read the features of this type (CDS, mat_peptide, CHAIN).",
    )
    row: str | None = option(
        None, metavar="ID", panel=_SEQUENCES, help="Alignment, FASTA or annotated file: read this row or record only."
    )
    translate: bool = option(
        False, "--translate", panel=_SEQUENCES, help="Translate nucleotide sequences, which are refused otherwise."
    )
    column: str | None = column_option(_CHEMISTRY)
    canonical: bool = canonical_option(_CHEMISTRY)
    reagents: Literal["drop", "reactants", "error"] = reagents_option(_CHEMISTRY)
    output: str | None = output_option()
    format: str | None = record_format_option()
    overwrite: bool = overwrite_option()
    model: str = option(EMBEDDED, metavar="NAME|DIR", help="Model for the token ids of -f ids.", panel=OUTPUT)
    jobs: int = jobs_option()
    run: RunArguments = run_block()
    verify: bool = option(False, "--verify", help="Decode again, compare, and list what the grammar cannot carry.")


def encode(args: EncodeArguments) -> ExitCode:
    """Turn files into LOGOS sentences.

    Reads FASTA, A3M, GenBank, EMBL, UniProt, alignments; lists and tables of SMILES, InChI, SELFIES and HELM; SDF, MOL,
    MOL2, RXN, RDF; PDB, PDBQT, PQR, mmCIF, BinaryCIF, mmJSON; CIF, POSCAR, CSSR, XSF and pymatgen's JSON of
    metal-organic frameworks; inputs of AlphaFold 3, Boltz and Chai; sentences and records; plain or compressed. The
    format is recognised by the content, not by the name.

    Examples:

      logos encode complex.pdb

      logos encode structures/ --as search --jobs 8 -o search.jsonl.gz

      zcat zinc.smi.gz | logos encode - --canonical | logos grammar check
    """
    from logos_cli.formats.base import ReadOptions, form_of
    from logos_cli.workflows.encode import iter_encoded

    if args.model.isdecimal():
        raise UsageError(
            f"--model {args.model}: that option names a language model",
            hint=f"--model-number {args.model} chooses a model of an ensemble",
        )
    options = ReadOptions(
        form=form_of(args.form) if args.form else None,
        level=args.level,
        cutoff_angstrom=args.cutoff,
        ligand=args.ligand,
        chains=tuple(args.chain or ()),
        symmetry=args.symmetry,
        sequence=args.sequence,
        numbering=args.numbering,
        model=args.model_number,
        feature=args.feature,
        row=args.row,
        translate=args.translate,
        column=args.column,
        canonical=args.canonical,
        reagents=args.reagents,
    )
    paths = inputs_or_stdin(args.inputs)
    with open_batch(
        "encode",
        args,
        paths,
        output=args.output,
        format=args.format,
        overwrite=args.overwrite,
        run=args.run,
        model=args.model,
    ) as batch:
        sink = batch.sink
        encoded = iter_encoded(paths, options, jobs=args.jobs, verify=args.verify, selection=batch.selection)
        records = _naming_unused(args, tracked(encoded, "encoding", args.output))
        if not sink.has_sources:
            records = _with_notes(records)
        if not args.verify:
            return write_all(records, sink, is_part=args.run.shard is not None)
        verification = _VerificationCounts()
        code = write_all(map(verification.add, records), sink, is_part=args.run.shard is not None)
        return max(code, verification.finish())


def _naming_unused(args: EncodeArguments, records: Iterable[Record]) -> Iterator[Record]:
    """Yield the records, and name options of structures after the last if no input was one."""
    n_read, has_structure = 0, False
    for record in records:
        n_read += record.status is Status.OK
        has_structure = has_structure or "format" in record.source  # that of a structure or crystal
        yield record
    given = {
        "--cutoff": args.cutoff != CONTACT_ANGSTROM,
        "--ligand": args.ligand is not None,
        "--chain": bool(args.chain),
        "--model-number": args.model_number != 1,
        "--sequence": args.sequence != "observed",
        "--numbering": args.numbering != "auth",
        "--symmetry": args.symmetry,
    }
    unused = [name for name, is_given in given.items() if is_given]
    if unused and n_read and not has_structure:
        verb = "has" if len(unused) == 1 else "have"
        terminal().warning(f"no input is a structure, so {' and '.join(unused)} {verb} no effect")


def _with_notes(records: Iterable[Record]) -> Iterator[Record]:
    """Yield records that are written without their sources, and report the most frequent notes after the last."""
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


class _VerificationCounts:
    """Counts the results of ``--verify``."""

    def __init__(self) -> None:
        self.identical = 0
        self.different = 0
        self.not_carried: dict[str, None] = {}

    def add(self, record: Record) -> Record:
        """Count one record, report its differences, and return it."""
        found = record.source.get("verify")
        if found:
            self.identical += found["identical"]
            self.different += not found["identical"]
            self.not_carried |= dict.fromkeys(found["not_carried"])
            for difference in found["differences"]:
                terminal().warning(f"{record.id}: {difference}")
        return record

    def finish(self) -> ExitCode:
        """Report the counts; a sentence that decodes to another object is a partial failure."""
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


PLUGIN = Command("encode", command(encode, EncodeArguments), panel="Sentences", order=10)
