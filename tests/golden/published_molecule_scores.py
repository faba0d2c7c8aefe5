"""What the published code of MOSES and GuacaMol makes of the two fixed sets: run by hand, kept as JSON.

In an environment of its own (``pip install "rdkit==2026.9.1" "numpy<2" "pandas<2" scipy tqdm matplotlib seaborn
joblib torch fcd_torch`` and ``pip install --no-deps molsets==0.3.1 guacamol==0.5.5``, whose folder ``tests`` in
``site-packages`` must go)::

    python -m tests.golden.published_molecule_scores > tests/golden/molecule_scores.json

Both packages are older than the libraries that they now run on: names that numpy, scipy and RDKit have dropped
since are given back here, their code is not touched. ``moses/__init__`` would import every model of the paper.
"""

from __future__ import annotations

import hashlib
import json
import sys
import types
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import scipy
from rdkit import rdBase

from tests.molecule_sets import generated_set, reference_set

K = (50, 200)


def prepare() -> None:
    """Make the old packages importable."""
    spec = find_spec("moses")
    assert spec is not None
    package = types.ModuleType("moses")
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["moses"] = package
    scipy.histogram = np.histogram
    six = types.ModuleType("rdkit.six")
    six.iteritems = lambda mapping: iter(mapping.items())  # type: ignore[attr-defined]
    sys.modules["rdkit.six"] = six
    rdBase.DisableLog("rdApp.*")


def moses(generated: list[str], reference: list[str]) -> dict[str, float]:
    from moses.metrics import metrics
    from rdkit import Chem

    # the training set of MOSES is made of RDKit's canonical SMILES
    trained = [Chem.MolToSmiles(Chem.MolFromSmiles(smiles)) for smiles in reference]
    found = metrics.get_all_metrics(
        generated, k=list(K), test=reference, test_scaffolds=reference[::2], train=trained, batch_size=64
    )
    return {name: float(value) for name, value in found.items()}


def moses_each(generated: list[str]) -> dict[str, list[Any]]:
    from moses.metrics.utils import compute_scaffold, fragmenter, mol_passes_filters
    from rdkit import Chem

    valid = [smiles for smiles in generated if Chem.MolFromSmiles(smiles) is not None]
    return {
        "filters": [mol_passes_filters(smiles) for smiles in valid],
        "scaffolds": [compute_scaffold(smiles) for smiles in valid],
        "fragments": [sorted(fragmenter(smiles)) for smiles in valid],
    }


def guacamol(generated: list[str], reference: list[str]) -> dict[str, Any]:
    from guacamol.distribution_learning_benchmark import (
        KLDivBenchmark,
        NoveltyBenchmark,
        UniquenessBenchmark,
        ValidityBenchmark,
    )
    from guacamol.utils.chemistry import canonicalize, is_valid

    class Given:
        """A generator that has made its molecules."""

        def __init__(self, molecules: list[str]) -> None:
            self.molecules = molecules

        def generate(self, number_samples: int) -> list[str]:
            return self.molecules[:number_samples]

    valid = [smiles for smiles in generated if is_valid(smiles)]
    unique = list(dict.fromkeys(canonicalize(smiles) for smiles in valid))
    trained = [smiles for smiles in reference if is_valid(smiles)]
    divergence = KLDivBenchmark(len(unique), trained)
    # the benchmark draws its baseline at random: all of it here
    divergence.training_set_molecules = list(
        dict.fromkeys(canonicalize(smiles, include_stereocenters=False) for smiles in trained)
    )
    result = divergence.assess_model(Given(unique))
    return {
        "validity": ValidityBenchmark(len(generated)).assess_model(Given(generated)).score,
        "uniqueness": UniquenessBenchmark(len(valid)).assess_model(Given(valid)).score,
        "novelty": NoveltyBenchmark(len(unique), trained).assess_model(Given(unique)).score,
        "kl_score": float(result.score),
        "kl_divergences": {name: float(value) for name, value in result.metadata["kl_divs"].items()},
    }


def main() -> None:
    prepare()
    generated, reference = generated_set(), reference_set()
    found = {
        "versions": {name: version(name) for name in ("molsets", "guacamol", "fcd_torch", "rdkit", "numpy", "scipy")},
        "sha256": {
            "generated": hashlib.sha256("\n".join(generated).encode()).hexdigest(),
            "reference": hashlib.sha256("\n".join(reference).encode()).hexdigest(),
        },
        "moses": moses(generated, reference),
        "moses_each": moses_each(generated),
        "guacamol": guacamol(generated, reference),
    }
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
