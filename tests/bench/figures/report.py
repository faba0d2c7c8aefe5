"""Figures as the tables of the model card, ``docs/measurements/scaling.md`` and its plot."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, Final

from logos_cli.errors import MissingError
from tests.bench.figures.metrics import METRICS, Figures, Metric, Verdict, by_size, lookup, measured, verdict
from tests.bench.figures.statistics import Figure

MARKS: Final = ("<!-- figures -->", "<!-- end of figures -->")
EDITION_MARKS: Final = ("<!-- editions -->", "<!-- end of editions -->")
_COLUMNS: Final = 4

SCALING: Final = """\
# Size and quality

{models} of one family, trained on the same corpus in the same way, measured on the same held-out data by
`python -m tests.bench.figures_nano measure`. `python -m tests.bench.figures_nano report` writes this page, its plot and the
tables of the model card; [scaling.json](scaling.json) holds all figures. The embedded model is the largest of them, trained
further; its card has its figures.

{claim}

![Figures of every size with 95 % intervals; dashed lines are baselines](scaling.svg)

{table}

Square brackets hold bootstrap 95 % intervals over sentences, samples, chains or reactions. *Confirmed*: every size is
better than the one before, and the intervals of the smallest and the largest do not overlap. *Direction only*: the
largest is better than the smallest, but one of the two conditions is not met. For perplexities the intervals of the gain over
the 5-gram are compared, sentence by sentence, and for ranked residues those of the gain over the letter frequency, chain by
chain, because all sizes are measured on the same ones. Uniqueness and novelty are no merit by themselves and are not judged.
The baseline is the best one without a trained network.

## How it is measured

- **Perplexity** is per token (a character or a tag) of held-out sentences, *per residue* over residue letters alone,
  *of the answer* over the text after the operator (in a complex: the ligand), including the end token. The 5-gram is an
  interpolated modified Kneser-Ney model of all training sentences of the same domain, which is more text than a small
  model reads of it; where a plain unigram is better, the unigram is the baseline.
- **Samples** are drawn at temperature 1 without a constraint. *Numbered*: ANARCII numbers every chain of the sample.
  Distances are Wasserstein-1 between properties of samples and of training molecules; the baseline is the distance of two
  disjoint samples of training molecules, the value by chance.
- **Frameworks** are valid as in `logos score`: node and linkers can be, and together make a framework; no structure is
  predicted. `bench tasks --task material` also asks for a metal node of the training.
- **Reactions** are test reactions of USPTO-50K, class not given; an answer counts if its molecules are the true ones,
  compared as canonical SMILES. *Beam*: the answers of `logos generate`, those of a beam search of width 10, products ranked by
  the likelihood in both directions. *Samples*: those of `logos generate -n 32`, ranked by frequency, then likelihood.
- **Sites**: residues of held-out chains, ranked by the probability of a tag, as many as the true site has; *decoded*:
  the residues that samples of `logos generate site` tag most often. The baseline ranks residues by how often their
  letter is tagged in training and answers with the same number.
- **Fitness** is the rank correlation of measured fitness and log-likelihood over variants; no measured value was used.
  Baselines: BLOSUM62 summed over the mutations, minus their number, and the likelihood of the 5-gram.
