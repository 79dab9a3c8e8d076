"""SYNTHETIC datasets with correct but imperfect predictions: what the tests of the doctor damage and diagnose."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from segbench.commands.doctor import Diagnosis, DoctorRequest, Finding, diagnose
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.io.reporter import Reporter
from segbench.registry import dataset_class
from synthetic_roots import write_hearts, write_stacks

Map = NDArray[np.uint8]
Maps = dict[str, Map]
SIZE = (120, 168)


@dataclass(frozen=True)
class Case:
    """A SYNTHETIC dataset in its official layout, with correct but imperfect predictions by sample id."""

    dataset: str
    root: Path
    predictions: Maps
    split: str | None = None

    def diagnose(self, folder: Path, *, partial: bool = False) -> Diagnosis:
        """What the doctor says of a folder, which it must not change."""
        before = {tree: fingerprint(tree) for tree in (self.root, folder)}
        request = DoctorRequest(self.dataset, folder, self.split, self.root, partial)
        found = diagnose(request, Reporter(quiet=True))
        assert before == {tree: fingerprint(tree) for tree in before}
        json.loads(found.to_json(), parse_constant=pytest.fail)
        return found

    @cached_property
    def undamaged(self) -> float:
        """The main score of its predictions as they are; measured once, for many tests bring it back."""
        with TemporaryDirectory() as folder:
            return self.score(write(Path(folder) / "undamaged", self.predictions))

    def score(self, folder: Path) -> float:
        """The main score by `bench evaluate`."""
        request = EvaluateRequest(
            self.dataset,
            folder,
            split=self.split,
            root=self.root,
            out=folder.parent / f"run-{folder.name}",
            workers=0,
            plots=False,
        )
        value = evaluate_files(request, Reporter(quiet=True))[1].scores[dataset_class(self.dataset).info.main_score]
        assert value.value is not None
        return value.value


def fingerprint(path: Path) -> str:
    """Names and content of everything below a path."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(str(p).encode() + p.read_bytes() for p in files)).hexdigest()


def scenes(labels: list[int], ground: list[int], count: int, seed: int, wrong: float) -> Iterator[tuple[Map, Map]]:
    """Truth, and a prediction with borders moved by some pixels and with a part of the segments of a wrong class."""
    random = np.random.default_rng(seed)
    height, width = SIZE
    for _ in range(count):
        truth, guess = (np.full(SIZE, ground[0], np.uint8) for _ in range(2))
        split = int(random.integers(20, 60))
        truth[:split], guess[: split + 3] = ground[1], ground[1]
        for _ in range(7):
            label = int(random.choice(labels))
            predicted = int(random.choice(labels)) if random.random() < wrong else label
            center = random.integers((8, 8), (width - 8, height - 8))
            axes = random.integers(9, 30, 2)
            angle = float(random.integers(0, 180))
            moved = center + random.integers(-2, 3, 2)
            cv2.ellipse(truth, center.tolist(), axes.tolist(), angle, 0, 360, label, -1)
            cv2.ellipse(
                guess, moved.tolist(), (axes + random.integers(-1, 3, 2)).tolist(), angle, 0, 360, predicted, -1
            )
        yield truth, guess


def voc(root: Path, wrong: float = 0.1, count: int = 16) -> Case:
    """SYNTHETIC scenes in the layout of PASCAL VOC 2012."""
    folder = root / "VOCdevkit" / "VOC2012"
    (folder / "SegmentationClass").mkdir(parents=True)
    (folder / "ImageSets" / "Segmentation").mkdir(parents=True)
    predictions = {}
    # Without 16 and 18, whose colours have the luma of 1 and 3.
    for n, (truth, guess) in enumerate(scenes([*range(1, 16), 17, 19, 20], [0, 0], count, 1, wrong)):
        truth[:2] = 255
        Image.fromarray(truth).save(folder / "SegmentationClass" / f"2007_{n:06d}.png")
        predictions[f"2007_{n:06d}"] = guess
    (folder / "ImageSets" / "Segmentation" / "val.txt").write_text("\n".join(predictions))
    return Case("voc2012", root, predictions)


