"""A contract for import-linter: plug-ins of one layer know nothing of each other.

A plug-in is a public module of the layer, found by listing, as :mod:`logos_cli.registry` finds it: a new file
falls under the contract without being named anywhere. What plug-ins share lies in ``base`` and in modules
whose names begin with an underscore.
"""

from __future__ import annotations

from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class SiblingsContract(Contract):
    """No plug-in of the given packages imports a plug-in of the same package.

    Configuration options: ``packages``, the layers whose public modules are plug-ins.
    """

    type_name = "siblings"

    packages = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002
        """Compare every direct import inside each package."""
        broken: list[tuple[str, str]] = []
        for package in sorted(cast("set[str]", self.packages)):
            plugins = {name for name in graph.find_children(package) if _is_plugin(name)}
            for name in sorted(plugins):
                found = graph.find_modules_directly_imported_by(name) & (plugins - {name})
                broken += [(name, sibling) for sibling in sorted(found)]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line per forbidden import."""
        for name, sibling in check.metadata["broken"]:
            output.print_error(
                f"{name} imports its sibling {sibling}: move what they share to a _private module"
            )


def _is_plugin(module: str) -> bool:
    name = module.rsplit(".", 1)[-1]
    return name != "base" and not name.startswith("_")
