"""Protein editing after GGS: edits of a base pool with low fitness, and the fitness of the best by an oracle.

The published oracles are convolutional networks whose weights are not used here: an oracle trained on the same table
predicts fitness, which is not comparable. With `--adapt` the model is first adapted to the measured values of the base
pool, and to nothing else, as the published methods are. The edits are then drawn by the frequencies of residues in the pool,
where the start has rare ones (`--guide oracle`), and the likelihood of the adapted model selects the designs. A ridge regression
on the same pool is a second way to select them, and both together a third. Selection by the frequencies themselves is a
baseline, with positions drawn at random or where the start has rare residues. The oracle that evaluates takes no part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from logos_cli.benchmarks.base import SEED, Benchmark, Case, CaseOutcome, Figure, data_file
from logos_cli.benchmarks.tables import read_csv
from logos_cli.errors import InputError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.proteins.editing import N_SEQUENCES, Pool, base_pool, diversity, median, nearest
from logos_cli.formats.base import Entry
from logos_cli.grammar import Form, parse
from logos_cli.io.json_types import JsonMapping, JsonObject
from logos_cli.objects.protein import Protein
from logos_cli.records import Record, Status
from logos_cli.tasks.design.oracle import RESIDUES, exchange_odds

if TYPE_CHECKING:
    from logos_cli.evaluators.proteins.oracle import FitnessOracle
    from logos_cli.tasks.design.surrogate import Surrogate

_N_WILD_TYPES = 128
_N_SAMPLES = 16
_TEMPERATURE = 0.5
_N_TOKENS, _N_TOKENS_IN_ALL = 85_000, 254_000
"""Residues of the pool that are trained on, and with repetitions: minutes on two cores."""
_ORACLE = "own oracle, trained on the same table"


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of measured fitness.

    Attributes
    ----------
    pool : tuple of int
        Rows that a method may start from.
    """

    sequences: tuple[str, ...]
    fitness: tuple[float, ...]
    pool: tuple[int, ...]