"""


def interval(figure: Figure | None) -> str:
    """Return a figure with its interval."""
    if figure is None or figure["value"] is None:
        return "–"
    if figure["low"] is None:
        return short(figure["value"])
    return f"{short(figure['value'])} [{short(figure['low'])}, {short(figure['high'])}]"


def short(value: float | None) -> str:
    """Return a number with the digits that its size deserves."""
    if value is None:
        return "–"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"


def rows_to_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def loss_table(figures: Figures) -> str:
    """Return losses and perplexities by domain."""
    head = ("held-out sentences", "nats a token", "perplexity", "5-gram", "unigram", "uniform", "answer", "5-gram")
    rows = []
    for domain, row in figures["losses"].items():
        answer = row.get("answer", {})
        rivals = [short(row[name]["value"]) for name in ("fivegram_perplexity", "unigram_perplexity")]
        after = [short(answer[name]["value"]) if answer else "" for name in ("perplexity", "fivegram_perplexity")]
        uniform = str(row["uniform_perplexity"])
        rows.append([domain, short(row["loss"]["value"]), interval(row["perplexity"]), *rivals, uniform, *after])
    return rows_to_table(head, rows)


def task_table(figures: Figures) -> str:
    """Return the headline figures of one model beside their baselines."""
    rows = []
    for metric in measured([figures]):
        figure = metric.of(figures)
        assert figure is not None
        rows.append([f"{metric.task}: {metric.name}", interval(figure), f"{figure['n']:,}", beside(metric, [figures])])
    return rows_to_table(("figure", "value", "n", "baseline"), rows)


def beside(metric: Metric, family: Sequence[Figures]) -> str:
    """Return the best rival of a metric as tables show it."""
    rival = metric.rival_of(family)
    return f"{short(rival[1]['value'])} ({rival[0]})" if rival else ""


def form_table(figures: Figures) -> str:
    """Return how many samples the grammar accepts, by what they begin with."""
    rows = [
        [name, interval(row["well_formed_percent"]), f"{row['well_formed_percent']['n']:,}"]
        for name, row in figures["forms"].items()
    ]
    return rows_to_table(("samples that begin as", "well formed (%)", "n"), rows)


def family_table(family: Sequence[Figures]) -> str:
    """Return size against metric, with a verdict each."""
    models = by_size(family)
    head = ["task", "figure", *(size_of(figures) for figures in models), "baseline", "larger is better"]
    rows = []
    for metric in measured(models):
        cells = [interval(metric.of(figures)) for figures in models]
        rows.append([metric.task, metric.name, *cells, beside(metric, models), str(verdict(metric, models))])
    return rows_to_table(head, rows)


def size_of(figures: Figures) -> str:
    """Return a model's name and size as tables show it."""
    return f"{figures['model']['name']}, {figures['model']['n_parameters'] / 1e6:.1f} M"


def claim(family: Sequence[Figures]) -> str:
    """Return the verdict on the paper's claim, in words."""
    if len(family) == 1:
        return "One size alone gives no verdict on the claim that larger is better."
    found: dict[str, list[Verdict]] = {}
    for metric in measured(family):
        if (each := verdict(metric, family)) is not Verdict.OPEN:
            found.setdefault(metric.task, []).append(each)
    counts = Counter(each for verdicts in found.values() for each in verdicts)
    text = (
        "The paper's claim in the small, *one recipe, larger is better on every task*: "
        f"confirmed for {counts[Verdict.CONFIRMED]} of {counts.total()} figures, "
        f"in direction only for {counts[Verdict.DIRECTION]}, "
        f"not confirmed for {counts[Verdict.NOT_CONFIRMED]}. By task:"
    )
    lines = [fill(text, 118), ""]
    for task, verdicts in found.items():
        shares = Counter(map(str, verdicts)).items()
        lines.append(f"- {task}: {', '.join(f'{name} ({n} of {len(verdicts)})' for name, n in shares)}")
    return "\n".join(lines)


def card_text(shipped: Figures, family: Sequence[Figures]) -> str:
    """Return what stands between the marks of the model card."""
    parts = []
    if "losses" in shipped:
        parts.append(loss_table(shipped))
    parts.append(task_table(shipped))
    if "forms" in shipped:
        parts.append(form_table(shipped))
    if len(family) > 1:
        parts += ["The family, size against figure:", family_table(family)]
    return "\n\n".join(parts)


