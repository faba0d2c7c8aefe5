"""A build that goes on where its corpus is complete: there is nothing left, if it was asked for the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from os import PathLike
from pathlib import Path

from logos_cli import __version__
from logos_cli.errors import UsageError
from logos_cli.io import places
from logos_cli.io.json_types import JsonObject
from logos_cli.runs.description import differences
from logos_cli.training.corpus.shards import Corpus
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.corpus.writer import checked_weights
from logos_cli.workflows.corpus.build import hash_of
from logos_cli.workflows.corpus.options import BuildOptions


def check_finished(
    directory: Path,
    paths: Sequence[str],
    options: BuildOptions,
    vocabulary: Vocabulary,
    weights: Mapping[str, float] | None,
) -> JsonObject:
    """Return the manifest of a complete corpus, if this build would make the same.

    Parameters
    ----------
    paths : sequence of str
        The sources, whose contents are hashed.
    weights : mapping, optional
        Shares that were asked for.

    Raises
    ------
    UsageError
        If it was built of other sources, with other options or by another version.
    InputError
        If it is no corpus of this version, or has no such domains.
    """
    manifest = Corpus(directory).manifest
    trained = {name: splits["train"]["n_tokens"] for name, splits in manifest["domains"].items() if "train" in splits}
    now = {
        "tokenizer": {"sha256": vocabulary.sha256, "added": list(vocabulary.added)},
        "context_length": options.context_length,
        "options": {**asdict(options.sentences), "read": asdict(options.read)},
        "weights": checked_weights(weights, trained),
        "logos": __version__,
        "sources": {path: hash_of(path) for path in paths},
    }
    before = {name: manifest.get(name) for name in now}
    before["tokenizer"] = {name: manifest["tokenizer"].get(name) for name in ("sha256", "added")}
    before["sources"] = {source["path"]: source["sha256"] for source in manifest.get("sources", ())}
    if found := list(differences(before, json.loads(json.dumps(now)))):
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        raise _complete(directory, f", and was built differently: {'; '.join(found[:4])}{more}")
    if options.rejects and not places.exists(options.rejects):
        raise _complete(directory, ", and its rejected records were not kept")
    return manifest


def _complete(directory: str | PathLike[str], difference: str = "") -> UsageError:
    return UsageError(f"the corpus is complete{difference}", source=str(directory), hint="--overwrite builds it anew")
