"""Read and write molecules and reactions: lists of SMILES, InChI, SELFIES and HELM, SDF, MOL, MOL2, RXN and RDF."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

from logos_cli.chemistry.selfies_text import is_symbols
from logos_cli.formats.base import SNIFFED, Entry, Format, ReadOptions, Writer
from logos_cli.io.input import Input
from logos_cli.structure.sequences import looks_like_sequence

HEADER_WORDS = frozenset(
    ["smiles", "canonical_smiles", "isomeric_smiles", "smi", "structure", "inchi", "selfies", "helm"]
    + [f"{kind}{ending}" for kind in ("rxn", "reaction") for ending in ("", "_smiles")]
)
"""First words (in lower case) that make the first line of a SMILES list a header."""

_COUNTS_LINE = re.compile(rb"[ \d]{2}\d[ \d]{2}\d.*V[23]000|[ \d]{2}\d[ \d]{2}\d(?:[ \d]{2}\d){1,9}\s*$")
_ATOM_LINE = re.compile(rb"\s*-?\d+\.\d+\s+-?\d+\.\d+\s+-?\d+\.\d+\s+[A-Z*]")
_ATOM = r"Cl|Br|[BCNOSPFIbcnops*]|\[[0-9]*+(?:[A-Za-z*]|#[0-9])[^\[\]\s]*+\]"
# possessive, so that a long word that is no SMILES is not tried in every possible way
_SMILES = re.compile(rf"(?:{_ATOM})(?:{_ATOM}|[-=#$:/\\~.()0-9%<>])*+")
_HELM = re.compile(r"(?:PEPTIDE|RNA|CHEM|BLOB)\d+\{\S*")
_INCHI = re.compile(r"InChI=|(?:InChIKey=)?[A-Z]{14}-[A-Z]{10}-[A-Z]$")
_SNIFF_LINES = 50
_MOST_HEADER = 8
"""Most lines above the counts line, with blank ones before the title."""


class ChemFormat(Format):
    """Small molecules and reactions.

    A line of a SMILES list is a SMILES, CXSMILES, InChI, SELFIES, HELM, or a reaction SMILES
    ``reactants>reagents>products``, then white space and a name. Lines that begin with ``#`` are comments.
    """

    name = "chem"
    suffixes = (
        *(".smi", ".smiles", ".ism", ".can", ".rsmi", ".inchi", ".selfies", ".helm"),
        *(".sdf", ".sd", ".mol", ".mdl", ".mol2", ".rxn", ".rdf"),
    )

    def sniff(self, head: bytes) -> float:
        """Recognise the marks of the file formats of chemistry, or lines that begin with a SMILES."""
        kind = _kind(head)
        return {"list": 0.6, None: 0.0}.get(kind, 0.97)

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield one entry a molecule or reaction."""
        kind = _kind(source.head) or "list"
        module, function = _READERS[kind]
        reader: Callable[[Input, ReadOptions], Iterator[Entry]] = getattr(
            import_module(f"logos_cli.formats.chem.{module}"), function
        )
        yield from reader(source, options)

    def writers(self) -> Mapping[str, type[Writer]]:
        """Return the writers of line notations, SDF and drawings."""
        from logos_cli.formats.chem.write import SdfWriter, SmilesWriter
        from logos_cli.formats.chem.write_notations import HelmWriter, InchiWriter, SelfiesWriter
        from logos_cli.formats.chem.write_svg import SvgWriter

        return {
            "helm": HelmWriter,
            "inchi": InchiWriter,
            "sdf": SdfWriter,
            "selfies": SelfiesWriter,
            "smi": SmilesWriter,
            "svg": SvgWriter,
        }


_READERS = {
    "list": ("smiles_list", "iter_list"),
    "sdf": ("molfile", "iter_sdf"),
    "mol2": ("molfile", "iter_mol2"),
    "rxn": ("rxnfile", "iter_rxn"),
    "rdf": ("rxnfile", "iter_rdf"),
}


def _kind(head: bytes) -> str | None:
    """Return the file format of a content; None if it is another one."""
    start = head.lstrip()
    if start.startswith(b"$RXN"):
        return "rxn"
    if start.startswith((b"$RDFILE", b"$DATM", b"$RFMT", b"$MFMT")):
        return "rdf"
    if b"@<TRIPOS>MOLECULE" in head:
        return "mol2"
    head = head[:SNIFFED]
    lines = head.splitlines()
    for skip in (3, 2, *range(4, _MOST_HEADER + 1)):  # a lost or an added title line is common
        if len(lines) > skip and _COUNTS_LINE.match(lines[skip]) and _is_molblock(lines, skip):
            return "sdf"
    return "list" if _is_list(head, lines) else None


def _is_molblock(lines: list[bytes], counts: int) -> bool:
    if b"V3000" in lines[counts]:
        return True
    return len(lines) == counts + 1 or bool(_ATOM_LINE.match(lines[counts + 1])) or lines[counts].startswith(b"  0")


def _is_list(head: bytes, lines: list[bytes]) -> bool:
    """Return whether most of the first lines begin with a SMILES; a header is allowed."""
    words: list[str] = []
    whole = lines if len(head) < 4096 or len(lines) == 1 else lines[:-1]  # the last one may be cut
    for raw in whole:
        line = raw.decode("utf-8", "replace").strip()
        if line and not line.startswith("#"):
            words.append(line.split(maxsplit=1)[0])
        if len(words) > _SNIFF_LINES:
            break
    if len(words) > 1 and words[0].lower() in HEADER_WORDS:
        words = words[1:]
    if not words or looks_like_sequence(words):
        return False
    return 2 * sum(map(_is_notation, words)) > len(words)


def _is_notation(word: str) -> bool:
    """Return whether a word is SMILES, InChI, SELFIES, HELM or a reaction SMILES by its characters."""
    if _SMILES.fullmatch(word) or _INCHI.match(word) or _HELM.match(word):
        return True
    return is_symbols(word) or (">" in word and _is_reaction(word))


def _is_reaction(word: str) -> bool:
    sides = re.split(r"(?<!-)>", word)
    return len(sides) == 3 and all(not side or _SMILES.fullmatch(side) for side in sides) and any(sides)


PLUGIN = ChemFormat()
