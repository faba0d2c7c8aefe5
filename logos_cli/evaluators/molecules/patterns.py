"""Lists of substructure patterns: structural alerts and medicinal chemistry filters.

RDKit needs 2.4 ms a molecule to match 480 PAINS one after the other. A pattern cannot match if the molecule lacks one
of its features (the small fragments of RDKit's pattern fingerprint). This test leaves one pattern in ten to match, and
one fingerprint of the molecule serves all lists.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, DataStructs, RDConfig

from logos_cli.errors import MissingError

if TYPE_CHECKING:
    from rdkit.Chem.FilterCatalog import FilterCatalog

Words = NDArray[np.uint64]

_N_BITS: Final = 2048
_PAINS: Final = Path(RDConfig.RDDataDir) / "Pains" / "wehi_pains.csv"
_REGISTERED: Final = re.compile(r"<regId=(.*)>")
_MCF: Final = Path(__file__).with_name("moses_mcf.csv")
_NOT_MOSES: Final = Chem.MolFromSmarts("[!+0,!#1&!#6&!#7&!#8&!#9&!#16&!#17&!#35]")
"""A charged atom, or an element that MOSES does not allow."""
_MOSES_RING: Final = 8


def features(molecule: Chem.Mol) -> Words:
    """Return RDKit's pattern fingerprint of a molecule or pattern as 64-bit words."""
    text = DataStructs.BitVectToBinaryText(Chem.PatternFingerprint(molecule, _N_BITS))
    return np.frombuffer(text, dtype=np.uint64)


class Patterns:
    """Patterns of one list, in its order; the fingerprint of a molecule rules out most of them."""

    def __init__(self, patterns: Iterable[Chem.Mol]) -> None:
        self._patterns = tuple(patterns)
        self._features = np.stack([features(pattern) for pattern in self._patterns])

    def __len__(self) -> int:
        return len(self._patterns)

    def _possible(self, present: Words) -> Sequence[int]:
        places: list[int] = np.flatnonzero(~(self._features & ~present).any(axis=1)).tolist()
        return places

    def matches(self, molecule: Chem.Mol, present: Words) -> list[int]:
        """Return the indices of the patterns that a molecule contains, given its :func:`features`."""
        patterns = self._patterns
        return [place for place in self._possible(present) if molecule.HasSubstructMatch(patterns[place])]

    def n_hits(self, molecule: Chem.Mol, present: Words) -> int:
        """Return the number of matches of all patterns in a molecule, given its :func:`features`."""
        patterns = self._patterns
        return sum(len(molecule.GetSubstructMatches(patterns[place])) for place in self._possible(present))


@cache
def pains() -> tuple[Patterns, tuple[str, ...]]:
    """Return the PAINS of Baell and Holloway from RDKit, and their names.

    Raises
    ------
    MissingError
        If RDKit is installed without its data folder.
    """
    try:
        with _PAINS.open(newline="", encoding="utf-8") as stream:
            rows = [(smarts.strip(), name) for smarts, name in csv.reader(stream)]
    except OSError as error:
        raise MissingError(
            "RDKit is installed without its list of PAINS", hint="pip install --force-reinstall rdkit"
        ) from error
    # the list has explicit hydrogens, molecules have implicit ones
    patterns = Patterns(Chem.MolFromSmarts(smarts, mergeHs=True) for smarts, _ in rows)
    return patterns, tuple(_REGISTERED.sub(r"\1", name) for _, name in rows)


def pains_alerts(molecule: Chem.Mol, present: Words) -> list[str]:
    """Return the names of the PAINS in a molecule."""
    patterns, names = pains()
    return [names[place] for place in patterns.matches(molecule, present)]


@cache
def _brenk() -> FilterCatalog:
    from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

    return FilterCatalog(FilterCatalogParams(FilterCatalogParams.FilterCatalogs.BRENK))


def brenk_alerts(molecule: Chem.Mol) -> list[str]:
    """Return the names of the unwanted groups of Brenk et al. in a molecule."""
    return [entry.GetDescription() for entry in _brenk().GetMatches(molecule)]


@cache
def _medicinal_chemistry_filters() -> tuple[Chem.Mol, ...]:
    with _MCF.open(newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(line for line in stream if not line.startswith("#"))
        return tuple(Chem.MolFromSmarts(row["smarts"]) for row in rows)


def passes_moses_filters(molecule: Chem.Mol) -> bool:
    """Whether a molecule passes the filters of MOSES other than PAINS.

    It has only C, N, O, S, F, Cl, Br and H, no charged atom, no ring of eight atoms or more, and matches none of 22
    medicinal chemistry filters.
    """
    if any(len(ring) >= _MOSES_RING for ring in molecule.GetRingInfo().AtomRings()):
        return False
    if molecule.HasSubstructMatch(_NOT_MOSES):
        return False
    with_hydrogens = Chem.AddHs(molecule)  # the patterns have explicit hydrogens
    return not any(with_hydrogens.HasSubstructMatch(pattern) for pattern in _medicinal_chemistry_filters())
