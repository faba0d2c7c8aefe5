"""Sampling parameters in the files of a model: temperature, top-p and so on, for each task.

With a tokenizer of single characters, the end of a sequence has a probability of one in some hundred, which the top-p
of another model never samples. Such a model has its own parameters in its ``generation_config.json``, under the name
of transformers for values of single tasks::

    "task_specific_params": {"protein": {"temperature": 1.0, "top_p": 1.0, "repetition_penalty": 1.0}}

A GGUF file has the same table as JSON, under :data:`GGUF_KEY`.
"""

from __future__ import annotations

from collections.abc import Mapping

from logos_cli.errors import ModelError
from logos_cli.io.json_types import JsonMapping
from logos_cli.records.json_text import parse_json

KEY = "task_specific_params"
"""Key of the table in ``generation_config.json``."""

GGUF_KEY = "logos.task_specific_params"

TaskSampling = Mapping[str, Mapping[str, float]]
"""For each task, the fields of ``Sampling`` that the model changes."""


def from_config(config: JsonMapping) -> TaskSampling:
    """Return the table of a generation configuration, without values of other programs, which are not numbers.

    Raises
    ------
    ModelError
        If it is not a table.
    """
    table = config.get(KEY)
    if table is None:
        return {}
    if not isinstance(table, dict) or not all(isinstance(values, dict) for values in table.values()):
        raise ModelError(f"{KEY} is not a table of tasks", hint="the table must be {TASK: {NAME: NUMBER}}")
    return {
        str(task): {str(name): value for name, value in values.items() if _is_number(value)}
        for task, values in table.items()
    }


def from_metadata(metadata: JsonMapping) -> TaskSampling:
    """Return the table in the metadata of a GGUF file.

    Raises
    ------
    ModelError
        If it is not JSON, or not a table.
    """
    text = metadata.get(GGUF_KEY)
    if text is None:
        return {}
    try:
        table = parse_json(text)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{GGUF_KEY} is not JSON", hint="convert the model again") from error
    return from_config({KEY: table})


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
