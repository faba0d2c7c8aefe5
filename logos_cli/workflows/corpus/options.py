"""Options of the building of a corpus."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from logos_cli.formats.base import ReadOptions
from logos_cli.io.selection import Shard
from logos_cli.resources import EMBEDDED
from logos_cli.workflows.corpus.sentences import SentenceOptions


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How a corpus is built.

    Attributes
    ----------
    tokenizer : str
        A model as ``--model`` names them; its tokenizer gets the tags that it lacks.
    context_length : int
        Sentences of more tokens than this are dropped and counted.
    read : ReadOptions
    sentences : SentenceOptions
    weights : path, optional
        TOML file with the share of each domain.
    rejects : path, optional
        File for all rejected records.
    jobs : int
        Number of processes.
    resume, overwrite : bool
        Go on with an unfinished build; replace an existing corpus.
    retry : {"failed"}, optional
        Go on, and make the units with lost records again.
    shard : Shard, optional
        Part of the sources to work on; the parts are merged later.
    """

    tokenizer: str = EMBEDDED
    context_length: int = 2048
    read: ReadOptions = field(default_factory=ReadOptions)
    sentences: SentenceOptions = field(default_factory=SentenceOptions)
    weights: str | None = None
    rejects: str | None = None
    jobs: int = 1
    resume: bool = False
    overwrite: bool = False
    retry: Literal["failed"] | None = None
    shard: Shard | None = None
