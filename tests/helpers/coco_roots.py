"""COCO-Stuff roots with annotated objects."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from random_coco import Pairs, as_coco


def write_coco(root: Path, pairs: Pairs) -> Path:
    """Pairs as a COCO-Stuff root (label maps all 'person') with results.json in it; returns the results."""
    annotations, results = as_coco(pairs)
    for folder, name, content in (("annotations", "instances_val2017", annotations), (".", "results", results)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / f"{name}.json").write_text(json.dumps(content))
    maps = root / "stuffthingmaps" / "val2017"
    maps.mkdir(parents=True)
    for image in annotations["images"]:
        Image.fromarray(np.zeros((image["height"], image["width"]), np.uint8)).save(maps / f"{image['id']:012d}.png")
    return root / "results.json"
