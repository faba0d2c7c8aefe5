"""The llama.cpp backend: files that must not kill it, room that grows, threads, options, silence."""

from __future__ import annotations

import logging
import os
import random
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logos_cli import generate
from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.backends.llamacpp import library
from logos_cli.backends.llamacpp import plugin as llamacpp
from logos_cli.backends.llamacpp import threads as measured_threads
from logos_cli.backends.llamacpp.plugin import LlamaCppBackend
from logos_cli.backends.llamacpp.threads import Rows
from logos_cli.backends.threads import Threads
from logos_cli.checkpoints.gguf.header import GgufHeader, model_shape, read_gguf
from logos_cli.checkpoints.gguf.write import write_gguf
from logos_cli.errors import DeviceMemoryError, ExitCode, LogosError, MissingError, ModelError, UsageError
from logos_cli.grammar.spec import Kind
from logos_cli.processes import environment
from logos_cli.resources import EMBEDDED, data_path

_MOLECULE = f"{Kind.MOLECULE.start}CC(=O)Oc1ccccc1"


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model as a GGUF in 8 bits."""
    path = tmp_path_factory.mktemp("gguf") / "nano.gguf"
    write_gguf(data_path("tokenizers", EMBEDDED), path, "q8_0")
    return path


@pytest.fixture
def header(nano: Path) -> GgufHeader:
    return read_gguf(nano)


def _load(path: Path | str, **options: Any) -> LlamaCppBackend:
    chosen = {"device": "cpu", "threads": 1} | options
    backend = open_model(LoadOptions(str(path), **chosen, backend="llamacpp")).load()
    assert isinstance(backend, LlamaCppBackend)
    return backend


# -- damaged files -------------------------------------------------------------------------------------------


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _file(tensors: int, entries: int, *parts: bytes, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, entries) + b"".join(parts)


_ENTRY = _string("general.architecture") + struct.pack("<I", 8) + _string("llama")
_BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "too short"),
    "another file": (b"PK\x03\x04" + bytes(60), "does not begin"),
    "future version": (_file(0, 0, version=9), "version 9"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "huge counts": (_file(2**63, 2**63), "announces"),
    "a long string": (_file(0, 1, struct.pack("<Q", 2**62), b"abc"), "ends inside its header"),
    "a long array": (_file(0, 1, _string("a"), struct.pack("<IIQ", 9, 8, 2**40)), "longer than the file"),
    "arrays of arrays": (
        _file(0, 1, _string("a"), struct.pack("<IIQ", 9, 9, 1), struct.pack("<IQ", 9, 1), bytes(40)),
        "nests",
    ),
    "an unknown value": (_file(0, 1, _string("a"), struct.pack("<I", 77)), "unknown type 77"),
    "a key twice": (_file(0, 2, _ENTRY, _ENTRY), "twice"),
    "no metadata": (_file(0, 0), "architecture ''"),
    "architecture alone": (_file(0, 1, _ENTRY), "llama.embedding_length"),
    "a part of several": (_file(0, 1, _string("split.count"), struct.pack("<IH", 2, 3)), "one part of several"),
    "odd alignment": (_file(0, 1, _string("general.alignment"), struct.pack("<II", 4, 7)), "alignment of 7"),
    "too many dimensions": (_file(1, 0, _string("t"), struct.pack("<I", 9), bytes(80)), "9 dimensions"),
    "an unknown tensor type": (_file(1, 0, _string("t"), struct.pack("<IQIQ", 1, 4, 99, 0), bytes(64)), "unknown type"),
    "a tensor beyond the end": (
        _file(1, 0, _string("t"), struct.pack("<IQIQ", 1, 2**30, 0, 0), bytes(64)),
        "would end",
    ),
    "a shape that overflows": (
        _file(1, 0, _string("t"), struct.pack("<IQQQIQ", 3, 2**39, 2**39, 2**39, 0, 0), bytes(64)),
        "would end",
    ),
}


@pytest.mark.parametrize("name", _BROKEN)
def test_broken_files_are_refused_with_their_name_and_a_reason(name: str, tmp_path: Path) -> None:
    content, said = _BROKEN[name]
    file = tmp_path / "broken.gguf"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=said) as caught:
        open_model(LoadOptions(str(file)))
    assert caught.value.source == str(file)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.3, 0.999])
def test_a_truncated_file_is_refused(share: float, nano: Path, tmp_path: Path) -> None:
    data = nano.read_bytes()
    (tmp_path / "cut.gguf").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError):
        open_model(LoadOptions(str(tmp_path / "cut.gguf")))


@pytest.mark.parametrize(
    ("shift", "said"), [(1, "multiple of 32"), (1 << 30, "would end"), ((1 << 64) - 32, "has offset")]
)
def test_a_tensor_in_a_wrong_place_is_refused(
    shift: int, said: str, nano: Path, header: GgufHeader, tmp_path: Path
) -> None:
    name, entry = "blk.3.ffn_up.weight", header.tensors["blk.3.ffn_up.weight"]
    start = min(each.offset for each in header.tensors.values())
    described = _string(name) + struct.pack("<IQQ", 2, *entry.shape[::-1])
    known = described + struct.pack("<IQ", 8, entry.offset - start)
    wrong = described + struct.pack("<IQ", 8, (entry.offset - start + shift) % (1 << 64))
    file = _replaced(nano, tmp_path / "x.gguf", known, wrong)
    with pytest.raises(ModelError, match=said):
        open_model(LoadOptions(str(file)))
    file = _replaced(nano, tmp_path / "y.gguf", known, described + struct.pack("<IQ", 0, entry.offset - start))
    with pytest.raises(ModelError, match="has offset"):  # of another type, it would reach into its neighbour
        open_model(LoadOptions(str(file)))


def _replaced(nano: Path, target: Path, old: bytes, new: bytes) -> Path:
    data = nano.read_bytes()
    assert old in data
    assert len(old) == len(new)
    target.write_bytes(data.replace(old, new, 1))
    return target


@pytest.mark.parametrize(
    ("key", "code", "value", "said"),
    [
        ("llama.attention.head_count", "<I", 0, "head_count"),
        ("llama.attention.head_count", "<I", 3, "do not fit|asks for"),
        ("llama.block_count", "<I", 7, "lacks the tensor blk.6"),
        ("llama.block_count", "<I", 5, "is not part of a llama model"),
        ("llama.embedding_length", "<I", 96, "asks for"),
        ("llama.context_length", "<I", 0, "context_length"),
        ("llama.rope.dimension_count", "<I", 16, "part of the head"),
        ("llama.rope.freq_base", "<f", float("nan"), "freq_base"),
        ("llama.attention.layer_norm_rms_epsilon", "<f", -1.0, "epsilon"),
        ("tokenizer.ggml.bos_token_id", "<I", 5000, "bos_token_id as 5000"),
    ],
)
def test_metadata_that_would_end_the_process_are_refused(
    key: str, code: str, value: float, said: str, nano: Path, header: GgufHeader, tmp_path: Path
) -> None:
    kind = struct.pack("<I", 4 if code == "<I" else 6)
    before = _string(key) + kind + struct.pack(code, header.metadata[key])
    file = _replaced(nano, tmp_path / "x.gguf", before, _string(key) + kind + struct.pack(code, value))
    with pytest.raises(ModelError, match=said):
        open_model(LoadOptions(str(file)))


def test_a_damaged_vocabulary_is_refused(nano: Path, tmp_path: Path) -> None:
    for old, new, said in (
        (_string("A"), _string("B"), "twice"),
        (_string("A"), _string("\0"), "twice, or a token with a null"),
        (_string("gpt2"), _string("bert"), "not byte-level BPE"),
        (_string("À À"), _string("À   "), "not a pair"),
        (_string("tokenizer.ggml.merges"), _string("tokenizer.ggml.mergez"), "merges"),
        (_string("<Trans>"), _string("<Tranz>"), "lacks 1 of the 16 tags"),
    ):
        file = _replaced(nano, tmp_path / "x.gguf", old, new.ljust(len(old), b" "))
        with pytest.raises(ModelError, match=said):
            open_model(LoadOptions(str(file)))


_CHILD = """
import sys
from logos_cli.backends.base import LoadOptions, open_model
from logos_cli.errors import LogosError
for name in sys.argv[1:]:
    try:
        backend = open_model(LoadOptions(name, device="cpu", threads=1)).load()
        backend.reserve(2)
        backend.prefill(0, backend.tokenizer.encode("C"))
    except LogosError:
        pass
