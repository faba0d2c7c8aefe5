"""Protein editing after GGS: edits of a base pool with low fitness, and the fitness of the best by an oracle.

The published oracles are convolutional networks whose weights are not used here: an oracle trained on the same table
predicts fitness, which is not comparable. The protocol trains on the base pool first, and on nothing else: the model on its
measured values, and the oracle of `--guide oracle` on the frequencies of its residues. The edits are drawn by these frequencies,
where the start has rare residues, and the designs are those that are likeliest under them. The likelihood of the adapted
model and a ridge regression on the same pool select others, which are figures beside it. With `--no-adapt` nothing is trained:
the model writes the edits, and its likelihood selects the designs. A baseline draws positions at random. The oracle that
evaluates takes no part.
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

from logos_cli.benchmarks.base import SEED, Benchmark, Case, CaseOutcome, Figure, Training, data_file
from logos_cli.benchmarks.tables import read_csv
from logos_cli.errors import InputError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.proteins.editing import N_SEQUENCES, Pool, base_pool, diversity, median, nearest
from logos_cli.formats.base import Entry
from logos_cli.grammar import Form, parse
from logos_cli.io.json_types import JsonMapping, JsonObject
from logos_cli.objects.protein import Protein
from logos_cli.records import Record, Status
from logos_cli.records.parts import number_of
from logos_cli.tasks.design.oracle import RESIDUES

if TYPE_CHECKING:
    from logos_cli.evaluators.proteins.oracle import FitnessOracle
    from logos_cli.tasks.design.surrogate import Surrogate

_N_WILD_TYPES = 128
_N_SAMPLES = 16
_TEMPERATURE = 0.5
_N_TOKENS, _N_TOKENS_IN_ALL = 85_000, 254_000
"""Residues of the pool that are trained on, and with repetitions: minutes on two cores."""
_HELD_OUT = 0.1
_ORACLE = "own oracle, trained on the same table"
_MATRIX = "fitness, matrix"
_TRAINED = (
    "Trained on the pool first, as the protocol is: its frequencies of residues draw the edits and select the designs of "
    "`fitness`; the adapted model selects those of `fitness, likelihood`."
)
_UNTRAINED = (
    "Nothing was trained on the pool (`--no-adapt`), which is not the protocol: the model writes and selects the edits."
)


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
    trains = True
    layout = "fitness/NAME.csv with the columns sequence and fitness, all sequences of one length"

    def __init__(self, protein: str, title: str, pool: Pool, published: Mapping[str, float] | None = None) -> None:
        self.protein, self.pool = protein, pool
        self.name = f"editing_{protein}_{pool.name.lower()}"
        self.help = (
            f"{title}, {pool.name.lower()}: {_N_SAMPLES} edits of each of {_N_WILD_TYPES} sequences of the base pool, "
            f"with at most {pool.value.gap} mutations; figures of the {N_SEQUENCES} best edits by each ranking."
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
            Figure("fitness, likelihood", "Median fitness of the edits that the model finds likeliest."),
            Figure("fitness, ridge", "Median fitness of the edits that a ridge regression on the pool ranks highest."),
            Figure("fitness, both", "Median fitness of the edits with the best sum of ranks by fitness and by ridge."),
            Figure(
                _MATRIX,
                "Median fitness of edits at random positions by the frequencies of residues in the pool.",
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

    def adapted(self, training: Training) -> str:
        """Adapt the model to the base pool, unless another session or shard has."""
        from logos_cli.processes.lock import locked
        from logos_cli.training.assay.adapt import AdaptRequest, adapt

        directory = training.directory
        directory.parent.mkdir(parents=True, exist_ok=True)
        pool = directory.with_suffix(".csv")
        with locked(pool, "adapting the model", wait=True):
            if not (directory / "config.json").is_file():
                n_epochs = self._write_pool(training.data, pool)
                request = AdaptRequest(
                    str(pool), directory, base=training.model, revision=training.revision, n_epochs=n_epochs,
                    held_out=_HELD_OUT, oracle="ridge", threads=training.threads, offline=training.offline,
                    arguments=("logos", "bench", "tasks", "--task", self.name),
                )  # fmt: skip
                progress = training.progress
                adapt(request, (lambda done, of, _: progress(done, of)) if progress else None)
        return str(directory)

    def _write_pool(self, data: Path, path: Path) -> int:
        """Write the table to train on, and return the number of epochs."""
        table = _table(str(self._file(data)), self.pool)
        length = len(table.sequences[0])
        rows = np.random.default_rng(SEED).permutation(table.pool)[: _N_TOKENS // length]
        lines = (f"{table.sequences[row]},{table.fitness[row]}\n" for row in rows.tolist())
        path.write_text("".join(("sequence,fitness\n", *lines)), encoding="utf-8")
        return max(2, min(12, _N_TOKENS_IN_ALL // (len(rows) * length)))

    def adapted_options(self, model: str) -> JsonMapping:
        """Return the oracle that was trained beside the model: its table guides the edits."""
        return {"oracle": model}

    def _file(self, data: Path) -> Path:
        name = f"fitness/{self.protein}.csv"
        return data_file(data, name, f"{name}.gz", layout=self.layout.replace("NAME", self.protein))

    def outcome(self, case: Case, records: Sequence[Record]) -> CaseOutcome:
        """Return the edits with their log-likelihoods and predicted fitness."""
        edits, is_trained = {}, False
        for record in records:
            if record.status is Status.OK:
                sequence = parse(record.text, Form.PROTEIN).left[0].payload
                # likelihoods of whole sequences compare edits of different starts; ratios would favour poor starts
                logp, table_logp = (number_of(record.scores, name) for name in ("logp", "table_logp"))
                is_trained |= table_logp is not None
                if logp is not None and sequence != case.truth["wild_type"]:
                    edits[sequence] = (logp if table_logp is None else table_logp, logp)
        return {**self._outcome(case, edits), "trained": is_trained}

    def baseline(self, case: Case, _data: Path, rng: np.random.Generator) -> CaseOutcome:
        """Evaluate random substitutions."""
        edits = {}
        for _ in range(_N_SAMPLES):
            residues = list(case.truth["wild_type"])
            count = int(rng.integers(1, self.pool.value.gap + 1))
            for place in rng.choice(len(residues), size=count, replace=False):
                others = [letter for letter in RESIDUES if letter != residues[place]]
                residues[place] = others[int(rng.integers(len(others)))]
            preference = float(rng.random())
            edits["".join(residues)] = (preference, preference)
        return self._outcome(case, edits)

    def _outcome(self, case: Case, edits: Mapping[str, tuple[float, float]]) -> CaseOutcome:
        """Return the outcome; of each edit the number that selects it and its log-likelihood are given."""
        table = _table(case.truth["table"], self.pool)
        oracle = _oracle(case.truth["table"])
        low, high = min(table.fitness), max(table.fitness)

        def fitness(sequences: Sequence[str]) -> list[float]:
            return [(value - low) / (high - low) for value in oracle(sequences)] if sequences else []

        designs = list(edits)
        ridge = _ridge(case.truth["table"], self.pool)
        preferred = ridge.predict(designs)
        by_matrix = self._by_matrix(case)
        gaps = nearest(designs, [table.sequences[row] for row in table.pool]) if designs else []
        return {
            "wild_type": case.truth["wild_type"],
            "start": fitness([case.truth["wild_type"]])[0],
            "edits": [
                {
                    "sequence": sequence,
                    "preference": edits[sequence][0],
                    "likelihood": edits[sequence][1],
                    "ridge": by,
                    "fitness": value,
                    "distance": gap,
                }
                for sequence, by, value, gap in zip(designs, preferred, fitness(designs), gaps, strict=True)
            ],
            "matrix": [
                {"sequence": sequence, "preference": score, "fitness": value}
                for (sequence, score), value in zip(by_matrix.items(), fitness(list(by_matrix)), strict=True)
            ],
        }

    def remarks(self, outcomes: Sequence[CaseOutcome]) -> list[str]:
        """Return whether the model was trained on the pool, as the protocol is."""
        known = [bool(outcome["trained"]) for outcome in outcomes if outcome["edits"] and "trained" in outcome]
        if not known:
            return ["There is no edit."]
        if any(known) != all(known):
            return [f"{sum(known):,} of {len(known):,} cases are after training on the pool: the figures mix both."]
        return [_TRAINED if known[0] else _UNTRAINED]

    def summarise(self, outcomes: Sequence[CaseOutcome]) -> dict[str, Estimate]:
        """Return the figures of GGS for the likeliest edits; a sequence is the unit."""
        best = _best(outcomes, "edits", "preference")
        return {
            "fitness": median([edit["fitness"] for edit in best]),
            "fitness, likelihood": median([edit["fitness"] for edit in _best(outcomes, "edits", "likelihood")]),
            "fitness, ridge": median([edit["fitness"] for edit in _best(outcomes, "edits", "ridge")]),
            "fitness, both": median([edit["fitness"] for edit in _best_by_both(outcomes)]),
            _MATRIX: median([edit["fitness"] for edit in _best(outcomes, "matrix", "preference")]),
            "fitness of the start": median([outcome["start"] for outcome in outcomes]),
            "diversity": diversity([edit["sequence"] for edit in best]),
            "novelty": median([edit["distance"] for edit in best]),
        }

    def _by_matrix(self, case: Case) -> dict[str, float]:
        """Return edits with residues drawn by their frequency in the pool, and the likelihood under these frequencies.

        The positions are drawn at random.
        """
        matrix = _matrix(case.truth["table"], self.pool)
        rng = np.random.default_rng([SEED, *case.id.encode(), 1])
        edits = {}
        for _ in range(_N_SAMPLES):
            residues = list(case.truth["wild_type"])
            for place in rng.choice(len(residues), size=self.pool.value.gap, replace=False):
                # the temperature is that of the model
                weights = matrix[place] ** (1 / _TEMPERATURE)
                residues[place] = RESIDUES[rng.choice(len(RESIDUES), p=weights / weights.sum())]
            rows = [RESIDUES.find(residue) for residue in residues]
            edits["".join(residues)] = float(np.log(matrix[range(len(rows)), rows]).sum())
        edits.pop(case.truth["wild_type"], None)
        return edits


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
    """Return the designs with the lowest sum of their ranks by preference and by ridge, each once."""
    by_preference, by_ridge = (_ranked(outcomes, "edits", name) for name in ("preference", "ridge"))
    ranks = {edit["sequence"]: rank for rank, edit in enumerate(by_ridge)}
    summed = sorted(enumerate(by_preference), key=lambda item: item[0] + ranks[item[1]["sequence"]])
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
