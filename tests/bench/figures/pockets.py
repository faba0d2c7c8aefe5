"""Ligands and pockets of held-out complexes: does the model see what the pocket is for?

``gain`` is what the ligand becomes likelier, in nats, when it is read after its pocket rather than as a molecule of its
own; ``rank`` is where its own pocket stands among those of the other complexes when all are sorted by how likely they
make it, 1 being the first. Only complexes count whose ligand no training sentence holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from logos_cli.grammar import Form, parse
from logos_cli.grammar.spec import Kind
from tests.bench.figures.bench import SEED, Bench
from tests.bench.figures.likelihood import token_logps
from tests.bench.figures.statistics import bootstrap, percent, ratio

N_POCKETS: Final = 40
LONGEST: Final = 1200
LEVELS: Final = (1, 2)


@dataclass(frozen=True, slots=True)
class Pocket:
    """One held-out complex, as text."""

    prompt: str
    smiles: str


def pockets(bench: Bench) -> dict[str, Any]:
    """Return gain and rank at each level."""
    return {
        f"level_{level}": pocket_figures(bench, chosen)
        for level in LEVELS
        if (chosen := held_out_pockets(bench, f"complex_{level}", bench.size(N_POCKETS)))
    }


def held_out_pockets(bench: Bench, domain: str, count: int) -> list[Pocket]:
    """Return complexes of different ligands in a fixed random order."""
    shard = bench.held_out.valid.get(domain)
    if shard is None:
        return []
    known = {ligand_of(text) for text in bench.held_out.sentences(domain, "train")}
    found: dict[str, Pocket] = {}
    for index in np.random.default_rng(SEED).permutation(len(shard)):
        text = bench.held_out.vocabulary.decode(shard[int(index)])
        smiles = ligand_of(text)
        if smiles in known or smiles in found or len(text) > LONGEST:
            continue
        found[smiles] = Pocket(text[: text.index(Kind.MOLECULE.start)], smiles)
        if len(found) == count:
            break
    return list(found.values())


def ligand_of(text: str) -> str:
    """Return the SMILES of a complex."""
    parse(text, Form.COMPLEX)
    return text[text.index(Kind.MOLECULE.start) + len(Kind.MOLECULE.start) :].partition("<")[0]


def pocket_figures(bench: Bench, chosen: Sequence[Pocket]) -> dict[str, Any]:
    """Return the figures of one level."""
    block = [f"{Kind.MOLECULE.start}{pocket.smiles}{Kind.MOLECULE.end}" for pocket in chosen]
    ligands = [bench.ids(text)[1:] for text in block]  # without the token that begins a sentence
    start = bench.ids("")
    alone = _answers(bench, start, ligands)
    within = np.array([_answers(bench, bench.ids(pocket.prompt), ligands) for pocket in chosen])  # [pocket, ligand]
    own = np.diagonal(within)
    ranks = 1 + (within > own).sum(axis=0)
    gains = own - alone
    units = np.stack([gains, np.ones(len(gains))], axis=1)
    rank_units = np.stack([ranks, np.ones(len(ranks))], axis=1).astype(np.float64)
    return {
        "gain_nats": bootstrap(units, ratio),
        "likelier_with_pocket_percent": percent(gains > 0),
        "rank_of_own_pocket": bootstrap(rank_units, ratio),
        "rank_by_chance": (len(chosen) + 1) / 2,
    }


def _answers(bench: Bench, prefix: Sequence[int], ligands: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Return how likely each ligand is after a prefix, the tag that opens it not counted."""
    return np.array([row[1:].sum() for row in token_logps(bench.network, ligands, prefix)])
