"""Options of docking, checked before any file is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from logos_cli.docking.defaults import ENERGY_RANGE_KCAL_PER_MOL, EXHAUSTIVENESS, N_POSES, PH, SEED
from logos_cli.docking.engines.engines import Mode, Search
from logos_cli.docking.place import BoxOptions
from logos_cli.docking.receptor.preparation import ReceptorOptions
from logos_cli.errors import UsageError
from logos_cli.formats.base import ReadOptions
from logos_cli.options import nested


@dataclass(frozen=True, slots=True)
class DockOptions:
    """Options of a docking run.

    Attributes
    ----------
    box : BoxOptions
        The box; by default around the receptor's own ligand.
    receptor : ReceptorOptions
    ph : float, optional
        pH of the ligands' protonation; None keeps the charges of the input.
    stereo : bool
        Dock all stereoisomers of a ligand with undefined centres.
    ring_conformers : int
        Largest number of conformers of a ligand's saturated rings; each is docked, and the best poses are kept.
    mode : {"dock", "score", "minimize"}
        Search for poses, or score or relax given ones.
    exhaustiveness, n_poses, energy_range_kcal_per_mol, seed
        See :class:`~logos_cli.docking.engines.engines.Search`.
    engine : str
        ``auto``, ``vina``, ``vina-binary``, ``smina``, ``gnina`` or ``unidock``.
    cpu : int, optional
        Number of cores; None takes those that this process may use. Each ligand gets one, or more if there are
        fewer ligands than cores.
    seconds_per_ligand : float, optional
        Time limit; a ligand that takes longer is given up.
    reference : str, optional
        A file with known poses, for RMSDs.
    check : bool
        Test the best pose of each ligand with PoseBusters.
    read : ReadOptions
        How to read ligands from files, objects and texts.
    """

    box: BoxOptions = field(default_factory=BoxOptions)
    receptor: ReceptorOptions = field(default_factory=ReceptorOptions)
    ph: float | None = PH
    stereo: bool = False
    ring_conformers: int = 1
    mode: Mode = "dock"
    exhaustiveness: int = EXHAUSTIVENESS
    n_poses: int = N_POSES
    energy_range_kcal_per_mol: float = ENERGY_RANGE_KCAL_PER_MOL
    seed: int = SEED
    engine: str = "auto"
    cpu: int | None = None
    seconds_per_ligand: float | None = None
    reference: str | None = None
    check: bool = False
    read: ReadOptions = nested(ReadOptions)

    def __post_init__(self) -> None:
        if self.cpu is not None and self.cpu < 1:
            raise UsageError(f"--cpu is {self.cpu}; it must be 1 or more")
        if self.ring_conformers < 1:
            raise UsageError(f"--ring-conformers is {self.ring_conformers}; it must be 1 or more")
        if self.seconds_per_ligand is not None and self.seconds_per_ligand <= 0:
            raise UsageError("--time-per-ligand must be above 0")
        if self.mode not in ("dock", "score", "minimize"):
            raise UsageError(f"there is no mode {self.mode!r}", hint="choose dock, score or minimize")
        self.search(1)

    def search(self, threads: int) -> Search:
        """Return the options of the engine's search."""
        return Search(self.mode, self.exhaustiveness, self.n_poses, self.energy_range_kcal_per_mol, self.seed, threads)


@dataclass(frozen=True, slots=True)
class ReceptorSpec:
    """The receptor to dock into, and the options.

    Attributes
    ----------
    receptor : str
        PDB, mmCIF or BinaryCIF.
    """

    receptor: str
    options: DockOptions = field(default_factory=DockOptions)
