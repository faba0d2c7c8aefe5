"""Plan a large run: try a few records, and estimate shards, time, memory and disk space from them."""

from __future__ import annotations

import math
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from logos_cli.errors import InputError, LogosError, UsageError
from logos_cli.io.selection import Shard
from logos_cli.runs.directory import read_run, read_state
from logos_cli.runs.index import Index
from logos_cli.runs.journal import files_of
from logos_cli.runs.rows import Outcome

COMMANDS: Final = ("encode", "score", "explain", "dock", "generate", "bench tasks", "corpus build")
CORPUS: Final = "corpus build"
"""A command whose run is a folder of its output, and whose shards become one corpus."""
SYSTEMS: Final = ("slurm", "pbs", "lsf")
_NOTHING: Final = Shard(1, 999_999_999)
"""A shard almost without entries: its process reads all inputs, and does nothing."""
_N_TRIED: Final = 64
_LEAST_WORK_S: Final = 5.0
"""A shorter trial is repeated with more records: the time of a process's start varies by seconds."""
_MORE: Final = 4
_LEAST_NOISE: Final = 0.1
_SHARE_OF_TIME: Final = 0.8
"""Share of the walltime that is planned for a shard; the rest is for slower nodes."""
_LEAST_SHARE: Final = 0.4
_MOST_LEAD_S: Final = 120
_LEAST_LEAD_S: Final = 10
_EARLIER_S: Final = 60
"""Slurm sends the signal before the end of a job up to this much earlier."""
_MEMORY_FACTOR: Final = 1.5
_RESERVED: Final = frozenset(("--shard", "--resume", "--retry", "--overwrite", "--force"))


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The estimated resources of a run.

    Attributes
    ----------
    command : tuple of str
        The words after ``logos``.
    n_entries, n_tried : int
        Entries of the inputs, and those that were tried.
    start_s, seconds_per_entry : float
        Time until the first entry, and for each entry.
    bytes_per_entry : float
        Size of an entry in the results.
    memory_bytes : int
        Largest memory of the process.
    n_shards : int
    reasons : tuple of str
        Why the run does not fit; empty if it fits.
    """

    command: tuple[str, ...]
    run: str
    walltime_s: float
    n_entries: int
    n_tried: int
    n_failed: int
    start_s: float
    seconds_per_entry: float
    bytes_per_entry: float
    memory_bytes: int
    n_shards: int
    reasons: tuple[str, ...] = ()

    @property
    def lead_s(self) -> int:
        """Time before the end of a job at which the batch system sends a signal."""
        return lead_of(self.walltime_s)

    @property
    def seconds_per_shard(self) -> float:
        """Time of a shard."""
        return self.start_s + self.seconds_per_entry * math.ceil(self.n_entries / self.n_shards)

    @property
    def core_hours(self) -> float:
        """Core hours of all shards."""
        return (self.start_s * self.n_shards + self.seconds_per_entry * self.n_entries) / 3600

    @property
    def disk_bytes(self) -> int:
        """Size of the results."""
        return round((self.bytes_per_entry + 32) * self.n_entries)

    @property
    def n_files(self) -> int:
        """Files in the run's directory."""
        return 1 + 4 * self.n_shards

    @property
    def memory_gib(self) -> int:
        """Memory to request, in whole GiB."""
        return max(1, math.ceil(_MEMORY_FACTOR * self.memory_bytes / 2**30))


def lead_of(walltime_s: float) -> int:
    """Return the time before the end of a job at which the batch system sends a signal."""
    return round(min(_MOST_LEAD_S, max(_LEAST_LEAD_S, walltime_s / 10)))


def _planned_s(walltime_s: float) -> float:
    """Return the part of a job's time that its shard should take, so that no signal interrupts it."""
    before_signal_s = walltime_s - lead_of(walltime_s) - _EARLIER_S
    return min(_SHARE_OF_TIME * walltime_s, max(_LEAST_SHARE * walltime_s, before_signal_s))


