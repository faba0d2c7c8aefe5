"""Figures of a set of molecules, as MOSES defines them (Polykovskiy et al. 2020, 10.3389/fphar.2020.565644).

All of them are of the valid molecules, repeats included unless said otherwise.
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
from logos_cli.evaluators.statistics import bootstrap, first_ones, mean, share

if TYPE_CHECKING:
    from rdkit.DataStructs import ExplicitBitVect

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]

MOST_PAIRED: Final = 10_000
"""Molecules of a larger set whose pairs are compared: drawn at random."""
_ROWS_AT_ONCE: Final = 256
_AT_ONCE: Final = 1 << 12
"""Molecules whose bits are counted together: as many as a processor's cache holds."""


def uniqueness(keys: Sequence[str], first: int | None = None) -> Estimate:
    """Return the share of keys that are no repeat of an earlier one, of the ``first`` so many (MOSES: unique@k)."""
    chosen = keys[:first]
    if first is not None and len(chosen) < first:
        return Estimate.unknown(f"there are fewer than {first:,} valid molecules", len(chosen))
    return share(first_ones(chosen))


def novelty(keys: Iterable[str], known: Keys) -> Estimate:
    """Return the share of different keys that are not known."""
    return share(key not in known for key in dict.fromkeys(keys))


def bits_of(fingerprints: Sequence[ExplicitBitVect]) -> NDArray[np.float32]:
    """Return fingerprints as rows of zeros and ones."""
    texts = b"".join(map(DataStructs.BitVectToBinaryText, fingerprints))
    packed = np.frombuffer(texts, dtype=np.uint8).reshape(len(fingerprints), -1)
    return np.unpackbits(packed, axis=1, bitorder="little").astype(np.float32)


def _tanimoto_rows(bits: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield the similarities of some molecules to all at a time."""
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

    The similarity of a molecule to itself counts, as in MOSES. The interval is that of the first-order (jackknife)
    expansion of the figure: what each molecule adds to it, resampled.
    """
    if not fingerprints:
        return [Estimate.unknown("there is no valid molecule") for _ in powers]
    if len(fingerprints) > MOST_PAIRED:
        drawn = np.random.default_rng(seed).choice(len(fingerprints), MOST_PAIRED, replace=False)
        fingerprints = [fingerprints[place] for place in np.sort(drawn)]
    bits = bits_of(fingerprints)
    n = len(bits)
    roots = np.zeros((len(powers), n))  # of each molecule, its mean similarity
    pulls = np.zeros((len(powers), n))  # of each molecule, what it adds to the means of all
    for rows, similarity in _tanimoto_rows(bits):
        for index, power in enumerate(powers):
            raised = similarity if power == 1 else similarity**power
            means = raised.mean(axis=1, dtype=np.float64)
            roots[index, rows] = means ** (1 / power)
            pulls[index] += (means ** (1 / power - 1) / power).astype(np.float32) @ raised
    found = []
    for index in range(len(powers)):
        value = 1 - float(roots[index].mean())
        influence = roots[index] + pulls[index] / n
        # a sum of influences that is off by delta moves the figure by as much
        offset = float(influence.mean()) - (1 - value)
        spread = mean(1 - (influence - offset))
        found.append(Estimate(value, n, spread.low, spread.high))
    return found


def packed(fingerprints: Iterable[ExplicitBitVect]) -> Words:
    """Return fingerprints as rows of 64-bit words."""
    rows = [DataStructs.BitVectToBinaryText(fingerprint) for fingerprint in fingerprints]
    return np.frombuffer(b"".join(rows), dtype=np.uint64).reshape(len(rows), -1)


class FingerprintSet:
    """Fingerprints that others are compared with.

    They lie word by word, not molecule by molecule, so that bits are counted along long rows of memory.

    Parameters
    ----------
    rows : ndarray, shape (n_molecules, n_words)
        As :func:`packed` returns them.
    """

    def __init__(self, rows: Words) -> None:
        self._words = np.ascontiguousarray(rows.T)
        self._counts = _n_bits(self._words).astype(np.float64)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._counts)

    def similarities(self, fingerprint: Words, first: int | None = None) -> Floats:
        """Return the Tanimoto similarities of a fingerprint to all, or to the ``first`` so many.

        Two fingerprints without a bit are equal.
        """
        counts = self._counts[:first]
        found = np.ones(len(counts))
        own = float(_n_bits(fingerprint[:, None])[0])
        for start in range(0, len(counts), _AT_ONCE):
            part = slice(start, min(start + _AT_ONCE, len(counts)))
            common = _n_bits(self._words[:, part] & fingerprint[:, None])
            total = counts[part] + (own - common)
            np.divide(common, total, out=found[part], where=total > 0)
        return found

    def nearest(self, fingerprint: Words) -> float:
        """Return the similarity to the nearest one (its mean over a set is the SNN of MOSES)."""
        return float(self.similarities(fingerprint).max())


def _n_bits(words: Words) -> NDArray[np.uint16]:
    """Return how many bits are set in each column."""
    if hasattr(np, "bitwise_count"):  # numpy 2
        counts: NDArray[np.uint16] = np.bitwise_count(words).sum(axis=0, dtype=np.uint16)
        return counts
    octets = np.ascontiguousarray(words).view(np.uint8).reshape(*words.shape, 8)
    return np.asarray(np.unpackbits(octets, axis=2).sum(axis=(0, 2), dtype=np.uint16))


def cosine_similarity(generated: Sequence[Collection[str]], reference: Mapping[str, int], what: str) -> Estimate:
    """Return the cosine of how often parts (fragments, scaffolds) occur in two sets (MOSES: Frag, Scaf).

    The interval is that of the first-order expansion over molecules, as for :func:`internal_diversity`.

    Parameters
    ----------
    generated : sequence of collections
        The parts of each molecule; none for one that has none.
    reference : mapping
        How often each part occurs in the reference set.
    what : str
        What the parts are, for the reason if there is none.
    """
    counts = Counter(part for parts in generated for part in parts)
    if not counts or not reference:
        side = "reference set" if counts else "set"
        return Estimate.unknown(f"no molecule of the {side} has a {what}", len(generated))
    length = np.sqrt(float(sum(count * count for count in reference.values())))
    # of each molecule: its share of the product with the reference, and of the squared length
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
        with warnings.catch_warnings(), rdBase.BlockLogs():  # the package reads the SMILES again
            warnings.simplefilter("ignore", DeprecationWarning)  # names that numpy will drop
            try:
                return float(self._distance(gen=list(generated), ref=list(reference)))
            except AttributeError as error:
                raise MissingError(
                    f"fcd_torch does not work with what is installed: {error}", hint='pip install "numpy==2.4.*"'
                ) from error
