"""Options of docking, for ``logos dock`` and other commands that dock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from logos_cli.cli.option_specs import block, option
from logos_cli.cli.options.common import one_of, parse_time
from logos_cli.docking.defaults import (
    ENERGY_RANGE_KCAL_PER_MOL,
    ENGINES,
    EXHAUSTIVENESS,
    MARGIN_ANGSTROM,
    N_POSES,
    PH,
    SEED,
)

if TYPE_CHECKING:
    from logos_cli.docking.engines.engines import Mode
    from logos_cli.docking.options import DockOptions
    from logos_cli.docking.place import BoxOptions

_BOX, _RECEPTOR, _LIGANDS, _SEARCH, _OUTPUT = "Box", "Receptor", "Ligands", "Search", "Output"
_KEPT = "CCD|A:301"
RECEPTOR_FILE = "PDB, mmCIF or BinaryCIF, plain or compressed."


@dataclass(frozen=True, kw_only=True)
class BoxArguments:
    """Options of the box."""

    autobox_ligand: str | None = option(
        None,
        metavar="FILE|HEM|A:301",
        panel=_BOX,
        show_default="the site that ligands were made for, or the receptor's only ligand",
        help="Draw the box around a posed ligand, or around a ligand of the receptor.",
    )
    autobox_site: str | None = option(
        None,
        metavar="A:45,A:47-52|FILE",
        panel=_BOX,
        show_default=False,
        help="Draw the box around residues, or around the site of a record.",
    )
    center: str | None = option(None, metavar="X,Y,Z", panel=_BOX, show_default=False, help="Centre of the box, Å.")
    size: str | None = option(
        None, metavar="X,Y,Z|S", panel=_BOX, show_default="by the atoms; 22 with --center", help="Sides of the box, Å."
    )
    autobox_add: float = option(MARGIN_ANGSTROM, metavar="Å", panel=_BOX, help="Margin of the box on every side.")

    def options(self, residues: tuple[str, ...] | None = None) -> BoxOptions:
        """Return the options of the box; ``residues`` are those that a model predicted."""
        from logos_cli.docking.place import BoxOptions, parse_triple

        return BoxOptions(
            self.autobox_ligand,
            self.autobox_site,
            residues,
            None if self.center is None else parse_triple(self.center, "--center"),
            None if self.size is None else parse_triple(self.size, "--size"),
            self.autobox_add,
        )


@dataclass(frozen=True, kw_only=True)
class SearchArguments:
    """Options of the preparation of receptor and ligands, and of the search for poses."""

    keep_water: bool = option(False, "--keep-water", panel=_RECEPTOR, help="Keep the waters in the box.")
    keep: list[str] | None = option(
        None,
        metavar=_KEPT,
        panel=_RECEPTOR,
        show_default="metals and cofactors in the box",
        help="Keep this heterogen. May be given again.",
    )
    drop: list[str] | None = option(
        None, metavar=_KEPT, panel=_RECEPTOR, show_default=False, help="Leave this heterogen out. May be given again."
    )
    flex: str | None = option(
        None,
        metavar="A:45,A:102",
        panel=_RECEPTOR,
        show_default=False,
        help="Residues with flexible side chains; each pose is written with their final positions.",
    )
    ph: float = option(
        PH, "--ph", metavar="PH", panel=_RECEPTOR, help="pH that sets the charges of receptor and ligands."
    )
    as_given: bool = option(False, "--as-given", panel=_LIGANDS, help="Dock ligands with the charges of their input.")
    stereo: bool = option(False, "--stereo", panel=_LIGANDS, help="Dock all stereoisomers of unspecified centres.")
    ring_conformers: int = option(
        1,
        min=1,
        metavar="N",
        panel=_LIGANDS,
        help="Dock up to N conformers of each ligand's saturated rings, which the search cannot turn.",
    )
    exhaustiveness: int = option(
        EXHAUSTIVENESS, min=1, metavar="N", panel=_SEARCH, help="Independent runs of the search."
    )
    num_modes: int = option(N_POSES, min=1, metavar="N", panel=_SEARCH, help="Largest number of poses per ligand.")
    energy_range: float = option(
        ENERGY_RANGE_KCAL_PER_MOL,
        metavar="KCAL",
        panel=_SEARCH,
        help="Drop poses that are worse than the best by more than this (kcal/mol).",
    )
    cpu: int | None = option(
        None,
        min=1,
        metavar="N",
        panel=_SEARCH,
        show_default="all",
        help="Number of cores; each docks one ligand at a time.",
    )
    engine: str = option(
        "auto",
        metavar="|".join(ENGINES),
        panel=_SEARCH,
        autocompletion=one_of(*ENGINES),
        help="Docking engine: the vina package, or a program on the PATH.",
    )
    time_per_ligand: str | None = option(
        None, metavar="90s|5m", panel=_SEARCH, show_default="no limit", help="Give up a ligand that takes longer."
    )
    check: bool = option(False, "--check", panel=_OUTPUT, help="Test each best pose with PoseBusters.")

    def options(
        self, box: BoxOptions, seed: int, *, model: int = 1, mode: Mode = "dock", reference: str | None = None
    ) -> DockOptions:
        """Return the options of the library.

        Parameters
        ----------
        model : int
            One-based model of an ensemble.
        """
        from logos_cli.docking.options import DockOptions
        from logos_cli.docking.receptor.preparation import ReceptorOptions

        flexible = tuple(part.strip() for part in (self.flex or "").split(",") if part.strip())
        kept, dropped = tuple(self.keep or ()), tuple(self.drop or ())
        return DockOptions(
            box=box,
            receptor=ReceptorOptions(self.ph, self.keep_water, kept, dropped, flexible, model),
            ph=None if self.as_given else self.ph,
            stereo=self.stereo,
            ring_conformers=self.ring_conformers,
            mode=mode,
            exhaustiveness=self.exhaustiveness,
            n_poses=self.num_modes,
            energy_range_kcal_per_mol=self.energy_range,
            seed=seed,
            engine=self.engine,
            cpu=self.cpu,
            seconds_per_ligand=None if self.time_per_ligand is None else parse_time(self.time_per_ligand),
            reference=reference,
            check=self.check,
        )


@dataclass(frozen=True, kw_only=True)
class DockingArguments:
    """Options of other commands that dock: the receptor, box and search, and a seed of its own."""

    receptor: str | None = option(
        None,
        "--receptor",
        "-r",
        metavar="FILE",
        show_default="the structure of the prompt",
        help=f"Receptor to dock into: {RECEPTOR_FILE}",
    )
    box: BoxArguments = block(BoxArguments)
    search: SearchArguments = block(SearchArguments)
    dock_seed: int = option(SEED, min=0, metavar="N", help="Seed of conformers and search.")

    def options(self) -> DockOptions:
        """Return the options of the library."""
        return self.search.options(self.box.options(), self.dock_seed)
