"""Base classes of file formats: readers, writers and their options.

A reader turns an :class:`Input` into a stream of :class:`Entry` objects. A problem of one entry only (a bad
molecule in a list, a ligand without bonds) is its ``error``; a problem of the whole file is raised.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import IO, TYPE_CHECKING, Any, ClassVar, ParamSpec

from logos_cli.chemistry.notes import split_notes
from logos_cli.errors import LogosError, OutputError, UsageError
from logos_cli.grammar import Form
from logos_cli.objects.base import ScienceObject
from logos_cli.records import Record, Source
from logos_cli.structure.distances import CONTACT_ANGSTROM

if TYPE_CHECKING:
    from logos_cli.io.input import Input


P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Options of readers; each format uses those that it needs.

    Attributes
    ----------
    form : Form, optional
        The sentence form that the caller wants, which may be given by its name; None lets the content decide.
    level : int
        Level of a complex: 1, 2 or 3.
    cutoff_angstrom : float
        A residue lines a ligand if one of its heavy atoms is at most this far from a ligand heavy atom.
    ligand : str, optional
        Component id (``HEM``), chain and number (``A:142``), or a molecule file or SMILES that brings the
        bond orders.
    chains : tuple of str
        Author names of the protein chains to keep; empty keeps all.
    symmetry : bool
        Count crystallographic symmetry mates as neighbours.
    sequence : str
        ``observed`` (residues with coordinates) or ``full`` (the deposited sequence).
    numbering : str
        ``auth`` or ``label``: how chains and residues in ``ligand`` and ``chains`` are named.
    model : int
        One-based model of an ensemble.
    column : str, optional
        Name of the column with the sequence or SMILES in a table.
    canonical : bool
        Write canonical isomeric SMILES instead of the SMILES as given.
    feature : str, optional
        Type of the features of an annotated sequence to read: ``CDS``, ``mat_peptide``, ``CHAIN``.
    row : str, optional
        Identifier of the only row of an alignment, or record of an annotated file, to read.
    translate : bool
        Translate nucleotides, which are refused otherwise.
    takes : callable, optional
        Returns whether the entry with an id is wanted; it is called once for each id, in order. A reader that calls it saves
        the work on the other entries; a reader that does not leaves the selection to the caller.
    defers : bool
        Lists may leave the reading of an entry to :meth:`Entry.now`, which another process can call.
    reagents : str
        ``drop``, ``reactants`` (count them as reactants) or ``error``.
    """

    form: Form | None = None
    level: int = 2
    cutoff_angstrom: float = CONTACT_ANGSTROM
    ligand: str | None = None
    chains: tuple[str, ...] = ()
    symmetry: bool = False
    sequence: str = "observed"
    numbering: str = "auth"
    model: int = 1
    column: str | None = None
    canonical: bool = False
    reagents: str = "drop"
    feature: str | None = None
    row: str | None = None
    translate: bool = False
    takes: Callable[[str], bool] | None = field(default=None, repr=False, compare=False)
    defers: bool = field(default=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.form is not None:
            object.__setattr__(self, "form", form_of(self.form))

    @property
    def of_entry(self) -> ReadOptions:
        """What the reading of one entry needs, which can be sent to another process."""
        return replace(self, takes=None, defers=False)


def form_of(name: str) -> Form:
    """Return the form with that name.

    Raises
    ------
    UsageError
        If there is none; the hint names the nearest forms.
    """
    try:
        return Form(name)
    except ValueError as error:
        near = get_close_matches(name, list(Form), n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"forms: {', '.join(Form)}"
        raise UsageError(f"unknown form {name!r}", hint=hint) from error


@dataclass(slots=True)
class Entry:
    """One object of a file, or the reason why there is none.

    Attributes
    ----------
    id : str
        Unique within the file, e.g. a FASTA identifier or ``4hhb:A:HEM:142``.
    item : ScienceObject or None
        None exactly if ``error`` or ``later`` is set.
    source : dict
        Provenance for the record: path, sha256, line, chain, ligand, residues, notes …
    error : LogosError, optional
        Why there is no object.
    form : Form, optional
        The form that the content suggests, where it is not the object's first.
    level : int, optional
        The level of a complex, where the content allows one only.
    record : Record, optional
        The record itself, if the input was a record: its unknown keys, sample and scores are kept.
    line : str, optional
        The record as it was written.
    later : tuple, optional
        The function that reads the object, with its arguments, if that was left to later: see :meth:`now`.
    """

    id: str
    item: ScienceObject | None
    source: Source = field(default_factory=Source)
    error: LogosError | None = None
    form: Form | None = None
    level: int | None = None
    record: Record | None = None
    line: str | None = None
    later: tuple[Callable[..., Entry], tuple[object, ...], dict[str, object]] | None = None

    def now(self) -> Entry:
        """Return the entry with its object, or the error, which are read now if that was left to later."""
        if self.later is None:
            return self
        read, arguments, named = self.later
        entry = read(*arguments, **named)
        entry.id = self.id
        return entry

    @classmethod
    def read(
        cls, options: ReadOptions, id: str, read: Callable[P, Entry], *arguments: P.args, **named: P.kwargs
    ) -> Entry:
        """Return what ``read`` returns, or an entry that calls it later if the options say so."""
        return cls(id, None, later=(read, arguments, named)) if options.defers else read(*arguments, **named)


SNIFFED = 1 << 13
"""Bytes that suffice to recognise a format made of lines."""


class Format(ABC):
    """A family of native files; the ``PLUGIN`` of its module is an instance."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    """File name endings, for finding files in directories and for choosing an output format."""
    is_list: ClassVar[bool] = True
    """Whether a file holds many independent entries rather than one object with its parts."""

    @abstractmethod
    def sniff(self, head: bytes) -> float:
        """Return how sure the format is (0 to 1) that a file beginning with ``head`` is its own; no name decides."""

    @abstractmethod
    def read(self, source: Input, options: ReadOptions) -> Iterator[Entry]:
        """Yield the entries of a file.

        Raises
        ------
        InputError
            If the file as a whole cannot be read.
        """

    def not_carried(self, entry: Entry) -> list[str]:
        """List what the file holds of this entry but no sentence can: ``coordinates of 2,310 atoms``."""
        return split_notes(entry.source.get("notes", ()))

    def second_opinion(self, _entry: Entry) -> list[str]:
        """List what another library reads differently from the same place; for ``encode --verify``."""
        return []

    def writers(self) -> Mapping[str, type[Writer]]:
        """Return the writers of this family by the name that ``decode --to`` takes."""
        return {}


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Options of writers; each writer uses those that it needs."""

    conformer: bool = False
    seed: int = 0
    topology: str | None = None
    """Net of frameworks, as RCSR names it."""
    raw_cells: bool = False
    """Tables as text: leave cells that a spreadsheet would run as a formula."""


Stream = IO[Any]
"""Where a writer writes: text or, if it is binary, bytes."""


class Writer(ABC):
    """Writes decoded records to one stream.

    ``suffixes`` are the file name endings that choose this writer. If each record has a file of its own, its name ends
    with ``ending``, by default the first suffix. ``binary`` writers get a byte stream. A format that can hold the status
    of a record sets ``tells_status``; the others get valid records only.
    """

    suffixes: ClassVar[tuple[str, ...]]
    ending: ClassVar[str] = ""
    binary: ClassVar[bool] = False
    tells_status: ClassVar[bool] = False

    def __init__(self, stream: Stream, options: WriteOptions) -> None:
        self.stream = stream
        self.options = options

    @abstractmethod
    def write(self, record: Record, item: ScienceObject) -> None:
        """Write one record.

        Raises
        ------
        LogosError
            If this format cannot hold the object; nothing is written then.
        """

    def close(self) -> None:  # noqa: B027 - most formats have nothing to end
        """Write what ends the file. The stream itself stays open."""


class SingleWriter(Writer):
    """Writes one record to a file, for formats that hold no more."""

    what: ClassVar[str]
    """Content of a file, for the error: ``a POSCAR is one crystal``."""

    def __init__(self, stream: Stream, options: WriteOptions) -> None:
        super().__init__(stream, options)
        self._written: str | None = None

    def write(self, record: Record, item: ScienceObject) -> None:
        """Write the only record.

        Raises
        ------
        OutputError
            If another one has been written.
        """
        if self._written is not None:
            raise OutputError(
                f"{self.what}, and {self._written} has been written", hint="write a file for each record: -o DIRECTORY/"
            )
        text = self.text_of(record, item)
        self.stream.write(text)
        self._written = record.id

    @abstractmethod
    def text_of(self, record: Record, item: ScienceObject) -> str:
        """Return the whole file.

        Raises
        ------
        LogosError
            If this format cannot hold the object.
        """
