"""``logos decode``: sentences to files."""

from __future__ import annotations

from typing import Annotated

import typer

from logos_cli.accounting import RecordAccount
from logos_cli.cli.base import Command
from logos_cli.cli.options.common import Inputs, Output, Overwrite, one_of
from logos_cli.cli.output import ReportedProblems, finish, inputs_or_stdin
from logos_cli.errors import ExitCode, ReportedError
from logos_cli.records import Record

# named here as well, so that help and completion load no format; a test compares
_WRITERS = (
    "fasta",
    "smi",
    "sdf",
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
)


def decode(
    inputs: Inputs = None,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            "-t",
            metavar="|".join((*_WRITERS[:6], "…")),
            autocompletion=one_of(*_WRITERS),
            help=f"Format to write: {', '.join(_WRITERS)}. Default: by the extension of --output.",
            rich_help_panel="Output",
        ),
    ] = None,
    output: Output = None,
    overwrite: Overwrite = False,
    conformer: Annotated[
        bool, typer.Option("--3d", help="SDF: embed a 3D conformer (ETKDG) instead of drawing in 2D.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the conformers.")] = 0,
) -> ExitCode:
    """Turn sentences or records into files that other programs read.

    Sequences go to FASTA, molecules to SMILES or SDF, reactions to reaction SMILES, frameworks to SMILES of
    their blocks. The records of a structure file also give its mmCIF with the site as B-factors, or a PyMOL
    or ChimeraX script that shows the site.

    Examples:

      logos decode records.jsonl --to fasta

      logos generate molecule -n 100 | logos decode -o molecules.sdf.gz --3d

      logos encode complex.pdb | logos decode --to pml > site.pml
    """
    from logos_cli.formats.base import WriteOptions
    from logos_cli.io.output import open_output
    from logos_cli.workflows.decode import iter_decoded, write_decoded, writer_for

    writer = writer_for(to, output)
    account, complaints = RecordAccount(), ReportedProblems()
    paths = inputs_or_stdin(inputs)
    with open_output(output, overwrite=overwrite) as stream:
        for record, error in write_decoded(iter_decoded(paths), stream, writer, WriteOptions(conformer, seed)):
            if error is not None:
                failed = Record.from_error(record.id, record.kind, error, record.source)
                if not isinstance(error, ReportedError):
                    complaints.tell(failed, failed.reason or "")
            account.add(record if error is None else failed)
    return finish(account)


PLUGIN = Command("decode", decode, panel="Grammar", order=20)
