"""Options of the input."""

from __future__ import annotations

from typing import Literal

from logos_cli.cli.option_specs import argument, option
from logos_cli.cli.options.common import one_of
from logos_cli.grammar.spec import FORMS
from logos_cli.structure.distances import CONTACT_ANGSTROM


def inputs_argument() -> list[str] | None:
    """Return the argument of a command that reads files."""
    return argument(
        None,
        metavar="FILES|DIRS|@LIST|-",
        show_default=False,
        help="Files, directories, @LIST (a file with paths), or - for standard input (the default in a pipe).",
    )


def form_option(help: str = "Sentence form; `logos grammar show` lists them. Default: by content.") -> str | None:
    """Return the option that names a form of the grammar."""
    return option(None, "--as", metavar="FORM", autocompletion=one_of(*FORMS), help=help)


def column_option(panel: str | None = None, help: str = "Column of a table with the SMILES or sequence.") -> str | None:
    """Return the option that names the column of a table."""
    return option(None, metavar="NAME", panel=panel, help=help)


def canonical_option(panel: str) -> bool:
    """Return the option for canonical SMILES."""
    return option(False, "--canonical", panel=panel, help="Write canonical isomeric SMILES.")


def reagents_option(panel: str) -> Literal["drop", "reactants", "error"]:
    """Return the option for the reagents of reactions."""
    return option("drop", panel=panel, help="How to treat the reagents of a reaction.")


def cutoff_option(panel: str, help: str = "Distance of heavy atoms at which a residue lines the ligand.") -> float:
    """Return the option for the distance at which a residue lines a ligand."""
    return option(CONTACT_ANGSTROM, min=0.1, metavar="Å", panel=panel, help=help)


def model_number_option(panel: str) -> int:
    """Return the option that chooses a model of an ensemble."""
    return option(1, min=1, metavar="N", panel=panel, help="Structure: model of an ensemble (NMR).")


def sequence_option(panel: str) -> Literal["observed", "full"]:
    """Return the option for the sequence of a structure."""
    return option("observed", panel=panel, help="Residues with coordinates, or the deposited sequence.")


def jobs_option(help: str = "Number of processes; each takes one file at a time.") -> int:
    """Return the option for the number of processes."""
    return option(1, "--jobs", "-j", min=1, metavar="N", help=help)
