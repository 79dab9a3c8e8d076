"""Families that measure groups as a whole: from the parts of their samples to statistics."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..types import DatasetInfo, Metric, Statistic


def of_whole_groups(
    found: Iterable[Statistic], metrics: Sequence[Metric], info: DatasetInfo, workers: int | None = 0
) -> Iterator[Statistic]:
    """What families measured, as it comes; parts of groups are held back until all are there.

    Groups are measured in so many threads, None for one on each core; the result is the same.
    """
    families = {metric.name: metric for metric in metrics if metric.part_columns}
    parts: dict[tuple[str, str], list[Statistic]] = {}
    for each in found:
        if each.metric in families:
            parts.setdefault((each.metric, each.group), []).append(each)
        else:
            yield each
    if not parts:
        return
    threads = (os.cpu_count() or 1) if workers is None else max(1, workers)
    with ThreadPoolExecutor(threads, thread_name_prefix="groups") as pool:
        groups = [parts[key] for key in sorted(parts)]
        for statistics in pool.map(lambda group: families[group[0].metric].of_group(group, info), groups):
            yield from statistics
