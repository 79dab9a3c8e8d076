"""Print how quickly training examples are loaded and augmented: python tests/speed/load_training_data.py [--images 24].

Every way of loading takes its turn in each round, in one process; the quickest round of each counts, for it suffers
least from whatever else the machine does. Nothing is kept in memory. Images are SYNTHETIC.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from PIL import Image
from tabulate import tabulate

from segbench.baselines.unet import UNet, UNetConfig, build_network
from segbench.datasets.cityscapes import Cityscapes
from segbench.datasets.isbi2012 import ISBI2012
from segbench.datasets.medaka import Medaka
from segbench.datasets.voc2012 import VOC2012
from segbench.methods.training.augmentation import ViewKey, augment
from segbench.methods.training.cache import DecodedCache
from segbench.methods.training.config import TrainingConfig
from segbench.methods.training.loading import PairDataset, PairLoader
from segbench.methods.training.losses import make_loss
from segbench.methods.training.precision import Compute, Stepper
from segbench.runs.presets import resolve
from segbench.types import Dataset, DatasetInfo, Samples, Uint8

BATCH = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, write in (("VOC, JPEG 375 x 500", write_voc), ("Cityscapes, PNG 1024 x 2048", write_cityscapes)):
            print(f"\n{name}")
            _loading(write(Path(folder), options.images), Path(folder) / "cache" / name, options.rounds)
    print()
    _augmentation(options.rounds * 4)


def _photograph(random: np.random.Generator, shape: tuple[int, int]) -> Uint8:
    """(H, W, 3) of smooth light and fine grain, about as compressible as a photograph."""
    coarse = random.uniform(0, 255, (shape[0] // 40, shape[1] // 40, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC) + random.normal(0, 3, (*shape, 3))
    return np.clip(smooth, 0, 255).astype(np.uint8)


def _labels(random: np.random.Generator, shape: tuple[int, int], classes: int) -> Uint8:
    coarse = random.integers(0, classes, (shape[0] // 25, shape[1] // 25)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def write_voc(folder: Path, images: int) -> Dataset:
    """Photographs and class maps in the layout of VOC 2012."""
    random, base = np.random.default_rng(0), folder / "VOCdevkit" / "VOC2012"
    names = [f"2007_{number:06d}" for number in range(images)]
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (base / name).mkdir(parents=True)
    for name in names:
        Image.fromarray(_photograph(random, (375, 500))).save(base / "JPEGImages" / f"{name}.jpg", quality=90)
        Image.fromarray(_labels(random, (375, 500), 21)).save(base / "SegmentationClass" / f"{name}.png")
    for split in ("train", "val", "trainval"):
        (base / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return VOC2012(folder)


def write_cityscapes(folder: Path, images: int) -> Dataset:
    """Street-sized images and label ids in the layout of Cityscapes."""
    random = np.random.default_rng(0)
    for number in range(images):
        stem = f"ulm_{number:06d}_000019"
        for kind, suffix in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
            path = folder / kind / "train" / "ulm" / f"{stem}_{suffix}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            shape = (1024, 2048)
            values = _labels(random, shape, 34) if kind == "gtFine" else _photograph(random, shape)
            Image.fromarray(values).save(path, compress_level=3)
    return Cityscapes(folder)


def _loading(dataset: Dataset, cache: Path, rounds: int) -> None:
    ids = dataset.ids("train")
    config = TrainingConfig(size=None, input="rgb")
    plain = PairDataset(Samples(dataset, ids), config, dataset.info)
    stored = PairDataset(Samples(dataset, ids), config, dataset.info, DecodedCache(cache, 10**10))
    plan = np.random.default_rng(0).permutation(len(ids)).reshape(-1, BATCH).tolist()
    with ExitStack() as stack:

        def made(pairs: PairDataset, workers: int, loading: str = "threads") -> Callable[[], int]:
            loader = stack.enter_context(PairLoader(pairs, workers, loading, memory=0))  # type: ignore[arg-type]
            return lambda: sum(len(batch) for batch in loader.batches(plan))

        ways: dict[str, Callable[[], int]] = {
            "one after the other": lambda: sum(len([plain[index] for index in batch]) for batch in plan),
            "threads, --workers 0": made(plain, 0),
            "threads, --workers 2": made(plain, 2),
            "processes, --workers 2": made(plain, 2, "processes"),
            "from the disk cache, --workers 0": made(stored, 0),
            "from the disk cache, --workers 2": made(stored, 2),
        }
        first = {name: _seconds(way) for name, way in ways.items()}
        rest: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                rest[name].append(_seconds(way))
    base = min(rest["one after the other"])
    rows = [[n, 1e3 * min(t) / len(ids), 1e3 * median(t) / len(ids), base / min(t), first[n]] for n, t in rest.items()]
    headers = ["way", "ms per image, best", "median", "times as quick", "first epoch, s"]
    print(tabulate(rows, headers, floatfmt=".2f"))


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _augmentation(rounds: int) -> None:
    """Time of the views beside that of the step that learns from them, at the quick presets' sizes."""
    rows = [_share(info, shape, rounds) for info, shape in ((ISBI2012.info, (512, 512)), (Medaka.info, (192, 192)))]
    print(tabulate(rows, ["quick preset", "views, ms", "step, ms", "views / step"], floatfmt=".3f"))


def _share(info: DatasetInfo, shape: Sequence[int], rounds: int) -> list[str | float]:
    config = UNetConfig.model_validate(resolve("quick", UNet.info, info, {})[0])
    random = torch.Generator().manual_seed(0)
    images = [torch.randint(256, (1, *shape), generator=random).to(torch.uint8) for _ in range(config.batch_size)]
    targets = [(image[0] > 128).to(torch.uint8) for image in images]
    compute = Compute.choose("cpu", config.precision)
    network, loss = compute.place(build_network(config)).train(), make_loss(config)
    optimizer = torch.optim.AdamW(network.parameters())
    stepper = Stepper(compute, network, optimizer, config.clip_norm)
    views, steps = [], []
    for turn in range(rounds):
        begun = time.perf_counter()
        made, wanted = augment(images, targets, config, [ViewKey(turn, n) for n in range(config.batch_size)])
        views.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        optimizer.zero_grad()
        with compute.autocast():
            logits = network(compute.images(made))
        stepper.scale(loss(logits.float(), wanted)).backward()  # type: ignore[no-untyped-call]
        stepper.step()
        steps.append(time.perf_counter() - begun)
    return [info.name, 1e3 * min(views), 1e3 * min(steps), min(views) / min(steps)]


if __name__ == "__main__":
    main()
