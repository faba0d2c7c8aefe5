"""Options of every command that loads a model: which one, and what computes it."""

from __future__ import annotations

from typing import Literal

from logos_cli.cli.option_specs import option_spec
from logos_cli.cli.options.common import one_of
from logos_cli.resources import EMBEDDED

_MODEL = "Model"


COMPUTATION = (
    option_spec(
        "model",
        str,
        EMBEDDED,
        metavar="NAME|DIR",
        envvar="LOGOS_MODEL",
        rich_help_panel=_MODEL,
        help="The embedded model, a directory, or owner/name of the Hugging Face hub.",
    ),
    option_spec(
        "revision", str | None, None, metavar="REV", rich_help_panel=_MODEL, help="Branch, tag or commit on the hub."
    ),
    option_spec(
        "backend",
        str,
        "auto",
        metavar="auto|torch|llamacpp|remote",
        envvar="LOGOS_BACKEND",
        rich_help_panel=_MODEL,
        autocompletion=one_of("auto", "torch", "llamacpp", "remote"),
        help="What runs the model.",
    ),
    option_spec(
        "device",
        str,
        "auto",
        metavar="auto|cpu|cuda[:N]|mps",
        envvar="LOGOS_DEVICE",
        rich_help_panel=_MODEL,
        autocompletion=one_of("auto", "cpu", "cuda", "mps"),
        help="auto takes a GPU if there is one.",
    ),
    option_spec(
        "dtype",
        Literal["auto", "float32", "bfloat16", "float16", "int8", "nf4"],
        "auto",
        rich_help_panel=_MODEL,
        help="auto: the checkpoint's; float32 on a CPU without bfloat16 instructions. int8 and nf4 keep the "
        "weights of the layers in 8 and 4 bits (torch; nf4 needs the extra bnb).",
    ),
    option_spec(
        "devices",
        str | None,
        None,
        metavar="0,1|cpu,cpu",
        envvar="LOGOS_DEVICES",
        rich_help_panel=_MODEL,
        show_default=False,
        help="Several devices that share the samples, each with a process and a model of its own.",
    ),
    option_spec(
        "gpu_layers",
        int | None,
        None,
        metavar="N",
        rich_help_panel=_MODEL,
        show_default="all, where there is a GPU",
        help="llama.cpp: layers that a GPU computes; 0 is none.",
    ),
    option_spec(
        "kv_type",
        str | None,
        None,
        metavar="f32|f16|q8_0",
        rich_help_panel=_MODEL,
        show_default="f16 or the model's",
        autocompletion=one_of("f32", "f16", "q8_0"),
        help="llama.cpp: type of cached keys and values.",
    ),
    option_spec(
        "mmap",
        bool | None,
        None,
        "--mmap/--no-mmap",
        rich_help_panel=_MODEL,
        show_default="mapped",
        help="llama.cpp: map the file into memory, or read it.",
    ),
    option_spec(
        "base_url",
        str | None,
        None,
        metavar="URL",
        envvar="LOGOS_BASE_URL",
        rich_help_panel=_MODEL,
        show_default=False,
        help="A server of OpenAI's completions (vLLM, SGLang, llama-server) that runs the model; its key comes "
        "from LOGOS_API_KEY.",
    ),
    option_spec(
        "threads",
        int | None,
        None,
        min=1,
        metavar="N",
        envvar="LOGOS_THREADS",
        rich_help_panel=_MODEL,
        show_default="measured",
        help="CPU threads.",
    ),
    option_spec(
        "batch_size",
        int | None,
        None,
        "--batch-size",
        "-b",
        min=1,
        metavar="N",
        rich_help_panel=_MODEL,
        show_default="64, on CUDA 256, or as many as fit",
        help="The most samples at a time; it does not change what is generated.",
    ),
    option_spec(
        "offline",
        bool,
        False,
        "--offline",
        envvar="LOGOS_OFFLINE",
        rich_help_panel=_MODEL,
        help="Never use the network.",
    ),
)
