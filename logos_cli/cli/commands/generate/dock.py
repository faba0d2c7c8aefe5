"""``logos generate --dock``: dock the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from logos_cli.cli.batch import is_run_directory, open_run, options_of, selection_of
from logos_cli.cli.docking import check_output, show_plan, write_run, write_stream
from logos_cli.cli.option_specs import changed
from logos_cli.cli.output import finish
from logos_cli.errors import ExitCode, UsageError
from logos_cli.grammar.spec import Kind
from logos_cli.records import Record

if TYPE_CHECKING:
    from logos_cli.cli.commands.generate.options import GenerateArguments
    from logos_cli.io.selection import Selection
    from logos_cli.workflows.dock.docking import Docking, PocketDocking
    from logos_cli.workflows.generate.plan import GenerationPlan
    from logos_cli.workflows.generate.tally import GenerateTally


def check_docking(args: GenerateArguments) -> None:
    """Refuse options that exclude each other, before a model is searched.

    Raises
    ------
    UsageError
        If options of docking are given without ``--dock``, or the output cannot hold poses.
    """
    if args.dock:
        check_output(args.output, args.format, overwrite=args.overwrite)
    elif stray := changed(args.docking):
        raise UsageError(f"{', '.join(stray)} needs docking", hint="add --dock")


class DockedOutput:
    """Docks the samples of a generation as they come, and writes them."""

    def __init__(self, plan: GenerationPlan, prompt: str | None, args: GenerateArguments) -> None:
        from logos_cli.workflows.dock.docking import Docking, PocketDocking

        self._args = args
        self._task = plan.task.name
        options, receptor = args.docking.options(), args.docking.receptor
        self.run: Docking | PocketDocking = PocketDocking(options) if receptor is None else Docking(receptor, options)
        self._begin(plan, prompt)

    def _begin(self, plan: GenerationPlan, given: str | None) -> None:
        """Find the first receptor and box, so that their errors are raised before the model is loaded."""
        if given == "-":
            return
        prompt = next(plan.prepared_prompts(given), None)
        if prompt is not None and prompt.sentence is not None:
            ligand = f"C{Kind.MOLECULE.end}"  # any ligand: the sentence must be whole
            text = prompt.sentence.text + ligand
            self.run.begin(Record(prompt.id, plan.task.form, text, source=prompt.source))

    def show_plan(self) -> None:
        """Print the options of docking."""
        show_plan(self.run)

    def write(self, records: Callable[[Selection | None], Iterator[Record]], tally: GenerateTally) -> ExitCode:
        """Dock records as they come, and write them.

        Parameters
        ----------
        records : callable
            Returns the samples that are left to draw, or all.
        """
        args, run = self._args, self.run
        if is_run_directory(args.output):
            if args.time is not None and args.until is not None:
                raise UsageError(
                    "--time may end a prompt of --until early", hint="give one of them with -o RUN/ --dock"
                )
            how = options_of(args.run, overwrite=args.overwrite)
            inputs = [each for each in (args.docking.receptor,) if each is not None]
            with open_run(f"generate {self._task} --dock", args, inputs, args.output, how, attached=".sdf") as shard:
                write_run(run, lambda selection: run.results(records(selection)), shard)
                shard.is_cut = tally.stopped
        else:
            selection = selection_of(args.run)
            write_stream(run.results(records(selection)), args.output, args.format, overwrite=args.overwrite)
        return finish(self.run.tally, is_part=args.run.shard is not None)
