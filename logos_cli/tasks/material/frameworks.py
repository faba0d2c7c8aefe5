"""Frameworks as sequences can tell them apart: a key of metals and linkers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from logos_cli.errors import MoleculeError, Span


def check_node(smiles: str) -> tuple[str, ...]:
    """Return the metals of a node, each once, sorted; RDKit's rules of valence are not for nodes.

    Raises
    ------
    MoleculeError
        If it is no SMILES or has no metal.
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdqueries

    with rdBase.BlockLogs():
        node = Chem.MolFromSmiles(smiles, sanitize=False)
    if node is None:
        raise MoleculeError(f"the metal node {smiles} is no SMILES", text=smiles, span=Span(0, len(smiles)))
    metals = {atom.GetSymbol() for atom in node.GetAtomsMatchingQuery(rdqueries.MAtomQueryAtom())}
    if not metals:
        raise MoleculeError(f"the metal node {smiles} holds no metal", text=smiles, span=Span(0, len(smiles)))
    return tuple(sorted(metals))


def framework_key(metal: str, linkers: Iterable[str]) -> str:
    """Return ``Zn.KKEYFWRCBNTPAC.MOFkey-v1``: metals, then linkers by the skeleton of their InChIKeys.

    That is MOFkey (Bucior et al. 2019, 10.1021/acs.cgd.8b01050) without the topology, which no sequence tells: two
    frameworks of one key may be different nets of the same parts.

    Raises
    ------
    MoleculeError
        If the node holds no metal, or RDKit makes no InChIKey of a linker.
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
        raise MoleculeError(f"there is no InChIKey of the linker {smiles}")
    return key.partition("-")[0]
