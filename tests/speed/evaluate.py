"""Print how quickly predictions are scored, beside other packages:

    python tests/speed/evaluate.py [--quick] [--cityscapes-source DIR]

What is compared is the processor time of one core. Every peer runs in turn with ours, several times, and the quickest
runs count, which suffer least from whatever else the machine does; before that both must have counted alike. NumPy is
kept to AVX2, which the other packages and the compiled part use at most. Images are SYNTHETIC. With a checkout of
cityscapesScripts (and Cython) the official tool counts with its own compiled part; vernier takes part where installed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1", NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL AVX512_SPR")

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from tabulate import tabulate

from segbench.evaluation.evaluate import evaluate
from segbench.io.images.read import read_array
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
City = Callable[[Labels, Labels, Labels, list[int]], Any]


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


def label_maps(
    seed: int, number: int, noise: float = 0.0, size: tuple[int, int] = SIZE, count: int = CLASSES
) -> tuple[Labels, Labels, Labels]:
    """Truth and prediction (H, W) uint8 of `count` classes, a tenth of the cells predicted wrongly; and the cells."""
    random = np.random.default_rng(seed)
    cells, shifted = segments(random, size, number)
    classes = random.integers(0, count, number).astype(np.uint8)
    predicted = np.where(random.random(number) < 0.1, random.integers(0, count, number), classes).astype(np.uint8)
    truth, prediction = classes[cells], predicted[shifted]
    noisy = random.random(size) < noise
    return truth, np.where(noisy, random.integers(0, count, size), prediction).astype(np.uint8), cells


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
                start = time.process_time()
                action()
                times[name].append(1000 * (time.process_time() - start))
                if time.perf_counter() >= turn_ends:
                    break
    mine = times.pop("")
    return [
        [task, name, _shown(mine), _shown(found), f"{min(found) / min(mine):.2f}", goals.get(name, goals.get("*", ""))]
        for name, found in times.items()
    ]


def _shown(times: list[float]) -> str:
    return f"{min(times):.3f} ({median(times):.3f})"


def matrix(truth: Labels, prediction: Labels, count: int) -> Labels:
    """Our confusion matrix (count, count) int64; pixels of the true label 255 are left out."""
    rows, columns, pixels = joint_counts(truth, prediction)
    known, found = rows < count, np.zeros((count, count), np.int64)
    found[rows[known], columns[known]] = pixels[known]
    return found


def cityscapes_compiled_part(source: Path, folder: Path) -> City:
    """The compiled part of cityscapesScripts, built from its sources and put where its evaluation looks for it."""
    evaluation = source / "cityscapesscripts" / "evaluation"
    for path in evaluation.glob("addToConfusionMatrix*"):
        shutil.copy(path, folder)
    setup = (
        "from setuptools import Extension, setup; from Cython.Build import cythonize; import numpy; "
        "setup(ext_modules=cythonize(Extension('addToConfusionMatrix', ['addToConfusionMatrix.pyx'], "
        "include_dirs=[numpy.get_include()], extra_compile_args=['-O3'])))"
    )
    command = [sys.executable, "-c", setup, "build_ext", "--inplace"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    name = "cityscapesscripts.evaluation.addToConfusionMatrix"
    (built,) = folder.glob("addToConfusionMatrix*.so")
    spec = importlib.util.spec_from_file_location("addToConfusionMatrix", built)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module
    importlib.import_module("cityscapesscripts.evaluation").addToConfusionMatrix = module  # type: ignore[attr-defined]
    found: City = module.cEvaluatePair
    return found


def confusion(
    task: str, number: int, noise: float, seconds: float, goals: Mapping[str, str], city: City | None
) -> list[Row]:
    """Confusion matrix of 19 classes from label maps in memory."""
    import hotcoco.metrics
    import torch
    from monai.metrics.confusion_matrix import get_confusion_matrix
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    truth, prediction, _ = label_maps(1, number, noise)
    expected = hotcoco.metrics.pixel_confusion(truth, prediction, CLASSES)
    assert np.array_equal(matrix(truth, prediction, CLASSES), expected)
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
    if city is not None:
        counted = np.zeros((CLASSES, CLASSES), np.uint64)
        city(prediction, truth, counted, list(range(CLASSES)))
        assert np.array_equal(counted, expected)
        quick["cityscapesScripts' compiled part"] = lambda: city(prediction, truth, counted, list(range(CLASSES)))
    slow: dict[str, Callable[[], Any]] = {
        "MMSegmentation's way": mmsegmentation_way,
        "torchmetrics": lambda: multiclass_confusion_matrix(predicted_tensor, true_tensor, CLASSES),
        "MONAI": lambda: get_confusion_matrix(one_hot(predicted_tensor), one_hot(true_tensor)),
    }

    def ours() -> Any:
        return joint_counts(truth, prediction)

    table = compare(task, ours, quick, goals, seconds)
    return table + (compare(task, ours, slow, {}, seconds / 2) if number == 300 and not noise else [])


def many_classes(seconds: float) -> list[Row]:
    """Confusion matrix of 171 classes at the size of COCO's images."""
    import hotcoco.metrics

    truth, prediction, _ = label_maps(3, 60, 0, (480, 640), 171)
    assert np.array_equal(hotcoco.metrics.pixel_confusion(truth, prediction, 171), matrix(truth, prediction, 171))
    peers = {"hotcoco": lambda: hotcoco.metrics.pixel_confusion(truth, prediction, 171)}
    task = "confusion, 171 classes, 480 x 640"
    return compare(task, lambda: joint_counts(truth, prediction), peers, {"hotcoco": ">= 5"}, seconds)


