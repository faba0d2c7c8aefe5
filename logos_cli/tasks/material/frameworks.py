"""A key for frameworks from their metals and linkers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from logos_cli.errors import MoleculeError, Span


def check_node(smiles: str) -> tuple[str, ...]:
    """Return the distinct metals of a node, sorted; RDKit's valence rules do not apply to nodes.

    Raises
    ------
    MoleculeError
        If it is not a SMILES or has no metal.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdqueries

    with rdBase.BlockLogs():
        node = Chem.MolFromSmiles(smiles, sanitize=False)
    if node is None:
        raise MoleculeError(f"the metal node {smiles} is not a SMILES", text=smiles, span=Span(0, len(smiles)))
    metals = {atom.GetSymbol() for atom in node.GetAtomsMatchingQuery(rdqueries.MAtomQueryAtom())}
    if not metals:
        raise MoleculeError(f"the metal node {smiles} contains no metal", text=smiles, span=Span(0, len(smiles)))
    return tuple(sorted(metals))


def check_framework(metal: str, linkers: Iterable[str]) -> None:
    """Refuse a framework that is not valid: what ``generate`` and ``score`` mean by the word.

    Raises
    ------
    MoleculeError
        If the node is not a SMILES or contains no metal, there is no linker, or RDKit rejects one.
    """
    from logos_cli.chemistry.smiles import parse_smiles

    check_node(metal)
    molecules = [parse_smiles(linker) for linker in linkers]
    if not molecules:
        raise MoleculeError("the framework has no linker")


def framework_key(metal: str, linkers: Iterable[str]) -> str:
    """Return ``Zn.KKEYFWRCBNTPAC.MOFkey-v1``: metals, then linkers by the skeleton of their InChIKeys.

    This is MOFkey (Bucior et al. 2019, 10.1021/acs.cgd.8b01050) without the topology, which a sequence does not
    hold: two frameworks with one key may be different nets of the same parts.

    Raises
    ------
    MoleculeError
        If the node contains no metal, or RDKit returns no InChIKey of a linker.
    """
    metals = check_node(metal)
    return ".".join((*metals, *sorted({_skeleton(smiles) for smiles in linkers}), "MOFkey-v1"))


def _skeleton(smiles: str) -> str:
    from rdkit import Chem, rdBase

    from logos_cli.chemistry.smiles import parse_smiles

    molecule = parse_smiles(smiles)
    to_key: Any = Chem.MolToInchiKey
    with rdBase.BlockLogs():
        key = str(to_key(molecule))
    if not key:
        raise MoleculeError(f"RDKit returns no InChIKey for the linker {smiles}")
    return key.partition("-")[0]
