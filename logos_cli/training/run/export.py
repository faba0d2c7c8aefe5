"""Write the trained model as a directory that ``logos generate --model``, transformers and vLLM load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Protocol

import torch

from logos_cli.checkpoints.task_sampling import KEY, from_config
from logos_cli.checkpoints.tokenizer import read_json
from logos_cli.training.config import TrainConfig
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.model import Base
from logos_cli.training.run.checkpoint import written_whole
from logos_cli.training.run.distributed import ProcessGroup, whole
from logos_cli.training.run.learner import Learner

ADAPTER: Final = "adapter"


class Trained(Protocol):
    """A run with a model to write.

    Attributes
    ----------
    base : Base, optional
        The base model.
    learner : Learner
        With adapters ``learner.module.model`` has them, and ``learner.model`` is the model inside.
    """

    config: TrainConfig
    world: ProcessGroup
    vocabulary: Vocabulary
    base: Base | None
    learner: Learner


def export_model(trained: Trained, directory: Path) -> None:
    """Write the model; every process calls this, the first one writes.

    Adapters are written to ``adapter/`` inside, and with ``lora.merge`` merged into the model.

    Raises
    ------
    OutputError
        If it cannot be written; the directory is then unchanged.
    """
    lora = trained.config.lora
    tensors = (
        {name: whole(part.detach()).cpu() for name, part in trained.learner.model.named_parameters()}
        if trained.config.run.sharding == "fsdp"
        else None
    )
    if not trained.world.is_first:
        return
    with written_whole(directory, "the model cannot be written") as temporary:
        if lora is not None:
            # with embeddings of the tags the adapter fits the base model as it is published
            has_new = trained.base is not None and bool(Vocabulary.load(trained.base.path).added)
            trained.learner.module.model.save_pretrained(temporary / ADAPTER, save_embedding_layers=has_new)
            trained.vocabulary.save(temporary / ADAPTER)
        if lora is None or lora.merge:
            model = trained.learner.model if lora is None else _merged(trained)
            _write(trained, model, tensors, temporary)
    trained.learner.model.config.use_cache = False


def _merged(trained: Trained) -> Any:
    """Return a copy of the base model with the adapters in its weights; training goes on with the original."""
    from copy import deepcopy

    return deepcopy(trained.learner.module.model).merge_and_unload()


def _write(trained: Trained, model: Any, tensors: dict[str, torch.Tensor] | None, directory: Path) -> None:
    write_model(model, trained.vocabulary, trained.base, directory, dtype=_dtype(trained), tensors=tensors)


def write_model(
    model: Any,
    vocabulary: Vocabulary,
    base: Base | None,
    directory: Path,
    *,
    dtype: torch.dtype,
    tensors: dict[str, torch.Tensor] | None = None,
) -> None:
    """Write the files of a model to an existing directory; ``tensors`` replaces its parameters."""
    from transformers import GenerationConfig

    kept = model.state_dict().keys()
    buffers = {name: part for name, part in model.named_buffers() if name in kept}
    state = (tensors if tensors is not None else dict(model.named_parameters())) | buffers
    state = {name: part.detach().to("cpu", dtype).contiguous() for name, part in state.items()}
    roles = {"bos": vocabulary.bos_id, "eos": vocabulary.eos_id, "pad": vocabulary.pad_id}
    ids = {f"{role}_token_id": number for role, number in roles.items() if number is not None}
    model.generation_config = GenerationConfig(**ids, **_inherited(base))  # type: ignore[no-untyped-call]
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
    vocabulary.save(directory)
    for file in directory.glob("*.safetensors"):
        file.chmod(0o644)


def _inherited(base: Base | None) -> dict[str, Any]:
    """Return the sampling parameters in the base model's files, which the new model keeps."""
    path = None if base is None else base.path / "generation_config.json"
    found = from_config(read_json(path)) if path is not None and path.is_file() else {}
    return {KEY: found} if found else {}


def _dtype(trained: Trained) -> torch.dtype:
    """Return the dtype of the written weights."""
    name = trained.config.run.export_dtype
    if name != "auto":
        chosen: torch.dtype = getattr(torch, name)
        return chosen
    return torch.float32 if trained.base is None else stored_dtype(trained.base)


def stored_dtype(base: Base) -> torch.dtype:
    """Return the dtype of a model's weights in its files."""
    from transformers import AutoConfig

    stored = AutoConfig.from_pretrained(base.path, local_files_only=True).dtype
    return stored if isinstance(stored, torch.dtype) else torch.float32
