"""The index of training data finds all of it, and little else."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest

from logos_cli.errors import MissingError, ModelError
from logos_cli.evaluators.novelty import FILE, HashedKeys, KeyKind, TrainingIndex, embedded_index, keys_of
from logos_cli.objects.antibody import Antibody
from logos_cli.objects.complex import Complex
from logos_cli.objects.material import Material
from logos_cli.objects.molecule import Molecule
from logos_cli.objects.protein import Protein
from logos_cli.objects.reaction import Reaction
from logos_cli.resources import EMBEDDED, data_path

TERE = "O=C([O-])c1ccc(C(=O)[O-])cc1"


def words(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices("ACDEFGHIKLMNPQRSTVWY", k=30)) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 1000, 40_000])
def test_what_is_in_it_is_found(count):
    known = words(count, 1)
    keys = HashedKeys.of(known)
    bitmap, low = keys.pack()
    again = HashedKeys.unpack(bitmap, low, keys.n_bits)
    assert all(word in again for word in known)
    assert len(again) == len(keys) > 0.9999 * count
    assert bitmap.nbytes + low.nbytes < 2.6 * count + 8


def test_what_is_not_in_it_is_rarely_found():
    keys = HashedKeys.of(words(60_000, 1))
    assert 1 / 2**17 < keys.false_positive_rate <= 1 / 2**16
    found = sum(word in keys for word in words(50_000, 2))
    assert found <= 6  # 0.7 are expected


def test_parts_of_objects():
    assert set(keys_of(Reaction(("OC(C)=O", "OCC"), "CCOC(C)=O"))) == {
        (KeyKind.MOLECULE, smiles) for smiles in ("CC(=O)O", "CCO", "CCOC(C)=O")
    }
    assert set(keys_of(Complex((Protein("MK", (0,)),), "OCC"))) == {(KeyKind.PROTEIN, "MK"), (KeyKind.MOLECULE, "CCO")}
    assert list(keys_of(Antibody(("EV", "DI")))) == [(KeyKind.ANTIBODY, "EV/DI")]
    framework = Material("[Zn].[Cu]", ("c1cc(ccc1C(=O)[O-])C(=O)[O-]",))
    assert list(keys_of(framework)) == [
        (KeyKind.MATERIAL, f"[Cu].[Zn]/{TERE}"),
        (KeyKind.NODE, "[Cu]"),
        (KeyKind.NODE, "[Zn]"),
        (KeyKind.LINKER, TERE),
    ]


def make(*objects) -> TrainingIndex:
    return TrainingIndex.of(objects, "test")


def test_an_index_is_read_as_it_was_written(tmp_path):
    index = make(Molecule("OCC"), Molecule("C1CC"), Protein("MKV"))
    first, second = io.BytesIO(), io.BytesIO()
    index.save(first)
    make(Protein("MKV"), Molecule("CCO")).save(second)
    assert first.getvalue() == second.getvalue()
    (tmp_path / FILE).write_bytes(first.getvalue())
    again = TrainingIndex.load(tmp_path / FILE)
    assert "CCO" in again.keys(KeyKind.MOLECULE)
    assert "CCN" not in again.keys(KeyKind.MOLECULE)
    assert "MKV" in again.keys(KeyKind.PROTEIN)
    with pytest.raises(MissingError, match="no part 'linker'"):
        again.keys(KeyKind.LINKER)
    (tmp_path / FILE).write_bytes(first.getvalue()[:-40])
    with pytest.raises(ModelError, match="damaged"):
        TrainingIndex.load(tmp_path / FILE)
    with pytest.raises(ModelError, match="damaged"):
        TrainingIndex.load(tmp_path / "absent.npz")


def test_a_model_trained_further_knows_both_sets():
    first = make(*map(Protein, words(300, 1)), Molecule("CCO"))
    both = first.with_objects([*map(Protein, words(200, 2)), Molecule("NCC")])
    assert all(word in both.keys(KeyKind.PROTEIN) for seed, n in ((1, 300), (2, 200)) for word in words(n, seed))
    assert len(both.keys(KeyKind.PROTEIN)) == 500
    assert len(first.keys(KeyKind.PROTEIN)) == 300
    assert "CCN" in both.keys(KeyKind.MOLECULE)
    assert "CCC" not in both.keys(KeyKind.MOLECULE)


def test_an_index_of_other_canonical_smiles_is_refused():
    index = TrainingIndex(make(Molecule("CCO"), Protein("MK")).parts, {"rdkit": "2019.03", "probes": ["OCC", "CCN"]})
    assert "MK" in index.keys(KeyKind.PROTEIN)
    with pytest.raises(
        ModelError, match=r"made with RDKit 2019\.03, and RDKit .* writes 1 of 2 canonical SMILES differently"
    ):
        index.keys(KeyKind.MOLECULE)


def test_the_embedded_index():
    path = data_path("tokenizers", EMBEDDED, FILE)
    assert path.stat().st_size < 3_000_000
    index = embedded_index()
    assert set(index.parts) == set(KeyKind)
    probes = index.about["probes"]
    assert len(probes) == 200
    assert all(smiles in index.keys(KeyKind.MOLECULE) for smiles in probes)
    assert all(index.keys(part).false_positive_rate < 1.6e-5 for part in KeyKind)
    assert TERE in index.keys(KeyKind.LINKER)
    assert np.mean([word in index.keys(KeyKind.PROTEIN) for word in words(5000, 3)]) < 0.001


@pytest.mark.slow
def test_training_molecules_are_known_and_held_out_ones_are_new(shared_data):
    import lzma

    from scripts.nano_records import is_closed, split_of

    known, new = [], []
    with lzma.open(shared_data / "molecules" / "molecules.train.smi.xz", "rt", encoding="utf-8") as stream:
        for line in stream:
            smiles, source, split = line.split("\t")
            if not is_closed(source):
                valid = split.strip() == "valid" or split_of(smiles, 0.003) == "valid"
                (new if valid else known).append(smiles)
    keys = embedded_index().keys(KeyKind.MOLECULE)

    def share_known(sample: list[str]) -> float:
        return float(np.mean([key in keys for smiles in sample for _, key in keys_of(Molecule(smiles))]))

    rng = random.Random(5)
    assert share_known(rng.sample(known, 500)) == 1
    # a few of them are in another collection, or in a reaction
    assert share_known(rng.sample(new, 300)) < 0.1