def cityscapes(root: Path, wrong: float = 0.1) -> Case:
    """SYNTHETIC scenes in the layout of Cityscapes."""
    folder = root / "gtFine" / "val" / "townville"
    folder.mkdir(parents=True)
    scored = [c.id for c in dataset_class("cityscapes").info.classes]
    predictions = {}
    for n, (truth, guess) in enumerate(scenes(scored, [7, 23], 12, 2, wrong)):
        truth[-6:] = 3
        name = f"townville_{n:06d}_000019"
        Image.fromarray(truth).save(folder / f"{name}_gtFine_labelIds.png")
        Image.fromarray(truth.astype(np.uint16)).save(folder / f"{name}_gtFine_instanceIds.png")
        predictions[name] = guess
    return Case("cityscapes", root, predictions)


def cocostuff(root: Path, wrong: float = 0.1) -> Case:
    """SYNTHETIC scenes in the layout of COCO-Stuff."""
    folder = root / "stuffthingmaps" / "val2017"
    folder.mkdir(parents=True)
    labels = [c.id for c in dataset_class("cocostuff").info.classes][::5]
    predictions = {}
    for n, (truth, guess) in enumerate(scenes(labels, [123, 156], 12, 3, wrong)):
        truth[:2] = 255
        Image.fromarray(truth).save(folder / f"{n:012d}.png")
        predictions[f"{n:012d}"] = guess
    return Case("cocostuff", root, predictions)


def isbi(root: Path, wrong: float = 0.1) -> Case:
    """SYNTHETIC stacks in the layout of ISBI 2012; predicted probabilities as 8-bit levels."""
    write_stacks(root, slices=12)
    random = np.random.default_rng(4)
    predictions = {}
    for page, labels in enumerate(tifffile.imread(root / "train-labels.tif")):
        noise = random.normal(0, 40 if wrong < 0.2 else 150, labels.shape)
        levels = np.where(labels > 0, 215, 30) + cv2.GaussianBlur(noise, (0, 0), 1.5) * 2
        predictions[f"slice-{page:02d}"] = np.clip(levels, 0, 255).astype(np.uint8)
    return Case("isbi2012", root, predictions, "all")


def medaka(root: Path, wrong: float = 0.1) -> Case:
    """SYNTHETIC discs in the layout of HeartSeg; masks of 0 and 255."""
    write_hearts(root)
    predictions = {}
    random = np.random.default_rng(5)
    for path in sorted((root / "test_images" / "lateral_mask").iterdir()):
        mask = np.asarray(Image.open(path))[:, :, 0]
        moved = np.roll(mask, random.integers(-2, 3, 2), (0, 1)).copy()
        if random.random() < wrong:
            moved[:, :35] = 0
        predictions[f"lateral-test-{int(path.stem[:4]):04d}"] = moved
    return Case("medaka", root, predictions)


MAKERS: dict[str, Callable[..., Case]] = {f.__name__: f for f in (voc, cityscapes, cocostuff, isbi, medaka)}


def write(folder: Path, maps: Mapping[str, NDArray[np.generic]], suffix: str = ".png") -> Path:
    """One file per sample."""
    folder.mkdir(parents=True)
    for name, values in maps.items():
        if suffix == ".npy":
            np.save(folder / f"{name}.npy", values)
        else:
            Image.fromarray(values).save(folder / f"{name}{suffix}")
    return folder


def write_each(folder: Path, maps: Maps, change: Callable[[Map], NDArray[np.generic]], suffix: str = ".png") -> Path:
    """One changed file per sample."""
    return write(folder, {name: change(values) for name, values in maps.items()}, suffix)


def first(case: Case, folder: Path, kind: str, *, exact: bool = True) -> Finding:
    """The first finding, which must be of this kind, and whose remedy must bring the undamaged score back."""
    found = case.diagnose(folder)
    assert found.findings, "nothing was found"
    finding = found.findings[0]
    assert finding.kind == kind, [f.summary for f in found.findings]
    assert finding.score_after is not None
    assert finding.score_before is None or finding.score_before < finding.score_after
    if exact:
        assert finding.score_after == case.undamaged
        assert [f.kind for f in found.findings] == [kind]
    assert finding.evidence
    assert finding.remedy
    return finding


def recode(table: dict[int, int], rest: int = 255) -> Callable[[Map], Map]:
    """A change of label values by a table."""
    return lambda values: np.array([table.get(v, rest) for v in range(256)], np.uint8)[values]


def logit(values: Map) -> NDArray[np.float32]:
    p = np.clip(values.astype(np.float64) / 255, 0.001, 0.999)
    return np.log(p / (1 - p)).astype(np.float32)
