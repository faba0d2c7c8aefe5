"""Figures of a set of molecules, as MOSES defines them (Polykovskiy et al. 2020, 10.3389/fphar.2020.565644).

All figures are of the valid molecules, with repeats unless stated otherwise.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from rdkit import DataStructs, rdBase

from logos_cli.errors import MissingError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.reference import Keys
from logos_cli.evaluators.statistics import bootstrap, first_occurrences, mean, share

if TYPE_CHECKING:
    from rdkit.DataStructs import ExplicitBitVect

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]

MOST_PAIRED: Final = 10_000
"""Most molecules whose pairs are compared: a random sample of a larger set."""
_ROWS_AT_ONCE: Final = 256
_AT_ONCE: Final = 1 << 12
"""Molecules whose bits are counted together, which fit into the cache of a processor."""


def uniqueness(keys: Sequence[str], first: int | None = None) -> Estimate:
    """Return the share of keys that repeat no earlier one, among the ``first`` k keys (MOSES: unique@k)."""
    head = keys[:first]
    if first is not None and len(head) < first:
        return Estimate.unknown(f"there are fewer than {first:,} valid molecules", len(head))
    return share(first_occurrences(head))


def novelty(keys: Iterable[str], known: Keys) -> Estimate:
    """Return the share of distinct keys that are not known."""
    return share(key not in known for key in dict.fromkeys(keys))


def bits_of(fingerprints: Sequence[ExplicitBitVect]) -> NDArray[np.float32]:
    """Return fingerprints as rows of zeros and ones."""
    texts = b"".join(map(DataStructs.BitVectToBinaryText, fingerprints))
    packed = np.frombuffer(texts, dtype=np.uint8).reshape(len(fingerprints), -1)
    return np.unpackbits(packed, axis=1, bitorder="little").astype(np.float32)


def _tanimoto_rows(bits: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield the similarities of the molecules to all, a block of rows at a time."""
    counts = bits.sum(axis=1)
    for start in range(0, len(bits), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        common = bits[rows] @ bits.T
        total = counts[rows, None] + counts[None] - common
        yield rows, np.divide(common, total, out=np.ones_like(common), where=total > 0)


def internal_diversity(
    fingerprints: Sequence[ExplicitBitVect], powers: Sequence[int] = (1, 2), seed: int = 0
) -> list[Estimate]:
    """Return IntDiv of each power p: one minus the mean over molecules of (mean over all of similarity^p)^(1/p).

    The similarity of a molecule to itself counts, as in MOSES. The interval resamples the influence of each molecule,
    from the first-order (jackknife) expansion of the figure.
    """
    if not fingerprints:
        return [Estimate.unknown("there is no valid molecule") for _ in powers]
    if len(fingerprints) > MOST_PAIRED:
        drawn = np.random.default_rng(seed).choice(len(fingerprints), MOST_PAIRED, replace=False)
        fingerprints = [fingerprints[place] for place in np.sort(drawn)]
    bits = bits_of(fingerprints)
    n = len(bits)
    roots = np.zeros((len(powers), n))  # mean similarity of each molecule
    pulls = np.zeros((len(powers), n))  # contribution of each molecule to the means of all
    for rows, similarity in _tanimoto_rows(bits):
        for index, power in enumerate(powers):
            raised = similarity if power == 1 else similarity**power
            means = raised.mean(axis=1, dtype=np.float64)
            roots[index, rows] = means ** (1 / power)
            pulls[index] += (means ** (1 / power - 1) / power).astype(np.float32) @ raised
    estimates = []
    for index in range(len(powers)):
        value = 1 - float(roots[index].mean())
        influence = roots[index] + pulls[index] / n
        # a sum of influences that is off by delta shifts the figure by delta
        offset = float(influence.mean()) - (1 - value)
        spread = mean(1 - (influence - offset))
        estimates.append(Estimate(value, n, spread.low, spread.high))
    return estimates


def pack(fingerprints: Iterable[ExplicitBitVect]) -> Words:
    """Return fingerprints as rows of 64-bit words."""
    rows = [DataStructs.BitVectToBinaryText(fingerprint) for fingerprint in fingerprints]
    return np.frombuffer(b"".join(rows), dtype=np.uint64).reshape(len(rows), -1)


class FingerprintSet:
    """Fingerprints for comparison.

    The memory layout is word by word, not molecule by molecule, so that bits are counted along long rows.

    Parameters
    ----------
    rows : ndarray, shape (n_molecules, n_words)
        Fingerprints as :func:`pack` returns them.
    """

    def __init__(self, rows: Words) -> None:
        self._words = np.ascontiguousarray(rows.T)
        self._counts = _n_bits(self._words).astype(np.float64)

    def __len__(self) -> int:
        """Return the number of fingerprints."""
        return len(self._counts)

    def similarities(self, fingerprint: Words, first: int | None = None) -> Floats:
        """Return the Tanimoto similarities of a fingerprint to all, or to the ``first`` n.

        Two fingerprints without a bit have similarity 1.
        """
        counts = self._counts[:first]
        similarities = np.ones(len(counts))
        own = float(_n_bits(fingerprint[:, None])[0])
        for start in range(0, len(counts), _AT_ONCE):
            part = slice(start, min(start + _AT_ONCE, len(counts)))
            common = _n_bits(self._words[:, part] & fingerprint[:, None])
            total = counts[part] + (own - common)
            np.divide(common, total, out=similarities[part], where=total > 0)
        return similarities

    def nearest(self, fingerprint: Words) -> float:
        """Return the similarity to the nearest one (its mean over a set is the SNN of MOSES)."""
        return float(self.similarities(fingerprint).max())


def _n_bits(words: Words) -> NDArray[np.uint16]:
    """Return the number of set bits of each column."""
    if hasattr(np, "bitwise_count"):  # numpy 2
        counts: NDArray[np.uint16] = np.bitwise_count(words).sum(axis=0, dtype=np.uint16)
        return counts
    octets = np.ascontiguousarray(words).view(np.uint8).reshape(*words.shape, 8)
    return np.asarray(np.unpackbits(octets, axis=2).sum(axis=(0, 2), dtype=np.uint16))


def cosine_similarity(generated: Sequence[Collection[str]], reference: Mapping[str, int], what: str) -> Estimate:
    """Return the cosine of the counts of parts (fragments, scaffolds) in two sets (MOSES: Frag, Scaf).

    The interval is that of the first-order expansion over molecules, as for :func:`internal_diversity`.

    Parameters
    ----------
    generated : sequence of collections
        The parts of each molecule.
    reference : mapping
        Count of each part in the reference set.
    what : str
        Name of a part, for the reason if there is none.
    """
    counts = Counter(part for parts in generated for part in parts)
    if not counts or not reference:
        side = "reference set" if counts else "set"
        return Estimate.unknown(f"no molecule of the {side} has a {what}", len(generated))
    length = np.sqrt(float(sum(count * count for count in reference.values())))
    # of each molecule: its part of the product with the reference, and of the squared length
    units = np.array(
        [
            (sum(reference.get(part, 0) for part in parts) / length, sum(counts[part] for part in parts))
            for parts in generated
        ],
        dtype=np.float64,
    )
    square = float(units[:, 1].sum())
    return bootstrap(units, lambda sums: sums[..., 0] / np.sqrt(np.maximum(2 * sums[..., 1] - square, 1e-12)))


class ChemNetDistance:
    """Fréchet ChemNet distance (Preuer et al. 2018, 10.1021/acs.jcim.8b00234), by the package ``fcd_torch``.

    Raises
    ------
    MissingError
        If the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from fcd_torch import FCD
        except ImportError as error:
            raise MissingError(
                "the Fréchet ChemNet distance needs the package fcd_torch", hint="pip install 'logos-cli[fcd]'"
            ) from error
        self._distance = FCD(device="cpu", n_jobs=1)

    def __call__(self, generated: Sequence[str], reference: Sequence[str]) -> float:
        """Return the distance of two sets of valid SMILES."""
        with warnings.catch_warnings(), rdBase.BlockLogs():  # the package parses the SMILES again
            warnings.simplefilter("ignore", DeprecationWarning)  # names that numpy will drop
            try:
                return float(self._distance(gen=list(generated), ref=list(reference)))
            except AttributeError as error:
                raise MissingError(
                    f"fcd_torch does not work with the installed packages: {error}", hint='pip install "numpy==2.4.*"'
                ) from error
