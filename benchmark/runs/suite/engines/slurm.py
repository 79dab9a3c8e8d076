"""Cells as jobs of SLURM: one array for all that ask for the same, through submitit."""

from __future__ import annotations

import functools
import io
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field, replace
from pathlib import Path

from ....errors import UserError
from ....io.reporter import Reporter
from ....text import counted, printable
from ..cells import Control, Job, Outcome
from ..planned import CELLS
from ..resources import Resources
from . import slurm_queue as queue
from .engine import Started
from .slurm_job import SlurmCell
from .slurm_options import job_name, minutes, sbatch_options
from .slurm_watch import Task, Watch

FOLDER, REPORTS = "slurm", "ended"

MAX_TIMEOUTS = 10
"""How often a cell whose time was over is put into the queue again."""

RETRY_S = 30.0
"""How long until cells are submitted again that SLURM would not take."""

END_S = 1.0
"""Between two looks whether jobs have ended that were asked to."""

_LIMIT = re.compile(r"temporarily|policy|MaxSubmit|limit", re.IGNORECASE)
"""In what `sbatch` says of a user who has too many jobs already, or of a cluster that has."""


def cancel_jobs(jobs: Sequence[str]) -> list[str]:
    """Take cells out of SLURM's queue by the ids of their jobs (`123`, `123_4`), and end those that run in order.

    `--resume` goes on with them. Arrays are cancelled as a whole: all tasks of one are cells of one suite. Returns the
    ids of those that had not ended. Raises UserError where SLURM is not here or does not answer.
    """
    there = _under_way(jobs)
    queue.cancel_waiting(queue.arrays(there))
    queue.ask_to_end(queue.arrays(there))
    return there


def forgotten_jobs(folder: Path, known: Container[str]) -> list[str]:
    """Jobs in SLURM's queue that were submitted for the suite in `folder`, have not ended and are not `known`.

    A process leaves them that is killed between `sbatch` and its note of what SLURM calls the cells. Raises UserError
    where SLURM is not here or does not answer.
    """
    if not (folder / FOLDER).is_dir():
        return []
    own = (folder / FOLDER).resolve()
    of_this_suite = functools.cache(lambda script: Path(script).parent.resolve() == own)
    return [job for job, entry in _jobs_under_way().items() if job not in known and of_this_suite(entry.script)]


def end_forgotten_jobs(folder: Path, known: Container[str], say: Callable[[str], None]) -> None:
    """Take forgotten jobs out of the queue, and wait until those that run have ended in order. Raises as the above."""
    said = False
    while jobs := forgotten_jobs(folder, known):
        if not said:
            said = True
            say(f"{counted(len(jobs), 'job')} in SLURM's queue that a killed process has left: waiting for the end")
        queue.cancel_waiting(jobs)
        queue.ask_to_end(jobs)
        time.sleep(END_S)


def _under_way(jobs: Sequence[str]) -> list[str]:
    """Those of the jobs that are cells in the queue and have not ended."""
    there = _jobs_under_way()
    return [job for job in jobs if job in there]


def _jobs_under_way() -> Mapping[str, queue.Entry]:
    queue.refuse_without_slurm()
    entries = queue.look()
    if entries is None:
        raise UserError("SLURM does not answer (squeue failed). Try again once its controller runs.")
    return {job: entry for job, entry in entries.items() if entry.state in queue.UNDER_WAY}


