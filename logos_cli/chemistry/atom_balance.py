"""Where the atoms of a product come from: counts of both sides of a reaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rdkit.Chem import GetPeriodicTable, Mol

from logos_cli.chemistry.smiles import parse_smiles


@dataclass(frozen=True, slots=True)
class Balance:
    """What the counts of both sides say.

    Attributes
    ----------
    missing : tuple of (str, int)
        Heavy elements of which the product has more atoms than the reactants together, and how many more, by
        atomic number.
    economy_percent : float or None
        Mass of the product in percent of the mass of the reactants (Trost's atom economy); None where atoms are
        missing: it would be no part of a whole.
    """

    missing: tuple[tuple[str, int], ...]
    economy_percent: float | None

    @property
    def reason(self) -> str | None:
        """What is wrong, None if the reactants can provide the product."""
        if not self.missing:
            return None
        atoms = ", ".join(f"{count} {symbol}" for symbol, count in self.missing)
        return f"the reactants lack atoms of the product: {atoms}"


def balance(reactants: Sequence[str], product: str) -> Balance:
    """Count the heavy atoms that a product has and its reactants have not.

    Hydrogen is left out: solvents and work-up give and take it. That no atom is missing is necessary for a
    reaction, not sufficient.

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
    """Count the atoms by atomic number; hydrogen and dummy atoms are none."""
    numbers = (atom.GetAtomicNum() for molecule in molecules for atom in molecule.GetAtoms())
    return Counter(number for number in numbers if number > 1)


def _mass(molecule: Mol) -> float:
    """Return the average mass in g/mol, hydrogens included; RDKit's own function is not typed."""
    hydrogen = GetPeriodicTable().GetAtomicWeight(1)
    return float(sum(atom.GetMass() + atom.GetTotalNumHs() * hydrogen for atom in molecule.GetAtoms()))
