"""Score a table of variants of a wild type: zero-shot fitness by log-likelihood ratio.

The ratio is that of whole sequences, log p(variant) - log p(wild type). A causal model has no masked marginals: the
probability of a residue depends only on the residues before it. The ratio includes the mutated residue, given those
before it, and all residues after it, given the mutation.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

from logos_cli.errors import FormatError, InputError, LogosError, UsageError
from logos_cli.evaluators.base import Estimate, Metric
from logos_cli.formats.base import ReadOptions
from logos_cli.grammar import parse
from logos_cli.io import places
from logos_cli.io.ids import UniqueIds
from logos_cli.io.input import Input
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject, to_text
from logos_cli.objects.protein import Protein
from logos_cli.records import Record, Source
from logos_cli.records.parts import number_of
from logos_cli.tasks.design.baselines import blosum62, n_mutations
from logos_cli.tasks.design.mutations import mutant, mutations
from logos_cli.workflows.files import read_file
from logos_cli.workflows.score.items import ScoredRecord
from logos_cli.workflows.score.scoring import ScoreOptions, Scoring
from logos_cli.workflows.score.summary import SummaryRow

MUTATION_COLUMNS: Final = ("mutant", "mutants", "mutation", "mutations", "variant", "variants", "aa_mutations")
SEQUENCE_COLUMNS: Final = ("sequence", "mutated_sequence", "mutant_sequence", "seq")
FITNESS_COLUMNS: Final = ("fitness", "dms_score", "score", "log_fitness", "effect", "measurement")
_RESIDUES: Final = re.compile(r"[A-Za-z]+")

SPEARMAN: Final = Metric(
    "fitness_spearman",
    "Rank correlation of logp_ratio with the fitness in the table.",
    better="higher",
    source="Spearman 1904; ties share their rank",
)
NDCG: Final = Metric(
    "fitness_ndcg",
    "Normalised discounted cumulative gain of the tenth with the highest logp_ratio; gains are fitness from 0 to 1.",
    better="higher",
    source="ProteinGym (Notin et al. 2023)",
)
BASELINES: Final = {
    "n_mutations": Metric(
        "fitness_spearman_mutations",
        "Rank correlation of the number of mutations, fewer being better, with the fitness: what logp_ratio has to beat.",
        better="higher",
        source="Levenshtein distance",
    ),
    "blosum62": Metric(
        "fitness_spearman_blosum62",
        "Rank correlation of the sum of BLOSUM62 over the substitutions with the fitness: what logp_ratio has to beat.",
        better="higher",
        source="Henikoff 1992",
    ),
}
TOP_RECALL: Final = Metric(
    "fitness_top_recall",
    "Share of the fittest tenth that is in the tenth with the highest logp_ratio.",
    better="higher",
    source="ProteinGym (Notin et al. 2023)",
)


@dataclass(frozen=True, slots=True)
class WildType:
    """The protein, or chain of an antibody, that variants are made of."""

    item: Protein | Antibody

    @classmethod
    def read(cls, given: str) -> WildType:
        """Read a wild type from a file with one sequence, or from the sequence itself.

        Raises
        ------
        InputError
            If the file holds another number of sequences, or something else.
        """
        if _RESIDUES.fullmatch(given) and not places.exists(given):
            return cls(Protein(given.upper()))
        entries = [entry for entry, _ in read_file(given, ReadOptions())]
        for entry in entries:
            if entry.error is not None:
                raise entry.error.at(given)
        if len(entries) != 1:
            raise InputError(f"the wild type must be one sequence; the file holds {len(entries)}", source=given)
        item: ScienceObject | None = entries[0].item
        if not isinstance(item, (Protein, Antibody)):
            raise InputError(
                f"the wild type is a {type(item).__name__.lower()}; variants are made of a protein or antibody",
                source=given,
            )
        if isinstance(item, Antibody) and len(item.chains) != 1:
            raise InputError(
                "the wild type has two chains, and mutations name no chain", source=given, hint="give one chain"
            )
        return cls(item)

    @property
    def sequence(self) -> str:
        """Its residues."""
        return self.item.sequence if isinstance(self.item, Protein) else self.item.chains[0]

    def text(self, sequence: str | None = None) -> str:
        """Return the sentence of the wild type, or of a variant of it."""
        if sequence is None:
            return to_text(self.item)
        item = Protein(sequence) if isinstance(self.item, Protein) else Antibody((sequence,))
        return to_text(item)

    def mutated(self, mutations: str, first_residue: int = 1) -> str:
        """Return the sequence with mutations such as ``A45G`` or ``A45G:K50R``.

        Parameters
        ----------
        first_residue : int
            The number of the first residue.

        Raises
        ------
        InputError
            If a mutation cannot be parsed or does not fit; with the position.
        """
        return mutant(self.sequence, mutations, first_residue)


class MutantTable:
    """A table of variants, read in two passes: numbers are checked before any model is loaded.

    Parameters
    ----------
    path : str
        CSV or TSV with a column of mutations (``mutant``, ``mutations`` …), or else of whole sequences.
    fitness : str, optional
        The column with measured fitness; None takes the first with a usual name, if there is one.
    first_residue : int
        The number of the wild type's first residue in the table.

    Raises
    ------
    InputError
        If the table has no such column, no rows, or a fitness that is not a finite number; with the line.
    """

    def __init__(self, path: str, wild_type: WildType, fitness: str | None = None, first_residue: int = 1) -> None:
        if path == "-":
            raise UsageError(
                "a table of variants cannot be read from standard input", hint="give a file: it is read twice"
            )
        self.path, self.wild_type, self.first_residue = path, wild_type, first_residue
        with closing(Input(path)) as source:
            self.provenance = source.provenance
        columns = next(self._rows(), (0, {}))[1]
        if not columns:
            raise InputError("the table has no rows", source=path)
        self.mutations = _find(columns, MUTATION_COLUMNS)
        self.sequence = _find(columns, SEQUENCE_COLUMNS)
        if self.mutations is None and self.sequence is None:
            raise InputError(
                f"the table has no column of mutations: it has {', '.join(columns)}",
                source=path,
                hint="name it mutant, with cells such as A45G or A45G:K50R",
            )
        if fitness is not None and fitness not in columns:
            raise UsageError(f"the table has no column {fitness!r}", source=path, hint=f"it has {', '.join(columns)}")
        self.fitness = fitness if fitness is not None else _find(columns, FITNESS_COLUMNS)
        if self.fitness is not None:
            for line, cells in self._rows():
                self._fitness_of(line, cells)

    def _rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the rows with their line numbers."""
        with closing(Input(self.path)) as source:
            lines = iter(source.text_lines())
            header = next(lines, "")
            delimiter = max("\t,;", key=header.count)
            names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
            reader = csv.reader(lines, delimiter=delimiter)
            for cells in reader:
                line = reader.line_num + 1
                if not cells:
                    continue
                if len(cells) != len(names):
                    raise FormatError(
                        f"the row has {len(cells)} cells, the header {len(names)}", source=f"{self.path}:{line}"
                    )
                yield line, dict(zip(names, cells, strict=True))

    def _fitness_of(self, line: int, cells: Mapping[str, str]) -> float | None:
        if self.fitness is None:
            return None
        text = cells[self.fitness].strip()
        try:
            value = float(text)
        except ValueError as error:
            raise self._no_number(line, text) from error
        if not math.isfinite(value):
            raise self._no_number(line, text)
        return value

    def _no_number(self, line: int, text: str) -> InputError:
        return InputError(
            f"the fitness in column {self.fitness!r} is {text or 'empty'}, not a finite number",
            source=f"{self.path}:{line}",
            hint="leave out variants that were not measured",
        )

    def records(self) -> Iterator[Record]:
        """Yield a record for each row, with ``status`` ``error`` if the variant does not fit."""
        ids = UniqueIds()
        for line, cells in self._rows():
            source: Source = {**self.provenance, "line": line}
            label = cells[self.mutations].strip() if self.mutations else ""
            try:
                if self.mutations is None and self.sequence is not None:
                    sequence = cells[self.sequence].strip().upper()
                    label = ":".join(mutations(self.wild_type.sequence, sequence, self.first_residue))
                else:
                    sequence = self.wild_type.mutated(label, self.first_residue)
                text = self.wild_type.text(sequence)
            except LogosError as error:
                id = ids.take(label or f"line{line}")
                yield Record.from_error(id, self.wild_type.item.forms[0], error.at(f"{self.path}:{line}"), source)
                continue
            source["mutations"] = label or "wt"
            used = (self.mutations, self.sequence, self.fitness)
            if rest := {name: cell for name, cell in cells.items() if name not in used}:
                source["columns"] = rest
            record = Record(ids.take(label or "wt"), self.wild_type.item.forms[0], text, source=source)
            measured = self._fitness_of(line, cells)
            if measured is not None:
                record.scores["fitness"] = {"value": measured, "measured": True}
            yield record


