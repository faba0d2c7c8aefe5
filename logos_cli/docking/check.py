"""Whether a pose is physically plausible: the tests of PoseBusters."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from rdkit import Chem, rdBase

from logos_cli.docking import _libraries
from logos_cli.errors import StructureError

_NOT_A_TEST = frozenset(("mol_pred_loaded", "mol_cond_loaded", "mol_true_loaded", "file", "molecule"))


class Checker:
    """Checks poses in one receptor.

    Parameters
    ----------
    receptor_pdb : str
        All its atoms in PDB format.
    """

    def __init__(self, receptor_pdb: str) -> None:
        busters = _libraries.load("posebusters")
        with rdBase.BlockLogs():
            self._receptor = Chem.MolFromPDBBlock(
                receptor_pdb, sanitize=False, removeHs=False, proximityBonding=False
            )
        if self._receptor is None:
            raise StructureError("PoseBusters cannot read the prepared receptor")
        self._busters = busters.PoseBusters(config="dock")

    def check(self, pose: Chem.Mol) -> dict[str, bool]:
        """Return the outcome of each test by its name; all true is a valid pose."""
        with _silence(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table: Any = self._busters.bust([pose], None, self._receptor)
        row = table.iloc[0]
        return {str(name): bool(value) for name, value in row.items() if str(name) not in _NOT_A_TEST}


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep RDKit quiet, whose log PoseBusters turns on again while it works."""
    logger = logging.getLogger("rdkit")
    was_disabled, logger.disabled = logger.disabled, True
    rdBase.LogToPythonLogger()
    try:
        yield
    finally:
        rdBase.LogToCppStreams()
        logger.disabled = was_disabled
