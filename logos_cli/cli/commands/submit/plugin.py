"""``logos submit``: run the shards of a command on workers of this machine or of a cluster."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from logos_cli.cli.base import Command
from logos_cli.cli.option_specs import argument, command, option
from logos_cli.cli.options.common import parse_time
from logos_cli.cli.terminal import terminal
from logos_cli.errors import ExitCode, UsageError
from logos_cli.io import places

if TYPE_CHECKING:
    from logos_cli.workflows.submit.settings import Settings

_NODES, _RUN = "Nodes", "Run"
_SHARDS_PER_WORKER = 4


@dataclass(frozen=True, kw_only=True)
class SubmitArguments:
    """Arguments of ``logos submit``."""

    command: list[str] | None = argument(
        None, metavar="-- COMMAND…", help="The command of the run, with -o RUN/.", show_default=False
    )
    executor: Literal["local", "slurm", "pbs", "lsf", "kubernetes"] = option(
        "local", help="Where the workers run: this machine, or jobs of a batch system."
    )
    workers: int | None = option(
        None, min=1, metavar="N", panel=_NODES, show_default="one a GPU, else two", help="Workers of a node."
    )
    nodes: int = option(1, min=1, metavar="N", panel=_NODES, help="Jobs at a time, of one node each.")
    cores: int | None = option(
        None, min=1, metavar="N", panel=_NODES, show_default="this machine's", help="Cores of a node."
    )
    gpus: int | None = option(
        None, min=0, metavar="N", panel=_NODES, show_default="this machine's, or 0", help="GPUs of a node."
    )
    memory: int | None = option(None, min=1, metavar="GiB", panel=_NODES, show_default=False, help="Memory of a node.")
    walltime: str | None = option(None, metavar="4h", panel=_NODES, show_default="no limit", help="Time of a job.")
    queue: str | None = option(
        None, metavar="NAME", panel=_NODES, show_default=False, help="Partition or queue of the jobs."
    )
    account: str | None = option(None, metavar="NAME", panel=_NODES, show_default=False, help="Account or project.")
    prepare: str = option(
        "", metavar="SHELL", panel=_NODES, show_default=False, help="Before a worker starts: 'module load cuda'."
    )
    directive: list[str] | None = option(
        None, metavar="LINE", panel=_NODES, show_default=False, help="For the jobs: '#SBATCH --qos=long'. Repeatable."
    )
    image: str | None = option(None, metavar="NAME", panel=_NODES, show_default=False, help="Image of the pods.")
    address: str | None = option(
        None,
        metavar="IP",
        panel=_NODES,
        show_default="all of this host",
        help="Address of this host that the jobs can reach.",
    )
    parsl_config: str | None = option(
        None,
        metavar="site.py",
        panel=_NODES,
        show_default=False,
        help="A Python file that defines Parsl's config or executor, instead of these options.",
    )
    shards: int | None = option(
        None, min=1, metavar="N", panel=_RUN, show_default="four a worker, or the run's", help="Number of shards."
    )
    retries: int = option(3, min=0, metavar="N", panel=_RUN, help="Times that a shard is begun again without progress.")
    no_merge: bool = option(False, "--no-merge", panel=_RUN, help="Leave out RUN/merged.jsonl.gz.")
    detach: bool = option(False, "--detach", panel=_RUN, help="Return at once.")
    attach: Path | None = option(
        None, metavar="RUN", panel=_RUN, show_default=False, help="Show the progress of a submitted run."
    )
    cancel: Path | None = option(
        None, metavar="RUN", panel=_RUN, show_default=False, help="Stop a submitted run; the same command goes on."
    )


def submit(args: SubmitArguments) -> ExitCode:
    """Run the shards of a command on workers of this machine or of a cluster.

    Workers keep the model for their next shard. Each has a GPU, or a part of the cores, of its own. Shards of lost workers and of
    jobs whose time is up go on elsewhere. The work is Parsl's (extra hpc), and goes on after Ctrl-C: that ends the display only.
    All files are in RUN/; the results are merged to RUN/merged.jsonl.gz at the end.

    Examples:

      logos submit --workers 4 -- score library.smi --metrics qed,sa -o run/

      logos submit --executor slurm --nodes 8 --cores 32 --walltime 4h -- dock -r rec.pdb -l library.smi -o run/

      logos submit --attach run/
    """
    chosen = [each for each in (args.command, args.attach, args.cancel) if each]
    if len(chosen) != 1:
        raise UsageError("give a command after --, or --attach RUN, or --cancel RUN")
    if args.cancel is not None:
        return _cancel(args.cancel)
    if args.attach is not None:
        return _follow(args.attach)
    settings = _settings(args)
    _start(settings)
    run = Path(_named(settings))
    if args.detach:
        terminal().note(f"follow it with: logos submit --attach {run}")
        return ExitCode.OK
    return _follow(run)


def _named(settings: Settings) -> str:
    """Return the directory of the run as the user wrote it."""
    from logos_cli.workflows.plan import check_command

    return check_command(settings.command)[1]


def _follow(run: Path) -> ExitCode:
    from logos_cli.cli.commands.submit.display import follow

    try:
        return follow(run)
    except KeyboardInterrupt:
        terminal().note(f"the run goes on; follow it with: logos submit --attach {run}")
        terminal().note(f"stop it with: logos submit --cancel {run}")
        return ExitCode.INTERRUPTED


def _settings(args: SubmitArguments) -> Settings:
    """Return the settings of a submission.

    Raises
    ------
    UsageError
        If the command cannot be divided, or the run is divided otherwise.
    MissingError
        If Parsl is not installed.
    """
    from logos_cli.processes.environment import usable_cores
    from logos_cli.runs.directory import is_run, read_run
    from logos_cli.workflows.plan import check_command
    from logos_cli.workflows.submit.executors import check_parsl
    from logos_cli.workflows.submit.settings import Settings

    check_parsl()
    words, run = check_command(args.command or ())
    folder = Path(run).absolute()
    is_local = args.executor == "local"
    if is_local and args.nodes > 1:
        raise UsageError("the executor local has one node", hint="give --workers N, or another --executor")
    if args.parsl_config is not None and not places.is_file(args.parsl_config):
        raise UsageError("there is no such file", source=args.parsl_config)
    gpus = args.gpus if args.gpus is not None else _n_gpus() if is_local else 0
    cores = args.cores or usable_cores()
    workers = args.workers or gpus or min(2, cores)
    if gpus and workers > gpus:
        raise UsageError(f"{workers} workers, but {gpus} GPUs", hint="each worker has a GPU of its own")
    shards = args.shards
    if is_run(folder):
        n_before = int(str(read_run(folder)["n_shards"]))
        if shards not in (None, n_before):
            raise UsageError(f"the run has {n_before} shards, not {shards}", source=run, hint="leave out --shards")
        shards = n_before
    elif folder.is_dir() and any(folder.iterdir()) and not (folder / "submit").is_dir():
        raise UsageError("the output is a directory with other files", source=run, hint="give a new directory")
    return Settings(
        command=tuple(words),
        run=str(folder),
        directory=str(Path.cwd()),
        executor=args.executor,
        n_shards=shards or _SHARDS_PER_WORKER * workers * args.nodes,
        n_workers=workers,
        n_nodes=args.nodes,
        n_cores=cores,
        n_gpus=gpus,
        memory_gib=args.memory,
        walltime_s=None if args.walltime is None else parse_time(args.walltime),
        queue=args.queue,
        account=args.account,
        prepare=args.prepare,
        options=tuple(args.directive or ()),
        image=args.image,
        address=args.address,
        parsl_config=None if args.parsl_config is None else str(Path(args.parsl_config).absolute()),
        n_retries=args.retries,
        is_merged=not args.no_merge,
    )


def _n_gpus() -> int:
    """Return the number of CUDA devices that this process sees; 0 without a driver, and without PyTorch's import."""
    if not Path("/proc/driver/nvidia").exists():
        return 0
    import torch

    return torch.cuda.device_count()


