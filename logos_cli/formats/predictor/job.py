"""A job of a structure predictor: its chains, ligands and pocket, and notes on the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from logos_cli.chemistry.notes import NOT_CARRIED
from logos_cli.errors import FormatError


@dataclass(frozen=True, slots=True)
class Polymer:
    """A chain, perhaps in several copies.

    Attributes
    ----------
    kind : str
        ``protein``, ``rna``, ``dna`` or ``glycan``.
    ids : tuple of str
        One id a copy.
    sequence : str
        The sequence in the input.
    modifications : tuple of (int, str)
        One-based position and component of each modified residue.
    """

    kind: str
    ids: tuple[str, ...]
    sequence: str
    modifications: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class JobLigand:
    """A ligand, perhaps in several copies: a SMILES, or components of the dictionary."""

    ids: tuple[str, ...]
    smiles: str = ""
    components: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The components or, without any, the first id."""
        return "-".join(self.components) or self.ids[0]


@dataclass(slots=True)
class Job:
    """One input.

    Attributes
    ----------
    pocket : dict
        One-based residues of each chain that line the ligand, if the input states them.
    binder : str
        Id of the ligand in the pocket.
    definitions : str
        CIF of components that the input defines.
    definitions_path : str
        Path of a file that defines components, as seen from the working directory.
    notes : list of str
        Notes on parts of the input that no sentence can hold.
    """

    name: str
    polymers: list[Polymer] = field(default_factory=list)
    ligands: list[JobLigand] = field(default_factory=list)
    pocket: dict[str, set[int]] = field(default_factory=dict)
    binder: str = ""
    definitions: str = ""
    definitions_path: str = ""
    notes: list[str] = field(default_factory=list)
    error: FormatError | None = None

    def leave_out(self, what: str) -> None:
        """Note, once, a part that no sentence can hold."""
        note = f"{NOT_CARRIED}{what}"
        if note not in self.notes:
            self.notes.append(note)

    def ids(self) -> Iterator[str]:
        """Yield the ids of all copies."""
        for polymer in self.polymers:
            yield from polymer.ids
        for ligand in self.ligands:
            yield from ligand.ids


def check_ids(job: Job) -> None:
    """Refuse two chains or ligands with one id.

    Raises
    ------
    FormatError
        If an id is used twice.
    """
    ids = list(job.ids())
    if twice := sorted({id for id in ids if ids.count(id) > 1}):
        raise FormatError(f"the id {twice[0]!r} stands for several chains", hint="give each copy an id of its own")


def mapping(value: object, place: str) -> Mapping[str, object]:
    """Return an object of JSON or YAML.

    Raises
    ------
    FormatError
        If it is none.
    """
    if not isinstance(value, Mapping):
        raise FormatError(f"{place} is no object with keys")
    return value


def sequence_of(value: object, place: str) -> list[object]:
    """Return a list of JSON or YAML; an absent one is empty.

    Raises
    ------
    FormatError
        If it is none.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise FormatError(f"{place} is no list")
    return value


def text_of(value: object, place: str) -> str:
    """Return a text that is not empty.

    Raises
    ------
    FormatError
        If it is none.
    """
    if not isinstance(value, str) or not value.strip():
        raise FormatError(f"{place} is no text" if value is not None else f"{place} is missing")
    return value.strip()


def ids_of(value: object, place: str) -> tuple[str, ...]:
    """Return the ids of an entity: one, or a list of them for copies.

    Raises
    ------
    FormatError
        If there is none.
    """
    values = value if isinstance(value, list) else [value]
    if not values:
        raise FormatError(f"{place} is empty")
    return tuple(text_of(one, place) for one in values)


def position_of(value: object, place: str) -> int:
    """Return a one-based position.

    Raises
    ------
    FormatError
        If it is none.
    """
    text = str(value)
    if not text.isdecimal() or int(text) < 1:
        raise FormatError(f"{place} is no position: {text[:40]!r}")
    return int(text)
