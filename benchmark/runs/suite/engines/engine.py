"""What an engine is: it runs cells, each a process of its own, and says how they ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeAlias

from ..cells import Control, Job, Outcome

Started: TypeAlias = Callable[[Job, str], None]
"""Told of a cell that begins, and of its place in words for people: a node, or a scheduler's name; "" is here."""


class Engine(Protocol):
    """Runs cells somewhere."""

    @property
    def sequential(self) -> bool:
        """Whether it runs one cell at a time, so that their order changes nothing but which results come first."""

    def run(self, jobs: Sequence[Job], control: Control, started: Started) -> Iterator[Outcome]:
        """Run the jobs, in their order as far as places are free, and yield outcomes as they come.

        A cell that fails does not stop the rest. Once `control.stop()` is true no other cell begins (it is
        `unstarted`), and those under way are asked to end in order, so that `--resume` goes on with them. Once
        `control.killed` is set, or the iterator is closed, they end at once.
        """