def plan_run(
    command: Sequence[str],
    walltime_s: float,
    *,
    n_tried: int = _N_TRIED,
    n_shards: int | None = None,
    n_most_shards: int = 1000,
    seconds: float = 120,
) -> RunPlan:
    """Try a few records of a command, and plan its shards.

    Parameters
    ----------
    command : sequence of str
        The words after ``logos``, with ``-o RUN/``.
    walltime_s : float
        Time of a job.
    n_tried : int
        Number of records to try first, about; more, if they take less than five seconds.
    n_shards : int, optional
        Number of shards; as few as fit the walltime, if absent.
    n_most_shards : int
        Most tasks in an array.
    seconds : float
        A longer trial is stopped, and its finished records are used.

    Raises
    ------
    UsageError
        If the command cannot be divided.
    LogosError
        If it fails.
    """
    words, run = check_command(command)
    with tempfile.TemporaryDirectory(prefix="logos-plan-") as folder:
        began = time.monotonic()
        _try(words, Path(folder, "count"), _NOTHING, seconds=math.inf)
        start_s = time.monotonic() - began
        n_entries = _count(words[0], Path(run_of(words, Path(folder, "count"))))
        if not n_entries:
            raise InputError("the inputs have no entry", hint="name files with records")
        while True:
            trial = Shard(1, max(1, n_entries // n_tried))
            tried = Path(folder, f"trial-{trial}")
            began = time.monotonic()
            _try(words, tried, trial, seconds=seconds)
            taken_s = time.monotonic() - began
            if taken_s - start_s >= min(_LEAST_WORK_S, seconds) or trial.count == 1:
                break
            n_tried *= _MORE
        results, index, attached = files_of(Path(run_of(words, tried)), trial, ".sdf")
        rows = Index.read(index)
        n_bytes = results.stat().st_size + (
            attached.stat().st_size if attached is not None and attached.exists() else 0
        )
        if is_corpus(words):
            n_bytes += sum(path.stat().st_size for path in tried.glob("build/parts/*"))
    n_done = max(1, len(rows.rows))
    each_s = max(taken_s - start_s, _LEAST_NOISE * taken_s) / n_done
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    usable_s = _planned_s(walltime_s) - start_s
    reasons = []
    if usable_s < each_s:
        reasons.append(
            f"one record takes {each_s:.0f} s and the start {start_s:.0f} s: no shard ends within the walltime"
        )
        n_needed = n_most_shards
    else:
        n_needed = max(1, math.ceil(n_entries * each_s / usable_s))
    if n_needed > n_most_shards:
        reasons.append(f"{n_needed:,} shards of that walltime are needed, but an array may have {n_most_shards:,}")
        n_needed = n_most_shards
    elif n_shards is not None and n_shards < n_needed:
        reasons.append(f"{n_needed:,} shards of that walltime are needed, not {n_shards:,}")
    return RunPlan(
        command=tuple(words),
        run=run,
        walltime_s=walltime_s,
        n_entries=n_entries,
        n_tried=n_done,
        n_failed=rows.counts()[Outcome.FAILED],
        start_s=start_s,
        seconds_per_entry=each_s,
        bytes_per_entry=n_bytes / n_done,
        memory_bytes=memory,
        n_shards=min(n_shards or n_needed, n_entries),
        reasons=tuple(reasons),
    )


def check_command(command: Sequence[str]) -> tuple[list[str], str]:
    """Return the words of a command, and the directory of its run.

    Raises
    ------
    UsageError
        If the command cannot be divided.
    """
    words = list(command[1:] if command[:1] == ["logos"] else command)
    if not words or not {words[0], " ".join(words[:2])} & set(COMMANDS):
        raise UsageError(
            f"{' '.join(words[:1]) or 'nothing'} cannot be divided", hint=f"give one of {', '.join(COMMANDS)}, after --"
        )
    if stray := next((word for word in words if word.partition("=")[0] in _RESERVED), None):
        raise UsageError(f"{stray} is added to the command", hint="leave it out")
    places = [place for place, word in enumerate(words) if word in ("-o", "--output")]
    if len(places) != 1 or places[0] + 1 == len(words):
        raise UsageError("the command has no directory for its run", hint="add -o RUN/")
    if "-" in words[1:]:
        raise UsageError("standard input cannot be divided", hint="write it to a file")
    return words, str(run_of(words, output_of(words)))


def output_of(words: Sequence[str]) -> str:
    """Return the output of a command."""
    return next(after for word, after in pairwise(words) if word in ("-o", "--output"))


def is_corpus(words: Sequence[str]) -> bool:
    """Return whether a command builds a corpus."""
    return " ".join(words[:2]) == CORPUS


def run_of(words: Sequence[str], output: str | Path) -> Path | str:
    """Return the directory of the run of a command with this output."""
    return Path(output, "build") if is_corpus(words) else output


def _count(command: str, run: Path) -> int:
    """Return the entries of the inputs; a file with one object counts as one."""
    counted: dict[str, int] = read_state(run, _NOTHING).get("n_entries", {})
    n_files = len(read_run(run)["inputs"]["files"]) if command in ("encode", "score", "explain") else 0
    return sum(counted.values()) + sum(str(number) not in counted for number in range(n_files))


def _try(words: Sequence[str], folder: Path, shard: Shard, *, seconds: float) -> None:
    """Run a shard in a folder of its own; stop it after some time.

    Raises
    ------
    LogosError
        If the command fails.
    """
    output = output_of(words)
    own = [f"{folder}/" if word == output else word for word in words]
    arguments = [sys.executable, "-m", "logos_cli", *own, "--shard", f"{shard.number}/{shard.count}", "-q"]
    child = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, errors = child.communicate(timeout=None if math.isinf(seconds) else seconds)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate()
        return
    if not files_of(Path(run_of(words, folder)), shard)[1].exists():
        raise LogosError(
            f"logos {words[0]} failed: {errors.decode(errors='replace').strip().partition(chr(10))[0]}",
            hint="run the command by itself",
        )


# -- scripts ---------------------------------------------------------------------------------------------


def scripts_of(plan: RunPlan, system: str, *, n_threads: int = 1) -> dict[str, str]:
    """Return the scripts of a batch system by name: the array, the job that merges, and the submission of both.

    Raises
    ------
    UsageError
        If the system is unknown.
    """
    if system not in SYSTEMS:
        raise UsageError(f"there is no batch system {system!r}", hint=f"give one of {', '.join(SYSTEMS)}")
    hours, rest = divmod(math.ceil(plan.walltime_s), 3600)
    clock = f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"
    heads = {
        "slurm": _SLURM.format(
            n=plan.n_shards, clock=clock, memory=plan.memory_gib, threads=n_threads, lead=plan.lead_s
        ),
        "pbs": _PBS.format(n=plan.n_shards, clock=clock, memory=plan.memory_gib, threads=n_threads),
        "lsf": _LSF.format(
            n=plan.n_shards,
            clock=clock[:-3],
            memory=plan.memory_gib * 1024,
            threads=n_threads,
            lead=math.ceil(plan.lead_s / 60),
        ),
    }
    command = shlex.join(["logos", *plan.command])
    run = shlex.quote(plan.run)
    output = shlex.quote(f"{plan.run.rstrip('/')}.jsonl.gz")
    requeue = _REQUEUE.format(again=_AGAIN[system]) if system in _AGAIN else ""
    merge = f"logos runs merge {run} -o {output} --overwrite"
    if is_corpus(plan.command):
        merge = f"logos corpus merge {shlex.quote(output_of(plan.command))}"
    elif plan.command[0] == "bench":
        merge = f"{command} --report-only"
    merge = f"set -e\nlogos runs verify {run}\n{merge}\n"
    return {
        "array.sh": heads[system] + _BODY.format(n=plan.n_shards, command=command, requeue=requeue),
        "merge.sh": f"{_MERGE_HEADS[system]}\n{merge}",
        "submit.sh": _SUBMIT[system],
    }


_SLURM: Final = """#!/bin/bash
#SBATCH --job-name=logos
#SBATCH --array=1-{n}
#SBATCH --cpus-per-task={threads}
#SBATCH --mem={memory}G
#SBATCH --time={clock}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@{lead}
"""

_PBS: Final = """#!/bin/bash
#PBS -N logos
#PBS -J 1-{n}
#PBS -l select=1:ncpus={threads}:mem={memory}gb
#PBS -l walltime={clock}
#PBS -r y
cd "$PBS_O_WORKDIR"
"""

_LSF: Final = """#!/bin/bash
#BSUB -J "logos[1-{n}]"
#BSUB -n {threads}
#BSUB -M {memory}
#BSUB -W {clock}
#BSUB -wa USR1 -wt {lead}
#BSUB -r
"""

_BODY: Final = """
export LOGOS_SHARDS={n}  # so that some tasks can be submitted again, with --array=3,7
# USR1 comes before the end of the job's time, and TERM at its end and when it is cancelled: the program stops at a record
command='' signal=''
trap 'signal=USR1; [ -n "$command" ] && kill -USR1 $command' USR1
trap 'signal=TERM; [ -n "$command" ] && kill -TERM $command' TERM
{command} --shard auto --resume &
command=$!
[ -n "$signal" ] && kill -$signal $command
while wait $command; code=$?; [ $code -gt 128 ] && kill -0 $command 2>/dev/null; do :; done
{requeue}# 3: finished, and some records are in error; they are records of the run
[ $code -eq 3 ] && exit 0
exit $code
"""

_REQUEUE: Final = """# only for want of time: a job that somebody cancels stays cancelled
if [ "$signal" = USR1 ] && [ $code -gt 128 ]; then
    {again} && exit 0
fi
"""

_AGAIN: Final = {
    "slurm": 'scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"',
    "lsf": 'brequeue "$LSB_JOBID[$LSB_JOBINDEX]"',
}

_MERGE_HEADS: Final = {
    "slurm": "#!/bin/bash\n#SBATCH --job-name=logos-merge\n#SBATCH --mem=2G\n#SBATCH --time=04:00:00",
    "pbs": '#!/bin/bash\n#PBS -N logos-merge\n#PBS -l select=1:ncpus=1:mem=2gb\n#PBS -l walltime=04:00:00\ncd "$PBS_O_WORKDIR"',
    "lsf": "#!/bin/bash\n#BSUB -J logos-merge\n#BSUB -M 2048\n#BSUB -W 04:00",
}

_SUBMIT: Final = {
    "slurm": """#!/bin/sh
here=$(dirname "$0")
mkdir -p "$here/log"
job=$(sbatch --parsable --output="$here/log/%A_%a.txt" "$here/array.sh") || exit
job=${job%%;*}
sbatch --dependency="afterok:$job" --kill-on-invalid-dep=yes --output="$here/log/merge_%j.txt" "$here/merge.sh"
""",
    "pbs": """#!/bin/sh
here=$(dirname "$0")
mkdir -p "$here/log"
job=$(qsub -j oe -o "$here/log/" "$here/array.sh") || exit
qsub -W depend="afterok:$job" -j oe -o "$here/log/" "$here/merge.sh"
""",
    "lsf": """#!/bin/sh
here=$(dirname "$0")
mkdir -p "$here/log"
job=$(bsub -o "$here/log/%J_%I.txt" < "$here/array.sh" | sed 's/Job <\\([0-9]*\\)>.*/\\1/')
[ -n "$job" ] && bsub -w "done($job)" -o "$here/log/merge_%J.txt" < "$here/merge.sh"
""",
}