def _start(settings: Settings) -> None:
    """Start the process of the submission; it outlives this one.

    Raises
    ------
    UsageError
        If another process submits the run.
    """
    from logos_cli.cli.commands.submit.display import ENDED, is_alive
    from logos_cli.workflows.submit.settings import read_progress

    state = read_progress(Path(settings.run))
    if state and state["state"] not in ENDED and is_alive(state):
        raise UsageError(
            f"process {state['pid']} on {state['host']} runs its shards",
            source=settings.run,
            hint=f"follow it with: logos submit --attach {settings.run}",
        )
    settings.write()
    (settings.folder / "state.json").unlink(missing_ok=True)
    code = "from logos_cli.cli.submission import main; main()"
    with (settings.folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, settings.run],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=_environment(),
        )
    while not read_progress(Path(settings.run)):
        if process.poll() is not None:
            raise UsageError("the submission did not start", source=str(settings.folder / "log.txt"))
        time.sleep(0.1)


def _environment() -> dict[str, str]:
    from logos_cli.processes.environment import worker_environment

    return worker_environment({})


def _cancel(run: Path) -> ExitCode:
    """Stop the process of a submission, and wait for its end.

    Raises
    ------
    UsageError
        If it does not run, or runs on another host.
    """
    from logos_cli.cli.commands.submit.display import ENDED, follow, is_alive
    from logos_cli.workflows.submit.settings import read_progress

    state = read_progress(run)
    if not state or state["state"] in ENDED or not is_alive(state):
        raise UsageError("the run is not submitted now", source=str(run), hint="see `logos runs status`")
    if state["host"] != socket.gethostname():
        raise UsageError(f"process {state['pid']} runs on {state['host']}", source=str(run), hint="stop it there")
    os.kill(int(str(state["pid"])), signal.SIGTERM)
    code = follow(run)
    return ExitCode.OK if code is ExitCode.TERMINATED else code


PLUGIN = Command("submit", command(submit, SubmitArguments), panel="Runs", order=72)
