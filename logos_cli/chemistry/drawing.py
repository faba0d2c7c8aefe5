"""Draw molecules and reactions as SVG or PNG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import rdChemReactions, rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

from logos_cli.errors import MoleculeError

_WIDTH, _HEIGHT = 250, 200
_LINE, _FONT = 18, 14
"""Heights of a legend's lines and letters, in pixels."""
_LEAST_LEGEND, _MOST_LEGEND = 0.1, 0.5
"""Smallest and largest share of a legend in the height of a cell."""
_HEAD = re.compile(r"<\?xml[^>]*\?>\s*")


def draw_molecule(smiles: str, legend: str = "", size: tuple[int, int] = (_WIDTH, _HEIGHT)) -> str:
    """Return the drawing of one molecule, also of one that RDKit can parse but does not accept.

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
        If it is not a SMILES.
    """
    drawer: Any = rdMolDraw2D.MolDraw2DSVG(*size)
    drawer.DrawMolecule(_drawable(smiles), legend=legend)
    return _finished(drawer)


def draw_grid(
    molecules: Sequence[str | None],
    legends: Sequence[str] = (),
    columns: int = 4,
    size: tuple[int, int] = (_WIDTH, _HEIGHT),
) -> str:
    """Return one drawing of several molecules, row after row.

    Parameters
    ----------
    molecules : sequence of str or None
        At least one SMILES; None leaves a cell with its legend only.
    legends : sequence of str
        Texts below the molecules: none at all, or one for each.
    size : tuple of int
        Width and height of a cell in pixels.

    Raises
    ------
    MoleculeError
        If one is not a SMILES.
    """
    return _finished(_grid(rdMolDraw2D.MolDraw2DSVG, molecules, legends, columns, size))


def draw_grid_png(
    molecules: Sequence[str | None],
    legends: Sequence[str] = (),
    columns: int = 4,
    size: tuple[int, int] = (_WIDTH, _HEIGHT),
) -> bytes:
    """Return :func:`draw_grid` as a PNG file."""
    drawer = _grid(rdMolDraw2D.MolDraw2DCairo, molecules, legends, columns, size)
    drawer.FinishDrawing()
    return bytes(drawer.GetDrawingText())


def _grid(
    canvas: Any, molecules: Sequence[str | None], legends: Sequence[str], columns: int, size: tuple[int, int]
) -> Any:
    columns = min(columns, len(molecules))
    rows = -(-len(molecules) // columns)
    width, height = size
    drawer = canvas(width * columns, height * rows, width, height)
    options = drawer.drawOptions()
    n_lines = max((legend.count("\n") + 1 for legend in legends), default=0)
    options.legendFraction = max(_LEAST_LEGEND, min(_MOST_LEGEND, n_lines * _LINE / height))
    options.legendFontSize = _FONT
    # each by itself: one scale for all is that of the largest, and makes the others small
    options.drawMolsSameScale = False
    cells = [_blank() if smiles is None else _drawable(smiles) for smiles in molecules]
    drawer.DrawMolecules(cells, legends=list(legends) or None)
    return drawer


def draw_reaction(reactants: Sequence[str], products: Sequence[str], size: tuple[int, int] = (600, 200)) -> str:
    """Return the drawing of a reaction.

    Raises
    ------
    MoleculeError
        If one of the molecules is not a SMILES.
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
    """Return the molecule with coordinates, also a metal node that breaks the rules of valence."""
    with rdBase.BlockLogs():
        molecule: Chem.Mol | None = Chem.MolFromSmiles(smiles) or Chem.MolFromSmiles(smiles, sanitize=False)
        if molecule is None:
            raise MoleculeError(f"not a SMILES: {smiles}", text=smiles)
        molecule.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(molecule)
        rdDepictor.Compute2DCoords(molecule)
    return molecule


def _blank() -> Chem.Mol:
    """Return an invisible molecule, as a cell without atoms would lose its legend, too."""
    molecule = Chem.MolFromSmiles("*")
    molecule.GetAtomWithIdx(0).SetProp("_displayLabel", " ")
    return molecule


def _finished(drawer: Any) -> str:
    drawer.FinishDrawing()
    return _HEAD.sub("", str(drawer.GetDrawingText()))
