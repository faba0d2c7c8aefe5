"""SMILES of the finite organic pieces of a crystal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from logos_cli.errors import MoleculeError, StructureError
from logos_cli.objects._bond_orders import Skeleton, in_canonical_order, perceive

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from logos_cli.formats._crystal_bonds import BondGraph
    from logos_cli.formats._crystal_cell import UnitCell
    from logos_cli.formats._crystal_fragments import Piece

_LENGTHS_ANGSTROM: Final[dict[frozenset[str], tuple[float, float, float]]] = {
    frozenset("C"): (1.50, 1.34, 1.20),
    frozenset("CN"): (1.46, 1.28, 1.15),
    frozenset("CO"): (1.38, 1.22, 1.13),
    frozenset("N"): (1.42, 1.24, 1.10),
    frozenset("NO"): (1.38, 1.21, 1.10),
    frozenset("CS"): (1.80, 1.66, 1.50),
}
"""Typical lengths of single, double and triple bonds between trigonal atoms."""
_NO_SUGGESTION: Final = 1.5
_LINEAR_DEGREES: Final = 155.0
_TETRAHEDRAL_DEGREES: Final = 115.0
_PLANAR_SUM_DEGREES: Final = 350.0


def formula(symbols: Iterable[str]) -> str:
    """Return the Hill formula of atoms: carbon, hydrogen, then the others by alphabet."""
    counts = Counter(symbols)
    first = [symbol for symbol in ("C", "H") if symbol in counts] if "C" in counts else []
    rest = sorted(symbol for symbol in counts if symbol not in first)
    return " ".join(symbol + (str(counts[symbol]) if counts[symbol] > 1 else "") for symbol in first + rest)


class FragmentReader:
    """Reads SMILES of organic pieces; equal pieces are worked out once.

    Attributes
    ----------
    notes : list of str
        What was added or assumed.
    """

    def __init__(self, atoms: UnitCell, graph: BondGraph) -> None:
        self.atoms, self.graph = atoms, graph
        self.notes: list[str] = []
        self._known: dict[Skeleton, str] = {}
        self._added = 0

    def smiles(self, piece: Piece) -> str:
        """Return the canonical SMILES of a finite piece, without stereo.

        Raises
        ------
        StructureError
            If its atoms do not add up to a molecule, naming them.
        """
        number = {atom: n for n, atom in enumerate(piece.atoms)}
        xyz = self._positions(piece)
        bonds = [(number[a], number[b]) for a in piece.atoms for b, _ in self.graph.organic[a] if a < b]
        elements = tuple(self.atoms.elements[atom] for atom in piece.atoms)
        counts = [len(self.graph.hydrogens[atom]) for atom in piece.atoms]
        bare = not any(n for n, symbol in zip(counts, elements, strict=True) if symbol == "C")
        missing = self._missing_hydrogens(piece, elements, counts, xyz) if bare else [0] * len(counts)
        total = tuple(n + more for n, more in zip(counts, missing, strict=True))
        plain = in_canonical_order(Skeleton(elements, total, tuple(bonds)))
        if plain not in self._known:
            orders = tuple(_suggested_order(elements[a], elements[b], xyz[a], xyz[b]) for a, b in bonds)
            self._known[plain] = self._perceive(piece, Skeleton(elements, total, tuple(bonds), orders))
        if any(missing) and not self._added:
            self.notes.append("hydrogens on carbon are absent from the file and were added by geometry")
        self._added += sum(missing)
        return self._known[plain]

    def _perceive(self, piece: Piece, skeleton: Skeleton) -> str:
        try:
            smiles = perceive(skeleton)
        except MoleculeError as error:
            raise self._broken(piece, skeleton, error.message) from error
        if "[C-]" in smiles or "[CH-]" in smiles or "[c-]" in smiles or "[C+]" in smiles or "[CH+]" in smiles or "[CH2-]" in smiles:
            carbons = [atom for atom in piece.atoms if self.atoms.elements[atom] == "C"]
            if not any(self.graph.contacts[atom] for atom in carbons):
                raise self._broken(piece, skeleton, f"a carbon has an open valence: {smiles}")
        return smiles

    def _broken(self, piece: Piece, skeleton: Skeleton, reason: str) -> StructureError:
        symbols = [*skeleton.elements, *["H"] * sum(skeleton.n_hydrogens)]
        labels = list(dict.fromkeys(self.atoms.labels[atom] for atom in piece.atoms))
        shown = ", ".join(labels[:8]) + (", …" if len(labels) > 8 else "")  # noqa: PLR2004
        return StructureError(
            f"the organic part {formula(symbols)} (atoms {shown}) is no molecule: {reason}",
            hint="an atom or hydrogen is missing, or disordered parts overlap: correct the file",
        )

    def _positions(self, piece: Piece) -> NDArray[np.float64]:
        shifts = np.array([piece.shifts[atom] for atom in piece.atoms], dtype=float)
        return np.asarray((self.atoms.fractional[list(piece.atoms)] + shifts) @ self.atoms.matrix)

    def _missing_hydrogens(
        self, piece: Piece, elements: tuple[str, ...], counts: list[int], xyz: NDArray[np.float64]
    ) -> list[int]:
        """Return how many hydrogens the geometry asks for at each atom of a piece without C-H."""
        number = {atom: n for n, atom in enumerate(piece.atoms)}
        missing = []
        for n, atom in enumerate(piece.atoms):
            around = [number[other] for other, _ in self.graph.organic[atom]]
            vectors = xyz[around] - xyz[n]
            if counts[n] or not around:
                missing.append(0)
            elif elements[n] == "C" and not self.graph.contacts[atom]:
                missing.append(_hydrogens_on_carbon([elements[i] for i in around], vectors))
            elif elements[n] == "N" and not self.graph.contacts[atom]:
                missing.append(_hydrogens_on_nitrogen(vectors))
            else:
                missing.append(0)
        return missing


def _suggested_order(first: str, second: str, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the bond order, 1 to 3, that a length suggests."""
    lengths = _LENGTHS_ANGSTROM.get(frozenset((first, second)))
    if lengths is None:
        return _NO_SUGGESTION
    return float(np.interp(-np.linalg.norm(a - b), [-length for length in lengths], [1.0, 2.0, 3.0]))


