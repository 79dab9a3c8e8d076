"""Time panoptic quality of segbench, panopticapi and hotcoco on SYNTHETIC images of COCO's size, interleaved.

Run: python tests/speed/panoptic.py [--images 200] [--rounds 3]. panopticapi is left out where it
is not installed: it is in no registry (cocodataset/panopticapi).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

from hotcoco import panoptic as hot
from random_panoptic import random_pair, write_coco

from segbench.datasets.folder import Folder
from segbench.evaluation.evaluate import evaluate
from segbench.metrics.panoptic import PanopticQuality
from segbench.predictions.find import find_predictions

METRIC = PanopticQuality()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="panoptic-") as folder:
        root = Path(folder) / "root"
        write_coco(root, [random_pair(seed, (480, 640)) for seed in range(options.images)])
        peers: dict[str, Callable[[], float]] = {
            "segbench, 1 worker": lambda: _segbench(root, 1),
            "segbench, 2 threads": lambda: _segbench(root, 2),
        }
        peers |= {name: peer for name, peer in _peers(root).items() if peer is not None}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in peers}
        scores = {}
        for _ in range(options.rounds):
            for name, peer in peers.items():
                start = (time.perf_counter(), time.process_time())
                scores[name] = peer()
                times[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
        for name, took in times.items():
            wall, busy = (1000 * min(column) / options.images for column in zip(*took, strict=True))
            print(f"{name:<20} {wall:7.2f} ms per image, {busy:7.2f} ms of processor time, PQ {scores[name]:.12f}")


def _segbench(root: Path, workers: int) -> float:
    dataset = Folder(root)
    found = find_predictions(dataset, dataset.ids("all"), root / "predictions.json")
    statistics = evaluate(dataset, [METRIC], found.files.items(), workers=workers)
    return METRIC.compute(statistics.of(METRIC.name), dataset.info)["pq"]


def _peers(root: Path) -> dict[str, Callable[[], float] | None]:
    return {"panopticapi, 1 core": _panopticapi(root), "hotcoco, all cores": lambda: _hotcoco(root)}


def _hotcoco(root: Path) -> float:
    evaluation = hot.PanopticEval(str(root / "panoptic.json"), str(root / "predictions.json"))
    evaluation.evaluate()
    return float(evaluation.results()["All"]["pq"])


def _panopticapi(root: Path) -> Callable[[], float] | None:
    try:
        from panopticapi.evaluation import pq_compute_single_core
    except ImportError:
        return None

    def peer() -> float:
        truth, found = (json.loads((root / f"{name}.json").read_text()) for name in ("panoptic", "predictions"))
        categories = {each["id"]: each for each in truth["categories"]}
        pairs = list(zip(truth["annotations"], found["annotations"], strict=True))
        with contextlib.redirect_stdout(io.StringIO()):
            stat = pq_compute_single_core(0, pairs, str(root / "panoptic"), str(root / "predictions"), categories)
        average, _ = stat.pq_average(categories, isthing=None)
        return float(average["pq"])

    return peer


if __name__ == "__main__":
    main()
