"""``logos decode``: convert sentences to files."""

from __future__ import annotations

from dataclasses import dataclass

from logos_cli.accounting import RecordAccount
from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import command, option
from logos_cli.cli.options.common import one_of
from logos_cli.cli.options.input import inputs_argument
from logos_cli.cli.options.output import OUTPUT, output_option, overwrite_option
from logos_cli.cli.output import ReportedProblems, finish, inputs_or_stdin
from logos_cli.errors import ExitCode, ReportedError
from logos_cli.records import Record

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
    "table",
    "svg",
    "cif",
    "pml",
    "cxc",
    "p2rank",
    "p2rank-residues",
    "cif-sites",
    "poscar",
)


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
    seed: int = option(0, help="Seed of the conformers.")


def decode(args: DecodeArguments) -> ExitCode:
    """Turn sentences or records into files that other programs read.

    Sequences go to FASTA or HELM, molecules to SMILES, SDF, SELFIES or InChI, reactions to reaction SMILES,
    frameworks to SMILES of their blocks. The records of a structure file also give its mmCIF with the site as
    B-factors, or a PyMOL or ChimeraX script that shows the site; those of a crystal its POSCAR.

    Examples:

      logos decode records.jsonl --to fasta

      logos generate molecule -n 100 | logos decode -o molecules.sdf.gz --3d

      logos encode complex.pdb | logos decode --to pml > site.pml
    """
    from logos_cli.formats.base import WriteOptions
    from logos_cli.io.output import open_output
    from logos_cli.workflows.decode import iter_decoded, write_decoded, writer_for

    writer = writer_for(args.to, args.output)
    account, problems = RecordAccount(), ReportedProblems()
    paths = inputs_or_stdin(args.inputs)
    how = WriteOptions(args.conformer, args.seed)
    with open_output(args.output, overwrite=args.overwrite) as stream:
        for record, error in write_decoded(iter_decoded(paths), stream, writer, how):
            if error is not None:
                failed = Record.from_error(record.id, record.kind, error, record.source)
                if not isinstance(error, ReportedError):
                    problems.report(failed, failed.reason or "")
            account.add(record if error is None else failed)
    return finish(account)


PLUGIN = Command("decode", command(decode, DecodeArguments), panel="Grammar", order=20)
