"""Colour for sentences and the grammar on a terminal."""

from __future__ import annotations

import re

from rich.text import Text

from logos_cli.cli.console import VisibleConsole
from logos_cli.grammar.spec import TAGS, Kind
from logos_cli.records import Record

_TAG = re.compile("|".join(map(re.escape, TAGS)))
_POCKET = re.compile(f"{Kind.POCKET.start}(.*?){Kind.POCKET.end}")
_STYLES = (
    ("Protein", "bright_blue"),
    ("Antibody", "bright_magenta"),
    ("Molecule", "bright_green"),
    ("Pocket", "bright_yellow"),
    ("Material", "bright_cyan"),
    ("Metal", "bright_red"),
)


def paint_sentence(sentence: str) -> Text:
    """Return a sentence with a colour for each kind of tag."""
    text = Text(sentence)
    for match in _POCKET.finditer(sentence):
        text.stylize("bold black on bright_yellow", *match.span(1))
    for match in _TAG.finditer(sentence):
        style = next((style for name, style in _STYLES if match.group().startswith(f"<{name}")), "bold white")
        text.stylize(style, *match.span())
    return text


def paint_heading(record: Record) -> Text:
    """Return the line above a sentence on a terminal: its id, its form, and the ligand of a pocket."""
    text = Text(record.id, style="bold")
    parts = [str(record.kind)]
    ligand = record.source.get("ligand")
    if isinstance(ligand, dict) and ligand.get("component"):
        parts.append(f"ligand {ligand['component']} {ligand.get('chain', '')}:{ligand.get('number', '')}")
    return text.append(f"  {', '.join(parts)}", style="not bold dim")


def paint_grammar(definition: str) -> None:
    """Print the definition with dimmed comments and bold names of rules."""
    console = VisibleConsole(soft_wrap=True)
    for line in definition.splitlines():
        text = paint_sentence(line)
        if line.startswith("//"):
            text.stylize("dim")
        elif match := re.match(r"[A-Za-z_0-9]+(?=:)", line):
            text.stylize("bold", *match.span())
        console.print(text)
