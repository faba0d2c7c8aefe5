"""What ``logos generate --dock`` does with what is generated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from logos_cli.cli.docking import check_output, is_folder, options_of, show_plan, write_folder, write_stream
from logos_cli.cli.option_specs import option_spec
from logos_cli.cli.options.docking import elsewhere, not_default
from logos_cli.cli.output import finish
from logos_cli.errors import ExitCode, UsageError
from logos_cli.grammar.spec import Kind
from logos_cli.records import Record

if TYPE_CHECKING:
    from logos_cli.workflows.dock.docking import Docking, PocketDocking
    from logos_cli.workflows.generate.generation import Generation

_PANEL = "Docking"
_HOW = elsewhere(_PANEL, "the structure that the prompt comes from")
OPTIONS = (
    option_spec(
        "dock",
        bool,
        False,
        "--dock",
        rich_help_panel=_PANEL,
        help="Dock what is generated, as `logos dock` does: scores in records, poses in -o FILE.sdf or DIR.",
    ),
    *_HOW,
)


def check(values: Mapping[str, Any]) -> None:
    """Refuse options that do not go together, before a model is looked for.

    Raises
    ------
    UsageError
        If options of docking are given without ``--dock``, or the output cannot hold poses.
    """
    if values["dock"]:
        check_output(values["output"], values["format"], overwrite=values["overwrite"])
    elif stray := not_default(_HOW, values):
        raise UsageError(f"{', '.join(stray)} says how to dock", hint="add --dock")


class DockedOutput:
    """Docks the samples of a generation and writes them, one process for both."""

    def __init__(self, generation: Generation, prompt: str | None, values: Mapping[str, Any]) -> None:
        from logos_cli.workflows.dock.docking import Docking, PocketDocking

        self._values = values
        options = options_of(values, seed=values["dock_seed"])
        self.run: Docking | PocketDocking = (
            PocketDocking(options) if values["receptor"] is None else Docking(values["receptor"], options)
        )
        self._begin(generation, prompt)

    def _begin(self, generation: Generation, prompt: str | None) -> None:
        """Find the first receptor and box, so that what is wrong with them is said before the model is loaded."""
        if prompt == "-":
            return
        opening = next(generation.openings(prompt), None)
        if opening is not None and opening.sentence is not None:
            ligand = f"C{Kind.MOLECULE.end}"  # any: the sentence has to be whole
            text = opening.sentence.text + ligand
            self.run.begin(Record(opening.id, generation.task.form, text, source=opening.source))

    def show_plan(self) -> None:
        """Print how would be docked."""
        show_plan(self.run)

    def write(self, records: Iterator[Record]) -> ExitCode:
        """Dock records as they come, and write them."""
        output, overwrite = self._values["output"], self._values["overwrite"]
        if is_folder(output):
            write_folder(self.run, records, output, overwrite=overwrite)
        else:
            write_stream(self.run.results(records), output, self._values["format"], overwrite=overwrite)
        return finish(self.run.tally)
