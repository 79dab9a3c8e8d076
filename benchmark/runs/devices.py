"""The device that a method computes on, and what to do when its memory runs out."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..text import whole_number
from ..types import UserError

if TYPE_CHECKING:
    from accelerate import Accelerator

_PATIENCE = datetime.timedelta(hours=6)
"""So long a process waits for the others: the first one checks the data, and scores a fold, while they wait."""


def resolve_device(name: str, learned: bool) -> str:
    """Resolve `auto`, and refuse a device that is not there; a classical method runs on the CPU."""
    kind = name.partition(":")[0]
    if kind not in ("auto", "cpu", "cuda", "mps"):
        raise UserError(f"--device {name} is not known. Available: auto, cpu, cuda, mps.")
    if kind == "cpu" or not learned:
        return "cpu"
    import torch

    count = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if kind == "auto":
        name = next((device for device, available in count.items() if available), "cpu")
    if processes() > 1 and name == "cuda":
        return f"cuda:{_from_launcher('LOCAL_RANK', 0)}"
    if kind == "auto":
        return name
    number = whole_number(name.partition(":")[2] or "0")
    if number is None or number >= count[kind]:
        raise UserError(f"--device {name}: PyTorch finds {count[kind]} such devices here. Use --device cpu or auto.")
    return name


def processes() -> int:
    """How many processes `accelerate launch` (or torchrun) has started for one run; 1 otherwise."""
    return _from_launcher("WORLD_SIZE", 1)


def process_rank() -> int:
    """Which of the `processes` this is. The first (0) writes the run; the others help it train."""
    return _from_launcher("RANK", 0)


def joined(device: str) -> Accelerator | None:
    """All processes of the launch, once each of them has come here; None where there is only this one."""
    if processes() == 1:
        return None
    from accelerate import Accelerator, InitProcessGroupKwargs

    waits = InitProcessGroupKwargs(timeout=_PATIENCE)
    return Accelerator(cpu=device.partition(":")[0] == "cpu", kwargs_handlers=[waits])


def from_first(content: str | None, device: str) -> str | None:
    """What the first process gives, in every process of the launch; the others wait for it."""
    if joined(device) is None:
        return content
    from accelerate.utils import broadcast_object_list

    shared = [content]
    broadcast_object_list(shared)
    return shared[0]


def _from_launcher(name: str, default: int) -> int:
    value = whole_number(os.environ.get(name, ""))
    return default if value is None else value


def out_of_memory(error: RuntimeError) -> bool:
    """Whether PyTorch means to say that memory ran out; on the CPU it has no class for that."""
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text


@contextmanager
def memory_errors_named() -> Iterator[None]:
    """Say what to lower when memory runs out; PyTorch reports it as a RuntimeError, on the CPU without a class.

    Raises UserError in its place.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or out_of_memory(error):
            raise UserError(
                "memory ran out. Lower batch_size, or crop, size or base_channels, with --set key=value."
            ) from error
        raise