print("alive")
"""


def test_no_mutation_of_a_header_kills_the_process(
    nano: Path, header: GgufHeader, tmp_path: Path, checkout: Path
) -> None:
    """What passes the examination may still be nonsense to llama.cpp; it must then say so, not die."""
    rng = random.Random(5)
    data = nano.read_bytes()
    end = min(entry.offset for entry in header.tensors.values())
    files = []
    for number in range(18):
        mutated = bytearray(data)
        place = rng.randrange(end)
        if number % 3 == 0:
            mutated[place : place + 8] = rng.choice([0, 1, 2**31, 2**63, 2**64 - 1]).to_bytes(8, "little")
        elif number % 3 == 1:
            mutated[place] ^= 1 << rng.randrange(8)
        else:
            del mutated[place : place + rng.randint(1, 16)]
        files.append(tmp_path / f"{number}.gguf")
        files[-1].write_bytes(mutated)
    env = os.environ | {"PYTHONPATH": str(checkout), "GGML_NO_BACKTRACE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *map(str, files)], env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout == "alive\n", done.stderr[-2000:]
    assert done.stderr == ""


# -- sequences -----------------------------------------------------------------------------------------------


def test_room_grows_and_keeps_what_it_holds() -> None:
    backend = _load(EMBEDDED, dtype="float32")
    ids = (backend.tokenizer.encode(_MOLECULE) * 30)[:400]
    backend.reserve(2)
    backend.prefill(0, ids)  # room for 512 from the start
    wanted = [backend.step([0], [token])[0] for token in ids[:9]]
    backend.reserve(3)
    backend.prefill(0, ids[:250])
    backend.prefill(2, ids[:7])
    backend.copy(0, 1)  # its data are written by the next step only, which must first make room
    backend.free(0)
    for token in ids[250:400]:
        backend.step([1, 2], [token, token])
    found = [backend.step([1], [token])[0] for token in ids[:9]]
    assert np.abs(np.stack(found) - np.stack(wanted)).max() < 1e-3


def test_growing_changes_no_bit(nano: Path) -> None:
    def run(longer: int) -> np.ndarray:
        backend = _load(nano)
        ids = backend.tokenizer.encode(_MOLECULE)
        backend.reserve(2)
        if longer:  # makes room at once
            backend.prefill(1, ids * 40)
            backend.free(1)
        backend.prefill(0, ids)
        backend.copy(0, 1)
        return np.stack([backend.step([0, 1], [ids[i % 9], ids[i % 7]]) for i in range(300)])

    assert (run(0) == run(1)).all()


def test_a_sequence_can_fill_the_whole_context(tmp_path: Path) -> None:
    from tests.checkpoints import small_tokenizer, write_checkpoint

    directory = write_checkpoint(tmp_path / "m", "qwen3", small_tokenizer("qwen3"), max_position_embeddings=256)
    write_gguf(directory, tmp_path / "m.gguf")
    backend = _load(tmp_path / "m.gguf")
    assert backend.context_tokens == 256
    backend.reserve(2)
    backend.prefill(0, [5] * 250)
    for _ in range(6):
        assert np.isfinite(backend.step([0], [5])).all()
    with pytest.raises(UsageError, match="257 tokens does not fit the context of 256"):
        backend.prefill(1, [5] * 257)


def test_texts_do_not_depend_on_batch_or_threads(nano: Path) -> None:
    def texts(**options: Any) -> list[str]:
        records = generate("molecule", "CC", n_samples=7, model=str(nano), device="cpu", seed=3, **options)
        return [record.text for record in records]

    wanted = texts(batch_size=7, threads=1)
    assert len(set(wanted)) > 4
    assert texts(batch_size=3, threads=1) == wanted
    assert texts(batch_size=7, threads=2) == wanted


def test_more_sequences_than_llama_cpp_runs_are_refused(nano: Path) -> None:
    backend = _load(nano)
    assert backend.capabilities.max_slots == 256
    with pytest.raises(UsageError, match="at most 256"):
        backend.reserve(257)
    with pytest.raises(LogosError, match="reserve"):
        backend.step([0], [1])


def test_room_is_used_again(nano: Path) -> None:
    backend = _load(nano)
    ids = backend.tokenizer.encode(_MOLECULE)
    backend.reserve(3)
    room, fresh = backend._room, backend.prefill(1, ids)
    backend.prefill(0, ids[:3])
    backend.reserve(3)
    assert backend._room is room
    assert (backend.prefill(1, ids) == fresh).all()
    backend.reserve(4)
    assert backend._room is not room


def test_a_cache_larger_than_memory_is_refused_before_it_is_made(nano: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = _load(nano)
    monkeypatch.setattr(llamacpp, "_memory_bytes", lambda: 1e6)
    with pytest.raises(DeviceMemoryError, match="GiB for their cache") as caught:
        backend.reserve(64)
    assert caught.value.exit_code is ExitCode.OUT_OF_MEMORY


def test_memory_is_planned_before_weights_are_read(nano: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = open_model(LoadOptions(str(nano), device="cpu"))
    plan = checkpoint.plan(300, 500)
    assert plan is not None
    assert plan.batch_size == 255  # one slot of llama.cpp's 256 holds the prompt
    assert plan.cache_bytes_per_sequence == 2 * 6 * 256 * 2 * 512  # keys, values; layers; width; bytes; positions
    assert (plan.device, plan.dtype) == ("cpu", "q8_0")
    monkeypatch.setattr(llamacpp, "_available_bytes", lambda: 20_000_000)
    few = checkpoint.plan(300, 500)
    assert few is not None
    assert 1 <= few.batch_size < 10
    monkeypatch.setattr(llamacpp, "_available_bytes", lambda: 1_000_000)
    with pytest.raises(DeviceMemoryError, match="does not fit"):
        checkpoint.plan(300)


# -- options -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kv_type", ["f16", *(pytest.param(each, marks=pytest.mark.slow) for each in ("f32", "q8_0"))])
def test_cache_types_stay_near_each_other(kv_type: str, nano: Path) -> None:
    wanted, found = _load(nano, kv_type="f32"), _load(nano, kv_type=kv_type, mmap=False)
    ids = wanted.tokenizer.encode(_MOLECULE)
    logits = []
    for backend in (wanted, found):
        backend.reserve(1)
        backend.prefill(0, ids[:-1])
        logits.append(backend.step([0], ids[-1:])[0])
    assert np.abs(logits[0] - logits[1]).max() < (0.5 if kv_type == "q8_0" else 0.2)


def test_options_that_mean_nothing_here_are_refused(nano: Path) -> None:
    for options, said in (
        ({"kv_type": "q3"}, "no cache type"),
        ({"dtype": "float16"}, "has a fixed precision"),
        ({"gpu_layers": 9}, "contradicts --device cpu"),
        ({"device": "tpu"}, "no device 'tpu'"),
    ):
        with pytest.raises(UsageError, match=said):
            _load(nano, **options)
    with pytest.raises(UsageError, match="torch has no option --kv-type"):
        open_model(LoadOptions(kv_type="f16", backend="torch"))
    if "gpu" not in llamacpp.PLUGIN.probe().devices:
        with pytest.raises(UsageError, match="finds no GPU") as caught:
            _load(nano, device="cuda")
        assert "CMAKE_ARGS" in (caught.value.hint or "")


def test_layers_go_to_a_gpu_where_llama_cpp_sees_one(nano: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none here: what llama.cpp is asked for is looked at, and then done without."""
    asked: list[int] = []
    monkeypatch.setattr(llamacpp, "_devices", lambda: {"cpu": "", "gpu": ""})
    real = llamacpp.LlamaModel

    def model(path: Path, **options: Any) -> Any:
        asked.append(options.get("gpu_layers", 0))
        return real(path, **options)

    monkeypatch.setattr(llamacpp, "LlamaModel", model)
    every = llamacpp._ALL_LAYERS
    for device, layers, wanted in (
        ("auto", None, every),
        ("cuda", None, every),
        ("cuda:0", 3, 3),
        ("mps", -1, every),
        ("auto", 0, 0),
        ("cpu", None, 0),
    ):
        backend = _load(nano, device=device, gpu_layers=layers)
        assert asked[-1] == wanted
        assert backend.info.device == ("gpu" if wanted else "cpu")
        assert backend.capabilities.batch_invariant is (wanted == 0)
        assert backend._threads.number("step") == 1  # as asked for: nothing is tried beside a GPU


