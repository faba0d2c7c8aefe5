"""Molecules and reactions: SMILES lists, SDF, MOL, MOL2, reaction SMILES, RXN and RDF."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

from logos_cli.errors import InputError
from logos_cli.formats.base import SNIFFED, Entry, Format, ReadOptions, Writer
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.objects.molecule import Molecule
from logos_cli.structure.sequences import looks_like_sequence

HEADER_WORDS = frozenset(
    ["smiles", "canonical_smiles", "isomeric_smiles", "smi", "structure"]
    + [f"{kind}{ending}" for kind in ("rxn", "reaction") for ending in ("", "_smiles")]
)
"""First words (in lower case) that make the first line of a SMILES list a header."""

_COUNTS_LINE = re.compile(rb"[ \d]{2}\d[ \d]{2}\d.*V[23]000|[ \d]{2}\d[ \d]{2}\d(?:[ \d]{2}\d){1,9}\s*$")
_ATOM_LINE = re.compile(rb"\s*-?\d+\.\d+\s+-?\d+\.\d+\s+-?\d+\.\d+\s+[A-Z*]")
_ATOM = r"Cl|Br|[BCNOSPFIbcnops*]|\[[0-9]*+(?:[A-Za-z*]|#[0-9])[^\[\]\s]*+\]"
# possessive: a long word that is no SMILES after all must not be tried in every possible way
_SMILES = re.compile(rf"(?:{_ATOM})(?:{_ATOM}|[-=#$:/\\~.()0-9%<>])*+")
_SNIFF_LINES = 50


class ChemFormat(Format):
    """Small molecules and reactions.

    In a SMILES list a line is a SMILES, or a reaction SMILES ``reactants>reagents>products``, and after
    white space a name. Lines that begin with ``#`` are comments.
    """

    name = "chem"
    suffixes = (".smi", ".smiles", ".ism", ".can", ".sdf", ".sd", ".mol", ".mdl", ".mol2", ".rxn", ".rdf", ".rsmi")

    def sniff(self, head: bytes, name: str) -> float:  # noqa: ARG002
        """Tell the marks of the file formats of chemistry, or lines that begin with a SMILES."""
        kind = _kind(head)
        return {"list": 0.6, None: 0.0}.get(kind, 0.97)

    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield one entry a molecule or reaction."""
        kind = _kind(source.head) or "list"
        if kind == "list":
            yield from _iter_list(source, options)
            return
        module, function = _READERS[kind]
        reader: Callable[[Input, ReadOptions], Iterator[Entry]] = getattr(
            import_module(f"logos_cli.formats.chem.{module}"), function
        )
        yield from reader(source, options)

    def writers(self) -> Mapping[str, type[Writer]]:
        """Return the writers of SMILES, SDF and drawings."""
        from logos_cli.formats.chem.write import SdfWriter, SmilesWriter
        from logos_cli.formats.chem.write_svg import SvgWriter

        return {"sdf": SdfWriter, "smi": SmilesWriter, "svg": SvgWriter}


_READERS = {
    "sdf": ("molfile", "iter_sdf"),
    "mol2": ("molfile", "iter_mol2"),
    "rxn": ("rxnfile", "iter_rxn"),
    "rdf": ("rxnfile", "iter_rdf"),
}


def _kind(head: bytes) -> str | None:
    """Return which of the file formats a content is, None if it is none of them."""
    start = head.lstrip()
    if start.startswith(b"$RXN"):
        return "rxn"
    if start.startswith(b"$RDFILE"):
        return "rdf"
    if b"@<TRIPOS>MOLECULE" in head:
        return "mol2"
    head = head[:SNIFFED]
    lines = head.splitlines()
    for skip in (3, 2, 4):  # a lost or an added title line is common
        if len(lines) > skip and _COUNTS_LINE.match(lines[skip]) and _is_molblock(lines, skip):
            return "sdf"
    return "list" if _is_list(head, lines) else None


def _is_molblock(lines: list[bytes], counts: int) -> bool:
    if b"V3000" in lines[counts]:
        return True
    return len(lines) == counts + 1 or bool(_ATOM_LINE.match(lines[counts + 1])) or lines[counts].startswith(b"  0")


def _is_list(head: bytes, lines: list[bytes]) -> bool:
    """Whether the first lines each begin with a SMILES; a header and a few bad lines are let pass."""
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
    matching = sum(1 for word in words if _SMILES.fullmatch(word) or (">" in word and _is_reaction(word)))
    return 2 * matching > len(words)


def _is_reaction(word: str) -> bool:
    sides = re.split(r"(?<!-)>", word)
    return len(sides) == 3 and all(not side or _SMILES.fullmatch(side) for side in sides) and any(sides)


def _iter_list(source: Input, options: ReadOptions) -> Iterator[Entry]:
    """Yield the entries of a SMILES list, in constant memory but for the names."""
    from logos_cli.chemistry.smiles_check import is_surely_valid
    from logos_cli.formats.reaction_entries import reaction_entry
    from logos_cli.formats.smiles_entries import molecule_entry

    ids = UniqueIds()
    provenance = source.provenance
    prefix = f"{source.stem}:"
    wants_reaction = options.form in (Form.REACTION, Form.RETROSYNTHESIS)
    as_given = not options.canonical
    empty = True
    for number, line in enumerate(source.text_lines(), 1):
        words = line.split(None, 1)
        if not words or line.startswith("#"):
            continue
        smiles = words[0]
        if empty and smiles.lower() in HEADER_WORDS:
            continue
        empty = False
        name = _name(words[1]) if len(words) > 1 else ""
        entry_id = ids.take(name) if name else f"{prefix}{number}"
        record_source = {**provenance, "line": number}
        if wants_reaction or (">" in smiles and _is_reaction_like(smiles)):
            yield reaction_entry(smiles, entry_id, record_source, options)
        elif as_given and is_surely_valid(smiles):  # what most of a million lines are
            yield Entry(entry_id, Molecule(smiles), record_source)
        else:
            yield molecule_entry(smiles, entry_id, record_source, options)
    if empty:
        raise InputError("the file has no SMILES", source=source.name, hint="write one SMILES a line, a name after it")


def _is_reaction_like(smiles: str) -> bool:
    """Whether two arrows are in it that are no dative bonds."""
    return smiles.replace("->", "").count(">") == 2


def _name(rest: str) -> str:
    """Return the name that follows a SMILES: up to a tab; without a CXSMILES extension."""
    if rest.startswith("|") and (end := rest.find("|", 1)) > 0:
        rest = rest[end + 1 :].strip()
    return rest.split("\t", 1)[0].strip()


PLUGIN = ChemFormat()
