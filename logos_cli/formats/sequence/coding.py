"""Translate coding sequences (CDS) as their qualifiers say: frame, genetic code, start codon, exceptions."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from logos_cli.errors import FormatError
from logos_cli.structure.residues.nucleotides import TRANSLATED

if TYPE_CHECKING:
    from Bio.Seq import MutableSeq, Seq
    from Bio.SeqFeature import SeqFeature, SimpleLocation

_CODON: Final = 3
_EXCEPTION: Final = re.compile(r"\(pos:(?P<place>.+),aa:(?P<name>\w+)\)")
_NUMBER: Final = re.compile(r"\d+")
_IN_THE_LOCATION: Final = frozenset(("ribosomal slippage", "trans-splicing"))
"""Exceptions that the location of the feature describes."""
_STOPS: Final = frozenset(("TERM", "TER"))


def translate_coding(feature: SeqFeature, sequence: Seq | MutableSeq | None) -> tuple[str, list[str]]:
    """Return the protein of a coding sequence, and notes.

    The first codon of a complete one is methionine if the genetic code has it as a start. ``/codon_start``,
    ``/transl_table`` and ``/transl_except`` (selenocysteine, pyrrolysine, stops that poly-A completes) are followed.

    Parameters
    ----------
    sequence : Seq, optional
        The whole record.

    Raises
    ------
    FormatError
        If the protein does not follow from the nucleotides, or has a stop inside.
    ValueError, TypeError, KeyError
        If Biopython cannot read the location, a qualifier or a codon.
    """
    from Bio.Data import CodonTable
    from Bio.Seq import Seq

    qualifiers, location = feature.qualifiers, feature.location
    if location is None or sequence is None:
        raise ValueError("it has no location or no sequence")
    if (exception := first_of(qualifiers.get("exception", ""))) and exception.lower() not in _IN_THE_LOCATION:
        raise FormatError(
            f"the coding sequence has the exception {exception!r} and no translation",
            hint="take the protein from its own record",
        )
    start = int(first_of(qualifiers.get("codon_start", "1"))) - 1
    table = int(first_of(qualifiers.get("transl_table", "1")))
    if start not in range(_CODON) or table not in CodonTable.unambiguous_dna_by_id:
        raise ValueError(f"/codon_start={start + 1} /transl_table={table}")
    letters = str(feature.extract(sequence))[start:].upper().replace("U", "T")
    n_left = len(letters) % _CODON
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Biopython's on codons with two meanings, which are decided below
        residues = list(str(Seq(letters[: len(letters) - n_left]).translate(table=table)))
    stops = CodonTable.unambiguous_dna_by_id[table].stop_codons
    if not n_left and letters[-_CODON:] in stops and _is_complete(location.parts[-1], -1):
        residues[-1] = "*"  # codes 27, 28 and 31 have stops that are residues elsewhere
    excepted = _exceptions(qualifiers, list(location), start)
    for place, residue in excepted.items():
        residues[place : place + 1] = residue
    notes = [TRANSLATED]
    if start == 0 and 0 not in excepted and residues and _is_complete(location.parts[0], 0):
        codon = letters[:_CODON]
        if codon not in CodonTable.unambiguous_dna_by_id[table].start_codons:
            notes.append(f"the first codon, {codon}, is no start of genetic code {table}")
        elif residues[0] != "M":
            notes.append(f"the start codon {codon} read as M")
            residues[0] = "M"
    if n_left and "*" not in residues and _is_complete(location.parts[-1], -1):
        notes.append(f"{n_left} letters after the last codon, and no stop")
    protein = "".join(residues).removesuffix("*")
    if "*" in protein:
        raise FormatError(
            f"the translation has a stop at residue {protein.index('*') + 1}",
            hint="check location and /transl_table; a selenocysteine or pyrrolysine is stated by /transl_except",
        )
    if not protein:
        raise FormatError(f"{len(letters)} nucleotides code for no residue")
    return protein, notes


def first_of(value: object) -> str:
    """Return a qualifier, or the first of several."""
    return str(value[0] if isinstance(value, list) else value)


def _is_complete(part: SimpleLocation, end: int) -> bool:
    """Return whether a part of a location begins (``end`` 0) or ends (-1) where it says, and not before or beyond."""
    from Bio.SeqFeature import ExactPosition

    is_left = (part.strand == -1) == (end == -1)
    return isinstance(part.start if is_left else part.end, ExactPosition)


def _exceptions(qualifiers: Mapping[str, Any], positions: Sequence[int], start: int) -> dict[int, str]:
    """Return the residues that ``/transl_except`` states, by the zero-based number of their codon, in order.

    Parameters
    ----------
    positions : sequence of int
        Zero-based positions of the letters of the coding sequence in the record, in reading order.
    start : int
        Letters before the first codon.

    Raises
    ------
    FormatError
        If one cannot be read, or is outside of the coding sequence.
    """
    from Bio.Data.IUPACData import protein_letters_3to1_extended as letters

    found: dict[int, str] = {}
    stated = qualifiers.get("transl_except", [])
    for text in [stated] if isinstance(stated, str) else stated:
        match = _EXCEPTION.fullmatch("".join(text.split()))
        name = match["name"].upper() if match else ""
        letter = "*" if name in _STOPS else "X" if name == "OTHER" else letters.get(name.title(), "")
        places = [int(number) - 1 for number in _NUMBER.findall(match["place"])] if match else []
        offsets = [offset for offset, place in enumerate(positions) if place in places]
        if not letter or not offsets or min(offsets) < start:
            raise FormatError(f"/transl_except={text} cannot be read", hint="check its position and amino acid")
        found[(min(offsets) - start) // _CODON] = letter
    return dict(sorted(found.items()))
