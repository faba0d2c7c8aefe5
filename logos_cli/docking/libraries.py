"""Import the optional libraries of docking when they are needed, and silence their logs."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from rdkit import rdBase

from logos_cli.errors import MissingError

INSTALL = "pip install 'logos-cli[dock]'"
_LOUD = ("meeko", "posebusters")
_PURPOSE = {
    "meeko": "preparing molecules for docking needs Meeko",
    "openmm": "preparing a receptor needs OpenMM",
    "pdbfixer": "preparing a receptor needs PDBFixer",
    "posebusters": "checking poses needs PoseBusters",
    "vina": "docking needs the vina package",
}


def is_installed(name: str) -> bool:
    """Return whether a library can be imported, without importing it."""
    return find_spec(name) is not None


def load(name: str) -> ModuleType:
    """Import a library.

    Raises
    ------
    MissingError
        If it is not installed.
    """
    try:
        return _quietly(name) if name in _LOUD else import_module(name)
    except ImportError as error:
        what = _PURPOSE[name.partition(".")[0]]
        raise MissingError(f"{what}, which is not installed", hint=INSTALL) from error


def _quietly(name: str) -> ModuleType:
    """Import a library, and undo its changes to the logging of the process."""
    if name in sys.modules:
        return sys.modules[name]
    levels = [(handler, handler.level, handler.formatter) for handler in logging.getLogger("rdkit").handlers]
    module = import_module(name)
    rdBase.LogToCppStreams()
    for handler, level, formatter in levels:
        handler.setLevel(level)
        handler.setFormatter(formatter)
    # Meeko warns about every residue and molecule; relevant problems become our errors and notes
    logging.getLogger(name).setLevel(logging.CRITICAL)
    return module
