"""Steps of training on a GPU: milliseconds each, and the share of the time in which the GPU computes.

    python tests/speed/gpu.py --data camvid=.real/camvid --data isbi2012=.real/isbi2012 --preset standard
        [--methods unet fcn deeplabv3] [--set precision=bf16] [--steps 40] [--device cuda]

Each method trains on each dataset as the preset says, in batches of its own loader, for so many steps; the first third
is not counted. A second training of the same steps runs under PyTorch's profiler: the share is the union of what
kernels took, over the time from the first to the last of them. Profiled steps are slower, so the share is a lower
bound of that of the others.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from segbench.methods.training.method import LearnedMethod
from segbench.registry import dataset_class, make_method, method_class
from segbench.runs.presets import parse_settings, resolve
from segbench.types import FitContext, Samples


@dataclass
class Clock:
    """When each step was counted, the device's work up to it included."""

    device: str
    skipped: int
    times: list[float] = field(default_factory=list)
    steps: int = 0

    def stop(self) -> bool:
        """Asked before every step."""
        if self.steps in (self.skipped, self.skipped + 1) or self.steps % 10 == 0:
            synchronize(self.device)
        self.times.append(time.perf_counter())
        self.steps += 1
        return False


def synchronize(device: str) -> None:
    """Wait until a GPU has done what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def busy_share(events: list[Any]) -> float:
    """The union of the kernels' times over the span of them all."""
    spans = sorted((e.time_range.start, e.time_range.end) for e in events if e.device_type.name == "CUDA")
    total, reached = 0.0, -math.inf
    for begins, ends in spans:
        total += max(0.0, ends - max(begins, reached))
        reached = max(reached, ends)
    return total / (reached - spans[0][0]) if spans else 0.0


def train(method: LearnedMethod, samples: Samples, device: str, clock: Clock, workers: int) -> float:
    """Seconds per step behind those that are skipped."""
    with tempfile.TemporaryDirectory() as folder:
        context = FitContext(samples.dataset.info, device, 0, Path(folder), workers=workers, stop=clock.stop)
        method.fit(samples, Samples(samples.dataset, ()), context)
    synchronize(device)
    return (clock.times[-1] - clock.times[clock.skipped]) / (len(clock.times) - 1 - clock.skipped)


def main() -> None:
    """Print a row for each method and dataset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="DATASET=ROOT")
    parser.add_argument("--methods", nargs="+", default=["unet", "fcn", "deeplabv3"])
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--set", action="append", default=[], help="key=value")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=4)
    given = parser.parse_args()
    if given.device.startswith("cuda"):
        print(torch.cuda.get_device_name(given.device), "torch", torch.__version__)
    print(
        "| dataset | method | ms a step | images a second | GPU busy | GPU memory, GB | steps of the preset | takes |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for data in given.data:
        name, _, root = data.partition("=")
        info = dataset_class(name).info
        for method_name in given.methods:
            config, options = resolve(given.preset, method_class(method_name).info, info, parse_settings(given.set))
            dataset = dataset_class(name)(Path(root), **options)
            samples = Samples(dataset, dataset.ids("train"))
            per_epoch = config["iterations_per_epoch"] or -(-len(samples) // config["batch_size"])
            whole = config["epochs"] * per_epoch
            config |= {"epochs": 1, "iterations_per_epoch": given.steps, "time_limit_minutes": None}
            if given.device.startswith("cuda"):
                torch.cuda.reset_peak_memory_stats()
            step = train(
                learned(method_name, config),
                samples,
                given.device,
                Clock(given.device, given.steps // 3),
                given.workers,
            )
            memory = torch.cuda.max_memory_allocated() / 1e9 if given.device.startswith("cuda") else 0.0
            busy = "–"
            if given.device.startswith("cuda"):
                short = config | {"iterations_per_epoch": given.steps // 2}
                with profile(activities=[ProfilerActivity.CUDA]) as profiler:
                    train(learned(method_name, short), samples, given.device, Clock(given.device, 0), given.workers)
                busy = f"{100 * busy_share(list(profiler.events())):.0f} %"
            rate = config["batch_size"] / step
            row = f"{name} | {method_name} | {1000 * step:.1f} | {rate:.0f} | {busy} | {memory:.1f}"
            print(f"| {row} | {whole} | {whole * step / 60:.1f} min |", flush=True)


def learned(name: str, config: dict[str, Any]) -> LearnedMethod:
    """A method that has a network. Raises SystemExit for another."""
    method = make_method(name, config)
    if not isinstance(method, LearnedMethod):
        raise SystemExit(f"{name} trains no network")
    return method


if __name__ == "__main__":
    main()