def _angles(vectors: NDArray[np.float64]) -> list[float]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = np.clip(unit @ unit.T, -1, 1)
    upper = np.triu_indices(len(vectors), 1)
    return [float(angle) for angle in np.degrees(np.arccos(cosines[upper]))]


def _hydrogens_on_carbon(around: list[str], vectors: NDArray[np.float64]) -> int:
    """Return the hydrogens of a carbon from the shape of what surrounds it."""
    lengths = np.linalg.norm(vectors, axis=1)
    if len(around) == 1:
        length = float(lengths[0])
        single, double, triple = _LENGTHS_ANGSTROM.get(frozenset(("C", around[0])), (1.5, 1.3, 1.2))
        if length < (double + triple) / 2:
            return 1 if around[0] == "C" else 0
        return 2 if length < (double + single) / 2 and around[0] != "N" else 3
    angles = _angles(vectors)
    if len(around) == 2:  # noqa: PLR2004
        if angles[0] > _LINEAR_DEGREES:
            return 0
        return 2 if angles[0] < _TETRAHEDRAL_DEGREES and lengths.min() > 1.44 else 1  # noqa: PLR2004
    if len(around) == 3:  # noqa: PLR2004
        return 0 if sum(angles) > _PLANAR_SUM_DEGREES else 1
    return 0


def _hydrogens_on_nitrogen(vectors: NDArray[np.float64]) -> int:
    """Return the hydrogens of an amine nitrogen at the end of a chain; others are left to the valences."""
    lengths = np.linalg.norm(vectors, axis=1)
    return 2 if len(vectors) == 1 and lengths[0] > 1.3 else 0  # noqa: PLR2004
