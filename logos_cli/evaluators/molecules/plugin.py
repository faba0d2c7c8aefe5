"""Molecules: validity, properties, alerts, novelty, diversity and similarity to a reference set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from logos_cli.errors import LogosError, with_hint
from logos_cli.evaluators.base import Context, Estimate, Evaluator, Metric, Need, Subject, Unavailable, Value, Values
from logos_cli.grammar import Form

if TYPE_CHECKING:
    from logos_cli.evaluators.molecules.properties import MeasuredMolecule
    from logos_cli.evaluators.molecules.reference import MoleculeReference
    from logos_cli.evaluators.molecules.summary import ObservedMolecule

_REFERENCE = (Need.REFERENCE,)
_MOSES = "MOSES (Polykovskiy et al. 2020, 10.3389/fphar.2020.565644)"
_GUACAMOL = "GuacaMol (Brown et al. 2019, 10.1021/acs.jcim.8b00839)"
_MURCKO = "Bemis and Murcko 1996 (10.1021/jm9602928), by RDKit"
_NANO = "index of the training split of logos-nano, beside the model"
_FINGERPRINT = "Morgan fingerprint, radius 2, 1024 bits"
_DRAWN = "at most 10,000 molecules of the reference set, drawn at random"

_ATTRIBUTES: Final[dict[str, str]] = {
    "smiles": "canonical_smiles",
    "clogp": "logp",
    "scaffold": "scaffold",
    "moses_filters": "moses_filters",
    **{
        name: name
        for name in (
            "heavy_atoms",
            "mw",
            "tpsa",
            "hbd",
            "hba",
            "rotatable_bonds",
            "rings",
            "aromatic_rings",
            "fsp3",
            "lipinski_violations",
            "qed",
            "sa",
        )
    },
}
"""Metrics that are attributes of the measured molecule."""

_METRICS: Final = (
    Metric(
        "molecule_valid",
        "RDKit parses and sanitizes the SMILES. If not, the other metrics report the reason.",
        better="higher",
        source="RDKit",
    ),
    Metric("smiles", "Canonical isomeric SMILES.", source="RDKit"),
    Metric("heavy_atoms", "Atoms other than hydrogen.", source="RDKit"),
    Metric("mw", "Average molecular weight.", "Da", source="RDKit"),
    Metric(
        "clogp",
        "Octanol-water partition coefficient by atom contributions.",
        source="Wildman and Crippen 1999 (10.1021/ci990307l), by RDKit",
    ),
    Metric(
        "tpsa",
        "Topological polar surface area of N and O.",
        "Å²",
        source="Ertl et al. 2000 (10.1021/jm000942e), by RDKit",
    ),
    Metric("hbd", "Hydrogen-bond donors.", source="RDKit CalcNumHBD"),
    Metric("hba", "Hydrogen-bond acceptors.", source="RDKit CalcNumHBA"),
    Metric(
        "rotatable_bonds",
        "Rotatable bonds, without those of amides, esters and terminal groups.",
        source="RDKit, strict definition",
    ),
    Metric("rings", "Rings of the smallest set.", source="RDKit"),
    Metric("aromatic_rings", "Rings with aromatic bonds only.", source="RDKit"),
    Metric(
        "fsp3",
        "Share of the carbon atoms (not of all atoms) that are sp3.",
        better="higher",
        source="Lovering et al. 2009 (10.1021/jm901241e), by RDKit",
    ),
    Metric(
        "lipinski_violations",
        "Number of violated rules of four: MW > 500, logP > 5, more than 5 N-H and O-H, more than 10 N and O.",
        better="lower",
        source="Lipinski et al. 1997 (10.1016/S0169-409X(96)00423-1)",
    ),
    Metric(
        "qed",
        "Quantitative estimate of drug-likeness, 0 to 1.",
        better="higher",
        source="Bickerton et al. 2012 (10.1038/nchem.1243), mean weights, by RDKit",
    ),
    Metric(
        "sa",
        "Synthetic accessibility, from 1 (easy) to 10.",
        better="lower",
        source="Ertl and Schuffenhauer 2009 (10.1186/1758-2946-1-8), RDKit Contrib",
    ),
    Metric("scaffold", "Scaffold as canonical SMILES; empty for a molecule without rings.", source=_MURCKO),
    Metric(
        "pains",
        "Pan-assay interference patterns in the molecule.",
        better="lower",
        source="Baell and Holloway 2010 (10.1021/jm901137j), the 480 patterns of RDKit",
    ),
    Metric(
        "brenk",
        "Unwanted groups in the molecule.",
        better="lower",
        source="Brenk et al. 2008 (10.1002/cmdc.200700139), the patterns of RDKit",
    ),
    Metric("alerts", "Names of the PAINS and unwanted groups; empty if there is none.", source="RDKit"),
    Metric(
        "moses_filters",
        "Passes the filters of MOSES: elements C N O S F Cl Br H, no charge, no ring of 8 or more, no medicinal "
        "chemistry filter (MCF), no PAINS.",
        better="higher",
        source=f"{_MOSES}; its MCF, RDKit's PAINS (some patterns corrected since)",
    ),
    Metric(
        "molecule_novel_nano",
        "The molecule is none of the molecules, ligands, reactants and products in the training data of logos-nano "
        "(canonical isomeric SMILES; 1 in 100,000 new ones counts as known).",
        better="higher",
        source=_NANO,
    ),
    Metric(
        "molecule_novel",
        "The molecule is not in the reference set (canonical isomeric SMILES).",
        better="higher",
        source=_MOSES,
        needs=_REFERENCE,
    ),
    Metric(
        "nearest_similarity",
        f"Tanimoto similarity to the nearest molecule of the reference set ({_FINGERPRINT}).",
        source=_MOSES,
        needs=_REFERENCE,
    ),
)

_SUMMARY: Final = (
    Metric(
        "molecule_validity",
        "Share of all records, malformed ones included, with a molecule that RDKit accepts.",
        better="higher",
        source=_MOSES,
    ),
    Metric(
        "molecule_uniqueness",
        "Share of the valid molecules that repeat no earlier one (canonical SMILES).",
        better="higher",
        source=_MOSES,
    ),
    Metric("unique_at_1000", "Uniqueness of the first 1,000 valid molecules.", better="higher", source=_MOSES),
    Metric("unique_at_10000", "Uniqueness of the first 10,000 valid molecules.", better="higher", source=_MOSES),
    Metric(
        "guacamol_uniqueness",
        "Uniqueness of the valid molecules, without stereochemistry.",
        better="higher",
        source=_GUACAMOL,
    ),
    Metric(
        "molecule_novelty_nano",
        "Share of the distinct valid molecules that are not in the training data of logos-nano.",
        better="higher",
        source=_NANO,
    ),
    Metric(
        "valid_novel_unique_nano",
        "Share of all records that are valid, unique and not in the training data of logos-nano.",
        better="higher",
        source=_NANO,
    ),
    Metric(
        "molecule_novelty",
        "Share of the distinct valid molecules that are not in the reference set.",
        better="higher",
        source=_MOSES,
        needs=_REFERENCE,
    ),
    Metric(
        "guacamol_novelty", "Novelty, without stereochemistry.", better="higher", source=_GUACAMOL, needs=_REFERENCE
    ),
    Metric(
        "internal_diversity_1",
        f"IntDiv1: one minus the mean similarity of all pairs ({_FINGERPRINT}), including each molecule with itself; "
        "for 10,000 molecules at most.",
        better="higher",
        source=_MOSES,
    ),
    Metric(
        "internal_diversity_2",
        "IntDiv2: as IntDiv1, with the root of the mean squared similarity of each molecule.",
        better="higher",
        source=_MOSES,
    ),
    Metric("n_scaffolds", "Number of distinct scaffolds.", source=_MURCKO),
    Metric(
        "scaffold_diversity",
        "Share of the valid molecules with a scaffold that no earlier one has.",
        better="higher",
        source=_MURCKO,
    ),
    Metric(
        "snn",
        "Mean similarity to the nearest molecule of the reference set.",
        better="higher",
        source=_MOSES,
        needs=_REFERENCE,
    ),
    Metric(
        "fragment_similarity",
        f"Frag: cosine of the counts of BRICS fragments here and in {_DRAWN}.",
        better="higher",
        source=_MOSES,
        needs=_REFERENCE,
    ),
    Metric(
        "scaffold_similarity",
        f"Scaf: cosine of the counts of scaffolds with 2 or more rings here and in {_DRAWN}.",
        better="higher",
        source=_MOSES,
        needs=_REFERENCE,
    ),
    *(
        Metric(
            f"{name}_distance",
            f"Wasserstein-1 distance of {name} from {_DRAWN}.",
            unit,
            "lower",
            source=_MOSES,
            needs=_REFERENCE,
        )
        for name, unit in (("qed", None), ("sa", None), ("clogp", None), ("mw", "Da"))
    ),
    Metric(
        "guacamol_kl",
        "Mean of exp(-KL) over nine descriptors and the similarity to the nearest other molecule, 0 to 1; compared with "
        f"{_DRAWN}.",
        better="higher",
        source=_GUACAMOL,
        needs=_REFERENCE,
    ),
    Metric(
        "fcd",
        f"Fréchet ChemNet distance from {_DRAWN}; at least 5,000 molecules on either side.",
        better="lower",
        source="Preuer et al. 2018 (10.1021/acs.jcim.8b00234), package fcd_torch",
        needs=_REFERENCE,
    ),
)


def _reference(context: Context) -> MoleculeReference | None:
    if context.reference is None:
        return None
    from logos_cli.evaluators.molecules.reference import molecule_reference

    return molecule_reference(context.reference, context.seed)


@cache
def _metrics_with_needs() -> frozenset[str]:
    return frozenset(metric.name for metric in (*_METRICS, *_SUMMARY) if metric.needs)


class MoleculeEvaluator(Evaluator):
    """Scores molecules, and the ligands of complexes."""

    name = "molecules"
    help = "Molecules and ligands: validity, properties, alerts, novelty, diversity (MOSES, GuacaMol)."
    forms = frozenset((Form.MOLECULE, Form.COMPLEX))
    metrics = _METRICS
    summary_metrics = _SUMMARY

    def prepare(self, wanted: Collection[str], context: Context) -> None:
        """Read the reference set and the data files of RDKit."""
        if context.reference is not None and not _metrics_with_needs().isdisjoint(wanted):
            _reference(context)
        from logos_cli.evaluators.molecules.properties import MeasuredMolecule

        benzene = MeasuredMolecule("c1ccccc1")
        for name in {"sa", "qed", "pains", "brenk"} & set(wanted):
            _value(benzene, name, context)

    def score(self, subject: Subject, wanted: Collection[str], context: Context) -> Values:
        """Return the properties of one molecule."""
        return self.score_batch((subject,), wanted, context)[0]

    def score_batch(self, subjects: Sequence[Subject], wanted: Collection[str], context: Context) -> list[Values]:
        """Return the properties of several molecules, one property at a time, which is faster."""
        from logos_cli.evaluators.molecules.properties import N_KEPT

        values: list[Values] = []
        for start in range(0, len(subjects), N_KEPT):
            molecules = [_measure(subject) for subject in subjects[start : start + N_KEPT]]
            rows: list[Values] = [{} for _ in molecules]
            for name in wanted:
                for row, molecule in zip(rows, molecules, strict=True):
                    row[name] = _value(molecule, name, context)
            values += rows
        return values

    def observe(self, subject: Subject, context: Context) -> tuple[ObservedMolecule | None]:
        """Return the part of a molecule that figures need; None if it is malformed or RDKit rejects it."""
        molecule = _measure(subject)
        if isinstance(molecule, LogosError):
            return (None,)
        from logos_cli.evaluators.molecules.summary import observe_molecule

        return (observe_molecule(molecule, _reference(context)),)

    def summarise(
        self, observations: Iterable[tuple[ObservedMolecule | None]], wanted: Collection[str], context: Context
    ) -> Mapping[str, Estimate]:
        """Return the figures of the set."""
        from logos_cli.evaluators.molecules.summary import MoleculeSet

        molecules = MoleculeSet([molecule for (molecule,) in observations], _reference(context), context.seed)
        return {name: molecules.figure(name) for name in wanted}


def _measure(subject: Subject) -> MeasuredMolecule | LogosError:
    """Return the molecule, or the reason why there is none."""
    from logos_cli.evaluators.molecules.properties import measure
    from logos_cli.evaluators.molecules.reference import smiles_of

    try:
        smiles = smiles_of(subject.require_item())
        return LogosError("the complex has no ligand") if smiles is None else measure(smiles)
    except LogosError as error:
        return error


def _value(molecule: MeasuredMolecule | LogosError, name: str, context: Context) -> Value:
    if isinstance(molecule, LogosError):
        return False if name == "molecule_valid" else Unavailable(molecule.message)
    try:
        return _compute(molecule, name, context)
    except LogosError as error:
        return Unavailable(with_hint(error))
    except (RuntimeError, ValueError, ArithmeticError) as error:  # RDKit's own invariants
        return Unavailable(f"RDKit fails: {' '.join(str(error).split())[:200]}")


def _compute(molecule: MeasuredMolecule, name: str, context: Context) -> Value:
    if attribute := _ATTRIBUTES.get(name):
        value: Value = getattr(molecule, attribute)
        return value
    if name == "pains":
        return len(molecule.pains_alerts)
    if name == "brenk":
        return len(molecule.brenk_alerts)
    if name == "alerts":
        lists = (("PAINS", molecule.pains_alerts), ("Brenk", molecule.brenk_alerts))
        return "; ".join(f"{title} {alert}" for title, alerts in lists for alert in alerts)
    if name == "molecule_novel_nano":
        from logos_cli.evaluators.novelty import KeyKind, embedded_index

        return molecule.canonical_smiles not in embedded_index().keys(KeyKind.MOLECULE)
    if name == "molecule_valid":
        return True
    return _compare_with_reference(molecule, name, _reference(context))


def _compare_with_reference(molecule: MeasuredMolecule, name: str, reference: MoleculeReference | None) -> Value:
    if reference is None:
        return Unavailable("no reference set is given")
    if name == "molecule_novel":
        return molecule.canonical_smiles not in reference.keys
    from logos_cli.evaluators.molecules.summary import molecule_nearest

    return molecule_nearest(molecule, reference)


PLUGIN = MoleculeEvaluator()
