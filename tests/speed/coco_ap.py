"""Time COCO AP of segbench, pycocotools and hotcoco on SYNTHETIC images, interleaved; and the bootstrap.

Run: python tests/speed/coco_ap.py [--images 500] [--rounds 3] [--resamples 2000]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

import hotcoco as hot
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from random_coco import INFO, as_coco, random_pairs
from segbench.data import coco_annotations
from segbench.datasets.cocostuff import COCOStuff
from segbench.evaluation.evaluate import evaluate
from segbench.evaluation.resampling import Units, bootstrap_weights
from segbench.metrics.coco import COCOAveragePrecision
from segbench.predictions.coco_results import find_results
from segbench.types import Statistic

METRIC = COCOAveragePrecision()
SIZE = (480, 640)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--resamples", type=int, default=2000)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="coco-ap-"))
    try:
        truth, results = _write(root, options.images)
        _table(root, truth, results, options.rounds)
        _bootstrap(_measured(root, results), options.resamples)
    finally:
        shutil.rmtree(root)


def _write(root: Path, images: int) -> tuple[Path, Path]:
    pairs = random_pairs(0, images, classes=80, most=14, ties=False, size=SIZE)
    annotations, results = as_coco(pairs)
    truth, found = root / "annotations" / "instances_val2017.json", root / "results.json"
    truth.parent.mkdir()
    truth.write_text(json.dumps(annotations))
    found.write_text(json.dumps(results))
    maps = root / "stuffthingmaps" / "val2017"
    maps.mkdir(parents=True)
    for sample, _ in pairs:
        Image.fromarray(np.zeros(SIZE, np.uint8)).save(maps / f"{sample.id}.png")
    print(f"{images} images {SIZE}, {len(annotations['annotations'])} true objects, {len(results)} detections")
    return truth, found


def _measured(root: Path, results: Path) -> list[Statistic]:
    dataset = COCOStuff(root)
    found = find_results(dataset, dataset.ids("val"), results)
    return evaluate(dataset, [METRIC], found.files.items()).of(METRIC.name)


def _table(root: Path, truth: Path, results: Path, rounds: int) -> None:
    def ours() -> float:
        coco_annotations.annotated_images.forget()
        return METRIC.compute(_measured(root, results), INFO)["ap"]

    def pycocotools() -> float:
        dataset = COCO(str(truth))
        return _run(COCOeval(dataset, dataset.loadRes(str(results)), "segm"))

    def hotcoco() -> float:
        dataset = hot.COCO(str(truth))
        return _run(hot.COCOeval(dataset, dataset.load_res(str(results)), "segm"))

    peers: list[Callable[[], float]] = [ours, pycocotools, hotcoco]
    seconds: dict[str, list[tuple[float, float]]] = {peer.__name__: [] for peer in peers}
    values = {}
    for _ in range(rounds):
        for peer in peers:
            wall, cpu = time.perf_counter(), time.process_time()
            with _silence():
                values[peer.__name__] = peer()
            seconds[peer.__name__].append((time.perf_counter() - wall, time.process_time() - cpu))
    base = np.min(seconds["pycocotools"], axis=0)
    print(
        f"{'files to AP':<14}{'wall s':>8}{'CPU s':>8}{'pycocotools / it: wall':>24}{'CPU':>7}  ap (best of {rounds})"
    )
    for name, times in seconds.items():
        best = np.min(times, axis=0)
        print("{:<14}{:>8.3f}{:>8.3f}{:>24.2f}{:>7.2f}  {!r}".format(name, *best, *(base / best), values[name]))


def _run(evaluation: COCOeval) -> float:
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


def _bootstrap(statistics: list[Statistic], resamples: int) -> None:
    for times in (1, 10):
        many = [Statistic(s.metric, f"{n}{s.sample_id}", "g", 0, s.columns) for n in range(times) for s in statistics]
        rows = sum(len(s.columns["label"]) for s in many)
        wall, cpu = time.perf_counter(), time.process_time()
        for weights in bootstrap_weights(Units.of_groups([s.sample_id for s in many]), resamples):
            METRIC.resample(many, INFO, weights)
        spent = f"{time.perf_counter() - wall:.1f} s wall, {time.process_time() - cpu:.1f} s CPU"
        print(f"{resamples} resamples of {len(many)} images, {rows} rows: {spent}")


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Also of what compiled code prints."""
    kept, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(null)


if __name__ == "__main__":
    main()
