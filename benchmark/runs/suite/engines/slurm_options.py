"""What a suite asks of SLURM: options of `sbatch` that people give, and those that the resources of a cell become."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ....errors import UserError
from ....text import printable, unknown
from ..resources import Resources
from .slurm_queue import NAMES

OPTIONS = (
    "account",
    "clusters",
    "constraint",
    "exclude",
    "licenses",
    "mail-type",
    "mail-user",
    "nice",
    "nodelist",
    "partition",
    "prefer",
    "qos",
    "reservation",
    "wckey",
)
"""Options of `sbatch` that a suite or `--slurm` may give: where and on whose account, never what runs."""

_FROM_RESOURCES = {
    "cpus-per-task": "cpus",
    "cpus": "cpus",
    "gpus": "gpus",
    "gpus-per-node": "gpus",
    "gres": "gpus",
    "mem": "memory_gb",
    "ntasks": "processes",
    "time": "time",
}

MAX_LENGTH = 1000


def read_options(pairs: Iterable[str]) -> dict[str, str]:
    """`KEY=VALUE` words of `--slurm` as a mapping.

    Raises UserError for a word without "=", an option that is not to be given here, and a value that is no such thing.
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--slurm takes KEY=VALUE, found '{printable(pair)}'. For example: --slurm partition=gpu")
        found[key] = value
    return checked_options(found, "--slurm")


def checked_options(options: Mapping[str, Any], where: str) -> dict[str, str]:
    """Options by the names that `sbatch` has for them; `where` says in errors who gave them.

    Raises UserError for one that is not to be given here, and for a value that is no text on one line.
    """
    found = {}
    for key, value in options.items():
        name = key.removeprefix("--").replace("_", "-")
        if name in _FROM_RESOURCES:
            asked = _FROM_RESOURCES[name]
            raise UserError(
                f"{where}: '{name}' follows from what a cell asks for: resources: {{{asked}: …}} in the suite"
            )
        if name not in OPTIONS:
            raise UserError(f"{where}: {unknown('option of sbatch', printable(key), OPTIONS)}")
        text = str(value)
        if isinstance(value, bool) or not isinstance(value, str | int) or not text or len(text) > MAX_LENGTH:
            raise UserError(f"{where}: '{name}' is {printable(repr(value))}; expected a text, such as {name}=gpu")
        if not text.isprintable() or text != text.strip():
            raise UserError(f"{where}: '{name}' is {text!r}; expected one line without control characters")
        found[name] = text
    return found


def sbatch_options(resources: Resources, gpus_there: bool, given: Mapping[str, str]) -> dict[str, str]:
    """The options of `sbatch` for cells that ask for these resources, by name, as a dry run shows them."""
    gpus = resources.gpus_where(gpus_there)
    return {
        "cpus-per-task": str(resources.cpus),
        "mem": f"{math.ceil(resources.memory_gb * 1024)}M",
        "time": str(minutes(resources)),
        **({"gpus-per-node": str(gpus)} if gpus else {}),
        "signal": f"B:USR2@{warning_s(resources)}",
        "requeue": "",
        **given,
    }


def minutes(resources: Resources) -> int:
    """The limit of time as SLURM counts it, in whole minutes; 0 is none."""
    return 0 if resources.minutes is None else max(1, math.ceil(resources.minutes))


def warning_s(resources: Resources) -> int:
    """How long before its limit of time a cell is asked to end: a fifth of it, from half a minute to 3 minutes."""
    return 180 if resources.minutes is None else round(min(180.0, max(30.0, 60 * resources.minutes / 5)))


def job_name(text: str) -> str:
    """A name of a job that a person recognises in `squeue` and a shell need not quote.

    >>> job_name("my suite/2")
    'segbench-my-suite-2'
    """
    return NAMES + (re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-") or "suite")[:60]
