"""Contracts for import-linter that the package's layout keeps.

A new file or folder falls under each of them without being named anywhere.
"""

from __future__ import annotations

from typing import Any, cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

from logos_cli import registry

ROOT = "logos_cli"


class _DirectImports(Contract):
    """A contract over the direct imports between modules of the package."""

    explanation = ""

    def broken(self, graph: ImportGraph) -> list[tuple[str, ...]]:
        """Return the modules, importer first, that break the contract."""
        raise NotImplementedError

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - the interface of Contract
        """Look for broken imports."""
        broken = sorted(self.broken(graph))
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line for each."""
        for modules in check.metadata["broken"]:
            output.print_error(f"{' imports '.join(modules)}: {self.explanation}")


class SiblingsContract(_DirectImports):
    """No plug-in of a room imports another plug-in of it.

    Configuration options: ``packages``, the rooms.
    """

    type_name = "siblings"
    explanation = "move what plug-ins share to a module that is none"

    packages = fields.SetField(subfield=fields.StringField())

    def broken(self, graph: ImportGraph) -> list[tuple[str, ...]]:
        """Return pairs of plug-ins."""
        found: list[tuple[str, ...]] = []
        for package in cast("set[str]", self.packages):
            homes = registry.homes(package.removeprefix(f"{ROOT}.")).values()
            # the modules of each plug-in: one, or a folder
            owners = {module: home for home in homes for module in _modules_of(home, graph)}
            found += [
                (importer, imported)
                for importer, imported in _edges(graph, owners)
                if imported in owners and owners[imported] != owners[importer]
            ]
        return found


def _modules_of(home: str, graph: ImportGraph) -> set[str]:
    folder = home.removesuffix(".plugin")
    return {module for module in graph.modules if module == folder or module.startswith(f"{folder}.")}


class PrivateContract(_DirectImports):
    """No module imports a ``_module`` of another folder."""

    type_name = "private"
    explanation = "an underscore means private to the folder"

    def broken(self, graph: ImportGraph) -> list[tuple[str, ...]]:
        """Return pairs of modules."""
        return [
            (importer, imported)
            for importer, imported in _edges(graph, graph.modules)
            if _is_private(imported) and not f"{importer}.".startswith(f"{_folder(imported)}.")
        ]


def _is_private(module: str) -> bool:
    name = module.rpartition(".")[2]
    return name.startswith("_") and not name.startswith("__")


def _folder(module: str) -> str:
    return module.rpartition(".")[0]


class AcyclicContract(_DirectImports):
    """No module imports itself through others, not even inside functions."""

    type_name = "acyclic"
    explanation = "a circle; move what they share down"

    def broken(self, graph: ImportGraph) -> list[tuple[str, ...]]:
        """Return the strongly connected modules."""
        edges: dict[str, set[str]] = {}
        for importer, imported in _edges(graph, graph.modules):
            edges.setdefault(importer, set()).add(imported)
        return [tuple(sorted(circle)) for circle in _circles(edges)]


def _edges(graph: ImportGraph, importers: Any) -> list[tuple[str, str]]:
    return [
        (importer, imported)
        for importer in sorted(importers)
        if importer == ROOT or importer.startswith(f"{ROOT}.")
        for imported in sorted(graph.find_modules_directly_imported_by(importer))
        if imported.startswith(f"{ROOT}.")
    ]


def _circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Return the strongly connected components of more than one node (Tarjan 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for target in edges.get(node, ()):
            if target not in order:
                visit(target)
                lowest[node] = min(lowest[node], lowest[target])
            elif target in stack:
                lowest[node] = min(lowest[node], order[target])
        if lowest[node] == order[node]:
            place = stack.index(node)
            component = set(stack[place:])
            del stack[place:]
            if len(component) > 1:
                found.append(component)

    for node in sorted(edges):
        if node not in order:
            visit(node)
    return found
