"""Dock ligands into one receptor, and yield the results in input order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import chain, groupby, islice
from os import PathLike, fspath
from typing import Self

from logos_cli.docking.candidates import LigandCandidate
from logos_cli.docking.engines import engines
from logos_cli.docking.engines.worker import DockingPool, DockingSetup, Task, start_pool
from logos_cli.docking.ligand import LigandOptions
from logos_cli.docking.options import DockOptions
from logos_cli.docking.place import DockingBox, SiteLocator, SiteReference, find_place
from logos_cli.docking.receptor.preparation import Receptor, read_model
from logos_cli.docking.results import DockedLigand, Reporter, Site
from logos_cli.docking.tally import DockTally
from logos_cli.io.input import Input
from logos_cli.processes.environment import usable_cores
from logos_cli.structure.model import StructureModel


class Session:
    """A receptor and an engine, to dock ligands; they are prepared and started when needed.

    As a context it keeps its processes for further ligands; otherwise they end with each call of :meth:`dock`.

    Attributes
    ----------
    path : str
        The receptor's file, or the name of an object in memory.
    site : Site
        The binding site; the first ligand's, if there are several.
    tally : DockTally
    """

    def __init__(
        self, receptor: str | PathLike[str] | Input, options: DockOptions, *, tally: DockTally | None = None
    ) -> None:
        self.options = options
        self.engine = engines.choose(options.engine)
        self.tally = DockTally() if tally is None else tally
        self.tally.verb = {"dock": "docked", "score": "scored", "minimize": "minimised"}[options.mode]
        with closing(receptor if isinstance(receptor, Input) else Input(fspath(receptor))) as source:
            self.path = source.name
            self.model: StructureModel = read_model(source, options.receptor.model)
            self.sha256 = source.sha256
        self._reporter = Reporter(options, self.engine, self.tally)
        self._sites: dict[SiteReference | None, Site] = {}
        self._last_mark: SiteReference | None = None
        self._first: LigandCandidate | None = None
        self._keeps = False
        self._kept: tuple[DockingSetup, int, DockingPool] | None = None

    def __enter__(self) -> Self:
        self._keeps = True
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the kept processes."""
        if self._kept is not None:
            self._kept[2].close()
            self._kept = None

    def set_first_ligand(self, first: LigandCandidate) -> None:
        """Set the ligand that determines the first site, unless an option sets the box."""
        self._first = first

    @property
    def site(self) -> Site:
        """The binding site, or the first of several."""
        if self._sites:
            return next(iter(self._sites.values()))
        if self._first is None:
            return self._site_of(None)
        return self._site_of(self._mark(self._first))

    @property
    def sites(self) -> list[Site]:
        """All binding sites that ligands have been docked into."""
        return list(self._sites.values())

    @property
    def place(self) -> DockingBox:
        """The box of the site."""
        return self.site.place

    @property
    def receptor(self) -> Receptor:
        """The receptor, prepared for that box."""
        return self.site.receptor

    def plan(self) -> dict[str, object]:
        """Return the resolved options of a run; the receptor is not prepared."""
        options = self.options
        return {
            "receptor": self.model.name,
            "box": self.place.box.to_json(),
            "engine": self.engine,
            "engine_version": engines.version_of(self.engine),
            "mode": options.mode,
            "exhaustiveness": options.exhaustiveness,
            "num_modes": options.n_poses,
            "ring_conformers": options.ring_conformers,
            "seed": options.seed,
            "ph": options.ph,
            "cpu": options.cpu or usable_cores(),
        }

    # -- sites ---------------------------------------------------------------------------------------

    @cached_property
    def _locator(self) -> SiteLocator:
        return SiteLocator(self.model)

    def _mark(self, candidate: LigandCandidate) -> SiteReference | None:
        """Return the mark of a ligand's site; a ligand with an error has that of the ligand before it."""
        if not self.options.box.is_open:
            return None
        mark = self._locator.of(candidate.record)
        if mark is not None or candidate.error is None:
            self._last_mark = mark
        return self._last_mark

    def _site_of(self, mark: SiteReference | None) -> Site:
        if mark not in self._sites:
            place = find_place(self.model, self.options.box, mark)
            self._sites[mark] = Site(self.model, self.sha256, self.options, place)
        return self._sites[mark]

    # -- the run -------------------------------------------------------------------------------------

    def dock(self, candidates: Iterable[LigandCandidate]) -> Iterator[DockedLigand]:
        """Yield the ligands with their poses, in input order.

        If no option sets the box, each ligand is docked into the site that it was made for.
        """
        for mark, group in groupby(candidates, self._mark):
            yield from self._dock_at(mark, group)

    def _dock_at(self, mark: SiteReference | None, candidates: Iterator[LigandCandidate]) -> Iterator[DockedLigand]:
        options = self.options
        n_cores = options.cpu or usable_cores()
        first = list(islice(candidates, n_cores + 1))
        is_all = len(first) <= n_cores
        n_usable = sum(candidate.error is None for candidate in first)
        if is_all and not n_usable:
            yield from map(self._reporter.unusable, first)
            return
        n_workers = n_usable if is_all else n_cores
        site = self._site_of(mark)
        receptor = site.receptor
        setup = DockingSetup(
            self.engine,
            engines.Target(receptor.rigid_pdbqt, receptor.flexible_pdbqt, site.place.box),
            options.search(max(1, n_cores // n_workers)),
            LigandOptions(options.ph, options.mode != "dock", options.seed, options.ring_conformers),
            replace(receptor) if options.check else None,  # a copy without cached properties
        )
        with self._pool(setup, n_workers, keep=self._keeps and not is_all) as pool:
            yield from self._results(pool, site, chain(first, candidates))

    @contextmanager
    def _pool(self, setup: DockingSetup, n_workers: int, *, keep: bool) -> Iterator[DockingPool]:
        """Open a pool, or take the kept one; a pool with unfinished work is not kept."""
        limit = self.options.seconds_per_ligand
        if not keep:
            with start_pool(setup, n_workers, limit) as pool:
                yield pool
            return
        if self._kept is None or self._kept[:2] != (setup, n_workers):
            self.close()
            self._kept = setup, n_workers, start_pool(setup, n_workers, limit)
        try:
            yield self._kept[2]
        except BaseException:
            self.close()
            raise

    def _results(self, pool: DockingPool, site: Site, candidates: Iterable[LigandCandidate]) -> Iterator[DockedLigand]:
        drawn: deque[LigandCandidate] = deque()

        def tasks() -> Iterator[Task]:
            for candidate in candidates:
                drawn.append(candidate)
                if candidate.error is None:
                    yield Task(candidate.smiles, candidate.molblock)

        for outcome in pool.map(tasks()):
            while drawn[0].error is not None:
                yield self._reporter.unusable(drawn.popleft())
            yield self._reporter.docked(drawn.popleft(), outcome, site)
        yield from map(self._reporter.unusable, drawn)
