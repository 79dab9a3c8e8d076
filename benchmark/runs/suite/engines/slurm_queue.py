"""SLURM's queue: the state of jobs, submitting and cancelling, through SLURM's own commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ....errors import UserError

TIMEOUT_S = 120.0
MAX_WORDS = 500
"""Jobs that one command names: its line stays short enough for any system."""

NAMES = "segbench-"
"""How the names of all jobs of suites begin."""

UNDER_WAY = frozenset({
    "PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESIZING",
    "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED", "SUSPENDED",
})  # fmt: skip
"""States of a job that has not ended."""

BEGUN = UNDER_WAY - {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "CONFIGURING"}
"""States of a job whose processes run."""

_TASKS = re.compile(r"(\d+)_\[([\d,:-]+)(?:%\d+)?\]")


class Entry(NamedTuple):
    """A job in the queue: its state in SLURM's word, the node that it runs or ran on, why it waits, and its script."""

    state: str
    node: str
    reason: str
    script: str = ""


def installed() -> bool:
    """Whether SLURM's commands are here."""
    return all(shutil.which(name) for name in ("sbatch", "squeue", "scancel"))


def look() -> dict[str, Entry] | None:
    """This user's jobs of suites by id (`123`, or `123_4` of an array), also those that ended minutes ago.

    A job of another name is no cell: a folder may come from another cluster, where its numbers were others' jobs.
    None where SLURM does not answer: its controller may be restarted at any time, and jobs run on meanwhile.
    """
    columns = "--format=%i|%T|%N|%r|%j|%o"
    shown = _printed("squeue", "--noheader", "--states=all", f"--user={os.getuid()}", columns)
    if shown is None:
        return None
    found = {}
    for line in shown.splitlines():
        job, *parts = line.strip().split("|", 5)
        if len(parts) == 5 and parts[3].startswith(NAMES):
            found.update(dict.fromkeys(expand(job), Entry(parts[0], parts[1], parts[2], parts[4])))
    return found


def look_back(jobs: Sequence[str]) -> dict[str, Entry]:
    """Jobs that the queue has forgotten, from SLURM's accounting; nothing where the cluster keeps none."""
    found = {}
    for some in _parts(jobs):
        wanted = f"--jobs={','.join(some)}"
        shown = _printed("sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,State,NodeList", wanted)
        for line in (shown or "").splitlines():
            parts = line.strip().split("|")
            if len(parts) == 3:
                # "CANCELLED by 1000"
                found.update({name: Entry(parts[1].split(" ")[0], parts[2], "") for name in expand(parts[0])})
    return found


def expand(job: str) -> list[str]:
    """The ids that one line of the queue stands for.

    >>> expand("12"), expand("12_3"), expand("12_[0-2,7%4]")
    (['12'], ['12_3'], ['12_0', '12_1', '12_2', '12_7'])
    """
    tasks = _TASKS.fullmatch(job)
    if tasks is None:
        return [job]
    found = []
    for part in tasks[2].split(","):
        low, _, rest = part.partition("-")
        high, _, step = rest.partition(":")
        found += [f"{tasks[1]}_{task}" for task in range(int(low), int(high or low) + 1, int(step or 1))]
    return found


def arrays(jobs: Iterable[str]) -> list[str]:
    """The arrays, and jobs that are no part of one, that jobs belong to: SLURM is asked once for all of an array.

    >>> arrays(["12_0", "12_7", "13"])
    ['12', '13']
    """
    return list(dict.fromkeys(job.partition("_")[0] for job in jobs))


def cancel_waiting(jobs: Iterable[str]) -> None:
    """Take those that have not begun out of the queue; of an array all of them, where it is named as a whole."""
    _for_each("scancel", "--quiet", "--state=PENDING", jobs=jobs)


def ask_to_end(jobs: Iterable[str]) -> None:
    """Ask those that run to end in order, as Ctrl-C does."""
    # SIGINT to the job's first process alone: after SIGTERM scancel of SLURM 22.05 tries again and again.
    _for_each("scancel", "--quiet", "--batch", "--signal=INT", "--state=RUNNING", jobs=jobs)


def cancel(jobs: Iterable[str]) -> None:
    """End jobs now: SLURM sends SIGTERM, and SIGKILL after its `KillWait`."""
    _for_each("scancel", "--quiet", jobs=jobs)


def has_gpus(partition: str | None) -> bool:
    """Whether nodes of a partition (of the default one, of all) have GPUs."""
    where = () if partition is None else (f"--partition={partition}",)
    return "gpu" in (_printed("sinfo", "--noheader", "--format=%G", *where) or "")


def room() -> tuple[int, int]:
    """How many tasks an array of this cluster has at most, and for how many more jobs it has a place.

    `sbatch` tries for minutes where there is none, so it had better not be asked.
    """
    shown = _printed("scontrol", "show", "config") or ""
    found = dict(re.findall(r"^(MaxArraySize|MaxJobCount)\s*=\s*(\d+)", shown, re.MULTILINE))
    largest, jobs = int(found.get("MaxArraySize", 1001)), int(found.get("MaxJobCount", 10_000))
    return max(1, largest), max(0, jobs - 1 - len(look() or ()))


def _for_each(*command: str, jobs: Iterable[str]) -> None:
    for some in _parts(list(jobs)):
        _printed(*command, *some)


def _parts(jobs: Sequence[str]) -> list[Sequence[str]]:
    return [jobs[start : start + MAX_WORDS] for start in range(0, len(jobs), MAX_WORDS)]


def _printed(*command: str) -> str | None:
    """What a command printed, None where it failed."""
    try:
        # Without it the list of an array's tasks that wait is cut after 64 characters.
        environment = {**os.environ, "SLURM_BITSTR_LEN": "0"}
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def refuse_without_slurm() -> None:
    """Raises UserError where SLURM's commands are not here."""
    if not installed():
        raise UserError(
            "--engine slurm: SLURM's commands (sbatch, squeue, scancel) are not here. Type it where jobs are submitted "
            "from, such as a login node; without a cluster leave --engine out."
        )
