"""How far a model in other precisions, or on another backend, is from the model itself."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from logos_cli.backends.base import Backend, LoadOptions, open_model
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
"""What is measured unless told otherwise."""

DTYPES = ("float32", "bfloat16")
_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "int8": 1.0, "nf4": 0.5625}
_LARGE = 2_000_000_000
_AT_A_TIME = 16

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ParityOptions:
    """What to compare.

    Attributes
    ----------
    load : LoadOptions
        The model (``logos-nano``, a checkpoint directory, or a name of the hub), and what computes it. Backend and
        precision are what is compared; of several devices the first compares, and all make samples.
    types : tuple of str
        GGUF types to make of it and to run by llama.cpp.
    files : tuple of Path
        GGUF files of the same model, made elsewhere.
    dtypes : tuple of str
        Precisions to run by PyTorch.
    reference : str
        The precision, by PyTorch, that all are compared with: ``auto`` is float32, or bfloat16 above two billion
        parameters.
    sentences : str, optional
        A file of sentences or records; None takes the built-in ones.
    n_samples : int
        Samples of ``task``, without a constraint, of which the valid ones are counted; 0 leaves this out.
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
        Of the weights.
    perplexity : float
        Over all tokens of the sentences but the first.
    top1 : float
        Share of the places where the likeliest token is the reference's.
    kl_nats : float
        Mean divergence of the distribution of the next token from the reference's, in nats.
    largest_logit_difference : float
        Of any logit at any place.
    n_valid : int, optional
        Samples that are valid, of ``n_samples``.
    fallbacks : mapping
        Of the matrices whose width the type cannot divide: how many are of which other type.
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
    """A comparison, JSON-ready; the rows are :class:`ParityRow` as objects, the reference first."""

    model: str
    reference: str
    sentences: str
    n_sentences: int
    n_tokens: int
    task: str
    rows: list[JsonObject]


@dataclass(frozen=True, slots=True)
class _Variant:
    """A model to load: what, by which backend, and how large it is."""

    row: ParityRow
    model: str
    dtype: str = "auto"


def parity(options: ParityOptions, tell: Tell = lambda _: None) -> ParityResult:
    """Compare each precision and backend with the reference.

    Sentences are read token by token, as in generation; all see the same ones, and samples have the same seeds.

    Parameters
    ----------
    tell : callable
        Is told what is being done.

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
        tell(f"torch {reference}, the reference")
        backend = _load(_Variant(first, model, reference), options)
        ids = [_ids(backend, text) for text in texts]
        wanted = _Reference(Path(folder) / "logits", ids, backend, options.load.batch_size or _AT_A_TIME)
        first.perplexity = perplexity(wanted.logps)
        del backend
        _sample(_Variant(first, model, reference), options)
        for variant in _variants(options, reference, size, Path(folder), tell):
            tell(f"{variant.row.backend} {variant.row.type}")
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
    """Refuse what cannot be, before anything is loaded."""
    known = (*WHOLE, *QUANTIZATIONS)
    for kind in options.types:
        if kind not in known:
            raise UsageError(f"there is no type {kind!r}", hint=f"best first: {', '.join(known)}")
    for dtype in (*options.dtypes, *(() if options.reference == "auto" else (options.reference,))):
        if dtype not in _BYTES:
            raise UsageError(f"there is no precision {dtype!r}", hint=f"one of {', '.join(_BYTES)}")
    for name, wanted in (("backend", "auto"), ("dtype", "auto"), ("base_url", None)):
        if getattr(options.load, name) != wanted:
            raise UsageError(
                f"precisions and backends are compared: there is no one {name.replace('_', '-')} to choose"
            )
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
    assert isinstance(backend, Backend)
    return backend


def _load_options(variant: _Variant, options: ParityOptions) -> LoadOptions:
    """Return how a variant is loaded; what only llama.cpp knows is left out for others."""
    load = replace(options.load, backend=variant.row.backend, model=variant.model, dtype=variant.dtype)
    if variant.model != options.load.model:
        load = replace(load, revision=None)
    if variant.row.backend != "llamacpp":
        load = replace(load, gpu_layers=None, kv_type=None, mmap=None)
    return load


def _variants(options: ParityOptions, reference: str, size: int, folder: Path, tell: Tell) -> Iterator[_Variant]:
    """Yield what is compared; a GGUF that is made for it is gone when the next one is asked for."""
    for dtype in options.dtypes:
        if dtype != reference:
            yield _Variant(ParityRow("torch", dtype, int(size * _BYTES[dtype])), options.load.model, dtype)
    where: Writing = {"revision": options.load.revision, "offline": options.load.offline}
    whole: Path | None = None
    for kind in options.types:
        tell(f"writing {kind}")
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
    """Count the valid ones among samples that no constraint holds."""
    if not options.n_samples:
        return
    chosen = GenerateOptions(
        n_samples=options.n_samples, constrain="off", seed=options.seed, load=_load_options(variant, options)
    )
    status = [record.status for record in generate(options.task, None, chosen)]
    variant.row.n_samples = len(status)
    variant.row.n_valid = status.count(Status.OK)


class _Reference:
    """Logits of the reference at every place, in a file: for a large vocabulary they would not fit memory."""

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
        """Fill in how far another is from it."""
        import numpy as np

        from logos_cli.engine.sampler import log_softmax

        if list(backend.tokenizer.vocabulary) != self._vocabulary:
            raise UsageError("its vocabulary is not that of the reference", source=row.type)
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


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    import numpy as np

    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    found: NDArray[np.float64] = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    return found


def _read(
    backend: Backend, ids: Sequence[Sequence[int]], at_a_time: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Yield places in the row of all predicted tokens, and the logits there, many sentences at a time."""
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
