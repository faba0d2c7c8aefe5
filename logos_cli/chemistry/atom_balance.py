"""The atom balance of a reaction: counts of the atoms on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rdkit.Chem import GetPeriodicTable, Mol

from logos_cli.chemistry.smiles import parse_smiles


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of both sides of a reaction.

    Attributes
    ----------
    missing : tuple of (str, int)
        Heavy elements with more atoms in the product than in all reactants, and the numbers of missing atoms, by
        atomic number.
    economy_percent : float or None
        Mass of the product in percent of the mass of the reactants (Trost's atom economy); None if atoms are missing.
    """

    missing: tuple[tuple[str, int], ...]
    economy_percent: float | None

    @property
    def reason(self) -> str | None:
        """The missing atoms in words; None if the reactants have all atoms of the product."""
        if not self.missing:
            return None
        atoms = ", ".join(f"{count} {symbol}" for symbol, count in self.missing)
        return f"the reactants lack atoms of the product: {atoms}"


def balance(reactants: Sequence[str], product: str) -> Balance:
    """Count the heavy atoms of a product that its reactants lack.

    Hydrogen is not counted, as solvents and work-up add and remove it. A reaction needs all atoms, but a complete balance
    does not prove that it works.

    Raises
    ------
    MoleculeError
        If RDKit rejects a SMILES.
    """
    parsed = [parse_smiles(smiles) for smiles in reactants]
    made = parse_smiles(product)
    lacking = _heavy_atoms([made]) - _heavy_atoms(parsed)
    table = GetPeriodicTable()
    missing = tuple((str(table.GetElementSymbol(number)), lacking[number]) for number in sorted(lacking))
    mass = sum(_mass(molecule) for molecule in parsed)
    economy = None if missing or not mass else round(100 * _mass(made) / mass, 2)
    return Balance(missing, economy)


def _heavy_atoms(molecules: Iterable[Mol]) -> Counter[int]:
    """Count the atoms by atomic number, without hydrogen and dummy atoms."""
    numbers = (atom.GetAtomicNum() for molecule in molecules for atom in molecule.GetAtoms())
    return Counter(number for number in numbers if number > 1)


def _mass(molecule: Mol) -> float:
    """Return the average mass in g/mol, hydrogens included."""
    hydrogen = GetPeriodicTable().GetAtomicWeight(1)
    return float(sum(atom.GetMass() + atom.GetTotalNumHs() * hydrogen for atom in molecule.GetAtoms()))
