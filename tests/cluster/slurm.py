"""A Slurm cluster of one node on the loopback interface, in a directory of its own, without systemd."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

N_CPUS = 4
"""Cores that the node claims to have: tests share whatever there is."""
REQUEUED_AFTER_S = 5
_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
_CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={requeued_after_s}
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ReturnToService=2
MpiDefault=none
SlurmdParameters=config_overrides
MailProg=/bin/true
KillWait=10
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=65536 State=UNKNOWN
PartitionName=main Nodes=one Default=YES MaxTime=INFINITE State=UP
"""


def reason_against() -> str | None:
    """Return why no cluster can be started here; None if one can."""
    lacking = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name, path=_PATH) is None]
    if lacking:
        return f"{', '.join(lacking)} not installed (Debian: slurm-wlm, munge)"
    return None if os.geteuid() == 0 else "Slurm's daemons need root"


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes
    ----------
    folder : Path
        Its directory: configuration, state, logs.
    """

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """Variables with which Slurm's commands find the cluster."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": _PATH}

    def do(self, *command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
        """Run a command of Slurm, and return what it prints."""
        environment = {**(env or os.environ)}
        environment |= {"SLURM_CONF": self.variables["SLURM_CONF"]}
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}\n{done.stdout}\n{self.log()}"
        return done.stdout.strip()

    def states(self, job: str) -> dict[str, str]:
        """Return the states of a job's tasks (``"1"``, or ``""`` for a job that is no array) by number."""
        found = {}
        for line in self.do("scontrol", "show", "job", "-o", job).splitlines():
            fields = dict(field.split("=", 1) for field in line.split() if "=" in field)
            for number in _numbers(fields.get("ArrayTaskId", "")):
                found[number] = fields["JobState"]
        return found

    def wait(self, job: str, seconds: float) -> dict[str, str]:
        """Wait until all tasks of a job have ended, and return their states."""
        until = time.monotonic() + seconds
        while (states := self.states(job)) and not all(each in ENDED for each in states.values()):
            assert time.monotonic() < until, f"job {job} has not ended: {states}\n{self.log()}"
            time.sleep(0.2)
        return states

    def log(self) -> str:
        """Return the ends of the daemons' logs."""
        files = [self.folder / name for name in ("slurmctld.log", "slurmd.log")]
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in files if path.exists())


ENDED = ("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED")


def _numbers(text: str) -> list[str]:
    """Return the numbers of ``4-6,9%2``."""
    found: list[str] = []
    for part in text.partition("%")[0].split(","):
        first, _, last = part.partition("-")
        found += [str(number) for number in range(int(first), int(last) + 1)] if last else [first]
    return found


@contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    """Start a cluster in an empty directory with a short path; stop its daemons at the end."""
    host = socket.gethostname().partition(".")[0]
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    controller, node = _free_ports(2)
    key = folder / "munge.key"
    key.touch(0o400)
    key.chmod(0o600)
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    (folder / "slurm.conf").write_text(
        _CONFIGURATION.format(
            folder=folder,
            host=host,
            controller_port=controller,
            node_port=node,
            cpus=N_CPUS,
            requeued_after_s=REQUEUED_AFTER_S,
        )
    )
    cluster = Cluster(folder)
    environment = {**os.environ, **cluster.variables}
    munge = ("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket")
    munge += (f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munge.seed", f"--log-file={folder}/munged.log")
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for command in (munge, ("slurmctld", "-D"), ("slurmd", "-D", "-N", "one")):
            with (folder / f"{command[0]}.out").open("wb") as out:
                daemons.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=folder))
            if command is munge:
                _wait_for(lambda: (folder / "munge.socket").exists(), cluster)
        _wait_for(lambda: _is_idle(environment), cluster)
        yield cluster
    finally:
        for daemon in reversed(daemons):
            _stop(daemon)


def _is_idle(environment: dict[str, str]) -> bool:
    done = subprocess.run(
        ["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout.strip() == "idle"


def _wait_for(condition: object, cluster: Cluster) -> None:
    assert callable(condition)
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, f"the cluster did not start\n{cluster.log()}"
        time.sleep(0.1)


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        daemon.wait(15)
    daemon.kill()
    daemon.wait()


def _free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
