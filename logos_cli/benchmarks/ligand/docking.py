"""Vina scores of the ligands of a case, in one box for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from logos_cli.benchmarks.base import CaseOutcome, Figure
from logos_cli.errors import LogosError, MissingError
from logos_cli.evaluators.base import Estimate
from logos_cli.evaluators.statistics import mean
from logos_cli.io.json_types import JsonObject
from logos_cli.records import Record

if TYPE_CHECKING:
    from logos_cli.docking.options import DockOptions

SIDE_ANGSTROM = 25.0
"""Side of the box around the centre of the reference ligand, the same for ligands of any size."""

_REMARK = (
    "Vina: every distinct valid ligand is docked from its SMILES, as many of the baseline as of the model. A pocket "
    "without a docked ligand does not count. The published figures use another preparation and another box."
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
    Figure(
        "Vina, reference ligand", "Docking score of the reference ligand from its SMILES (--dock).", "kcal/mol", None
    ),
    Figure(
        "high affinity",
        "Share of a pocket's docked ligands that score as well as the reference ligand or better (--dock).",
        "%",
    ),
)

_NOT_ASKED = "not docked: --dock was not given"
_NONE_SCORED = "no ligand was docked"


def dock_ligands(receptor: str, reference_file: str, outcomes: Sequence[CaseOutcome], options: DockOptions) -> None:
    """Add to each outcome of a case the Vina scores of its ligands and of the reference ligand.

    A receptor that cannot be prepared, or a ligand that cannot be docked, has a reason instead.

    Parameters
    ----------
    outcomes : sequence of dict
        Outcomes with the SMILES ``ligands`` and ``reference``. Each receives ``vina``, scores in kcal/mol by SMILES
        (None without a score), and ``reasons``. All outcomes dock at most as many ligands as the first has, because
        the best of many is better than the best of few.

    Raises
    ------
    MissingError
        If a package for docking is not installed.
    """
    from logos_cli.docking.candidates import LigandCandidate
    from logos_cli.docking.options import DockOptions as Options
    from logos_cli.docking.place import BoxOptions
    from logos_cli.docking.session import Session

    box = BoxOptions(ligand=reference_file, size_angstrom=(SIDE_ANGSTROM,) * 3)
    case_options: Options = replace(options, box=box, n_poses=1)
    n_most = len(outcomes[0]["ligands"])
    ligands = [(outcome["reference"], *outcome["ligands"][:n_most]) for outcome in outcomes]
    distinct = list(dict.fromkeys(smiles for row in ligands for smiles in row))
    scores: dict[str, float | None] = dict.fromkeys(distinct)
    reasons: dict[str, str] = {}
    try:
        candidates = [
            LigandCandidate(Record(str(number), "molecule", ""), smiles) for number, smiles in enumerate(distinct)
        ]
        for smiles, docked in zip(distinct, Session(receptor, case_options).dock(candidates), strict=True):
            if docked.poses:
                scores[smiles] = docked.poses[0].vina_kcal_per_mol
            else:
                reasons[smiles] = docked.reason or _NONE_SCORED
    except MissingError:
        raise
    except LogosError as error:
        reasons = dict.fromkeys(distinct, str(error))
    for outcome, row in zip(outcomes, ligands, strict=True):
        outcome["vina"] = {smiles: scores[smiles] for smiles in row}
        outcome["reasons"] = {smiles: reasons[smiles] for smiles in row if smiles in reasons}


def figures(outcomes: Sequence[CaseOutcome]) -> dict[str, Estimate]:
    """Return means over the pockets with docked ligands."""
    docked = [outcome for outcome in outcomes if "vina" in outcome]
    if not docked:
        return {figure.name: Estimate.unknown(_NOT_ASKED) for figure in FIGURES}
    rows = [_row(outcome["vina"], outcome["ligands"], outcome["reference"]) for outcome in docked]
    estimates = {}
    for figure in FIGURES:
        values = [row[figure.name] for row in rows if figure.name in row]
        estimates[figure.name] = mean(values) if values else Estimate.unknown(_NONE_SCORED)
    return estimates


def _row(vina: Mapping[str, float | None], ligands: Sequence[str], reference: str) -> dict[str, float]:
    """Return the figures of one pocket that can be computed."""
    row: JsonObject = {}
    scores = np.array([score for smiles in ligands if (score := vina.get(smiles)) is not None])
    reference_score = vina[reference]
    if reference_score is not None:
        row["Vina, reference ligand"] = reference_score
    if len(scores):
        row |= {"Vina": float(scores.mean()), "Vina, best": float(scores.min())}
        if reference_score is not None:
            row["high affinity"] = 100 * float((scores <= reference_score).mean())
    return row
