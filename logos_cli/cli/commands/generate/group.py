"""``logos generate -n 5 protein`` means ``logos generate protein -n 5``."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class TaskFirst(TyperGroup):
    """A group all of whose options are its commands': they may stand before the command's name, too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the first word that is no option and no option's value in front."""
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
                ctx.fail(f"Say what to generate: {', '.join(self.commands)}.")
        return super().parse_args(ctx, args)
