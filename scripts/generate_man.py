"""Write the manual pages from the command line itself: ``man/logos.1`` and one page per command.

    python scripts/generate_man.py            # write them
    python scripts/generate_man.py --check    # say which are not up to date, and fail

What a page says comes from the commands' docstrings and options; a page changes only if they do.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer.main

from logos_cli import __version__
from logos_cli.cli.app import build_app
from logos_cli.errors import ExitCode

MAN = Path(__file__).resolve().parent.parent / "man"

EXIT_STATUS = {
    ExitCode.OK: "All went well. A closed pipe (`| head`) counts as well.",
    ExitCode.FAILED: "The run failed: the output cannot be written, or there is a defect in the program.",
    ExitCode.USAGE: "An option or an input cannot be used as given, or no record could be made.",
    ExitCode.PARTIAL: "Finished, but some records failed; standard error and the records name them with the reason.",
    ExitCode.MISSING: "A model, a program or an optional package is missing; the message has the command that installs it.",
    ExitCode.OUT_OF_MEMORY: "Out of memory, even for one sequence at a time.",
    ExitCode.INTERRUPTED: "Interrupted by Ctrl-C; finished records were written.",
    ExitCode.TERMINATED: "Ended by SIGTERM; finished records were written.",
}
ENVIRONMENT = {
    "LOGOS_CACHE": "Directory of the cache. Default: `$XDG_CACHE_HOME/logos`, else `~/.cache/logos`.",
    "LOGOS_CONFIG": "A configuration file instead of the user's and the project's `logos.toml`; empty: none.",
    "LOGOS_SHARDS": "Number of shards of a job array, for `--shard auto` under PBS, which does not tell it to its tasks.",
    "LOGOS_API_KEY": "Key for the server of `--base-url`.",
    "LOGOS_REMOTE_TIMEOUT_S": "Seconds that one request to the server of `--base-url` may take. Default: 600.",
    "LOGOS_REMOTE_TRIES": "Tries of one request to the server of `--base-url`. Default: 7.",
    "LOGOS_MAX_LINE_MIB, …": "Bounds of sizes: docs/reference/command-line.md lists them.",
    "LOGOS_TRACEBACK": "If set and not 0, errors show the Python traceback, as with `--traceback`.",
    "NO_COLOR": "If set, nothing is coloured.",
    "HF_HUB_OFFLINE": "If 1, models come from the cache only.",
    "HF_HOME": "Where released models are cached.",
    "CUDA_VISIBLE_DEVICES": "Which GPUs a model may use.",
    "SLURM_CPUS_PER_TASK": "The most threads and cores that are used, unless an option sets another number.",
}
FILES = {
    "~/.cache/logos": "Results for later runs, such as the index of chemical components. Safe to delete; "
    "if it cannot be written, commands work without it."
}
OVERVIEW = """\
Scientific objects become sentences of one grammar: tags such as <ProteinS> and <ProteinE> enclose residues
or SMILES, so that proteins, antibodies, molecules, binding sites, complexes, reactions and metal-organic
frameworks are all text that one language model can read and complete. `logos encode` turns files into
sentences, `logos decode` turns sentences into files, and the grammar itself is shown by `logos grammar
show`.

