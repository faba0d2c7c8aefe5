"""Released checkpoints, and those on this machine."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from logos_cli.errors import ModelError
from logos_cli.grammar.spec import Kind
from logos_cli.records.json_text import parse_json
from logos_cli.resources import EMBEDDED, cache_dir, data_path


@dataclass(frozen=True, slots=True)
class Release:
    """A checkpoint on the Hugging Face hub.

    Attributes
    ----------
    gigabytes : float
        Size of its weights in 10^9 bytes.
    stage : str
        ``pretrained`` or ``post-trained``.
    """

    name: str
    architecture: str
    parameters: str
    gigabytes: float
    licence: str
    stage: str
    context_tokens: int = 4096

    def to_listed(self) -> ListedModel:
        """Return it as an entry of :func:`listing`."""
        return {
            "name": self.name,
            "architecture": self.architecture,
            "parameters": self.parameters,
            "gigabytes": self.gigabytes,
            "licence": self.licence,
            "stage": self.stage,
            "context_tokens": self.context_tokens,
            "where": "hub",
        }


RELEASES = (
    Release("LOGOS-Hub/LOGOS-8B", "qwen3", "8B", 16.4, "CC-BY-4.0", "post-trained"),
    Release("LOGOS-Hub/LOGOS-pretrain-8B", "qwen3", "8B", 16.4, "CC-BY-4.0", "pretrained"),
    Release("LOGOS-Hub/LOGOS-pretrain-3B", "llama", "3B", 7.2, "CC-BY-4.0", "pretrained"),
    Release("LOGOS-Hub/LOGOS-pretrain-1B", "llama", "1B", 3.0, "CC-BY-4.0", "pretrained"),
)
"""Models of LOGOS-Hub, with the context of the published scripts."""


def hub_cache() -> Path:
    """Return the cache directory of the hub, by the same rules as ``huggingface_hub``."""
    if explicit := os.environ.get("HF_HUB_CACHE"):
        return Path(explicit).expanduser()
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("HF_HOME") or f"{base}/huggingface").expanduser() / "hub"


class ListedModel(TypedDict, total=False):
    """A model on this machine or on the hub; ``error`` where it cannot be opened."""

    name: str
    where: str
    architecture: str | None
    parameters: str
    gigabytes: float
    licence: str | None
    stage: str
    context_tokens: int | None
    path: str
    revision: str | None
    error: str


def listing(cache: Path | None = None) -> list[ListedModel]:
    """Return the models on this machine and on the hub as JSON objects.

    Each has ``name``, ``where`` (``embedded``, ``cached``, ``converted`` or ``hub``), ``architecture``,
    ``parameters``, ``gigabytes``, ``licence`` and, on this machine, ``path`` and ``revision``.
    """
    models = [_embedded(), *cached(cache or hub_cache()), *_converted()]
    releases = {release.name: release for release in RELEASES}
    for model in models:
        if release := releases.get(model["name"]):
            model["parameters"], model["licence"], model["stage"] = release.parameters, release.licence, release.stage
    local_names = {model["name"] for model in models}
    models += [release.to_listed() for release in RELEASES if release.name not in local_names]
    return models


def _embedded() -> ListedModel:
    path = data_path("tokenizers", EMBEDDED)
    return _entry(EMBEDDED, "embedded", path)


def _entry(name: str, where: str, path: Path, revision: str | None = None) -> ListedModel:
    from logos_cli.checkpoints.safetensors import stored_tensors
    from logos_cli.models.card import licence

    n_parameters = sum(math.prod(tensor.shape) for tensor in stored_tensors(path).values())
    config = parse_json((path / "config.json").read_text(encoding="utf-8"))
    size = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    return {
        "name": name,
        "where": where,
        "architecture": config.get("model_type"),
        "parameters": _label(n_parameters),
        "gigabytes": round(size / 1e9, 6),
        "licence": licence(path),
        "context_tokens": config.get("max_position_embeddings"),
        "path": str(path),
        "revision": revision,
    }


def _label(n_parameters: int) -> str:
    """Return a number of parameters as text, such as 8.0B or 2.0M."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if n_parameters >= size:
            return f"{n_parameters / size:.1f}{unit}"
    return str(n_parameters)


def cached(cache: Path) -> Iterator[ListedModel]:
    """Yield the models in the cache of the hub whose tokenizer has the tags."""
    tag = Kind.PROTEIN.start.encode()
    for folder in sorted(cache.glob("models--*")):
        for snapshot in sorted(folder.glob("snapshots/*")):
            name = folder.name.removeprefix("models--").replace("--", "/")
            try:
                if tag in (snapshot / "tokenizer.json").read_bytes():
                    yield _entry(name, "cached", snapshot, snapshot.name)
            except (OSError, ValueError, ModelError):  # an incomplete download
                continue


def _converted() -> Iterator[ListedModel]:
    """Yield the models that the backend llamacpp has converted."""
    from logos_cli.checkpoints.gguf.header import read_gguf

    for file in sorted((cache_dir() / "gguf").glob("*.gguf")):
        try:
            header = read_gguf(file)
        except ModelError:
            continue
        yield {
            "name": str(header.metadata.get("general.name", file.stem)),
            "where": "converted",
            "architecture": header.architecture,
            "parameters": _label(header.n_parameters),
            "gigabytes": round(header.size / 1e9, 6),
            "licence": header.metadata.get("general.license"),
            "context_tokens": header.metadata.get(f"{header.architecture}.context_length"),
            "path": str(file),
            "revision": None,
        }
