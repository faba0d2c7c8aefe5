"""Read entries of molecules written as SMILES, CXSMILES, InChI or SELFIES."""

from __future__ import annotations

from logos_cli.chemistry.smiles import checked_smiles
from logos_cli.errors import MoleculeError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.mofid_text import read_mofid, split_mofid
from logos_cli.grammar import Form
from logos_cli.objects.molecule import Molecule
from logos_cli.records import Source


def molecule_entry(text: str, entry_id: str, source: Source, options: ReadOptions) -> Entry:
    """Return the entry of one SMILES, CXSMILES, InChI or SELFIES, with an error where RDKit rejects it; a MOFid is a material."""
    if "MOFid" in text and (mofid := split_mofid(text)):
        return mofid_entry(mofid[0], entry_id, source)
    try:
        smiles = text
        if text.startswith("[") and text.endswith("]"):
            from logos_cli.chemistry import selfies_text

            if selfies_text.is_selfies(text):
                return selfies_entry(text, entry_id, source)
            if selfies_text.may_be_selfies(text):
                raise selfies_text.ambiguous_error(text)
        if not text.isascii() or " " in text or "\t" in text or text.startswith("InChI") or text.count("-") == 2:
            smiles, notes = _plain_smiles(text)
            if notes:
                source["notes"] = [*source.get("notes", ()), *notes]
        return Entry(entry_id, Molecule(checked_smiles(smiles, canonical=options.canonical)), source)
    except MoleculeError as error:
        return Entry(entry_id, None, source, error.at(place(source)), Form.MOLECULE)


def mofid_entry(text: str, entry_id: str, source: Source) -> Entry:
    """Return the entry of one MOFid, with an error where its fragments are no framework."""
    try:
        material, note = read_mofid(text)
    except MoleculeError as error:
        return Entry(entry_id, None, source, error.at(place(source)), Form.MATERIAL)
    source["notes"] = [*source.get("notes", ()), note]
    return Entry(entry_id, material, source)


def selfies_entry(text: str, entry_id: str, source: Source) -> Entry:
    """Return the entry of one SELFIES, with an error where it has no molecule."""
    from logos_cli.chemistry.selfies_text import smiles_of_selfies

    try:
        smiles, notes = smiles_of_selfies(text)
    except MoleculeError as error:
        return Entry(entry_id, None, source, error.at(place(source)), Form.MOLECULE)
    if notes:
        source["notes"] = [*source.get("notes", ()), *notes]
    return Entry(entry_id, Molecule(smiles), source)


def _plain_smiles(text: str) -> tuple[str, list[str]]:
    """Return the SMILES of a CXSMILES or InChI, and notes; any other text as it is.

    Raises
    ------
    MoleculeError
        If the text is an InChIKey, or its extension or the InChI cannot be read.
    """
    from logos_cli.chemistry.cxsmiles import read_cxsmiles, split_extension
    from logos_cli.chemistry.inchi import KEY, inchikey_error, is_inchi, smiles_of_inchi

    if KEY.fullmatch(text):
        raise inchikey_error(text)
    if is_inchi(text):
        return smiles_of_inchi(text)
    smiles, _, rest = text.replace("\t", " ").partition(" ")
    extension, name = split_extension(rest.strip())
    return (text, []) if name or not rest.strip() else read_cxsmiles(smiles, extension)


def place(source: Source) -> str:
    """Return file and line of a record's source, for errors."""
    return ":".join(str(source[key]) for key in ("path", "line") if key in source)
