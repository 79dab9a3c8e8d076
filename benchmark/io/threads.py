"""Small jobs in threads, several at a time: handing over a single one costs as much as hashing a small file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_A_TIME = 32


def map_in_threads(function: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """As `map`, in so many threads. Raises what the function raises, before the results of the items beside it."""
    parts = [items[start : start + _AT_A_TIME] for start in range(0, len(items), _AT_A_TIME)]
    if len(parts) < 2:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(min(threads, len(parts)))
    try:
        for found in pool.map(lambda part: [function(item) for item in part], parts):
            yield from found
    finally:
        pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C no more is begun
