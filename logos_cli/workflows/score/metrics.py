"""Select the metrics of a run by names of metrics, families and groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Final

from logos_cli import registry
from logos_cli.errors import UsageError
from logos_cli.evaluators.base import Context, Evaluator, Metric, Need

DEFAULT: Final = "default"
ALL: Final = "all"
NONE: Final = "none"
_FLAGS: Final = {
    Need.REFERENCE: "--reference FILE",
    Need.TRUTH: "--truth FILE",
    Need.WILD_TYPE: "--wild-type FILE",
    Need.RECEPTOR: "--receptor FILE",
}
_BLOCKS: Final = "logp_block_#"
_NUMBER: Final = re.compile(r"\d+$")


@cache
def evaluators() -> dict[str, Evaluator]:
    """Return every family by name."""
    return registry.load_all("evaluators")


@dataclass(frozen=True, slots=True)
class Entry:
    """A metric with its family; ``of_set`` marks a figure of a set, not of a record."""

    metric: Metric
    family: Evaluator
    of_set: bool


@cache
def catalogue() -> dict[str, Entry]:
    """Return every metric by name, families in order."""
    found: dict[str, Entry] = {}
    for family in evaluators().values():
        for of_set, metrics in ((False, family.metrics), (True, family.summary_metrics)):
            for metric in metrics:
                found[metric.name] = Entry(metric, family, of_set)
    return found


def pattern_of(name: str) -> str:
    """Return the name of a metric in the catalogue: ``logp_block_#`` for ``logp_block_2``."""
    return name if name in catalogue() else _NUMBER.sub("#", name)


def metric_of(name: str) -> Metric | None:
    """Return the metric of that name, or None."""
    entry = catalogue().get(pattern_of(name))
    return entry.metric if entry else None


def unknown_name(name: str, others: Iterable[str] = ()) -> UsageError:
    """Return the error for a name that is no score, with the nearest names."""
    known = [*catalogue(), *others]
    near = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "logos score --explain lists them"
    return UsageError(f"there is no score {name!r}", hint=hint)


@dataclass(frozen=True, slots=True)
class Selection:
    """The metrics of a run, by family.

    Attributes
    ----------
    records, sets : dict
        Names of metrics of records and of sets, in the order of the catalogue.
    implied : frozenset of str
        Those that only a filter or a ranking needs: not computed again for a record that has them.
    """

    records: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    implied: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    """Those that were given by name or family: a record without a value gets the reason."""

    @property
    def families(self) -> Iterator[Evaluator]:
        """The families that have something to compute."""
        return (each for name, each in evaluators().items() if name in self.records or name in self.sets)

    def wanted(self, family: str) -> tuple[str, ...]:
        """Return all names of a family that are computed."""
        return (*self.records.get(family, ()), *self.sets.get(family, ()))


def expand_names(names: Sequence[str], context: Context) -> list[str]:
    """Return the metrics of names of metrics, families and groups, whatever they need.

    Raises
    ------
    UsageError
        If a name is unknown.
    """
    return [each for name in names for each in _members(name, context)]


def _members(name: str, context: Context) -> list[str]:
    known = catalogue()
    if name == NONE:
        return []
    if name == DEFAULT:
        return [each for each, entry in known.items() if _by_default(entry, context)]
    if name == ALL:
        return list(known)
    if name in evaluators():
        return [each for each, entry in known.items() if entry.family.name == name]
    if pattern_of(name) in known:
        return [pattern_of(name)]
    raise unknown_name(name, (*evaluators(), DEFAULT, ALL, NONE))


def select(wanted: Sequence[str] | None, implied: Iterable[str], context: Context) -> Selection:
    """Select the metrics of a run.

    Parameters
    ----------
    wanted : sequence of str, optional
        Names of metrics and families, ``default``, ``all`` or ``none``; None is ``default``.
    implied : iterable of str
        Names that a filter or a ranking uses; unknown ones must be scores of the records.

    Raises
    ------
    UsageError
        If a name is unknown, or a metric that was given by name needs an input that was not.
    """
    chosen: dict[str, None] = {}
    named: set[str] = set()
    known = catalogue()
    for name in wanted if wanted is not None else (DEFAULT,):
        members = _members(name, context)
        chosen |= dict.fromkeys(members)
        if name in (DEFAULT, ALL):
            continue
        named.update(members)
        if name not in evaluators():
            for each in members:
                _check_needs(name, known[each].metric, context)
    only_implied = set()
    for name in map(pattern_of, implied):
        if name in known and name not in chosen:
            chosen[name] = None
            only_implied.add(name)
    selection = Selection(implied=frozenset(only_implied), named=frozenset(named))
    for name, entry in known.items():
        if name in chosen:
            group = selection.sets if entry.of_set else selection.records
            group[entry.family.name] = (*group.get(entry.family.name, ()), name)
    return selection


def _by_default(entry: Entry, context: Context) -> bool:
    needs = entry.metric.needs
    return not {Need.MODEL, Need.REQUEST} & set(needs) and all(context.offers(need) for need in needs)


def _check_needs(name: str, metric: Metric, context: Context) -> None:
    missing = unmet(metric, context)
    if missing is not None:
        raise UsageError(f"{name} needs {missing.what}", hint=f"give it with {_FLAGS[missing]}")


def unused_inputs(selection: Selection, context: Context) -> tuple[str, ...]:
    """Return the options of the inputs that were given, and that no selected metric uses."""
    chosen = [catalogue()[name] for family in selection.families for name in selection.wanted(family.name)]
    used = {need for entry in chosen for need in (*entry.metric.needs, *entry.family.may_use)}
    given = [flag.split()[0] for need, flag in _FLAGS.items() if context.offers(need) and need not in used]
    return (*given, *(["--blocks"] if context.blocks and not any(map(_is_of_blocks, chosen)) else ()))


def _is_of_blocks(entry: Entry) -> bool:
    return entry.family is catalogue()[_BLOCKS].family


def unmet(metric: Metric, context: Context) -> Need | None:
    """Return the first need of a metric that the context does not meet."""
    return next((need for need in metric.needs if not context.offers(need)), None)


def why_unmet(need: Need) -> str:
    """Return the reason of a null value."""
    return f"{need.what} was not given ({_FLAGS[need].split()[0]})"
