"""Train the first logos-nano: ``python -m scripts.train_first_model RUN [--corpus DIR] [--steps N]``.

Goes on from the run's last checkpoint; SIGTERM ends it after a checkpoint. With ``--export`` the weights of
the last checkpoint are written as a model directory (safetensors, beside the tokenizer).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from transformers import GenerationConfig

from logos_cli.training.corpus import Corpus, SentenceEncoder
from logos_cli.training.loop import Trainer
from logos_cli.training.options import TrainOptions

ROOT: Final = Path(__file__).resolve().parents[1]
TOKENIZER: Final = ROOT / "tokenizers" / "logos-nano"

# Share of the tokens. A model of this size learns little of natural proteins beyond their composition, and
# much of molecules and reactions; long sentences (sites, complexes) also cost four times as much a token.
WEIGHTS: Final = {
    "molecule": 0.34, "ligand": 0.02, "antibody": 0.12, "protein": 0.07, "material": 0.06,
    "retrosynthesis": 0.12, "retrosynthesis_mit": 0.08, "reaction": 0.06, "reaction_mit": 0.05,
    "search": 0.015, "search_ion": 0.02, "site": 0.005, "site_ion": 0.005,
    "expanded": 0.005, "expanded_ion": 0.005, "transformation": 0.005, "transformation_ion": 0.005,
    "complex_1": 0.003, "complex_2": 0.003, "complex_3": 0.004,
}  # fmt: skip
# While the learning rate falls, more of what tasks prompt with.
DECAY_WEIGHTS: Final = {
    **WEIGHTS,
    "molecule": 0.28, "ligand": 0.03, "protein": 0.06, "material": 0.07,
    "retrosynthesis": 0.18, "retrosynthesis_mit": 0.05, "reaction": 0.07, "reaction_mit": 0.03,
    "search": 0.04, "complex_1": 0.01, "complex_2": 0.01, "complex_3": 0.01,
}  # fmt: skip
OPTIONS: Final = TrainOptions(weights=WEIGHTS, decay_weights=DECAY_WEIGHTS, compile=True)


def export(trainer: Trainer, directory: Path) -> None:
    """Write a directory that transformers loads."""
    directory.mkdir(parents=True, exist_ok=True)
    ids = {
        key: getattr(trainer.model.config, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")
    }
    trainer.model.generation_config = GenerationConfig(**ids)  # type: ignore[no-untyped-call]
    trainer.model.save_pretrained(directory)
    (directory / "model.safetensors").chmod(0o644)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if directory != TOKENIZER:
            shutil.copy(TOKENIZER / name, directory / name)
    facts = {"n_parameters": trainer.n_parameters, "n_steps": trainer.step, "n_tokens": trainer.n_tokens}
    print(json.dumps({**facts, "epochs": trainer.mixture.epochs()}, indent=1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--corpus", type=Path, default=ROOT / "corpus")
    parser.add_argument("--steps", type=int, default=OPTIONS.n_steps)
    parser.add_argument("--decay-steps", type=int, default=OPTIONS.n_decay_steps)
    parser.add_argument("--export", type=Path, help="write the model here instead of training")
    args = parser.parse_args()
    encoder = SentenceEncoder(TOKENIZER)
    options = replace(OPTIONS, n_steps=args.steps, n_decay_steps=args.decay_steps)
    trainer = Trainer(Corpus(args.corpus, encoder.sha256), encoder, options, args.run)
    if args.export:
        export(trainer, args.export)
        return 0
    return 0 if trainer.run() else 143


if __name__ == "__main__":
    sys.exit(main())
