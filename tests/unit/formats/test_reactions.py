"""Reactions: arrows with spaces, extensions, and one sentence whatever the file."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rdkit import Chem

from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.formats.detect import detect
from logos_cli.io.input import Input
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.reaction import Reaction


def read(text: str, **options: object) -> list[Entry]:
    source = Input("-", io.BytesIO(text.encode()))
    return list(detect(source).read(source, ReadOptions(**options)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line",
    ["CCO >> CC=O", "CCO>> CC=O", "CCO >>CC=O", "CCO  >>\tCC=O", "CCO > > CC=O", "CCO >O> CC=O", "CCO > O > CC=O"],
)
@pytest.mark.parametrize("name", ["", " oxidation", " |f:0.1| oxidation"])
def test_spaces_around_the_arrows(line: str, name: str) -> None:
    (entry,) = read(f"{line}{name}\n")
    assert entry.item == Reaction(("CCO",), "CC=O")
    assert entry.id == ("oxidation" if name else "stdin:1")


def test_plus_signs_between_molecules() -> None:
    assert read("CC(=O)O + OCC >> CC(=O)OCC + O\n")[0].item == Reaction(("CC(=O)O", "OCC"), "CC(=O)OCC.O")


@pytest.mark.parametrize(
    "line", ["CCO > CC=O", "CCO -> CC=O", "CCO → CC=O", "CCO => CC=O", "CCO CC>>CC=O", "CCO>>", ">>CCO", "CCO >> C1CC"]
)
def test_arrows_that_make_no_reaction_are_refused(line: str) -> None:
    good, entry = read(f"CCO\n{line}\n")
    assert good.item == Molecule("CCO")
    assert entry.item is None
    assert entry.error is not None


def test_what_only_looks_like_an_arrow() -> None:
    dative, named = read("[NH3]->[Fe]\tcomplex\nCCO >sp|P12345\n")
    assert (dative.item, dative.id) == (Molecule("[NH3]->[Fe]"), "complex")
    assert (named.item, named.id) == (Molecule("CCO"), ">sp|P12345")


def _block(smiles: str) -> str:
    return str(Chem.MolToMolBlock(Chem.MolFromSmiles(smiles)))


def _rxn(reactants: list[str], products: list[str]) -> str:
    molecules = "".join(f"$MOL\n{_block(smiles)}" for smiles in (*reactants, *products))
    return f"$RXN\nsaponification\n  test\n\n{len(reactants):3d}{len(products):3d}\n{molecules}"


def _rxn_v3000(reactants: list[str], products: list[str]) -> str:
    def side(name: str, molecules: list[str]) -> str:
        tables = []
        for smiles in molecules:
            lines = Chem.MolToV3KMolBlock(Chem.MolFromSmiles(smiles)).split("\n")
            tables += lines[lines.index("M  V30 BEGIN CTAB") : lines.index("M  V30 END CTAB") + 1]
        return "\n".join([f"M  V30 BEGIN {name}", *tables, f"M  V30 END {name}"])

    counts = f"M  V30 COUNTS {len(reactants)} {len(products)}"
    sides = f"{side('REACTANT', reactants)}\n{side('PRODUCT', products)}"
    return f"$RXN V3000\nsaponification\n  test\n\n{counts}\n{sides}\nM  END\n"


LEFT, RIGHT = ["[Na+].[OH-]", "CCOC(C)=O"], ["CC(=O)[O-].[Na+]", "CCO"]
FILES = {
    "reaction smiles": f"{'.'.join(LEFT)}>>{'.'.join(RIGHT)} saponification\n",
    "with spaces": f"{'.'.join(LEFT)} >> {'.'.join(RIGHT)} saponification\n",
    "cxsmiles": f"{'.'.join(LEFT)}>>{'.'.join(RIGHT)} |f:0.1,3.4| saponification\n",
    "rxn": _rxn(LEFT, RIGHT),
    "rxn v3000": _rxn_v3000(LEFT, RIGHT),
    "rdf": f"$RDFILE 1\n$DATM 1\n$RFMT $RIREG 1\n{_rxn(LEFT, RIGHT)}",
    "table of reactions": f"id,rxn\ns,{'.'.join(LEFT)}>>{'.'.join(RIGHT)}\n",
    "table of sides": f"id,reactants,product\ns,{'.'.join(LEFT)},{'.'.join(RIGHT)}\n",
    "json": json.dumps({"reactants": LEFT, "product": ".".join(RIGHT)}) + "\n",
    "json lists": json.dumps({"reactants": LEFT, "product": RIGHT}) + "\n",
}


@pytest.mark.parametrize("name", FILES)
def test_one_reaction_gives_one_sentence(name: str) -> None:
    (entry,) = read(FILES[name], canonical=True)
    assert entry.item == Reaction(("[Na+]", "[OH-]", "CCOC(C)=O"), "CC(=O)[O-].[Na+].CCO")


def test_notes_of_molecules_in_a_reaction() -> None:
    text = _rxn(["C", "O"], ["CO"]).replace("M  END", "M  RAD  1   1   2\nM  END", 1)
    (entry,) = read(text)
    assert entry.item == Reaction(("[CH3]", "O"), "CO")
    assert entry.source["notes"] == ["the file states a radical"]


# -- reagents in columns -------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["reagents", "Agents", "catalyst", "solvent_1", "Reagent SMILES", "additives"])
@pytest.mark.parametrize("kind", ["sides", "rxn", "json"])
def test_reagents_of_a_column_are_those_over_the_arrow(column: str, kind: str) -> None:
    """The same as for a reaction SMILES with the acid over its arrow, and without one for the second row."""
    text = {
        "sides": f"reactants,{column},product\nCCO.CC(=O)O,OS(=O)(=O)O,CCOC(C)=O\nCCO.CC(=O)O,NA,CCOC(C)=O\n",
        "rxn": f"rxn,{column}\nCCO.CC(=O)O>>CCOC(C)=O,OS(=O)(=O)O\nCCO.CC(=O)O>>CCOC(C)=O,\n",
        "json": json.dumps({"reactants": ["CCO", "CC(=O)O"], column: ["OS(=O)(=O)O"], "product": "CCOC(C)=O"})
        + "\n"
        + json.dumps({"reactants": ["CCO", "CC(=O)O"], column: None, "product": "CCOC(C)=O"}),
    }[kind]
    line = "CCO.CC(=O)O>OS(=O)(=O)O>CCOC(C)=O\nCCO.CC(=O)O>>CCOC(C)=O\n"
    for choice in ("drop", "reactants", "error"):
        found, expected = read(text, reagents=choice), read(line, reagents=choice)
        assert [entry.item for entry in found] == [entry.item for entry in expected]
        assert [entry.source.get("reagents") for entry in found] == [entry.source.get("reagents") for entry in expected]
        assert (found[0].error is None) == (choice != "error")


def test_a_reagent_that_the_reaction_smiles_has_as_well_is_one() -> None:
    text = "rxn,solvent\n[CH3:1]Br.[NH3:2]>C1CCOC1>[CH3:1][NH2:2],O1CCCC1\n"
    assert read(text)[0].source["reagents"] == ["C1CCOC1"]
    assert read(text, reagents="reactants")[0].item == Reaction(("CBr", "N", "C1CCOC1"), "CN")


@pytest.mark.parametrize("is_json", [False, True])
def test_names_of_reagents_are_not_read_as_smiles(is_json: bool) -> None:
    """NBS is a SMILES of nitrogen, boron and sulphur; THF, in the next row, shows that the column has names."""
    text = "reactants,reagents,product\nCC,NBS,CCBr\nCBr.N,THF,CN\nCI.N,,CN\n"
    if is_json:
        text = "\n".join(map(json.dumps, csv.DictReader(io.StringIO(text))))
    assert [entry.item for entry in read(text)] == [
        Reaction(("CC",), "CCBr"),
        *[Reaction((x, "N"), "CN") for x in ("CBr", "CI")],
    ]
    assert all("reagents" not in entry.source for entry in read(text))
    for choice in ("reactants", "error"):
        *refused, plain = read(text, reagents=choice)
        assert all("the column 'reagents' holds names of reagents" in str(entry.error) for entry in refused)
        assert plain.item == Reaction(("CI", "N"), "CN")


@pytest.mark.parametrize("head", ["$RDFILE 1\n$DATM 1\n", "$DATM 1\n", ""])
@pytest.mark.parametrize("mark", ["$RFMT $RIREG 7", "$RFMT"])
def test_an_rdf_without_its_first_lines(head: str, mark: str) -> None:
    (entry,) = read(f"{head}{mark}\n{_rxn(['CCO', 'CC(=O)O'], ['CCOC(C)=O'])}")
    assert entry.item == Reaction(("CCO", "CC(=O)O"), "CCOC(C)=O")
    assert entry.id == ("7" if "RIREG" in mark else "saponification")


def test_a_column_of_names_beside_one_of_smiles_of_the_same_reagents_is_not_counted() -> None:
    text = (
        "reactants,reagents,reagent_smiles,product\nCBr.N,triethylamine,CCN(CC)CC,CN\nCI.N,pyridine,,CN\nCCl.N,,,CN\n"
    )
    base, no_smiles, none = read(text, reagents="reactants")
    assert base.item == Reaction(("CBr", "N", "CCN(CC)CC"), "CN")
    assert "the column 'reagents' holds names of reagents" in str(no_smiles.error)
    assert none.item == Reaction(("CCl", "N"), "CN")
    assert read(text)[0].source["columns"] == {"reagents": "triethylamine", "reagent_smiles": "CCN(CC)CC"}
    other = text.replace("reagents,", "solvent,", 1)
    assert "the column 'solvent' holds names" in str(read(other, reagents="reactants")[0].error)


@pytest.mark.parametrize("bad", [["CCN(CC"], "THF", [7], {"a": 1}])
def test_one_cell_that_is_no_smiles_is_one_error(bad: object) -> None:
    reagents: list[object] = [["CCN(CC)CC"], [], None, bad, ["CCO"]]
    rows = [{"reactants": ["CBr", "N"], "reagents": cell, "product": "CN"} for cell in reagents]
    entries = read("\n".join(map(json.dumps, rows)), reagents="reactants")
    sides = [("CBr", "N", "CCN(CC)CC"), ("CBr", "N"), ("CBr", "N"), None, ("CBr", "N", "CCO")]
    assert [entry.item for entry in entries] == [side and Reaction(side, "CN") for side in sides]
    assert entries[3].error is not None
    assert all(entry.item == Reaction(("CBr", "N"), "CN") for entry in read("\n".join(map(json.dumps, rows))))