@pytest.mark.slow
def test_threads_are_added_as_long_as_they_help(nano: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(times: dict[int, float], cores: int) -> int:
        monkeypatch.setattr(measured_threads, "usable_cores", lambda: cores)
        monkeypatch.setattr(measured_threads, "step_s", lambda context, threads: times[threads])
        return _load(nano, threads=None).n_threads

    assert measured({}, 1) == 1
    assert measured({1: 1.0, 2: 100.0}, 2) == 1  # spinning against other load
    assert measured({1: 1.0, 2: 0.95}, 2) == 1
    assert measured({1: 1.0, 2: 0.6}, 2) == 2
    assert measured({1: 1.0, 2: 0.6, 4: 0.4, 6: 0.5}, 6) == 4


def test_a_batch_system_bounds_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert environment.usable_cores() == 1
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "many")
    assert environment.usable_cores() >= 1


def _worked(threads: Threads, times: Mapping[int, float], n_steps: int, kind: str = "step") -> list[int]:
    """Do so many steps, each as long as ``times`` says of the number of threads; return the numbers used."""
    used = []
    for _ in range(n_steps):
        used.append(threads.number(kind))
        threads.learn(kind, times[used[-1]])
    return used


def test_threads_are_found_anew_by_the_work_itself() -> None:
    threads = Threads(1, 8)
    used = _worked(threads, {1: 1.0, 2: 0.6, 4: 0.4, 8: 0.5}, 60)
    assert used[0] == 1
    assert used[-10:] == [4] * 10
    other = _worked(threads, {1: 1.0, 2: 1.5}, 60, "prompt")  # what serves one kind of work need not serve another
    assert other[-10:] == [1] * 10
    # other programs begin: one thread it is again, after the rest
    used = _worked(threads, {1: 1.0, 2: 20.0, 4: 50.0, 8: 100.0}, 400)
    assert used[-10:] == [1] * 10


