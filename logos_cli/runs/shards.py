"""Parse the shard of a process, or read it from the variables of a batch system."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from logos_cli.errors import UsageError
from logos_cli.io.selection import Shard

AUTO: Final = "auto"

_SYSTEMS: Final = (
    # name, number, first, last, step, count
    ("Slurm", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP"),
    ("SGE", "SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_LAST", "SGE_TASK_STEPSIZE"),
)
_OTHERS: Final = (("PBS", ("PBS_ARRAY_INDEX", "PBS_ARRAYID")), ("LSF", ("LSB_JOBINDEX",)))
_COUNT: Final = "LOGOS_SHARDS"


def parse_shard(text: str, environment: Mapping[str, str] | None = None) -> Shard:
    """Return the shard ``3/8``, or for ``auto`` the shard of a task in a job array.

    Slurm and SGE (Grid Engine) set the first and the last number of the array, and the step. PBS and LSF do not: their
    tasks are numbered from 1, and ``LOGOS_SHARDS`` is the number of tasks (LSF: ``LSB_JOBINDEX_END``). If it is set, tasks
    are numbered from 1 on Slurm and SGE as well, so that some tasks of an array can be submitted again.

    Raises
    ------
    UsageError
        If the text is neither, or the numbers are not those of a shard.
    """
    environment = os.environ if environment is None else environment
    if text == AUTO:
        return _of_batch_system(environment)
    found = re.fullmatch(r"(\d{1,9})(?:/|-of-)(\d{1,9})", text)
    if found is None:
        raise UsageError(f"{text!r} is no shard", hint="give its number and the number of shards: 1/8, or auto")
    return Shard(int(found[1]), int(found[2]))


def _of_batch_system(environment: Mapping[str, str]) -> Shard:
    for name, *names in _SYSTEMS:
        # the step may not divide Slurm's range; SGE sets "undefined" outside arrays
        if environment.get(names[0], "undefined") != "undefined":
            if _COUNT in environment:  # the script knows: only some tasks of the array may have been submitted
                return Shard(_number(environment, names[0], name), _number(environment, _COUNT, name))
            task, first, last, step = (_number(environment, each, name) for each in names)
            numbers = range(first, last + 1, max(1, step))
            if task not in numbers:
                raise UsageError(f"task {task} is not in {first} to {last} in steps of {step}", hint="give --shard i/n")
            return Shard(numbers.index(task) + 1, len(numbers))
    for name, spellings in _OTHERS:
        variable = next((each for each in spellings if environment.get(each, "0") != "0"), None)
        if variable is not None:
            total = "LSB_JOBINDEX_END" if name == "LSF" and _COUNT not in environment else _COUNT
            if total not in environment:
                raise UsageError(f"{name} does not set the number of tasks", hint=f"set {_COUNT}, or give --shard i/n")
            return Shard(_number(environment, variable, name), _number(environment, total, name))
    raise UsageError(
        "--shard auto: this is not a task of a job array",
        hint="auto reads the variables of Slurm, PBS, LSF and SGE; elsewhere give --shard 1/8",
    )


def _number(environment: Mapping[str, str], name: str, system: str) -> int:
    text = environment.get(name, "")
    if not text.isdigit():
        raise UsageError(f"--shard auto: {system} sets {name} to {text!r}, which is no number", hint="give --shard i/n")
    return int(text)
