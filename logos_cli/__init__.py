"""LOGOS: one grammar for proteins, molecules, binding sites, complexes, reactions and frameworks.

The names below are the Python twin of the command line; they are imported when first used, so that
``import logos_cli`` stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from logos_cli.grammar import parse
    from logos_cli.records import Record, read_records, write_records
    from logos_cli.workflows.decode import decode
    from logos_cli.workflows.dock.docking import dock
    from logos_cli.workflows.encode import encode
    from logos_cli.workflows.explain import explain
    from logos_cli.workflows.frame import to_frame
    from logos_cli.workflows.generate.generation import generate
    from logos_cli.workflows.score.scoring import score

_HOME = {
    "Record": "logos_cli.records",
    "decode": "logos_cli.workflows.decode",
    "dock": "logos_cli.workflows.dock.docking",
    "encode": "logos_cli.workflows.encode",
    "explain": "logos_cli.workflows.explain",
    "generate": "logos_cli.workflows.generate.generation",
    "parse": "logos_cli.grammar",
    "read_records": "logos_cli.records",
    "score": "logos_cli.workflows.score.scoring",
    "to_frame": "logos_cli.workflows.frame",
    "write_records": "logos_cli.records",
}

__all__ = [
    "Record",
    "__version__",
    "decode",
    "dock",
    "encode",
    "explain",
    "generate",
    "parse",
    "read_records",
    "score",
    "to_frame",
    "write_records",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
