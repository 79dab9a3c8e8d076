"""The official truth of VOC 2012 (1 464 train and 1 449 val label maps), and what two methods without eyes make of it.

    python tests/real/voc_truth.py --lists LISTS.git --truth TRUTH.git --out .real/voc-truth
    bench evaluate --dataset voc2012 --root .real/voc-truth --split val -p .real/voc-truth/mean-shape

LISTS.git is a clone of jiwoon-ahn/psa, TRUTH.git one of zzq96/Nested-unet; what is read of them is fixed by their
commits. There are no photographs. `constant` and `mean-shape` never look at one: they are fitted on the label maps of
train beside grey images of the same size, which are removed again, and their predictions for val are written.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tarfile
from pathlib import Path

from PIL import Image

LISTS_COMMIT = "9493e59bef16687ecb4821387e38e6460857f508"
TRUTH_COMMIT = "925924621b3a12e441e9f00e06d5c2a40ec25505"
TRUTH_FOLDER = "SegmentationClassAug"
METHODS = ("constant", "mean-shape")


def names(repository: Path, split: str) -> list[str]:
    """The names of a split, in the order of its list."""
    words = ["git", "-C", str(repository), "show", f"{LISTS_COMMIT}:voc12/{split}.txt"]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return [Path(line.split()[0]).stem for line in text.splitlines() if line.strip()]


def label_maps(repository: Path, wanted: set[str], folder: Path) -> None:
    """Write the label maps of some names, as they are in the repository."""
    command = ["git", "-C", str(repository), "archive", TRUTH_COMMIT, TRUTH_FOLDER]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as packed,
        tarfile.open(fileobj=packed.stdout, mode="r|") as archive,
    ):
        for member in archive:
            file = archive.extractfile(member) if Path(member.name).stem in wanted else None
            if file is not None:
                (folder / Path(member.name).name).write_bytes(file.read())


def predictions(devkit: Path, out: Path) -> None:
    """Fit both methods beside grey images, and keep what they predict for val."""
    blind = out / "blind"
    copy = blind / "VOCdevkit" / "VOC2012"
    (copy / "JPEGImages").mkdir(parents=True, exist_ok=True)
    for name in ("ImageSets", "SegmentationClass"):
        if not (copy / name).exists():
            (copy / name).symlink_to((devkit / name).resolve())
    for file in sorted((devkit / "SegmentationClass").iterdir()):
        with Image.open(file) as labels:
            Image.new("RGB", labels.size, (128, 128, 128)).save(copy / "JPEGImages" / f"{file.stem}.jpg")
    for method in METHODS:
        run = blind / f"run-{method}"
        words = ["bench", "run", "--dataset", "voc2012", "--method", method, "--root", str(blind), "--out", str(run)]
        subprocess.run([*words, "--save-predictions", "--no-plots", "-q"], check=True)
        shutil.rmtree(out / method, ignore_errors=True)
        shutil.move(run / "predictions", out / method)
    shutil.rmtree(blind)


def main() -> None:
    """Lay out lists and label maps, and write the predictions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(".real/voc-truth"))
    given = parser.parse_args()
    devkit = given.out / "VOCdevkit" / "VOC2012"
    sets, maps = devkit / "ImageSets" / "Segmentation", devkit / "SegmentationClass"
    for folder in (sets, maps):
        folder.mkdir(parents=True, exist_ok=True)
    splits = {split: names(given.lists, split) for split in ("train", "val")}
    for split, found in splits.items():
        (sets / f"{split}.txt").write_text("\n".join([*found, ""]), encoding="utf-8")
    label_maps(given.truth, {name for found in splits.values() for name in found}, maps)
    print(f"{len(list(maps.iterdir()))} label maps")
    predictions(devkit, given.out)


if __name__ == "__main__":
    main()
