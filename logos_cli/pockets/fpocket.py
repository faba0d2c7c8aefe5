"""fpocket: clusters of the spheres that touch four atoms of a protein, by the package ``fpocket-rs`` (MIT).

Le Guilloux, Schmidtke and Tuffery, BMC Bioinformatics 2009. Its score is that of a pocket's geometry, not a probability.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from logos_cli.errors import StructureError, TimeLimitError
from logos_cli.pockets.base import FoundPockets, Pocket, PocketEngine, ProteinAtoms
from logos_cli.processes.failure import Failure
from logos_cli.processes.pool import Pool

LIMIT_S: Final = 60.0
"""fpocket takes about a second for a protein. With a few proteins it never ends: 7SIU, one of 173."""


class FpocketEngine(PocketEngine):
    """Finds clusters of alpha spheres."""

    name = "fpocket"
    package = "fpocket-rs"
    install = "pip install 'logos-cli[sites]'"
    help = "Clusters of alpha spheres, by geometry alone."

    def find(self, atoms: ProteinAtoms) -> FoundPockets:
        """Return all pockets; the score of a residue is the druggability of its best pocket."""
        from scipy.spatial import cKDTree

        with Pool(_detector, None, 1, seconds_per_item=LIMIT_S) as pool:
            (result,) = pool.map([_pdb_text(atoms)])
        if isinstance(result, Failure):
            is_late = isinstance(result.error, TimeLimitError)
            problem = (
                f"did not end in {LIMIT_S:.0f} s" if is_late else f"cannot read the protein: {result.error.message}"
            )
            raise StructureError(f"fpocket {problem}", hint="try --pocket-engine pocketnet") from result.error
        made: list[Pocket] = []
        scores: dict[int, float] = {}
        for each in sorted(result["pockets"], key=lambda pocket: pocket["rank"]):
            spheres = np.array(each["alpha_spheres"])
            distances, _ = cKDTree(spheres[:, :3]).query(
                atoms.positions, distance_upper_bound=spheres[:, 3].max() + 0.5
            )
            residues = tuple(np.unique(atoms.rows[np.isfinite(distances)]).tolist())
            x, y, z = spheres[:, :3].mean(axis=0).tolist()
            made.append(Pocket(float(each["score"]), None, (x, y, z), residues, float(each["volume"])))
            for row in residues:
                scores[row] = max(scores.get(row, 0.0), float(each["drug_score"]))
        return FoundPockets(made, scores)


def _detector(_: None) -> Callable[[str], dict[str, Any]]:
    """Return the function of a process that can be ended: fpocket's own cannot be interrupted."""
    import fpocket_rs

    def detect(text: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = fpocket_rs.detect_pockets(text)
        except (ValueError, RuntimeError) as error:
            raise StructureError(str(error)) from error
        return found

    return detect


def _pdb_text(atoms: ProteinAtoms) -> str:
    """Return the atoms as PDB, with residues numbered from 1: only their places and kinds count."""
    lines, number, last = [], 0, -1
    for serial, (name, residue, element, place, row) in enumerate(
        zip(
            atoms.names, atoms.residue_names, atoms.elements, atoms.positions.tolist(), atoms.rows.tolist(), strict=True
        )
    ):
        number, last = number + (row != last), row
        label = name if len(name) == 4 or len(element) == 2 else f" {name}"
        x, y, z = place
        lines.append(
            f"ATOM  {(serial + 1) % 100000:5d} {label:<4} {residue[:3]:>3} A{number % 10000:4d}    "
            f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {element.upper():>2}"
        )
    return "\n".join([*lines, "END", ""])


PLUGIN = FpocketEngine()
