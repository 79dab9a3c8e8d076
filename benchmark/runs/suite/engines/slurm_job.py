"""A cell inside its SLURM job: run, ended in order when its time is over or somebody cancels it, and reported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import UserError
from ....io.atomic import write_text
from ....io.locks import LOCK, exclusive
from ....io.text_files import read_json
from ..cells import Control, Job, Outcome, run_cell

if TYPE_CHECKING:
    from submitit.core.utils import DelayedSubmission

MAX_RESTARTS = 20
"""How often SLURM starts a job again, after time-outs, preemptions and nodes that died, before it counts as failed."""

STATUSES = ("done", "failed", "interrupted", "stranded")


@dataclass(frozen=True)
class Report:
    """How a cell ended, as its job writes it down, and the node.

    `stranded`: SLURM asked it to end, and it did in order; whether that was to be, the queue tells.
    """

    status: str
    exit_status: int | None
    seconds: float
    error: str
    node: str

    def outcome(self, name: str) -> Outcome:
        """The outcome that the suite is told."""
        status: Any = self.status if self.status in ("done", "failed") else "interrupted"
        return Outcome(name, status, self.exit_status, self.seconds, self.error)


def read_report(path: Path) -> Report | None:
    """What a job wrote down; None where it has not, or nothing that can be read."""
    try:
        report = Report(**read_json(path))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return report if report.status in STATUSES else None


class SlurmCell:
    """One cell as submitit calls it in a job; what travels there is the job, its run folder and the folder of reports.

    SIGINT comes from the driver, SIGTERM from SLURM (`scancel`, or a preemption): both end the cell in order. SIGUSR2
    comes before the limit of time: the cell ends in order, and submitit puts the job into the queue again.
    """

    def __init__(self, job: Job, folder: Path, reports: Path) -> None:
        self.job, self.folder, self.reports = job, folder, reports
        self._asked_by: int | None = None
        self._outcome: Outcome | None = None
        self._worker = threading.Thread(target=self._run, name="cell")

    def __reduce__(self) -> Any:
        return SlurmCell, (self.job, self.folder, self.reports)

    def __call__(self) -> str:
        """Run the cell to its end and write its report; the status in it."""
        from submitit.core.utils import UncompletedJobError

        self._path.unlink(missing_ok=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        self._worker.start()
        try:
            self._worker.join()
        except UncompletedJobError:  # by submitit, on top of this frame
            limit = f"its time was over (resources: {{time: …}}; it has {self.job.resources.minutes:g} min)"
            self._outcome = replace(self._ended, status="failed", error=f"{limit} more often than it is begun again")
        except (subprocess.SubprocessError, OSError):  # no `scontrol` on this node, or the cluster does not requeue
            self._asked_by = signal.SIGUSR2
        return self._report()

    def checkpoint(self) -> DelayedSubmission:
        """End the cell in order; called by submitit when its time is nearly over, on top of `__call__`."""
        from submitit.core.utils import DelayedSubmission

        self._asked_by = self._asked_by or signal.SIGUSR2
        self._worker.join()
        # SLURM may still count the job as failed: that its process ends and that it is queued again cross each other.
        self._report()
        if self._ended.status in ("done", "failed"):
            raise SystemExit(0)
        return DelayedSubmission(SlurmCell(self.job, self.folder, self.reports))

    @property
    def _path(self) -> Path:
        task = os.environ.get("SLURM_ARRAY_TASK_ID")
        own, array = os.environ["SLURM_JOB_ID"], os.environ.get("SLURM_ARRAY_JOB_ID")
        return self.reports / f"{own if array is None else f'{array}_{task}'}.json"

    @property
    def _ended(self) -> Outcome:
        return self._outcome or Outcome(self.job.name, "failed", None, 0.0, "its job ended before it began")

    def _on_signal(self, number: int, _: Any) -> None:
        # No lock is taken: a signal may come while the handler of another one runs.
        self._asked_by = number

    def _run(self) -> None:
        try:
            self._outcome = self._run_cell()
        except Exception as error:
            self._outcome = Outcome(self.job.name, "failed", None, 0.0, f"{type(error).__name__}: {error}")

    def _run_cell(self) -> Outcome:
        job, restarts = self.job, int(os.environ.get("SLURM_RESTART_COUNT") or 0)
        if restarts > MAX_RESTARTS:
            return Outcome(job.name, "failed", None, 0.0, f"SLURM has begun it again {restarts} times")
        if restarts:
            job = job.resumed()
        if job.append:
            self._wait_for_the_one_before()
        if self._asked_by is not None:
            return Outcome(job.name, "interrupted", None, 0.0, "interrupted")
        threads = str(job.resources.threads(job.resources.cpus))
        environment = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": threads}
        return run_cell(job, environment, Control(lambda: self._asked_by is not None))

    def _wait_for_the_one_before(self) -> None:
        """Wait for what has begun the run: a node that SLURM took for dead may only have lost its connection."""
        while self._asked_by is None and self.folder.is_dir():
            try:
                with exclusive(self.folder / LOCK, "it still runs elsewhere"):
                    return
            except UserError as error:
                print(error, flush=True)
                time.sleep(2)

    def _report(self) -> str:
        outcome = self._ended
        taken_away = outcome.status == "interrupted" and self._asked_by != signal.SIGINT
        report = Report(
            "stranded" if taken_away else outcome.status,
            outcome.exit_status,
            outcome.seconds,
            outcome.error,
            os.environ.get("SLURMD_NODENAME", ""),
        )
        self.reports.mkdir(parents=True, exist_ok=True)
        write_text(self._path, json.dumps(asdict(report)) + "\n")
        return report.status
