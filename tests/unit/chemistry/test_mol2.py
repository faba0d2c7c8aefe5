"""MOL2: stated charges, delocalized bonds, hydrogens that are left out; radicals are never made."""

from __future__ import annotations

import pytest
from rdkit import Chem

from logos_cli.chemistry.mol2.build import read_mol2block
from logos_cli.errors import MoleculeError


def mol2(types: str, bonds: str, charges: str = "", partial: str = "", name: str = "x") -> str:
    """Return a record of atoms given by their types, bonds ``1-2`` or ``1=2`` …, and charges ``9:-1``."""
    kinds = types.split()
    marks = {"-": "1", "=": "2", "#": "3", "~": "ar", "&": "am"}
    rows = []
    for n, bond in enumerate(bonds.split(), 1):
        mark = next(mark for mark in marks if mark in bond)
        rows.append(f"{n:6d} {' '.join(bond.split(mark))} {marks[mark]}")
    partials = partial.split() or ["0.0"] * len(kinds)
    atoms = [
        f"{n:6d} {kind.split('.')[0]}{n} 0.0 0.0 0.0 {kind} 1 LIG {q}"
        for n, (kind, q) in enumerate(zip(kinds, partials, strict=True), 1)
    ]
    attributes = [f"{pair.split(':')[0]} 1\ncharge {pair.split(':')[1]}" for pair in charges.split()]
    section = ["@<TRIPOS>UNITY_ATOM_ATTR", *attributes] if attributes else []
    kind = "GASTEIGER" if partial else "NO_CHARGES"
    head = ["@<TRIPOS>MOLECULE", name, f" {len(kinds)} {len(rows)} 0 0 0", "SMALL", kind, "", "@<TRIPOS>ATOM"]
    return "\n".join([*head, *atoms, *section, "@<TRIPOS>BOND", *rows, ""])


def smiles(text: str) -> str:
    return str(Chem.MolToSmiles(read_mol2block(text)[0]))


def same(text: str, expected: str) -> bool:
    return smiles(text) == Chem.MolToSmiles(Chem.MolFromSmiles(expected))


