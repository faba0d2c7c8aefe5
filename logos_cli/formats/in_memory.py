"""Read objects of other libraries, and bare text, as entries.

The type of an object is recognised by the name of its library, so that none is imported here. A molecule or sequence
is used as it is; a structure, a crystal or a table is written in a format of its library and read as that file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, TypeGuard, TypeVar

from logos_cli import registry
from logos_cli.errors import InputError, LogosError, UsageError
from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.grammar import TAGS, Form
from logos_cli.io.input import MemoryInput
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.records import Source

_SEQUENCES = frozenset({Form.PROTEIN, Form.ANTIBODY, Form.SEARCH})
_SMILES = frozenset({Form.MOLECULE, Form.REACTION, Form.RETROSYNTHESIS})
_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]*[a-z0-9]$")
"""End of a file name that no SMILES has: a dot, a letter, and more."""
_SHOWN = 60
_ACCEPTED = (
    "RDKit molecules and reactions, Bio.Seq, SeqRecord and Bio.PDB entities, gemmi and biotite structures, pymatgen "
    "structures, ase.Atoms, pandas Series and DataFrames"
)


def entries_of(value: object, options: ReadOptions, id: str = "object:1") -> Iterator[Entry]:
    """Yield the entries of one object of another library.

    Parameters
    ----------
    value : object
        An RDKit molecule or reaction; a ``Bio.Seq``, ``SeqRecord`` or entity of ``Bio.PDB``; a structure of gemmi,
        biotite or pymatgen; ``ase.Atoms``; a pandas Series, or a DataFrame (``options.column`` names the column).
    id : str
        Identifier of an object without a name.

    Raises
    ------
    TypeError
        If the type is none of these.
    """
    reader = _reader_of(type(value))
    if reader is None:
        raise unknown_type(value)
    yield from reader(value, options, id)


def unknown_type(value: object) -> TypeError:
    """Return the error for an object that :func:`entries_of` does not accept."""
    kind = type(value).__qualname__
    if type(value).__module__ != "builtins":
        kind = f"{type(value).__module__}.{kind}"
    return TypeError(f"an object of type {kind} cannot be read; logos takes paths, lists of them, {_ACCEPTED}")


def is_known(value: object) -> bool:
    """Return whether :func:`entries_of` accepts an object of this type."""
    return _reader_of(type(value)) is not None


def is_array(value: object) -> bool:
    """Return whether an object is a one-dimensional array of NumPy or pandas, which holds other objects."""
    return _lookup(_ARRAYS, type(value)) is not None and getattr(value, "ndim", 0) == 1


def is_bare(text: str) -> bool:
    """Return whether a string looks like a text rather than a file name, a list of files (``@``) or standard input (``-``)."""
    return not text.startswith("@") and text != "-" and not _ENDING.search(text)


def is_text(text: str, form: Form | None) -> bool:
    """Return whether a string can only be a text: a sentence, or letters of the stated form that are no file name."""
    if text.startswith(tuple(TAGS)):
        return True
    if form in _SEQUENCES:
        return text.isascii() and text.isalpha() and text.isupper()
    return form in _SMILES and is_bare(text)


def text_entries(text: str, options: ReadOptions, id: str = "text:1") -> Iterator[Entry]:
    """Yield the entry of a bare sentence, SMILES, reaction SMILES or sequence.

    Raises
    ------
    UsageError
        If the text is no sentence and ``options.form`` does not state what it is.
    """
    if text.startswith(tuple(TAGS)):
        format = "sentences"
    elif options.form in _SMILES:
        format = "chem"
    elif options.form in _SEQUENCES:
        format = "fasta"
    else:
        raise no_text(text, options.form)
    for entry in _read_as(format, text.strip() + "\n", "text", options):
        entry.id = id
        yield entry


def no_text(text: str, form: Form | None) -> UsageError:
    """Return the error for a string that is neither a file nor a text with a stated form."""
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    if form in _SEQUENCES:
        return UsageError(
            f"there is no file {shown!r}, and it is no sequence of one-letter codes",
            hint="a bare sequence has capital letters only",
        )
    return UsageError(
        f"there is no file {shown!r}, and a bare text needs its form",
        hint='state it: form="molecule", form="protein", form="reaction"',
    )


_T = TypeVar("_T")
_Reader = Callable[[Any, ReadOptions, str], Iterator[Entry]]


def _reader_of(kind: type) -> _Reader | None:
    return _lookup(_READERS, kind)


def _lookup(table: Mapping[tuple[str, str], _T], kind: type) -> _T | None:
    """Return what a table has for a type or the nearest of its base classes, by library and name."""
    for base in kind.__mro__:
        library = base.__module__.partition(".")[0]
        if found := table.get((library, base.__name__)):
            return found
    return None


def _read_as(format: str, content: str | bytes, name: str, options: ReadOptions) -> Iterator[Entry]:
    """Yield the entries of a text in a native format."""
    data = content.encode() if isinstance(content, str) else content
    with closing(MemoryInput(data, name)) as source:
        yield from registry.load("formats", format).read(source, options)


def _entry(id: str, kind: str, make: Callable[[], ScienceObject], form: Form) -> Entry:
    """Return the entry of the object that ``make`` returns; its problem is the entry's error."""
    source: Source = {"object": kind}
    try:
        return Entry(id, make(), source)
    except LogosError as error:
        return Entry(id, None, source, error.at(id), form)


