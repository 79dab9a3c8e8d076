"""Ray clusters of this machine, each node as `ray start` makes it: processes that are taken away with the test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

RAY = Path(sys.executable).with_name("ray")
STARTED = "Ray runtime started"
PATIENCE_S = 180
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # A node that is gone is missed after a second or two, not after fifteen.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "3",
}


@dataclass
class Node:
    """One `ray start --block`, the leader of its own session."""

    process: subprocess.Popen[bytes]
    output: Path

    def wait(self) -> None:
        """Wait until it has joined."""
        end = time.monotonic() + PATIENCE_S
        while STARTED not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < end, self.output.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """As when a machine fails: the node's daemon and all that it has started end, and say nothing."""
        _kill(self._all())

    def _all(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            return [own, *own.children(recursive=True)]
        return []


def _kill(processes: Sequence[psutil.Process]) -> None:
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            one.send_signal(signal.SIGKILL)
    psutil.wait_procs(processes, timeout=30)


@dataclass
class RayCluster:
    """A head and its nodes, one CPU each."""

    address: str
    folder: Path
    nodes: list[Node] = field(default_factory=list)

    def add(self, *words: str, around: Sequence[str] = (), cpus: int = 1, **environment: str) -> Node:
        """Start a node that joins; `around` is a program that starts it, such as `unshare`."""
        if self.nodes:
            words = (f"--address={self.address}", *words)
        output = self.folder / f"{len(self.nodes)}.txt"
        command = [*around, str(RAY), "start", "--block", f"--num-cpus={cpus}"]
        command += [] if any(word.startswith("--num-gpus") for word in words) else ["--num-gpus=0"]
        command += ["--object-store-memory=80000000", "--include-log-monitor=false", *words]
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                # What Ray writes down of the newest cluster of a machine is for that of its user.
                env={**os.environ, **ENVIRONMENT, "RAY_TMPDIR": str(self.folder), **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.nodes.append(Node(process, output))
        return self.nodes[-1]


@contextmanager
def ray_cluster(cpus: int = 1) -> Iterator[RayCluster]:
    """A cluster of one node with these CPUs, whose address is `HOST:PORT`; nothing of it is left afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Below /tmp, as the names of Ray's sockets are longer than pytest's folders allow.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    cluster = RayCluster(f"127.0.0.1:{port}", folder)
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_AUTH_MODE", "disabled")  # whatever tokens the user's own clusters ask for
    try:
        head = cluster.add("--head", f"--port={port}", "--include-dashboard=false", cpus=cpus)
        head.wait()
        yield cluster
    finally:
        for node in cluster.nodes:
            node.kill()
        _kill([one for one in psutil.process_iter() if _names(one, str(folder))])
        patch.undo()
        shutil.rmtree(folder, ignore_errors=True)


def _names(process: psutil.Process, text: str) -> bool:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return any(text in word for word in process.cmdline())
    return False
