"""Translate nucleotides to proteins, for ``--translate``."""

from __future__ import annotations

from typing import Final

from logos_cli.errors import FormatError
from logos_cli.structure.sequences import is_nucleotide

TRANSLATED: Final = "translated from the nucleotides"
"""Note on a translated protein."""
READ_AS_RESIDUES: Final = "nucleotide letters read as residues because the form protein was given"
"""Note on a protein with letters that look like nucleotides."""
_CODON: Final = 3


_LETTERS: Final = frozenset("ACGTUN")


def may_be_nucleotides(sequence: str) -> bool:
    """Return whether a sequence is, or may be if it is short, DNA or RNA: ``--translate`` translates these."""
    return _LETTERS.issuperset(sequence) or is_nucleotide(sequence)


def translate(nucleotides: str, table: int = 1) -> str:
    """Return the protein of nucleotides, read from their first letter on.

    A stop at the end is removed, and so are one or two letters that make no codon. A codon with an unknown letter is X.

    Parameters
    ----------
    nucleotides : str
        Upper case, without gaps.
    table : int
        Number of the genetic code in the tables of NCBI; 1 is the standard code.

    Raises
    ------
    FormatError
        If there is a stop inside (the hint has the frames without one), or no residue is left.
    """
    from Bio.Data.CodonTable import TranslationError
    from Bio.Seq import Seq

    def read(frame: int) -> str:
        whole = nucleotides[frame : frame + (len(nucleotides) - frame) // _CODON * _CODON]
        return str(Seq(whole).translate(table=table)).removesuffix("*")

    try:
        proteins = [read(frame) for frame in range(_CODON)]
    except (TranslationError, KeyError) as error:
        raise FormatError(f"the nucleotides cannot be translated: {error}") from error
    protein = proteins[0]
    if "*" in protein:
        free = [str(frame + 1) for frame in (1, 2) if proteins[frame] and "*" not in proteins[frame]]
        raise FormatError(
            f"the translation has a stop at residue {protein.index('*') + 1}",
            hint=f"without a stop: frame {' and frame '.join(free)}; cut the first letters off"
            if free
            else "check the reading frame: the first letter begins a codon",
        )
    if not protein:
        raise FormatError(f"{len(nucleotides)} nucleotides code for no residue")
    return protein
