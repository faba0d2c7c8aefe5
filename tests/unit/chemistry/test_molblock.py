"""Mol blocks: columns, radicals, queries, stereo groups, bonds of whole rings to a metal."""

from __future__ import annotations

import pytest
from rdkit import Chem

from logos_cli.chemistry.molblock import read_molblock
from logos_cli.chemistry.notes import split_notes
from logos_cli.errors import MoleculeError


def block(atoms: str, bonds: str = "", properties: str = "") -> str:
    """Return a V2000 block of atoms ``C O:3`` (a charge code after the colon) and bonds ``1-2:1``."""
    symbols, pairs = atoms.split(), bonds.split()
    lines = ["title", "  test", "", f"{len(symbols):3d}{len(pairs):3d}  0  0  0  0            999 V2000"]
    for n, atom in enumerate(symbols):
        symbol, _, code = atom.partition(":")
        lines.append(f"{1.3 * n:10.4f}{0.5 * (n % 2):10.4f}{0:10.4f} {symbol:<3} 0{int(code or 0):3d}  0  0  0  0")
    for pair in pairs:
        ends, _, kind = pair.partition(":")
        first, second = ends.split("-")
        lines.append(f"{int(first):3d}{int(second):3d}{int(kind):3d}  0")
    return "\n".join([*lines, *properties.splitlines(), "M  END", ""])


def read(text: str) -> tuple[str, list[str]]:
    molecule, notes = read_molblock(text)
    return str(Chem.MolToSmiles(molecule)), notes


ETHANOL = block("C C O", "1-2:1 2-3:1")


@pytest.mark.parametrize(
    ("text", "smiles"),
    [
        (block("C", properties="M  RAD  1   1   2"), "[CH3]"),
        (block("C:4"), "[CH3]"),
        (block("C N O", "1-2:1 2-3:1", "M  RAD  1   3   2"), "CN[O]"),
    ],
)
def test_radicals_are_carried_with_a_note(text: str, smiles: str) -> None:
    assert read(text) == (smiles, ["the file states a radical"])


def test_spin_is_not_carried() -> None:
    for code in "13":
        smiles, notes = read(block("C", properties=f"M  RAD  1   1   {code}"))
        assert smiles == "[CH2]"
        assert split_notes(notes) == ["spin multiplicity of a radical with two electrons"]
    assert split_notes(read(block("C", properties="M  RAD  1   1   2"))[1]) == []


@pytest.mark.parametrize(
    ("text", "smiles", "note"),
    [
        (block("A C", "1-2:1"), "*C", "the query [!#1] of atom 1, written *"),
        (block("Q C", "1-2:1"), "*C", "the query [!#6&!#1] of atom 1, written *"),
        (
            block("L C", "1-2:1", "  1 F    2   7   8\nM  ALS   1  2 F N   O   "),
            "*C",
            "the query [#7,#8] of atom 1, written *",
        ),
        (block("R# C", "1-2:1", "M  RGP  1   1   1"), "[1*]C", "the label R1 of atom 1, written [1*]"),
        (block("C C", "1-2:1", "M  SUB  1   1   2"), "CC", "the query [#6&D2] of atom 1, written C"),
        (block("C C", "1-2:8"), "C~C", "the query of the bond of atoms 1 and 2, written ~"),
        (block("C C", "1-2:1", "M  APO  1   1   1"), "CC", "attachment points"),
        (
            block("C C", "1-2:1", "M  STY  1   1 SRU\nM  SAL   1  2   1   2"),
            "CC",
            "groups of the type SRU (polymer, mixture or data)",
        ),
    ],
)
def test_what_a_smiles_cannot_say(text: str, smiles: str, note: str) -> None:
    found, notes = read(text)
    assert found == smiles
    assert split_notes(notes) == [note]


def test_plain_molecules_have_no_notes() -> None:
    assert read(ETHANOL) == ("CCO", [])
    assert read(block("* C", "1-2:1")) == ("*C", [])
    assert read(block("C N O", "1-2:1 2-3:1", "M  CHG  2   2   1   3  -1\nM  ISO  1   1  13")) == (
        "[13CH3][NH2+][O-]",
        [],
    )


