"""Plausibility of antibody chains under AntiBERTy, a language model of 558 million natural antibody sequences.

Ruffolo et al. 2021; RADAb (Wang et al. 2025) and LOGOS report this figure. The weights lie in the package ``antiberty`` (MIT).
They are read as tensors only, into the architecture of transformers: none of the package's code runs.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from logos_cli.errors import MissingError, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from transformers import BertForMaskedLM

INSTALL: Final = "pip install 'logos-cli[plausibility]'"
MOST_RESIDUES: Final = 510
"""A longer chain does not fit the 512 positions of the model."""

_MASKED_AT_A_TIME: Final = 32
_WHOLE: Final = ("[CLS]", "[SEP]", "[MASK]", "[UNK]")


class Antiberty:
    """The model and its vocabulary."""

    def __init__(self, model: BertForMaskedLM, vocabulary: dict[str, int]) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._first, self._last, self._mask, self._unknown = (vocabulary[name] for name in _WHOLE)

    @torch.inference_mode()
    def residue_logps(self, chain: str, wanted: Sequence[int] | None = None) -> NDArray[np.float64]:
        """Return the log-probability of each residue given all others, in nats, shape (n_residues,).

        Parameters
        ----------
        wanted : sequence of int, optional
            The residues to look at, each of which takes a row of the model: all without it.

        Raises
        ------
        ModelError
            If the chain does not fit the model.
        """
        if len(chain) > MOST_RESIDUES:
            raise ModelError(f"AntiBERTy reads at most {MOST_RESIDUES} residues, the chain has {len(chain)}")
        letters = torch.tensor([self._vocabulary.get(letter, self._unknown) for letter in chain])
        ids = torch.cat([torch.tensor([self._first]), letters, torch.tensor([self._last])])
        found = []
        rows = torch.tensor(range(len(chain)) if wanted is None else wanted)
        for start in range(0, len(rows), _MASKED_AT_A_TIME):
            places = rows[start : start + _MASKED_AT_A_TIME]
            masked = ids.repeat(len(places), 1)
            masked[torch.arange(len(places)), places + 1] = self._mask
            hidden = self._model.bert(masked).last_hidden_state[torch.arange(len(places)), places + 1]
            logps = self._model.cls(hidden).log_softmax(dim=-1)
            found.append(logps[torch.arange(len(places)), letters[places]])
        values: NDArray[np.float64] = torch.cat(found).double().numpy()
        return values


@cache
def load_antiberty() -> Antiberty:
    """Load the model from its package.

    Raises
    ------
    MissingError
        If the package is not installed.
    ModelError
        If its weights are not those of the architecture.
    """
    from transformers import BertConfig, BertForMaskedLM

    spec = find_spec("antiberty")
    if spec is None or not spec.submodule_search_locations:
        raise MissingError("plausibility needs antiberty, which is not installed", hint=INSTALL)
    folder = Path(spec.submodule_search_locations[0]) / "trained_models"
    names = (folder / "vocab.txt").read_text(encoding="ascii").split()
    fields = json.loads((folder / "AntiBERTy_md_smooth" / "config.json").read_text(encoding="utf-8"))
    config = BertConfig(
        **{key: value for key, value in fields.items() if key not in ("architectures", "_name_or_path")}
    )
    weights = torch.load(folder / "AntiBERTy_md_smooth" / "pytorch_model.bin", map_location="cpu", weights_only=True)
    model = BertForMaskedLM(config)
    missing, _ = model.load_state_dict(weights, strict=False)
    if absent := [name for name in missing if not name.endswith(("position_ids", "decoder.weight", "decoder.bias"))]:
        raise ModelError(f"the weights of antiberty lack {absent[0]}", hint=INSTALL)
    model.tie_weights()
    model.train(mode=False)
    return Antiberty(model, {name: number for number, name in enumerate(names)})
