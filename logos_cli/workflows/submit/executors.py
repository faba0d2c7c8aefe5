"""Describe workers to Parsl: its HighThroughputExecutor, and the provider of a batch system."""

from __future__ import annotations

import os
import runpy
import shlex
import sys
from typing import TYPE_CHECKING, Final

from logos_cli.errors import InputError, MissingError, UsageError
from logos_cli.workflows.plan import lead_of

if TYPE_CHECKING:
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.executors.base import ParslExecutor
    from parsl.providers.base import ExecutionProvider

    from logos_cli.workflows.submit.settings import Settings

_HEARTBEAT_S: Final = 5
_LOST_AFTER_S: Final = 30
_WORKERS: Final = "parsl.executors.high_throughput.process_worker_pool"
_WORKER_OPTIONS: Final = (
    "{debug} {max_workers_per_node} -a {addresses} -p {prefetch_capacity} -c {cores_per_worker} -m {mem_per_worker} "
    "--poll {poll_period} --port={worker_port} --cert_dir {cert_dir} --logdir={logdir} --logconf={logconf} "
    "--block_id={{block_id}} --hb_period={heartbeat_period} {address_probe_timeout_string} "
    "--hb_threshold={heartbeat_threshold} --drain_period={drain_period} --cpu-affinity {cpu_affinity} "
    "{enable_mpi_mode} --mpi-launcher={mpi_launcher} --available-accelerators {accelerators}"
)


def check_parsl() -> None:
    """Raise an error if Parsl is not installed.

    Raises
    ------
    MissingError
        With the command that installs it.
    """
    from importlib.util import find_spec

    if find_spec("parsl") is None:
        raise MissingError("logos submit needs parsl, which is not installed", hint="pip install 'logos-cli[hpc]'")


def config_of(settings: Settings) -> Config:
    """Return the configuration of Parsl, whose files are all in the directory of the run.

    Raises
    ------
    MissingError
        If Parsl, or what the batch system needs, is not installed.
    InputError
        If the user's configuration cannot be used.
    """
    from parsl.config import Config

    site = settings.parsl_config
    return Config(
        executors=[_executor(settings)] if site is None else _executors_of_site(site),
        run_dir=str(settings.folder / "parsl"),
        strategy="htex_auto_scale",  # idle jobs end; those that lack are submitted again
        max_idletime=30,
        retries=0,  # the submission begins shards again, after a while
        usage_tracking=0,
    )


def _executor(settings: Settings) -> HighThroughputExecutor:
    from parsl.executors import HighThroughputExecutor
    from parsl.jobs.error_handlers import windowed_error_handler

    walltime_s = settings.walltime_s
    is_local = settings.executor == "local"
    # a worker has cores of its own, if there are enough
    affinity = "block" if hasattr(os, "sched_setaffinity") and settings.n_workers <= settings.n_cores else "none"
    python = "python3" if settings.executor == "kubernetes" else shlex.quote(sys.executable)
    return HighThroughputExecutor(
        label="logos",
        provider=_provider(settings),
        launch_cmd=f"{python} -m {_WORKERS} {_WORKER_OPTIONS}",
        interchange_launch_cmd=[sys.executable, "-m", "parsl.executors.high_throughput.interchange"],
        address="127.0.0.1" if is_local else settings.address,
        cores_per_worker=1e-3,  # the number of workers decides
        max_workers_per_node=settings.n_workers,
        available_accelerators=[str(number) for number in range(settings.n_gpus)],
        cpu_affinity=affinity,
        block_error_handler=windowed_error_handler,  # three jobs in a row that fail; one may be killed
        heartbeat_period=_HEARTBEAT_S,
        heartbeat_threshold=_LOST_AFTER_S,
        drain_period=None if walltime_s is None else max(1, round(walltime_s - lead_of(walltime_s))),
    )


def _provider(settings: Settings) -> ExecutionProvider:
    """Return the provider of the workers' nodes."""
    from parsl import providers

    n_nodes = settings.n_nodes
    prepare = "\n".join(filter(None, (settings.prepare, f"cd {shlex.quote(settings.directory)}")))
    if settings.executor == "local":
        return providers.LocalProvider(init_blocks=1, min_blocks=0, max_blocks=1, worker_init=prepare)
    if settings.executor == "kubernetes":
        return _kubernetes(settings, prepare)
    if settings.walltime_s is None:
        raise UsageError("a job of a batch system needs a time", hint="give --walltime 4h")
    minutes, seconds = divmod(round(settings.walltime_s), 60)
    walltime = f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
    options = "\n".join(settings.options)
    if settings.executor == "slurm":
        return providers.SlurmProvider(
            partition=settings.queue,
            account=settings.account,
            cores_per_node=settings.n_cores,
            mem_per_node=settings.memory_gib,
            gpus_per_node=settings.n_gpus or None,
            walltime=walltime,
            scheduler_options=options,
            worker_init=prepare,
            cmd_timeout=60,
            exclusive=False,
            init_blocks=n_nodes,
            max_blocks=n_nodes,
        )
    if settings.executor == "pbs":
        gpus = f"ngpus={settings.n_gpus}" if settings.n_gpus else ""
        memory = f"mem={settings.memory_gib}gb" if settings.memory_gib else ""
        return providers.PBSProProvider(
            queue=settings.queue,
            account=settings.account,
            cpus_per_node=settings.n_cores,
            select_options=":".join(filter(None, (gpus, memory))),
            walltime=walltime,
            scheduler_options=options,
            worker_init=prepare,
            init_blocks=n_nodes,
            max_blocks=n_nodes,
        )
    return providers.LSFProvider(
        queue=settings.queue,
        project=settings.account,
        request_by_nodes=False,
        cores_per_block=settings.n_cores,
        cores_per_node=settings.n_cores,
        walltime=walltime,
        scheduler_options=options,
        worker_init=prepare,
        bsub_redirection=True,
        init_blocks=n_nodes,
        max_blocks=n_nodes,
    )


def _kubernetes(settings: Settings, prepare: str) -> ExecutionProvider:
    from parsl.errors import OptionalModuleMissing
    from parsl.providers import KubernetesProvider

    if settings.image is None:
        raise UsageError("pods need an image with logos", hint="give --image; examples/hpc/Dockerfile builds one")
    memory = f"{settings.memory_gib or 4}Gi"
    gpus = {"nvidia.com/gpu": str(settings.n_gpus)} if settings.n_gpus else None
    try:
        return KubernetesProvider(
            image=settings.image,
            init_blocks=settings.n_nodes,
            max_blocks=settings.n_nodes,
            init_cpu=settings.n_cores,
            max_cpu=settings.n_cores,
            init_mem=memory,
            max_mem=memory,
            extra_requests=gpus,
            extra_limits=gpus,
            worker_init=prepare,
        )
    except OptionalModuleMissing as error:
        raise MissingError("pods need the package kubernetes", hint="pip install kubernetes") from error


def _executors_of_site(path: str) -> list[ParslExecutor]:
    """Return the executors that a user's file defines.

    Raises
    ------
    InputError
        If the file defines none, or cannot be run.
    """
    from parsl.config import Config

    try:
        names = runpy.run_path(path)
    except Exception as error:
        raise InputError(f"cannot be run: {type(error).__name__}: {error}", source=path) from error
    config, executor = names.get("config"), names.get("executor")
    if isinstance(config, Config):
        return list(config.executors)
    if executor is None:
        raise InputError("defines neither config nor executor", source=path, hint="see docs/guide/clusters.md")
    return [executor]
