"""``logos decode``: turn sentences or records into files that other programs read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logos_cli.accounting import RecordAccount
from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import command, option
from logos_cli.cli.options.common import one_of
from logos_cli.cli.options.input import inputs_argument
from logos_cli.cli.options.output import OUTPUT, output_option, overwrite_option
from logos_cli.cli.output import ReportedProblems, finish, inputs_or_stdin, tracked
from logos_cli.errors import ExitCode, LogosError, ReportedError, UsageError
from logos_cli.io import places
from logos_cli.records import Record

if TYPE_CHECKING:
    from logos_cli.formats.base import Writer

# listed here, too, so that help and completion load no format; a test compares the lists
_WRITERS = (
    "fasta",
    "smi",
    "sdf",
    "selfies",
    "inchi",
    "helm",
    "csv",
    "tsv",
    "json",
    "parquet",
    "sqlite",
    "xlsx",
    "table",
    "svg",
    "cif",
    "pml",
    "cxc",
    "p2rank",
    "genbank",
    "embl",
    "p2rank-residues",
    "cif-sites",
    "poscar",
    "alphafold3",
    "boltz",
    "chai",
)

_USED_BY = {
    "--3d": ("sdf",),
    "--seed": ("sdf", "cif", "alphafold3"),
    "--topology": ("cif",),
    "--raw-cells": ("csv", "tsv", "p2rank", "p2rank-residues"),
}
"""The formats that use an option."""


@dataclass(frozen=True, kw_only=True)
class DecodeArguments:
    """The arguments of ``logos decode``."""

    inputs: list[str] | None = inputs_argument()
    to: str | None = option(
        None,
        "--to",
        "-t",
        metavar="|".join((*_WRITERS[:3], "…")),
        autocompletion=one_of(*_WRITERS),
        help=f"Format to write: {', '.join(_WRITERS)}. Default: by the extension of --output.",
        panel=OUTPUT,
    )
    output: str | None = output_option()
    overwrite: bool = overwrite_option()
    conformer: bool = option(False, "--3d", help="SDF: embed a 3D conformer (ETKDG) instead of drawing in 2D.")
    seed: int = option(0, metavar="N", help="Seed of the conformers.")
    topology: str | None = option(
        None,
        metavar="NET",
        show_default="the record's key topology",
        help="CIF: the net on which a framework is assembled, by its RCSR code: pcu, fcu, tbo. Needs the extra frameworks.",
    )
    raw_cells: bool = option(
        False, "--raw-cells", help="CSV, TSV: no apostrophe before cells that a spreadsheet would run as a formula."
    )


def decode(args: DecodeArguments) -> ExitCode:
    """Turn sentences or records into files that other programs read.

    Sequences go to FASTA or HELM, molecules to SMILES, SDF, SELFIES or InChI, reactions to reaction SMILES,
    frameworks to SMILES of their blocks. The records of a structure file also give its mmCIF with the site as
    B-factors, or a PyMOL or ChimeraX script that shows the site; those of a crystal its POSCAR. A framework becomes a
    CIF on a net (--topology), assembled by PORMAKE and checked, but not relaxed. Proteins, complexes and ligands go to
    the input of a structure predictor. With -o DIRECTORY/ each record has a file of its own.

    Examples:

      logos decode records.jsonl --to fasta

      logos generate molecule -n 100 | logos decode -o molecules.sdf.gz --3d

      logos encode complex.pdb | logos decode --to pml > site.pml

      logos decode designs.jsonl --to alphafold3 -o inputs/

      logos decode frameworks.jsonl --topology pcu -o cifs/ --to cif
    """
    from logos_cli.formats.base import WriteOptions
    from logos_cli.io.output import NothingToWrite, open_output
    from logos_cli.workflows.decode import iter_decoded, stream_of, write_decoded, write_files, writer_for

    directory = args.output if args.output and (args.output.endswith("/") or places.is_directory(args.output)) else None
    writer = writer_for(args.to, args.output if directory is None else None)
    paths = inputs_or_stdin(args.inputs)
    _check_used(args, writer)
    how = WriteOptions(args.conformer, args.seed, args.topology, args.raw_cells)
    if directory is not None:
        decoded = tracked(iter_decoded(paths), "decoding", args.output)
        return finish(_account(write_files(decoded, directory, writer, how, overwrite=args.overwrite)))
    with open_output(args.output, overwrite=args.overwrite) as stream:
        decoded = tracked(iter_decoded(paths), "decoding", args.output)
        account = _account(write_decoded(decoded, stream_of(stream, writer), writer, how))
        n_written = account.counts["ok"] + (account.counts["invalid"] if writer.tells_status else 0)
        if account.requested and not n_written:
            raise NothingToWrite  # a file without records would look like a result
    return finish(account)


def _check_used(args: DecodeArguments, writer: type[Writer]) -> None:
    """Refuse an option that the format does not use, before anything is read."""
    from logos_cli.workflows.decode import writers

    name = next(name for name, each in writers().items() if each is writer)
    given = {
        "--3d": args.conformer,
        "--seed": args.seed != 0,
        "--topology": args.topology is not None,
        "--raw-cells": args.raw_cells,
    }
    for option_name, is_given in given.items():
        if is_given and name not in _USED_BY[option_name]:
            raise UsageError(
                f"{name} has no use for {option_name}", hint=f"it is for {', '.join(_USED_BY[option_name])}"
            )
    if args.seed and name == "sdf" and not args.conformer:
        raise UsageError("--seed needs --3d: a drawing in 2D has nothing random", hint="add --3d, or leave --seed out")


def _account(written: Iterable[tuple[Record, LogosError | None]]) -> RecordAccount:
    """Report problems, and return what became of each record."""
    account, problems = RecordAccount(), ReportedProblems()
    for record, error in written:
        if error is None:
            account.add(record)
            continue
        failed = Record.from_error(record.id, record.kind, error, record.source)
        if not isinstance(error, ReportedError):
            problems.report(failed, failed.reason or "")
        account.add(failed)
    return account


PLUGIN = Command("decode", command(decode, DecodeArguments), panel="Sentences", order=20)
