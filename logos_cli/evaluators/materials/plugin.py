"""Metal-organic frameworks at sequence level: validity, novelty, uniqueness, new building blocks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from logos_cli.errors import LogosError, with_hint
from logos_cli.evaluators.base import Context, Estimate, Evaluator, Metric, Need, Subject, Unavailable, Value, Values
from logos_cli.grammar import Form
from logos_cli.objects.material import Material

_MOFFLOW = "MOFFlow-2 (Kim et al. 2025), sequence level only: no structure is predicted or checked"
_LIBRARY = "the reference set, or else of the training data of logos-nano"

_METRICS: Final = (
    Metric(
        "mof_valid",
        "The node contains a metal, there is a linker, and RDKit accepts every linker: as in `logos generate material`.",
        better="higher",
        source=_MOFFLOW,
    ),
    Metric(
        "mof_novel",
        f"Sequence level: the combination of node and linkers is none of {_LIBRARY}.",
        better="higher",
        source=_MOFFLOW,
    ),
    Metric("new_nodes", f"Number of distinct metal nodes that are none of {_LIBRARY}.", source=_MOFFLOW),
    Metric("new_linkers", f"Number of distinct linkers that are none of {_LIBRARY}.", source=_MOFFLOW),
    Metric("n_linkers", "Number of linkers, repeats included."),
    Metric(
        "mofkey",
        "Metals and the skeletons of the linkers' InChIKeys, without the topology, which is unknown.",
        source="MOFkey (Bucior et al. 2019, 10.1021/acs.cgd.8b01050) without its topology",
    ),
)
_SUMMARY: Final = (
    Metric(
        "mof_validity",
        "Share of all records, malformed ones included, that are valid (`mof_valid`).",
        better="higher",
        source=_MOFFLOW,
    ),
    Metric(
        "mof_uniqueness", "Share of the valid frameworks that repeat no earlier one.", better="higher", source=_MOFFLOW
    ),
    Metric("mof_novelty", "Share of the distinct valid frameworks that are novel.", better="higher", source=_MOFFLOW),
    Metric(
        "vnu_sequence_level",
        f"Share of all records that are valid, novel and unique, with a metal node that is one of {_LIBRARY}. The "
        "published VNU also requires a structure that passes MOFChecker: this figure is higher.",
        better="higher",
        source=_MOFFLOW,
    ),
    Metric(
        "new_building_block_rate",
        "Share of all records with linkers that RDKit accepts, metals in all nodes, and a node or linker that is none "
        f"of {_LIBRARY}.",
        source=_MOFFLOW,
    ),
    Metric("new_linker_rate", "As new_building_block_rate, for linkers.", source=_MOFFLOW),
    Metric("new_node_rate", "As new_building_block_rate, for metal nodes.", source=_MOFFLOW),
)


@dataclass(frozen=True, slots=True)
class _Observation:
    """The part of a record that the figures of a set need."""

    sequence: str | None = None
    """None if the framework is not valid."""
    novel: bool = False
    known_node: bool = False
    new_node: bool = False
    new_linker: bool = False


class MaterialEvaluator(Evaluator):
    """Compares with the reference set, or without one with the training data of the embedded model."""

    name = "materials"
    help = "Frameworks, sequence level: valid, novel, unique; known and new nodes and linkers."
    forms = frozenset((Form.MATERIAL,))
    may_use = frozenset((Need.REFERENCE,))
    metrics = _METRICS
    summary_metrics = _SUMMARY

    def prepare(self, _wanted: Collection[str], context: Context) -> None:
        """Read the library."""
        from logos_cli.evaluators.materials.parts import library_of

        library_of(context.reference)

    def score(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        """Return the values of one framework."""
        from logos_cli.evaluators.materials.parts import Framework, library_of

        item = subject.item
        if not isinstance(item, Material):
            return {}
        framework = Framework(item, library_of(context.reference))
        functions: dict[str, Callable[[], Value]] = {
            "mof_valid": lambda: framework.problem is None,
            "mof_novel": lambda: framework.is_novel,
            "new_nodes": lambda: len(framework.new_nodes),
            "new_linkers": lambda: len(framework.new_linkers),
            "n_linkers": lambda: len(item.linkers),
            "mofkey": lambda: framework.key,
        }
        values: Values = {}
        for name in wanted:
            try:
                values[name] = functions[name]()
            except LogosError as error:
                values[name] = Unavailable(with_hint(error))
        return values

    def observe(self, subject: Subject, context: Context) -> _Observation:
        """Return key and novelty of the framework."""
        from logos_cli.evaluators.materials.parts import Framework, library_of

        if not isinstance(subject.item, Material):
            return _Observation()
        framework = Framework(subject.item, library_of(context.reference))
        try:
            new_node, new_linker = bool(framework.new_nodes), bool(framework.new_linkers)
        except LogosError:
            return _Observation()
        valid = framework.problem is None
        key = framework.sequence if valid else None
        return _Observation(key, valid and framework.is_novel, not new_node, new_node, new_linker)

    def summarise(
        self, observations: Iterable[_Observation], wanted: Collection[str], _context: Context
    ) -> Mapping[str, Estimate]:
        """Return the rates."""
        from logos_cli.evaluators.statistics import first_occurrences, share

        observed = list(observations)
        first = first_occurrences([mof.sequence for mof in observed])
        pairs = list(zip(observed, first, strict=True))
        rates = {
            "mof_validity": (mof.sequence is not None for mof in observed),
            "mof_uniqueness": (is_first for mof, is_first in pairs if mof.sequence is not None),
            "mof_novelty": (mof.novel for mof, is_first in pairs if is_first),
            "vnu_sequence_level": (mof.novel and mof.known_node and is_first for mof, is_first in pairs),
            "new_building_block_rate": (mof.new_node or mof.new_linker for mof in observed),
            "new_linker_rate": (mof.new_linker for mof in observed),
            "new_node_rate": (mof.new_node for mof in observed),
        }
        return {name: share(rates[name]) for name in wanted}


PLUGIN = MaterialEvaluator()