# -- molecules and reactions -------------------------------------------------------------------------------------


def _read_molecule(value: Any, _options: ReadOptions, id: str) -> Iterator[Entry]:
    name = value.GetProp("_Name") if value.HasProp("_Name") else ""
    yield _entry(name or id, "rdkit.Chem.Mol", lambda: Molecule(_smiles_of(value)), Form.MOLECULE)


def _smiles_of(molecule: Any) -> str:
    from rdkit import Chem

    from logos_cli.chemistry.smiles import canonical_smiles

    if molecule.GetNumAtoms() == 0:
        raise InputError("the molecule has no atoms")
    # reading the SMILES again checks a molecule that was changed or never sanitized
    return canonical_smiles(Chem.MolToSmiles(Chem.RemoveHs(molecule, sanitize=False)))


def _read_reaction(value: Any, options: ReadOptions, id: str) -> Iterator[Entry]:
    from rdkit.Chem import rdChemReactions

    text = rdChemReactions.ReactionToSmiles(value)
    for entry in _read_as("chem", f"{text}\n", "rdkit.Chem.ChemicalReaction", options):
        entry.id = id
        yield entry


# -- sequences ---------------------------------------------------------------------------------------------------


def _read_seq(value: Any, options: ReadOptions, id: str) -> Iterator[Entry]:
    form = Form.ANTIBODY if options.form is Form.ANTIBODY else Form.PROTEIN
    yield _entry(id, "Bio.Seq", lambda: _chain(str(value), options, id), form)


def _read_seq_record(value: Any, options: ReadOptions, id: str) -> Iterator[Entry]:
    name = value.id if value.id and not value.id.startswith("<unknown") else id
    for entry in _read_seq(value.seq, options, name):
        entry.source["object"] = "Bio.SeqRecord"
        if value.description and not value.description.startswith("<unknown"):
            entry.source["description"] = value.description
        yield entry


def _chain(text: str, options: ReadOptions, place: str) -> ScienceObject:
    from logos_cli.structure.sequences import clean_sequence, is_nucleotide, nucleotide_error

    sequence, _ = clean_sequence([(1, text)], place)
    if is_nucleotide(sequence) and options.form is not Form.PROTEIN:
        raise nucleotide_error(sequence, place)
    return Antibody((sequence,)) if options.form is Form.ANTIBODY else Protein(sequence)


# -- structures and crystals -------------------------------------------------------------------------------------


def structure_input(value: object) -> MemoryInput:
    """Return a structure of gemmi, Bio.PDB or biotite as mmCIF in memory.

    Raises
    ------
    TypeError
        If the object is no such structure.
    """
    writer = _lookup(_MMCIF, type(value))
    if writer is None:
        raise unknown_type(value)
    text, name = writer(value)
    return MemoryInput(text.encode(), name)


