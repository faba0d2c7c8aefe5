"""InChI in; an InChIKey is named."""

from __future__ import annotations

import pytest
from rdkit import Chem

from logos_cli.chemistry.inchi import KEY, inchi_of_smiles, smiles_of_inchi
from logos_cli.errors import MoleculeError


def test_inchi_is_read() -> None:
    assert smiles_of_inchi("InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3") == ("CCO", [])
    smiles, notes = smiles_of_inchi("InChI=1S/C2H4O2/c1-2(3)4/h1H3,(H,3,4)/p-1")
    assert smiles == "CC(=O)[O-]"
    assert "mobile hydrogens" in notes[0]


@pytest.mark.parametrize("text", ["InChI=1S/C2H6O/c1-2-3/h3H", "InChI=1S/C2H6O/c1-2-", "InChI="])
def test_broken_inchi(text: str) -> None:
    with pytest.raises(MoleculeError, match="InChI"):
        smiles_of_inchi(text)


def test_inchikeys_are_recognised() -> None:
    assert KEY.fullmatch("LFQSCWFLJHTTHZ-UHFFFAOYSA-N")
    assert KEY.fullmatch("InChIKey=LFQSCWFLJHTTHZ-UHFFFAOYSA-N")
    assert not KEY.fullmatch("CC-CC-C")


@pytest.mark.parametrize(
    "smiles",
    [
        *("CC(N)=O", "CC(=O)Nc1ccccc1", "NC(N)=O", "COC(N)=O", "CC(N)=S", "CC(=O)NO", "CC(=O)NC(C)=O", "O=C1CCCN1"),
        *("NC(=O)C(N)=O", "O=C1NC(=O)c2ccccc21", "C/C=C/C(N)=O", "CC(=O)N/N=C/c1ccccc1", "NC(=O)c1ccccc1C(=O)O"),
        "CC(C)C[C@H](NC(=O)[C@@H](N)Cc1ccccc1)C(=O)N[C@@H](C)C(=O)O",
    ],
)
def test_an_amide_is_read_back_as_an_amide(smiles: str) -> None:
    read, _ = smiles_of_inchi(inchi_of_smiles(smiles))
    assert read == Chem.MolToSmiles(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize("smiles", ["O=c1cc[nH]c(=O)[nH]1", "CC(=O)[N-]C", "CC(O)=NC", "Oc1ccccn1", "NC(=N)N"])
def test_another_tautomer_has_the_same_inchi_and_a_note(smiles: str) -> None:
    inchi = inchi_of_smiles(smiles)
    read, notes = smiles_of_inchi(inchi)
    assert inchi_of_smiles(read) == inchi
    assert "mobile hydrogens" in notes[0]
