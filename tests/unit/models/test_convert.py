"""Checkpoints to GGUF: what llama.cpp's own converter writes, and what the torch backend computes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from logos_cli.backends.base import Backend, LoadOptions, open_model
from logos_cli.checkpoints.gguf import header
from logos_cli.checkpoints.gguf.header import TYPES, GgufHeader, read_gguf
from logos_cli.checkpoints.gguf.write import FILE_TYPES, pre_tokenizer, write_gguf
from logos_cli.checkpoints.skills import GGUF_KEY as SKILLS_KEY
from logos_cli.checkpoints.task_sampling import GGUF_KEY
from logos_cli.errors import ExitCode, LogosError, MissingError, ModelError, OutputError, UsageError
from logos_cli.grammar import TAGS
from logos_cli.models import convert as conversion
from logos_cli.models.convert import QUANTIZATIONS, convert, fallbacks, quantize
from logos_cli.models.verify import verify
from logos_cli.processes.lock import locked
from logos_cli.resources import EMBEDDED, data_path
from tests.checkpoints import KINDS, released_tokenizer, require_llama_source, small_tokenizer, write_checkpoint

_NANO = data_path("tokenizers", EMBEDDED)
_TEXTS = (
    "<ProteinS>MKTAYIAKQRQISFVKSHFSRQ<ProteinE><MoleculeS>CC(=O)Oc1ccccc1<MoleculeE>",
    "<MoleculeS>[C@@H](N)(C)C(=O)->[Zn]%12/C\\C<MoleculeE><React>",
    "don't  stop: 12345, é 漢\n\n end",
)

# Loads llama.cpp's converter from the source in argv[1], and converts what each line of its input names: that takes
# seconds once. Its tokenizers' names are found by a hash of what they encode, which a vocabulary of our own has no
# entry for: the line names it then. It imports sentencepiece, which no model here needs, before it looks whether there
# is such a file.
_THEIRS = """
import json, sys, types
from importlib.machinery import ModuleSpec
source = sys.argv[1]
sys.path[:0] = [source, source + "/gguf-py"]
stub = types.ModuleType("sentencepiece")
stub.__spec__, stub.SentencePieceProcessor = ModuleSpec("sentencepiece", None), None
sys.modules["sentencepiece"] = stub
from conversion.base import TextModel
import convert_hf_to_gguf
by_hash, answers, sys.stdout = TextModel.get_vocab_base_pre, sys.stdout, sys.stderr
for line in sys.stdin:
    directory, output, kind, pre = json.loads(line)
    TextModel.get_vocab_base_pre = (lambda self, tokenizer: pre) if pre else by_hash
    sys.argv = ["convert", directory, "--outfile", output, "--outtype", kind]
    convert_hf_to_gguf.main()
    print("converted", file=answers, flush=True)
