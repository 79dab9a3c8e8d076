"""Predictions measured on the nodes of a Ray cluster: a map for `evaluate`, with the same statistics bit for bit."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

from ...evaluation.evaluate import MeasureMap, Packed, Pair, Results, measure
from ...evaluation.statistics import Statistics
from ...io.reporter import Reporter
from ...types import Dataset, Metric, Statistic, UserError
from . import node
from .cluster import Cluster, connected
from .node import Unfit

MAX_SHARD = 64
"""Samples that a worker measures before it hands over what it found."""
MIN_TURNS = 8
"""Shards for every CPU, where there are samples enough: no long rest is left to the last one."""
MAX_DEATHS = 3
"""A shard whose workers die this often is given to no other."""

Shard: TypeAlias = tuple[Pair, ...]
Measured: TypeAlias = list[list[Statistic]]


def map_on_ray(address: str | None, reporter: Reporter) -> MeasureMap:
    """A map over the CPUs of a cluster; see `connected` for the address."""

    def mapped(dataset: Dataset, metrics: Sequence[Metric], pairs: Iterable[Pair]) -> Results:
        source = iter(pairs)
        first = tuple(islice(source, 1))
        # What a node makes of this one must be what is made of it here: then it sees the same data, and counts alike.
        probe = [measure(dataset, metrics, pair) for pair in first]
        yield from probe
        with connected(address, reporter) as cluster:
            setup = cluster.ray.put((Packed.of(dataset, metrics), first, probe))
            turns = MIN_TURNS * max(1, cluster.slots())
            size = min(MAX_SHARD, max(1, len(pairs) // turns)) if isinstance(pairs, Sized) else MAX_SHARD
            shards = iter(lambda: tuple(islice(source, size)), ())
            yield from _Measuring(cluster, setup, shards).results()

    return mapped


@dataclass
class _Measuring:
    """Shards on their way to nodes and back; a few more are under way than there are CPUs, so that none waits."""

    cluster: Cluster
    setup: Any
    shards: Iterator[Shard]
    again: deque[tuple[Shard, int]] = field(default_factory=deque)
    under_way: dict[Any, tuple[Shard, int]] = field(default_factory=dict)

    def results(self) -> Results:
        """What is measured, as it comes."""
        task = self.cluster.remote(node.on_node)
        while self._submit(task):
            for done in self.cluster.ray.wait([*self.under_way], timeout=None)[0]:
                yield from self._result(done)

    def _submit(self, task: Any) -> bool:
        """Hand out shards; whether any is under way."""
        while len(self.under_way) < 2 * max(1, self.cluster.slots()):
            shard, deaths = self.again.popleft() if self.again else (next(self.shards, ()), 0)
            if not shard:
                break
            call = (self.cluster.caller, __name__, measure_shard.__name__, self.setup, shard)
            self.under_way[task.options(**self.cluster.options(num_cpus=1)).remote(*call)] = shard, deaths
        return bool(self.under_way)

    def _result(self, done: Any) -> Measured:
        """What a task found. Raises UserError for a sample that cannot be measured, or where its workers die."""
        shard, deaths = self.under_way.pop(done)
        try:
            found: Measured | Unfit | UserError = self.cluster.ray.get(done)
        except self.cluster.deaths as error:
            if deaths + 1 >= MAX_DEATHS:
                raise UserError(
                    f"samples {shard[0][0]} to {shard[-1][0]}: their worker died {MAX_DEATHS} times, perhaps for lack "
                    f"of memory ({type(error).__name__})"
                ) from error
            self.again.append((shard, deaths + 1))
            return []
        if isinstance(found, Unfit):
            self.cluster.leave_out(found)
            self.again.append((shard, deaths))
            return []
        if isinstance(found, UserError):
            raise found
        return found


_known: dict[str, tuple[Dataset, tuple[Metric, ...]] | Unfit] = {}
"""What this worker's process was set up with, by Ray's job."""


def measure_shard(setup: tuple[Packed, Shard, Measured], shard: Shard) -> Measured | Unfit | UserError:
    """On a node: measure these pairs, once its first task has shown that the node sees the same data."""
    import ray

    job = f"{ray.get_runtime_context().get_job_id()} {hash(setup[0].content)}"
    if job not in _known:
        _known[job] = _set_up(*setup)
    known = _known[job]
    if isinstance(known, Unfit):
        return known
    try:
        return [measure(*known, pair) for pair in shard]
    except UserError as error:
        return error


def _set_up(packed: Packed, first: Shard, expected: Measured) -> tuple[Dataset, tuple[Metric, ...]] | Unfit:
    import ray

    identifier = ray.get_runtime_context().get_node_id()
    try:
        dataset, metrics = packed.unpacked()
        found = [measure(dataset, metrics, pair) for pair in first]
    except (UserError, OSError) as error:
        return Unfit(identifier, f"does not see the data ({error}). They must lie at the same path on every node")
    for one, other in zip(found, expected, strict=True):
        if Statistics(one) != Statistics(other):
            return Unfit(
                identifier,
                f"measures {first[0][0]} differently: other data lie at the same path, or it counts otherwise",
            )
    return dataset, metrics
