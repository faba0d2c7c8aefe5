"""Write a molecule as another SMILES: at random, or along a reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from logos_cli.errors import MoleculeError

_GRAMS: Final = (3, 5, 8)
_ENOUGH: Final = 0.6
"""Share of a SMILES found in the reference that ends the search for a better one."""


@lru_cache(maxsize=512)  # both directions of a reaction, prompt and answer, have the same few molecules
def _read(smiles: str) -> Any:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        raise MoleculeError(f"RDKit cannot read the SMILES {smiles}", text=smiles)
    return molecule


@lru_cache(maxsize=512)
def canonical(smiles: str) -> str:
    """Return the canonical isomeric SMILES.

    Raises
    ------
    MoleculeError
        If RDKit cannot read ``smiles``.
    """
    from rdkit import Chem

    return str(Chem.MolToSmiles(_read(smiles)))


def randomized(smiles: str, seed: int) -> str:
    """Return the molecule as a SMILES with another order of atoms; the same seed gives the same one.

    Raises
    ------
    MoleculeError
        If RDKit cannot read ``smiles``.
    """
    from rdkit import Chem

    return str(Chem.MolToRandomSmilesVect(_read(smiles), 1, randomSeed=1 + seed % (2**31 - 1))[0])


def rooted(smiles: str, seed: int) -> str:
    """Return the molecule as the SMILES that begins at an atom drawn by ``seed``, and is canonical from there on.

    It is less varied than :func:`randomized`, and more similar to a canonical SMILES.

    Raises
    ------
    MoleculeError
        If RDKit cannot read ``smiles``.
    """
    from rdkit import Chem

    molecule = _read(smiles)
    return str(Chem.MolToSmiles(molecule, rootedAtAtom=seed % molecule.GetNumAtoms()))


def aligned(smiles: str, reference: str) -> str:
    """Return the molecule as the SMILES with most text in common with ``reference``.

    Reactants that are written along their product repeat most of it letter by letter. This is easier to learn than two
    canonical SMILES with different orders of atoms (Zhong et al. 2022, doi:10.1039/D2SC02763A, who align by atom maps;
    here no maps are needed). The measure is the number of common substrings of 3, 5 and 8 characters.

    The candidates are the SMILES rooted at each atom, first at those with one neighbour, where most SMILES begin. The
    others are tried only if none of the first has 60 % of its text in the reference. On the reactions of USPTO-50K this
    takes a third of the time, and gives 99.4 % of the common text.

    Raises
    ------
    MoleculeError
        If RDKit cannot read ``smiles``.
    """
    from rdkit import Chem

    molecule = _read(smiles)
    wanted = Counter(_grams(reference))
    ends: dict[int, int] = {}
    others: dict[int, int] = {}
    # equivalent atoms give the same SMILES
    for atom, rank in zip(molecule.GetAtoms(), Chem.CanonicalRankAtoms(molecule, breakTies=False), strict=True):
        (ends if atom.GetDegree() <= 1 else others).setdefault(rank, atom.GetIdx())
    best, common, enough = "", -1, False
    for roots in (ends, others):
        candidates = {str(Chem.MolToSmiles(molecule, rootedAtAtom=root)) for root in roots.values()}
        # the smallest text wins ties, so that the choice does not depend on the order of a set
        for candidate in sorted(candidates):
            grams = _grams(candidate)
            if (score := _common(grams, wanted)) > common:
                best, common, enough = candidate, score, score >= _ENOUGH * len(grams)
        if enough:
            break
    return best


def _grams(text: str) -> list[str]:
    return [text[i : i + length] for length in _GRAMS for i in range(len(text) - length + 1)]


def _common(grams: Sequence[str], wanted: Mapping[str, int]) -> int:
    """Return the number of wanted substrings, each counted at most as often as it is wanted."""
    found = [gram for gram in grams if gram in wanted]
    if len(set(found)) == len(found):
        return len(found)
    return sum(min(count, wanted[gram]) for gram, count in Counter(found).items())


def along(molecules: Sequence[str], reference: str) -> list[str]:
    """Return each molecule :func:`aligned` with ``reference``, in the order in which they first match it.

    Raises
    ------
    MoleculeError
        If RDKit cannot read one.
    """
    made = [aligned(smiles, reference) for smiles in molecules]
    return sorted(made, key=lambda smiles: (first_common(smiles, reference), smiles))


def first_common(smiles: str, reference: str) -> int:
    """Return the first position in ``reference`` of a substring of ``smiles``, of the longest common length.

    It is the length of the reference if they have none in common, so that such molecules come last.
    """
    for length in reversed(_GRAMS):
        places = [reference.find(smiles[i : i + length]) for i in range(len(smiles) - length + 1)]
        if places := [place for place in places if place >= 0]:
            return min(places)
    return len(reference)
