"""Kinds of sequence files: their beginnings, their names in Biopython, and their last lines."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One file format of Biopython.

    Attributes
    ----------
    name : str
        Its name in ``Bio.SeqIO`` or, for an alignment, ``Bio.AlignIO``; records use it, too.
    begins : Pattern
        Matches the beginning of a file.
    suffixes : tuple of str
    is_alignment : bool
        Every sequence is a row, with gaps.
    is_binary : bool
    ends : str
        The last line of a complete file; empty if the format has none.
    """

    name: str
    begins: re.Pattern[bytes]
    suffixes: tuple[str, ...]
    is_alignment: bool = False
    is_binary: bool = False
    ends: str = ""


def _begins(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


KINDS = (
    Kind("genbank", _begins(rb"LOCUS {3,}\S"), (".gb", ".gbk", ".gbff", ".gpff", ".gp"), ends="//"),
    Kind(
        "swiss",
        _begins(rb"ID   \S+ +(?:Reviewed|Unreviewed|STANDARD|PRELIMINARY);[^\n]* AA\."),
        (".swiss", ".dat"),
        ends="//",
    ),
    Kind("embl", _begins(rb"ID   [^\n]*;[^\n]* (?:BP|AA)\.?\r?\n"), (".embl",), ends="//"),
    Kind("uniprot-xml", _begins(rb"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<uniprot\b"), (".xml",), is_binary=True),
    Kind("fastq", _begins(rb"@\S[^\n]*\n[A-Za-z.*-]+\r?\n\+"), (".fastq", ".fq")),
    Kind("stockholm", _begins(rb"# STOCKHOLM 1\."), (".sto", ".stk", ".stockholm"), is_alignment=True, ends="//"),
    Kind(
        "clustal",
        _begins(rb"(?:CLUSTAL|MUSCLE|PROBCONS|MSAPROBS|Kalign)\b[^\n]*\n"),
        (".aln", ".clustal"),
        is_alignment=True,
    ),
    Kind(
        "phylip-relaxed", _begins(rb"\s*\d+ +\d+ *\r?\n\s*\S+ +[A-Za-z?*.\-]"), (".phy", ".phylip"), is_alignment=True
    ),
    Kind("nexus", _begins(rb"#NEXUS\b"), (".nex", ".nexus", ".nxs"), is_alignment=True),
    Kind("msf", _begins(rb"(?:!!AA_MULTIPLE_ALIGNMENT|PileUp)\b"), (".msf",), is_alignment=True),
    Kind("abi", _begins(rb"ABIF"), (".ab1", ".abi"), is_binary=True),
)


def kind_of(head: bytes) -> Kind | None:
    """Return the kind of a file that begins with ``head``; None if it is of another kind."""
    text = head.lstrip() if not head.startswith(b"ABIF") else head
    return next((kind for kind in KINDS if kind.begins.match(text)), None)