def v3000(smiles: str) -> str:
    return str(Chem.MolToV3KMolBlock(Chem.MolFromSmiles(smiles)))


@pytest.mark.parametrize(("kind", "letter"), [("STERAC1", "&1"), ("STEREL2", "o2")])
def test_stereo_groups_of_v3000(kind: str, letter: str) -> None:
    text = v3000("C[C@H](N)O")
    collection = f"M  V30 BEGIN COLLECTION\nM  V30 MDLV30/{kind} ATOMS=(1 2)\nM  V30 END COLLECTION\n"
    text = text.replace("M  V30 END CTAB", f"{collection}M  V30 END CTAB")
    smiles, notes = read(text)
    assert Chem.CanonSmiles(smiles) == Chem.CanonSmiles("C[C@H](N)O")
    (note,) = split_notes(notes)
    assert note.startswith(f"stereo group {letter}: ")
    assert note.endswith("(atoms 2)")


_HAPTIC = """\
half a sandwich
  test

  0  0  0     0  0            999 V3000
M  V30 BEGIN CTAB
M  V30 COUNTS 7 6 0 0 0
M  V30 BEGIN ATOM
M  V30 1 C 0.7 1 0 0
M  V30 2 C 1.1 0 0 0
M  V30 3 C 0 -0.7 0 0
M  V30 4 C -1.1 0 0 0
M  V30 5 C -0.7 1 0 0 CHG=-1
M  V30 6 Tl 0 3 0 0 CHG=1
M  V30 7 * 0 0.3 0 0
M  V30 END ATOM
M  V30 BEGIN BOND
M  V30 1 2 1 2
M  V30 2 1 2 3
M  V30 3 2 3 4
M  V30 4 1 4 5
M  V30 5 1 5 1
M  V30 6 9 7 6 ENDPTS=(5 1 2 3 4 5) ATTACH=ALL
M  V30 END BOND
M  V30 END CTAB
M  END
"""


def test_a_ring_bound_to_a_metal_gets_a_bond_from_each_atom() -> None:
    smiles, _ = read(_HAPTIC)
    metal = next(atom for atom in Chem.MolFromSmiles(smiles).GetAtoms() if atom.GetSymbol() == "Tl")
    assert metal.GetDegree() == 5
    assert "*" not in smiles
    with pytest.raises(MoleculeError, match="any one of several atoms"):
        read(_HAPTIC.replace("ATTACH=ALL", "ATTACH=ANY"))


def test_lines_out_of_their_columns_are_read_by_words_or_refused() -> None:
    lines = ETHANOL.split("\n")
    for place in range(4, 9):
        for moved in (" " + lines[place], lines[place][1:]):
            text = "\n".join([*lines[:place], moved, *lines[place + 1 :]])
            smiles, notes = read(text)
            assert smiles == "CCO"
            assert notes in ([], ["columns out of place: read by their words"])
    with pytest.raises(MoleculeError, match="line 6: no atom"):
        read(ETHANOL.replace("    1.3000    0.5000", "    1.30000.5000"))
    with pytest.raises(MoleculeError, match="line 8: no bond"):
        read(ETHANOL.replace("  1  2  1  0", "  1  2"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  1  2  1  0", "  1  9  1  0", "line 8: a bond to atom 9; the molecule has 3"),
        ("  1  2  1  0", "  0  2  1  0", "a bond to atom 0"),
        ("  1  2  1  0", "  1  1  1  0", "with itself"),
        ("  2  3  1  0", "  2  1  1  0", "is there twice"),
        ("  1  2  1  0", "  1  2 15  0", "bond type 15"),
        ("  3  2  0", "  3  1  0", "line 9: no property"),
        ("  3  2  0", "  2  2  0", "line 7: no bond"),
        ("  3  2  0", " 30 20  0", "counts 30 atoms and 20 bonds"),
        ("  2  3  1  0\n", "", "counts 3 atoms and 2 bonds and has 4 lines"),
        ("M  END", "M  CHG  1   7   1\nM  END", "a value for an atom that the molecule does not have"),
        ("M  END", "M  CHG  2   1   1\nM  END", "pairs of atom and value"),
        ("M  END", "", "cut off"),
    ],
)
def test_broken_blocks(old: str, new: str, message: str) -> None:
    with pytest.raises(MoleculeError, match=message):
        read(ETHANOL.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("M  V30 1 1 1 2", "M  V30 1 1 1 7", "bond 1 leads to atom 7"),
        ("COUNTS 3 2", "COUNTS 3 1", "counts 1 bonds and has 2"),
        ("COUNTS 3 2", "COUNTS 4 2", "counts 4 atoms and has 3"),
        ("M  V30 2 C", "M  V30 1 C", "the same number"),
    ],
)
def test_broken_v3000(old: str, new: str, message: str) -> None:
    text = v3000("CCO")
    assert old in text
    with pytest.raises(MoleculeError, match=message):
        read(text.replace(old, new, 1))