def test_what_is_far_slower_is_tried_once_and_ever_less_often() -> None:
    threads = Threads(1, 2)
    used = _worked(threads, {1: 1.0, 2: 100.0}, 10_000)
    assert 3 <= used.count(2) <= 8
    assert _worked(Threads(4, None), dict.fromkeys(range(1, 9), 1.0), 300) == [4] * 300  # the user's choice


def _wide(tmp_path: Path, kind: str) -> Path:
    """A model that every type can divide, with a long context."""
    from logos_cli.models.convert import convert, quantize
    from tests.checkpoints import small_tokenizer, write_checkpoint

    directory = write_checkpoint(
        tmp_path / "m",
        "qwen3",
        small_tokenizer("qwen3"),
        hidden_size=256,
        head_dim=64,
        dtype="bfloat16",
        max_position_embeddings=2048,
    )
    if kind.startswith("q") and kind != "q8_0":
        return quantize(str(directory), tmp_path / "m.gguf", kind).path
    return convert(str(directory), tmp_path / "m.gguf", kind).path


_TYPES = ["f32", "f16", "bf16", "q8_0", "q6_k", "q4_k_m", "q4_0"]


@pytest.mark.parametrize(
    "kind", [each if each in ("f32", "q8_0") else pytest.param(each, marks=pytest.mark.slow) for each in _TYPES]
)
def test_threads_change_no_bit(kind: str, tmp_path: Path) -> None:
    """They may change from step to step, then."""
    file = _wide(tmp_path, kind)

    def run(threads: int) -> np.ndarray:
        backend = _load(file, threads=threads)
        backend.reserve(24)
        ids = (backend.tokenizer.encode(_MOLECULE) * 30)[:100]
        logits = [backend.prefill(slot, ids[slot:]) for slot in range(24)]
        logits += [backend.step(range(24), ids[:24]).ravel() for _ in range(4)]
        for slot in range(1, 24):
            backend.free(slot)
        logits.append(backend.prefill(0, (ids * 6)[:513]))  # one token more than is read at a time
        logits += [backend.step([0], [token])[0] for token in ids[:4]]
        return np.concatenate(logits)

    wanted = run(1)
    for threads in (2, 3) if kind == "q8_0" else (3,):
        assert (run(threads) == wanted).all()


