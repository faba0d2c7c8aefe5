"""Adapt a model to a table of measured values: the function behind ``logos train --assay``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from logos_cli.errors import UsageError
from logos_cli.evaluators.base import Estimate
from logos_cli.io.json_types import JsonObject
from logos_cli.resources import EMBEDDED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from logos_cli.training.assay.fit import FitResult
    from logos_cli.training.assay.regression import Method
    from logos_cli.training.assay.table import Assay, Split

FACTS: Final = "assay.json"
_STOP_SHARE: Final = 0.1
_BATCH_TOKENS: Final = 2_048
"""Tokens of a step: long sequences take as many steps for their tokens as short ones."""
_LEAST_BATCH: Final = 8


@dataclass(frozen=True, slots=True)
class AdaptRequest:
    """The arguments of an adaptation.

    Attributes
    ----------
    table : str
    output : Path
        Directory of the model.
    base, revision : str
        The model to start from, and its revision on the hub.
    column, value : str, optional
        Columns of the sequence or SMILES and of the measured value.
    lower_is_better : bool
    wild_type : str, optional
        A sequence to count mutations from; by default the consensus.
    split : {"random", "mutations"}
    held_out : float
        Share of the rows that are not trained on.
    oracle : {"auto", "gp", "ridge"}
    n_epochs, deadline, seed, threads
        See :class:`~logos_cli.training.assay.fit.FitOptions`; None takes the default.
    offline : bool
    arguments : sequence of str
        The command line, for the card.
    """

    table: str
    output: Path
    base: str = EMBEDDED
    revision: str | None = None
    column: str | None = None
    value: str | None = None
    lower_is_better: bool = False
    wild_type: str | None = None
    split: Split = "random"
    held_out: float = 0.2
    oracle: Method = "auto"
    n_epochs: int | None = None
    deadline: float | None = None
    seed: int = 0
    threads: int | None = None
    offline: bool = False
    arguments: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise UsageError(f"the held-out share is {self.held_out:g}; it must be between 0 and 1")


@dataclass(frozen=True, slots=True)
class Adapted:
    """An adapted model.

    Attributes
    ----------
    directory : Path
    assay : Assay
    n_held_out : int
    correlations : dict
        Rank correlation with the measured values of held-out rows, by what ranks them.
    result : FitResult
    """

    directory: Path
    assay: Assay
    n_held_out: int
    correlations: dict[str, Estimate]
    result: FitResult


def adapt(request: AdaptRequest, progress: Callable[[int, int, float], None] | None = None) -> Adapted:
    """Train a model to rank the rows of a table, and write it with an oracle and a card.

    Raises
    ------
    UsageError, InputError
        If the table cannot be used, or the directory exists.
    MissingError, ModelError
        If the base model or scikit-learn is missing.
    """
    from logos_cli.training.assay.table import held_out, read_assay, reference_of

    if request.output.exists() and (not request.output.is_dir() or any(request.output.iterdir())):
        raise UsageError("there is something already", source=str(request.output), hint="choose another -o")
    assay = read_assay(request.table, request.column, request.value)
    reference = reference_of(assay.payloads, request.wild_type) if assay.kind == "protein" else None
    aside = held_out(assay, request.held_out, request.split, request.seed, reference)
    return _train(request, assay, aside, reference, progress)


def _train(
    request: AdaptRequest,
    assay: Assay,
    aside: list[int],
    reference: str | None,
    progress: Callable[[int, int, float], None] | None,
) -> Adapted:
    import numpy as np
    import torch

    from logos_cli.checkpoints.causal_model import read_causal_model
    from logos_cli.training.assay.fit import FitOptions, fit
    from logos_cli.training.assay.regression import train_regression
    from logos_cli.training.config import ModelConfig
    from logos_cli.training.corpus.vocabulary import Vocabulary
    from logos_cli.training.model import add_tokens, context_tokens, find_base
    from logos_cli.training.run.checkpoint import written_whole
    from logos_cli.training.run.export import stored_dtype, write_model

    base = find_base(ModelConfig(base=request.base, revision=request.revision), offline=request.offline)
    if base is None:
        raise UsageError("an adaptation needs a base model", hint="give --from")
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    sign = -1.0 if request.lower_is_better else 1.0
    values = sign * assay.values
    inside = [row for row in range(len(values)) if row not in set(aside)]
    correlations = _baselines(assay, values, inside, aside, reference)
    vocabulary = Vocabulary.load(base.path)
    ids = [vocabulary.encode(text)[:-1] for text in assay.texts]
    model = read_causal_model(base.path, torch.float32)
    add_tokens(model, vocabulary.n_tokens, [vocabulary.id_of(tag) for tag in vocabulary.added], request.seed)
    longest = max(map(len, ids))
    if longest > context_tokens(model):
        raise UsageError(f"a row has {longest:,} tokens; the model reads at most {context_tokens(model):,}")
    batch_size = max(_LEAST_BATCH, min(FitOptions().batch_size, _BATCH_TOKENS // longest))
    options = FitOptions(batch_size=batch_size, deadline=request.deadline, seed=request.seed)
    if request.n_epochs is not None:
        options = replace(options, n_epochs=request.n_epochs)
    with torch.random.fork_rng():
        torch.manual_seed(request.seed)
        # the rows that choose the epoch are not those that are reported
        n_stop = max(10, round(_STOP_SHARE * len(inside)))
        order = np.random.default_rng(request.seed + 1).permutation(inside)
        before = _correlation(model, ids, values, aside, vocabulary.pad_id)
        result = fit(
            model, ids, values, order[n_stop:].tolist(), order[:n_stop].tolist(), vocabulary.pad_id, options, progress
        )
    after = _correlation(model, ids, values, aside, vocabulary.pad_id)
    correlations = {"adapted model": after, "model before": before, **correlations}
    with written_whole(request.output, "the model cannot be written") as directory:
        write_model(model, vocabulary, base, directory, dtype=stored_dtype(base))
        if _has_features(assay):
            oracle = train_regression(assay.kind, assay.payloads, values, method=request.oracle, sign=sign)
            oracle.write(directory, {"table": Path(assay.path).name, "sha256": assay.sha256, "rows": len(values)})
        adapted = Adapted(request.output, assay, len(aside), correlations, result)
        (directory / FACTS).write_text(json.dumps(_facts(request, adapted), indent=1) + "\n", encoding="utf-8")
        (directory / "README.md").write_text(card(request, adapted), encoding="utf-8")
    return adapted


def _correlation(
    model: object, ids: Sequence[Sequence[int]], values: NDArray[np.float64], rows: Sequence[int], pad_id: int
) -> Estimate:
    from logos_cli.evaluators.statistics import spearman
    from logos_cli.training.assay.fit import log_likelihoods

    return spearman(log_likelihoods(model, [ids[row] for row in rows], pad_id), values[list(rows)])


def _has_features(assay: Assay) -> bool:
    return assay.kind == "molecule" or len({len(payload) for payload in assay.payloads}) == 1


def _baselines(
    assay: Assay, values: NDArray[np.float64], inside: list[int], aside: list[int], reference: str | None
) -> dict[str, Estimate]:
    """Return the rank correlations that the model has to beat."""
    from logos_cli.evaluators.statistics import spearman
    from logos_cli.tasks.design.baselines import blosum62, n_mutations
    from logos_cli.training.assay.regression import train_regression

    truth, held = values[aside], [assay.payloads[row] for row in aside]
    found: dict[str, Estimate] = {}
    if reference is not None:
        found["fewer mutations"] = spearman([float(-n_mutations(reference, each)) for each in held], truth)
        sums = [blosum62(reference, each) for each in held]
        if known := [each for each in sums if each is not None]:
            found["BLOSUM62"] = (
                spearman(known, truth)
                if len(known) == len(held)
                else Estimate.unknown("lengths differ, or BLOSUM62 lacks a residue", len(held))
            )
    name = "ridge on one-hot" if assay.kind == "protein" else "ridge on Morgan fingerprints"
    if not _has_features(assay):
        found[name] = Estimate.unknown("the proteins differ in length", len(held))
        return found
    ridge = train_regression(assay.kind, [assay.payloads[row] for row in inside], values[inside], method="ridge")
    found[name] = spearman(ridge.posterior(held)[0], truth)
    return found


def _facts(request: AdaptRequest, adapted: Adapted) -> JsonObject:
    assay, result = adapted.assay, adapted.result
    return {
        "arguments": list(request.arguments),
        "base": request.base,
        "table": {
            "name": Path(assay.path).name,
            "sha256": assay.sha256,
            "kind": assay.kind,
            "column": assay.column,
            "better": "lower" if request.lower_is_better else "higher",
            "n_rows": len(assay.values),
            "n_unmeasured": assay.n_unmeasured,
            "n_refused": assay.n_refused,
            "n_repeated": assay.n_repeated,
        },
        "split": request.split,
        "seed": request.seed,
        "n_held_out": adapted.n_held_out,
        "spearman": {name: each.to_dict() for name, each in adapted.correlations.items()},
        "epochs": [None if math.isnan(each) else each for each in result.curve],
        "n_steps": result.n_steps,
        "n_tokens": result.n_tokens,
        "seconds": round(result.seconds, 1),
    }


def card(request: AdaptRequest, adapted: Adapted) -> str:
    """Return the model card."""
    assay = adapted.assay
    rows = "\n".join(f"| {name} | {shown(each)} |" for name, each in adapted.correlations.items())
    task = f"generate {assay.kind} --edit wild_type.fasta" if assay.kind == "protein" else "generate molecule -n 100"
    return (
        f"# {request.output.name}\n\n{request.base}, adapted to {Path(assay.path).name} ({len(assay.values):,} "
        f"{assay.kind}s with a value in the column {assay.column}; {'lower' if request.lower_is_better else 'higher'} is "
        f"better).\n\n    logos {task} --model DIRECTORY\n\n## Held-out rows\n\nRank correlation (Spearman, 95 % "
        f"interval) with the measured values of {adapted.n_held_out:,} rows (split: {request.split}, seed "
        f"{request.seed}). Neither training nor the choice of the epoch used them.\n\n"
        f"| ranked by | Spearman |\n| --- | --- |\n{rows}\n\n## How\n\n- {len(adapted.result.curve)} epochs, "
        f"{adapted.result.n_tokens:,} tokens, {adapted.result.seconds:.0f} s\n- loss: pairs of rows by the difference of "
        f"their log-likelihoods (Bradley and Terry), and the cross-entropy of the best 30 %\n"
        f"- the oracle ({'oracle.json' if _has_features(assay) else 'none: the proteins differ in length'}) was trained on "
        f"all rows\n- command: `{' '.join(request.arguments)}`\n"
    )


def shown(estimate: Estimate) -> str:
    """Return an estimate with its interval."""
    if estimate.value is None:
        return f"– ({estimate.reason})"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
