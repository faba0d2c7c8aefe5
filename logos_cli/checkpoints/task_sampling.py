"""What a model's own files say of how to sample: temperature, top-p and so on, task by task.

A tokenizer of single characters gives the end of a sequence a probability of one in some hundred, which a top-p
made for another model never lets through. Such a model says what suits it in its ``generation_config.json``, under
the name that transformers has for values of single tasks::

    "task_specific_params": {"protein": {"temperature": 1.0, "top_p": 1.0, "repetition_penalty": 1.0}}

A GGUF file carries the same table as JSON, under :data:`GGUF_KEY`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from logos_cli.errors import ModelError

KEY = "task_specific_params"
"""Where the table lies in ``generation_config.json``."""

GGUF_KEY = "logos.task_specific_params"

TaskSampling = Mapping[str, Mapping[str, float]]
"""Tasks, and for each the fields of ``Sampling`` that the model wants otherwise."""


def from_config(config: Mapping[str, Any]) -> TaskSampling:
    """Return the table of a generation configuration; what is none of numbers belongs to other programs.

    Raises
    ------
    ModelError
        If it is no table.
    """
    found = config.get(KEY)
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(values, dict) for values in found.values()):
        raise ModelError(f"{KEY} is no table of tasks", hint="it reads {TASK: {NAME: NUMBER}}")
    return {
        str(task): {str(name): value for name, value in values.items() if _is_number(value)}
        for task, values in found.items()
    }


def from_metadata(metadata: Mapping[str, Any]) -> TaskSampling:
    """Return the table of a GGUF file's metadata.

    Raises
    ------
    ModelError
        If it is no JSON, or no table.
    """
    text = metadata.get(GGUF_KEY)
    if text is None:
        return {}
    try:
        table = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{GGUF_KEY} is no JSON", hint="convert the model again") from error
    return from_config({KEY: table})


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