@dataclass(frozen=True)
class SlurmEngine:
    """Cells of the suite in `folder` as jobs of SLURM; the state of the queue is asked for once for all of them.

    Parameters
    ----------
    folder : of the suite; all nodes see it under this path.
    suite : its name.
    reporter : told of what keeps cells waiting.
    options : of `sbatch`, by name.
    at_a_time : so many cells of an array at most; None leaves that to SLURM.
    on_gpus : whether cells may compute on GPUs; what asks for none in particular gets one where there are any.
    poll_s : seconds between two looks at the queue.
    """

    folder: Path
    suite: str
    reporter: Reporter
    options: Mapping[str, str] = field(default_factory=dict)
    at_a_time: int | None = None
    on_gpus: bool = True
    poll_s: float = 5.0

    @property
    def sequential(self) -> bool:
        """Never: SLURM runs what there is room for."""
        return False

    def run(self, jobs: Sequence[Job], control: Control, started: Started) -> Iterator[Outcome]:
        """Submit the cells, but for those that are in the queue from an earlier call, and wait for all of them."""
        self._refuse_folder()
        tasks = self._adopted(jobs)
        self._forget_reports(tasks)
        left = [Task(job) for job in jobs if job.name not in tasks]
        try:
            yield from self._watch(tasks, left, control, started)
        except BaseException:
            queue.cancel(queue.arrays(task.id for task in tasks.values()))
            raise

    def _refuse_folder(self) -> None:
        path = str(self.folder.absolute())
        if not path.isprintable() or "%" in path or "\\" in path:
            raise UserError(f"{path!r}: SLURM reads '%' and '\\' in a path as patterns; choose another --out")

    def _adopted(self, jobs: Sequence[Job]) -> dict[str, Task]:
        """Cells that an earlier call has submitted and that wait or run; what is stale is taken out of the queue."""
        there = set(_under_way([job.queued_as for job in jobs if job.queued_as]))
        mine = [job for job in jobs if job.queued_as in there]
        stale = [job.queued_as for job in mine if "--overwrite" in job.arguments]
        queue.cancel(stale)
        return {job.name: Task(job, job.queued_as) for job in mine if job.queued_as not in stale}

    def _submit(self, new: Sequence[Task], tasks: dict[str, Task], control: Control) -> list[Task]:
        """Submit cells in arrays of those that ask for the same, in their order; those that SLURM does not take yet.

        `tasks` gets each array once it is in the queue. One that is too large for what a user may have there is halved.
        """
        alike: dict[Resources, list[Task]] = {}
        for task in new:
            alike.setdefault(task.job.resources, []).append(task)
        # A method that computes on none asks for none; only the others are worth a question.
        asked = self.on_gpus and any(task.job.resources.gpus is None for task in new)
        gpus = asked and queue.has_gpus(self.options.get("partition"))
        (largest, places), left = queue.room(), []
        for resources, group in alike.items():
            while group and min(largest, places) > 0 and not control.ending:
                array = group[: min(largest, places)]
                try:
                    names = self._sbatch(array, resources, gpus)
                except UserError as error:
                    if control.ending:  # Ctrl-C at the terminal has reached sbatch, too
                        break
                    if not isinstance(error, _FullError) or (len(array) == 1 and not tasks):
                        raise
                    largest = len(array) // 2
                    continue
                places -= len(array)
                for task, name in zip(array, names, strict=True):
                    task.id, task.place, task.silent_since = name, "", None
                tasks.update({task.job.name: task for task in array})
                control.queued({task.job.name: task.id for task in array})
                group = group[len(array) :]
            left += group
        return left

    def _sbatch(self, array: Sequence[Task], resources: Resources, gpus: bool) -> list[str]:
        """Put cells into the queue as one array; the names that SLURM has for them."""
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        jobs = [task.job for task in array]
        executor = SlurmExecutor(
            folder=self.folder / FOLDER,
            max_num_timeout=MAX_TIMEOUTS,
            # The cell's process takes the place of the shell, so that signals reach it and not a shell above it. -P: as
            # for a cell, nothing is imported from the current folder.
            python=f"exec {shlex.quote(sys.executable)} -P",
        )
        executor.update_parameters(
            job_name=job_name(self.suite),
            comment=" ".join(f"{counted(len(jobs), 'cell')} of suite {self.suite} in {self.folder.absolute()}".split()),
            time=minutes(resources),
            array_parallelism=self.at_a_time or len(jobs),
            use_srun=False,
            stderr_to_stdout=True,
            wckey=None,
            additional_parameters={
                name: value or True for name, value in sbatch_options(resources, gpus, self.options).items()
            },
        )
        cells = [SlurmCell(job, (self.folder / CELLS / job.name).absolute(), self._reports) for job in jobs]
        try:
            # submitit prints what it raises, too.
            with _outside_of_a_job(), redirect_stderr(io.StringIO()):
                return [str(job.job_id) for job in executor.submit_array(cells)]
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            said = (printable(str(error)).strip().splitlines() or ["it said nothing"])[-1]
            kind = _FullError if _LIMIT.search(said) else UserError
            raise kind(f"SLURM did not take the jobs: {said}") from None

    @property
    def _reports(self) -> Path:
        return (self.folder / FOLDER / REPORTS).absolute()

    def _forget_reports(self, kept: Mapping[str, Task]) -> None:
        """Remove what ended jobs of earlier calls wrote: job numbers restart when a cluster is set up again."""
        known = {task.id for task in kept.values()}
        for path in self._reports.glob("*.json"):
            if path.stem not in known:
                path.unlink(missing_ok=True)

    def _watch(self, tasks: dict[str, Task], left: list[Task], control: Control, started: Started) -> Iterator[Outcome]:
        """Submit what is `left` and give outcomes as they come; `tasks` holds what is in the queue."""
        watch = Watch(self._reports, self.folder / FOLDER, self.poll_s, control, self.reporter.warn)
        next_try = 0.0
        while tasks or left:
            if left and control.ending:
                yield from (Outcome(task.job.name, "unstarted") for task in left)
                left = []
            elif left and time.monotonic() >= next_try:
                left = self._submit(left, tasks, control)
                next_try = time.monotonic() + RETRY_S
                if left and not control.ending:
                    watch.tell("SLURM takes no more jobs of yours for now: the other cells follow as these end")
            watch.look(tasks.values())
            for task in list(tasks.values()):
                place = watch.place(task)
                if place != task.place:
                    task.place = place
                    started(task.job, place)
                verdict = watch.verdict(task)
                if verdict is not None:
                    del tasks[task.job.name]
                if verdict == "lost":
                    left.append(replace(task, job=task.job.resumed(), retries=task.retries + 1))
                    next_try = 0.0
                elif verdict is not None:
                    yield verdict
            if tasks or left:
                watch.wait()


class _FullError(UserError):
    """SLURM takes no more jobs for now."""


@contextmanager
def _outside_of_a_job() -> Iterator[None]:
    """Hide the job that this process is itself in, if it is: `sbatch` would take over what that one has asked for."""
    inside = "SLURM_JOB_ID" in os.environ
    hidden = [name for name in os.environ if name.startswith(("SLURM_", "SUBMITIT_")) and name != "SLURM_CONF"]
    before = {name: os.environ.pop(name) for name in hidden if inside}
    try:
        yield
    finally:
        os.environ.update(before)