Commands read files, directories, lists of files and standard input, and write to standard output, so that
they can be piped into each other. On a terminal they print one sentence a line; into a pipe they write
records, one JSON object a line, which carry the sentence and where it came from. Every command that works
on records ends with a line on standard error that accounts for all of them.
"""
GROUPS = {"Other": 1}  # headings of options, those of no rank first


# -- roff ----------------------------------------------------------------------------------------------------


def escape(text: str, *, code: bool = False) -> str:
    """Return text for roff; in ``code``, hyphens are those that a shell understands."""
    text = text.replace("\\", "\\e")
    if code:
        text = text.replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha").replace("'", "\\(aq")
    text = "".join(character if character.isascii() else f"\\[u{ord(character):04X}]" for character in text)
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def prose(text: str) -> str:
    """Return a paragraph: rich markup dropped, `code`, options and NAMES= in bold."""
    text = re.sub(r"\[/?(?:bold|dim|italic|cyan|green|yellow|red)[^\]]*\]", "", text)
    text = " ".join(text.split())
    pieces = re.split(r"(`[^`]+`|(?<![\w-])--?[a-z][a-z0-9-]*)", text)
    return "".join(
        f"\\fB{escape(piece.strip('`'), code=True)}\\fR" if number % 2 else escape(piece)
        for number, piece in enumerate(pieces)
    )


def section(title: str, *lines: str) -> Iterator[str]:
    """Yield a section, unless it is empty."""
    if lines:
        yield f".SH {title}"
        yield from lines


def definitions(entries: Iterable[tuple[str, str]]) -> list[str]:
    """Return a list of terms (roff already) with their explanations (prose)."""
    return [line for term, text in entries for line in (".TP", term, prose(text))]


def bold(text: str) -> str:
    """Return code in bold."""
    return f"\\fB{escape(text, code=True)}\\fR"


# -- what a command says of itself ---------------------------------------------------------------------------


def paragraphs(help_text: str | None) -> tuple[list[str], list[str]]:
    """Return the paragraphs of a docstring and the command lines of its examples."""
    text = textwrap.dedent(re.sub(r"\[/?bold\]", "", help_text or "")).strip()
    match = re.search(r"^Examples?:?[ ]*$", text, re.MULTILINE)
    body, examples = (text[: match.start()], text[match.end() :]) if match else (text, "")
    return (
        [part.replace("\n", " ") for part in re.split(r"\n\s*\n", body) if part.strip()],
        [line.strip() for line in examples.splitlines() if line.strip()],
    )


def metavar(parameter: Any) -> str:
    """Return what stands for a value: the declared name, the choices, or the kind of value."""
    if parameter.metavar:
        return str(parameter.metavar)
    if getattr(parameter, "is_bool_flag", False):
        return ""
    annotation = parameter.type_descriptor.annotation
    for kind in (annotation, *get_args(annotation)):
        if get_origin(kind) is Literal:
            return "|".join(map(str, get_args(kind)))
    names = {int: "N", float: "X", str: "TEXT", Path: "PATH"}
    return next((names[kind] for kind in (annotation, *get_args(annotation)) if kind in names), "VALUE")


def notes(parameter: Any) -> str:
    """Return default and range in brackets: ``[default: 4.5; at least 0.1]``."""
    found = []
    default = parameter.default
    if isinstance(parameter.show_default, str):
        found.append(f"default: {parameter.show_default}")
    elif parameter.show_default and not (default is None or default is False or default == ()):
        shown = default if isinstance(default, (list, tuple)) else [default]
        found.append(f"default: {', '.join(map(str, shown))}")
    low, high = parameter.min, parameter.max
    if low is not None and high is not None:
        found.append(f"{low} to {high}")
    elif low is not None:
        found.append(f"at least {low}")
    elif high is not None:
        found.append(f"at most {high}")
    if parameter.envvar:
        found.append(f"environment: {parameter.envvar}")
    return f" [{'; '.join(found)}]" if found else ""


def option(parameter: Any) -> tuple[str, str]:
    """Return the term and the explanation of an option."""
    value = metavar(parameter)
    names = sorted(parameter.opts, key=len) + sorted(parameter.secondary_opts, key=len)
    term = ", ".join(map(bold, names)) + (f" \\fI{escape(value)}\\fR" if value else "")
    return term, (parameter.help or "") + notes(parameter)


def visible(command: Any, kind: str) -> list[Any]:
    """Return the options or the arguments of a command, without hidden ones."""
    return [
        parameter
        for parameter in command.params
        if parameter.param_type_name == kind and not getattr(parameter, "hidden", False)
    ]


def option_sections(command: Any) -> Iterator[str]:
    """Yield OPTIONS, with a subsection for each heading of the help."""
    panels: dict[str, list[tuple[str, str]]] = {"": []}
    for parameter in visible(command, "option"):
        panels.setdefault(parameter.rich_help_panel or "", []).append(option(parameter))
    last = panels.setdefault("Other" if "Other" in panels else "", [])
    last.append((f"{bold('-h')}, {bold('--help')}", "Show a summary of this page and exit."))
    yield ".SH OPTIONS"
    for panel in sorted(panels, key=lambda panel: GROUPS.get(panel, 0)):
        if panels[panel]:
            yield from ([f".SS {panel}"] if panel else [])
            yield from definitions(panels[panel])


def synopsis(name: str, command: Any) -> str:
    """Return the synopsis line."""
    parts = [bold(name), "[\\fIOPTIONS\\fR]"]
    for parameter in visible(command, "argument"):
        value = f"\\fI{escape(parameter.metavar or parameter.name.upper())}\\fR" + (
            "..." if parameter.nargs == -1 else ""
        )
        parts.append(value if parameter.required else f"[{value}]")
    if hasattr(command, "commands"):
        parts.append("\\fICOMMAND\\fR [\\fIARGUMENTS\\fR]")
    return " ".join(parts)


# -- pages ---------------------------------------------------------------------------------------------------


def page(name: str, command: Any, all_names: list[str]) -> str:
    """Return the manual page of the command ``name``, e.g. ``logos grammar check``."""
    title = name.replace(" ", "-")
    text, examples = paragraphs(command.help)
    summary, *description = text or [""]
    if name == "logos":
        description = paragraphs(OVERVIEW)[0]
    argument_help = [
        (f"\\fI{escape(parameter.metavar or parameter.name.upper())}\\fR", (parameter.help or "") + notes(parameter))
        for parameter in visible(command, "argument")
        if parameter.help
    ]
    lines = [
        '.\\" Generated by scripts/generate_man.py; do not edit.',
        f'.TH "{title.upper()}" "1" "" "logos {__version__}" "Manual of logos"',
        ".nh",
        ".ad l",
        *section("NAME", f"{escape(title, code=True)} \\- {prose(_lower_first(summary.rstrip('.')))}"),
        *section("SYNOPSIS", synopsis(name, command)),
        *section("DESCRIPTION", *[line for part in (description or [summary]) for line in (".PP", prose(part))][1:]),
        *section("ARGUMENTS", *definitions(argument_help)),
        *section("COMMANDS", *commands(name, command)),
        *option_sections(command),
        *section(
            "EXAMPLES", *[line for part in examples for line in (".PP", ".RS 4", ".nf", bold(part), ".fi", ".RE")]
        ),
        *section("EXIT STATUS", *definitions((bold(str(int(code))), text) for code, text in EXIT_STATUS.items())),
        *section("ENVIRONMENT", *definitions((bold(key), value) for key, value in environment(command).items())),
        *section("FILES", *definitions((f"\\fI{escape(key, code=True)}\\fR", value) for key, value in FILES.items())),
        *section("SEE ALSO", see_also(title, all_names)),
    ]
    return "\n".join(lines) + "\n"


def _lower_first(text: str) -> str:
    """``Turn files`` to ``turn files``; ``LOGOS`` and ``PDB`` stay."""
    return text if len(text) > 1 and text[1].isupper() else text[:1].lower() + text[1:]


def commands(name: str, command: Any) -> Iterator[str]:
    """Yield the list of a group's commands under their headings."""
    panel = None
    for child_name, child in getattr(command, "commands", {}).items():
        if child.hidden:
            continue
        if child.rich_help_panel and child.rich_help_panel != panel:
            panel = child.rich_help_panel
            yield f".SS {panel}"
        summary = (paragraphs(child.help)[0] or [""])[0]
        page_name = f"{name} {child_name}".replace(" ", "-")
        yield from definitions([(f"{bold(page_name)}(1)", summary)])