class EditingBenchmark(Benchmark):
    """Edits of one base pool.

    Parameters
    ----------
    protein : str
        ``gfp`` or ``aav``: the table is ``fitness/NAME.csv``.
    title : str
        The measured property.
    pool : Pool
        Pool of the sequences that are edited.
    published : mapping
        Median normalised fitness by the published oracle.
    """

    task = "protein"
    question = "protein --edit"
    decides = "fitness"
    n_samples = _N_SAMPLES
    adapted_sampling = MappingProxyType({"guide": "oracle"})
    layout = "fitness/NAME.csv with the columns sequence and fitness, all sequences of one length"

    def __init__(self, protein: str, title: str, pool: Pool, published: Mapping[str, float] | None = None) -> None:
        self.protein, self.pool = protein, pool
        self.name = f"editing_{protein}_{pool.name.lower()}"
        self.help = (
            f"{title}, {pool.name.lower()}: {_N_SAMPLES} edits of each of {_N_WILD_TYPES} sequences of the base pool, "
            f"with at most {pool.value.gap} mutations; figures of the {N_SEQUENCES} likeliest edits."
        )
        # the smallest number of mutations to the best percent
        self.sampling = {"max_mutations": pool.value.gap, "temperature": _TEMPERATURE}
        self.baseline_help = f"random edits with 1 to {pool.value.gap} mutations; {N_SEQUENCES} random ones of them."
        self.figures = (
            Figure(
                "fitness",
                "Median fitness by the oracle; 0 and 1 are the lowest and highest values of the table.",
                published=published or {},
                comparable=False,
                remark=f"Fitness by {_ORACLE}; published figures are by the oracles of GGS, after training on the pool.",
            ),
            Figure("fitness, ridge", "Median fitness of the edits that a ridge regression on the pool ranks highest."),
            Figure(
                "fitness, both", "Median fitness of the edits with the highest sum of ranks by likelihood and by ridge."
            ),
            Figure(
                "fitness, matrix", "Median fitness of edits by the frequencies of residues in the pool.", better=None
            ),
            Figure(
                "fitness, guided matrix",
                "The same, with positions drawn by the odds against the residue of the start in the pool.",
                better=None,
            ),
            Figure("fitness of the start", "Median fitness of the edited sequences.", better=None),
            Figure("diversity", "Mean Levenshtein distance of all pairs."),
            Figure("novelty", "Median Levenshtein distance to the nearest sequence of the pool."),
        )

    def cases(self, data: Path) -> Iterator[Case]:
        """Yield random sequences of the pool as wild types."""
        path = self._file(data)
        table = _table(str(path), self.pool)
        rng = np.random.default_rng(SEED)
        drawn = rng.permutation(len(table.pool))[:_N_WILD_TYPES]
        for number, index in enumerate(sorted(drawn.tolist()), 1):
            id = f"{self.name}:{number:03d}"
            wild_type = table.sequences[table.pool[index]]
            yield Case(id, (Entry(id, Protein(wild_type)),), {"wild_type": wild_type, "table": str(path)})

    def adapted(self, data: Path, model: str, directory: Path) -> str | None:
        """Adapt the model to the base pool, unless an earlier session has."""
        from logos_cli.training.assay.adapt import AdaptRequest, adapt

        if not (directory / "config.json").is_file():
            table = _table(str(self._file(data)), self.pool)
            length = len(table.sequences[0])
            rows = np.random.default_rng(SEED).permutation(table.pool)[: _N_TOKENS // length]
            directory.parent.mkdir(parents=True, exist_ok=True)
            pool = directory.with_suffix(".csv")
            lines = (f"{table.sequences[row]},{table.fitness[row]}\n" for row in rows.tolist())
            pool.write_text("".join(("sequence,fitness\n", *lines)), encoding="utf-8")
            n_epochs = max(2, min(12, _N_TOKENS_IN_ALL // (len(rows) * length)))
            adapt(AdaptRequest(str(pool), directory, base=model, n_epochs=n_epochs, held_out=0.1))
        return str(directory)

    def adapted_options(self, model: str) -> JsonMapping:
        """Return the oracle that was trained beside the model: its table guides the edits."""
        return {"oracle": model}

    def _file(self, data: Path) -> Path:
        name = f"fitness/{self.protein}.csv"
        return data_file(data, name, f"{name}.gz", layout=self.layout.replace("NAME", self.protein))

    def outcome(self, case: Case, records: Sequence[Record]) -> CaseOutcome:
        """Return the edits with their log-likelihood ratios and predicted fitness."""
        edits = {}
        for record in records:
            if record.status is Status.OK:
                sequence = parse(record.text, Form.PROTEIN).left[0].payload
                # likelihoods of whole sequences compare edits of different starts; ratios would favour poor starts
                value = record.scores.get("logp", {}).get("value")
                if value is not None and sequence != case.truth["wild_type"]:
                    edits[sequence] = float(value)
        return self._outcome(case, edits)

    def baseline(self, case: Case, _data: Path, rng: np.random.Generator) -> CaseOutcome:
        """Evaluate random substitutions."""
        edits = {}
        for _ in range(_N_SAMPLES):
            residues = list(case.truth["wild_type"])
            count = int(rng.integers(1, self.pool.value.gap + 1))
            for place in rng.choice(len(residues), size=count, replace=False):
                others = [letter for letter in RESIDUES if letter != residues[place]]
                residues[place] = others[int(rng.integers(len(others)))]
            edits["".join(residues)] = float(rng.random())
        return self._outcome(case, edits)

    def _outcome(self, case: Case, edits: Mapping[str, float]) -> CaseOutcome:
        table = _table(case.truth["table"], self.pool)
        oracle = _oracle(case.truth["table"])
        low, high = min(table.fitness), max(table.fitness)

        def fitness(sequences: Sequence[str]) -> list[float]:
            return [(value - low) / (high - low) for value in oracle(sequences)] if sequences else []

        designs = list(edits)
        ridge = _ridge(case.truth["table"], self.pool)
        preferred = ridge.predict(designs)
        by_matrix = {name: self._by_matrix(case, is_guided=name != "matrix") for name in _MATRICES}
        gaps = nearest(designs, [table.sequences[row] for row in table.pool]) if designs else []
        return {
            "wild_type": case.truth["wild_type"],
            "start": fitness([case.truth["wild_type"]])[0],
            "edits": [
                {"sequence": sequence, "preference": edits[sequence], "ridge": by, "fitness": value, "distance": gap}
                for sequence, by, value, gap in zip(designs, preferred, fitness(designs), gaps, strict=True)
            ],
            **{
                name: [
                    {"sequence": sequence, "preference": score, "fitness": value}
                    for (sequence, score), value in zip(made.items(), fitness(list(made)), strict=True)
                ]
                for name, made in by_matrix.items()
            },
        }

    def summarise(self, outcomes: Sequence[CaseOutcome]) -> dict[str, Estimate]:
        """Return the figures of GGS for the likeliest edits; a sequence is the unit."""
        best = _best(outcomes, "edits", "preference")
        return {
            "fitness": median([edit["fitness"] for edit in best]),
            "fitness, ridge": median([edit["fitness"] for edit in _best(outcomes, "edits", "ridge")]),
            "fitness, both": median([edit["fitness"] for edit in _best_by_both(outcomes)]),
            **{
                figure: median([edit["fitness"] for edit in _best(outcomes, name, "preference")])
                for name, figure in _MATRICES.items()
            },
            "fitness of the start": median([outcome["start"] for outcome in outcomes]),
            "diversity": diversity([edit["sequence"] for edit in best]),
            "novelty": median([edit["distance"] for edit in best]),
        }

    def _by_matrix(self, case: Case, *, is_guided: bool) -> dict[str, float]:
        """Return edits with residues drawn by their frequency in the pool, and the likelihood under these frequencies."""
        matrix = _matrix(case.truth["table"], self.pool)
        rng = np.random.default_rng([SEED, *case.id.encode(), 1])
        own = matrix[range(len(matrix)), [RESIDUES.find(residue) for residue in case.truth["wild_type"]]]
        odds = exchange_odds(own) if is_guided else np.ones(len(own))
        edits = {}
        for _ in range(_N_SAMPLES):
            residues = list(case.truth["wild_type"])
            for place in rng.choice(len(residues), size=self.pool.value.gap, replace=False, p=odds / odds.sum()):
                # the temperature is that of the model
                weights = matrix[place] ** (1 / _TEMPERATURE)
                residues[place] = RESIDUES[rng.choice(len(RESIDUES), p=weights / weights.sum())]
            rows = [RESIDUES.find(residue) for residue in residues]
            edits["".join(residues)] = float(np.log(matrix[range(len(rows)), rows]).sum())
        edits.pop(case.truth["wild_type"], None)
        return edits


_MATRICES = {"matrix": "fitness, matrix", "guided_matrix": "fitness, guided matrix"}
"""Baselines by the frequencies of residues: key of the outcome, and figure."""


def _best(outcomes: Sequence[CaseOutcome], what: str, by: str) -> list[JsonObject]:
    """Return the designs with the highest value, each once."""
    return _ranked(outcomes, what, by)[:N_SEQUENCES]


def _ranked(outcomes: Sequence[CaseOutcome], what: str, by: str) -> list[JsonObject]:
    """Return all designs, each once, that with the highest value first."""
    designs: dict[str, JsonObject] = {}
    for outcome in outcomes:
        for edit in outcome.get(what, ()):
            known = designs.setdefault(edit["sequence"], edit)
            if edit[by] > known[by]:
                designs[edit["sequence"]] = edit
    return sorted(designs.values(), key=lambda edit: -edit[by])


def _best_by_both(outcomes: Sequence[CaseOutcome]) -> list[JsonObject]:
    """Return the designs with the lowest sum of their ranks by likelihood and by ridge, each once."""
    by_likelihood, by_ridge = (_ranked(outcomes, "edits", name) for name in ("preference", "ridge"))
    ranks = {edit["sequence"]: rank for rank, edit in enumerate(by_ridge)}
    summed = sorted(enumerate(by_likelihood), key=lambda item: item[0] + ranks[item[1]["sequence"]])
    return [edit for _, edit in summed[:N_SEQUENCES]]


@lru_cache(maxsize=2)
def _ridge(path: str, pool: Pool) -> Surrogate:
    from logos_cli.training.assay.regression import train_regression

    table = _table(path, pool)
    values = np.array([table.fitness[row] for row in table.pool])
    return train_regression("protein", [table.sequences[row] for row in table.pool], values, method="ridge")


@lru_cache(maxsize=2)
def _matrix(path: str, pool: Pool) -> NDArray[np.float64]:
    """Return the frequencies of residues in a pool, with one pseudocount a residue; shape (length, 20)."""
    table = _table(path, pool)
    letters = np.array([list(table.sequences[row]) for row in table.pool])
    counts = (letters[:, :, None] == np.array(list(RESIDUES))).sum(0) + 1.0
    found: NDArray[np.float64] = counts / counts.sum(1, keepdims=True)
    return found


@lru_cache(maxsize=4)
def _table(path: str, pool: Pool) -> _Table:
    sequences, fitness = [], []
    for number, row in enumerate(read_csv(Path(path), ("sequence", "fitness")), 2):
        try:
            fitness.append(float(row["fitness"]))
        except ValueError as error:
            raise InputError(f"{row['fitness']!r} is not a number", source=f"{path}:{number}") from error
        sequences.append(row["sequence"])
    return _Table(tuple(sequences), tuple(fitness), tuple(base_pool(sequences, fitness, pool.value)))


@lru_cache(maxsize=2)
def _oracle(path: str) -> FitnessOracle:
    from logos_cli.evaluators.proteins.oracle import train_oracle

    table = _table(path, Pool.MEDIUM)
    return train_oracle(table.sequences, table.fitness)


_AAV, _GFP = "Packaging of AAV capsids", "Brightness of GFP"

PLUGINS = {
    "editing_aav_hard": EditingBenchmark(
        "aav", _AAV, Pool.HARD, {"LOGOS-1B": 0.69, "LOGOS-3B": 0.70, "LOGOS-8B": 0.70, "GGS": 0.33}
    ),
    "editing_aav_medium": EditingBenchmark("aav", _AAV, Pool.MEDIUM),
    "editing_gfp_hard": EditingBenchmark(
        "gfp", _GFP, Pool.HARD, {"LOGOS-1B": 0.91, "LOGOS-3B": 0.93, "LOGOS-8B": 0.93, "GGS": 0.34}
    ),
    "editing_gfp_medium": EditingBenchmark("gfp", _GFP, Pool.MEDIUM),
}
