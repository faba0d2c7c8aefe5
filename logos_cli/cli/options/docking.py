"""How to dock: options of ``logos dock``, and of other commands that dock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from logos_cli.cli.option_specs import block, option
from logos_cli.cli.options.common import one_of, parse_time
from logos_cli.docking import defaults

if TYPE_CHECKING:
    from logos_cli.docking.engines.engines import Mode
    from logos_cli.docking.options import DockOptions
    from logos_cli.docking.place import BoxOptions

_BOX, _RECEPTOR, _LIGANDS, _SEARCH, _OUTPUT = "Box", "Receptor", "Ligands", "Search", "Output"
_KEPT = "CCD|A:301"
RECEPTOR_FILE = "PDB, mmCIF or BinaryCIF, plain or compressed."


@dataclass(frozen=True, kw_only=True)
class BoxArguments:
    """Where to dock."""

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
        help="Draw it around residues, or around the site of a record.",
    )
    center: str | None = option(None, metavar="X,Y,Z", panel=_BOX, show_default=False, help="Centre of the box, Å.")
    size: str | None = option(
        None, metavar="X,Y,Z|S", panel=_BOX, show_default="by the atoms; 22 with --center", help="Sides of the box, Å."
    )
    autobox_add: float = option(
        defaults.MARGIN_ANGSTROM, metavar="Å", panel=_BOX, help="Room on every side of what the box is drawn around."
    )

    def options(self, residues: tuple[str, ...] | None = None) -> BoxOptions:
        """Return the box of the library, or the one around residues that a model predicted."""
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
    """How receptor and ligands are prepared, and how poses are searched."""

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
        help="Residues whose side chains move; each pose is written with where they end.",
    )
    ph: float = option(
        defaults.PH, "--ph", metavar="PH", panel=_RECEPTOR, help="pH whose dominant charges receptor and ligands get."
    )
    as_given: bool = option(
        False, "--as-given", panel=_LIGANDS, help="Dock ligands with the charges that they are given with."
    )
    stereo: bool = option(False, "--stereo", panel=_LIGANDS, help="Dock every stereoisomer that a ligand leaves open.")
    exhaustiveness: int = option(
        defaults.EXHAUSTIVENESS, min=1, metavar="N", panel=_SEARCH, help="Independent runs of the search."
    )
    num_modes: int = option(
        defaults.N_POSES, min=1, metavar="N", panel=_SEARCH, help="Poses kept of each ligand, at most."
    )
    energy_range: float = option(
        defaults.ENERGY_RANGE_KCAL_PER_MOL,
        metavar="KCAL",
        panel=_SEARCH,
        help="Drop poses that are worse than the best by more (kcal/mol).",
    )
    cpu: int | None = option(
        None, min=1, metavar="N", panel=_SEARCH, show_default="all", help="Cores; each docks a ligand of its own."
    )
    engine: str = option(
        "auto",
        metavar="|".join(defaults.ENGINES),
        panel=_SEARCH,
        autocompletion=one_of(*defaults.ENGINES),
        help="What searches: the vina package, or a program on the PATH.",
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
            One-based, of an ensemble.
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
    """How a command docks beside other things: a receptor, how, and the search's own seed."""

    receptor: str | None = option(
        None,
        "--receptor",
        "-r",
        metavar="FILE",
        show_default="the structure that the prompt comes from",
        help=f"What to dock into: {RECEPTOR_FILE}",
    )
    box: BoxArguments = block(BoxArguments)
    search: SearchArguments = block(SearchArguments)
    dock_seed: int = option(defaults.SEED, min=0, metavar="N", help="Seed of conformers and search.")

    def options(self) -> DockOptions:
        """Return the options of the library."""
        return self.search.options(self.box.options(), self.dock_seed)