@pytest.mark.parametrize(
    ("kind", "kv_type"),
    [
        *(("f16", "f16"), ("q8_0", "f16"), ("q4_k_m", "f32")),
        *(pytest.param(kind, "f16", marks=pytest.mark.slow) for kind in _TYPES if kind not in ("f16", "q8_0")),
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in (("f32", "f32"), ("q8_0", "q8_0"), ("f16", "q8_0"))),
    ],
)
def test_a_row_is_the_same_bits_beside_any_others(kind: str, kv_type: str, tmp_path: Path) -> None:
    """Of how many rows steps are is found at load; short and long sequences, few and many threads and rows."""
    file = _wide(tmp_path, kind)
    for threads in (1, 3):
        backend = _load(file, threads=threads, kv_type=kv_type)
        assert backend.capabilities.batch_invariant
        backend.reserve(40)
        ids = (backend.tokenizer.encode(_MOLECULE) * 70)[:600]
        for length in (9, 253, 510):
            for slot in range(40):
                backend.free(slot)
            backend.prefill(0, ids[:length])
            for slot in range(1, 40):
                backend.copy(0, slot)
            for token in ids[length : length + 4]:
                groups = ([0], [1, 2], range(3, 7), [7, 9, 11], range(12, 19), range(19, 40))
                rows = [backend.step(group, [token] * len(group)) for group in groups]
                assert (np.concatenate(rows) == rows[0]).all()