def png_pairs(
    task: str, folder: Path, size: tuple[int, int], count: int, palette: bool, goals: Mapping[str, str], seconds: float
) -> list[Row]:
    """Confusion matrix of ten pairs of PNG files, reading them included."""
    import hotcoco.semantic

    folder.mkdir()
    pairs = []
    for number in range(10):
        maps = label_maps(10 + number, size[0] * size[1] // 6000, 0, size, count)
        paths = folder / f"{number}_truth.png", folder / f"{number}_prediction.png"
        for path, values in zip(paths, maps, strict=False):
            image = Image.fromarray(values)
            if palette:
                image.putpalette(bytes(range(256)) * 3)
            image.save(path)
        pairs.append(paths)

    def ours() -> Labels:
        found = np.zeros((count, count), np.int64)
        for truth, prediction in pairs:
            found += matrix(read_array(truth), read_array(prediction), count)
        return found

    def hotcoco_way() -> Any:
        evaluation = hotcoco.semantic.SemanticEval(count)
        for truth, prediction in pairs:
            evaluation.update_png(truth, prediction)
        return evaluation.confusion()

    assert np.array_equal(ours(), hotcoco_way())
    peers: dict[str, Callable[[], Any]] = {"hotcoco": hotcoco_way}
    if importlib.util.find_spec("vernier") and not palette:  # which it does not read
        peers["vernier"] = _vernier(pairs, count, ours())
    return compare(task, ours, peers, goals, seconds)


def _vernier(pairs: list[tuple[Path, Path]], count: int, expected: Labels) -> Callable[[], Any]:
    """Its evaluation of pairs of files, seen to count the same."""
    semantic: Any = importlib.import_module("vernier.semantic")
    truth, predictions = ({n: str(pair[side]) for n, pair in enumerate(pairs)} for side in (0, 1))

    def action() -> Any:
        return semantic.evaluate_semantic_from_pngs(
            truth, predictions, count, "strict", ignore_label=255, num_threads=1
        )

    assert np.array_equal(action().confusion_matrix.counts(), expected)
    return action


def dice(seconds: float) -> list[Row]:
    """Dice of one 480 x 640 mask, checks of labels included."""
    import hotcoco.metrics
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
        "hotcoco": lambda: hotcoco.metrics.pixel_confusion(truth, mask, 2),
        "np.count_nonzero": lambda: [np.count_nonzero(m) for m in (truth, mask, truth & mask)],
        "NumPy one-liner": lambda: 2 * (mask * truth).sum() / (mask.sum() + truth.sum()),
        "MONAI": lambda: DiceMetric()(a, b),
        "torchmetrics": lambda: dice_score(a, b, num_classes=1, input_format="one-hot"),
        "scikit-learn": lambda: f1_score(truth.ravel(), mask.ravel()),
    }
    goals = {"*": ">= 4", "hotcoco": ">= 5", "np.count_nonzero": ">= 1"}
    expected = float(peers["NumPy one-liner"]())
    assert metric.compute([metric.measure(sample, prediction, info)], info)["dice"] == expected
    return compare("binary Dice 480 x 640", lambda: metric.measure(sample, prediction, info), peers, goals, seconds)


