"""``--shard``: as written, and as batch systems tell their tasks."""

from __future__ import annotations

import pytest

from logos_cli.errors import UsageError
from logos_cli.io.selection import Shard
from logos_cli.runs.shards import parse_shard

SLURM = {
    "SLURM_ARRAY_TASK_ID": "10",
    "SLURM_ARRAY_TASK_MIN": "2",
    "SLURM_ARRAY_TASK_MAX": "17",
    "SLURM_ARRAY_TASK_STEP": "4",
}


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        ("1/1", {}, Shard()),
        ("3/8", {}, Shard(3, 8)),
        ("3-of-8", {}, Shard(3, 8)),
        ("auto", SLURM, Shard(3, 4)),
        (
            "auto",
            {"SGE_TASK_ID": "7", "SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "9", "SGE_TASK_STEPSIZE": "2"},
            Shard(4, 5),
        ),
        ("auto", {"SGE_TASK_ID": "undefined", "PBS_ARRAY_INDEX": "3", "LOGOS_SHARDS": "5"}, Shard(3, 5)),
        ("auto", {"PBS_ARRAYID": "2", "LOGOS_SHARDS": "5"}, Shard(2, 5)),
        ("auto", {"LSB_JOBINDEX": "4", "LSB_JOBINDEX_END": "6"}, Shard(4, 6)),
        ("auto", {"LSB_JOBINDEX": "3", "LSB_JOBINDEX_END": "3", "LOGOS_SHARDS": "6"}, Shard(3, 6)),
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_MAX": "10", "LOGOS_SHARDS": "12"}, Shard(10, 12)),
        ("auto", {"LSB_JOBINDEX": "0", "PBS_ARRAY_INDEX": "1", "LOGOS_SHARDS": "2"}, Shard(1, 2)),
    ],
)
def test_shards(text, environment, shard):
    assert parse_shard(text, environment) == shard


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("5/4", {}, "there is no shard 5 of 4"),
        ("0/4", {}, "there is no shard 0 of 4"),
        ("1", {}, "is no shard"),
        ("a/b", {}, "is no shard"),
        ("1/4 ", {}, "is no shard"),
        ("auto", {}, "not a task of a job array"),
        ("auto", {"LSB_JOBINDEX": "0"}, "not a task of a job array"),
        ("auto", {"PBS_ARRAY_INDEX": "3"}, "does not set the number of tasks"),
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_ID": "11"}, "task 11 is not in 2 to 17 in steps of 4"),
        ("auto", {**SLURM, "LOGOS_SHARDS": "4"}, "there is no shard 10 of 4"),
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_MAX": "many"}, "which is no number"),
    ],
)
def test_what_is_none(text, environment, message):
    with pytest.raises(UsageError, match=message):
        parse_shard(text, environment)