def test_rules_of_rows() -> None:
    assert [Rows(1).pad(n) for n in (1, 2, 7)] == [1, 2, 7]
    assert [Rows(8).pad(n) for n in (1, 8, 9)] == [8, 8, 9]
    assert [Rows(8, 4).pad(n) for n in (1, 8, 9, 12)] == [8, 8, 12, 12]


# -- checkpoint directories ----------------------------------------------------------------------------------


def test_a_checkpoint_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGOS_CACHE", str(tmp_path))
    first = _load(EMBEDDED)
    (file,) = (tmp_path / "gguf").iterdir()
    stamp = file.stat().st_mtime_ns
    second = _load(EMBEDDED)
    assert file.stat().st_mtime_ns == stamp
    assert first.info == second.info
    assert first.info.dtype == "float16"  # as the weights are
    torch = open_model(LoadOptions(device="cpu", threads=1, backend="torch")).load()
    assert first.info.sha256 == torch.info.sha256  # the model's weights, whatever the file
    assert _load(EMBEDDED, dtype="bfloat16").info.dtype == "bfloat16"
    assert len(list((tmp_path / "gguf").iterdir())) == 2


def test_without_a_cache_the_converted_file_is_gone_with_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LOGOS_CACHE", str(tmp_path / "file" / "cache"))
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    checkpoint = open_model(LoadOptions(device="cpu", threads=1, backend="llamacpp"))
    assert len(list(place.rglob("*.gguf"))) == 1
    backend = checkpoint.load()
    assert backend.info.backend == "llamacpp"
    checkpoint._source.holder.cleanup()  # type: ignore[attr-defined]
    assert not list(place.iterdir())


