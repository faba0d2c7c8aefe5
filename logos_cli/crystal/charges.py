"""Check that the charges of nodes and linkers can add up to zero, by the oxidation states of the metals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from logos_cli.crystal.blocks import Blocks

_STATES: Final[dict[tuple[int, int], str]] = {
    (1, 1): "Li Na K Rb Cs Ag",
    (1, 2): "Cu Hg",
    (2, 2): "Be Mg Ca Sr Ba Zn Cd Pb",
    (2, 3): "Fe Co Ni Sm Eu Yb",
    (2, 4): "Mn Sn Pd Pt",
    (2, 5): "V",
    (2, 6): "Cr Mo W",
    (3, 3): "Al Ga In Sc Y La Nd Gd Dy Ho Er Tm Lu Bi",
    (3, 4): "Ti Ce Pr Tb",
    (4, 4): "Zr Hf Th",
    (4, 6): "U",
}
"""Metals by their lowest and highest usual oxidation state."""
_RANGES: Final = {symbol: states for states, symbols in _STATES.items() for symbol in symbols.split()}
_VALENCES: Final = {"O": 2, "S": 2, "Se": 2, "N": 3, "F": 1, "Cl": 1, "Br": 1, "I": 1}
"""Negative charge of the single atoms of nodes, less one for each hydrogen on them."""
_ATOM: Final = re.compile(r"\[([A-Z][a-z]?)(?:H(\d?))?\]")


def imbalance(blocks: Blocks) -> str | None:
    """Return a note on charges that cannot add up to zero; None if they can, or if a part has no certain charge."""
    low = high = 0
    for node in blocks.nodes.values():
        for symbol, hydrogens in _ATOM.findall(node.smiles.replace("H]", "H1]")):
            ends = _RANGES.get(symbol)
            if ends is None:
                valence = _VALENCES.get(symbol)
                if valence is None:
                    return None
                ends = (int(hydrogens or 0) - valence,) * 2
            low, high = low + node.count * ends[0], high + node.count * ends[1]
    linkers = sum(charge_of(kind.smiles) * kind.count for kind in blocks.linkers.values())
    if any(smiles.startswith("formula") for smiles in blocks.free):
        return None
    ions = sum(charge_of(smiles) * kind.count for smiles, kind in blocks.free.items())
    if low + linkers + ions <= 0 <= high + linkers + ions:
        return None
    nodes = f"{low:+d}" if low == high else f"{low:+d} to {high:+d}"
    return (
        f"charges do not add up: nodes {nodes}, linkers {linkers:+d}, free ions {ions:+d} in the cell; ions, hydrogens or "
        "atoms may be missing from the file"
    )


def charge_of(smiles: str) -> int:
    """Return the charge of a molecule."""
    from rdkit import Chem

    return int(Chem.GetFormalCharge(Chem.MolFromSmiles(smiles)))