@pytest.mark.parametrize("n_lines", [1, 2, 4, 5])
def test_headers_of_other_lengths(n_lines: int) -> None:
    lines = ETHANOL.split("\n")
    header = (["title", "  test", "", "", ""] if n_lines > 3 else ["title", "  test", ""])[:n_lines]
    smiles, notes = read("\n".join([*header, *lines[3:]]))
    assert smiles == "CCO"
    assert notes == [f"the counts line is line {n_lines + 1} of the molecule, not line 4"]


def test_a_title_of_digits_is_no_counts_line() -> None:
    assert read(ETHANOL.replace("V2000", ""))[0] == "CCO"
    assert read(ETHANOL.replace("title", "123456789"))[0] == "CCO"


@pytest.mark.parametrize(("kind", "smiles", "written"), [(1, "CCO", "single"), (2, "CC=O", "double"), (5, "CC~O", "~")])
@pytest.mark.parametrize("topology", [1, 2])
def test_a_bond_in_or_out_of_a_ring_keeps_its_order(kind: int, smiles: str, written: str, topology: int) -> None:
    text = block("C C O", f"1-2:1 2-3:{kind}").replace(f"  2  3  {kind}  0", f"  2  3  {kind}  0  0  {topology}")
    found, notes = read(text)
    assert found == smiles
    assert split_notes(notes) == [f"the query of the bond of atoms 2 and 3, written {written}"]
    found, notes = read(v3000("CCO").replace("M  V30 2 1 2 3", f"M  V30 2 {kind} 2 3 TOPO={topology}"))
    assert (found, split_notes(notes)) == (smiles, [f"the query of the bond of atoms 2 and 3, written {written}"])


def test_a_block_with_r_groups_stands_for_several_molecules() -> None:
    group = v3000("F").split("V3000\n")[1].split("M  END")[0]
    text = v3000("CCO").replace(
        "M  END", f'M  V30 BEGIN RGROUP 1\nM  V30 RLOGIC 0 0 ""\n{group}M  V30 END RGROUP\nM  END'
    )
    with pytest.raises(MoleculeError, match=r"defines R groups \(BEGIN RGROUP\): it stands for several molecules"):
        read_molblock(text)


@pytest.mark.parametrize(("parity", "is_noted"), [(0, False), (1, True), (2, True), (3, False)])
def test_stereo_without_coordinates_is_noted(parity: int, is_noted: bool) -> None:
    flat = block("C C O F", "1-2:1 2-3:1 2-4:1").splitlines()
    text = "\n".join(
        f"{0:10.4f}{0:10.4f}{0:10.4f}{line[30:]}" if line[30:34].strip() in {"C", "O", "F"} else line for line in flat
    )
    lines = f"{text}\n".split("\n")
    lines[5] = f"{lines[5][:39]}{parity:3d}{lines[5][42:]}"
    found, notes = read("\n".join(lines))
    assert found == "CC(O)F"
    told = "the stereo that the file, which has no coordinates, states by the parity of the atoms 2"
    assert split_notes(notes) == ([told] if is_noted else [])