# -- the library ---------------------------------------------------------------------------------------------


def test_without_the_library_the_command_that_installs_it_is_named(nano: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library.library.cache_clear()
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    try:
        with pytest.raises(MissingError) as caught:
            open_model(LoadOptions(str(nano)))
        assert caught.value.hint == "pip install 'logos-cli[gguf]'"
        state = llamacpp.PLUGIN.probe()
        assert (state.available, state.remedy) == (False, "pip install 'logos-cli[gguf]'")
    finally:
        library.library.cache_clear()


def test_the_log_goes_to_a_logger_and_nowhere_else(
    nano: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "logos_cli.llamacpp"):
        _load(nano).reserve(2)
    assert capfd.readouterr() == ("", "")
    assert any("n_ctx" in record.message for record in caplog.records)


def test_an_error_names_what_llama_cpp_complained_of_first(caplog: pytest.LogCaptureFixture) -> None:
    sayings = library._LogCapture()
    with caplog.at_level(logging.DEBUG, "logos_cli.llamacpp"):
        sayings.take(3, b"load: a warning\n", None)
        sayings.take(4, b"load: the first ", None)
        sayings.take(5, b"error\n", None)  # goes on
        sayings.take(4, b"load: what follows\n", None)
        sayings.take(2, b"load: a fact\n", None)
        assert sayings.reason() == "the first error"
        assert sayings.reason() == "llama.cpp reports no reason"
        sayings.take(3, b"cut: a warning without end", None)
        assert sayings.reason() == "a warning without end"
        sayings.begin(known=True)
        sayings.take(2, b"load: a fact\n", None)
    levels = [(record.levelname, record.message) for record in caplog.records]
    assert levels[1] == ("ERROR", "load: the first error")
    assert levels[3] == ("INFO", "load: a fact")
    assert levels[-1] == ("DEBUG", "load: a fact")


_INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from logos_cli.backends.llamacpp import library
continue_loading, asked = library._continue_loading, []
def interrupted(share, data):
    asked.append(share)
    os.kill(os.getpid(), signal.SIGINT)  # in the midst of loading
    return continue_loading(share, data)
library._continue_loading = interrupted
try:
    library.LlamaModel(Path(sys.argv[1]))
except KeyboardInterrupt:
    print("interrupted", len(asked))
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


def test_an_interruption_ends_the_loading_of_a_model(nano: Path, checkout: Path) -> None:
    env = os.environ | {"PYTHONPATH": str(checkout)}
    command = [sys.executable, "-c", _INTERRUPTED, str(nano)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("interrupted 1\n", "")


def test_sizes_are_those_of_the_model(header: GgufHeader) -> None:
    shape = model_shape(header)
    assert (shape.n_layers, shape.hidden_size, shape.head_dim, shape.vocabulary_size) == (6, 256, 32, 276)
    assert shape.cache_bytes(10, 2.0) == 2 * 6 * 256 * 2 * 10
