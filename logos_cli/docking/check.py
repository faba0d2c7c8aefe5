"""Check the physical plausibility of poses by the tests of PoseBusters."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rdkit import Chem, rdBase

from logos_cli.docking import libraries
from logos_cli.docking.receptor.flexible import placed, side_chains
from logos_cli.docking.receptor.preparation import Receptor
from logos_cli.errors import StructureError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NOT_A_TEST = frozenset(("mol_pred_loaded", "mol_cond_loaded", "mol_true_loaded", "file", "molecule"))


class Checker:
    """Checks poses in one receptor.

    Parameters
    ----------
    receptor : Receptor
    """

    def __init__(self, receptor: Receptor) -> None:
        busters = libraries.load("posebusters")
        self._receptor = receptor
        self._molecule = _molecule(receptor)
        self._busters = busters.PoseBusters(config="dock")

    def check(self, pose: Chem.Mol, flexible: NDArray[np.float64] | None = None) -> dict[str, bool]:
        """Return the outcome of each test by its name; all true is a valid pose.

        Parameters
        ----------
        flexible : ndarray, shape (n_atoms, 3), optional
            Positions (Å) of the receptor's flexible atoms in the pose.
        """
        molecule = self._molecule
        if flexible is not None and len(flexible):
            molecule = _molecule(placed(self._receptor, side_chains(self._receptor, flexible)))
        with _silence(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table: Any = self._busters.bust([pose], None, molecule)
        row = table.iloc[0]
        return {str(name): bool(value) for name, value in row.items() if str(name) not in _NOT_A_TEST}


def _molecule(receptor: Receptor) -> Chem.Mol:
    with rdBase.BlockLogs():
        molecule = Chem.MolFromPDBBlock(receptor.pdb, sanitize=False, removeHs=False, proximityBonding=False)
    if molecule is None:
        raise StructureError("PoseBusters cannot read the prepared receptor")
    return molecule


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Silence RDKit, as PoseBusters turns its log on."""
    logger = logging.getLogger("rdkit")
    was_disabled, logger.disabled = logger.disabled, True
    rdBase.LogToPythonLogger()
    try:
        yield
    finally:
        rdBase.LogToCppStreams()
        logger.disabled = was_disabled
