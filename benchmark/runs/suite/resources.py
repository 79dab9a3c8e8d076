"""What a cell asks of the machine that it runs on: cores, GPUs, memory, time and processes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_PRESETS = {"quick": (2, 8.0, 120.0), "standard": (4, 16.0, 24 * 60.0), "paper": (8, 32.0, 72 * 60.0)}
"""Cores, GiB and minutes for each cell of a preset; a preset of the user's own has those of `standard`."""

_TIME = re.compile(r"(?:(\d+)-)?(\d+):(\d{1,2})(?::(\d{1,2}))?")


@dataclass(frozen=True)
class Resources:
    """What one cell asks for. `gpus` None: one, where its method computes on one and the engine has any.

    `minutes` None: as long as the engine lets it. With `processes` above 1 it trains in so many, as
    `accelerate launch` would start them; they share what the cell asks for.
    """

    cpus: int = 1
    gpus: int | None = None
    memory_gb: float = 4.0
    minutes: float | None = None
    processes: int = 1

    def threads(self, cpus: int) -> int:
        """With how many threads each of its processes computes, where the cell has so many cores."""
        return max(1, cpus // self.processes)

    def gpus_where(self, there: bool) -> int:
        """How many GPUs to reserve; `there` says whether the engine has any."""
        return int(there) if self.gpus is None else self.gpus

    def __str__(self) -> str:
        parts = [f"{self.cpus} CPU{'s' * (self.cpus > 1)}", f"{self.memory_gb:g} GB"]
        parts += [f"{self.gpus} GPU{'s' * (self.gpus > 1)}"] if self.gpus else []
        parts += [f"{self.processes} processes"] if self.processes > 1 else []
        parts += [f"{self.minutes:g} min"] if self.minutes is not None else []
        return ", ".join(parts)


def _minutes(value: Any) -> Any:
    """Minutes of `90`, `1:30` (hours and minutes), `1:30:00` or `2-12:00` (days before hours), as SLURM writes them."""
    if not isinstance(value, str):
        return value
    found = _TIME.fullmatch(value.strip())
    if found is None:
        raise ValueError("expected minutes as a number, or hours as '1:30', '1:30:00' or, with days, '2-12:00'")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 1440.0 * days + 60.0 * hours + minutes + seconds / 60


class ResourcesEntry(BaseModel):
    """`resources` of a suite or of one of its methods; what is left out comes from the suite, then from the preset."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    cpus: Annotated[int, Field(ge=1, le=4096)] | None = None
    gpus: Annotated[int, Field(ge=0, le=64)] | None = None
    memory_gb: Annotated[float, Field(gt=0, le=65536)] | None = None
    time: Annotated[float, BeforeValidator(_minutes), Field(gt=0, le=365 * 1440)] | None = None
    processes: Annotated[int, Field(ge=1, le=64)] | None = None


def resources_of(preset: str, accelerated: bool, *entries: ResourcesEntry) -> Resources:
    """What a cell asks for: its preset's, changed by each entry in turn.

    A method that no accelerator helps asks for no GPU. Several GPUs are used by as many processes, unless those are
    said, and each process has a core at least.
    """
    cpus, memory_gb, minutes = _PRESETS.get(preset, _PRESETS["standard"])
    found = Resources(cpus, None if accelerated else 0, memory_gb, minutes)
    said: set[str] = set()
    for entry in entries:
        given = {name: getattr(entry, name) for name in entry.model_fields_set if getattr(entry, name) is not None}
        if "time" in given:
            given["minutes"] = given.pop("time")
        said |= set(given)
        found = replace(found, **given)
    if not accelerated:
        found = replace(found, gpus=0, processes=1)
    elif "processes" not in said:
        found = replace(found, processes=max(1, found.gpus or 1))
    return replace(found, cpus=max(found.cpus, found.processes))
