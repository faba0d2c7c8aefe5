"""Two sets of drug-like SMILES, put together from parts by a seeded rule: no data file, no RDKit.

The published code of MOSES and GuacaMol was run on exactly these (``tests/golden/published_molecule_scores.py``).
"""

from __future__ import annotations

import random
from typing import Final

# cores with two places to fill
CORES: Final = (
    "c1ccc({})cc1{}",
    "c1cc({})ccc1{}",
    "c1cc({})ncc1{}",
    "c1cc({})oc1{}",
    "c1cc({})sc1{}",
    "c1c({})[nH]nc1{}",
    "C1CN({})CCN1{}",
    "C1CC({})CCN1{}",
    "C1CCC({})CC1{}",
    "C1OCC({})C1{}",
    "c1ccc2c(c1)c({})cn2{}",
    "c1ccc2nc({})sc2c1{}",
    "c1ccc2c(c1)ncc({})c2{}",
    "c1ccc2nc({})nc({})c2c1",
    "C1Cc2ccc({})cc2C1{}",
    "O=C1NC({})C(=O)N1{}",
    "c1ccc(-c2ccc({})cc2)cc1{}",
    "C1CCCCCCCC({})C1{}",
    "C1C2CC3CC1CC({})(C2)C3{}",
    "C[C@H]({})C{}",
    "C/C({})=C/C{}",
    "CC({})C(=O)N{}",
)
# what fills them: the first atom is bonded to the core
GROUPS: Final = (
    "C",
    "CC",
    "C(C)C",
    "C(F)(F)F",
    "F",
    "Cl",
    "Br",
    "OC",
    "OCC",
    "N",
    "NC",
    "N(C)C",
    "C#N",
    "C(=O)O",
    "C(=O)OC",
    "C(=O)N",
    "C(=O)NC",
    "C(=O)N(C)C",
    "NC(C)=O",
    "NC(=O)OC(C)(C)C",
    "S(=O)(=O)N",
    "S(=O)(=O)C",
    "[N+](=O)[O-]",
    "C=O",
    "CN",
    "CO",
    "COC",
    "CC(=O)O",
    "Cc1ccccc1",
    "c1ccccc1",
    "c1ccncc1",
    "c1ccco1",
    "c1nccs1",
    "C1CC1",
    "C1CCCCC1",
    "N1CCOCC1",
    "N1CCCC1",
    "CN1CCN(C)CC1",
    "OCc1ccc(F)cc1",
    "NS(=O)(=O)c1ccc(C)cc1",
    "C(=O)Nc1ccc(O)cc1",
    "C(=O)Nc1ccccc1Cl",
    "OCCN(CC)CC",
    "N=Nc1ccccc1",
    "C=CC(C)=O",
    "SC",
    "SCc1ccccc1",
    "[Si](C)(C)C",
    "B(O)O",
    "OP(=O)(O)O",
)
INVALID: Final = ("C1CC", "c1ccccc1(", "CC(C)(C)(C)C", "cC1=CC", "F=C(F)(F)F", "C[Xx]")
SEED: Final = 7


def filled(rng: random.Random) -> str:
    """Return one core with two groups in it."""
    core, first, second = rng.choice(CORES), rng.choice(GROUPS), rng.choice(GROUPS)
    # ring labels of a group start at 5, so that those of the core stay open across it
    relabelled = [group.replace("1", "5") for group in (first, second)]
    return core.format(*relabelled)


def reference_set(count: int = 300) -> list[str]:
    """Return distinct SMILES that play the training and test set."""
    rng = random.Random(SEED)
    found: dict[str, None] = {}
    while len(found) < count:
        found[filled(rng)] = None
    return list(found)


def generated_set(count: int = 250) -> list[str]:
    """Return SMILES that play a model's samples: some invalid, some twice, some of the reference set."""
    rng = random.Random(SEED + 1)
    reference = reference_set()
    made: list[str] = []
    while len(made) < count:
        made.append(rng.choices((filled(rng), rng.choice(reference)), (8, 2))[0])
        if made and rng.random() < 0.1:
            made.append(rng.choice(made))
        if rng.random() < 0.06:
            made.append(rng.choice(INVALID))
    return made[:count]
