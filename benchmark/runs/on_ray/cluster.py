"""Connecting to a Ray cluster, and which of its nodes can do the work."""

from __future__ import annotations

import io
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO, cast

from ...io.reporter import Reporter
from ...text import counted, shown
from ...types import UserError
from . import node
from .node import Caller, Unfit, code_here

LOCAL = "local"


def refuse_without_ray() -> None:
    """Raise UserError where Ray is not installed."""
    if find_spec("ray") is None:
        raise UserError("--engine ray: needs the package ray. Install it with: pip install 'segbench[ray]'")


@dataclass
class Cluster:
    """A cluster that this process is connected to."""

    ray: Any
    reporter: Reporter
    caller: Caller
    left_out: dict[str, str] = field(default_factory=dict)
    """Why a node does none of the work, by its identifier."""

    def nodes(self) -> list[Mapping[str, Any]]:
        """The nodes that live and may do work."""
        return [one for one in self.ray.nodes() if one["Alive"] and one["NodeID"] not in self.left_out]

    @property
    def deaths(self) -> tuple[type[Exception], ...]:
        """The errors of a task whose worker or node died; it may be tried on another one."""
        found = self.ray.exceptions
        return found.WorkerCrashedError, found.NodeDiedError, found.ObjectLostError, found.OutOfMemoryError

    def slots(self) -> int:
        """How many things that need one CPU can be done at a time."""
        return int(sum(one["Resources"].get("CPU", 0) for one in self.nodes()))

    def name_of(self, identifier: str) -> str:
        """A node for people: its host's name, or its own where a host has several."""
        nodes = self.ray.nodes()
        own = next((one for one in nodes if one["NodeID"] == identifier), None)
        if own is None:
            return identifier[:8]
        host = str(own["NodeManagerHostname"])
        named = str(own.get("NodeName") or host)
        if named not in (host, str(own["NodeManagerAddress"])):
            return shown(named)
        return shown(
            host if sum(one["NodeManagerHostname"] == host for one in nodes) == 1 else f"{host}/{identifier[:6]}"
        )

    def leave_out(self, unfit: Unfit) -> None:
        """Give a node no work from now on.

        Raises UserError where no other is left.
        """
        if unfit.node in self.left_out:
            return
        self.left_out[unfit.node] = f"node {self.name_of(unfit.node)} {unfit.why}"
        if not self.slots():
            raise UserError("no node of the Ray cluster can do the work: " + "; ".join(self.left_out.values()))
        # Said, not warned of: a warning is kept in records, and what is measured is the same without this node.
        self.reporter.say(f"{self.left_out[unfit.node]}. It does none of the work.")

    def options(self, **more: Any) -> dict[str, Any]:
        """Options of a task that goes to any node but those that are left out."""
        if self.left_out:
            more["label_selector"] = {"ray.io/node-id": f"!in({','.join(self.left_out)})"}
        return {"max_retries": 0, **more}

    def remote(self, of_node: Any) -> Any:
        """A function or class of `node` as a task or an actor."""
        self.ray.cloudpickle.register_pickle_by_value(node)
        return self.ray.remote(of_node)

    def beside_me(self, actor: type) -> Any:
        """An actor of a class of `node`, on this machine, which needs none of its CPUs."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self.ray.get_runtime_context().get_node_id(), soft=False)
        return self.remote(actor).options(num_cpus=0, scheduling_strategy=here, max_concurrency=10_000).remote()

    def most(self, resource: str) -> float:
        """The most that one node has of a resource, in Ray's words (`CPU`, `GPU`, `memory`)."""
        return max((float(one["Resources"].get(resource, 0)) for one in self.nodes()), default=0.0)


def caller_here() -> Caller:
    """What this process hands on to workers."""
    environment = {
        name: os.pathsep.join(
            str(Path(one).absolute()) if Path(one).exists() else one for one in value.split(os.pathsep)
        )
        for name, value in os.environ.items()
        if name.startswith("SEGBENCH_")
    }
    return Caller(code_here(), str(Path.cwd()), environment)


@contextmanager
def connected(address: str | None, reporter: Reporter) -> Iterator[Cluster]:
    """A connection to the cluster at an address.

    Parameters
    ----------
    address : `HOST:PORT`, `auto` (`$RAY_ADDRESS`, or the cluster of this machine), or `local`: one is started on this
        machine and ends with the block. None is `auto`, and `local` where no cluster is found.
    reporter : says which cluster it is.

    Raises
    ------
    UserError
        Where Ray is not installed, or the cluster cannot be joined.
    """
    refuse_without_ray()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():  # by whoever calls from Python
        yield Cluster(ray, reporter, caller_here())
        return
    with _quiet():
        try:
            with _sigterm_kept():
                _connect(ray, address, reporter)
            cluster = Cluster(ray, reporter, caller_here())
            nodes, cpus = counted(len(cluster.nodes()), "node"), counted(cluster.slots(), "CPU")
            reporter.say(f"Ray cluster of {nodes} with {cpus}")
            yield cluster
        finally:
            # What nodes that died said twice is held back by Ray, which prints it here, in this thread.
            with redirect_stdout(io.StringIO()):
                ray.shutdown()


class _WithoutRay:
    """Standard output without what Ray's own thread says there of nodes that die: results are read from it."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        if threading.current_thread().name == "ray_listen_error_messages":
            return len(text)
        return int(self.stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def _quiet() -> Iterator[None]:
    before, logger = sys.stdout, logging.getLogger("ray")
    level, sys.stdout = logger.level, cast(TextIO, _WithoutRay(before))
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        if isinstance(sys.stdout, _WithoutRay):
            sys.stdout = before


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Ray answers SIGTERM by leaving at once; whoever ends this process is answered as Ctrl-C is."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _connect(ray: Any, address: str | None, reporter: Reporter) -> None:
    if address is not None and "://" in address:
        raise UserError(
            f"--address {shown(address)}: Ray's client is not used. Run bench on a node of the cluster, with --address "
            "HOST:PORT or auto (a driver without CPUs of its own is a node too: ray start --num-cpus 0 --address …)."
        )
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    if address != LOCAL:
        try:
            ray.init(address=address or "auto", **quiet)
        except ConnectionError as error:
            if address is not None:
                raise UserError(_refusal(address, error)) from error
        except (RuntimeError, ValueError, OSError) as error:
            raise UserError(_refusal(address or "auto", error)) from error
        else:
            return
    reporter.say("starting a Ray cluster on this machine")
    with _token_of_its_own():
        ray.init(address=LOCAL, include_dashboard=False, **quiet)


@contextmanager
def _token_of_its_own() -> Iterator[None]:
    """A new cluster lets in whoever knows its token. Ray would keep that in the home folder, for later clusters too."""
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
    if not any(before.values()):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    try:
        yield
    finally:
        for name in [name for name, value in before.items() if value is None]:
            os.environ.pop(name, None)


def _refusal(address: str, error: Exception) -> str:
    why = " ".join(str(error).split())[:300]
    return (
        f"--address {shown(address)}: cannot join a Ray cluster from {socket.gethostname()} ({why}). This machine must "
        "be one of its nodes: ray start --address HOST:PORT (with --num-cpus 0, it does none of the work). "
        "--address local starts a cluster here."
    )
