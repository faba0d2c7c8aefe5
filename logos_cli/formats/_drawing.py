"""Drawings of molecules and reactions as SVG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import rdChemReactions, rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

from logos_cli.errors import MoleculeError

_WIDTH, _HEIGHT = 250, 200
_HEAD = re.compile(r"<\?xml[^>]*\?>\s*")


def draw_molecule(smiles: str, legend: str = "", size: tuple[int, int] = (_WIDTH, _HEIGHT)) -> str:
    """Return the drawing of one molecule; one that RDKit can read but does not accept is drawn as it is.

    Parameters
    ----------
    legend : str
        Text below the molecule.
    size : tuple of int
        Width and height in pixels.

    Returns
    -------
    str
        An ``<svg>`` element on a white ground.

    Raises
    ------
    MoleculeError
        If it is no SMILES.
    """
    drawer: Any = rdMolDraw2D.MolDraw2DSVG(*size)
    drawer.DrawMolecule(_drawable(smiles), legend=legend)
    return _finished(drawer)


def draw_grid(
    molecules: Sequence[str],
    legends: Sequence[str] = (),
    columns: int = 4,
    size: tuple[int, int] = (_WIDTH, _HEIGHT),
) -> str:
    """Return one drawing of several molecules, row after row.

    Parameters
    ----------
    molecules : sequence of str
        SMILES; one at least.
    legends : sequence of str
        A text below each; none at all, or one for each.
    size : tuple of int
        Width and height of a cell in pixels.

    Raises
    ------
    MoleculeError
        If one is no SMILES.
    """
    columns = min(columns, len(molecules))
    rows = -(-len(molecules) // columns)
    width, height = size
    drawer: Any = rdMolDraw2D.MolDraw2DSVG(width * columns, height * rows, width, height)
    drawer.DrawMolecules([_drawable(smiles) for smiles in molecules], legends=list(legends) or None)
    return _finished(drawer)


def draw_reaction(
    reactants: Sequence[str], products: Sequence[str], size: tuple[int, int] = (600, 200)
) -> str:
    """Return the drawing of a reaction.

    Raises
    ------
    MoleculeError
        If one of the molecules is no SMILES.
    """
    reaction = rdChemReactions.ChemicalReaction()
    for smiles in reactants:
        reaction.AddReactantTemplate(_drawable(smiles))
    for smiles in products:
        reaction.AddProductTemplate(_drawable(smiles))
    drawer: Any = rdMolDraw2D.MolDraw2DSVG(*size)
    drawer.DrawReaction(reaction)
    return _finished(drawer)


def _drawable(smiles: str) -> Chem.Mol:
    """Return the molecule with coordinates; metal nodes break the rules of valence, and can be drawn nevertheless."""
    with rdBase.BlockLogs():
        molecule: Chem.Mol | None = Chem.MolFromSmiles(smiles) or Chem.MolFromSmiles(smiles, sanitize=False)
        if molecule is None:
            raise MoleculeError(f"not a SMILES: {smiles}", text=smiles)
        molecule.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(molecule)
        rdDepictor.Compute2DCoords(molecule)
    return molecule


def _finished(drawer: Any) -> str:
    drawer.FinishDrawing()
    return _HEAD.sub("", str(drawer.GetDrawingText()))
