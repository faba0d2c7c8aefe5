"""Other writings of a molecule are the same molecule; aligned ones share more text with the reference."""

from __future__ import annotations

import csv
import lzma
import random

import pytest
from rdkit import Chem

from logos_cli.chemistry.smiles_variants import aligned, canonical, first_common, randomized
from logos_cli.errors import MoleculeError

MOLECULES = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[C@H](N)C(=O)O",
    "F/C=C/Cl",
    "[Na+].[Cl-]",
    "C1CC1",
    "[H][H]",
    "O",
    "C[N+](C)(C)C",
    "c1ccc2[nH]ccc2c1",
    "CC(C)(C)OC(=O)N1CCC(c2ccc(F)cc2)CC1",
)


@pytest.mark.parametrize("smiles", MOLECULES)
def test_a_variant_is_the_same_molecule(smiles):
    for number in range(20):
        assert canonical(randomized(smiles, number)) == canonical(smiles)
    for reference in MOLECULES:
        assert canonical(aligned(smiles, reference)) == canonical(smiles)


def test_a_seed_gives_one_writing_and_seeds_give_many():
    assert len({randomized(MOLECULES[0], seed) for seed in range(30)}) > 10
    assert [randomized(MOLECULES[0], seed) for seed in range(30)] == [
        randomized(MOLECULES[0], seed) for seed in range(30)
    ]


def test_what_is_written_along_itself_is_itself():
    for smiles in MOLECULES:
        for seed in range(5):
            text = randomized(smiles, seed)
            # any SMILES that is rooted at an atom can be found again letter by letter
            again = aligned(smiles, canonical(text))
            assert first_common(again, canonical(text)) == 0 or len(again) < 3


def test_what_is_no_smiles_is_an_error():
    for make in (canonical, lambda x: randomized(x, 1), lambda x: aligned(x, "C")):
        with pytest.raises(MoleculeError, match="C1CC"):
            make("C1CC")


def test_first_common_finds_the_longest_kind_of_match_first():
    assert first_common("CCCCCCCC", "OOOCCCCCCCC") == 3
    assert first_common("NCO", "CCNCO") == 2
    assert first_common("F", "CCNCO") == 5


def test_reactants_written_along_their_product_repeat_more_of_it(shared_data):
    with lzma.open(shared_data / "reactions" / "uspto50k.csv.xz", "rt") as stream:
        rows = random.Random(5).sample(list(csv.DictReader(stream)), 60)

    def common(text: str, reference: str) -> int:
        return len(
            {text[i : i + 8] for i in range(len(text) - 7)} & {reference[i : i + 8] for i in range(len(reference) - 7)}
        )

    plain = along = 0
    for row in rows:
        product = canonical(row["product"])
        for reactant in row["reactants"].split("."):
            plain += common(canonical(reactant), product)
            along += common(aligned(reactant, product), product)
            assert Chem.MolFromSmiles(aligned(reactant, product)) is not None
    assert along > 1.15 * plain
