"""A causal language model of transformers from a checkpoint directory, with every tensor from its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logos_cli.checkpoints.locate import first_line
from logos_cli.errors import ModelError

if TYPE_CHECKING:
    import torch


def read_causal_model(directory: Path, dtype: torch.dtype) -> Any:
    """Return the model that ``AutoModelForCausalLM`` makes, on the CPU; code of the directory is never run.

    Raises
    ------
    ModelError
        If transformers cannot load it, or its tensors are not those of the network.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    auto: Any = AutoModelForCausalLM
    try:
        model, report = auto.from_pretrained(
            directory,
            dtype=dtype,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # they are reported, and refused below
            output_loading_info=True,
        )
    except torch.OutOfMemoryError:
        raise
    except (
        AttributeError,
        ImportError,
        KeyError,
        OSError,
        RuntimeError,
        SafetensorError,
        TypeError,
        ValueError,
    ) as error:
        if isinstance(error, RuntimeError) and "memory" in str(error):
            raise
        raise ModelError(
            f"transformers cannot load the model: {first_line(error)}", hint="download the model again"
        ) from error
    _check_loading(report)
    return model


def _check_loading(report: Mapping[str, Iterable[object]]) -> None:
    """Refuse tensors that are not those of a network, which transformers would draw at random or leave out.

    Parameters
    ----------
    report : mapping
        The ``output_loading_info`` of ``from_pretrained``: names, or tuples that begin with one, by problem.

    Raises
    ------
    ModelError
        With the first tensor.
    """
    for key, problem in (
        ("missing_keys", "the tensor {} is missing"),
        ("mismatched_keys", "the tensor {} has another shape than config.json asks for"),
        ("unexpected_keys", "config.json has no place for the tensor {}"),
    ):
        names = sorted(str(name[0] if isinstance(name, tuple) else name) for name in report.get(key) or ())
        if names:
            more = f" ({len(names) - 1} more)" if names[1:] else ""
            raise ModelError(
                f"{problem.format(names[0])}{more}", hint="download the model again, or correct its config.json"
            )
