"""What a submission is: its command, shards and workers; where it keeps its files; what a worker returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple

from logos_cli.errors import InputError
from logos_cli.io.json_types import JsonObject
from logos_cli.records.json_text import parse_json

EXECUTORS: Final = ("local", "slurm", "pbs", "lsf", "kubernetes")
FOLDER: Final = "submit"
"""Folder in the directory of a run with all files of its submission."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a submission.

    Attributes
    ----------
    command : tuple of str
        The words after ``logos``, with ``-o RUN/``.
    run, directory : str
        Absolute paths: the run, and the working directory of the command.
    n_workers, n_cores, n_gpus : int
        Workers, cores and GPUs of a node.
    n_nodes : int
        Jobs of the batch system at a time, of one node each.
    walltime_s : float, optional
        Time of a job; without a limit, if absent.
    prepare : str
        Shell commands before a worker starts: ``module load cuda``.
    options : tuple of str
        Lines for the batch system: ``#SBATCH --qos=long``.
    parsl_config : str, optional
        A Python file that defines ``config`` or ``executor`` of Parsl.
    n_retries : int
        How often a shard is begun again without progress.
    """

    command: tuple[str, ...]
    run: str
    directory: str
    executor: str = "local"
    n_shards: int = 1
    n_workers: int = 1
    n_nodes: int = 1
    n_cores: int = 1
    n_gpus: int = 0
    memory_gib: int | None = None
    walltime_s: float | None = None
    queue: str | None = None
    account: str | None = None
    prepare: str = ""
    options: tuple[str, ...] = ()
    image: str | None = None
    address: str | None = None
    parsl_config: str | None = None
    n_retries: int = 3
    is_merged: bool = True

    @property
    def n_threads(self) -> int:
        """Threads of a worker: its part of the cores."""
        return max(1, self.n_cores // self.n_workers)

    @property
    def folder(self) -> Path:
        """The folder with the files of the submission."""
        return Path(self.run, FOLDER)

    @property
    def stop_file(self) -> Path:
        """If this file exists, workers begin no further shard."""
        return self.folder / "stop"

    @property
    def merged(self) -> Path:
        """The merged results."""
        return Path(self.run, "merged.jsonl.gz")

    def write(self) -> Path:
        """Write the settings to the folder of the submission, and return their file."""
        from logos_cli.runs.journal import RESULTS

        self.folder.mkdir(parents=True, exist_ok=True)
        Path(self.run, RESULTS).mkdir(exist_ok=True)
        path = self.folder / "settings.json"
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, run: Path) -> Settings:
        """Return the settings of a run's last submission.

        Raises
        ------
        InputError
            If the directory has none.
        """
        try:
            found = parse_json((run / FOLDER / "settings.json").read_text(encoding="utf-8"))
            return cls(**{**found, "command": tuple(found["command"]), "options": tuple(found["options"])})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError("the run was not submitted", source=str(run), hint="see `logos runs status`") from error


class Outcome(NamedTuple):
    """The end of one shard's process, as a worker returns it.

    Attributes
    ----------
    code : int
        Exit code of the command; 143 if it was stopped.
    message : str
        The end of what it printed on stderr.
    seconds : float
    worker : str
        Host, process id and accelerator.
    n_cores : int
        Cores that it may use.
    n_models : int
        Models that it has loaded since it started.
    """

    code: int
    message: str
    seconds: float
    worker: str
    n_cores: int
    n_models: int


ShardTask = Callable[[Settings, int], Outcome]
"""Runs a shard of a submission, by its number, in a worker."""


def read_progress(run: Path) -> JsonObject:
    """Return what the submission's process wrote last; empty if it has not begun.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = run / FOLDER / "state.json"
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError("the state of the submission is damaged", source=str(path)) from error
    return found if isinstance(found, dict) else {}
