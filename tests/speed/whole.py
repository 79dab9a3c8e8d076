"""Print what whole evaluations take, start and intervals included: python tests/speed/whole.py [--images-scale 1.0].

`bench evaluate` of label maps in the layouts of Cityscapes (500 images, with iIoU), VOC 2012 (1 449) and COCO-Stuff
(5 000) runs in a process of its own, in turn with one that does no more than a loop must: Pillow decodes both maps and
`np.bincount` counts their pairs. What is compared is processor time, of the first evaluation and of the next one of the
same data, whose truth and whose own code are known by then; and the most memory that was held. Images are SYNTHETIC,
the first ones drawn, the others links to them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from evaluate import label_maps, write_cityscapes
from PIL import Image
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from measured import measure

from segbench.registry import dataset_class

DIFFERENT = 40
LOOP = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
counts = np.zeros(65536, np.int64)
for truth in sorted(Path(sys.argv[1]).rglob(sys.argv[3])):
    pair = truth, Path(sys.argv[2]) / truth.name.replace(sys.argv[4], "")
    first, second = (np.asarray(Image.open(path)).astype(np.int64) for path in pair)
    counts += np.bincount((first * 256 + second).ravel(), minlength=65536)
"""


def write(number: int, folders: Sequence[Path], size: tuple[int, int], values: Sequence[int]) -> list[str]:
    """Truth, predictions and pictures in these folders, cells of these label values; the names."""
    for folder in folders:
        folder.mkdir(parents=True)
    names = [f"2007_{k:06d}" if "VOC" in str(folders[0]) else f"{k:012d}" for k in range(number)]
    table = np.array(values, np.uint8)
    for k, name in enumerate(names):
        paths = [folder / f"{name}{'.jpg' if folder is folders[2] else '.png'}" for folder in folders]
        if k >= DIFFERENT:
            for path in paths:
                path.hardlink_to(path.with_name(f"{names[k % DIFFERENT]}{path.suffix}"))
            continue
        maps = label_maps(k, max(4, size[0] * size[1] // 6000), 0, size, len(values))
        for path, cells in zip(paths, (*maps[:2], maps[0]), strict=True):
            image = Image.fromarray(cells if path.suffix == ".jpg" else table[cells])
            if "VOC" in str(folders[0]) and path.suffix == ".png":
                image.putpalette(bytes(range(256)) * 3)
            image.save(path)
    return names


def write_voc(root: Path, number: int) -> None:
    """Palette images of 375 x 500 in the layout of VOC 2012."""
    voc = root / "VOC2012"
    folders = [voc / "SegmentationClass", root / "predictions", voc / "JPEGImages"]
    names = write(number, folders, (375, 500), range(21))
    lists = voc / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split, of in (("val", names), ("train", []), ("trainval", [])):
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in of))


def write_cocostuff(root: Path, number: int) -> None:
    """Grey images of 480 x 640 in the layout of COCO-Stuff."""
    folders = [root / "stuffthingmaps" / "val2017", root / "predictions", root / "images" / "val2017"]
    write(number, folders, (480, 640), [entry.id for entry in dataset_class("cocostuff").info.classes])
    (root / "stuffthingmaps" / "train2017").mkdir()


def row(name: str, root: Path, truth: Path, pattern: str) -> list[str]:
    """The first evaluation, the next one, and the loop after each."""
    ending = pattern.removeprefix("*").removesuffix(".png")
    ours, loops = [], []
    for turn in range(2):
        words: list[str | Path] = ["-m", "segbench", "evaluate", "-d", name, "--root", root, "--no-plots"]
        words += ["-p", root / "predictions", "--out", root / f"run-{turn}"]
        ours.append(measure(words, root / "cache"))
        loops.append(measure(["-c", LOOP, truth, root / "predictions", pattern, ending], root)[0])
    first, again, loop = ours[0][0], ours[1][0], min(loops)
    images, memory = sum(1 for _ in truth.rglob(pattern)), max(each[1] for each in ours)
    ratio = f"{again / loop:.2f}"
    return [name, f"{images}", f"{first:.2f}", f"{again:.2f}", f"{loop:.2f}", ratio, f"{memory:.0f}"]


def main() -> None:
    """Write, measure and print."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--images-scale", type=float, default=1.0, help="a part of the images, for a first look")
    scale = asked.parse_args().images_scale
    with tempfile.TemporaryDirectory() as name:
        city, voc, coco = (Path(name) / each for each in ("cityscapes", "voc2012", "cocostuff"))
        write_cityscapes(city, int(500 * scale), 10)
        write_voc(voc, int(1449 * scale))
        write_cocostuff(coco, int(5000 * scale))
        rows = [
            row("cityscapes", city, city / "gtFine", "*_gtFine_labelIds.png"),
            row("voc2012", voc, voc / "VOC2012" / "SegmentationClass", "*.png"),
            row("cocostuff", coco, coco / "stuffthingmaps" / "val2017", "*.png"),
        ]
    headers = ["dataset", "images", "first, s", "again, s", "loop, s", "again / loop", "memory, MB"]
    print(tabulate(rows, headers=headers, disable_numparse=True))


if __name__ == "__main__":
    main()
