"""Complete sentences with a language model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from typing import IO

from logos_cli import registry
from logos_cli.engine.scheduler import Request
from logos_cli.engine.start import Runner, start_engine, start_reading
from logos_cli.engine.texts import CompletionEngine
from logos_cli.io.selection import Selection
from logos_cli.options import options_or_fields
from logos_cli.records import Record
from logos_cli.workflows.generate.guide import guided
from logos_cli.workflows.generate.judge import RecordJudge
from logos_cli.workflows.generate.options import GenerateOptions
from logos_cli.workflows.generate.plan import GenerationPlan, plan_generation
from logos_cli.workflows.generate.prompts import Prompts
from logos_cli.workflows.generate.requests import RequestMaker
from logos_cli.workflows.generate.schedule import Schedule
from logos_cli.workflows.generate.tally import GenerateTally

__all__ = ["GenerateOptions", "GenerateTally", "Generation", "generate"]

BATCH_SIZE = 64
"""Default number of sequences at a time, if the backend does not plan it."""

MOST_BATCH_SIZE = 256
"""Default limit of the number that a backend plans."""


def generate(
    task: str,
    prompts: Prompts = None,
    options: GenerateOptions | None = None,
    *,
    tally: GenerateTally | None = None,
    stdin: IO[bytes] | None = None,
    task_options: Mapping[str, object] | None = None,
    **choices: object,
) -> Iterator[Record]:
    """Complete sentences with a language model.

    Parameters
    ----------
    task : str
        The name of a task: ``protein``, ``molecule``, ``ligand`` …; ``logos generate --help`` lists them.
    prompts : str, path, ScienceObject, Record, object, or iterable of these, optional
        The prompts: a file (by its name, or ``-`` for standard input), text (a sentence, its beginning, a bare
        sequence or SMILES), an object of logos or of another library (as for ``encode``; each text of a pandas Series
        is a prompt, and each row of a DataFrame an object), or a record. None is the empty prompt of tasks that have
        one.
    options : GenerateOptions, optional
        Its fields may be keywords instead: ``generate("molecule", "CCO", n_samples=8, seed=1)``.
    tally : GenerateTally, optional
        Is updated while records are drawn.
    task_options : mapping, optional
        The task's own options, which may also be keywords: ``generate("ligand", "complex.pdb", level=3)``.

    Yields
    ------
    Record
        One per sample, in the order of the prompts. A sample that is not well formed or not valid has the
        ``status`` ``invalid`` and the reason. Tasks that combine samples yield one record per result. A prompt that
        cannot be used gives one with ``status`` ``error``.

    Raises
    ------
    LogosError
        If an option, the model or the only prompt cannot be used; raised before the model is loaded.
    TypeError
        If an object is of an unknown type.
    """
    own = {option.name for option in registry.load("tasks", task).options}
    chosen = {**(task_options or {}), **{name: choices.pop(name) for name in own & choices.keys()}}
    options = options_or_fields(GenerateOptions, options, choices, "generate", own)
    return Generation(plan_generation(task, options, chosen), tally).records(prompts, stdin)


Progress = Callable[[str, int, int | None], None]
"""Called with what is done now, the number of finished samples, and the number of samples that are known to be needed."""


def _no_progress(_now: str, _n_done: int, _n_known: int | None) -> None:
    """Report nothing."""


class Generation:
    """One run of a plan.

    Parameters
    ----------
    progress : callable, optional
        Called when a model is loaded, and after every sample.

    Attributes
    ----------
    tally : GenerateTally
        The outcomes of the samples so far.
    provenance : Provenance
        How records are described.
    """

    def __init__(
        self, plan: GenerationPlan, tally: GenerateTally | None = None, progress: Progress | None = None
    ) -> None:
        self.plan = plan
        self._progress: Progress = progress or _no_progress
        self.tally = GenerateTally() if tally is None else tally
        self.tally.reads = plan.reads
        self._judge = RecordJudge(plan, self.tally)
        self.provenance = self._judge.provenance
        self._engine: Runner | None = None
        self._shown: tuple[str, int, int | None] = "", 0, None

    def records(
        self, prompts: Prompts, stdin: IO[bytes] | None = None, selection: Selection | None = None
    ) -> Iterator[Record]:
        """Yield the records of a run; a further run has the same model, which is loaded once.

        Parameters
        ----------
        selection : Selection, optional
            The samples that are wanted, by their ids; of tasks that put samples together the prompts. All, if absent.
        """
        options = self.plan.options
        in_order = options.order == "input"
        prepared = self.plan.prepared_prompts(prompts, stdin)
        if self.plan.profile is not None:
            prepared = guided(prepared, self.plan.profile, self.plan.sampling.temperature)
        schedule = Schedule(prepared, self._judge, self.tally, in_order, self.plan.deadline, selection)
        maker = RequestMaker(self.plan)
        self._judge.read_reference()
        n_done, now = 0, "reading" if self.plan.reads else "searching" if self.plan.beam else "sampling"
        # a prompt may need more samples after a wave of requests; the next wave draws them
        while first := list(
            islice(requests := maker.make_requests(schedule.pending()), options.load.batch_size or MOST_BATCH_SIZE)
        ):
            if self._engine is None:
                self._progress(f"loading {self.plan.checkpoint.name}", 0, None)
                self._engine = self._start_engine(first)
                if isinstance(self._engine, CompletionEngine):
                    self._engine.on_redraw = partial(self._note_redraw, self._engine)
                self._show(now, 0, self._known(schedule))
            engine = self._engine
            try:
                for completion in engine.run(chain(first, requests)):
                    n_done += 1
                    self._show(now, n_done, self._known(schedule))
                    yield from schedule.take(completion)
            except GeneratorExit:
                raise
            except BaseException:
                if selection is None:  # what is drawn of a prompt belongs to the run when the prompt is done
                    yield from schedule.drain()
                raise
            if isinstance(engine, CompletionEngine):
                self.tally.given_up = engine.n_given_up
            yield from schedule.pop_finished()
        if self._engine is None:
            self._progress("computing", 0, self._known(schedule))
        yield from schedule.pop_finished()

    def _show(self, now: str, n_done: int, n_known: int | None) -> None:
        self._shown = now, n_done, n_known
        self._progress(now, n_done, n_known)

    def _note_redraw(self, engine: CompletionEngine) -> None:
        """Count the answers that did not fit, and show that the run is alive."""
        self.tally.redrawn, self.tally.given_up = engine.n_redrawn, engine.n_given_up
        now, n_done, n_known = self._shown
        self._progress(f"{now} ({engine.n_redrawn:,} drawn again)", n_done, n_known)

    def _known(self, schedule: Schedule) -> int | None:
        """Return the number of samples that the prompts so far need; None where a count decides when there are enough."""
        return None if self.plan.until is not None else schedule.n_known

    def _start_engine(self, first: list[Request]) -> Runner:
        plan, load = self.plan, self.plan.options.load
        if plan.reads:
            self._judge.provenance.model, reader = start_reading(plan.checkpoint, load)
            return reader
        memory = plan.memory(max(len(request.prompt) for request in first))
        batch_size = min(memory.batch_size if memory else load.batch_size or BATCH_SIZE, len(first))
        self._judge.provenance.model, engine = start_engine(
            plan.checkpoint, load, plan.sampling, batch_size=batch_size, seed=plan.options.seed
        )
        return engine
