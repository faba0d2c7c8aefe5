"""How to generate: everything that every task understands."""

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
    """How to generate. None takes the preset: the model's own for the task, else the task's.

    Attributes
    ----------
    n_samples : int, optional
        Samples of each prompt; with ``until`` the most of them. None takes the task's number.
    until : str, optional
        Sample each prompt until so many are valid, unique or novel: ``valid=500,unique=100``.
    time_s : float, optional
        Begin no sample later than this after the generation was set up; what is under way is finished.
    keep_invalid : bool
        Yield records of samples that are not valid, too.
    reference : str, optional
        A file of known objects, or ``logos-nano`` for what the embedded model was trained on; records say whether
        they are ``novel``.
    seed : int
        With a sample's id, all that its randomness depends on.
    temperature, top_k, top_p, min_p, repetition_penalty, max_new_tokens
        See :class:`~logos_cli.engine.sampler.Sampling`.
    constrain : {"grammar", "chemistry", "off"}
        ``grammar`` allows only tokens after which the sentence can still be well formed and of the task's
        shape; ``chemistry``, moreover, only those after which its molecules can still become valid.
    template : str, optional
        What the answer looks like: ``EVQLCAR{X:8,20}WGQG``.
    max_mutations : int, optional
        The prompt is a wild type, and the answer a variant with at most so many residues exchanged.
    positions : str, optional
        Where they may be, counted from 1: ``10-20,45``.
    order : {"input", "completed"}
        Records in the order of the prompts, or as soon as each is finished.
    load : LoadOptions
        Which model, and what computes it.
    read : ReadOptions
        How to read prompt files.
    """

    n_samples: int | None = None
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
    constrain: Literal["grammar", "chemistry", "off"] = "grammar"
    template: str | None = None
    max_mutations: int | None = None
    positions: str | None = None
    order: Literal["input", "completed"] = "input"
    load: LoadOptions = nested(LoadOptions)
    read: ReadOptions = field(default_factory=ReadOptions)

    def __post_init__(self) -> None:
        if self.n_samples is not None and self.n_samples < 1:
            raise UsageError(f"n-samples is {self.n_samples}; it must be 1 or more")
        if self.until is not None:
            Until.parse(self.until)
            if self.order == "completed":
                raise UsageError(
                    "until and order completed exclude each other",
                    hint="which samples are enough is told by their numbers, whichever is finished first",
                )
        if self.time_s is not None and not self.time_s > 0:
            raise UsageError(f"the time is {self.time_s:g} s; it must be above 0")
        if self.constrain not in ("grammar", "chemistry", "off"):
            raise UsageError(f"there is no constraint {self.constrain!r}", hint="choose grammar, chemistry or off")
        if self.order not in ("input", "completed"):
            raise UsageError(f"there is no order {self.order!r}", hint="choose input or completed")

    def sampling(self, preset: Sampling, wanted: Mapping[str, float]) -> Sampling:
        """Return the task's preset, with what the model wants and then what was chosen otherwise.

        Raises
        ------
        ModelError
            If the model wants what there is not.
        """
        names = [each.name for each in fields(Sampling)]
        chosen = {name: value for name in names if (value := getattr(self, name)) is not None}
        values: dict[str, Any] = dict(wanted)
        try:
            preset = replace(preset, **values)
        except (TypeError, UsageError) as error:
            told = ", ".join(f"{name} {value:g}" for name, value in wanted.items())
            raise ModelError(
                f"the model cannot be sampled as its own files want it: {told}",
                hint=f"{KEY} in its generation_config.json holds {', '.join(names)}",
            ) from error
        return replace(preset, **chosen)