def rand_and_voi(seconds: float) -> list[Row]:
    """Adapted Rand error and variation of information of 250 segments."""
    from skimage import metrics as peer

    random = np.random.default_rng(2)
    truth, predicted = segments(random, (512, 512), 250)
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
    return compare("Rand + VOI, 512 x 512", ours, {"scikit-image": theirs}, {"*": ">= 12"}, seconds)


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
    return compare(task, lambda: _evaluate(root, 0), {f"official ({kind})": theirs}, {"*": ">= 8"}, seconds)


def peak_memory_mb(root: Path) -> float:
    """Peak resident memory of a process of its own that evaluates the files below `root` (Linux)."""
    command = [sys.executable, __file__, "--memory-of", str(root)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Print all tables."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--cityscapes-source", type=Path, help="a checkout of cityscapesScripts")
    asked.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.memory_of:
        _evaluate(given.memory_of, None)
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
        return
    with tempfile.TemporaryDirectory() as folder:
        tables(Path(folder), 1.0 if given.quick else 6.0, given.cityscapes_source)


def tables(folder: Path, seconds: float, source: Path | None) -> None:
    """Measure and print."""
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    small, few, many, built = (folder / name for name in ("small", "few", "many", "built"))
    built.mkdir()
    city = None if source is None else cityscapes_compiled_part(source.resolve(), built)
    clear, official = {"hotcoco": ">= 5"}, "cityscapesScripts' compiled part"
    rows = confusion("confusion, 19 classes, 300 segments", 300, 0, seconds, clear, city)
    rows += confusion("confusion, 19 classes, 3000 segments", 3000, 0, seconds, {}, city)
    rows += confusion("confusion, 19 classes, 30 % noise", 300, 0.3, seconds, {"hotcoco": ">= 1.5"}, city)
    noise = {"hotcoco": ">= 1.3", official: ">= 1.1"}
    rows += confusion("confusion, 19 classes, all noise", 300, 1, seconds, noise, city)
    rows += many_classes(seconds)
    large, medium = {"hotcoco": ">= 4.5", "vernier": ">= 3.5"}, {"hotcoco": ">= 2.5", "vernier": ">= 2.5"}
    rows += png_pairs("PNG pairs, Cityscapes", folder / "a", SIZE, CLASSES, False, large, seconds)
    rows += png_pairs("PNG pairs, COCO-sized", folder / "b", (480, 640), 171, False, medium, seconds)
    rows += png_pairs("PNG pairs, VOC palettes", folder / "c", (375, 500), 21, True, medium, seconds)
    rows += dice(seconds / 2) + rand_and_voi(seconds)
    write_cityscapes(small, 10, 10)
    rows += cityscapes(small, 2 * seconds)
    print(f"counting: {engine()}; {os.cpu_count()} cores; NumPy {np.__version__}; OpenCV {cv2.__version__}")
    print(tabulate(rows, headers=HEADERS, disable_numparse=True))
    write_cityscapes(few, 20, 2)
    write_cityscapes(many, 200, 2)
    print(f"\npeak memory: {peak_memory_mb(few):.0f} MB for 20 images, {peak_memory_mb(many):.0f} MB for 200")


if __name__ == "__main__":
    main()
