"""What the layout of images in memory does for the U-Net in float32 on a processor: python tests/speed/infer.py

Both networks have the same weights: one as PyTorch makes it, one that `Compute` has placed, channels last. They take
turns on one core, and the quickest of each count; the largest difference of their logits is printed beside.
"""

from __future__ import annotations

import copy
import os
import time
from itertools import product

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from tabulate import tabulate

from segbench.baselines.unet import UNetConfig, build_network
from segbench.methods.training.precision import Compute

TURNS = 7
SHAPES = ((1, 512, 512), (4, 256, 256))
"""Images of a batch, height, width."""


def row(channels: int, shape: tuple[int, int, int]) -> list[str]:
    """Seconds in both layouts, how many times as fast, and how far logits are apart."""
    torch.manual_seed(0)
    compute = Compute.choose("cpu", "fp32")
    plain = build_network(UNetConfig(base_channels=channels), channels=3).eval()
    placed = compute.place(copy.deepcopy(plain)).eval()
    batch = torch.rand(shape[0], 3, *shape[1:])
    seconds: dict[str, list[float]] = {"plain": [], "placed": []}
    with torch.inference_mode():
        for _ in range(TURNS):
            begun = time.process_time()
            expected = plain(batch)
            between = time.process_time()
            found = placed(compute.images(batch))
            seconds["plain"].append(between - begun)
            seconds["placed"].append(time.process_time() - between)
    apart = float((expected - found).abs().max())
    first, second = (min(seconds[name]) for name in ("plain", "placed"))
    name = f"{channels} channels, {shape[0]} x {shape[1]} x {shape[2]}"
    return [name, f"{1000 * first:.0f}", f"{1000 * second:.0f}", f"{first / second:.2f}", f"{apart:.1e}"]


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    rows = [row(channels, shape) for channels, shape in product((16, 32), SHAPES)]
    print(tabulate(rows, headers=["U-Net", "plain, ms", "channels last, ms", "times as fast", "logits apart"]))


if __name__ == "__main__":
    main()
