"""Build a training corpus from native files and records."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import IO, Final

from logos_cli import __version__
from logos_cli.checkpoints.locate import locate
from logos_cli.errors import InputError, OutputError, UsageError
from logos_cli.formats.base import ReadOptions
from logos_cli.grammar import Form
from logos_cli.io.json_types import JsonObject
from logos_cli.io.output import check_output, open_output
from logos_cli.io.paths import expand_paths
from logos_cli.io.toml import parse_toml
from logos_cli.processes.lock import locked
from logos_cli.records import Record
from logos_cli.resources import EMBEDDED
from logos_cli.training.corpus.parts import StoredPart, cannot_write
from logos_cli.training.corpus.shards import MANIFEST, SHARDS, TOKENIZER
from logos_cli.training.corpus.vocabulary import Vocabulary
from logos_cli.training.corpus.writer import BUILD, HELD_OUT, SEEN, install, write_shards
from logos_cli.workflows.corpus.build import BuildPlan, BuiltPart, Counts, Ledger, Work, make_parts, plan
from logos_cli.workflows.corpus.sentences import NAMES, SentenceOptions

MIN_CONTEXT: Final = 16
_OWN: Final = frozenset({MANIFEST, SHARDS, TOKENIZER, BUILD})


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
    """

    manifest: JsonObject
    records: Counts
    n_made: int
    n_train: int
    n_valid: int
    n_seen: int
    n_held_out: int
    n_long: int


Listener = Callable[[BuiltPart], None]


def build(
    sources: str | PathLike[str] | Iterable[str | PathLike[str]],
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
    _check(options)
    listed = [sources] if isinstance(sources, (str, PathLike)) else list(sources)
    paths = expand_paths([fspath(path) for path in listed])
    if options.resume and "-" in paths:
        raise UsageError("standard input cannot be read again", hint="save it to a file, and build from that")
    weights = read_weights(options.weights) if options.weights else None
    vocabulary = Vocabulary.load(locate(options.tokenizer).path)
    directory = Path(output)
    stage = _prepare(directory, options)
    with locked(stage, "building"):
        planned = _planned(stage, plan(paths), vocabulary, options)
        work = Work(stage, options.read, options.sentences, options.context_length)
        for outcome in make_parts(work, planned.units, options.jobs, stdin):
            if on_part is not None:
                on_part(outcome)
        report = _finish(directory, work, vocabulary, weights, options)
    shutil.rmtree(stage, ignore_errors=True)
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
    if options.resume and options.overwrite:
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
        data = parse_toml(Path(path).read_text(encoding="utf-8"), fspath(path))
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
    """Make the directory of the build, and refuse one with other files."""
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
    if options.resume and not stage.is_dir():
        if MANIFEST in held:
            raise UsageError("the corpus is complete", source=str(directory), hint="--overwrite builds it anew")
        raise UsageError("there is no build to go on with", source=str(directory), hint="leave --resume out")
    if not options.resume and not options.overwrite and held:
        unfinished = BUILD in held
        raise UsageError(
            "the directory holds an unfinished build" if unfinished else "the corpus exists",
            source=str(directory),
            hint="go on with --resume, or begin anew with --overwrite" if unfinished else "add --overwrite",
        )
    try:
        stage.mkdir(parents=True, exist_ok=True)
        with locked(stage, "building"):
            if options.overwrite:
                for name in ("parts", "new", TOKENIZER):
                    shutil.rmtree(stage / name, ignore_errors=True)
                for name in ("ledger.jsonl", "build.json"):
                    (stage / name).unlink(missing_ok=True)
            (stage / "parts").mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror}", source=str(directory), hint="choose another place with -o"
        ) from error
    return stage


def _planned(stage: Path, planned: BuildPlan, vocabulary: Vocabulary, options: BuildOptions) -> BuildPlan:
    """Write the plan of a new build, or compare it with that of the resumed build."""
    now = {
        "logos": __version__,
        "tokenizer": vocabulary.sha256,
        "context_length": options.context_length,
        "read": asdict(options.read),
        "sentences": asdict(options.sentences),
        **planned.to_dict(),
    }
    now = json.loads(json.dumps(now))
    path = stage / "build.json"
    if not path.exists():
        try:
            vocabulary.save(stage / TOKENIZER)
            path.with_suffix(".tmp").write_text(json.dumps(now, indent=1), encoding="utf-8")
            path.with_suffix(".tmp").replace(path)
        except OSError as error:
            raise cannot_write(error, path) from error
        return planned
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("the unfinished build is damaged", source=str(path), hint="--overwrite") from error
    _refuse_changes(before, now, str(stage.parent))
    return planned


def _refuse_changes(before: JsonObject, now: JsonObject, where: str) -> None:
    """Refuse to go on with other sources or options; the error names the first difference."""
    if before["stamps"] != now["stamps"]:
        paths = sorted({*before["stamps"], *now["stamps"]})
        changed = next(path for path in paths if before["stamps"].get(path) != now["stamps"].get(path))
        known = changed in before["stamps"], changed in now["stamps"]
        what = {(True, True): "has changed", (True, False): "is missing", (False, True): "is new"}[known]
        raise UsageError(
            f"the source {changed} {what} since the build began", source=where, hint="--overwrite begins anew"
        )
    flat = [
        {f"{key} {name}": value for key in ("read", "sentences") for name, value in side[key].items()}
        | {key: side[key] for key in ("logos", "tokenizer", "context_length", "units")}
        for side in (before, now)
    ]
    for name in sorted({*flat[0], *flat[1]}):
        if flat[0].get(name) != flat[1].get(name):
            shown = f" ({flat[0].get(name)!r}, now {flat[1].get(name)!r})" if name != "units" else ""
            raise UsageError(
                f"the build began with another {name.replace('_', ' ')}{shown}",
                source=where,
                hint="give the same options, or begin anew with --overwrite",
            )


# -- the end -------------------------------------------------------------------------------------------------


def _finish(
    directory: Path, work: Work, vocabulary: Vocabulary, weights: dict[str, float] | None, options: BuildOptions
) -> Report:
    ledger = Ledger(work.directory / "ledger.jsonl")
    parts = [work.part(unit, block) for unit in sorted(ledger.done) for block in range(ledger.done[unit]["n_parts"])]
    hashes: dict[str, str | None] = {}
    for row in ledger.done.values():
        hashes |= row["sha256"]
    total, files = (Counts(), {path: Counts() for unit in sorted(ledger.done) for path in ledger.done[unit]["sha256"]})
    with ExitStack() as stack:
        rejects = None
        if options.rejects:
            rejects = stack.enter_context(open_output(options.rejects, overwrite=True))
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
        "logos": __version__,
        "options": {**asdict(options.sentences), "read": asdict(options.read)},
        "records": total.to_dict(),
        "sources": [
            {"path": name, "sha256": hashes[name], "n_records": c.read, "n_used": c.used} for name, c in files.items()
        ],
    }
    stage = work.directory / "new"
    shutil.rmtree(stage, ignore_errors=True)
    manifest = write_shards(parts, stage, vocabulary, options.context_length, weights, facts)
    install(stage, directory)
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