def environment(command: Any) -> dict[str, str]:
    """Return the variables that a command, or any command of a group, reads: those of options first."""
    found: dict[str, str] = {}
    for _, each in walk("", command):
        for parameter in visible(each, "option"):
            if parameter.envvar:
                names = sorted((name for name in parameter.opts if name.startswith("--")), key=len)
                found[str(parameter.envvar)] = f"Default of `{names[0]}`."
    return found | ENVIRONMENT


def see_also(title: str, all_names: list[str]) -> str:
    """Return references to the other pages."""
    others = [other.replace(" ", "-") for other in all_names]
    return ",\n".join(f"{bold(other)}(1)" for other in others if other != title)


def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield every visible command under its full name."""
    yield name, command
    for child_name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from walk(f"{name} {child_name}", child)


def pages() -> dict[str, str]:
    """Return ``{file name: content}`` of all manual pages."""
    found = list(walk("logos", typer.main.get_command(build_app(rich_help=False))))
    names = [name for name, _ in found]
    return {f"{name.replace(' ', '-')}.1": page(name, command, names) for name, command in found}


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` compare them."""
    wanted = pages()
    present = {path.name: path.read_text(encoding="utf-8") for path in MAN.glob("*.1")}
    stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    if "--check" in arguments:
        for name in stale:
            sys.stderr.write(f"man/{name} is not up to date: run `make man`\n")
        return bool(stale)
    MAN.mkdir(exist_ok=True)
    for name in stale:
        if name in wanted:
            (MAN / name).write_text(wanted[name], encoding="utf-8")
        else:
            (MAN / name).unlink()
    sys.stdout.write(f"{len(wanted)} pages, {len(stale)} changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
