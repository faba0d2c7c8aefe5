"""Read lists of SMILES, InChI, SELFIES and HELM: a molecule or reaction a line, then its name."""

from __future__ import annotations

from collections.abc import Iterator

from logos_cli.chemistry.cxsmiles import split_extension
from logos_cli.chemistry.helm import is_helm
from logos_cli.chemistry.selfies_text import is_selfies as selfies_certain
from logos_cli.chemistry.selfies_text import is_symbols
from logos_cli.chemistry.smiles_check import is_surely_valid
from logos_cli.errors import InputError, MoleculeError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.chem.plugin import HEADER_WORDS
from logos_cli.formats.helm_entries import helm_entry
from logos_cli.formats.mofid_text import split_mofid
from logos_cli.formats.reaction_entries import reaction_entry, split_reaction
from logos_cli.formats.smiles_entries import molecule_entry, selfies_entry
from logos_cli.grammar import Form
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Source


def iter_list(source: Input, options: ReadOptions) -> Iterator[Entry]:
    """Yield the entries of a SMILES list, in constant memory but for the names."""
    ids = UniqueIds(source.stem)
    provenance = source.provenance
    wants_reaction = options.form in (Form.REACTION, Form.RETROSYNTHESIS)
    of_entry = options.of_entry
    is_selfies = _is_selfies_list(source)
    empty = True
    for number, line in enumerate(source.text_lines(), 1):
        words = line.split(None, 1)
        if not words or line.startswith("#"):
            continue
        smiles = words[0]
        if empty and smiles.lower() in HEADER_WORDS:
            continue
        empty = False
        rest = words[1] if len(words) > 1 else ""
        is_reaction = wants_reaction
        if (">" in line or "→" in line) and (reaction := split_reaction(line)) is not None:
            smiles, rest = reaction
            is_reaction = True
        if rest[:5] == "MOFid" and (mofid := split_mofid(line)):
            text, name = mofid
        else:
            text, name = (smiles, rest) if rest[:1] != "|" else _with_extension(smiles, rest)
        name = name.split("\t", 1)[0].strip()
        entry_id = ids.take(name) if name else ids.take_line(number)
        if options.takes is not None and not options.takes(entry_id):
            continue
        kind = "reaction" if is_reaction else "selfies" if is_selfies else ""
        record_source: Source = {**provenance, "line": number}
        yield Entry.read(options, entry_id, _entry, text, kind, entry_id, record_source, of_entry)
    if empty:
        raise InputError("the file has no SMILES", source=source.name, hint="write one SMILES a line, then its name")


def _entry(text: str, kind: str, entry_id: str, source: Source, options: ReadOptions) -> Entry:
    """Return the entry of a line; ``kind`` is ``reaction``, ``selfies``, or empty if the text shows it."""
    if kind == "reaction":
        return reaction_entry(text, entry_id, source, options)
    if kind == "selfies":
        return selfies_entry(text, entry_id, source)
    if text.endswith("]") and text.startswith("["):  # an atom, or SELFIES
        return molecule_entry(text, entry_id, source, options)
    if "{" in text and is_helm(text):
        return helm_entry(text, entry_id, source, options)
    if not options.canonical and is_surely_valid(text):  # the fast path of most lines
        return Entry(entry_id, Molecule(text), source)
    return molecule_entry(text, entry_id, source, options)


def _is_selfies_list(source: Input) -> bool:
    """Return whether the name or the header of a list, or every line of its beginning, shows that it holds SELFIES."""
    lines = source.head.decode("utf-8", "replace").splitlines()
    words = [line.split(None, 1)[0] for line in lines if line.strip() and not line.startswith("#")]
    if words and words[0].lower() in HEADER_WORDS:
        if words[0].lower() == "selfies":
            return True
        words = words[1:]
    if source.name.lower().partition(".selfies")[1]:
        return True
    whole = words[:-1] if len(lines) > 1 and not source.head.endswith(b"\n") else words  # the last one may be cut
    return bool(whole) and all(map(is_symbols, whole)) and any(map(selfies_certain, whole))


def _with_extension(smiles: str, rest: str) -> tuple[str, str]:
    """Return a SMILES with the extension that follows it, and the name after that."""
    try:
        extension, name = split_extension(rest)
    except MoleculeError:
        return f"{smiles} {rest}", ""
    return f"{smiles} |{extension}|", name
