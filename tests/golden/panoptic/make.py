"""Write panopticapi.json: what panopticapi says of 100 random pairs, and of three real ones.

Run: python tests/golden/panoptic/make.py, with panopticapi (cocodataset/panopticapi, commit 7bb4655) installed.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "helpers"))

from panopticapi.evaluation import PQStat, pq_compute_single_core  # noqa: E402
from random_panoptic import CLASSES, random_pairs, real_pairs, write_coco  # noqa: E402

RANDOM, REAL = 100, 3


def official(root: Path, classes: Any) -> list[dict[str, Any]]:
    """The three averages of every image alone, and last of all together with its table of classes."""
    truth, found = (json.loads((root / f"{name}.json").read_text()) for name in ("panoptic", "predictions"))
    categories = {c.id: {"id": c.id, "name": c.name, "isthing": int(c.kind == "thing")} for c in classes}
    pairs = list(zip(truth["annotations"], found["annotations"], strict=True))
    every, told = PQStat(), []
    for pair in pairs:
        with contextlib.redirect_stdout(io.StringIO()):
            one = pq_compute_single_core(0, [pair], str(root / "panoptic"), str(root / "predictions"), categories)
        every += one
        told.append(_averages(one, categories))
    _, table = every.pq_average(categories, isthing=None)
    counted = {c: vars(every[c]) for c in categories}
    own = {str(c): {**table[c], **counted[c]} for c in categories if any(counted[c][k] for k in ("tp", "fp", "fn"))}
    return [*told, {**_averages(every, categories), "per_class": own}]


def _averages(stat: Any, categories: Any) -> dict[str, float | None]:
    told: dict[str, float | None] = {}
    for suffix, isthing in (("", None), ("_things", True), ("_stuff", False)):
        try:
            average, _ = stat.pq_average(categories, isthing=isthing)
        except ZeroDivisionError:  # no class of the kind
            average = dict.fromkeys(("pq", "sq", "rq"))
        told |= {f"{name}{suffix}": average[name] for name in ("pq", "sq", "rq")}
    return told


def main() -> None:
    """Write the file."""
    told: dict[str, Any] = {"source": "panopticapi, commit 7bb4655548f98f3fedc07bf37e9040a992b054b0"}
    with tempfile.TemporaryDirectory() as folder:
        write_coco(Path(folder) / "random", random_pairs(RANDOM))
        told["random"] = official(Path(folder) / "random", CLASSES)
        pairs, classes = real_pairs()
        write_coco(Path(folder) / "real", pairs, classes)
        told["real"] = official(Path(folder) / "real", classes)
    (HERE / "panopticapi.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