METHYL = "H H H"
CASES = {
    "methyl phosphate": (
        f"C.3 O.3 P.3 O.2 O.co2 O.co2 {METHYL}", "1-2 2-3 3=4 3-5 3-6 1-7 1-8 1-9", "5:-1 6:-1", "COP(=O)([O-])[O-]"
    ),
    "zwitterion": (
        "N.4 C.3 C.2 O.co2 O.co2 H H H H H", "1-2 2-3 3~4 3~5 1-6 1-7 1-8 2-9 2-10", "1:1 5:-1", "[NH3+]CC(=O)[O-]"
    ),
    "sulfate": ("C.3 O.3 S.o2 O.2 O.2 O.3 H H H", "1-2 2-3 3=4 3=5 3-6 1-7 1-8 1-9", "6:-1", "COS(=O)(=O)[O-]"),
    "nitro": ("C.3 N.pl3 O.2 O.3 H H H", "1-2 2=3 2-4 1-5 1-6 1-7", "2:1 4:-1", "C[N+](=O)[O-]"),
    "guanidinium": (
        "C.cat N.pl3 N.pl3 N.pl3 H H H H H H", "1=2 1-3 1-4 2-5 2-6 3-7 3-8 4-9 4-10", "2:1", "NC(N)=[NH2+]"
    ),
    "thiolate": ("C.3 S.3 H H H", "1-2 1-3 1-4 1-5", "2:-1", "C[S-]"),
    "azide": ("C.3 N.2 N.1 N.1 H H H", "1-2 2=3 3=4 1-5 1-6 1-7", "3:1 4:-1", "CN=[N+]=[N-]"),
    "pyrrole": ("N.ar C.ar C.ar C.ar C.ar H H H H H", "1~2 2~3 3~4 4~5 5~1 1-6 2-7 3-8 4-9 5-10", "", "c1cc[nH]c1"),
    "pyridinium": (
        "N.ar C.ar C.ar C.ar C.ar C.ar H H H H H H", "1~2 2~3 3~4 4~5 5~6 6~1 1-7 2-8 3-9 4-10 5-11 6-12", "1:1",
        "c1cc[nH+]cc1",
    ),
    "imidazolate": ("N.ar C.ar N.ar C.ar C.ar H H H", "1~2 2~3 3~4 4~5 5~1 2-6 4-7 5-8", "1:-1", "c1c[n-]cn1"),
    "salt": ("Na Cl", "", "1:1 2:-1", "[Na+].[Cl-]"),
    "tetrafluoroborate": ("B F F F F", "1-2 1-3 1-4 1-5", "1:-1", "F[B-](F)(F)F"),
    "cyanide": ("C.1 N.1", "1#2", "1:-1", "[C-]#N"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_charges_that_the_file_states(name: str) -> None:
    types, bonds, charges, expected = CASES[name]
    assert same(mol2(types, bonds, charges), expected)


PROVEN = {
    "by their type": ("C.3 C.2 O.co2 O.co2 H H H", "1-2 2~3 2~4 1-5 1-6 1-7", "", "CC(=O)[O-]"),
    "by a cation beside": ("C.3 N.pl3 O.2 O.3 H H H", "1-2 2=3 2-4 1-5 1-6 1-7", "", "C[N+](=O)[O-]"),
    "by four bonds": ("C.3 N.4 H H H H H H", "1-2 1-3 1-4 1-5 2-6 2-7 2-8", "", "C[NH3+]"),
    "by partial charges": ("C.3 S.3 H H H", "1-2 1-3 1-4 1-5", "-0.2 -0.83 0.01 0.01 0.01", "C[S-]"),
    "by a metal ion": ("Na Cl", "", "", "[Na+].[Cl-]"),
    "of delocalized nitrogen": (
        "C.cat N.pl3 N.pl3 N.pl3 H H H H H H", "1~2 1~3 1~4 2-5 2-6 3-7 3-8 4-9 4-10", "", "NC(N)=[NH2+]"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROVEN)
def test_charges_that_follow(name: str) -> None:
    types, bonds, partial, expected = PROVEN[name]
    assert same(mol2(types, bonds, partial=partial), expected)


@pytest.mark.parametrize(
    ("types", "bonds"),
    [
        ("C.3 O.3 H H H", "1-2 1-3 1-4 1-5"),
        ("C.3 S.3 H H H", "1-2 1-3 1-4 1-5"),
        ("C.3 N.3 H H H H", "1-2 1-3 1-4 1-5 2-6"),
        ("C.3 H H H", "1-2 1-3 1-4"),
        ("C.2 O.2 H", "1=2 1-3"),
        ("O.3 H", "1-2"),
        ("N.ar C.ar N.ar C.ar C.ar H H H", "1~2 2~3 3~4 4~5 5~1 2-6 4-7 5-8"),
    ],
)
def test_radicals_are_refused(types: str, bonds: str) -> None:
    with pytest.raises(MoleculeError, match="radical"):
        read_mol2block(mol2(types, bonds))


def test_a_stated_charge_that_does_not_fit_is_refused() -> None:
    types, bonds, _, _ = CASES["methyl phosphate"]
    with pytest.raises(MoleculeError, match=r"O6 \(O\.co2\).*radical"):
        read_mol2block(mol2(types, bonds, "5:-1"))


def test_hydrogens_that_are_left_out() -> None:
    molecule, notes = read_mol2block(mol2("C.3 C.3 O.3", "1-2 2-3"))
    assert (Chem.MolToSmiles(molecule), notes) == ("CCO", ["the file has no hydrogens; added by valence"])
    polar = mol2("C.3 C.3 O.3 H", "1-2 2-3 3-4")
    assert read_mol2block(polar)[1] == ["the file has no hydrogens on carbon; added by valence"]
    assert smiles(polar) == "CCO"
    assert same(mol2("C.3 N.4 C.2 O.co2 O.co2", "1-2 1-3 3~4 3~5"), "[NH3+]CC(=O)[O-]")
    closed, notes = read_mol2block(mol2("O.2 C.1 O.2", "1=2 2=3"))
    assert (Chem.MolToSmiles(closed), notes) == ("O=C=O", [])


def test_uncertain_hydrogens_of_rings_are_refused() -> None:
    types, bonds, charges, _ = CASES["imidazolate"]
    assert same(mol2(types, bonds, charges), "c1c[n-]cn1")
    pyrimidine = mol2("N.ar C.ar C.ar C.ar C.ar O.3", "1~2 2~3 3~4 4~5 5~1 5-6", "1:1")
    with pytest.raises(MoleculeError, match="aromatic ring"):
        read_mol2block(pyrimidine)


def test_metals_are_bound_by_dative_bonds() -> None:
    amine = mol2("Pt N.3 H H H Cl Cl", "1-2 2-3 2-4 2-5 1-6 1-7", "1:2 6:-1 7:-1")
    assert "->" in smiles(amine) or "<-" in smiles(amine)
    assert same(mol2("C.3 Hg C.3 H H H H H H", "1-2 2-3 1-4 1-5 1-6 3-7 3-8 3-9"), "C[Hg]C")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("1 1 2 1", "1 1 99 1"), "a bond to atom 99"),
        (("1 1 2 1", "1 1 1 1"), "with itself"),
        (("2 1 4 1", "2 1 2 1"), "is there twice"),
        (("1 1 2 1", "1 1 2 7"), "bond type '7'"),
        (("1 1 2 1", "1 1 2 un"), "order of a bond is unknown"),
        (("0.0 0.0 0.0 O.3", "0.0-0.0 0.0 O.3"), "no atom"),
        ((" 9 8 0", " 9 9 0"), "counts 9 bonds and has 8"),
        ((" 9 8 0", " 8 8 0"), "counts 8 atoms and has 9"),
        (("C.3 1 LIG", "c3 1 LIG"), "none of SYBYL's"),
        (("C.3 1 LIG", "Xx 1 LIG"), "none of SYBYL's"),
        (("C.3 1 LIG", "C.9 1 LIG"), "none of SYBYL's"),
        (("     2 C2", "     1 C2"), "a second atom 1"),
    ],
)
def test_broken_records(change: tuple[str, str], message: str) -> None:
    text = mol2("C.3 C.3 O.3 H H H H H H", "1-2 1-4 1-5 1-6 2-3 2-7 2-8 3-9")
    assert smiles(text) == "CCO"
    old, new = change
    assert old in text
    with pytest.raises(MoleculeError, match=message):
        read_mol2block(text.replace(old, new, 1))


def test_the_place_of_an_error_is_that_in_the_file() -> None:
    text = mol2("C.3 H H H H", "1-2 1-3 1-4 1-9")
    with pytest.raises(MoleculeError, match="line 116: "):
        read_mol2block(text, first_line=100)


def test_stereo_from_coordinates() -> None:
    lines = mol2("C.3 F Cl Br H", "1-2 1-3 1-4 1-5").split("\n")
    corners = {2: "1.0 1.0 1.0", 3: "-1.0 -1.0 1.0", 4: "-1.0 1.0 -1.0", 5: "1.0 -1.0 -1.0"}
    for atom, xyz in corners.items():
        lines[6 + atom] = lines[6 + atom].replace("0.0 0.0 0.0", xyz)
    hand = smiles("\n".join(lines))
    lines[8], lines[9] = lines[8].replace("1.0 1.0 1.0", corners[3]), lines[9].replace(corners[3], "1.0 1.0 1.0")
    assert {hand, smiles("\n".join(lines))} == {"F[C@H](Cl)Br", "F[C@@H](Cl)Br"}
