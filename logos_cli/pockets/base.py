"""The contract of an engine that finds pockets in a structure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from logos_cli.structure.model import StructureModel


@dataclass(frozen=True, slots=True)
class ProteinAtoms:
    """The heavy atoms of a protein.

    Attributes
    ----------
    names, residue_names, elements : list of str
        Name of each atom (``CA``), name of its residue in the PDB (``ALA``), symbol of its element.
    positions : ndarray of float32, shape (n_atoms, 3)
        Å.
    rows : ndarray of int, shape (n_atoms,)
        The residue of each atom, as a row of the model's residues.
    """

    names: list[str]
    residue_names: list[str]
    elements: list[str]
    positions: NDArray[np.float32]
    rows: NDArray[np.intp]

    @classmethod
    def of(cls, model: StructureModel, rows: list[int]) -> ProteinAtoms:
        """Return the atoms of some residues of a model."""
        import gemmi

        atoms = model.atoms(rows)
        owners = np.repeat(np.arange(len(model.residues)), model.residues.last - model.residues.first)[atoms]
        standards = model.residues.standards
        return cls(
            [model.atom_name(atom) for atom in atoms.tolist()],
            [standards[row] for row in owners.tolist()],
            [gemmi.Element(int(number)).name for number in model.elements[atoms].tolist()],
            model.positions[atoms].astype(np.float32),
            owners,
        )


@dataclass(frozen=True, slots=True)
class Pocket:
    """A pocket on the surface of a protein.

    Attributes
    ----------
    score : float
        The engine's own; higher is better.
    probability : float or None
        Calibrated probability that a ligand binds there, if the engine has one.
    centre_angstrom : tuple of float
        Where a ligand would lie.
    residues : tuple of int
        The residues that line it, as rows of the model's residues, ascending.
    volume_cubic_angstrom : float or None
        Volume, if the engine computes one.
    """

    score: float
    probability: float | None
    centre_angstrom: tuple[float, float, float]
    residues: tuple[int, ...]
    volume_cubic_angstrom: float | None


@dataclass(frozen=True, slots=True)
class FoundPockets:
    """What an engine found in a protein.

    Attributes
    ----------
    pockets : list of Pocket
        The best first.
    residue_scores : dict of int to float
        Score of a residue, from 0 to 1, by its row in the model's residues; residues without a pocket may lack.
    """

    pockets: list[Pocket]
    residue_scores: dict[int, float]


class PocketEngine(ABC):
    """Finds pockets; the ``PLUGIN`` of its module is an instance.

    Attributes
    ----------
    name : str
        Name on the command line.
    package : str
        Its distribution, whose version records report.
    install : str
        The command that installs it.
    help : str
        One sentence.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    install: ClassVar[str]
    help: ClassVar[str]

    @property
    def is_available(self) -> bool:
        """Whether its package is installed."""
        from importlib.util import find_spec

        return find_spec(self.package.replace("-", "_")) is not None

    @property
    def version(self) -> str:
        """Version of its package."""
        from importlib.metadata import version

        return version(self.package)

    @abstractmethod
    def find(self, atoms: ProteinAtoms) -> FoundPockets:
        """Return the pockets.

        Raises
        ------
        StructureError
            If the protein is too small for a pocket.
        """
