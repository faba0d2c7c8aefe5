"""``logos bench skills``: the registry of what a model can do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import argument, command, option
from logos_cli.cli.options.output import OUTPUT, overwrite_option
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode


@dataclass(frozen=True, kw_only=True)
class SkillsArguments:
    """The arguments of ``logos bench skills``."""

    sources: list[Path] = argument(
        ..., metavar="DIR|FILE...", help="Directories of `logos bench tasks`, or figures.json of a model card."
    )
    model: str = option("", metavar="NAME", help="Name of the model in the file.", show_default="of the file")
    output: str | None = option(
        None,
        "--output",
        "-o",
        metavar="FILE",
        panel=OUTPUT,
        show_default="standard output",
        help="skills.json in the directory of the model's weights.",
    )
    overwrite: bool = overwrite_option()


def skills(args: SkillsArguments) -> ExitCode:
    """Write which questions a model was measured to answer better than a trivial baseline.

    The file stands beside the weights as skills.json. Where the model answers a question at which it has no skill,
    commands report it on one line, and records carry it.

    Examples:

      logos bench tasks --data data/ -o bench/nano && logos bench skills bench/nano -o nano/skills.json

      logos bench skills bench/nano nano/figures.json --model nano -o nano/skills.json --overwrite
    """
    from logos_cli.checkpoints.skills import skills_to_json
    from logos_cli.io.output import open_output
    from logos_cli.workflows.bench.skills import measured_skills

    found = measured_skills(args.sources)
    name = args.model or (Path(args.output).resolve().parent.name if args.output else "")
    with open_output(args.output, overwrite=args.overwrite) as stream:
        stream.write(json.dumps(skills_to_json(found, name), indent=1) + "\n")
    for question, skill in sorted(found.items()):
        verdict = "has the skill" if skill.has else "no measured skill"
        terminal().note(f"{question}: {verdict} ({skill.deciding})")
    return ExitCode.OK


PLUGIN = Command("skills", command(skills, SkillsArguments))