def _read_structure(value: Any, options: ReadOptions, _id: str) -> Iterator[Entry]:
    with closing(structure_input(value)) as source:
        yield from registry.load("formats", "structure").read(source, options)


def _mmcif_of_gemmi(value: Any) -> tuple[str, str]:
    return value.make_mmcif_document().as_string(), value.name or "gemmi"


def _mmcif_of_bio_pdb(value: Any) -> tuple[str, str]:
    from Bio.PDB.mmcifio import MMCIFIO

    stream = io.StringIO()
    writer: Any = MMCIFIO()
    writer.set_structure(value)
    writer.save(stream)
    return stream.getvalue(), str(value.id)


def _mmcif_of_biotite(value: Any) -> tuple[str, str]:
    from biotite.structure.io import pdbx

    file = pdbx.CIFFile()
    pdbx.set_structure(file, value, data_block="biotite")
    return file.serialize(), "biotite"


def _read_pymatgen(value: Any, options: ReadOptions, id: str) -> Iterator[Entry]:
    for entry in _read_as("crystal", value.to(fmt="cif"), "pymatgen", options):
        entry.id = id
        yield entry


def _read_ase(value: Any, options: ReadOptions, id: str) -> Iterator[Entry]:
    if not all(value.pbc):
        raise UsageError(
            "the ase.Atoms are not periodic in three directions: they are no crystal",
            hint="give a molecule as an RDKit molecule, which has bonds",
        )
    stream = io.BytesIO()
    value.write(stream, format="cif")
    for entry in _read_as("crystal", stream.getvalue(), "ase", options):
        entry.id = id
        yield entry


# -- tables ------------------------------------------------------------------------------------------------------


def _read_frame(value: Any, options: ReadOptions, _id: str) -> Iterator[Entry]:
    yield from _read_as("table", value.to_csv(index=False), "DataFrame", options)


def _read_series(value: Any, options: ReadOptions, _id: str) -> Iterator[Entry]:
    """Yield the entries of a column of texts of the wanted form; the index has the ids."""
    for label, text in value.items():
        if not isinstance(text, str):
            yield Entry(str(label), None, {"object": "pandas.Series"}, missing_text(label, text), options.form)
            continue
        yield from text_entries(text, options, str(label))


def is_series(value: object) -> TypeGuard[Mapping[object, object]]:
    """Return whether an object is a pandas Series: its items are labels and values."""
    return _reader_of(type(value)) is _read_series


def missing_text(label: object, value: object) -> InputError:
    """Return the error for a value of a Series that is not text."""
    return InputError(f"the value of {label!r} is not text: {value!r}", hint="leave missing values out")


_ARRAYS = {("numpy", "ndarray"): True, ("pandas", "ExtensionArray"): True, ("pandas", "Index"): True}
_MMCIF: dict[tuple[str, str], Callable[[Any], tuple[str, str]]] = {
    ("Bio", "Entity"): _mmcif_of_bio_pdb,
    ("gemmi", "Structure"): _mmcif_of_gemmi,
    ("biotite", "AtomArray"): _mmcif_of_biotite,
    ("biotite", "AtomArrayStack"): _mmcif_of_biotite,
}

_READERS: dict[tuple[str, str], _Reader] = {
    ("rdkit", "Mol"): _read_molecule,
    ("rdkit", "ChemicalReaction"): _read_reaction,
    ("Bio", "Seq"): _read_seq,
    ("Bio", "MutableSeq"): _read_seq,
    ("Bio", "SeqRecord"): _read_seq_record,
    ("Bio", "Entity"): _read_structure,
    ("gemmi", "Structure"): _read_structure,
    ("biotite", "AtomArray"): _read_structure,
    ("biotite", "AtomArrayStack"): _read_structure,
    ("pymatgen", "IStructure"): _read_pymatgen,
    ("ase", "Atoms"): _read_ase,
    ("pandas", "DataFrame"): _read_frame,
    ("pandas", "Series"): _read_series,
}
