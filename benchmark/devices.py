"""The device that a method computes on, and what to do when its memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .types import UserError


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
        return next((device for device, available in count.items() if available), "cpu")
    number = name.partition(":")[2] or "0"
    if not number.isdigit() or int(number) >= count[kind]:
        raise UserError(f"--device {name}: PyTorch finds {count[kind]} such devices here. Use --device cpu or auto.")
    return name


@contextmanager
def memory_errors_named() -> Iterator[None]:
    """Say what to lower when memory runs out; PyTorch reports it as a RuntimeError, on the CPU without a class."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
            raise UserError(
                "memory ran out. Lower batch_size, or crop, size or base_channels, with --set key=value."
            ) from error
        raise
