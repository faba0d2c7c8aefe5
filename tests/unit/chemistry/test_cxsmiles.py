"""What stands between bars after a SMILES."""

from __future__ import annotations

import pytest

from logos_cli.chemistry.cxsmiles import read_cxsmiles, read_reaction, split_extension
from logos_cli.chemistry.notes import split_notes
from logos_cli.errors import MoleculeError


@pytest.mark.parametrize(
    ("smiles", "extension", "expected"),
    [
        ("C", "^1:0", "[CH3]"),
        ("CC", "^2:1", "[CH]C"),
        ("CC=CC", "c:1", "C/C=C\\C"),
        ("CC=CC", "t:1", "C/C=C/C"),
        ("[Fe]N", "C:1.0", "[NH3]->[Fe]"),
        # O and F on the right, C on the left; the methyl is above the plane: seen with H away, C O F turn to the right
        ("CC(O)F", "(0,0,;1,0,;2,1,;2,-1,),wU:1.0", "C[C@@H](O)F"),
        ("CC(O)F", "(0,0,;1,0,;2,1,;2,-1,),wD:1.0", "C[C@H](O)F"),
        ("CC(O)F", "(0,0,0;1,0,0;2,1,1;2,-1,1)", "C[C@@H](O)F"),
        ("CC([O])F", "(0,0,;1,0,;2,1,;2,-1,),wU:1.0,^1:2", "C[C@@H]([O])F"),
    ],
)
def test_what_belongs_to_the_molecule_is_written(smiles: str, extension: str, expected: str) -> None:
    found, notes = read_cxsmiles(smiles, extension)
    assert found == expected
    assert len(notes) == 1
    assert notes[0].startswith("the CXSMILES extension |")
    assert notes[0].endswith("| is written into the SMILES")


@pytest.mark.parametrize(
    ("smiles", "extension"),
    [
        ("CC", "(1,2,3;4,5,6)"),
        ("CC(O)F", "(0,0,;1,0,;2,1,;2,-1,)"),
        ("CC(O)F", "(0,0,;1,0,;2,1,;2,-1,),w:1.0"),
        ("C[C@@H](O)F", "(0,0,;1,0,;2,1,;2,-1,),wU:1.0"),
        ("C[C@H](F)Cl", "wU:1.0"),
        ("C[C@H](F)Cl", "a:1"),
        ("CC", ""),
        ("CO", "lp:1:2"),
        ("C/C=C\\C", "c:1"),
    ],
)
def test_what_adds_nothing(smiles: str, extension: str) -> None:
    assert read_cxsmiles(smiles, extension) == (smiles, [])


@pytest.mark.parametrize(
    ("smiles", "extension", "note"),
    [
        ("C[C@H](O)N", "&1:1", "stereo group &1: a mixture of both hands (atoms 2)"),
        ("C[C@H](O)N", "o2:1", "stereo group o2: one of both hands, unknown which (atoms 2)"),
        ("*CC", "$R1;;$", "the label R1 of atom 1"),
        ("CC", "Sg:n:0,1::ht", "groups (polymer, mixture) (Sg:n:0,1::ht)"),
        ("C.C", "f:0.1", "which components belong together (f:0.1)"),
        ("CC(O)F", "wU:1.0", "the wedges at the atoms 2"),
        ("CC(C)O", "(0,0,;1,0,;2,1,;2,-1,),wU:1.0", "the wedges at the atoms 2"),
        ("CC(F)=C=C(F)C", "(0,0,;1,0,;1,1,;2,0,;3,0,;4,1,;4,-1,),wU:1.0", "the wedges at the atoms 2"),
        ("CC", "s:0:2", "query on the number of neighbours (s:0:2)"),
    ],
)
def test_what_is_not_carried(smiles: str, extension: str, note: str) -> None:
    found, notes = read_cxsmiles(smiles, extension)
    assert found == smiles
    assert split_notes(notes) == [note]


def test_wedges_that_contradict_the_marks_are_noted() -> None:
    found, notes = read_cxsmiles("C[C@@H](O)F", "(0,0,;1,0,;2,1,;2,-1,),wD:1.0")
    assert found == "C[C@@H](O)F"
    assert notes == ["the stereo of the CXSMILES extension differs from the marks of the SMILES, which are kept"]


def test_wedges_of_a_reaction_are_noted() -> None:
    sides, notes = read_reaction(["CC(O)F", "", "C[C@H](O)F"], "wU:1.0,5.4")
    assert sides == ["CC(O)F", "", "C[C@H](O)F"]
    assert split_notes(notes) == ["the wedges at the atoms 2"]


def test_several_fields() -> None:
    smiles, notes = read_cxsmiles("C[C@H](O)[C@H](C)F", "(0,0,;1,0,;2,0,;3,0,;4,0,;5,0,),&1:1,o2:3,$;;;;;X$")
    assert smiles == "C[C@H](O)[C@H](C)F"
    assert [note.split(":")[0] for note in split_notes(notes)] == [
        "stereo group &1",
        "stereo group o2",
        "the label X of atom 6",
    ]


@pytest.mark.parametrize(
    ("smiles", "extension", "message"),
    [
        ("C", "^1:5", "names atom 5 of 1"),
        ("C", "^9:0", "not known"),
        ("CC", "junk", "not known"),
        ("CC", "&1:x", "does not name atoms"),
        ("CC", "c:7", "not there"),
        ("CC", "$a;b;c$", "labels 3 atoms of 2"),
        ("*.c1ccccc1", "m:0:1.2.3", "several molecules"),
        ("C1CC", "^1:0", "RDKit rejects"),
    ],
)
def test_what_cannot_be_read_is_refused(smiles: str, extension: str, message: str) -> None:
    with pytest.raises(MoleculeError, match=message):
        read_cxsmiles(smiles, extension)


def test_the_extension_is_split_from_the_name() -> None:
    assert split_extension("|^1:0| methyl radical") == ("^1:0", "methyl radical")
    assert split_extension("ethanol |x") == ("", "ethanol |x")
    with pytest.raises(MoleculeError, match="not closed"):
        split_extension("|^1:0 methyl")


def test_reactions_number_their_atoms_from_one_side_to_the_other() -> None:
    sides, notes = read_reaction(["C.O", "", "CO"], "^1:0,f:0.1,$;;R1;$")
    assert sides == ["O.[CH3]", "", "CO"]
    assert split_notes(notes) == ["which components belong together (f:0.1)", "the label R1 of atom 3"]
    with pytest.raises(MoleculeError, match="concerns bonds"):
        read_reaction(["CC=CC", "", "C"], "c:1")