def edition_table(before: Figures, now: Figures) -> str:
    """Return the figures of two editions side by side, where both were measured."""
    rows = [
        [f"{domain}: perplexity{f' of the {part}' if part else ''}", interval(old), interval(new)]
        for domain in now["losses"]
        for part in ("answer", "")
        if (old := lookup(before, ("losses", domain, *((part,) if part else ()), "perplexity")))
        and (new := lookup(now, ("losses", domain, *((part,) if part else ()), "perplexity")))
        and (part or not lookup(now, ("losses", domain, "answer", "perplexity")))
    ]
    rows += [
        [f"{metric.task}: {metric.name}", interval(old), interval(new)]
        for metric in METRICS
        if metric.path[0] != "losses" and (old := metric.of(before)) and (new := metric.of(now))
    ]
    return rows_to_table(("figure", "first edition", "second edition"), rows)


def write_editions(card: Path, before: Figures, now: Figures) -> None:
    """Write the comparison of two editions between its marks of the card."""
    _write_between(card, EDITION_MARKS, edition_table(before, now))


def write_card(card: Path, shipped: Figures, family: Sequence[Figures]) -> None:
    """Write the tables between the marks of the card, and the shipped model's figures beside it."""
    _write_between(card, MARKS, card_text(shipped, family))
    write_json(card.parent / "figures.json", shipped)


def _write_between(page: Path, marks: tuple[str, str], text: str) -> None:
    before, mark, rest = page.read_text(encoding="utf-8").partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not mark or not end:
        raise ValueError(f"{page} lacks the marks {' and '.join(marks)}")
    page.write_text(f"{before}{mark}\n{text}\n{end}{after}", encoding="utf-8")


def write_scaling(directory: Path, family: Sequence[Figures]) -> None:
    """Write ``scaling.md``, ``scaling.json`` and ``scaling.svg``."""
    models = by_size(family)
    named = f"{len(models)} models" if len(models) > 1 else "One model"
    text = SCALING.format(models=named, claim=claim(models), table=family_table(models))
    (directory / "scaling.md").write_text(text, encoding="utf-8")
    write_json(directory / "scaling.json", {"models": models})
    plot(models, directory / "scaling.svg")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that a person can read, a figure a line."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def plot(family: Sequence[Figures], path: Path) -> None:
    """Draw size against figure, one panel a metric; the same figures give the same file."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise MissingError("the plot needs matplotlib", hint="pip install 'logos-cli[train]'") from error
    metrics = [metric for metric in measured(family) if metric.plotted]
    n_rows = -(-len(metrics) // _COLUMNS) or 1
    with mpl.rc_context({"svg.hashsalt": "logos", "font.size": 8}):
        canvas = Canvas(figsize=(11, 2.6 * n_rows), layout="constrained")
        for number, metric in enumerate(metrics, 1):
            _panel(canvas.add_subplot(n_rows, _COLUMNS, number), metric, by_size(family))
        canvas.savefig(path, metadata={"Date": None})


def _panel(axes: Any, metric: Metric, models: Sequence[Figures]) -> None:
    pairs = [(figures["model"]["n_parameters"] / 1e6, metric.of(figures)) for figures in models]
    points = [(size, figure) for size, figure in pairs if figure]
    sizes = [size for size, _ in points]
    values = [figure["value"] for _, figure in points]
    below = [figure["value"] - figure["low"] for _, figure in points]
    above = [figure["high"] - figure["value"] for _, figure in points]
    axes.errorbar(sizes, values, yerr=[below, above], marker="o", markersize=4, capsize=3, color="#0b5394")
    if rival := metric.rival_of(models):
        name, figure = rival
        axes.axhline(figure["value"], linestyle="--", color="#888888", linewidth=1)
        axes.annotate(
            name, (0.98, figure["value"]), xycoords=("axes fraction", "data"), ha="right", va="bottom", color="#666666"
        )
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:.1f} M" for size in sizes], minor=False)
    axes.minorticks_off()
    arrow = "lower is better" if metric.lower else "higher is better"
    axes.set_title(f"{metric.task}: {metric.name}\n{arrow}", fontsize=8)
    axes.margins(x=0.15, y=0.2)