"""
Convert = Callable[..., GgufHeader]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Convert]:
    """Convert with llama.cpp's own converter, all in one process."""
    messages = tmp_path_factory.mktemp("theirs") / "messages.txt"
    command = [sys.executable, "-c", _THEIRS, str(require_llama_source())]
    with (
        messages.open("w") as stderr,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None

        def convert(directory: Path, output: Path, kind: str, pre: str = "") -> GgufHeader:
            print(json.dumps([str(directory), str(output), kind, pre]), file=process.stdin, flush=True)
            assert process.stdout.readline() == "converted\n", messages.read_text()[-3000:]
            return read_gguf(output)

        yield convert
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Checkpoints with small vocabularies, by kind."""
    folder = tmp_path_factory.mktemp("small")
    return lambda kind: (
        folder / kind if (folder / kind).exists() else write_checkpoint(folder / kind, kind, small_tokenizer(kind))
    )


def _load(path: Path, backend: str = "auto", **options: Any) -> Backend:
    found = open_model(LoadOptions(str(path), device="cpu", threads=1, **options, backend=backend)).load()
    assert isinstance(found, Backend)
    return found


def _raw(header: GgufHeader, name: str) -> bytes:
    entry = header.tensors[name]
    with header.path.open("rb") as stream:
        stream.seek(entry.offset)
        return stream.read(entry.n_bytes)


def _assert_same(ours: GgufHeader, theirs: GgufHeader) -> None:
    own = {key: value for key, value in ours.metadata.items() if key in (GGUF_KEY, SKILLS_KEY)}
    assert ours.metadata == theirs.metadata | own  # what theirs does not know
    assert list(ours.tensors) == list(theirs.tensors)
    for name, entry in theirs.tensors.items():
        assert (ours.tensors[name].type, ours.tensors[name].shape) == (entry.type, entry.shape)
        assert _raw(ours, name) == _raw(theirs, name), name


@pytest.mark.parametrize(
    "kind", ["q8_0", *(pytest.param(each, marks=pytest.mark.slow) for each in FILE_TYPES if each != "q8_0")]
)
def test_nano_is_what_llama_cpp_converts_it_to(kind: str, theirs: Convert, tmp_path: Path) -> None:
    wanted = theirs(_NANO, tmp_path / "theirs.gguf", kind, "default")
    ours = convert(str(_NANO), tmp_path / "ours.gguf", kind)
    _assert_same(ours, wanted)
    assert GGUF_KEY in ours.metadata


@pytest.mark.parametrize("kind", KINDS)
def test_small_checkpoints_are_what_llama_cpp_converts_them_to(
    kind: str, small: Callable[[str], Path], theirs: Convert, tmp_path: Path
) -> None:
    pre = {"llama": "llama-bpe", "qwen3": "qwen2"}[kind]
    wanted = theirs(small(kind), tmp_path / "theirs.gguf", "q8_0", pre)
    assert wanted.metadata["tokenizer.ggml.pre"] == pre
    _assert_same(convert(str(small(kind)), tmp_path / "ours.gguf", "q8_0"), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_released_vocabularies_are_converted_named_and_read_alike(kind: str, theirs: Convert, tmp_path: Path) -> None:
    """The real Llama-3 and Qwen tokenizers with the tags: file, ids, logits and a constrained answer."""
    directory = write_checkpoint(tmp_path / kind, kind, released_tokenizer(kind), dtype="bfloat16")
    wanted = theirs(directory, tmp_path / "theirs.gguf", "bf16")  # their hash names the tokenizer
    file = tmp_path / "ours.gguf"
    _assert_same(convert(str(directory), file), wanted)
    wanted.path.unlink()
    torch, llama = _load(directory, "torch"), _load(file)
    assert len(torch.tokenizer.vocabulary) == len(llama.tokenizer.vocabulary) > 128_000
    assert list(torch.tokenizer.vocabulary) == list(llama.tokenizer.vocabulary)
    _assert_same_ids(torch, llama)
    for backend in (torch, llama):
        _assert_answers(backend)


def _assert_same_ids(one: Backend, other: Backend) -> None:
    assert one.tokenizer.tag_ids == other.tokenizer.tag_ids
    assert one.tokenizer.special_ids == other.tokenizer.special_ids
    for text in _TEXTS:
        for whole in (True, False):
            ids = one.tokenizer.encode(text, whole=whole)
            assert other.tokenizer.encode(text, whole=whole) == ids
        assert other.tokenizer.decode(ids) == one.tokenizer.decode(ids) == text


def _assert_answers(backend: Backend) -> None:
    """A random model under a constraint speaks the grammar, whatever its tokens span."""
    from logos_cli.engine.sampler import Sampling
    from logos_cli.engine.scheduler import Engine, Request

    grammar = 'start: "MKV" /[A-Z]{3,9}/ <ProteinE>'
    prompt = tuple(backend.tokenizer.encode("<ProteinS>"))
    sampling = Sampling(max_new_tokens=40, temperature=1.0)
    engine = Engine(backend, sampling, batch_size=3, seed=1)
    requests = [Request(f"r{i}", prompt, grammar=grammar) for i in range(3)]
    for completion in engine.run(requests):
        text = backend.tokenizer.decode(completion.tokens)
        assert text.startswith("MKV")
        assert text.endswith("<ProteinE>")
        assert all(logp <= 0 for logp in completion.logps)


@pytest.mark.parametrize("kind", ["qwen3", EMBEDDED, pytest.param("llama", marks=pytest.mark.slow)])
def test_logits_are_those_of_the_torch_backend(kind: str, small: Callable[[str], Path], tmp_path: Path) -> None:
    directory = _NANO if kind == EMBEDDED else small(kind)
    file = tmp_path / "model.gguf"
    convert(str(directory), file, "f32")
    torch, llama = _load(directory, "torch"), _load(file)
    _assert_same_ids(torch, llama)
    ids = torch.tokenizer.encode(_TEXTS[0] * 6)
    assert len(ids) > 100
    for backend in (torch, llama):
        backend.reserve(2)
    n = torch.prefill(0, ids[:60]).shape[0]
    assert llama.prefill(0, ids[:60]).shape == (n,)
    for token in ids[60:100]:
        wanted, found = torch.step([0], [token]), llama.step([0], [token])
        assert np.abs(wanted - found).max() < 1e-3
        assert np.abs(wanted).max() > 0.1


def test_a_bias_is_converted_with_its_weights(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    directory = write_checkpoint(tmp_path / "llama", "llama", small_tokenizer("llama"), attention_bias=True)
    tensors = load_file(directory / "model.safetensors")
    generator = torch.Generator().manual_seed(1)
    for name in [name for name in tensors if "self_attn" in name]:
        size = tensors[name].shape[0]
        tensors[name.replace("weight", "bias")] = torch.randn(size, generator=generator)
    save_file(tensors, directory / "model.safetensors")
    convert(str(directory), tmp_path / "biased.gguf")
    torch_backend, llama = _load(directory, "torch"), _load(tmp_path / "biased.gguf")
    ids = llama.tokenizer.encode(_TEXTS[0])
    for backend in (torch_backend, llama):
        backend.reserve(1)
    assert llama.prefill(0, ids) == pytest.approx(torch_backend.prefill(0, ids), abs=1e-3)


def test_precision_is_kept_unless_told_otherwise(small: Callable[[str], Path], tmp_path: Path) -> None:
    half = write_checkpoint(tmp_path / "half", "qwen3", small_tokenizer("qwen3"), dtype="bfloat16")
    assert convert(str(half), tmp_path / "half.gguf").precision == "bf16"
    assert convert(str(small("qwen3")), tmp_path / "single.gguf").precision == "f32"


def test_one_process_writes_a_model(tmp_path: Path) -> None:
    output = tmp_path / "m.gguf"
    with locked(output, "writing"), pytest.raises(UsageError, match=r"another process .* is writing here"):
        convert(EMBEDDED, output)
    assert [each.name for each in tmp_path.iterdir()] in ([], ["m.gguf.lock"])


def test_a_width_without_whole_blocks_is_f16_in_a_q8_0_file(tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "odd", "qwen3", small_tokenizer("qwen3"), intermediate_size=100)
    found = convert(str(directory), tmp_path / "odd.gguf", "q8_0")
    assert found.tensors["blk.0.ffn_down.weight"].type == "f16"
    assert found.tensors["blk.0.ffn_up.weight"].type == "q8_0"


# -- what cannot be converted --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "gpt2"}, "architecture 'gpt2' cannot be converted"),
        ({"hidden_act": "gelu"}, "activation"),
        ({"use_sliding_window": True}, "sliding-window"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rotary embedding 'yarn'"),
        ({"vocab_size": 100}, r"config.json asks for \(100, 64\)"),
        ({"num_hidden_layers": None}, "num_hidden_layers as None"),
        ({"hidden_size": "64"}, "hidden_size as '64'"),
        ({"rms_norm_eps": None}, "rms_norm_eps"),
    ],
)
def test_configurations_that_llama_cpp_would_misread_are_refused(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    directory = write_checkpoint(tmp_path / "model", "llama", small_tokenizer("llama"))
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ModelError, match=said) as caught:
        convert(str(directory), tmp_path / "out.gguf")
    assert caught.value.source == str(directory)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_tokenizers_that_llama_cpp_would_misread_are_refused(tmp_path: Path) -> None:
    tokenizer = small_tokenizer("llama")
    tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\s+"
    directory = write_checkpoint(tmp_path / "model", "llama", tokenizer)
    with pytest.raises(ModelError, match=r"in a way that llama\.cpp does not support"):
        convert(str(directory), tmp_path / "out.gguf")


def test_a_tokenizer_without_tags_is_refused(tmp_path: Path) -> None:
    tokenizer = small_tokenizer("qwen3")
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["content"] not in TAGS]
    directory = write_checkpoint(tmp_path / "model", "qwen3", tokenizer)
    with pytest.raises(ModelError, match="lacks 16 of the 16 tags"):
        convert(str(directory), tmp_path / "out.gguf")
    write_gguf(directory, tmp_path / "bare.gguf")  # such a file, made by others, is refused as well
    with pytest.raises(ModelError, match="lacks 16 of the 16 tags") as caught:
        open_model(LoadOptions(str(tmp_path / "bare.gguf")))
    assert caught.value.source == str(tmp_path / "bare.gguf")


def test_merges_that_matter_need_a_known_way_to_cut() -> None:
    level = {"type": "ByteLevel", "use_regex": False}
    bare = {"pre_tokenizer": level, "model": {"merges": [["À", "À"]]}}
    assert pre_tokenizer(bare) == "default"
    with pytest.raises(ModelError, match="does not support"):
        pre_tokenizer({"pre_tokenizer": level, "model": {"merges": [["C", "C"]]}})


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "there.gguf").write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists"):
        convert(EMBEDDED, tmp_path / "there.gguf")
    assert (tmp_path / "there.gguf").read_bytes() == b"mine"
    convert(EMBEDDED, tmp_path / "there.gguf", overwrite=True)
    with pytest.raises(UsageError, match=r"'x\.bin' has not the extension"):
        convert(EMBEDDED, tmp_path / "x.bin")
    with pytest.raises(OutputError, match="does not exist"):
        convert(EMBEDDED, tmp_path / "nowhere" / "x.gguf")
    with pytest.raises(UsageError, match="no file type 'q4_k_m'") as caught:
        convert(EMBEDDED, tmp_path / "x.gguf", "q4_k_m")
    assert "logos models quantize" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="not a checkpoint directory") as caught:
        convert(str(tmp_path / "there.gguf"), tmp_path / "x.gguf")
    assert "quantize" in (caught.value.hint or "")


def test_without_the_library_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingError) as caught:
        convert(EMBEDDED, tmp_path / "x.gguf")
    assert caught.value.exit_code is ExitCode.MISSING
    assert caught.value.hint == "pip install 'gguf>=0.18'"


# -- quantization --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF whose matrices are 256 or 512 wide, which every type can divide."""
    folder = tmp_path_factory.mktemp("wide")
    directory = write_checkpoint(folder / "wide", "llama", small_tokenizer("llama"), hidden_size=256, head_dim=64)
    convert(str(directory), folder / "wide.gguf", "bf16")
    return folder / "wide.gguf"


@pytest.mark.parametrize(
    "kind",
    [
        each if each in ("q8_0", "q4_k_m", "q4_0") else pytest.param(each, marks=pytest.mark.slow)
        for each in QUANTIZATIONS
    ],
)
def test_every_quantization_stays_as_near_as_its_bits_allow(kind: str, wide: Path, tmp_path: Path) -> None:
    found = quantize(str(wide), tmp_path / f"{kind}.gguf", kind, threads=1)
    assert found.size < read_gguf(wide).size
    assert found.metadata["tokenizer.ggml.tokens"] == read_gguf(wide).metadata["tokenizer.ggml.tokens"]
    verification = verify(str(found.path), str(wide.with_suffix("")))
    assert verification.sound, [each for each in verification.tensors if each.problem]
    assert verification.largest_error > 1e-4
    backend = _load(found.path)
    backend.reserve(1)
    assert np.isfinite(backend.prefill(0, backend.tokenizer.encode(_TEXTS[0]))).all()


def test_a_checkpoint_is_quantized_at_once(tmp_path: Path) -> None:
    found = quantize(EMBEDDED, tmp_path / "nano.gguf", "q8_0", threads=1)
    assert found.precision == "q8_0"
    assert [path.name for path in tmp_path.iterdir()] == ["nano.gguf"]
    assert verify(str(found.path), EMBEDDED).sound


def test_widths_that_a_type_cannot_divide_are_refused_with_the_types_that_can(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"blocks of 256 numbers, .*\(704\)") as caught:
        quantize(EMBEDDED, tmp_path / "nano.gguf", "q4_k_m")
    assert "q8_0" in (caught.value.hint or "")
    assert list(tmp_path.iterdir()) == []


def test_a_type_that_fits_is_chosen(wide: Path, tmp_path: Path) -> None:
    assert "q8_0" in {entry.type for entry in quantize(EMBEDDED, tmp_path / "nano.gguf", "auto").tensors.values()}
    assert "q4_k" in {entry.type for entry in quantize(str(wide), tmp_path / "wide.gguf", "auto").tensors.values()}


def test_what_is_quantized_is_not_quantized_again(wide: Path, tmp_path: Path) -> None:
    quantize(str(wide), tmp_path / "a.gguf", "q8_0", threads=1)
    with pytest.raises(ModelError, match="quantized already"):
        quantize(str(tmp_path / "a.gguf"), tmp_path / "b.gguf", "q4_0")
    with pytest.raises(UsageError, match="no quantization 'q9'"):
        quantize(str(wide), tmp_path / "b.gguf", "q9")


def test_a_full_disk_is_known_before(wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(OutputError, match="are free"):
        quantize(str(wide), tmp_path / "a.gguf", "q8_0")


def test_names_numbers_and_blocks_are_those_of_the_library() -> None:
    known = {int(kind): (kind.name.lower(), *sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    assert {kind: known[kind] for kind in TYPES} == dict(TYPES)
    files = {kind.name.lower().removeprefix("mostly_"): int(kind) for kind in gguf.LlamaFileType}
    assert {kind: files[kind] for kind in QUANTIZATIONS} == QUANTIZATIONS


# -- verification --------------------------------------------------------------------------------------------


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    found = convert(EMBEDDED, tmp_path / "nano.gguf")
    entry = found.tensors["blk.2.ffn_up.weight"]
    data = bytearray(found.path.read_bytes())
    data[entry.offset + 7] ^= 0x10
    found.path.write_bytes(data)
    assert verify(str(found.path)).sound  # a sound file, but not this model's
    verification = verify(str(found.path), EMBEDDED)
    assert not verification.sound
    assert [each.name for each in verification.tensors if each.problem] == ["blk.2.ffn_up.weight"]


def test_numbers_that_are_not_finite_are_found(tmp_path: Path) -> None:
    found = convert(EMBEDDED, tmp_path / "nano.gguf")
    data = bytearray(found.path.read_bytes())
    offset = found.tensors["blk.0.attn_q.weight"].offset
    data[offset : offset + 4] = np.float32(np.nan).tobytes()
    found.path.write_bytes(data)
    verification = verify(str(found.path))
    assert [each.name for each in verification.tensors if each.problem] == ["blk.0.attn_q.weight"]


def test_another_vocabulary_is_found(small: Callable[[str], Path], tmp_path: Path) -> None:
    tokenizer = small_tokenizer("llama")
    tokenizer["added_tokens"][3]["content"], tokenizer["added_tokens"][4]["content"] = TAGS[1], TAGS[0]
    other = write_checkpoint(tmp_path / "other", "llama", tokenizer)
    convert(str(small("llama")), tmp_path / "a.gguf")
    verification = verify(str(tmp_path / "a.gguf"), str(other))
    assert verification.problems == ["the vocabulary is not that of the checkpoint"]


def test_a_directory_is_verified_too(small: Callable[[str], Path], tmp_path: Path) -> None:
    assert verify(EMBEDDED).sound
    same = verify(str(small("qwen3")), str(small("qwen3")))
    assert same.sound
    assert same.largest_error == 0
    other = write_checkpoint(tmp_path / "other", "qwen3", small_tokenizer("qwen3"), num_hidden_layers=1)
    found = verify(str(small("qwen3")), str(other))
    assert not found.sound
    assert any("the other model has no tensor model.layers.1" in problem for problem in found.problems)


def test_every_error_is_one_of_ours(tmp_path: Path) -> None:
    for content in (b"", b"GGUF", b"not a model at all, but long enough to be one", b"GGUF" + bytes(40)):
        (tmp_path / "x.gguf").write_bytes(content)
        with pytest.raises(LogosError) as caught:
            verify(str(tmp_path / "x.gguf"))
        assert caught.value.source == str(tmp_path / "x.gguf")
    assert header.SUFFIX == ".gguf"


def test_widths_that_a_type_cannot_divide_fall_back_on_request(tmp_path: Path) -> None:
    found = quantize(EMBEDDED, tmp_path / "nano.gguf", "q4_k_m", threads=1, fallback=True)
    # the widths are 256, and 704 of what leads back from the feed-forward part: six layers
    assert sum(fallbacks(found, "q4_k_m").values()) == 6
    assert set(fallbacks(found, "q4_k_m")) == {"q5_0", "q8_0"}
    assert fallbacks(found, "q4_0") == {}
    assert verify(str(found.path), EMBEDDED).sound
