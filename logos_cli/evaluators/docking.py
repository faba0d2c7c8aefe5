"""Docking scores of ligands in a receptor: slow, and only with --receptor."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from logos_cli.evaluators.base import Context, Evaluator, Metric, Need, Subject, Unavailable, Values
from logos_cli.grammar import Form
from logos_cli.records.parts import number_of

if TYPE_CHECKING:
    from logos_cli.docking.options import ReceptorSpec
    from logos_cli.docking.results import DockedLigand
    from logos_cli.docking.session import Session

_RECEPTOR = (Need.RECEPTOR,)
_VINA = "AutoDock Vina (Eberhardt et al. 2021, 10.1021/acs.jcim.1c00203; Trott and Olson 2010, 10.1002/jcc.21334)"


class DockingEvaluator(Evaluator):
    """Docking scores of molecules and of the ligands of complexes."""

    name = "docking"
    help = "Docking scores of molecules and ligands (--receptor), as `logos dock` computes them."
    forms = frozenset((Form.MOLECULE, Form.COMPLEX))
    has_processes = True
    metrics = (
        Metric(
            "vina",
            "Estimated free energy of binding of the best pose that the search finds in the box; it depends on the "
            "box, the exhaustiveness and the seed.",
            "kcal/mol",
            "lower",
            source=_VINA,
            needs=_RECEPTOR,
        ),
        Metric(
            "vina_efficiency",
            "vina divided by the number of heavy atoms of the docked ligand.",
            "kcal/mol",
            "lower",
            source="ligand efficiency (Hopkins et al. 2004, 10.1016/S1359-6446(04)03069-7)",
            needs=_RECEPTOR,
        ),
    )

    def prepare(self, _wanted: Collection[str], context: Context) -> None:
        """Start the engine and, if options define the box, prepare the receptor."""
        if context.receptor is not None:
            session = _session(context.receptor)
            if not session.options.box.is_open:
                _ = session.receptor

    def score(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        """Return the values of one record."""
        return self.score_batch([subject], wanted, context)[0]

    def score_batch(self, subjects: Sequence[Subject], wanted: Collection[str], context: Context) -> list[Values]:
        """Dock several records at a time into one set of maps."""
        from logos_cli.docking.candidates import of_item

        if context.receptor is None:
            return [dict.fromkeys(wanted, Unavailable("no receptor is given")) for _ in subjects]
        candidates = [of_item(subject.record, subject.require_item(), placed=False) for subject in subjects]
        return [_values(docked, wanted) for docked in _session(context.receptor).dock(candidates)]

    def close(self) -> None:
        """End the docking processes."""
        if _session.cache_info().currsize:
            for session in _open:
                session.close()
            _open.clear()
            _session.cache_clear()


_open: list[Session] = []


@lru_cache(maxsize=1)
def _session(spec: ReceptorSpec) -> Session:
    from logos_cli.docking.session import Session

    session = Session(spec.receptor, spec.options)
    _open.append(session.__enter__())
    return session


def _values(docked: DockedLigand, wanted: Collection[str]) -> Values:
    if not docked.poses:
        return {name: Unavailable(docked.reason or "the ligand was not docked") for name in wanted}
    found = {name: number_of(docked.record.scores, name) for name in wanted}
    return {name: Unavailable("no score") if value is None else value for name, value in found.items()}


PLUGIN = DockingEvaluator()
