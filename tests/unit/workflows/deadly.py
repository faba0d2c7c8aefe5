"""A maker of corpus parts that one molecule, or one file, kills, as the system does when memory runs out."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import IO

from logos_cli.formats.base import Entry, ReadOptions
from logos_cli.workflows.corpus import build
from logos_cli.workflows.corpus.sentences import EncodedSentences, SentenceOptions, sentences_of
from logos_cli.workflows.files import Read, read_file

DEADLY = "CCCCCCCCCN"
DEADLY_FILE = "deadly.smi"


class DeadlyMaker(build.Maker):
    """Kills its process at the deadly molecule and at the deadly file."""

    def __init__(self, work: build.Work) -> None:
        super().__init__(work)
        build.sentences_of, build.read_file = _sentences_of, _read_file  # type: ignore[assignment]


def _sentences_of(entry: Entry, options: SentenceOptions) -> list[EncodedSentences]:
    if DEADLY in str(entry.item):
        os.kill(os.getpid(), signal.SIGKILL)
    return sentences_of(entry, options)


def _read_file(path: str, options: ReadOptions, stdin: IO[bytes] | None = None) -> Iterator[Read]:
    if path.endswith(DEADLY_FILE):
        os.kill(os.getpid(), signal.SIGKILL)
    return read_file(path, options, stdin)
