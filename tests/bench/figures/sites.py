"""Binding sites of held-out chains: which residues does the model tag?

``ranking``: one pass over the untagged copy after ``<Search>`` gives the probability of a tag before each residue;
the most probable ones are the answer, as many as the true site has. ``decoded`` is what the task does: samples
under the copy constraint, and the residues that were tagged most often, as many as a sample tags on average. Each
stands beside a baseline that ranks residues by how often their letter is tagged in training and gives the same number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from logos_cli.backends.base import LoadOptions
from logos_cli.errors import GrammarError
from logos_cli.grammar import Form, Sentence, parse
from logos_cli.grammar.spec import Kind, Operator
from logos_cli.objects.protein import Protein
from logos_cli.records import Record, Status
from logos_cli.workflows.generate.generation import GenerateOptions, generate
from tests.bench.figures.bench import SEED, Bench, HeldOut, watch
from tests.bench.figures.likelihood import probability_of
from tests.bench.figures.statistics import Figure, bootstrap, confusion, f1, mcc, ratio

N_RANKED: Final = 200
N_DECODED: Final = 60
N_SAMPLES: Final = 8
LONGEST: Final = 700
DOMAINS: Final = {"small_molecules": "search", "ions": "search_ion"}

Counts = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Chain:
    """A held-out chain and the places, from 0, of its site."""

    sequence: str
    site: frozenset[int]


def sites(bench: Bench) -> dict[str, Any]:
    """Residue F1 and MCC, by ranking and by decoding, each beside the letter frequency."""
    result: dict[str, Any] = {}
    for name, domain in DOMAINS.items():
        if domain not in bench.held_out.valid:
            continue
        chains = list(held_out_chains(bench.held_out, domain, bench.size(N_RANKED)))
        rates = tag_rates(bench.held_out, domain)
        result[name] = ranking(bench, chains, rates)
        if name == "small_molecules":
            result["decoded"] = decoding(bench, chains[: bench.size(N_DECODED)], rates)
    return result


def held_out_chains(held_out: HeldOut, domain: str, count: int) -> Iterator[Chain]:
    """Yield single chains that are not too long, in a fixed random order."""
    shard = held_out.valid[domain]
    for index in np.random.default_rng(SEED).permutation(len(shard)):
        sentence = parse(held_out.vocabulary.decode(shard[int(index)]), Form.SEARCH)
        if len(sentence.left) != 1 or len(sentence.left[0].payload) > LONGEST:
            continue
        yield Chain(sentence.left[0].payload, frozenset(tagged_places(sentence)))
        count -= 1
        if not count:
            return


def tagged_places(sentence: Sentence) -> set[int]:
    """Return the places of the residues that a one-chain answer tags."""
    places: set[int] = set()
    length = 0
    for part in sentence.right[0].parts:
        run = part if isinstance(part, str) else part.payload
        if not isinstance(part, str):
            places |= set(range(length, length + len(run)))
        length += len(run)
    return places


def ranking(bench: Bench, chains: Sequence[Chain], rates: Mapping[str, float]) -> dict[str, Figure]:
    """Return the figures of the likeliest residues, as many as the true site has."""
    rows = []
    for chain in chains:
        block = f"{Kind.PROTEIN.start}{chain.sequence}{Kind.PROTEIN.end}"
        rows.append(bench.ids(f"{block}{Operator.SEARCH}{Kind.PROTEIN.start}{chain.sequence}"))
    tags = probability_of(bench.network, rows, bench.id_of(Kind.POCKET.start))
    model, letters = [], []
    for chain, column in zip(chains, tags, strict=True):
        n, wanted = len(chain.sequence), len(chain.site)
        model.append(confusion(top(column[-n - 1 : -1], wanted), chain.site, n))
        letters.append(confusion(top(letter_scores(chain, rates), wanted), chain.site, n))
    return {
        **beside(model, letters),
        **areas(chains, [c[-len(s.sequence) - 1 : -1] for c, s in zip(tags, chains, strict=True)], rates),
    }


def areas(
    chains: Sequence[Chain], scores: Sequence[NDArray[np.float64]], rates: Mapping[str, float]
) -> dict[str, Figure]:
    """Return the mean area under the ROC curve of a chain, of the model and of the letters, and the gain over these."""
    model = [auc(row, chain.site) for row, chain in zip(scores, chains, strict=True)]
    letters = [auc(letter_scores(chain, rates), chain.site) for chain in chains]
    gains = [own - other for own, other in zip(model, letters, strict=True)]
    found = {"auc": model, "letter_frequency_auc": letters, "auc_gain": gains}
    return {name: bootstrap([(value, 1.0) for value in values], ratio) for name, values in found.items()}


def auc(scores: NDArray[np.float64], site: Collection[int]) -> float:
    """Return the chance that a residue of the site has a higher score than another one; ties count half."""
    ranks = rankdata(scores)
    n_site = len(site)
    n_others = len(scores) - n_site
    if not n_site or not n_others:
        return 0.5
    return float((ranks[list(site)].sum() - n_site * (n_site + 1) / 2) / (n_site * n_others))


def decoding(bench: Bench, chains: Sequence[Chain], rates: Mapping[str, float]) -> dict[str, Figure]:
    """Return the figures of the residues that samples of the task tag most often."""
    options = GenerateOptions(
        n_samples=N_SAMPLES, seed=SEED, max_new_tokens=2000, load=LoadOptions(str(bench.directory), backend="torch")
    )
    prompts = [Protein(chain.sequence) for chain in chains]
    made = list(watch(generate("site", prompts, options, samples=True), N_SAMPLES * len(chains), "sites, samples"))
    model, letters = [], []
    for index, chain in enumerate(chains):
        votes, n_tagged = Counter[int](), 0
        for record in made[index * N_SAMPLES : (index + 1) * N_SAMPLES]:
            places = answered_places(record)
            votes.update(places)
            n_tagged += len(places)
        count, n = round(n_tagged / N_SAMPLES), len(chain.sequence)
        scores = np.array([votes[place] for place in range(n)], dtype=np.float64)
        model.append(confusion(top(scores, count), chain.site, n))
        letters.append(confusion(top(letter_scores(chain, rates), count), chain.site, n))
    return beside(model, letters)


def answered_places(record: Record) -> set[int]:
    """Return the places that an answer tags; none if it is cut or not valid."""
    if record.status is not Status.OK:
        return set()
    try:
        return tagged_places(parse(record.text or "", Form.SEARCH))
    except GrammarError:
        return set()


def beside(model: Sequence[Counts], letters: Sequence[Counts]) -> dict[str, Figure]:
    """Return the figures of model and baseline; a chain is the unit of the bootstrap."""
    return {
        "mcc": bootstrap(model, mcc),
        "letter_frequency_mcc": bootstrap(letters, mcc),
        "f1": bootstrap(model, f1),
        "letter_frequency_f1": bootstrap(letters, f1),
        "mcc_gain": bootstrap(
            np.concatenate([model, letters], axis=1), lambda sums: mcc(sums[..., :4]) - mcc(sums[..., 4:])
        ),
    }


def top(scores: NDArray[np.float64], count: int) -> list[int]:
    """Return the places of the highest scores; of equal ones the first."""
    return [int(place) for place in np.argsort(-scores, kind="stable")[:count]]


def letter_scores(chain: Chain, rates: Mapping[str, float]) -> NDArray[np.float64]:
    """Return how often each residue's letter is tagged in training."""
    return np.array([rates.get(letter, 0.0) for letter in chain.sequence])


@cache
def tag_rates(held_out: HeldOut, domain: str) -> dict[str, float]:
    """Return the share of each letter's residues that training sentences tag."""
    tagged, seen = Counter[str](), Counter[str]()
    for text in held_out.sentences(domain, "train"):
        for block in parse(text, Form.SEARCH).right:
            for part in block.parts:
                run = part if isinstance(part, str) else part.payload
                seen.update(run)
                if not isinstance(part, str):
                    tagged.update(run)
    return {letter: tagged[letter] / count for letter, count in seen.items()}
