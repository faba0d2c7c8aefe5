"""Properties of one molecule, each computed at its first use."""

from __future__ import annotations

import re
from functools import cache, cached_property, lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from rdkit import Chem, rdBase
from rdkit.Chem import QED, rdMolDescriptors
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
from rdkit.Chem.Scaffolds import MurckoScaffold

from logos_cli.chemistry.smiles import parse_smiles
from logos_cli.errors import MissingError, MoleculeError
from logos_cli.evaluators.molecules.patterns import (
    Patterns,
    Words,
    brenk_alerts,
    features,
    pains_alerts,
    passes_moses_filters,
)

if TYPE_CHECKING:
    from rdkit.DataStructs import ExplicitBitVect

MORGAN_BITS: Final = 1024
# RDKit's Python modules have no type annotations
_qed: Any = QED
_scaffold_of: Any = MurckoScaffold.GetScaffoldForMol
_ISOMERIC: Final = re.compile(r"[@/\\]|\[[0-9]")
N_KEPT: Final = 2048
"""Most measured molecules in the cache."""
_MOSES_RINGS: Final = 2
_MOST_DALTON: Final = 500
_MOST_LOGP: Final = 5
_MOST_DONORS: Final = 5
_MOST_ACCEPTORS: Final = 10


@cache
def _morgan(n_bits: int) -> Any:
    return GetMorganGenerator(radius=2, fpSize=n_bits)


def morgan_fingerprint(molecule: Chem.Mol, n_bits: int = MORGAN_BITS) -> ExplicitBitVect:
    """Return the Morgan fingerprint of radius 2, without chirality (as MOSES: 1024 bits; GuacaMol: 4096)."""
    fingerprint: ExplicitBitVect = _morgan(n_bits).GetFingerprint(molecule)
    return fingerprint


@cache
def sa_scorer() -> ModuleType:
    """Return RDKit's scorer of synthetic accessibility with its fragment table loaded.

    Raises
    ------
    MissingError
        If RDKit is installed without it.
    """
    try:
        from rdkit.Contrib.SA_Score import sascorer

        sascorer.readFragmentScores()
    except (ImportError, OSError) as error:
        raise MissingError(
            "RDKit is installed without its folder Contrib/SA_Score, which computes synthetic accessibility",
            hint="pip install --force-reinstall rdkit",
        ) from error
    scorer: ModuleType = sascorer
    return scorer


@cache
def _qed_alerts() -> Patterns:
    return Patterns(_qed.StructuralAlerts)


@cache
def _qed_acceptors() -> Patterns:
    return Patterns(_qed.Acceptors)


