"""Show tokens on a terminal, coloured by their probability; without colour, with numbers below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from logos_cli.workflows.explain import ExplainedToken, Explanation, Likelihoods

_CLASSES: Final = (
    (0.9, "bright_black"),
    (0.5, "default"),
    (0.2, "green"),
    (0.05, "yellow"),
    (0.01, "dark_orange"),
    (0.0, "bold white on red"),
)
"""Least probability and style of each class, the most probable first."""

_MOST_DIGIT: Final = 9
_SHOWN: Final = 5
_CONTEXT: Final = 6


def style_of(logp: float | None) -> str:
    """Return the style of a token."""
    if logp is None:
        return "bright_black"
    probability = math.exp(logp)
    return next((style for least, style in _CLASSES if probability >= least), _CLASSES[-1][1])


def show_legend(console: Console) -> None:
    """Print the meaning of the colours or numbers."""
    from rich.text import Text

    if not _coloured(console):
        console.print("below each token: -ln of its probability, rounded; 9 means 9 or more")
        return
    legend = Text("probability  ")
    before: float | None = None
    for least, style in _CLASSES:
        label = f"≥ {least:g}" if before is None or least else f"< {before:g}"
        legend.append(f" {label} ", style=style)
        legend.append(" ")
        before = least
    console.print(legend)


def show_explanation(console: Console, explanation: Explanation) -> None:
    """Print a record: its id, figures, tokens, and the least expected tokens."""
    from rich.text import Text

    record = explanation.record
    console.print()
    console.print(Text(record.id, style="bold") + Text(f"  {record.kind}", style="dim"))
    console.print(Text(figures_of(explanation), style="dim"))
    tokens = [token for token in explanation.tokens if token.text]
    if _coloured(console):
        console.print(_painted(tokens), soft_wrap=False, overflow="fold")
    else:
        for line in _numbered(tokens, console.width):
            console.print(line, markup=False, soft_wrap=True)
    console.print(Text(_surprises(record.text, tokens), style="dim"), soft_wrap=True)


def _coloured(console: Console) -> bool:
    return console.color_system is not None and not console.no_color


def figures_of(explanation: Explanation) -> str:
    """Return log-probability and perplexity of the whole, and of the answer if there is one."""
    whole, answer = explanation.figures()
    parts = [_figure("whole", whole)]
    if answer is not None and answer["n_tokens"] < whole["n_tokens"] - 1:
        parts.append(_figure("answer", answer))
    return "\n".join(parts)


def _figure(name: str, figures: Likelihoods) -> str:
    ppl = "–" if figures["ppl"] is None else f"{figures['ppl']:.3g}"
    return f"{name:<7} logp {figures['logp']:.2f}, perplexity {ppl} over {figures['n_tokens']} tokens"


def _painted(tokens: Sequence[ExplainedToken]) -> Text:
    from rich.text import Text

    text = Text()
    for style, group in groupby(tokens, key=lambda token: style_of(token.logp)):
        text.append("".join(token.text for token in group), style=style)
    return text


def _numbered(tokens: Sequence[ExplainedToken], width: int) -> list[str]:
    """Return pairs of lines: unbroken tokens, and a digit below the first character of each."""
    lines: list[str] = []
    above = below = ""
    for token in tokens:
        if above and len(above) + len(token.text) > width:
            lines += [above, below, ""]
            above = below = ""
        digit = "·" if token.logp is None else str(min(_MOST_DIGIT, round(-token.logp)))
        above += token.text
        below += digit + " " * (len(token.text) - 1)
    return [*lines, above, below.rstrip()]


def _surprises(text: str, tokens: Sequence[ExplainedToken]) -> str:
    """Return the least expected tokens, each with the text before it."""
    known = [token for token in tokens if token.logp is not None]
    least = sorted(known, key=lambda token: token.logp or 0.0)[:_SHOWN]
    parts = [
        f"{'…' if token.start > _CONTEXT else ''}{text[max(0, token.start - _CONTEXT) : token.start]}[{token.text}]"
        f" {math.exp(token.logp or 0.0):.2g}"
        for token in least
    ]
    return f"least expected: {', '.join(parts)}" if parts else ""
