"""Plan routes: the function behind ``logos generate route``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike, fspath
from typing import IO, TYPE_CHECKING, cast

from logos_cli.accounting import Account, account_line
from logos_cli.errors import LogosError, MissingError, UsageError
from logos_cli.grammar import Form, emit
from logos_cli.io.selection import Selection
from logos_cli.objects.molecule import Molecule
from logos_cli.options import options_or_fields
from logos_cli.records import Record, Status
from logos_cli.records.parts import Sample
from logos_cli.workflows.generate.options import GenerateOptions
from logos_cli.workflows.generate.plan import GenerationPlan, plan_generation
from logos_cli.workflows.generate.prompts import PreparedPrompt, PromptReader, Prompts
from logos_cli.workflows.route.proposals import Proposal, Proposer, product_of
from logos_cli.workflows.route.stock import Stock
from logos_cli.workflows.route.tree import RouteNode

if TYPE_CHECKING:
    from logos_cli.workflows.route.search import RouteSearch, SingleStep

_INSTALL = "pip install 'logos-cli[routes]'"


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """Options of a search for routes.

    Attributes
    ----------
    top : int
        Routes of each target; the search ends when there are as many.
    depth : int
        Most steps in the longest line of a route.
    expansions : int
        Molecules of a target for which the model is asked for reactants.
    time_s : float
        Seconds for each target; checked between expansions. A search that ends by its time depends on the machine.
    """

    top: int = 5
    depth: int = 6
    expansions: int = 100
    time_s: float = 300.0

    def __post_init__(self) -> None:
        for name in ("top", "depth", "expansions"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if not self.time_s > 0:
            raise UsageError(f"the time of a target is {self.time_s:g} s; it must be above 0")


@dataclass(slots=True)
class RouteTally(Account):
    """The targets of a run by outcome.

    Attributes
    ----------
    solved, unsolved : int
        Targets with and without a route.
    failed : int
        Targets that cannot be used.
    interrupted : int
        Targets whose search was interrupted.
    n_routes : int
        Routes of all targets.
    """

    solved: int = 0
    unsolved: int = 0
    failed: int = 0
    interrupted: int = 0
    n_routes: int = 0

    @property
    def requested(self) -> int:
        """All targets."""
        return self.solved + self.unsolved + self.failed + self.interrupted

    @property
    def good(self) -> int:
        """Targets with a route."""
        return self.solved

    @property
    def lost(self) -> int:
        """Targets that cannot be used."""
        return self.failed

    def __str__(self) -> str:
        stages = [(self.requested, "target" if self.requested == 1 else "targets"), (self.solved, "with a route")]
        losses = [(self.unsolved, "without a route"), (self.failed, "failed"), (self.interrupted, "interrupted")]
        return f"{account_line(stages, losses)}; routes: {self.n_routes:,}"


@dataclass(frozen=True, slots=True)
class FoundRoute:
    """The record of a route, or of a target without one, and the route itself."""

    record: Record
    target: str
    route: RouteNode | None = None


Progress = Callable[[str, int], None]
"""Called with what is done now, and the number of finished targets."""


def route(
    targets: Prompts,
    stock: str | PathLike[str] | Sequence[str | PathLike[str]],
    options: RouteOptions | None = None,
    *,
    generation: GenerateOptions | None = None,
    **choices: object,
) -> Iterator[Record]:
    """Plan routes from a stock to targets by Retro*, with the model's retrosynthesis as its single step.

    Parameters
    ----------
    targets : str, path, Molecule, Record, or iterable of these
        As prompts of ``generate("retrosynthesis", …)``.
    stock : path or sequence of paths
        Files of SMILES, InChIKeys, or other molecules.
    options : RouteOptions, optional
        Its fields may be keywords instead: ``route("CCO", "stock.smi", depth=3)``.
    generation : GenerateOptions, optional
        Model and sampling of the single step.

    Yields
    ------
    Record
        One for each route, the likeliest first: its text is the last reaction of the route, its key ``route`` holds
        all steps. A target without a route has a record of its molecule with the ``status`` ``invalid``.

    Raises
    ------
    LogosError
        If an option, the stock, the model or the only target cannot be used.
    """
    chosen = options_or_fields(RouteOptions, options, choices, "route")
    paths = [stock] if isinstance(stock, (str, PathLike)) else stock
    run = Routing(Stock.read([fspath(path) for path in paths]), chosen, generation or GenerateOptions())
    return (found.record for found in run.routes(targets))


@dataclass(slots=True)
class Routing:
    """One run of ``generate route``.

    Attributes
    ----------
    tally : RouteTally
        The outcomes of the targets so far.
    """

    stock: Stock
    options: RouteOptions
    generation: GenerateOptions
    progress: Progress | None = None
    tally: RouteTally = field(default_factory=RouteTally)
    plan: GenerationPlan = field(init=False)
    proposer: Proposer = field(init=False)
    _step: SingleStep = field(init=False)

    def __post_init__(self) -> None:
        try:
            from logos_cli.workflows.route.search import SingleStep
        except ImportError as error:
            raise MissingError(f"planning routes needs {error.name or 'syntheseus'}", hint=_INSTALL) from error
        # a step whose reactants lack atoms of the product cannot be done
        self.plan = plan_generation("retrosynthesis", self.generation, {"balance": "drop"})
        self.proposer = Proposer(self.plan, self._report)
        self._step = SingleStep(self._propose)

    def routes(
        self, targets: Prompts, stdin: IO[bytes] | None = None, selection: Selection | None = None
    ) -> Iterator[FoundRoute]:
        """Yield the routes of each target, the likeliest first, or the reason why there is none.

        An interruption yields what was found for the target of the moment, and is raised again; with a selection, the
        target is left to the session that goes on.
        """
        reader = PromptReader(self.plan.task, self.generation.read, stdin)
        for number, prompt in enumerate(reader.prepared_prompts(targets)):
            if selection is not None:
                place = selection.of_file(number, prompt.id)
                place.units = selection.pending
                selection.note_end(number, 1)
                if not place.takes(prompt.id):
                    continue
            self.tally.asked += 1
            try:
                if prompt.error is not None or prompt.sentence is None:
                    raise prompt.error or UsageError("a route needs a target", hint="give a SMILES or a file")
                target = product_of(prompt.sentence.text)
            except LogosError as error:
                if prompt.alone:
                    raise
                self.tally.failed += 1
                yield FoundRoute(Record.from_error(prompt.id, Form.RETROSYNTHESIS, error, prompt.source), "")
                continue
            yield from self._routes_to(target, prompt, is_kept=selection is None)

    def _routes_to(self, target: str, prompt: PreparedPrompt, *, is_kept: bool) -> Iterator[FoundRoute]:
        from logos_cli.workflows.route.search import Limits, RouteSearch

        options = self.options
        limits = Limits(options.top, options.depth, options.expansions, options.time_s)
        search = RouteSearch(self._step, self.stock, limits, target)
        self._report(f"planning {prompt.id}")
        try:
            search.run()
        except BaseException:
            self.tally.interrupted += 1
            if is_kept:
                yield from self._found(search, prompt)
            raise
        routes = list(self._found(search, prompt))
        self.tally.solved += bool(routes)
        self.tally.unsolved += not routes
        self.tally.n_routes += len(routes)
        yield from routes or [self._unsolved(search, prompt)]

    def _found(self, search: RouteSearch, prompt: PreparedPrompt) -> Iterator[FoundRoute]:
        for rank, found in enumerate(search.routes(), 1):
            first = next(found.steps())
            record = Record(
                f"{prompt.id}:route{rank}",
                Form.RETROSYNTHESIS,
                first.sentence,
                source=prompt.source,
                sample=self._sample(prompt, search),
                scores={
                    "rank": {"value": rank, "better": "lower"},
                    "n_steps": {"value": found.n_steps, "better": "lower"},
                    "route_depth": {"value": found.depth, "better": "lower"},
                    "route_probability": {"value": float(f"{found.probability:.4g}"), "better": "higher"},
                },
                extra={**prompt.extra, "route": found.to_json()},
            )
            yield FoundRoute(record, search.target, found)

    def _unsolved(self, search: RouteSearch, prompt: PreparedPrompt) -> FoundRoute:
        reason = (
            f"no route to molecules in stock among {search.n_reactions:,} steps for {search.n_expanded:,} molecules: "
            f"{search.end}"
        )
        text = emit(Molecule(search.target).to_sentence())
        sample = self._sample(prompt, search)
        record = Record(
            prompt.id, Form.MOLECULE, text, Status.INVALID, reason, prompt.source, sample, extra=dict(prompt.extra)
        )
        return FoundRoute(record, search.target)

    def _sample(self, prompt: PreparedPrompt, search: RouteSearch) -> Sample:
        """Return how a route was found; no time, so that the same run gives the same records."""
        described = self.proposer.of_prompt(prompt)
        options: dict[str, object] = {
            **asdict(self.options),
            "balance": "drop",
            "stock": self.stock.sources,
            "target_in_stock": search.target in self.stock,
            "n_expanded": search.n_expanded,
            "n_reactions": search.n_reactions,
        }
        asked = {} if self.plan.beam else {"n_samples": self.plan.n_samples}
        return cast(Sample, {**described, **asked, "task": "route", "method": "Retro*", "options": options})

    def _propose(self, products: Sequence[str]) -> list[list[Proposal]]:
        found = self.proposer(products)
        self._report("")
        return found

    def _report(self, now: str) -> None:
        if self.progress is not None:
            self.progress(now, self.tally.requested)
