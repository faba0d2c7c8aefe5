"""What a model can do, from measured figures: the registry ``skills.json`` beside its weights.

The figures come from the results of ``logos bench tasks``, and from the file ``figures.json`` of a model card. A figure
is better than its baseline if the whole 95 % interval is on the better side of it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from logos_cli import registry
from logos_cli.benchmarks.base import Benchmark
from logos_cli.checkpoints.skills import Skill, SkillFigure, Skills
from logos_cli.errors import FormatError, InputError
from logos_cli.io.json_types import JsonMapping
from logos_cli.records.json_text import parse_json

RESULTS_FILE: Final = "results.json"


@dataclass(frozen=True, slots=True)
class _CardFigure:
    """A figure of a model card that decides a question.

    Attributes
    ----------
    path : tuple of str
        Where it stands in ``figures.json``.
    rivals : tuple of (str, str)
        Names of baselines, and their keys beside the figure; the best one counts.
    gain : str
        Key of the figure that compares model and baseline unit by unit, whose interval is narrower: above 0 the model
        is better.
    """

    question: str
    name: str
    path: tuple[str, ...]
    rivals: tuple[tuple[str, str], ...]
    better: Literal["higher", "lower"]
    gain: str = ""


_CLAUSE: Final = re.compile(r"[,;.(]|: ")
_COUNTED: Final = (("5-gram", "fivegram_perplexity"), ("unigram", "unigram_perplexity"))
_SPEARMAN: Final = (
    ("fewest mutations", "fewest_mutations_spearman"),
    ("BLOSUM62", "blosum62_spearman"),
    ("5-gram", "fivegram_spearman"),
)


def _perplexity(question: str, name: str, *path: str) -> _CardFigure:
    gain = "gain_over_fivegram_nats"
    return _CardFigure(question, name, ("losses", *path, "perplexity"), _COUNTED, "lower", gain)


_OF_CARD: Final = (
    _perplexity("protein", "perplexity per residue", "protein", "residue"),
    _perplexity("antibody", "perplexity per residue", "antibody", "residue"),
    _perplexity("molecule", "perplexity", "molecule"),
    _perplexity("material", "perplexity", "material"),
    _perplexity("reaction", "perplexity of the answer", "reaction", "answer"),
    _perplexity("retrosynthesis", "perplexity of the answer", "retrosynthesis", "answer"),
    _perplexity("expanded", "perplexity of the answer", "transformation", "answer"),
    _CardFigure(
        "site",
        "MCC of ranked residues",
        ("sites", "small_molecules", "mcc"),
        (("letter frequency", "letter_frequency_mcc"),),
        "higher",
        "mcc_gain",
    ),
    _CardFigure(
        "site",
        "area under the ROC curve",
        ("sites", "small_molecules", "auc"),
        (("letter frequency", "letter_frequency_auc"),),
        "higher",
        "auc_gain",
    ),
    _CardFigure("ligand", "gain of the own pocket (nats)", ("pockets", "level_2", "gain_nats"), (), "higher"),
    *(
        _CardFigure("fitness", f"{assay}, Spearman", ("fitness", assay, "model_spearman"), _SPEARMAN, "higher")
        for assay in ("avGFP", "AAV", "GB1", "Pab1", "Bgl3", "Ube4b")
    ),
)


def measured_skills(sources: Sequence[Path]) -> Skills:
    """Return the skills that files of figures show.

    Parameters
    ----------
    sources : sequence of Path
        Directories of ``logos bench tasks``, their ``results.json``, or ``figures.json`` of a model card.

    Raises
    ------
    InputError
        If a source is no such file, or none has a figure that decides.
    """
    figures: dict[str, list[SkillFigure]] = defaultdict(list)
    for source in sources:
        for question, figure in _figures_in(source):
            figures[question].append(figure)
    if not figures:
        raise InputError("the files hold no figure beside a baseline", hint="give a directory of `logos bench tasks`")
    return {question: Skill(question, tuple(found)) for question, found in figures.items()}


def _figures_in(source: Path) -> Iterator[tuple[str, SkillFigure]]:
    path = source / RESULTS_FILE if source.is_dir() else source
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            "there is no such file", source=str(path), hint="give a directory of `logos bench tasks`"
        ) from error
    except ValueError as error:
        raise FormatError("the file is no JSON", source=str(path)) from error
    if not isinstance(found, dict):
        raise FormatError("the file holds no figures", source=str(path))
    if "benchmarks" in found:
        return skills_of_results(found["benchmarks"])
    return skills_of_card(found, path.name)


def skills_of_results(rows: Iterable[JsonMapping]) -> Iterator[tuple[str, SkillFigure]]:
    """Yield question and figure of each benchmark of ``results.json``."""
    for row in rows:
        benchmark: Benchmark = registry.load("benchmarks", row["benchmark"])
        figure = row["figures"].get(benchmark.decides)
        if figure is None or figure["baseline"] is None or figure["baseline"]["value"] is None:
            continue
        model = figure["model"]
        better: Literal["higher", "lower"] = "lower" if figure["better"] == "lower" else "higher"
        if model["value"] is None:
            continue
        unit = f" ({figure['unit']})" if figure["unit"] else ""
        yield (
            benchmark.question or benchmark.task,
            _beside(
                f"{benchmark.decides}{unit}",
                model,
                figure["baseline"]["value"],
                _CLAUSE.split(row["baseline_help"])[0].strip(),
                better,
                f"logos bench tasks --task {benchmark.name}, {row['n_cases']:,} cases",
            ),
        )


def skills_of_card(figures: JsonMapping, source: str) -> Iterator[tuple[str, SkillFigure]]:
    """Yield question and figure of each part of the figures of a model card that decides a question."""
    for each in _OF_CARD:
        beside = _lookup(figures, each.path[:-1])
        model = _lookup(beside, each.path[-1:])
        if not model or model.get("value") is None:
            continue
        known = [(name, beside[key]["value"]) for name, key in each.rivals if key in beside]
        if each.rivals and not known:
            continue
        best = (min if each.better == "lower" else max)(known, key=lambda rival: rival[1]) if known else ("none", 0.0)
        gain = beside.get(each.gain, {}).get("low") if each.gain else None
        where = f"{source}: {'.'.join(each.path)}"
        yield each.question, _beside(each.name, model, best[1], best[0], each.better, where, gain)


def _lookup(figures: JsonMapping, path: Sequence[str]) -> JsonMapping:
    place = figures
    for name in path:
        place = place.get(name) or {}
    return place


def _beside(
    name: str,
    model: JsonMapping,
    baseline: float,
    baseline_name: str,
    better: Literal["higher", "lower"],
    source: str,
    gain: float | None = None,
) -> SkillFigure:
    """Return a figure with its verdict; ``gain`` is the lower end of the interval of what the model gains."""
    value, low, high = model["value"], model.get("low"), model.get("high")
    is_better = value > baseline if better == "higher" else value < baseline
    if gain is not None:
        is_better = is_better and gain > 0
    elif low is None or high is None:
        is_better = False
    else:
        is_better = low > baseline if better == "higher" else high < baseline
    figures = [None if each is None else round(float(each), 4) for each in (low, high)]
    return SkillFigure(
        name,
        round(float(value), 4),
        figures[0],
        figures[1],
        int(model["n"]),
        round(float(baseline), 4),
        baseline_name,
        better,
        source,
        is_better,
    )
