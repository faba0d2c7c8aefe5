"""Restrictions of an answer: templates, and edits of a wild type."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from logos_cli import registry
from logos_cli.engine.redraw import Redraw
from logos_cli.errors import UsageError
from logos_cli.grammar.constrain import inner_parts_pattern, mutant_grammar, parse_positions, template_grammar
from logos_cli.grammar.spec import Kind
from logos_cli.tasks.base import PromptSentence, Task
from logos_cli.tasks.design.loops import TemplatePrompt
from logos_cli.tasks.design.oracle import RESIDUES

if TYPE_CHECKING:
    from numpy.random import Generator

_KINDS = (Kind.PROTEIN, Kind.ANTIBODY, Kind.MOLECULE)

_template = lru_cache(4)(template_grammar)
_edited = lru_cache(4)(mutant_grammar)


@dataclass(frozen=True, slots=True)
class Restriction:
    """A restriction of the last block of a sentence.

    Attributes
    ----------
    template : str, optional
        See :func:`~logos_cli.grammar.constrain.template_grammar`.
    max_mutations : int, optional
        The prompt is a wild type; this is the largest number of mutations.
    positions : str, optional
        Positions of the mutations, as ``10-20,45``; by default all.
    guide : str, optional
        ``oracle`` draws positions and residues by the frequencies in the table of the oracle; ``uniform`` is the default.
    """

    template: str | None = None
    max_mutations: int | None = None
    positions: str | None = None
    guide: str | None = None

    @property
    def chosen(self) -> dict[str, object]:
        """Fields of a record that describe it."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def check(self, task: Task, constrain: str) -> None:
        """Refuse options that exclude each other.

        Raises
        ------
        UsageError
            If the options cannot be combined with each other or with the task.
        """
        if self.positions is not None and self.max_mutations is None:
            raise UsageError("positions belong to an edit", hint="give max-mutations and a wild type too")
        if self.guide is not None and self.max_mutations is None:
            raise UsageError("a guide belongs to an edit", hint="give max-mutations and a wild type too")
        if task.restricting_option is not None:
            if self.template is not None or self.max_mutations is not None:
                other = "a template" if self.template is not None else "an edit"
                raise UsageError(f"{task.restricting_option} and {other} exclude each other")
            if constrain == "off":
                raise UsageError(f"{task.restricting_option} is a constraint", hint="leave out --constrain off")
        if self.template is None and self.max_mutations is None:
            return
        if self.template is not None and self.max_mutations is not None:
            raise UsageError("a template and an edit exclude each other")
        if constrain == "off":
            raise UsageError("a template or an edit is a constraint", hint="leave out --constrain off")
        for wanted, what in ((self.template, "template"), (self.max_mutations, "edit")):
            if wanted is not None and what not in task.restrictions:
                raise UsageError(f"{task.name} takes no {what}", hint=f"{', '.join(_takers(what))} do")
        if self.max_mutations is not None and self.max_mutations < 1:
            raise UsageError(f"max-mutations is {self.max_mutations}; it must be 1 or more")

    def apply(self, sentence: PromptSentence, n_sweeps: int = 0) -> PromptSentence:
        """Return the sentence with the grammar of the restriction for its last block.

        Parameters
        ----------
        n_sweeps : int
            How often the free parts of a template of residues are drawn again.

        Raises
        ------
        GrammarError
            If the template or the positions are not well formed, or do not fit the prompt.
        """
        if self.template is None and self.max_mutations is None:
            return sentence
        place, kind = max((sentence.text.rfind(kind.start), kind) for kind in _KINDS)
        given = sentence.text[place + len(kind.start) :]
        if self.template is not None:
            grammar, fixed = _template(kind, self.template), self.template.partition("{")[0]
            text = sentence.text[: place + len(kind.start)] + _longer(given, fixed)
            redraw = Redraw(inner_parts_pattern([(kind, self.template)]), n_sweeps) if n_sweeps else None
            if kind is Kind.ANTIBODY:
                prompt = TemplatePrompt(text, grammar, place, kind.end, redraw=redraw, template=self.template)
                return prompt.check()
            return replace(
                sentence, text=text, grammar=grammar, grammar_start=place, end=kind.end, n_ends=1, redraw=redraw
            ).check()
        if not given:
            raise UsageError("an edit needs a wild type", hint="give a sequence or a FASTA file")
        positions = None if self.positions is None else parse_positions(self.positions, len(given))
        fixed = given[: positions[0]] if positions else ""
        most, free = self.max_mutations or 0, range(len(given)) if positions is None else positions
        return PromptSentence(
            sentence.text[: place + len(kind.start)] + fixed,
            _edited(kind, given, most, positions),
            grammar_start=place,
            end=kind.end,
            wild_type=given,
            draw_grammar=DrawnEdit(kind, given, most, tuple(free)) if most < len(free) else None,
        ).check()


@dataclass(frozen=True, slots=True)
class DrawnEdit:
    """Draws the grammar of one variant: as many free positions as it may have mutations.

    A model writes from left to right. If all positions were free, it would use up its mutations at the beginning of
    the chain.

    Attributes
    ----------
    free : tuple of int
        Positions that may be free.
    weights : tuple of float, optional
        Relative probability of each to be drawn; None draws all alike.
    residues : tuple of tuple of float, optional
        Relative probability of each of the twenty residues at each of them; None leaves the residues to the model.
    """

    kind: Kind
    wild_type: str
    max_mutations: int
    free: tuple[int, ...]
    weights: tuple[float, ...] | None = None
    residues: tuple[tuple[float, ...], ...] | None = None

    def __call__(self, generator: Generator) -> str:
        """Return the grammar of one variant."""
        shares = None if self.weights is None else [weight / sum(self.weights) for weight in self.weights]
        places = generator.choice(len(self.free), self.max_mutations, replace=False, p=shares)
        if self.residues is None:
            free = sorted(self.free[place] for place in places)
            return mutant_grammar(self.kind, self.wild_type, self.max_mutations, free)
        variant = list(self.wild_type)
        for place in sorted(places.tolist()):
            row = self.residues[place]
            variant[self.free[place]] = RESIDUES[generator.choice(len(row), p=[each / sum(row) for each in row])]
        return mutant_grammar(self.kind, "".join(variant), 0, ())


def _takers(restriction: str) -> list[str]:
    """Return the tasks that take a restriction."""
    tasks = registry.load_all("tasks")
    return [name for name, task in tasks.items() if restriction in task.restrictions]


def _longer(given: str, fixed: str) -> str:
    """Return the longer beginning: the fixed residues of a template become part of the prompt."""
    return fixed if fixed.startswith(given) else given
