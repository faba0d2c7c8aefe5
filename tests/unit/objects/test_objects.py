"""Objects and sentences: there and back, in every form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logos_cli.errors import GrammarError, MoleculeError, StructureError, UsageError
from logos_cli.grammar import Form, parse
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.base import ScienceObject, from_sentence, to_text
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import Material, material_from_blocks
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import RESIDUE_SMILES, Protein, residue_letter, residue_smiles
from logos_cli.objects.reaction import Reaction

# the component dictionary's name of each residue letter
COMPONENTS = {
    "A": "ALA",
    "C": "CYS",
    "D": "ASP",
    "E": "GLU",
    "F": "PHE",
    "G": "GLY",
    "H": "HIS",
    "I": "ILE",
    "K": "LYS",
    "L": "LEU",
    "M": "MET",
    "N": "ASN",
    "O": "PYL",
    "P": "PRO",
    "Q": "GLN",
    "R": "ARG",
    "S": "SER",
    "T": "THR",
    "U": "SEC",
    "V": "VAL",
    "W": "TRP",
    "Y": "TYR",
}

letters = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=20)
unambiguous = st.text(alphabet=sorted(RESIDUE_SMILES), min_size=1, max_size=20)
smiles = st.sampled_from(["C", "CCO", "c1ccccc1", "[NH3]->[Pt](<-[NH3])(Cl)Cl", "[Na+].[Cl-]", "C/C=C\\C"])


@st.composite
def chains(draw: st.DrawFn, alphabet: st.SearchStrategy[str], *, tagged: bool) -> tuple[Protein, ...]:
    """Draw chains with sites; the first has one residue tagged at least if ``tagged``."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        sequence = draw(alphabet)
        at_least = 1 if tagged and number == 0 else 0
        site = draw(st.sets(st.integers(0, len(sequence) - 1), min_size=at_least))
        found.append(Protein(sequence, tuple(sorted(site))))
    return tuple(found)


def _there_and_back(item: ScienceObject, form: Form, level: int = 2) -> ScienceObject:
    text = to_text(item, form, level)
    sentence = parse(text)
    assert sentence.form is form
    return from_sentence(sentence)


# -- inverse -------------------------------------------------------------------------------------------------


@given(sequence=letters)
def test_proteins(sequence: str) -> None:
    assert _there_and_back(Protein(sequence), Form.PROTEIN) == Protein(sequence)


@given(found=st.lists(letters, min_size=1, max_size=2).map(tuple))
def test_antibodies(found: tuple[str, ...]) -> None:
    assert _there_and_back(Antibody(found), Form.ANTIBODY) == Antibody(found)


@given(text=smiles)
def test_molecules(text: str) -> None:
    assert _there_and_back(Molecule(text), Form.MOLECULE) == Molecule(text)


@given(reactants=st.lists(smiles, min_size=1, max_size=3).map(tuple), product=smiles)
@pytest.mark.parametrize("form", Reaction.forms)
def test_reactions_in_both_directions(form: Form, reactants: tuple[str, ...], product: str) -> None:
    assert _there_and_back(Reaction(reactants, product), form) == Reaction(reactants, product)


@given(metal=smiles, linkers=st.lists(smiles, min_size=1, max_size=3).map(tuple))
def test_materials(metal: str, linkers: tuple[str, ...]) -> None:
    assert _there_and_back(Material(metal, linkers), Form.MATERIAL) == Material(metal, linkers)


@given(found=chains(letters, tagged=True), ligand=smiles)
def test_sites_and_complexes_by_letters(found: tuple[Protein, ...], ligand: str) -> None:
    assert _there_and_back(Complex(found), Form.SITE) == Complex(found)
    assert _there_and_back(Complex(found, ligand), Form.COMPLEX, 2) == Complex(found, ligand)


@given(found=chains(unambiguous, tagged=True), ligand=smiles)
@settings(deadline=None)
def test_sites_and_complexes_expanded(found: tuple[Protein, ...], ligand: str) -> None:
    assert _there_and_back(Complex(found), Form.EXPANDED) == Complex(found)
    assert _there_and_back(Complex(found), Form.TRANSFORMATION) == Complex(found)
    assert _there_and_back(Complex(found, ligand), Form.COMPLEX, 3) == Complex(found, ligand)


@given(found=chains(letters, tagged=False))
def test_searches_with_and_without_a_site(found: tuple[Protein, ...]) -> None:
    assert _there_and_back(Complex(found), Form.SEARCH) == Complex(found)


# -- what a form does not carry ------------------------------------------------------------------------------


def test_level_1_does_not_carry_the_site() -> None:
    item = Complex((Protein("MKV", (1,)),), "CCO")
    assert _there_and_back(item, Form.COMPLEX, 1) == Complex((Protein("MKV"),), "CCO")


@pytest.mark.parametrize("form", [Form.SITE, Form.EXPANDED, Form.TRANSFORMATION, Form.SEARCH])
def test_a_site_does_not_carry_the_ligand(form: Form) -> None:
    assert _there_and_back(Complex((Protein("MKV", (1,)),), "CCO"), form) == Complex((Protein("MKV", (1,)),))


@pytest.mark.parametrize("letter", "BJZ")
def test_an_expanded_ambiguous_residue_becomes_x(letter: str) -> None:
    """B, J and Z name two amino acids each; no SMILES does."""
    item = Complex((Protein(f"MK{letter}V", (2,)),))
    assert _there_and_back(item, Form.EXPANDED) == Complex((Protein("MKXV", (2,)),))
    assert _there_and_back(item, Form.SITE) == item
    assert _there_and_back(item, Form.TRANSFORMATION) == item, "the left side still knows the letter"


