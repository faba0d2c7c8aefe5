"""Vina scores of the ligands of a benchmark's case, in one box for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from logos_cli.benchmarks.base import CaseOutcome, Figure
from logos_cli.errors import LogosError, MissingError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.statistics import mean
from logos_cli.records import Record

if TYPE_CHECKING:
    from logos_cli.docking.options import DockOptions

SIDE_ANGSTROM = 25.0
"""Of the box around the middle of the reference ligand: ligands of any size meet the same one."""

_REMARK = (
    "Vina: each different valid ligand is docked from its SMILES, of the baseline as many as of the model; a pocket "
    "without a scored ligand does not count. The published figures rest on another preparation and another box."
)
_PUBLISHED = {"LOGOS-1B": -7.64, "LOGOS-3B": -7.73, "LOGOS-8B": -7.76, "TargetDiff": -7.38}

FIGURES = (
    Figure(
        "Vina",
        "Mean docking score of a pocket's ligands (--dock).",
        "kcal/mol",
        "lower",
        published=_PUBLISHED,
        comparable=False,
        remark=_REMARK,
    ),
    Figure("Vina, best", "Best docking score of a pocket's ligands (--dock).", "kcal/mol", "lower"),
    Figure("Vina, reference ligand", "The reference ligand docked in the same way (--dock).", "kcal/mol", None),
    Figure(
        "high affinity",
        "Of a pocket's docked ligands, those that score no worse than the reference ligand does (--dock).",
        "%",
    ),
)

_NOT_ASKED = "not docked: --dock was not given"
_NONE_SCORED = "no ligand was docked"


def dock_ligands(receptor: str, reference_file: str, outcomes: Sequence[CaseOutcome], options: DockOptions) -> None:
    """Add to each outcome of a case what Vina says of its ligands and of the reference ligand.

    A receptor that cannot be prepared, and a ligand that cannot be docked, leave their reason instead.

    Parameters
    ----------
    outcomes : sequence of dict
        With ``ligands`` and ``reference``, SMILES. Each gets ``vina``: scores in kcal/mol by SMILES, None where there
        is none, and ``reasons``. Of each no more ligands are docked than the first has: the best of many is better than
        the best of few.

    Raises
    ------
    MissingError
        If what docking needs is not installed.
    """
    from logos_cli.docking.candidates import LigandCandidate
    from logos_cli.docking.options import DockOptions as Options
    from logos_cli.docking.place import BoxOptions
    from logos_cli.docking.session import Session

    box = BoxOptions(ligand=reference_file, size_angstrom=(SIDE_ANGSTROM,) * 3)
    chosen: Options = replace(options, box=box, n_poses=1)
    most = len(outcomes[0]["ligands"])
    asked = [(one["reference"], *one["ligands"][:most]) for one in outcomes]
    wanted = list(dict.fromkeys(smiles for each in asked for smiles in each))
    scores: dict[str, float | None] = dict.fromkeys(wanted)
    reasons: dict[str, str] = {}
    try:
        candidates = [
            LigandCandidate(Record(str(number), "molecule", ""), smiles) for number, smiles in enumerate(wanted)
        ]
        for smiles, docked in zip(wanted, Session(receptor, chosen).dock(candidates), strict=True):
            if docked.poses:
                scores[smiles] = docked.poses[0].vina_kcal_per_mol
            else:
                reasons[smiles] = docked.reason or _NONE_SCORED
    except MissingError:
        raise
    except LogosError as error:
        reasons = dict.fromkeys(wanted, str(error))
    for one, mine in zip(outcomes, asked, strict=True):
        one["vina"] = {smiles: scores[smiles] for smiles in mine}
        one["reasons"] = {smiles: reasons[smiles] for smiles in mine if smiles in reasons}


def figures(outcomes: Sequence[CaseOutcome]) -> dict[str, Estimate]:
    """Return means over pockets; a pocket in which nothing could be docked has no part in them."""
    docked = [one for one in outcomes if "vina" in one]
    if not docked:
        return {figure.name: Estimate.unknown(_NOT_ASKED) for figure in FIGURES}
    rows = [_row(one["vina"], one["ligands"], one["reference"]) for one in docked]
    found = {}
    for figure in FIGURES:
        values = [row[figure.name] for row in rows if figure.name in row]
        found[figure.name] = mean(values) if values else Estimate.unknown(_NONE_SCORED)
    return found


def _row(vina: Mapping[str, float | None], ligands: Sequence[str], reference: str) -> dict[str, float]:
    """Return the figures of one pocket, as far as it has any."""
    known: dict[str, Any] = {}
    scores = np.array([score for smiles in ligands if (score := vina.get(smiles)) is not None])
    own = vina[reference]
    if own is not None:
        known["Vina, reference ligand"] = own
    if len(scores):
        known |= {"Vina": float(scores.mean()), "Vina, best": float(scores.min())}
        if own is not None:
            known["high affinity"] = 100 * float((scores <= own).mean())
    return known
