"""Cells on this machine, a given number at a time."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from ..cells import Control, Job, Outcome, run_cell
from .engine import Started


@dataclass(frozen=True)
class LocalEngine:
    """Cells on this machine, `slots` at a time, each slot with one of the GPUs (the identifiers that CUDA knows).

    A cell that asks for several GPUs gets them all, and shares them with the slots beside it.
    """

    slots: int = 1
    gpus: tuple[str, ...] = ()

    @property
    def sequential(self) -> bool:
        """Whether there is one slot."""
        return self.slots == 1

    def run(self, jobs: Sequence[Job], control: Control, started: Started) -> Iterator[Outcome]:
        """Run the cells in their order."""
        free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(self.slots):
            free.put(slot)

        def one(job: Job) -> Outcome:
            slot = free.get()
            try:
                if control.ending:
                    return Outcome(job.name, "unstarted")
                started(job, "")
                return run_cell(job, self._environment(slot, job), control)
            finally:
                free.put(slot)

        with ThreadPoolExecutor(self.slots) as pool:
            try:
                for future in as_completed([pool.submit(one, job) for job in jobs]):
                    yield future.result()
            except BaseException:
                control.killed.set()
                raise

    def _environment(self, slot: int, job: Job) -> Mapping[str, str]:
        own = {}
        if self.gpus:
            several = (job.resources.gpus or 1) > 1
            own["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus) if several else self.gpus[slot % len(self.gpus)]
        if self.slots > 1 and "OMP_NUM_THREADS" not in os.environ:
            # Side by side on one machine, each with as many threads as cores, cells would slow each other down.
            own["OMP_NUM_THREADS"] = str(job.resources.threads((os.cpu_count() or 1) // self.slots))
        return own


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that CUDA may use here, as `CUDA_VISIBLE_DEVICES` names them."""
    import torch

    count = torch.cuda.device_count()
    named = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip()]
    return tuple(named[:count]) if named else tuple(map(str, range(count)))
