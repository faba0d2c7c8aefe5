"""The parts of a record: where its sentence comes from, how it was sampled, its scores, how its ligand was docked.

They are JSON objects whose keys are all optional, as records of other versions and programs may lack or add some. What
is read from a record goes through the functions below: a part that a file brought may be of another type than it should.
The annotations are evaluated (no ``from __future__ import annotations``): as strings, each would be compiled at the start.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict, cast

# -- source ----------------------------------------------------------------------------------------------------


class FileSource(TypedDict, total=False):
    """The file of an object."""

    path: str
    object: str
    sha256: str | None
    line: int
    record: int


class ChainResidues(TypedDict, total=False):
    """The residues of one chain in its file; the lists have an element for each letter of the sentence."""

    chain: str
    label_chain: str
    numbers: list[int | None]
    insertion: dict[str, str]
    label_numbers: list[int | None]
    names: dict[str, str]


class FeatureSource(TypedDict):
    """The annotated feature of a sequence record."""

    type: str
    location: str
    name: str


class LigandSource(TypedDict, total=False):
    """The ligand of a structure."""

    component: str
    chain: str
    number: int | None
    insertion: str
    label_chain: str
    label_number: int
    residues: list[str]
    peptide: bool
    altloc: str
    covalent: list[str]
    symmetry_contacts: list[str]
    title: str
    smiles: str
    origin: str
    file: FileSource


class Verification(TypedDict):
    """What ``encode --verify`` found."""

    identical: bool
    differences: list[str]
    not_carried: list[str]


class CellSource(TypedDict):
    """The unit cell of a crystal."""

    lengths_angstrom: list[float]
    angles_degree: list[float]
    volume_angstrom3: float
    space_group: str


class BlockSource(TypedDict):
    """A building block of a framework."""

    smiles: str
    n_in_cell: int
    labels: list[str]


class Source(FileSource, total=False):
    """Where a sentence comes from."""

    notes: list[str]
    verify: Verification
    domain: str
    dataset: str
    # of a sequence, a table or a list
    description: str
    organism: str | int
    feature: FeatureSource
    columns: Mapping[str, object]
    mutations: str
    reagents: list[str]
    tags: Mapping[str, str]
    # of a structure
    format: str
    entry: str
    component: str
    model: int
    atoms: int | dict[str, int]
    waters: int
    sequence: str
    ligand: LigandSource
    cutoff_angstrom: float
    symmetry: bool
    chains: list[str]
    residues: list[ChainResidues]
    # of a crystal
    block: str
    cell: CellSource
    formula: str
    n_atoms: int
    formula_units_in_cell: int
    nodes: list[BlockSource]
    linkers: list[BlockSource]
    linker_charge: int
    solvent: dict[str, dict[str, int]]
    periodicity: int
    n_nets: int
    n_in_cell: int


# -- sample ----------------------------------------------------------------------------------------------------


class Sample(TypedDict, total=False):
    """How a sentence was sampled, or, of a result, how the samples were that it is made of."""

    task: str
    model: str
    revision: str
    sha256: str
    backend: str
    device: str
    dtype: str
    method: str
    engine: str
    engine_version: str
    seed: int
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    max_new_tokens: int
    constrain: str
    template: str
    max_mutations: int
    positions: str
    guide: str
    options: dict[str, object]
    skill: dict[str, object]
    prompt: str
    n_prompt_characters: int
    logp: float | None
    n_tokens: int
    finish: str
    n_samples: int
    n_valid: int
    n_asked: int
    samples: list[str]


# -- scores ----------------------------------------------------------------------------------------------------

ScoreValue = float | int | bool | str | None


class Score(TypedDict, total=False):
    """A value computed for a record; null, with the reason, where it could not be computed."""

    value: ScoreValue
    reason: str
    unit: str
    better: str
    version: str
    model: str
    skill: str
    receptor: str
    reference: str
    measured: bool
    count: int
    n: int
    predicted: str
    oracle: str
    wild_type: float
    sd: float
    function: str


Scores = dict[str, Score]
"""Scores by name."""


# -- docking ---------------------------------------------------------------------------------------------------


class BoxPart(TypedDict, total=False):
    """The box of a docking."""

    center_angstrom: list[float]
    size_angstrom: list[float]
    origin: str


class ReceptorPart(TypedDict, total=False):
    """The receptor of a docking, and what was decided when it was prepared."""

    path: str
    sha256: str
    notes: list[str]


class PosePart(TypedDict, total=False):
    """A pose: its rank from 1, its score in kcal/mol."""

    rank: int
    vina: float
    rmsd_angstrom: float


class ContactPart(TypedDict, total=False):
    """A residue near the best pose."""

    residue: str
    distance_angstrom: float
    kinds: list[str]


class SideChainPart(TypedDict):
    """Where the atoms of a flexible residue are, Å."""

    residue: str
    atoms: dict[str, list[float]]


class ChecksPart(TypedDict):
    """The tests of PoseBusters."""

    valid: bool
    failed: list[str]
    tests: int


class SitePart(TypedDict, total=False):
    """How the contacts agree with the site that the ligand was made for."""

    in_site: float
    covered: float
    contradicts: bool
    value: None
    reason: str


class DockingPart(TypedDict, total=False):
    """The key ``docking`` of a record."""

    receptor: ReceptorPart
    box: BoxPart
    engine: str
    engine_version: str
    mode: str
    seed: int
    exhaustiveness: int
    num_modes: int
    ring_conformers: int
    ph: float
    n_torsions: int
    notes: list[str]
    poses: list[PosePart]
    rmsd_angstrom: Score
    site: SitePart
    checks: ChecksPart
    contacts: list[ContactPart]
    flexible: list[SideChainPart]
    pose: str
    text: str


# -- reading ---------------------------------------------------------------------------------------------------


def docking_of(extra: Mapping[str, object]) -> DockingPart:
    """Return the docking of a record, from its further keys; empty if there is none."""
    docking = extra.get("docking")
    return cast(DockingPart, docking) if isinstance(docking, dict) else {}


def path_of(source: Source) -> str | None:
    """Return the file that a sentence comes from."""
    return _text(source, "path")


def sha256_of(source: Source) -> str | None:
    """Return the hash of that file."""
    return _text(source, "sha256")


def _text(source: Source, key: str) -> str | None:
    value = source.get(key)
    return value if isinstance(value, str) else None


def residues_of(source: Source) -> list[ChainResidues]:
    """Return the residues of each chain in its file; empty where the source does not name them."""
    residues: object = source.get("residues")
    if not isinstance(residues, list) or not all(isinstance(each, dict) for each in residues):
        return []
    return cast("list[ChainResidues]", residues)


def notes_of(source: Source) -> list[str]:
    """Return what was decided when the sentence was made."""
    notes: object = source.get("notes")
    return [str(note) for note in notes] if isinstance(notes, Sequence) and not isinstance(notes, str) else []


def answer_start_of(sample: Sample) -> int | None:
    """Return where the answer begins in the text, in characters."""
    start: object = sample.get("n_prompt_characters")
    return start if isinstance(start, int) else None


def logp_of(sample: Sample) -> float | None:
    """Return the log-probability of the answer, in nats."""
    logp: object = sample.get("logp")
    return float(logp) if isinstance(logp, (int, float)) and not isinstance(logp, bool) else None


def score_value(scores: Mapping[str, object], name: str) -> ScoreValue:
    """Return the value of a score; other programs may write it without an object around it."""
    score = scores.get(name)
    value = score.get("value") if isinstance(score, Mapping) else score
    return value if isinstance(value, (float, int, bool, str)) else None


def number_of(scores: Mapping[str, object], name: str) -> float | None:
    """Return the value of a score that is a number."""
    value = score_value(scores, name)
    return None if value is None or isinstance(value, (bool, str)) else float(value)