# -- refusals ------------------------------------------------------------------------------------------------


def test_forms_that_an_object_cannot_take() -> None:
    with pytest.raises(UsageError, match="a molecule cannot be written as protein") as caught:
        to_text(Molecule("C"), Form.PROTEIN)
    assert caught.value.hint == "it can be written as molecule"
    with pytest.raises(UsageError, match="an antibody cannot"):
        to_text(Antibody(("E",)), Form.SITE)
    with pytest.raises(UsageError, match="needs a ligand"):
        to_text(Complex((Protein("MKV", (1,)),)), Form.COMPLEX)


@pytest.mark.parametrize("form", [Form.SITE, Form.EXPANDED, Form.TRANSFORMATION, Form.COMPLEX])
def test_a_site_without_residues_is_no_site(form: Form) -> None:
    with pytest.raises(StructureError, match="cut-off") as caught:
        to_text(Complex((Protein("MKV"),), "CCO"), form)
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    "item",
    [
        Protein(""),
        Protein("mkv"),
        Protein("M*"),
        Molecule(""),
        Molecule("C C"),
        Molecule("C<MoleculeE>"),
        Antibody(()),
        Antibody(("E", "D", "Q")),
        Reaction((), "C"),
        Reaction(("C",), ""),
        Material("[Zn]", ()),
        Material("[Zn]<MetalE>", ("C",)),
    ],
)
def test_objects_that_the_grammar_cannot_say(item: ScienceObject) -> None:
    with pytest.raises(GrammarError):
        to_text(item)


def test_a_sentence_that_contradicts_itself() -> None:
    with pytest.raises(StructureError, match="after <Search>"):
        from_sentence(parse("<ProteinS>MKV<ProteinE><Search><ProteinS>MK<PocketS>A<PocketE><ProteinE>"))
    with pytest.raises(StructureError, match="before <Trans>"):
        from_sentence(
            parse(
                "<ProteinS>M<PocketS>S<PocketE><ProteinE><Trans><ProteinS>M<PocketS>C[C@H](N)C(=O)O<PocketE><ProteinE>"
            )
        )


def test_a_run_of_tagged_residues_is_read_one_by_one() -> None:
    item = from_sentence(parse("<ProteinS>M<PocketS>KVA<PocketE>S<ProteinE>"))
    assert item == Complex((Protein("MKVAS", (1, 2, 3)),))
    assert to_text(item, Form.SITE) == (
        "<ProteinS>M<PocketS>K<PocketE><PocketS>V<PocketE><PocketS>A<PocketE>S<ProteinE>"
    )


# -- residues as molecules -----------------------------------------------------------------------------------


def test_residue_smiles_are_canonical_and_all_different() -> None:
    from rdkit import Chem

    assert set(RESIDUE_SMILES) == set(COMPONENTS) | {"X"}
    for letter, text in RESIDUE_SMILES.items():
        assert Chem.CanonSmiles(text) == text, letter
    assert len(set(RESIDUE_SMILES.values())) == len(RESIDUE_SMILES)


def test_residue_smiles_agree_with_the_component_dictionary() -> None:
    """Constitution and stereo from the dictionary's ideal coordinates, neutral as the free acid."""
    import biotite.interface.rdkit as interface
    import biotite.structure.info as info
    from rdkit import Chem
    from rdkit.Chem.MolStandardize import rdMolStandardize

    neutral = rdMolStandardize.Uncharger()
    for letter, component in COMPONENTS.items():
        molecule = interface.to_mol(info.residue(component))
        Chem.AssignStereochemistryFrom3D(molecule)
        molecule = neutral.uncharge(Chem.RemoveHs(molecule))
        assert Chem.MolToSmiles(molecule) == RESIDUE_SMILES[letter], component


@pytest.mark.parametrize("letter", sorted(RESIDUE_SMILES))
def test_letters_and_smiles_are_inverse(letter: str) -> None:
    assert residue_letter(residue_smiles(letter)) == letter


def test_a_residue_in_another_spelling_is_the_same_residue() -> None:
    assert residue_letter("OC[C@H](N)C(O)=O") == "S"
    assert residue_letter("OC(=O)[C@@H](N)CO") == "S"


@pytest.mark.parametrize("text", ["CCO", "N[C@H](CO)C(=O)O", "not smiles(", "[Fe]"])
def test_what_is_no_residue(text: str) -> None:
    with pytest.raises(MoleculeError, match="not an amino acid"):
        residue_letter(text)


# -- frameworks ----------------------------------------------------------------------------------------------


def test_building_blocks_are_written_one_way() -> None:
    nodes = ["[Zn][O]([Zn])([Zn])[Zn]", "[Cu][Cu]"]
    linkers = ["c1cc(ccc1C(=O)[O-])C(=O)[O-]", "Cc1ncc[n-]1", "[O-]C(=O)c1ccc(C([O-])=O)cc1"]
    material = material_from_blocks(nodes, linkers)
    assert material == material_from_blocks(nodes[::-1], linkers[::-1])
    assert material == material_from_blocks([".".join(nodes)], linkers)
    assert material.metal == "[Cu][Cu].[Zn][O]([Zn])([Zn])[Zn]"
    assert material.linkers == ("Cc1ncc[n-]1", "O=C([O-])c1ccc(C(=O)[O-])cc1", "O=C([O-])c1ccc(C(=O)[O-])cc1")


@pytest.mark.parametrize(("nodes", "linkers"), [([], ["C"]), (["("], ["C"]), (["[Zn]"], ["C("]), ([""], ["C"])])
def test_blocks_that_are_no_molecules(nodes: list[str], linkers: list[str]) -> None:
    with pytest.raises(MoleculeError):
        material_from_blocks(nodes, linkers)
