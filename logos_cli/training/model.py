"""The model to train: a new one, or a checkpoint with the sixteen tags added to its vocabulary."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from logos_cli.checkpoints.causal_model import read_causal_model
from logos_cli.checkpoints.locate import locate, weights_sha256
from logos_cli.errors import MissingError, ModelError, UsageError
from logos_cli.training.config import LoraConfig, ModelConfig, TrainConfig
from logos_cli.training.corpus.packing import dense_mask
from logos_cli.training.corpus.vocabulary import Vocabulary

_PROBE_PARTS: Final = [7, 3, 9]
"""Tokens of the sentences with which an architecture is tested."""
_PROBE_TOKENS: Final = sum(_PROBE_PARTS)
_NOISE: Final = 0.1
"""Distance of new embeddings from the mean, in standard deviations of the others."""


@dataclass(frozen=True, slots=True)
class Base:
    """A base model, found on disk.

    Attributes
    ----------
    name : str
        Name as the user wrote it.
    path : Path
    revision : str or None
        Its commit, if it is a model of the hub.
    sha256 : str
        Hash of its weights; None if they are too large for that.
    """

    name: str
    path: Path
    revision: str | None
    sha256: str | None


def find_base(config: ModelConfig, *, offline: bool = False) -> Base | None:
    """Find the base model, if the configuration names one.

    Raises
    ------
    UsageError, MissingError
        If there is no such model, or it cannot be fetched.
    ModelError
        If it has no weights in safetensors.
    """
    if config.base is None:
        return None
    location = locate(config.base, config.revision, offline=offline)
    files = sorted(location.path.glob("*.safetensors")) if location.path.is_dir() else []
    if not files or not (location.path / "config.json").is_file():
        raise ModelError(
            "no model that can be trained: it needs config.json and weights in safetensors",
            source=str(location.path),
            hint="pickles can run code and are never read, GGUF files cannot be trained; convert it to safetensors",
        )
    return Base(config.base, location.path, location.revision, weights_sha256(files))


def require_transformers() -> None:
    """Check that transformers is installed.

    Raises
    ------
    MissingError
        If it is missing; the hint has the command that installs it.
    """
    try:
        from transformers.utils import logging
    except ImportError as error:
        raise MissingError(
            "training needs transformers, which is not installed", hint="pip install 'logos-cli[train]'"
        ) from error
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def new_model(config: ModelConfig, vocabulary: Vocabulary, seed: int) -> Any:
    """Return a randomly initialised model; the same seed gives the same weights."""
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

    kinds = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen3": (Qwen3Config, Qwen3ForCausalLM)}
    make_config, make_model = kinds[config.architecture]
    shape = make_config(
        vocab_size=vocabulary.n_tokens,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.n_layers,
        num_attention_heads=config.n_heads,
        num_key_value_heads=config.n_kv_heads or config.n_heads,
        head_dim=config.head_dim or config.hidden_size // config.n_heads,
        max_position_embeddings=config.context_length,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=config.tie_embeddings,
        bos_token_id=vocabulary.bos_id,
        eos_token_id=vocabulary.eos_id,
        pad_token_id=vocabulary.pad_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make_model(shape)


def check_tokenizer(base: Base, vocabulary: Vocabulary) -> Vocabulary:
    """Return the tokenizer of a model, which must be that of the corpus.

    Raises
    ------
    ModelError
        If it is another.
    """
    own = Vocabulary.load(base.path)
    if own.sha256 != vocabulary.sha256:
        raise ModelError(
            f"the corpus was made with another tokenizer (sha256 {vocabulary.sha256[:12]}…, {vocabulary.n_tokens} "
            f"tokens) than {base.name} has ({own.sha256[:12]}…, {own.n_tokens} tokens)",
            source=str(base.path),
            hint=f"build the corpus for it: logos corpus build … --tokenizer {base.name}",
        )
    return own


def load_base(base: Base, vocabulary: Vocabulary, config: TrainConfig) -> Any:
    """Return the base model, with a row of its embeddings for every token of the vocabulary.

    Raises
    ------
    ModelError
        If its tokenizer is not that of the corpus, or it cannot be loaded.
    """
    own = check_tokenizer(base, vocabulary)
    # Frozen weights need no float32 copy; trained ones do, or small updates would be rounded away.
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.run.precision)
    dtype = half if config.lora is not None and half is not None else torch.float32
    try:
        model = read_causal_model(base.path, dtype)
        check_packing(model)
    except ModelError as error:
        raise error.at(str(base.path)) from error
    model.config.use_cache = False
    tags = [vocabulary.id_of(tag) for tag in own.added]
    add_tokens(model, vocabulary.n_tokens, tags, config.run.seed)
    model.config.pad_token_id = vocabulary.pad_id
    return model


@torch.no_grad()
def check_packing(model: Any) -> None:
    """Refuse a network that reads sentences in one row otherwise than each in a row of its own.

    It would learn from the neighbours of a sentence, or from positions that no sentence has.

    Raises
    ------
    ModelError
        With the architecture.
    """
    ids = torch.arange(_PROBE_TOKENS)[None] % model.config.get_text_config().vocab_size
    parts = ids.split(_PROBE_PARTS, dim=1)
    positions = torch.cat([torch.arange(n)[None] for n in _PROBE_PARTS], dim=1)
    documents = torch.repeat_interleave(torch.arange(len(parts)), torch.tensor(_PROBE_PARTS))[None]
    mask = dense_mask(documents, model.dtype)
    training = model.training
    model.eval()
    try:
        alone = torch.cat([model(input_ids=part, use_cache=False).logits for part in parts], dim=1).float()
        packed = model(input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False).logits.float()
        difference = float((packed - alone).abs().max() / alone.abs().max().clamp(min=1.0))
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
        difference = math.inf
    finally:
        model.train(training)
    if not difference <= (1e-3 if model.dtype is torch.float32 else 0.1):
        raise ModelError(
            f"the architecture {model.config.model_type!r} cannot be trained: it does not keep sentences of one row apart",
            hint="train from a Llama, Qwen, Mistral, Gemma or GPT-NeoX model",
        )


@torch.no_grad()
def add_tokens(model: Any, n_tokens: int, added: list[int], seed: int) -> None:
    """Make room for ``n_tokens`` tokens and initialise the embeddings of the added ones.

    A new row is the mean of the existing ones plus a tenth of their spread, drawn with their covariance, in the input
    embedding and, if it is another matrix, the output embedding. The mean bounds the probability of the new tokens
    before training. The noise lets the sixteen tags, which start alike, learn different things.
    """
    before = model.get_input_embeddings().weight.shape[0]
    if n_tokens > before:
        model.resize_token_embeddings(n_tokens, mean_resizing=False)
    if not added:
        return
    matrices = [model.get_input_embeddings().weight]
    head = model.get_output_embeddings()
    if head is not None and head.weight is not matrices[0]:
        matrices.append(head.weight)
    random = torch.Generator().manual_seed(seed)
    known = torch.ones(min(before, n_tokens), dtype=torch.bool)
    known[[token for token in added if token < len(known)]] = False
    for matrix in matrices:
        rows = matrix[: len(known)][known].float()
        mean = rows.mean(0)
        # (rows - mean)^T g / sqrt(n) with normal g has exactly the covariance of the rows
        draws = torch.randn(len(added), len(rows), generator=random)
        noise = draws @ (rows - mean) / len(rows) ** 0.5
        matrix[added] = (mean + _NOISE * noise).to(matrix.dtype)


def with_adapters(model: Any, config: LoraConfig, added: Iterable[int], seed: int) -> Any:
    """Return the model with low-rank adapters; only these and the added tokens are trained.

    Raises
    ------
    MissingError
        If peft is not installed.
    UsageError
        If no layer has one of the names.
    """
    try:
        from peft import LoraConfig as PeftConfig
        from peft import get_peft_model
    except ImportError as error:
        raise MissingError("LoRA needs peft, which is not installed", hint="pip install 'logos-cli[train]'") from error
    tokens = sorted(added)
    embeddings = ["embed_tokens"] if model.config.tie_word_embeddings else ["embed_tokens", "lm_head"]
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft uses the old names of transformers 5
        torch.manual_seed(seed)
        try:
            return get_peft_model(
                model,
                PeftConfig(
                    task_type="CAUSAL_LM",
                    r=config.rank,
                    lora_alpha=config.alpha,  # type: ignore[arg-type]  # any number will do
                    lora_dropout=config.dropout,
                    target_modules=list(config.targets),
                    trainable_token_indices=dict.fromkeys(embeddings, tokens) if tokens else None,
                ),
            )
        except ValueError as error:
            names = sorted(
                {name.rsplit(".", 1)[-1] for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)}
            )
            raise UsageError(
                f"the adapters do not fit the model: {error}", hint=f"its linear layers: {', '.join(names)}"
            ) from error


def build_model(config: TrainConfig, vocabulary: Vocabulary, base: Base | None) -> Any:
    """Return the model of a configuration, on the CPU.

    Raises
    ------
    ModelError, MissingError, UsageError
        If it cannot be made.
    """
    require_transformers()
    if base is None:
        if config.lora is not None:
            raise UsageError("adapters need a base model", hint="give --from, or remove the table [lora]")
        model = new_model(config.model, vocabulary, config.run.seed)
    else:
        model = load_base(base, vocabulary, config)
    if config.run.gradient_checkpointing:
        model.config.use_cache = False
        # renamed in transformers 5
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    if config.lora is None or base is None:
        return model
    if config.run.gradient_checkpointing:
        model.enable_input_require_grads()
    added = [vocabulary.id_of(tag) for tag in Vocabulary.load(base.path).added]
    return with_adapters(model, config.lora, added, config.run.seed)


def context_tokens(model: Any) -> int:
    """Return the longest sentence that is trained on as it is read: all positions, or those of a sliding window.

    Very many where the configuration states none.
    """
    config = model.config.get_text_config()
    limits = (getattr(config, name, None) for name in ("max_position_embeddings", "sliding_window"))
    return min((int(limit) for limit in limits if limit), default=1 << 30)


def carried(output: Any) -> dict[str, Any]:
    """Return the keys and values of an output for the model's next call, by the names of its arguments.

    The field of the output and the argument of the model have the same name, ``past_key_values`` before
    transformers 5.24 and ``cache`` since.
    """
    return {name: output[name] for name in output.keys() & {"cache", "past_key_values"}}


def count_parameters(model: torch.nn.Module) -> tuple[int, int]:
    """Return the number of parameters (shared ones once), and of trained parameters."""
    parameters = list(model.parameters())
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    return sum(parameter.numel() for parameter in parameters), trained
