"""Compare a model in other precisions, or on another backend, with the model itself."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from logos_cli.backends.base import Backend, LoadOptions, choose_backend, open_model
from logos_cli.checkpoints.gguf.header import is_gguf
from logos_cli.engine.likelihood import perplexity
from logos_cli.errors import UsageError
from logos_cli.io.json_types import JsonObject
from logos_cli.models.card import facts
from logos_cli.models.convert import QUANTIZATIONS, Writing, convert, fallbacks, quantize
from logos_cli.records import Status
from logos_cli.workflows.bench.parity_sentences import SENTENCES
from logos_cli.workflows.check import check
from logos_cli.workflows.generate.generation import generate
from logos_cli.workflows.generate.options import GenerateOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WHOLE = ("f32", "f16", "bf16")
TYPES = (*WHOLE, "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0")
"""The types that are measured by default."""

DTYPES = ("float32", "bfloat16")
_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "int8": 1.0, "nf4": 0.5625}
_LARGE = 2_000_000_000
_AT_A_TIME = 16

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ParityOptions:
    """The variants to compare.

    Attributes
    ----------
    load : LoadOptions
        The model (``logos-nano``, a checkpoint directory, or a name of the hub), and what computes it, without
        backend and precision. The first of several devices compares, and all of them sample.
    types : tuple of str
        GGUF types to convert the model to, and to run by llama.cpp.
    files : tuple of Path
        Further GGUF files of the same model.
    dtypes : tuple of str
        Precisions to run by PyTorch.
    reference : str
        The precision of the reference, by PyTorch: ``auto`` is float32, or bfloat16 above two billion parameters.
    sentences : str, optional
        A file of sentences or records; None takes the built-in ones.
    n_samples : int
        Samples of ``task`` without a constraint, to count the valid ones; 0 leaves this out.
    """

    load: LoadOptions = field(default_factory=LoadOptions)
    types: tuple[str, ...] = TYPES
    files: tuple[Path, ...] = ()
    dtypes: tuple[str, ...] = DTYPES
    reference: str = "auto"
    sentences: str | None = None
    task: str = "molecule"
    n_samples: int = 64
    seed: int = 0


@dataclass(slots=True)
class ParityRow:
    """One precision on one backend.

    Attributes
    ----------
    n_bytes : int
        Size of the weights in bytes.
    perplexity : float
        Perplexity over all tokens of the sentences but the first.
    top1 : float
        Share of the positions at which the likeliest token is the reference's.
    kl_nats : float
        Mean divergence of the distribution of the next token from the reference's, in nats.
    largest_logit_difference : float
        Largest difference of any logit at any position.
    n_valid : int, optional
        Valid samples among ``n_samples``.
    fallbacks : mapping
        Number of matrices by the other type that they have, as the type cannot divide their width.
    """

    backend: str
    type: str
    n_bytes: int
    perplexity: float = 0.0
    top1: float = 1.0
    kl_nats: float = 0.0
    largest_logit_difference: float = 0.0
    n_valid: int | None = None
    n_samples: int = 0
    fallbacks: dict[str, int] = field(default_factory=dict)


class ParityResult(TypedDict):
    """A comparison, JSON-ready; the rows are :class:`ParityRow` as JSON objects, the reference first."""

    model: str
    reference: str
    sentences: str
    n_sentences: int
    n_tokens: int
    task: str
    rows: list[JsonObject]


@dataclass(frozen=True, slots=True)
class _Variant:
    """A model to load, with the row for its figures."""

    row: ParityRow
    model: str
    dtype: str = "auto"


def parity(options: ParityOptions, progress: Progress = lambda _: None) -> ParityResult:
    """Compare each precision and backend with the reference.

    All read the same sentences, token by token as in generation, and their samples have the same seeds.

    Parameters
    ----------
    progress : callable
        Called with the name of each step.

    Raises
    ------
    LogosError
        If the model cannot be run or converted, or a sentence is not well formed or too long.
    """
    _check(options)
    model = options.load.model
    size = facts(model, options.load.revision, offline=options.load.offline).n_parameters
    reference = options.reference
    if reference == "auto":
        reference = "float32" if size <= _LARGE else "bfloat16"
    texts = _sentences(options)
    first = ParityRow("torch", reference, int(size * _BYTES[reference]))
    rows = [first]
    with tempfile.TemporaryDirectory(prefix="logos-parity-") as folder:
        progress(f"torch {reference}, the reference")
        backend = _load(_Variant(first, model, reference), options)
        ids = [_ids(backend, text) for text in texts]
        wanted = _Reference(Path(folder) / "logits", ids, backend, options.load.batch_size or _AT_A_TIME)
        first.perplexity = perplexity(wanted.logps)
        del backend
        _sample(_Variant(first, model, reference), options)
        for variant in _variants(options, reference, size, Path(folder), progress):
            progress(f"{variant.row.backend} {variant.row.type}")
            wanted.compare(_load(variant, options), variant.row)
            _sample(variant, options)
            rows.append(variant.row)
    return {
        "model": model,
        "reference": reference,
        "sentences": options.sentences or "built-in",
        "n_sentences": len(texts),
        "n_tokens": sum(map(len, ids)) - len(ids),
        "task": options.task,
        "rows": [asdict(row) for row in rows],
    }


def _check(options: ParityOptions) -> None:
    """Refuse invalid options before anything is loaded."""
    known = (*WHOLE, *QUANTIZATIONS)
    for kind in options.types:
        if kind not in known:
            raise UsageError(f"there is no type {kind!r}", hint=f"best first: {', '.join(known)}")
    for dtype in (*options.dtypes, *(() if options.reference == "auto" else (options.reference,))):
        if dtype not in _BYTES:
            raise UsageError(f"there is no precision {dtype!r}", hint=f"one of {', '.join(_BYTES)}")
    for name, wanted in (("backend", "auto"), ("dtype", "auto"), ("base_url", None)):
        if getattr(options.load, name) != wanted:
            option = name.replace("_", "-")
            raise UsageError(f"precisions and backends are compared, so there is no --{option} to choose")
    if is_gguf(Path(options.load.model).expanduser()):
        raise UsageError(
            "a GGUF has no reference to be compared with",
            source=options.load.model,
            hint="give the checkpoint that it was made from, and the GGUF with --file",
        )


def _sentences(options: ParityOptions) -> list[str]:
    if options.sentences is None:
        return list(SENTENCES)
    texts = []
    for finding in check([options.sentences]):
        if finding.error is not None:
            raise finding.error.at(finding.place)
        if finding.text is not None:
            texts.append(finding.text)
    return texts


def _ids(backend: Backend, text: str) -> list[int]:
    ids = backend.tokenizer.encode(text)
    if not 1 < len(ids) <= backend.context_tokens:
        raise UsageError(
            f"a sentence of {len(ids):,} tokens cannot be compared: the model reads 2 to {backend.context_tokens:,}",
            source=f"{text[:40]}…",
        )
    return ids


def _load(variant: _Variant, options: ParityOptions) -> Backend:
    backend = open_model(_load_options(variant, options)).load()
    if not isinstance(backend, Backend):
        raise UsageError("a served model cannot be compared")
    return backend


def _load_options(variant: _Variant, options: ParityOptions) -> LoadOptions:
    """Return the options that load a variant; those of llama.cpp are left out for other backends."""
    load = replace(options.load, backend=variant.row.backend, model=variant.model, dtype=variant.dtype)
    if variant.model != options.load.model:
        load = replace(load, revision=None)
    if variant.row.backend != "llamacpp":
        load = replace(load, gpu_layers=None, kv_type=None, mmap=None)
    return load


def _variants(
    options: ParityOptions, reference: str, size: int, folder: Path, progress: Progress
) -> Iterator[_Variant]:
    """Yield the variants; the GGUF file of one is deleted before the next."""
    for dtype in options.dtypes:
        if dtype != reference:
            backend = choose_backend(replace(options.load, dtype=dtype))[0].name
            yield _Variant(ParityRow(backend, dtype, int(size * _BYTES[dtype])), options.load.model, dtype)
    where: Writing = {"revision": options.load.revision, "offline": options.load.offline}
    whole: Path | None = None
    for kind in options.types:
        progress(f"writing {kind}")
        file = folder / f"{kind}.gguf"
        if kind in WHOLE:
            header = convert(options.load.model, file, kind, **where)
        else:
            if whole is None:
                whole = convert(options.load.model, folder / "whole.gguf", **where).path
            header = quantize(str(whole), file, kind, threads=options.load.threads, fallback=True)
        n_bytes = sum(entry.n_bytes for entry in header.tensors.values())
        row = ParityRow("llamacpp", kind, n_bytes, fallbacks=fallbacks(header, kind))
        yield _Variant(row, str(file))
        file.unlink()
    for file in options.files:
        found = facts(str(file))
        yield _Variant(ParityRow("llamacpp", file.name, found.weight_bytes), str(file))


def _sample(variant: _Variant, options: ParityOptions) -> None:
    """Count the valid samples of a variant, without a constraint."""
    if not options.n_samples:
        return
    chosen = GenerateOptions(
        n_samples=options.n_samples, constrain="off", seed=options.seed, load=_load_options(variant, options)
    )
    status = [record.status for record in generate(options.task, None, chosen)]
    variant.row.n_samples = len(status)
    variant.row.n_valid = status.count(Status.OK)


class _Reference:
    """Logits of the reference at every position, in a file: with a large vocabulary they would not fit memory."""

    def __init__(self, file: Path, ids: Sequence[Sequence[int]], backend: Backend, at_a_time: int) -> None:
        import numpy as np

        self._ids = ids
        self._n_tokens = len(backend.tokenizer.vocabulary)
        self._vocabulary = list(backend.tokenizer.vocabulary)
        n_places = sum(map(len, ids)) - len(ids)
        self._logits = np.memmap(file, np.float32, "w+", shape=(n_places, self._n_tokens))
        self._next = np.concatenate([np.asarray(one[1:]) for one in ids])
        self._at_a_time = at_a_time
        for places, logits in _read(backend, ids, at_a_time):
            self._logits[places] = logits[:, : self._n_tokens]

    @property
    def logps(self) -> NDArray[np.float64]:
        """Log-probabilities of the sentences' tokens."""
        import numpy as np

        from logos_cli.engine.sampler import log_softmax

        found = [log_softmax(np.asarray(self._logits[place][None]))[0, token] for place, token in enumerate(self._next)]
        return np.array(found)

    def compare(self, backend: Backend, row: ParityRow) -> None:
        """Fill in the differences of another model from the reference."""
        import numpy as np

        from logos_cli.engine.sampler import log_softmax

        if list(backend.tokenizer.vocabulary) != self._vocabulary:
            raise UsageError("its vocabulary differs from that of the reference", source=row.type)
        logps, divergences, n_same, largest = np.empty(len(self._next)), [], 0, 0.0
        for places, raw in _read(backend, self._ids, self._at_a_time):
            theirs, ours = raw[:, : self._n_tokens], np.asarray(self._logits[places])
            largest = max(largest, float(np.abs(theirs - ours).max()))
            n_same += int((theirs.argmax(axis=1) == ours.argmax(axis=1)).sum())
            their_logps, our_logps = log_softmax(theirs), log_softmax(ours)
            divergences.append((np.exp(our_logps) * (our_logps - their_logps)).sum(axis=1))
            logps[places] = their_logps[np.arange(len(places)), self._next[places]]
        row.perplexity = perplexity(logps)
        row.top1 = n_same / len(self._next)
        row.kl_nats = float(np.concatenate(divergences).mean())
        row.largest_logit_difference = largest


def _read(
    backend: Backend, ids: Sequence[Sequence[int]], at_a_time: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Yield positions in the row of all predicted tokens with their logits, many sentences at a time."""
    import numpy as np

    first = np.cumsum([0, *(len(one) - 1 for one in ids)])
    longest_first = sorted(range(len(ids)), key=lambda number: -len(ids[number]))
    for start in range(0, len(ids), at_a_time):
        group = longest_first[start : start + at_a_time]
        backend.reserve(len(group))
        logits = np.stack([backend.prefill(slot, ids[number][:1]) for slot, number in enumerate(group)])
        yield first[group], logits
        for place in range(1, len(ids[group[0]]) - 1):
            alive = [number for number in group if len(ids[number]) > place + 1]
            logits = backend.step(range(len(alive)), [ids[number][place] for number in alive])
            yield first[alive] + place, logits
