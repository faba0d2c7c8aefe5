"""Checkpoints that are directories with ``config.json``, ``tokenizer.json`` and safetensors weights."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from logos_cli.backends.base import Checkpoint, LoadOptions
from logos_cli.checkpoints.config import context_of, eos_ids
from logos_cli.checkpoints.locate import weights_sha256
from logos_cli.checkpoints.safetensors import weight_files
from logos_cli.checkpoints.skills import read_skills
from logos_cli.checkpoints.task_sampling import from_config
from logos_cli.checkpoints.tokenizer import HubTokenizer, read_json


class DirectoryCheckpoint(Checkpoint):
    """The files of a directory that every backend reads alike.

    Attributes
    ----------
    config : dict
        The content of ``config.json``.
    """

    def __init__(self, path: Path, options: LoadOptions, revision: str | None) -> None:
        self.name = options.model
        self.path = path
        self._options = options
        self._revision = revision
        self.config = read_json(path / "config.json")
        generation = path / "generation_config.json"
        generation_config = read_json(generation) if generation.is_file() else {}
        self.task_sampling = from_config(generation_config)
        self.skills = read_skills(path)
        self.tokenizer = HubTokenizer(path, eos_ids(self.config, generation_config))
        self.context_tokens = context_of(self.config) if self.config.get("max_position_embeddings") else 0

    @cached_property
    def files(self) -> list[Path]:
        """The weight files."""
        return weight_files(self.path)

    @property
    def sha256(self) -> str | None:
        """The digest of the weights, unless a revision names them."""
        return None if self._revision else weights_sha256(self.files)
