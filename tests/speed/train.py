"""What the training engine costs over a bare PyTorch loop: same model, batch, precision and images, in one run.

    python tests/speed/train.py [--device cuda] [--rounds 15] [--steps 20]

The bare loop is what one would write by hand: the decoded images as tensors in memory, forward pass, loss, backward
pass, clipping, step; a second one keeps channels last. The loops take turns, so that what else the machine does meets
all alike, and each round gives a ratio: printed are their median and, from the order of the ratios, a 95 % interval of
it. The last row shows what augmentation adds, which a bare loop has not. The engine's time includes starting, its
checkpoint and its loader.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
import torch
from scipy.stats import binom
from torch import nn

from segbench.baselines.unet import UNetConfig, build_network
from segbench.datasets.isbi2012 import ISBI2012
from segbench.methods.training.engine import train
from segbench.methods.training.losses import make_loss
from segbench.methods.training.precision import Compute
from segbench.types import FitContext, Samples

SIDE = 256
STILL = {"flip": False, "rotation": 0.0, "zoom": 0.0, "shift": 0.0, "shear": 0.0}


def stack(root: Path) -> ISBI2012:
    """SYNTHETIC noise in the layout of ISBI 2012: the arithmetic does not depend on what is seen."""
    random = np.random.default_rng(0)
    tifffile.imwrite(root / "train-volume.tif", random.integers(0, 256, (30, SIDE, SIDE), dtype=np.uint8))
    tifffile.imwrite(root / "train-labels.tif", (255 * (random.random((30, SIDE, SIDE)) > 0.2)).astype(np.uint8))
    return ISBI2012(root)


def bare(model: nn.Module, samples: Samples, config: UNetConfig, compute: Compute, layout: torch.memory_format) -> None:
    """One epoch by hand."""
    images = [torch.from_numpy(np.asarray(s.image)).float()[None] / 255 for s in samples]
    targets = [torch.from_numpy((np.asarray(s.labels) == 1).astype(np.uint8)) for s in samples]
    model = model.to(compute.device, memory_format=layout).train()  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.0)
    loss_of = make_loss(config)
    order = np.random.default_rng(0)
    for _ in range(config.iterations_per_epoch or 1):
        chosen = order.choice(len(images), config.batch_size, replace=False)
        batch = torch.stack([images[n] for n in chosen])
        target = torch.stack([targets[n] for n in chosen]).to(compute.device)
        optimizer.zero_grad(set_to_none=True)
        with compute.autocast():
            logits = model(batch.to(compute.device).contiguous(memory_format=layout))
        loss = loss_of(logits.float(), target)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()


def seconds(work: Callable[[], object], device: str) -> float:
    """Wall time, the device's work included."""
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    """Print milliseconds per step and the ratio to the bare loop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--base", type=int, default=16, help="channels of the first block")
    given = parser.parse_args()
    values = {"size": None, "batch_size": given.batch, "base_channels": given.base, "epochs": 1, "loss": "bce"}
    values |= {"iterations_per_epoch": given.steps, "dropout": 0.0}
    still = UNetConfig.model_validate({**values, **STILL})
    moving = UNetConfig.model_validate(
        {**values, "rotate90": True, "elastic": 2.0, "contrast": 0.2, "gamma": 0.2, "noise": 0.03}
    )
    compute = Compute.choose(given.device, "auto")
    with tempfile.TemporaryDirectory() as place:
        dataset = stack(Path(place))
        samples = Samples(dataset, dataset.ids("train"))

        def engine(config: UNetConfig) -> None:
            context = FitContext(dataset.info, given.device, 0, Path(place), workers=2)
            train(build_network(config), 1, samples, config, context, compute)

        loops: dict[str, Callable[[], None]] = {
            "bare loop": lambda: bare(build_network(still), samples, still, compute, torch.contiguous_format),
            "bare loop, channels last": lambda: bare(
                build_network(still), samples, still, compute, torch.channels_last
            ),
            "engine": lambda: engine(still),
            "engine with augmentation": lambda: engine(moving),
        }
        times: dict[str, list[float]] = {name: [] for name in loops}
        for work in loops.values():
            work()  # warm
        for _ in range(given.rounds):
            for name, work in loops.items():
                times[name].append(seconds(work, given.device))
    print(f"U-Net, {given.base} channels, batch {given.batch} of {SIDE}², {compute.dtype}, {given.device}")
    for name, taken in times.items():
        ratios = sorted(t / b for t, b in zip(taken, times["bare loop"], strict=True))
        low, high = order_interval(len(ratios))
        print(
            f"{name:26} {1000 * statistics.median(taken) / given.steps:8.1f} ms/step   "
            f"{statistics.median(ratios):5.3f} x bare [{ratios[low]:.3f}, {ratios[high]:.3f}]"
        )


def order_interval(n: int) -> tuple[int, int]:
    """Positions in n sorted values between which their population's median lies with 95 % (or all, of few)."""
    low = int(binom.ppf(0.025, n, 0.5)) - 1
    return max(low, 0), n - 1 - max(low, 0)


if __name__ == "__main__":
    main()
