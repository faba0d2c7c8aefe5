"""``logos models convert|quantize|verify``: convert, quantize and verify models."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from logos_cli.cli.commands.models.display import progress, size
from logos_cli.cli.option_specs import option
from logos_cli.cli.options.common import one_of
from logos_cli.cli.options.load import model_argument, offline_option, revision_option
from logos_cli.cli.options.output import json_option, overwrite_option
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode

if TYPE_CHECKING:
    from logos_cli.checkpoints.gguf.header import GgufHeader
    from logos_cli.models.verify import Verification

_TYPES = ("auto", "f32", "f16", "bf16", "q8_0")
_QUANTIZATIONS = (
    "q8_0",
    "q6_k",
    "q5_k_m",
    "q5_k_s",
    "q5_1",
    "q5_0",
    "q4_k_m",
    "q4_k_s",
    "q4_1",
    "q4_0",
    "q3_k_l",
    "q3_k_m",
    "q3_k_s",
    "q2_k",
)
_SHOWN_TENSORS = 12
_JSON = "Print the result as JSON."


def gguf_output_option() -> Path:
    """Return the option for the output GGUF."""
    return option(
        ..., "--output", "-o", metavar="FILE.gguf", help="Output file; it is written completely or not at all."
    )


@dataclass(frozen=True, kw_only=True)
class ConvertArguments:
    """The arguments of ``logos models convert``."""

    model: str = model_argument(...)
    output: Path = gguf_output_option()
    kind: str = option(
        "auto",
        "--type",
        metavar="|".join(_TYPES),
        autocompletion=one_of(*_TYPES),
        help="Type of the matrices; auto keeps the checkpoint's.",
    )
    revision: str | None = revision_option()
    offline: bool = offline_option()
    overwrite: bool = overwrite_option()
    as_json: bool = json_option(_JSON)


def convert(args: ConvertArguments) -> None:
    """Write a Llama or Qwen3 checkpoint as one GGUF file, tokenizer included.

    The file is what llama.cpp's own converter writes, and any program of that family runs it.

    Examples:

      logos models convert logos-nano -o nano.gguf

      logos models convert LOGOS-Hub/LOGOS-8B -o logos-8b.gguf --type q8_0
    """
    from logos_cli.models.convert import convert as run

    with progress("converting") as draw:
        header = run(
            args.model,
            args.output,
            args.kind,
            revision=args.revision,
            offline=args.offline,
            overwrite=args.overwrite,
            progress=draw,
        )
    _report_file(header, as_json=args.as_json)


@dataclass(frozen=True, kw_only=True)
class QuantizeArguments:
    """The arguments of ``logos models quantize``."""

    model: str = model_argument(...)
    output: Path | None = option(
        None,
        "--output",
        "-o",
        metavar="FILE.gguf",
        show_default="the model's name and type",
        help="Output file; it is written completely or not at all.",
    )
    kind: str = option(
        "auto",
        "--type",
        metavar="TYPE",
        autocompletion=one_of("auto", *_QUANTIZATIONS),
        help=f"auto: q4_k_m, or q8_0 where its blocks do not fit. Best first: {', '.join(_QUANTIZATIONS)}.",
    )
    threads: int | None = option(None, "--threads", min=1, metavar="N", show_default="all", help="CPU threads.")
    fallback: bool = option(False, "--fallback", help="Use a larger type for matrices that the type cannot divide.")
    revision: str | None = revision_option()
    offline: bool = offline_option()
    overwrite: bool = overwrite_option()
    as_json: bool = json_option(_JSON)


def quantize(args: QuantizeArguments) -> None:
    """Quantize a model by llama.cpp's own quantizer; a checkpoint is converted first.

    The K types need matrices with a width that is a multiple of 256, the others one of 32; with --fallback llama.cpp
    uses a larger type for those of another width.

    Examples:

      logos models quantize logos-8b.gguf -o logos-8b-q4.gguf --type q4_k_m

      logos models quantize logos-nano

      logos models quantize logos-nano -o nano-q8.gguf --type q8_0
    """
    from logos_cli.models.convert import quantize as run

    output = args.output
    if output is None:
        name = args.model.rstrip("/").rpartition("/")[2].removesuffix(".gguf")
        output = Path(f"{name}-{'quantized' if args.kind == 'auto' else args.kind}.gguf")
    with progress("converting") as draw:
        header = run(
            args.model,
            output,
            args.kind,
            threads=args.threads,
            fallback=args.fallback,
            revision=args.revision,
            offline=args.offline,
            overwrite=args.overwrite,
            progress=draw,
        )
    _report_file(header, as_json=args.as_json)


def _report_file(header: GgufHeader, *, as_json: bool) -> None:
    types: dict[str, int] = {}
    for entry in header.tensors.values():
        types[entry.type] = types.get(entry.type, 0) + 1
    if as_json:
        found = {
            "path": str(header.path),
            "bytes": header.size,
            "architecture": header.architecture,
            "parameters": header.n_parameters,
            "tensors": types,
        }
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(header.path)
    listed = ", ".join(f"{count} {name}" for name, count in types.items())
    terminal().note(f"{size(header.size)}, {header.n_parameters:,} parameters; tensors: {listed}")


@dataclass(frozen=True, kw_only=True)
class VerifyArguments:
    """The arguments of ``logos models verify``."""

    model: str = model_argument(...)
    against: str | None = option(
        None, "--against", metavar="MODEL", help="Compare every tensor with those of this checkpoint."
    )
    revision: str | None = revision_option()
    offline: bool = offline_option()
    as_json: bool = json_option(_JSON)


def verify(args: VerifyArguments) -> ExitCode:
    """Check a model's files, and compare them with the checkpoint that they were made from.

    Every tensor must be there and every number finite; files of the hub must have the published digests.
    Against a checkpoint, f32, f16, bf16 and q8_0 must agree to the last bit, coarser types as nearly as they can.

    Examples:

      logos models verify logos-nano

      logos models verify nano.gguf --against logos-nano
    """
    from logos_cli.models.verify import verify as run

    with progress("verifying") as draw:
        found = run(args.model, args.against, revision=args.revision, offline=args.offline, progress=draw)
    if args.as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        _report_verification(found)
    return ExitCode.OK if found.sound else ExitCode.FAILED


def _report_verification(found: Verification) -> None:
    for name, sha256 in found.sha256.items():
        typer.echo(f"{sha256}  {name}")
    for problem in found.problems:
        terminal().error(f"{found.model}: {problem}")
    bad = [finding for finding in found.tensors if finding.problem is not None]
    for finding in bad[:_SHOWN_TENSORS]:
        terminal().error(f"{found.model}: {finding.name} ({finding.type}) {finding.problem}")
    if len(bad) > _SHOWN_TENSORS:
        terminal().note(f"and {len(bad) - _SHOWN_TENSORS:,} more tensors")
    compared = f", largest error {found.largest_error:.2%}" if found.against is not None else ""
    verdict = "sound" if found.sound else "NOT sound"
    terminal().note(f"{verdict}: {len(found.tensors):,} tensors, {len(bad):,} of them wrong{compared}")