def _find(columns: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """Return the column with one of these names; earlier names come first."""
    lower = {column.lower(): column for column in columns}
    return next((lower[name] for name in names if name in lower), None)


class MutantScoring:
    """Scores the variants of a table: log-likelihood ratios, and their agreement with the measured fitness.

    Attributes
    ----------
    scoring : Scoring
    """

    def __init__(self, table: MutantTable, options: ScoreOptions) -> None:
        self.table = table
        metrics = options.metrics or ("logp_ratio",)
        options = replace(options, metrics=metrics, wild_type=table.wild_type.text())
        self.scoring = Scoring(options, each=self._add_pair)
        self._pairs: list[tuple[float, float]] = []
        self._trivial: list[tuple[float, float | None]] = []

    def _add_pair(self, record: Record) -> None:
        ratio, fitness = number_of(record.scores, "logp_ratio"), number_of(record.scores, "fitness")
        if ratio is not None and fitness is not None:
            self._pairs.append((ratio, fitness))
            wild_type, sequence = self.table.wild_type.sequence, parse(record.text).left[0].payload
            self._trivial.append((float(-n_mutations(wild_type, sequence)), blosum62(wild_type, sequence)))

    def records(self) -> Iterator[ScoredRecord]:
        """Yield the scored variants in the order of the table, or best first."""
        return self.scoring.records(self.table.records())

    def summary(self) -> list[SummaryRow]:
        """Return the figures of all variants, with the rank correlation if the table has a fitness."""
        rows = self.scoring.summary()
        if self.table.fitness is None:
            return rows
        if not self._pairs:
            none = Estimate.unknown("no variant has both")
            return [*rows, *(SummaryRow(metric, "set", none) for metric in (SPEARMAN, NDCG, TOP_RECALL))]
        from logos_cli.evaluators.proteins.tables import rank_quality

        quality = rank_quality([pair[0] for pair in self._pairs], [pair[1] for pair in self._pairs])
        found = ((SPEARMAN, quality.spearman), (NDCG, quality.ndcg), (TOP_RECALL, quality.top_recall))
        trivial = zip(BASELINES.values(), self._baselines(), strict=True)
        return [*rows, *(SummaryRow(metric, "set", figure) for metric, figure in (*found, *trivial))]

    def _baselines(self) -> list[Estimate]:
        """Return the rank correlations of the number of mutations and of BLOSUM62 with the fitness."""
        from logos_cli.evaluators.statistics import spearman

        fitness = [pair[1] for pair in self._pairs]
        sums = [pair[1] for pair in self._trivial]
        known = [each for each in sums if each is not None]
        by_sum = (
            spearman(known, fitness)
            if len(known) == len(sums)
            else Estimate.unknown(
                "BLOSUM62 compares substitutions; some variants have insertions or deletions, or residues that it lacks"
            )
        )
        return [spearman([pair[0] for pair in self._trivial], fitness), by_sum]

    def better_baselines(self, rows: Sequence[SummaryRow]) -> list[str]:
        """Return the trivial scores that rank the variants better than the likelihood ratio does, in words."""
        values = {row.metric.name: row.estimate.value for row in rows if row.kind == "set"}
        own = values.get(SPEARMAN.name)
        words = {"n_mutations": "the number of mutations", "blosum62": "BLOSUM62"}
        return [
            f"{words[name]} ({value:.3f})"
            for name, metric in BASELINES.items()
            if own is not None and (value := values.get(metric.name)) is not None and value > own
        ]
