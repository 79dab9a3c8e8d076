"""Writes `huggingface_saved/` and `huggingface_parquet/`: SYNTHETIC rows through Hugging Face `datasets` (5.2.0).

Run it where datasets is installed: `python make_with_datasets.py`.
"""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pictures

HERE = Path(__file__).parent
hugging: Any = import_module("datasets")  # not the folder of this name at the root
SIZE = (40, 52)


def rows(first: int, count: int) -> dict[str, list[Any]]:
    """Pictures with label maps of 0, 1, 2 and 255."""
    pictures, maps = [], []
    for number in range(first, first + count):
        random = np.random.default_rng(number)
        labels = np.kron(random.choice([0, 1, 2, 255], (5, 4), p=[0.5, 0.2, 0.2, 0.1]), np.ones((8, 13))).astype(
            np.uint8
        )
        pictures.append(Pictures.fromarray((random.integers(0, 4, (*SIZE, 3)) * 60).astype(np.uint8)))
        maps.append(Pictures.fromarray(labels))
    return {"pixel_values": pictures, "label": maps}


def main() -> None:
    """Write a folder of `save_to_disk` with two splits, and a Parquet file with the names of the classes beside it."""
    features = hugging.Features({"pixel_values": hugging.Image(), "label": hugging.Image()})
    splits = {
        "train": hugging.Dataset.from_dict(rows(0, 3), features),
        "validation": hugging.Dataset.from_dict(rows(3, 2), features),
    }
    for name in ("huggingface_saved", "huggingface_parquet"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    hugging.DatasetDict(splits).save_to_disk(str(HERE / "huggingface_saved"))
    folder = HERE / "huggingface_parquet"
    folder.mkdir()
    splits["train"].to_parquet(str(folder / "train-00000-of-00001.parquet"))
    splits["validation"].to_parquet(str(folder / "validation-00000-of-00001.parquet"))
    names = {0: "background", 1: "cell", 2: "nucleus"}
    (folder / "id2label.json").write_text(json.dumps(names))


if __name__ == "__main__":
    main()
