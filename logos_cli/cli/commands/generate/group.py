"""Parse ``logos generate -n 5 protein`` as ``logos generate protein -n 5``."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class TaskFirst(TyperGroup):
    """A group without options of its own: those of a command may stand before the command's name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move the first word that is neither an option nor its value to the front."""
        takes_value = {
            spelling
            for child in self.commands.values()
            for parameter in child.params
            if parameter.param_type_name == "option" and not getattr(parameter, "is_flag", False)
            for spelling in parameter.opts
        }
        is_value = False
        for place, word in enumerate(args):
            if not is_value and (not word.startswith("-") or word == "-"):
                args = [word, *args[:place], *args[place + 1 :]]
                break
            is_value = word in takes_value and not is_value
        else:
            if args and not {"-h", "--help"}.intersection(args):
                ctx.fail(f"Name a task: {', '.join(self.commands)}.")
        return super().parse_args(ctx, args)
