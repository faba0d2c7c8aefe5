"""Options of every command that loads a model: the model, and what computes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import EllipsisType
from typing import Literal

from logos_cli.backends.options import LoadOptions
from logos_cli.cli.option_specs import argument, block, option
from logos_cli.cli.options.common import complete_model, one_of
from logos_cli.resources import EMBEDDED

_PANEL = "Model"


def model_argument(
    default: str | EllipsisType,
    help: str = "logos-nano, a checkpoint directory, a GGUF file, or owner/name of the hub.",
) -> str:
    """Return the argument for a model."""
    return argument(default, metavar="MODEL", help=help)


def revision_option(panel: str | None = None) -> str | None:
    """Return the option for a model's version."""
    return option(None, "--revision", metavar="REV", panel=panel, help="Branch, tag or commit on the hub.")


def offline_option(panel: str | None = None) -> bool:
    """Return the option that forbids connections."""
    return option(False, "--offline", envvar="LOGOS_OFFLINE", panel=panel, help="Never use the network.")


@dataclass(frozen=True, kw_only=True)
class LoadArguments:
    """The fields of :class:`~logos_cli.backends.options.LoadOptions`; a test compares them."""

    model: str = option(
        EMBEDDED,
        metavar="NAME|DIR",
        envvar="LOGOS_MODEL",
        panel=_PANEL,
        autocompletion=complete_model,
        help="The embedded model, a directory, or owner/name of the Hugging Face hub.",
    )
    revision: str | None = revision_option(_PANEL)
    backend: str = option(
        "auto",
        metavar="auto|torch|onnxruntime|transformers|llamacpp|remote",
        envvar="LOGOS_BACKEND",
        panel=_PANEL,
        autocompletion=one_of("auto", "torch", "onnxruntime", "transformers", "llamacpp", "remote"),
        help="Library that runs the model.",
    )
    device: str = option(
        "auto",
        metavar="auto|cpu|cuda[:N]|mps",
        envvar="LOGOS_DEVICE",
        panel=_PANEL,
        autocompletion=one_of("auto", "cpu", "cuda", "mps"),
        help="auto takes a GPU if there is one.",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int8", "nf4"] = option(
        "auto",
        panel=_PANEL,
        help="auto: the checkpoint's; on a CPU float32 where it cannot multiply weights of that type. int8 and nf4 keep "
        "the weights of the layers in 8 and 4 bits (torch; nf4 needs the extra bnb).",
    )
    devices: str | None = option(
        None,
        metavar="0,1|cpu,cpu",
        envvar="LOGOS_DEVICES",
        panel=_PANEL,
        show_default=False,
        help="Several devices that share the work, each with a process and a model of its own.",
    )
    gpu_layers: int | None = option(
        None,
        metavar="N",
        panel=_PANEL,
        show_default="all, where there is a GPU",
        help="llama.cpp: layers that a GPU computes; 0 is none.",
    )
    kv_type: str | None = option(
        None,
        metavar="f32|f16|q8_0",
        panel=_PANEL,
        show_default="f16 or the model's",
        autocompletion=one_of("f32", "f16", "q8_0"),
        help="llama.cpp: type of cached keys and values.",
    )
    mmap: bool | None = option(
        None,
        "--mmap/--no-mmap",
        panel=_PANEL,
        show_default="mapped",
        help="llama.cpp: map the file into memory, or read it.",
    )
    base_url: str | None = option(
        None,
        metavar="URL[,URL]",
        envvar="LOGOS_BASE_URL",
        panel=_PANEL,
        show_default=False,
        help="A server of OpenAI's completions (vLLM, SGLang, llama-server) that runs the model, or several that share the "
        "work; their key comes from LOGOS_API_KEY.",
    )
    threads: int | None = option(
        None, min=1, metavar="N", envvar="LOGOS_THREADS", panel=_PANEL, show_default="measured", help="CPU threads."
    )
    batch_size: int | None = option(
        None,
        "--batch-size",
        "-b",
        min=1,
        metavar="N",
        panel=_PANEL,
        show_default="64, on CUDA 256, or as many as fit",
        help="Largest number of sequences at a time; it does not change the results.",
    )
    offline: bool = offline_option(_PANEL)


def load_block(
    declared: type[LoadArguments] = LoadArguments, *, without: Iterable[str] = (), **defaults: object
) -> LoadOptions:
    """Return the block of options that load a model."""
    return block(declared, LoadOptions, without=without, panel=None, **defaults)
