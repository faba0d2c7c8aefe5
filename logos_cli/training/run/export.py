"""The trained model as a directory that ``logos generate --model``, transformers and vLLM load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from logos_cli.checkpoints.task_sampling import KEY, from_config
from logos_cli.checkpoints.tokenizer import read_json
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.run.checkpoint import written_whole
from logos_cli.training.run.distributed import whole

if TYPE_CHECKING:
    from logos_cli.training.run.loop import Trainer

ADAPTER: Final = "adapter"


def export_model(trainer: Trainer, directory: Path) -> None:
    """Write the model; every process calls this, the first one writes.

    Adapters are written to ``adapter/`` inside, and merged into the model if the configuration says so.

    Raises
    ------
    OutputError
        If it cannot be written; what lay there is then as before.
    """
    lora = trainer.config.lora
    tensors = (
        {name: whole(part.detach()).cpu() for name, part in trainer.model.named_parameters()}
        if trainer.config.run.sharding == "fsdp"
        else None
    )
    if not trainer.world.is_first:
        return
    with written_whole(directory, "the model cannot be written") as temporary:
        if lora is not None:
            # with embeddings of the tags the adapter fits the base model as it is published
            has_new = trainer.base is not None and bool(Vocabulary.load(trainer.base.path).added)
            trainer.module.model.save_pretrained(temporary / ADAPTER, save_embedding_layers=has_new)
            trainer.vocabulary.save(temporary / ADAPTER)
        if lora is None or lora.merge:
            model = trainer.model if lora is None else _merged(trainer)
            _write(trainer, model, tensors, temporary)
    trainer.model.config.use_cache = False


def _merged(trainer: Trainer) -> Any:
    """Return a copy of the base model with the adapters in its weights; training goes on with the original."""
    from copy import deepcopy

    return deepcopy(trainer.module.model).merge_and_unload()


def _write(trainer: Trainer, model: Any, tensors: dict[str, torch.Tensor] | None, directory: Path) -> None:
    from transformers import GenerationConfig

    dtype = _dtype(trainer)
    kept = model.state_dict().keys()
    buffers = {name: part for name, part in model.named_buffers() if name in kept}
    state = (tensors if tensors is not None else dict(model.named_parameters())) | buffers
    state = {name: part.detach().to("cpu", dtype).contiguous() for name, part in state.items()}
    roles = {"bos": trainer.vocabulary.bos_id, "eos": trainer.vocabulary.eos_id, "pad": trainer.vocabulary.pad_id}
    ids = {f"{role}_token_id": number for role, number in roles.items() if number is not None}
    model.generation_config = GenerationConfig(**ids, **_inherited(trainer))  # type: ignore[no-untyped-call]
    for name, number in ids.items():
        setattr(model.config, name, number)
    model.config.use_cache = True
    implementation = model.config._attn_implementation
    try:
        model.save_pretrained(directory, state_dict=state)
    finally:
        model.config._attn_implementation = implementation
        model.config.use_cache = False
    # transformers writes the dtype of the model in memory there
    path = directory / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"dtype": str(dtype).removeprefix("torch.")}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    trainer.vocabulary.save(directory)
    for file in directory.glob("*.safetensors"):
        file.chmod(0o644)


def _inherited(trainer: Trainer) -> dict[str, Any]:
    """Return how the base model wants to be sampled, which goes on to hold."""
    path = None if trainer.base is None else trainer.base.path / "generation_config.json"
    found = from_config(read_json(path)) if path is not None and path.is_file() else {}
    return {KEY: found} if found else {}


def _dtype(trainer: Trainer) -> torch.dtype:
    """Return the dtype of the weights that are written."""
    name = trainer.config.run.export_dtype
    if name != "auto":
        chosen: torch.dtype = getattr(torch, name)
        return chosen
    if trainer.base is None:
        return torch.float32
    from transformers import AutoConfig

    stored = AutoConfig.from_pretrained(trainer.base.path, local_files_only=True).dtype
    return stored if isinstance(stored, torch.dtype) else torch.float32
