"""InChI in; an InChIKey is named."""

from __future__ import annotations

import pytest

from logos_cli.chemistry.inchi import KEY, smiles_of_inchi
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
