"""Print how quickly predictions are scored, beside other packages: python tests/speed/evaluate.py [--quick].

Every peer runs in one thread and in turn with ours, several times; the ratio compares the quickest runs, which suffer
least from whatever else the machine does. Images are SYNTHETIC.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1")

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from tabulate import tabulate

from segbench.evaluation.evaluate import evaluate
from segbench.io.native import engine
from segbench.metrics.joint_counts import joint_counts
from segbench.metrics.partition_instances import PartitionInstances
from segbench.predictions.files import PredictionFile
from segbench.registry import dataset_class, make_dataset, metrics, metrics_of
from segbench.types import Prediction, Sample

Labels = NDArray[Any]
Row = list[Any]

SIZE = (1024, 2048)
CLASSES = 19
HEADERS = ["task", "peer", "ours, ms (median)", "peer, ms (median)", "peer / ours", "goal"]


def segments(random: np.random.Generator, shape: tuple[int, int], number: int) -> tuple[Labels, Labels]:
    """A plane cut into cells, and the same with its borders shifted smoothly by some pixels; both (H, W) int32."""
    centres = np.ones(shape, np.bool_)
    places = random.choice(centres.size, number, replace=False)
    centres.ravel()[places] = False
    cells = np.zeros(shape, np.int32)
    cells.ravel()[places] = np.arange(number)
    y, x = ndimage.distance_transform_edt(centres, return_distances=False, return_indices=True)
    cells = cells[y, x]
    grid = [random.normal(0, 3, (shape[0] // 64, shape[1] // 64)).astype(np.float32) for _ in range(2)]
    shift = [cv2.resize(g, shape[::-1], interpolation=cv2.INTER_CUBIC).round().astype(int) for g in grid]
    rows, columns = np.indices(shape)
    shifted = cells[np.clip(rows + shift[0], 0, shape[0] - 1), np.clip(columns + shift[1], 0, shape[1] - 1)]
    return cells, shifted


def label_maps(seed: int, number: int, noise: float = 0.0) -> tuple[Labels, Labels, Labels]:
    """Truth and prediction (H, W) uint8 of 19 classes, a tenth of the cells predicted wrongly; and the cells."""
    random = np.random.default_rng(seed)
    cells, shifted = segments(random, SIZE, number)
    classes = random.integers(0, CLASSES, number).astype(np.uint8)
    predicted = np.where(random.random(number) < 0.1, random.integers(0, CLASSES, number), classes).astype(np.uint8)
    truth, prediction = classes[cells], predicted[shifted]
    noisy = random.random(SIZE) < noise
    return truth, np.where(noisy, random.integers(0, CLASSES, SIZE), prediction).astype(np.uint8), cells


def compare(
    task: str, ours: Callable[[], Any], peers: Mapping[str, Callable[[], Any]], goals: Mapping[str, str], seconds: float
) -> list[Row]:
    """Time ours and every peer in turn until the time is up, at least twice; one row per peer."""
    actions = {"": ours, **peers}
    times: dict[str, list[float]] = {name: [] for name in actions}
    stop = time.perf_counter() + seconds
    rounds = 0
    while time.perf_counter() < stop or rounds < 2:
        rounds += 1
        for name, action in actions.items():
            # Quick ones several times: the first run finds the caches as the one before has left them.
            turn_ends = time.perf_counter() + 0.03
            while True:
                start = time.perf_counter()
                action()
                end = time.perf_counter()
                times[name].append(1000 * (end - start))
                if end >= turn_ends:
                    break
    mine = times.pop("")
    return [
        [task, name, _shown(mine), _shown(found), f"{min(found) / min(mine):.2f}", goals.get(name, goals.get("*", ""))]
        for name, found in times.items()
    ]


def _shown(times: list[float]) -> str:
    return f"{min(times):.3f} ({median(times):.3f})"


def confusion(task: str, number: int, noise: float, seconds: float) -> list[Row]:
    """Confusion matrix of 19 classes from label maps in memory."""
    import hotcoco.metrics
    import torch
    from monai.metrics.confusion_matrix import get_confusion_matrix
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    truth, prediction, _ = label_maps(1, number, noise)
    expected = hotcoco.metrics.pixel_confusion(truth, prediction, CLASSES)
    rows, columns, pixels = joint_counts(truth, prediction)
    found = np.zeros_like(expected)
    found[rows, columns] = pixels
    assert np.array_equal(found, expected)
    true_tensor, predicted_tensor = (torch.from_numpy(a.astype(np.int64)) for a in (truth, prediction))

    def detectron2_way() -> Any:
        return np.bincount((CLASSES + 1) * prediction.astype(np.int64).ravel() + truth.ravel(), minlength=400)

    def mmsegmentation_way() -> Any:
        right = predicted_tensor[predicted_tensor == true_tensor].float()
        three = (right, predicted_tensor.float(), true_tensor.float())
        return [torch.histc(part, bins=CLASSES, min=0, max=CLASSES - 1) for part in three]

    def one_hot(labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(labels, CLASSES).permute(2, 0, 1)[None]

    quick: dict[str, Callable[[], Any]] = {
        "hotcoco": lambda: hotcoco.metrics.pixel_confusion(truth, prediction, CLASSES),
        "cv2.calcHist": lambda: cv2.calcHist([truth, prediction], [0, 1], None, [19, 19], [0, 19, 0, 19]),
        "np.bincount of uint16": lambda: np.bincount(((truth.astype(np.uint16) << 8) | prediction).ravel()),
        "detectron2's way": detectron2_way,
    }
    slow: dict[str, Callable[[], Any]] = {
        "MMSegmentation's way": mmsegmentation_way,
        "torchmetrics": lambda: multiclass_confusion_matrix(predicted_tensor, true_tensor, CLASSES),
        "MONAI": lambda: get_confusion_matrix(one_hot(predicted_tensor), one_hot(true_tensor)),
    }

    def ours() -> Any:
        return joint_counts(truth, prediction)

    table = compare(task, ours, quick, {"hotcoco": ">= 0.9"}, seconds)
    return table + (compare(task, ours, slow, {}, seconds / 2) if number == 300 and not noise else [])


def dice(seconds: float) -> list[Row]:
    """Dice of one 480 x 640 mask, checks of labels included."""
    import torch
    from monai.metrics.meandice import DiceMetric
    from sklearn.metrics import f1_score
    from torchmetrics.functional.segmentation import dice_score

    info = dataset_class("medaka").info
    metric = metrics()["binary-overlap"]
    y, x = np.indices((480, 640))
    truth, mask = (((y - c) ** 2 + (x - 300) ** 2 < 100**2).astype(np.uint8) for c in (240, 250))
    a, b = (torch.from_numpy(m)[None, None] for m in (mask, truth))
    sample, prediction = Sample("a", "g", 0, labels=truth), Prediction(labels=mask)
    peers: dict[str, Callable[[], Any]] = {
        "NumPy one-liner": lambda: 2 * (mask * truth).sum() / (mask.sum() + truth.sum()),
        "MONAI": lambda: DiceMetric()(a, b),
        "torchmetrics": lambda: dice_score(a, b, num_classes=1, input_format="one-hot"),
        "scikit-learn": lambda: f1_score(truth.ravel(), mask.ravel()),
    }
    expected = float(peers["NumPy one-liner"]())
    assert metric.compute([metric.measure(sample, prediction, info)], info)["dice"] == expected
    return compare(
        "binary Dice 480 x 640", lambda: metric.measure(sample, prediction, info), peers, {"*": ">= 4"}, seconds
    )


def rand_and_voi(seconds: float) -> list[Row]:
    """Adapted Rand error and variation of information of about 1000 segments."""
    from skimage import metrics as peer

    random = np.random.default_rng(2)
    truth, predicted = segments(random, (1024, 1024), 1000)
    predicted = np.where(predicted % 7 == 0, predicted // 2, predicted)
    metric, info = PartitionInstances(), dataset_class("cityscapes").info
    sample, prediction = Sample("a", "g", 0, instances=truth), Prediction(labels=predicted)

    def ours() -> dict[str, float]:
        return metric.compute([metric.measure(sample, prediction, info)], info)

    def theirs() -> tuple[float, float]:
        calls: Any = peer
        error = calls.adapted_rand_error(truth, predicted, ignore_labels=(0,))[0]
        return error, calls.variation_of_information(truth, predicted, ignore_labels=(0,)).sum()

    assert np.allclose(theirs(), (ours()["adapted_rand_error"], ours()["voi"]), rtol=0, atol=1e-12)
    return compare("Rand + VOI, 1000 segments", ours, {"scikit-image": theirs}, {"*": ">= 4.5"}, seconds)


def write_cityscapes(root: Path, images: int, different: int) -> None:
    """SYNTHETIC label and instance maps in the gtFine layout below `root`, and predictions in `root`/predictions."""
    info = dataset_class("cityscapes").info
    truth_folder, predictions = root / "gtFine" / "val" / "synthetic", root / "predictions"
    for folder in (truth_folder, predictions):
        folder.mkdir(parents=True)
    ids = np.array([c.id for c in info.classes], np.uint8)
    things = [c.id for c in info.classes if c.kind == "thing"]
    for number in range(images):
        stem = f"synthetic_{number:06d}_000019"
        paths = [
            truth_folder / f"{stem}_gtFine_labelIds.png",
            truth_folder / f"{stem}_gtFine_instanceIds.png",
            predictions / f"{stem}.png",
        ]
        if number >= different:
            old = f"synthetic_{number % different:06d}_000019"
            for path in paths:
                path.hardlink_to(path.with_name(path.name.replace(stem, old)))
            continue
        truth, prediction, cells = label_maps(number, 300)
        labels = ids[truth]
        # About 30 objects, as in a street scene; the other things are groups.
        single = np.isin(labels, things) & (cells % 4 == 0)
        instances = np.where(single, labels.astype(np.int32) * 1000 + cells, labels)
        maps: list[Labels] = [labels, instances.astype(np.uint16), ids[prediction]]
        for path, values in zip(paths, maps, strict=True):
            Image.fromarray(values).save(path)


def _evaluate(root: Path, workers: int | None) -> dict[str, float]:
    dataset = make_dataset("cityscapes", root)
    families = metrics_of(dataset.info)
    pairs = [(i, PredictionFile(root / "predictions" / f"{i}.png")) for i in dataset.ids("val")]
    statistics = evaluate(dataset, families, pairs, workers=workers)
    return {k: v for family in families for k, v in family.compute(statistics.of(family.name), dataset.info).items()}


def cityscapes(root: Path, seconds: float) -> list[Row]:
    """IoU and iIoU of Cityscapes from files, decoding included."""
    # NumPy 2.4 dropped the name that the official script still uses.
    np.in1d = np.isin  # type: ignore[attr-defined]
    official = importlib.import_module("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    official.args.quiet, official.args.JSONOutput = True, False
    truth = sorted(map(str, root.glob("gtFine/val/*/*_labelIds.png")))
    predictions = sorted(map(str, (root / "predictions").glob("*.png")))

    def theirs() -> Any:
        return official.evaluateImgLists(predictions, truth, official.args)

    expected, found = theirs(), _evaluate(root, 0)
    pairs = {"averageScoreClasses": "iou_class", "averageScoreInstClasses": "iiou_class"}
    assert all(abs(expected[a] - found[b]) < 1e-9 for a, b in pairs.items()), (expected, found)
    kind = "C extension" if official.CSUPPORT else "no C extension"
    task = f"Cityscapes IoU + iIoU, {len(truth)} files"
    rows = compare(f"{task}, 1 thread", lambda: _evaluate(root, 0), {f"official ({kind})": theirs}, {}, seconds)
    return rows + compare(f"{task}, all cores", lambda: _evaluate(root, None), {f"official ({kind})": theirs}, {}, 0)


def peak_memory_mb(root: Path) -> float:
    """Peak resident memory of a process of its own that evaluates the files below `root` (Linux)."""
    command = [sys.executable, __file__, "--memory-of", str(root)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Print all tables."""
    if sys.argv[1:2] == ["--memory-of"]:
        _evaluate(Path(sys.argv[2]), None)
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
        return
    import torch

    seconds = 1.0 if "--quick" in sys.argv else 6.0
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rows = confusion("confusion, 19 classes, 300 segments", 300, 0, seconds)
    rows += confusion("confusion, 19 classes, 3000 segments", 3000, 0, seconds)
    rows += confusion("confusion, 19 classes, all noise", 300, 1, seconds / 2)
    rows += dice(seconds / 2)
    rows += rand_and_voi(seconds)
    with tempfile.TemporaryDirectory() as folder:
        small, few, many = (Path(folder) / name for name in ("small", "few", "many"))
        write_cityscapes(small, 10, 10)
        rows += cityscapes(small, 2 * seconds)
        print(f"counting: {engine()}; {os.cpu_count()} cores; NumPy {np.__version__}; OpenCV {cv2.__version__}")
        print(tabulate(rows, headers=HEADERS, disable_numparse=True))
        write_cityscapes(few, 20, 2)
        write_cityscapes(many, 200, 2)
        print(f"\npeak memory: {peak_memory_mb(few):.0f} MB for 20 images, {peak_memory_mb(many):.0f} MB for 200")


if __name__ == "__main__":
    main()
