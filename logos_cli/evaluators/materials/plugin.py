"""Metal-organic frameworks at the level of sequences: valid, novel, unique, and of new building blocks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from logos_cli.errors import LogosError
from logos_cli.evaluators.base import Context, Estimate, Evaluator, Metric, Subject, Unavailable, Value, Values
from logos_cli.grammar import Form
from logos_cli.objects.material import Material

_MOFFLOW = "MOFFlow-2 (Kim et al. 2025), sequence level only: no structure is predicted and none is checked"
_LIBRARY = "the reference set, or else of what logos-nano was trained on"

_METRICS: Final = (
    Metric(
        "mof_valid",
        f"Sequence level: every metal node is one of {_LIBRARY}, and RDKit accepts every linker.",
        better="higher",
        source=_MOFFLOW,
    ),
    Metric(
        "mof_novel",
        f"Sequence level: the same node and linkers are none of {_LIBRARY}.",
        better="higher",
        source=_MOFFLOW,
    ),
    Metric("new_nodes", f"Different metal nodes that are none of {_LIBRARY}.", source=_MOFFLOW),
    Metric("new_linkers", f"Different linkers that are none of {_LIBRARY}.", source=_MOFFLOW),
    Metric("n_linkers", "Linkers, repeats counted."),
    Metric(
        "mofkey",
        "Metals and the skeletons of the linkers' InChIKeys; the topology is not known.",
        source="MOFkey (Bucior et al. 2019, 10.1021/acs.cgd.8b01050) without its topology",
    ),
)
_SUMMARY: Final = (
    Metric(
        "mof_validity",
        "Share of all records, malformed ones too, that are valid at sequence level.",
        better="higher",
        source=_MOFFLOW,
    ),
    Metric(
        "mof_uniqueness", "Share of the valid frameworks that repeat no earlier one.", better="higher", source=_MOFFLOW
    ),
    Metric("mof_novelty", "Share of the different valid frameworks that are novel.", better="higher", source=_MOFFLOW),
    Metric(
        "vnu_sequence_level",
        "Share of all records that are valid, novel and unique at sequence level. The published VNU demands a "
        "structure that passes MOFChecker besides: this one is higher.",
        better="higher",
        source=_MOFFLOW,
    ),
    Metric(
        "new_building_block_rate",
        "Share of all records whose linkers RDKit accepts, whose nodes hold a metal, and of which a node or linker "
        f"is none of {_LIBRARY}.",
        source=_MOFFLOW,
    ),
    Metric("new_linker_rate", "The same, for linkers.", source=_MOFFLOW),
    Metric("new_node_rate", "The same, for metal nodes.", source=_MOFFLOW),
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the figures of a set need to know of one record."""

    sequence: str | None = None
    """None if the framework is not valid."""
    novel: bool = False
    new_node: bool = False
    new_linker: bool = False


class MaterialEvaluator(Evaluator):
    """What is known is the reference set; without one, what the embedded model was trained on."""

    name = "materials"
    help = "Frameworks, sequence level: valid, novel, unique; known and new nodes and linkers."
    forms = frozenset((Form.MATERIAL,))
    metrics = _METRICS
    summary_metrics = _SUMMARY

    def prepare(self, wanted: Collection[str], context: Context) -> None:  # noqa: ARG002
        """Read the library."""
        from logos_cli.evaluators.materials.parts import library_of

        library_of(context.reference)

    def score(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        """Return what can be said of one framework."""
        from logos_cli.evaluators.materials.parts import Framework, library_of

        item = subject.item
        if not isinstance(item, Material):
            return {}
        framework = Framework(item, library_of(context.reference))
        told: dict[str, Callable[[], Value]] = {
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
                values[name] = told[name]()
            except LogosError as error:
                values[name] = Unavailable(error.message)
        return values

    def observe(self, subject: Subject, context: Context) -> _Seen:
        """Return key and novelty; of a record that is not valid, that it is not."""
        from logos_cli.evaluators.materials.parts import Framework, library_of

        if not isinstance(subject.item, Material):
            return _Seen()
        framework = Framework(subject.item, library_of(context.reference))
        try:
            new_node, new_linker = bool(framework.new_nodes), bool(framework.new_linkers)
        except LogosError:
            return _Seen()
        valid = framework.problem is None
        return _Seen(framework.sequence if valid else None, valid and framework.is_novel, new_node, new_linker)

    def summarise(
        self,
        observations: Iterable[_Seen],
        wanted: Collection[str],
        context: Context,  # noqa: ARG002
    ) -> Mapping[str, Estimate]:
        """Return the rates."""
        from logos_cli.evaluators.statistics import first_ones, share

        seen = list(observations)
        first = first_ones([each.sequence for each in seen])
        pairs = list(zip(seen, first, strict=True))
        rates = {
            "mof_validity": (each.sequence is not None for each in seen),
            "mof_uniqueness": (is_first for each, is_first in pairs if each.sequence is not None),
            "mof_novelty": (each.novel for each, is_first in pairs if is_first),
            "vnu_sequence_level": (each.novel and is_first for each, is_first in pairs),
            "new_building_block_rate": (each.new_node or each.new_linker for each in seen),
            "new_linker_rate": (each.new_linker for each in seen),
            "new_node_rate": (each.new_node for each in seen),
        }
        return {name: share(rates[name]) for name in wanted}


PLUGIN = MaterialEvaluator()
