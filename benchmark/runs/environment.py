"""What a run ran on: versions, commit and hardware."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from .._version import __version__
from .devices import processes

PACKAGES = (
    "numpy",
    "scipy",
    "scikit-image",
    "opencv-python-headless",
    "pillow",
    "tifffile",
    "pyarrow",
    "torch",
    "torchvision",
    "segmentation-models-pytorch",
)


def commit() -> tuple[str | None, bool | None]:
    """Commit of the checkout that segbench runs from and whether it has uncommitted changes; None outside one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None, None
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return None, None
    status = _git(root, "status", "--porcelain", "--untracked-files=no")
    return head, bool(status) if status is not None else None


def describe(device: str = "cpu") -> dict[str, Any]:
    """The `environment` block of a record."""
    from ..io.native import engine  # imports NumPy: what describes nothing does without

    head, dirty = commit()
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "segbench": __version__,
        "commit": head,
        "dirty": dirty,
        "python": platform.python_version(),
        "packages": packages,
        "counting": engine(),
        "hardware": hardware(device),
    }


def hardware(device: str = "cpu") -> dict[str, Any]:
    """Processor, cores, memory, for a run on one the accelerator, and the processes that trained, where several did."""
    import psutil

    found: dict[str, Any] = {
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(psutil.Process().cpu_affinity()) if sys.platform == "linux" else psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }
    if device.startswith("cuda"):
        import torch

        found["accelerator"] = torch.cuda.get_device_name(device)
    elif device != "cpu":
        found["accelerator"] = device
    if processes() > 1:
        found["processes"] = processes()
    return found


def peak_memory_mb(device: str = "cpu") -> float:
    """Peak memory so far: the device's for CUDA, this process's resident set else."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device) / 1e6
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
