"""Options of a generation that all tasks have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from logos_cli.backends.base import LoadOptions
from logos_cli.checkpoints.task_sampling import KEY
from logos_cli.engine.sampling import Sampling
from logos_cli.errors import ModelError, UsageError
from logos_cli.formats.base import ReadOptions
from logos_cli.options import nested
from logos_cli.workflows.generate.until import Until


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """Options of a generation. None means the preset: the model's own for the task, else the task's.

    Attributes
    ----------
    n_samples : int, optional
        Samples of each prompt; with ``until`` the largest number. None means the task's number.
    beam : int, optional
        Find so many of the likeliest answers to each prompt by a beam search of this width, and draw no samples. None means
        the task's width, where nothing asks for samples.
    until : str, optional
        Sample each prompt until so many are valid, unique or novel: ``valid=500,unique=100``.
    time_s : float, optional
        Seconds after which no sample is begun; samples under way are finished.
    keep_invalid : bool
        Yield records of invalid samples, too.
    reference : str, optional
        A file of known objects, or ``logos-nano`` for the training data of the embedded model; records get the
        score ``novel``.
    seed : int
        Seed of the samples; each depends on it and on its own id only.
    temperature, top_k, top_p, min_p, repetition_penalty, max_new_tokens
        See :class:`~logos_cli.engine.sampler.Sampling`.
    sampling_of : str, optional
        A model whose own sampling parameters are used instead of those of the model, which a server does not report.
    constrain : {"grammar", "chemistry", "off"}
        ``grammar`` allows only tokens after which the sentence can still be well formed and of the task's
        form. ``chemistry`` also allows only those after which its molecules can still become valid.
    template : str, optional
        The pattern of the answer: ``EVQLCAR{X:8,20}WGQG``.
    max_mutations : int, optional
        The prompt is a wild type, and the answer a variant with at most this number of mutations.
    positions : str, optional
        Positions of the mutations, counted from 1: ``10-20,45``.
    guide : {"uniform", "oracle"}, optional
        How the positions of each variant are drawn: all alike, with residues by the model; or positions and residues by
        the frequencies in the table of measured values that the task's oracle was trained on.
    order : {"input", "completed"}
        Records in the order of the prompts, or as soon as each is finished.
    load : LoadOptions
        The model, and what computes it.
    read : ReadOptions
        How to read prompt files.
    """

    n_samples: int | None = None
    beam: int | None = None
    until: str | None = None
    time_s: float | None = None
    keep_invalid: bool = True
    reference: str | None = None
    seed: int = 0
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_new_tokens: int | None = None
    sampling_of: str | None = None
    constrain: Literal["grammar", "chemistry", "off"] = "grammar"
    template: str | None = None
    max_mutations: int | None = None
    positions: str | None = None
    guide: Literal["uniform", "oracle"] | None = None
    order: Literal["input", "completed"] = "input"
    load: LoadOptions = nested(LoadOptions)
    read: ReadOptions = field(default_factory=ReadOptions)

    def __post_init__(self) -> None:
        if self.n_samples is not None and self.n_samples < 1:
            raise UsageError(f"n-samples is {self.n_samples}; it must be 1 or more")
        if self.beam is not None:
            self._check_beam(self.beam)
        if self.until is not None:
            Until.parse(self.until)
            if self.order == "completed":
                raise UsageError(
                    "until and order completed exclude each other",
                    hint="the numbers of samples decide which are enough, not the order in which they finish",
                )
        if self.time_s is not None and not self.time_s > 0:
            raise UsageError(f"the time is {self.time_s:g} s; it must be above 0")
        if self.constrain not in ("grammar", "chemistry", "off"):
            raise UsageError(f"there is no constraint {self.constrain!r}", hint="choose grammar, chemistry or off")
        if self.guide not in (None, "uniform", "oracle"):
            raise UsageError(f"there is no guide {self.guide!r}", hint="choose uniform or oracle")
        if self.order not in ("input", "completed"):
            raise UsageError(f"there is no order {self.order!r}", hint="choose input or completed")

    @property
    def sampling_asked(self) -> tuple[str, ...]:
        """The options that ask for samples, by their names on the command line."""
        names = ("n_samples", "until", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "sampling_of")
        return tuple(name.replace("_", "-") for name in names if getattr(self, name) is not None)

    def _check_beam(self, beam: int) -> None:
        if beam < 1:
            raise UsageError(f"beam is {beam}; it must be 1 or more")
        if self.sampling_asked:
            raise UsageError(
                f"beam and {self.sampling_asked[0]} exclude each other",
                hint="a beam search finds answers, and draws none",
            )
        if self.max_mutations is not None:
            raise UsageError("beam and an edit exclude each other", hint="the positions of an edit are drawn: give -n")
        if self.constrain == "chemistry":
            raise UsageError(
                "beam and the constraint chemistry exclude each other",
                hint="answers that are not valid are marked as such",
            )

    def sampling(self, preset: Sampling, wanted: Mapping[str, float]) -> Sampling:
        """Return the task's preset, replaced by the model's own values and then by the chosen options.

        Raises
        ------
        ModelError
            If the model's own values cannot be used.
        """
        names = [each.name for each in fields(Sampling)]
        chosen = {name: value for name in names if (value := getattr(self, name)) is not None}
        values: dict[str, Any] = dict(wanted)
        try:
            preset = replace(preset, **values)
        except (TypeError, UsageError) as error:
            shown = ", ".join(f"{name} {value!r:.20}" for name, value in wanted.items())
            raise ModelError(
                f"the model's own sampling parameters cannot be used: {shown}",
                hint=f"{KEY} in its generation_config.json holds {', '.join(names)}",
            ) from error
        return replace(preset, **chosen)
