"""Options of the sampling."""

from __future__ import annotations

from dataclasses import dataclass

from logos_cli.cli.option_specs import option

_PANEL = "Sampling"
_PRESET = "preset"


@dataclass(frozen=True, kw_only=True)
class SamplingArguments:
    """Options of the sampling; None means the preset of the model or the task."""

    temperature: float | None = option(
        None,
        min=0,
        metavar="T",
        show_default=_PRESET,
        panel=_PANEL,
        help="Divides the logits; 0 takes the likeliest token.",
    )
    top_p: float | None = option(
        None, metavar="P", show_default=_PRESET, panel=_PANEL, help="Keep the likeliest tokens that together reach P."
    )
    top_k: int | None = option(
        None, min=0, metavar="K", show_default=_PRESET, panel=_PANEL, help="Keep the K likeliest tokens; 0 keeps all."
    )
    min_p: float | None = option(
        None,
        min=0,
        max=1,
        metavar="P",
        show_default=_PRESET,
        panel=_PANEL,
        help="Keep tokens at least P times as likely as the likeliest.",
    )
    repetition_penalty: float | None = option(
        None,
        metavar="X",
        show_default=_PRESET,
        panel=_PANEL,
        help="Make tokens of prompt and answer less likely; 1 is none.",
    )
    max_new_tokens: int | None = option(
        None, min=1, metavar="N", show_default=_PRESET, panel=_PANEL, help="Cut a sample after this number of tokens."
    )
