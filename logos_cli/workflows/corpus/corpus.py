"""Build a training corpus from native files and records."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import IO, Final

from logos_cli import __version__
from logos_cli.checkpoints.locate import locate
from logos_cli.errors import InputError, OutputError, UsageError
from logos_cli.grammar import Form
from logos_cli.io.json_types import JsonObject
from logos_cli.io.output import check_output, open_output
from logos_cli.io.paths import expand_paths
from logos_cli.io.selection import Shard
from logos_cli.io.toml import parse_toml, toml_text
from logos_cli.processes.lock import locked
from logos_cli.records import Record
from logos_cli.runs.description import Description
from logos_cli.runs.directory import RUN_FILE, RunOptions, is_run, open_shard, read_run
from logos_cli.runs.journal import RESULTS
from logos_cli.runs.merge import merged_rows
from logos_cli.runs.status import status_of
from logos_cli.training.corpus.parts import StoredPart, cannot_write
from logos_cli.training.corpus.shards import MANIFEST, SHARDS, TOKENIZER
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.corpus.writer import BUILD, HELD_OUT, SEEN, install, write_shards
from logos_cli.workflows.corpus.build import (
    COMMAND,
    PART_RECORDS,
    PARTS,
    BuiltPart,
    Counts,
    Work,
    make_parts,
    part_of,
    sizes_of,
    units_of,
)
from logos_cli.workflows.corpus.finished import check_finished
from logos_cli.workflows.corpus.options import BuildOptions
from logos_cli.workflows.corpus.sentences import NAMES

MIN_CONTEXT: Final = 16
_OWN: Final = frozenset({MANIFEST, SHARDS, TOKENIZER, BUILD})


@dataclass(frozen=True, slots=True)
class Report:
    """The outcomes of records and sentences; each line of the accounting adds up.

    Attributes
    ----------
    manifest : dict
        The manifest of the corpus, as written.
    records : Counts
    n_made : int
        Sentences made of the records that were used.
    n_train, n_valid, n_seen, n_held_out, n_long : int
        Their outcomes: kept in either split, a repeat, a repeat of a held-out sentence, too long.
    was_finished : bool
        Whether the corpus was complete before.
    """

    manifest: JsonObject
    records: Counts
    n_made: int
    n_train: int
    n_valid: int
    n_seen: int
    n_held_out: int
    n_long: int
    was_finished: bool = False


Listener = Callable[[BuiltPart], None]
Sources = str | PathLike[str] | Iterable[str | PathLike[str]]


def build(
    sources: Sources,
    output: str | PathLike[str],
    options: BuildOptions | None = None,
    *,
    on_part: Listener | None = None,
    stdin: IO[bytes] | None = None,
) -> Report:
    """Build a corpus.

    Parameters
    ----------
    sources : path or iterable of paths
        Whatever :func:`~logos_cli.workflows.encode.encode` reads.
    output : path
        The directory of the corpus.
    on_part : callable, optional
        Called with the outcome of each part of the input as soon as it is made.
    stdin : binary stream, optional
        What to read for ``-``.

    Raises
    ------
    UsageError
        If the output exists, a build is resumed with other sources or options, or an option has an invalid value.
    InputError
        If there is nothing to train on.
    OutputError
        If the corpus cannot be written; the finished parts are kept for ``resume``.
    """
    options = options or BuildOptions()
    if options.shard is not None:
        raise UsageError("one shard is no corpus", hint="make the parts of all shards, then merge them")
    finished = build_shard(sources, output, options, on_part=on_part, stdin=stdin)
    if finished is not None:
        return finished
    return merge(output, weights=options.weights, rejects=options.rejects)


def build_shard(
    sources: Sources,
    output: str | PathLike[str],
    options: BuildOptions,
    *,
    on_part: Listener | None = None,
    stdin: IO[bytes] | None = None,
) -> Report | None:
    """Make the parts of one shard of a build, whose sources are divided; :func:`merge` writes the corpus.

    Parameters and errors are those of :func:`build`.

    Returns
    -------
    Report or None
        That of a corpus that was complete before, so that nothing is left for ``resume``.
    """
    _check(options)
    listed = [sources] if isinstance(sources, (str, PathLike)) else list(sources)
    paths = expand_paths([fspath(path) for path in listed])
    if "-" in paths and (options.resume or options.retry or options.shard is not None):
        raise UsageError("standard input cannot be read again", hint="save it to a file, and build from that")
    # an error in them comes before the work
    weights = read_weights(options.weights) if options.weights else None
    vocabulary = Vocabulary.load(locate(options.tokenizer).path)
    stage = _prepare(Path(output), options)
    if options.resume and (stage.parent / MANIFEST).exists() and not is_run(stage):
        return replace(report_of(check_finished(stage.parent, paths, options, vocabulary, weights)), was_finished=True)
    shard = options.shard or Shard()
    sizes = sizes_of(paths)
    arguments: JsonObject = {
        "tokenizer": {"sha256": vocabulary.sha256, "added": list(vocabulary.added)},
        "context_length": options.context_length,
        "read": asdict(options.read),
        "sentences": asdict(options.sentences),
        "source_bytes": sizes,
        "part_records": PART_RECORDS,
    }
    described = Description(COMMAND, json.loads(json.dumps(arguments)), tuple(paths), shard.count, __version__)
    how = RunOptions(shard, options.resume, options.overwrite, options.retry)
    with open_shard(stage, described, how) as run:
        try:
            (stage / PARTS).mkdir(exist_ok=True)
            with locked(stage, "writing the tokenizer", wait=True):
                if not (stage / TOKENIZER).exists() or options.overwrite:
                    shutil.rmtree(stage / TOKENIZER, ignore_errors=True)
                    vocabulary.save(stage / f"{TOKENIZER}.part")
                    (stage / f"{TOKENIZER}.part").rename(stage / TOKENIZER)
        except OSError as error:
            raise cannot_write(error, stage) from error
        work = Work(stage, options.read, options.sentences, options.context_length, PART_RECORDS)
        anew = options.overwrite or options.retry is not None
        for outcome in make_parts(work, units_of(paths, sizes), run, options.jobs, stdin, anew=anew):
            if on_part is not None:
                on_part(outcome)
    return None


def merge(
    output: str | PathLike[str], *, weights: str | PathLike[str] | None = None, rejects: str | None = None
) -> Report:
    """Write the corpus of a build whose shards are all finished.

    Parameters
    ----------
    output : path
        The directory of the corpus.
    weights, rejects : path, optional
        As in :class:`BuildOptions`.

    Raises
    ------
    UsageError
        If there is no build, or a shard is not finished.
    InputError
        If there is nothing to train on.
    OutputError
        If the corpus cannot be written.
    """
    shares = read_weights(weights) if weights else None
    directory = Path(output)
    stage = directory / BUILD
    if not is_run(stage):
        raise UsageError("there is no build to merge", source=str(directory), hint="logos corpus build makes its parts")
    with locked(stage, "writing the corpus"):
        if left := [str(each.shard) for each in status_of(stage).shards if each.state != "finished"]:
            raise UsageError(
                f"{len(left)} shard{'s are' if len(left) > 1 else ' is'} not finished: {', '.join(left[:4])}",
                source=str(directory),
                hint="go on with --resume, then merge",
            )
        report = _finish(directory, stage, shares, rejects)
    for name in (PARTS, "new", RESULTS, TOKENIZER):  # what is not of the build stays
        shutil.rmtree(stage / name, ignore_errors=True)
    (stage / RUN_FILE).unlink(missing_ok=True)
    if not any(stage.iterdir()):
        stage.rmdir()
    return report


def _check(options: BuildOptions) -> None:
    known = (*NAMES, Form.COMPLEX.value)
    if unknown := sorted(set(options.sentences.forms) - set(known)):
        from difflib import get_close_matches

        near = get_close_matches(unknown[0], known, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"forms: {', '.join(known)}"
        raise UsageError(f"unknown form {unknown[0]!r}", hint=hint)
    if not 0 <= options.sentences.valid_share < 1:
        raise UsageError("the held-out share is a number from 0, and less than 1", hint="--valid-share 0.01")
    if options.context_length < MIN_CONTEXT:
        raise UsageError(f"a context of {options.context_length} tokens holds no sentence")
    if (options.resume or options.retry) and options.overwrite:
        raise UsageError("--resume goes on with a build and --overwrite begins anew: give one of them")
    if options.rejects:
        check_output(options.rejects, overwrite=options.overwrite or options.resume)


def read_weights(path: str | PathLike[str]) -> dict[str, float]:
    """Return the shares of the domains from a TOML file: ``protein = 0.2``, bare or under ``[weights]``.

    Raises
    ------
    InputError
        If the file cannot be read or holds something else.
    """
    try:
        data = parse_toml(toml_text(Path(path)), fspath(path))
    except InputError:
        raise
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"the weights cannot be read: {why}", source=fspath(path)) from error
    found = data.get("weights", data)
    if not isinstance(found, dict) or not found:
        raise InputError("the file has no weights", source=fspath(path), hint="write lines as protein = 0.2")
    for domain, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise InputError(f"the weight of {domain} is not a number from 0", source=fspath(path))
    return {str(domain): float(value) for domain, value in found.items()}


# -- the directory -------------------------------------------------------------------------------------------


def _prepare(directory: Path, options: BuildOptions) -> Path:
    """Return the directory of the build; refuse one with other files."""
    stage = directory / BUILD
    if directory.exists() and not directory.is_dir():
        raise UsageError("the output is a file", source=str(directory), hint="give a directory with -o")
    try:
        held = {path.name for path in directory.iterdir()} if directory.exists() else set()
    except OSError as error:
        raise OutputError(f"cannot be read: {error.strerror}", source=str(directory)) from error
    if foreign := sorted(held - _OWN):
        raise UsageError(
            f"the directory holds something other than a corpus ({foreign[0]})",
            source=str(directory),
            hint="give a new or empty directory with -o",
        )
    goes_on = options.resume or options.retry is not None
    if options.retry and MANIFEST in held and not is_run(stage):
        raise UsageError(
            "the corpus is complete, and its parts are gone", source=str(directory), hint="--overwrite builds it anew"
        )
    if options.shard is not None:
        return stage
    if not goes_on and not options.overwrite and held:
        unfinished = BUILD in held
        raise UsageError(
            "the directory holds an unfinished build" if unfinished else "the corpus exists",
            source=str(directory),
            hint="go on with --resume, or begin anew with --overwrite" if unfinished else "add --overwrite",
        )
    return stage


# -- the end -------------------------------------------------------------------------------------------------


def _finish(directory: Path, stage: Path, weights: dict[str, float] | None, rejects_file: str | None) -> Report:
    """Write the corpus from the parts in the order of the sources."""
    run = read_run(stage)
    arguments = run["arguments"]
    vocabulary = Vocabulary.load(stage / TOKENIZER)
    vocabulary.added = tuple(arguments["tokenizer"]["added"])
    rows = list(merged_rows(stage))
    parts = [part_of(stage, row["unit"], block) for row in rows for block in range(row["n_parts"])]
    hashes: dict[str, str | None] = {}
    for row in rows:
        hashes |= row["sha256"]
    total, files = Counts(), {path: Counts() for row in rows for path in row["sha256"]}
    with ExitStack() as stack:
        rejects = None
        if rejects_file:
            rejects = stack.enter_context(open_output(rejects_file, overwrite=True))
        for path in parts:
            with StoredPart(path) as part:
                for name, counts in part.facts["files"].items():
                    total.add(counts)
                    files[name].add(counts)
                if rejects is not None:
                    for record in part.facts["rejects"]:
                        rejects.write(Record.from_dict(record).to_json() + "\n")
    if not total.used:
        raise InputError("no record can be used", hint="see the errors above; --rejects FILE lists all of them")
    facts = {
        "logos": run["version"],
        "options": {**arguments["sentences"], "read": arguments["read"]},
        "records": total.to_dict(),
        "sources": [
            {"path": name, "sha256": hashes[name], "n_records": c.read, "n_used": c.used} for name, c in files.items()
        ],
    }
    new = stage / "new"
    shutil.rmtree(new, ignore_errors=True)
    manifest = write_shards(parts, new, vocabulary, arguments["context_length"], weights, facts)
    install(new, directory)
    return report_of(manifest)


def report_of(manifest: JsonObject) -> Report:
    """Return the accounting of a corpus that is complete."""
    kept = Counter[str]()
    for splits in manifest["domains"].values():
        kept.update({split: entry["n_sentences"] for split, entry in splits.items()})
    dropped = Counter[str]()
    for reasons in manifest["dropped"].values():
        dropped.update(reasons)
    seen, held_out = dropped.pop(SEEN, 0), dropped.pop(HELD_OUT, 0)
    n_long = dropped.total()
    counts = Counts()
    if "records" in manifest:
        counts.add(manifest["records"])
    made = kept.total() + seen + held_out + n_long
    return Report(manifest, counts, made, kept["train"], kept["valid"], seen, held_out, n_long)
