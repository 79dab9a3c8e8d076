"""A real SLURM cluster of two nodes on this machine, as the user who runs the tests: started, disturbed and ended."""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
NODES = ("n1", "n2")
_NODE = "SEGBENCH_TEST_NODE"

_CONFIGURATION = """\
ClusterName=segbench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=6
KillWait=3
MinJobAge={min_job_age}
MaxJobCount={max_jobs}
SchedulerParameters=batch_sched_delay=1,bf_interval=2,sched_interval=2,max_sched_time=1
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=4000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=4000
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
PartitionName=other Nodes=n2 MaxTime=60 State=UP
"""


class SlurmCluster:
    """munged, slurmctld and two slurmd of their own, with all that they write in one folder.

    `environment` holds what a process needs to talk to it.
    """

    def __init__(self, folder: Path, min_job_age_s: int = 300, max_jobs: int = 10_000) -> None:
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (folder / name).mkdir(exist_ok=True)
        (folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (folder / "munge.key").chmod(0o400)
        (folder / "slurm.conf").write_text(
            _CONFIGURATION.format(
                host=socket.gethostname(),
                user=getpass.getuser(),
                folder=folder,
                ports=_free_ports(3),
                min_job_age=min_job_age_s,
                max_jobs=max_jobs,
            )
        )

    def start(self) -> None:
        """Start all daemons and wait until both nodes take jobs."""
        places = [f"--{name}={self.folder}/munge.{name.split('-')[0]}" for name in ("key-file", "socket", "pid-file")]
        places += [f"--{name}={self.folder}/munged.{name.split('-')[0]}" for name in ("log-file", "seed-file")]
        self._daemon("munged", "munged", "--foreground", "--force", *places)
        _wait_for((self.folder / "munge.socket").exists, "munged", 10)
        self._daemon("slurmctld", "slurmctld", "-D")
        for node in NODES:
            self.start_node(node)
        _wait_for(lambda: self.states() == dict.fromkeys(NODES, "idle"), "two idle nodes", 30)

    def start_node(self, node: str) -> None:
        """Start the slurmd of a node, for the first time or again."""
        self._daemon(node, "slurmd", "-D", "-N", node, **{_NODE: node})

    def kill_slurmd(self, node: str) -> None:
        """Kill the daemon of a node. Its jobs run on, and SLURM finds out after `SlurmdTimeout`."""
        self._daemons[node].kill()
        self._daemons[node].wait()

    def kill_node(self, node: str) -> None:
        """End a node as a power cut does, with all that runs on it."""
        doomed = self._processes(node)
        self.kill_slurmd(node)
        for process in doomed:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def states(self) -> dict[str, str]:
        """What each node does."""
        shown = self.call("sinfo", "--noheader", "--Node", "--partition=main", "--format=%N %T", check=False)
        return dict(line.split() for line in shown.splitlines())

    def call(self, *command: str, check: bool = True) -> str:
        """Run one of SLURM's commands; what it printed."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60, check=False
        )
        assert not check or done.returncode == 0, (command, done.stderr)
        return done.stdout

    def end(self) -> None:
        """End all jobs and daemons."""
        self.call("scancel", f"--user={getpass.getuser()}", check=False)
        for process in self._processes(None):
            with contextlib.suppress(psutil.Error):
                process.kill()
        for daemon in self._daemons.values():
            daemon.kill()
            daemon.wait()

    def _daemon(self, name: str, *command: str, **environment: str) -> None:
        log = (self.folder / f"{name}.out").open("ab")
        own = {**os.environ, **self.environment, **environment}
        with log:
            self._daemons[name] = subprocess.Popen(
                command, env=own, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _processes(self, node: str | None) -> list[psutil.Process]:
        """What runs on a node, or on all: its daemon, what watches over its jobs, then what jobs have started."""
        daemons, watchers, jobs = [], [], []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                its = process.environ()
                if its.get("SLURM_CONF") != self.environment["SLURM_CONF"]:
                    continue
                if _NODE in its and node in (None, its[_NODE]):
                    daemons.append(process)
                elif "SLURMD_NODENAME" in its and node in (None, its["SLURMD_NODENAME"]):
                    jobs.append(process)
                    watchers += [above for above in process.parents() if above.name().startswith("slurmstepd")]
        return [*daemons, *watchers, *jobs]


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_for(condition: object, what: str, seconds: float) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.1)


@contextlib.contextmanager
def slurm_cluster(min_job_age_s: int = 300, max_jobs: int = 10_000) -> Iterator[SlurmCluster]:
    """A cluster that runs while the block does; a test without SLURM on its machine is skipped and says so."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"SLURM is not installed here (no {', '.join(missing)}); on Debian: apt install slurm-wlm munge")
    # The name of a socket has at most 107 bytes: pytest's own folders may be too deep for it.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = SlurmCluster(folder, min_job_age_s, max_jobs)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(folder, ignore_errors=True)