class MeasuredMolecule:
    """A molecule that RDKit accepts, and its properties.

    Parameters
    ----------
    smiles : str
        SMILES of the molecule.

    Raises
    ------
    MoleculeError
        If RDKit rejects it.
    """

    def __init__(self, smiles: str) -> None:
        self.molecule = parse_smiles(smiles)
        self.nearest: tuple[object, float] | None = None
        """A reference set and the similarity to its nearest molecule, after the first search."""

    @cached_property
    def canonical_smiles(self) -> str:
        """Canonical isomeric SMILES."""
        return str(Chem.MolToSmiles(self.molecule))

    @cached_property
    def flat_smiles(self) -> str:
        """Canonical SMILES without stereochemistry and isotopes."""
        if not _ISOMERIC.search(self.canonical_smiles):
            return self.canonical_smiles
        return str(Chem.MolToSmiles(self.molecule, isomericSmiles=False))

    @cached_property
    def _features(self) -> Words:
        return features(self.molecule)

    @property
    def heavy_atoms(self) -> int:
        """Number of atoms other than hydrogen."""
        return int(self.molecule.GetNumHeavyAtoms())

    @cached_property
    def mw(self) -> float:
        """Average molecular weight in daltons."""
        return float(rdMolDescriptors._CalcMolWt(self.molecule))

    @cached_property
    def logp(self) -> float:
        """Crippen's logP."""
        return float(rdMolDescriptors.CalcCrippenDescriptors(self.molecule)[0])

    @cached_property
    def tpsa(self) -> float:
        """Topological polar surface area in Å²."""
        return float(rdMolDescriptors.CalcTPSA(self.molecule))

    @cached_property
    def hbd(self) -> int:
        """Hydrogen-bond donors."""
        return int(rdMolDescriptors.CalcNumHBD(self.molecule))

    @cached_property
    def hba(self) -> int:
        """Hydrogen-bond acceptors."""
        return int(rdMolDescriptors.CalcNumHBA(self.molecule))

    @cached_property
    def rotatable_bonds(self) -> int:
        """Rotatable bonds, without those of amides, esters and terminal groups."""
        strict = rdMolDescriptors.NumRotatableBondsOptions.Strict
        return int(rdMolDescriptors.CalcNumRotatableBonds(self.molecule, strict))

    @property
    def rings(self) -> int:
        """Rings of the smallest set."""
        return int(self.molecule.GetRingInfo().NumRings())

    @cached_property
    def aromatic_rings(self) -> int:
        """Rings with aromatic bonds only."""
        return int(rdMolDescriptors.CalcNumAromaticRings(self.molecule))

    @property
    def fsp3(self) -> float:
        """Share of the carbon atoms that are sp3.

        Raises
        ------
        MoleculeError
            If there is no carbon.
        """
        if not any(atom.GetAtomicNum() == 6 for atom in self.molecule.GetAtoms()):
            raise MoleculeError("the molecule has no carbon")
        return float(rdMolDescriptors.CalcFractionCSP3(self.molecule))

    @property
    def lipinski_violations(self) -> int:
        """Number of Lipinski's four rules that are violated; donors are N–H and O–H, acceptors N and O."""
        return (
            int(self.mw > _MOST_DALTON)
            + int(self.logp > _MOST_LOGP)
            + int(rdMolDescriptors.CalcNumLipinskiHBD(self.molecule) > _MOST_DONORS)
            + int(rdMolDescriptors.CalcNumLipinskiHBA(self.molecule) > _MOST_ACCEPTORS)
        )

    @cached_property
    def qed(self) -> float:
        """Quantitative estimate of drug-likeness: RDKit's weighted mean, from the properties here."""
        molecule, present = self.molecule, self._features
        without = Chem.DeleteSubstructs(Chem.Mol(molecule), _qed.AliphaticRings)
        properties = _qed.QEDproperties(
            MW=self.mw,
            ALOGP=self.logp,
            HBA=_qed_acceptors().n_hits(molecule, present),
            HBD=self.hbd,
            PSA=self.tpsa,
            ROTB=self.rotatable_bonds,
            AROM=len(Chem.GetSSSR(without)),
            ALERTS=len(_qed_alerts().matches(molecule, present)),
        )
        return float(_qed.qed(molecule, qedProperties=properties))

    @cached_property
    def sa(self) -> float:
        """Synthetic accessibility, from 1 (easy) to 10.

        Raises
        ------
        MissingError
            If RDKit is installed without Contrib.
        """
        return float(sa_scorer().calculateScore(self.molecule))

    @cached_property
    def pains_alerts(self) -> list[str]:
        """Names of its PAINS."""
        return pains_alerts(self.molecule, self._features)

    @cached_property
    def brenk_alerts(self) -> list[str]:
        """Names of its unwanted groups of Brenk et al."""
        return brenk_alerts(self.molecule)

    @cached_property
    def moses_filters(self) -> bool:
        """Whether it passes the filters of MOSES, with the PAINS of RDKit."""
        return not self.pains_alerts and passes_moses_filters(self.molecule)

    @cached_property
    def _scaffold(self) -> Chem.Mol:
        try:
            scaffold: Chem.Mol = _scaffold_of(self.molecule)
        except (ValueError, RuntimeError) as error:
            raise MoleculeError("RDKit returns no scaffold of the molecule") from error
        return scaffold

    @cached_property
    def scaffold(self) -> str:
        """Bemis–Murcko scaffold as canonical SMILES; empty for a molecule without rings.

        Raises
        ------
        MoleculeError
            If RDKit returns no scaffold.
        """
        return str(Chem.MolToSmiles(self._scaffold))

    @property
    def ring_system_scaffold(self) -> list[str]:
        """The scaffold, if it has two rings or more, which MOSES counts."""
        try:
            counts = self._scaffold.GetRingInfo().NumRings() >= _MOSES_RINGS
        except MoleculeError:
            return []
        return [self.scaffold] if counts else []

    @cached_property
    def fragments(self) -> list[str]:
        """Fragments after cutting all BRICS bonds; the molecule itself if there is none."""
        return str(Chem.MolToSmiles(Chem.FragmentOnBRICSBonds(self.molecule))).split(".")

    @cached_property
    def fingerprint(self) -> ExplicitBitVect:
        """Morgan fingerprint, radius 2, 1024 bits."""
        return morgan_fingerprint(self.molecule)


@lru_cache(maxsize=N_KEPT)
def measure(smiles: str) -> MeasuredMolecule:
    """Return a molecule; the cache keeps it with its properties.

    Raises
    ------
    MoleculeError
        If RDKit rejects it.
    """
    with rdBase.BlockLogs():
        return MeasuredMolecule(smiles)
