"""Write the model card: the model, its data and training, and the results on held-out sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logos_cli.errors import OutputError
from logos_cli.training import curves


@dataclass(frozen=True, slots=True)
class CardFacts:
    """The facts of a card.

    Attributes
    ----------
    name : str
        Name of the model.
    run : dict
        ``run.json``.
    manifest : dict
        Manifest of the corpus.
    n_parameters, step, n_tokens, n_targets : int
        Sizes of model and training; targets are the tokens that counted in the loss.
    epochs : dict of str to float
        Passes over each domain.
    mean_mfu : float or None
    """

    name: str
    run: Mapping[str, Any]
    manifest: Mapping[str, Any]
    n_parameters: int
    step: int
    n_tokens: int
    n_targets: int
    epochs: Mapping[str, float] = field(default_factory=dict)


def write_card(facts: CardFacts, log: Iterable[Mapping[str, Any]], directory: Path) -> bool:
    """Write ``README.md`` and the curves to a model directory; return whether there is a picture.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    lines = list(log)
    try:
        curves.write_table(lines, directory / curves.TABLE)
        is_drawn = curves.draw(lines, directory / curves.PICTURE)
        (directory / "README.md").write_text(card_text(facts, lines, is_drawn), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"the model card cannot be written: {error.strerror}", source=str(directory), hint="make room and resume"
        ) from error
    return is_drawn


def card_text(facts: CardFacts, log: Sequence[Mapping[str, Any]], has_picture: bool) -> str:
    """Return the card in Markdown."""
    config, base = facts.run["config"], facts.run.get("base")
    n_steps = config["schedule"]["n_steps"]
    beginning = f"`{base['name']}`" if base else "nothing (random weights)"
    tags = ["logos", "chemistry", "biology"]
    head = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    head += [f"base_model: {base['name']}"] if base and "/" in base["name"] and not Path(base["name"]).exists() else []
    head += ["tags:", *(f"- {tag}" for tag in tags), "---", ""]
    state = "" if facts.step >= n_steps else f" **The run is not finished: step {facts.step:,} of {n_steps:,}.**"
    summary = (
        "A LOGOS model: proteins, molecules, binding sites, reactions and frameworks as sentences of one grammar. "
        f"{facts.n_parameters:,} parameters, trained from {beginning} on {facts.n_tokens:,} tokens "
        f"({facts.n_targets:,} of them counted in the loss).{state}\n"
    )
    parts = [
        "\n".join(head),
        f"# {facts.name}\n",
        summary,
        "    logos generate molecule -n 10 --model DIRECTORY\n",
        "## Data\n\n" + _data_table(facts, config),
        "## Held-out sentences\n\n" + _evaluation_table(log),
        "## Loss\n\n"
        + (
            f"![loss over tokens]({curves.PICTURE})\n\n"
            if has_picture
            else "matplotlib was not installed; the losses are a table only.\n\n"
        )
        + f"All values: [{curves.TABLE}]({curves.TABLE}).\n",
        "## How\n\n" + _how(facts, log),
        "## Configuration\n\n```json\n" + json.dumps(config, indent=1) + "\n```\n",
    ]
    return "\n".join(parts)


def _data_table(facts: CardFacts, config: Mapping[str, Any]) -> str:
    weights = config["data"]["weights"]
    total = sum(weights.values())
    answer_only = set(config["data"]["answer_only"])
    rows = ["| domain | share of tokens | sentences | tokens | times seen | loss on |", "| --- " * 6 + "|"]
    for name, splits in sorted(facts.manifest["domains"].items()):
        if "train" not in splits or name not in facts.epochs or not facts.epochs[name]:
            continue
        entry = splits["train"]
        counted = "answer" if {name, "*"} & answer_only else "all"
        rows.append(
            f"| {name} | {weights.get(name, 0) / total:.1%} | {entry['n_sentences']:,} | {entry['n_tokens']:,} "
            f"| {facts.epochs[name]:.2f} | {counted} |"
        )
    sources = facts.manifest.get("sources") or []
    entries = sources.values() if isinstance(sources, Mapping) else sources
    named = [
        f"- {entry.get('path') or entry.get('name')}" + (f" ({entry['licence']})" if entry.get("licence") else "")
        for entry in entries
        if isinstance(entry, Mapping)
    ]
    return "\n".join(rows) + "\n" + ("\nSources:\n\n" + "\n".join(named) + "\n" if named else "")


def _evaluation_table(log: Sequence[Mapping[str, Any]]) -> str:
    last = next((line for line in reversed(log) if "evaluation" in line), None)
    if last is None:
        return "None was measured.\n"
    rows = [
        f"At step {last['step']:,}; loss in nats a token, samples are drawn without constraint.\n",
        "| domain | loss | perplexity | finished samples | of these well formed |",
        "| --- " * 5 + "|",
    ]
    for name, found in sorted(last["evaluation"].items()):
        good = f"{found['well_formed']:.0%}" if "well_formed" in found else "-"
        finished = f"{found['n_finished']} of {found['n_samples']}" if "n_samples" in found else "-"
        rows.append(f"| {name} | {found['loss']:.4f} | {found['perplexity']:.3f} | {finished} | {good} |")
    return "\n".join(rows) + "\n"


def _how(facts: CardFacts, log: Sequence[Mapping[str, Any]]) -> str:
    run = facts.run
    mfu = [line["mfu"] for line in log if "mfu" in line]
    speed = [line["tokens_per_s"] for line in log if "tokens_per_s" in line]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    lines = [
        f"- command: `{' '.join(run['arguments'])}`",
        f"- device: {run['device']}, {run['n_processes']} processes",
        f"- corpus: sha256 {run['corpus']['sha256']}",
        f"- tokenizer: sha256 {run['corpus']['tokenizer_sha256']}",
        f"- seed: {run['config']['run']['seed']}",
        f"- versions: {versions}",
    ]
    if run.get("base"):
        lines.append(f"- base model: sha256 {run['base']['sha256']}, revision {run['base']['revision'] or '-'}")
    if speed:
        middle = sorted(speed)[len(speed) // 2]
        lines.append(
            f"- speed (median): {middle:,} tokens/s, {sorted(mfu)[len(mfu) // 2]:.1%} of the rate of matrix products"
        )
    return "\n".join(lines) + "\n"
