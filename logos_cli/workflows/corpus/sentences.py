"""Make the sentences of a corpus from one object of a source."""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from logos_cli.errors import (
    FormatError,
    GrammarError,
    InputError,
    LogosError,
    MoleculeError,
    StructureError,
    UsageError,
)
from logos_cli.formats.base import Entry
from logos_cli.grammar import FORMS, Form, emit
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject, to_text
from logos_cli.objects.complex import Complex
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.records import Status

WINDOW_DOMAIN: Final = "search_window"
COMPLEX_LEVELS: Final = (1, 2, 3)
NAMES: Final = (
    *(name for name in FORMS if name != Form.COMPLEX),
    *(f"{Form.COMPLEX}_{level}" for level in COMPLEX_LEVELS),
)
"""Default names of the domains, and the values of ``--forms``."""

WINDOW_RESIDUES: Final = (6, 160)
"""Shortest and longest fragment around a site."""

_SITE_FORMS: Final = (Form.SEARCH, Form.SITE, Form.EXPANDED, Form.TRANSFORMATION)
_SPLITS: Final = {
    "train": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")


@dataclass(frozen=True, slots=True)
class SentenceOptions:
    """Which sentences are made.

    Attributes
    ----------
    forms : tuple of str
        Names of :data:`NAMES`, or ``complex`` for its three levels; empty takes all.
    valid_share : float
        Share of the similarity groups that is held out, if the source names no split.
    seed : int
        Seed of the split and of all random writings.
    n_augmented : int
        Further writings of each training reaction, in both directions.
    n_randomized : int
        Further writings of each training molecule.
    align : bool
        Write the answer of a reaction along its prompt.
    n_windows : int
        Fragments around each training site.
    """

    forms: tuple[str, ...] = ()
    valid_share: float = 0.01
    seed: int = 0
    n_augmented: int = 0
    n_randomized: int = 0
    align: bool = False
    n_windows: int = 0

    def takes(self, name: str) -> bool:
        """Return whether sentences of this name of :data:`NAMES` are wanted."""
        return not self.forms or name in self.forms or (name[:-2] == Form.COMPLEX and Form.COMPLEX in self.forms)


class EncodedSentences(NamedTuple):
    """One sentence with its place in the corpus."""

    domain: str
    split: str
    form: Form
    text: str


class Skipped(LogosError):  # noqa: N818 - no error, but it ends the work on a record
    """A valid record that the corpus does not take; the message is the reason."""


def sentences_of(entry: Entry, options: SentenceOptions) -> list[EncodedSentences]:
    """Return the sentences of one entry, all on the same side of the split.

    Raises
    ------
    Skipped
        If its split is ``test``, or none of its forms is wanted.
    LogosError
        If the entry or one of its labels has an error.
    """
    item = _usable(entry)
    labels = _labels(entry)
    split = _split(labels, item, options)
    label = _domain(labels)
    made = [
        EncodedSentences(_name(label, name, item), split, form, text)
        for name, form, text in _texts(item, split == "train", options)
    ]
    if not made:
        raise Skipped("no wanted form")
    return made


def reason_of(error: LogosError) -> str:
    """Return the kind of an error in a few words, for the counts."""
    kinds: Sequence[tuple[type[LogosError], str]] = (
        (GrammarError, "no sentence of the grammar"),
        (MoleculeError, "molecule not accepted"),
        (StructureError, "structure without what is needed"),
        (FormatError, "not of its format"),
        (InputError, "not readable"),
        (UsageError, "label not usable"),
    )
    return next((text for kind, text in kinds if isinstance(error, kind)), "not readable")


def _usable(entry: Entry) -> ScienceObject:
    if entry.record is not None and entry.record.status is not Status.OK:
        raise InputError(f"the record has status {entry.record.status}: {entry.record.reason}")
    if entry.error is not None:
        raise entry.error
    assert entry.item is not None
    if entry.form is Form.SEARCH and isinstance(entry.item, Protein):
        return Complex((entry.item,))  # an answer without tags means that no site is known
    return entry.item


# -- labels --------------------------------------------------------------------------------------------------


def _labels(entry: Entry) -> dict[str, object]:
    """Return ``domain``, ``group`` and ``split`` from a record, its source, or columns of a table."""
    columns = entry.source.get("columns")
    found: dict[str, object] = {}
    if isinstance(columns, dict):
        found |= {key: columns[key] for key in ("group", "split") if columns.get(key)}
    places: tuple[Mapping[str, object], ...] = (entry.source, entry.record.extra if entry.record else {})
    for place in places:
        found |= {key: place[key] for key in ("domain", "group", "split") if place.get(key)}
    return found


def _domain(labels: dict[str, object]) -> str:
    label = labels.get("domain", "")
    if label and (not isinstance(label, str) or not _DOMAIN.fullmatch(label)):
        raise UsageError(
            f"the domain {label!r} cannot name a file", hint="letters, digits and _ . + - make a domain's name"
        )
    return str(label)


def _name(label: str, name: str, item: ScienceObject) -> str:
    """Return the domain: the name of the form, of the form with a suffix, or with the record's own domain."""
    if name == WINDOW_DOMAIN or not label:
        return name
    if label.startswith("_"):
        return name + label
    return f"{label}_{name}" if isinstance(item, Complex | Reaction) else label


def _split(labels: dict[str, object], item: ScienceObject, options: SentenceOptions) -> str:
    if "split" in labels:
        split = _SPLITS.get(str(labels["split"]).lower())
        if split is None:
            raise UsageError(f"the split {labels['split']!r} is not one of {', '.join(_SPLITS)}")
        if split == "test":
            raise Skipped("split test")
        return split
    key = f"group:{labels['group']}" if "group" in labels else _identity(item)
    return "valid" if is_held_out(key, options.seed, options.valid_share) else "train"


def is_held_out(group: str, seed: int, share: float) -> bool:
    """Return whether a group is among the held-out ``share`` of all groups: by hash, so always the same."""
    return _hash(seed, group) < share * 2**64


def _hash(*values: object) -> int:
    text = "\0".join(map(str, values))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _identity(item: ScienceObject) -> str:
    """Return the group of an object without a label: its sequences, its SMILES, or the product of a reaction."""
    if isinstance(item, Complex):
        return ".".join(chain.sequence for chain in item.chains)
    if isinstance(item, Protein):
        return item.sequence
    if isinstance(item, Reaction):
        return item.product
    return to_text(item)


# -- sentences -----------------------------------------------------------------------------------------------

Text = tuple[str, Form, str]


def _texts(item: ScienceObject, train: bool, options: SentenceOptions) -> Iterator[Text]:
    """Yield name, form and text of each sentence; the check of the first covers the payloads of all."""
    if isinstance(item, Complex):
        yield from _site_texts(item, train, options)
    elif isinstance(item, Reaction):
        yield from _reaction_texts(item, train, options)
    elif options.takes(name := item.forms[0].value):
        form = item.forms[0]
        yield name, form, to_text(item)
        if isinstance(item, Antibody) and len(item.chains) > 1:
            for chain in item.chains:
                yield name, form, to_text(Antibody((chain,)))
        if isinstance(item, Molecule) and train and options.n_randomized:
            for text in _randomized(item, options):
                yield name, form, text


def _randomized(item: Molecule, options: SentenceOptions) -> Iterator[str]:
    from logos_cli.chemistry.smiles_variants import randomized

    for number in range(options.n_randomized):
        yield to_text(Molecule(randomized(item.smiles, _hash(options.seed, number, item.smiles))))


def _site_texts(item: Complex, train: bool, options: SentenceOptions) -> Iterator[Text]:
    to_text(item, *_first_form(item))  # checks the payloads, which all sentences share
    has_site = any(chain.site for chain in item.chains)
    if item.ligand is not None:
        for level in COMPLEX_LEVELS:
            if (has_site or level == 1) and options.takes(name := f"{Form.COMPLEX}_{level}"):
                yield name, Form.COMPLEX, emit(item.to_sentence(Form.COMPLEX, level), check=False)
    # a protein without tagged residues has no known site, or nobody looked for one: only a search states the former
    for form in _SITE_FORMS if has_site else (Form.SEARCH,) if item.ligand is None else ():
        if options.takes(form):
            yield form.value, form, emit(item.to_sentence(form), check=False)
    if train and has_site and options.n_windows and options.takes(Form.SEARCH):
        for window in windows(item, options.n_windows, options.seed):
            yield WINDOW_DOMAIN, Form.SEARCH, emit(window.to_sentence(Form.SEARCH), check=False)


def _first_form(item: Complex) -> tuple[Form, int]:
    return (Form.COMPLEX, 2 if any(c.site for c in item.chains) else 1) if item.ligand else (Form.SEARCH, 2)


def windows(site: Complex, count: int, seed: int) -> Iterator[Complex]:
    """Yield fragments of the chain with most tagged residues, each with one of them at a random place.

    A small model learns to copy from short searches. With fragments of 40 residues and more, a model of 5 M
    parameters had not begun to after 8 M tokens. With 6 to 40 residues, a smaller one began within 0.2 M. Lengths
    are log-uniform; the same site gives the same fragments.
    """
    chain = max(site.chains, key=lambda chain: len(chain.site))
    source = random.Random(_hash(seed, chain.sequence, chain.site))  # noqa: S311 - to be repeatable
    for _ in range(count):
        width = round(math.exp(source.uniform(*map(math.log, WINDOW_RESIDUES))))
        if len(chain.sequence) <= width:
            continue
        anchor = source.choice(chain.site) - source.randint(0, width - 1)
        start = min(max(0, anchor), len(chain.sequence) - width)
        inside = tuple(index - start for index in chain.site if start <= index < start + width)
        yield Complex((Protein(chain.sequence[start : start + width], inside),))


def _reaction_texts(item: Reaction, train: bool, options: SentenceOptions) -> Iterator[Text]:
    from logos_cli.workflows.corpus import reactions as writings

    for form in (Form.REACTION, Form.RETROSYNTHESIS):
        if not options.takes(form):
            continue
        if not options.align and not (train and options.n_augmented):
            yield form.value, form, to_text(item, form)
            continue
        for number in range(1 + options.n_augmented * train):
            seed = _hash(options.seed, number, item.reaction_smiles) if number else None
            yield form.value, form, to_text(writings.written(item, form, seed, align=options.align), form)
