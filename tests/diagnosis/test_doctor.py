"""`bench doctor`: every mistake is recognised, proved and priced; correct predictions, however bad, are left alone."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from cityscapesscripts.helpers.labels import labels as official_labels
from numpy.typing import NDArray
from PIL import Image

from commands import Run
from places import shared
from segbench.commands.doctor import Diagnosis, DoctorRequest, Finding, diagnose
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.diagnosis.checked_predictions import described_by
from segbench.diagnosis.labels import codings
from segbench.io.images.read import palette_color
from segbench.io.reporter import Reporter
from segbench.predictions.coco_results import write_stuff_results
from segbench.registry import dataset_class
from segbench.types import UserError
from synthetic_roots import write_hearts, write_stacks

Map = NDArray[np.uint8]
Maps = dict[str, Map]
RECOGNISED = {
    *("train_ids", "off_by_one", "palette", "luma", "jpeg", "interpolated", "stems", "inverted", "probabilities"),
    *("orientation", "scaled", "merged"),
}
"""Kinds that name a mistake of the format: none of them may ever be told of predictions that are merely bad."""
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
        json.dumps(found.to_json(), allow_nan=False)
        return found

    def score(self, folder: Path) -> float:
        """The main score by `bench evaluate`."""
        request = EvaluateRequest(
            self.dataset, folder, split=self.split, root=self.root, out=folder.parent / f"run-{folder.name}", workers=0
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


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """One case of every dataset."""
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MAKERS.items()}


def write(folder: Path, maps: Maps, suffix: str = ".png") -> Path:
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
    return write(folder, {name: change(values) for name, values in maps.items()}, suffix)  # type: ignore[misc]


def first(case: Case, tmp_path: Path, folder: Path, kind: str, *, exact: bool = True) -> Finding:
    """The first finding, which must be of this kind, and whose remedy must bring the undamaged score back."""
    undamaged = case.score(write(tmp_path / "undamaged", case.predictions))
    found = case.diagnose(folder)
    assert found.findings, "nothing was found"
    finding = found.findings[0]
    assert finding.kind == kind, [f.summary for f in found.findings]
    assert finding.score_after is not None
    assert finding.score_before is None or finding.score_before < finding.score_after
    if exact:
        assert finding.score_after == undamaged
        assert [f.kind for f in found.findings] == [kind]
    assert finding.evidence
    assert finding.remedy
    return finding


def recode(table: dict[int, int], rest: int = 255) -> Callable[[Map], Map]:
    """A change of label values by a table."""
    return lambda values: np.array([table.get(v, rest) for v in range(256)], np.uint8)[values]


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_correct_predictions_give_no_finding(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    folder = write(tmp_path / "p", case.predictions)
    found = case.diagnose(folder)
    assert found.findings == []
    assert found.reason is None
    assert found.score == case.score(folder)
    assert (found.n_samples, found.n_files, found.n_scored) == (len(case.predictions),) * 3


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [0.6, 1.0])
@pytest.mark.parametrize("name", MAKERS)
def test_bad_predictions_give_no_false_alarm(name: str, wrong: float, tmp_path: Path) -> None:
    case = MAKERS[name](tmp_path / "data", wrong=wrong)
    found = case.diagnose(write(tmp_path / "p", case.predictions))
    assert not {f.kind for f in found.findings} & RECOGNISED, found.findings


@pytest.mark.parametrize("name", MAKERS)
def test_random_predictions_give_no_false_alarm(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case, random = cases[name], np.random.default_rng(6)
    values = np.unique(np.concatenate([p.ravel() for p in case.predictions.values()]))

    def noise(prediction: Map) -> Map:
        coarse = random.choice(values, (9, 11))
        blocks = cv2.resize(coarse, prediction.shape[::-1], interpolation=cv2.INTER_NEAREST)
        spots = random.random(prediction.shape) < 0.2
        return np.where(spots, random.choice(values, prediction.shape), blocks).astype(np.uint8)

    assert (
        not {f.kind for f in case.diagnose(write_each(tmp_path / "p", case.predictions, noise)).findings} & RECOGNISED
    )


@pytest.mark.parametrize("name", ["voc2012", "cityscapes", "cocostuff"])
def test_golden_predictions_give_no_finding(name: str) -> None:
    folder = shared(f"golden/{name}")
    found = Case(name, folder, {}).diagnose(folder / "predictions")
    assert found.findings == []
    assert found.score is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["identical", "membrane_dilated_d1", "otsu_gauss2", "prob_blur_noise"])
def test_golden_stacks_give_no_finding(name: str, golden_isbi: Path) -> None:
    found = Case("isbi2012", golden_isbi, {}, "all").diagnose(golden_isbi / "predictions" / f"{name}.tif")
    assert found.findings == []
    assert found.score is not None


@pytest.mark.parametrize(("suffix", "dtype"), [(".png", np.uint8), (".npy", np.int64)])
def test_train_ids_of_cityscapes(suffix: str, dtype: type[np.generic], cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    table = {entry.id: entry.trainId for entry in official_labels if entry.id >= 0}
    change = recode(table)
    folder = write_each(tmp_path / "p", case.predictions, lambda values: change(values).astype(dtype), suffix)
    finding = first(case, tmp_path, folder, "train_ids")
    assert "in 12 of 12 files all are of this coding" in finding.evidence[0]
    assert "19 classes" in finding.evidence[0]


def test_train_ids_of_the_golden_predictions(tmp_path: Path) -> None:
    folder = shared("golden/cityscapes")
    table = np.array([entry.trainId % 256 for entry in official_labels if entry.id >= 0])
    case = Case("cityscapes", folder, {})
    (tmp_path / "p").mkdir()
    for path in (folder / "predictions").iterdir():
        Image.fromarray(table[np.asarray(Image.open(path))].astype(np.uint8)).save(tmp_path / "p" / path.name)
    found = case.diagnose(tmp_path / "p")
    assert [f.kind for f in found.findings] == ["train_ids"]
    # Ignored ids become 255 and then 'unlabeled': false negatives either way.
    assert found.findings[0].score_after == case.score(shutil.copytree(folder / "predictions", tmp_path / "right"))


def test_ids_converted_twice(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    table = {entry.trainId: entry.id for entry in official_labels if 0 <= entry.trainId < 255}
    folder = write_each(tmp_path / "p", case.predictions, recode(table, 0))
    assert first(case, tmp_path, folder, "train_ids", exact=False).estimate


@pytest.mark.parametrize(
    ("name", "shift", "words"),
    [
        ("cocostuff", 1, "one too high"),
        ("cocostuff", -1, "one too low"),
        ("voc", -1, "one too low"),
        ("voc", 1, "high"),
    ],
)
def test_label_values_off_by_one(name: str, shift: int, words: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    folder = write_each(tmp_path / "p", case.predictions, lambda values: (values.astype(int) + shift).astype(np.uint8))
    assert words in first(case, tmp_path, folder, "off_by_one").summary


def test_ids_with_0_for_unlabeled_and_183_for_other(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cocostuff"]
    predictions = {i: values.copy() for i, values in case.predictions.items()}
    for values in predictions.values():
        values[:20, :20] = 11  # a removed id: no class was predicted there
    right = Case(case.dataset, case.root, predictions)
    ids = {i: (values + 1).astype(np.uint8) for i, values in predictions.items()}
    for values in ids.values():
        values[:20, :10], values[:20, 10:20] = 0, 183
    assert "0 kept for 'unlabeled'" in first(right, tmp_path, write(tmp_path / "p", ids), "off_by_one").summary


@pytest.mark.parametrize("start", [0, 1])
def test_contiguous_numbers_of_the_171_classes(start: int, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cocostuff"]
    table = {c.id: n for n, c in enumerate(dataset_class("cocostuff").info.classes, start)}
    folder = write_each(tmp_path / "p", case.predictions, recode(table))
    assert "existing classes" in first(case, tmp_path, folder, "train_ids").summary


def palette_of(case: Case) -> NDArray[np.uint8]:
    colours = np.array([palette_color(n) for n in range(256)], np.uint8)
    for c in dataset_class(case.dataset).info.classes:
        colours[c.id] = c.color
    return colours


@pytest.mark.slow
@pytest.mark.parametrize("name", ["voc", "cityscapes", "cocostuff"])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_class_colours_in_place_of_labels(name: str, order: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    colours = palette_of(case)[:, :: 1 if order == "RGB" else -1]
    folder = write_each(tmp_path / "p", case.predictions, lambda values: colours[values])
    finding = first(case, tmp_path, folder, "palette")
    assert finding.score_before is None
    assert "100.0%" in " ".join(finding.evidence)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["voc", "isbi"])
def test_grey_saved_as_colour(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    folder = write_each(tmp_path / "p", case.predictions, lambda values: np.repeat(values[:, :, None], 3, axis=2))
    assert "channels are equal" in " ".join(first(case, tmp_path, folder, "palette").evidence)


@pytest.mark.parametrize("name", ["voc", "cityscapes"])
def test_the_luma_of_class_colours(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    palette = palette_of(case)

    def grey(values: Map) -> Map:
        image = Image.fromarray(values)
        image.putpalette(palette.tobytes())
        return np.asarray(image.convert("L"))

    finding = first(case, tmp_path, write_each(tmp_path / "p", case.predictions, grey), "luma")
    # In the VOC palette, classes 1 and 16 have the same luma; class 1 occurs here.
    assert finding.estimate == (name == "voc")


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.5, 1.5])
@pytest.mark.parametrize("name", ["voc", "medaka"])
def test_resized_with_nearest_neighbour(name: str, scale: float, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]

    def resize(values: Map) -> Map:
        size = (int(values.shape[1] * scale), int(values.shape[0] * scale))
        return cv2.resize(values, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8)

    folder = write_each(tmp_path / "p", case.predictions, resize)
    finding = first(case, tmp_path, folder, "size", exact=False)
    assert finding.estimate
    assert f"height is {scale:g} times" in finding.evidence[1]
    assert finding.score_after is not None
    assert finding.score_after > 0.9 * case.score(tmp_path / "undamaged")
    assert "nearest neighbour" in finding.evidence[2]


def test_resized_with_interpolation(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    folder = write_each(
        tmp_path / "p", case.predictions, lambda values: cv2.resize(values, (336, 240), interpolation=cv2.INTER_LINEAR)
    )
    found = case.diagnose(folder)
    assert found.findings[0].kind == "size"
    assert "they were interpolated" in " ".join(found.findings[0].evidence)
    last = found.findings[-1].score_after
    assert last is not None
    assert last > 0.9 * case.score(write(tmp_path / "undamaged", case.predictions))


@pytest.mark.parametrize("top", [0, 12])
def test_padding_is_cut_off_exactly(top: int, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    pads = ((top, 24 - top), (top, 24 - top))
    folder = write_each(tmp_path / "p", case.predictions, lambda values: np.pad(values, pads))
    assert not first(case, tmp_path, folder, "size").estimate


@pytest.mark.parametrize(
    ("name", "as_png"), [("voc", False), ("voc", True), ("cityscapes", False), ("cocostuff", True)]
)
def test_jpeg_label_maps(name: str, as_png: bool, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    folder = tmp_path / "p"
    folder.mkdir()
    for sample_id, values in case.predictions.items():
        Image.fromarray(values).save(folder / f"{sample_id}.jpg", quality=92)
        if as_png:
            Image.open(folder / f"{sample_id}.jpg").save(folder / f"{sample_id}.png")
            (folder / f"{sample_id}.jpg").unlink()
    finding = first(case, tmp_path, folder, "jpeg", exact=False)
    assert finding.estimate
    assert f"{0 if as_png else len(case.predictions)} of {len(case.predictions)} files are JPEG" in finding.evidence


@pytest.mark.slow
def test_jpeg_masks(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["medaka"]
    finding = first(case, tmp_path, write(tmp_path / "p", case.predictions, ".jpg"), "jpeg", exact=False)
    assert finding.score_before is None
    assert finding.score_after == pytest.approx(case.score(tmp_path / "undamaged"), abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [1, -1, 2])
@pytest.mark.parametrize("name", ["voc", "isbi", "cityscapes"])
def test_shifted_stems(name: str, shift: int, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    names = list(case.predictions)
    moved = {i: case.predictions[names[(n + shift) % len(names)]] for n, i in enumerate(names)}
    finding = first(case, tmp_path, write(tmp_path / "p", moved), "stems")
    assert "mean agreement" in " ".join(finding.evidence)


@pytest.mark.slow
def test_slices_numbered_from_1(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["isbi"]
    renamed = {f"{n:02d}": values for n, values in enumerate(case.predictions.values(), 1)}
    finding = first(case, tmp_path, write(tmp_path / "p", renamed), "stems")
    assert "shifted" in finding.summary


@pytest.mark.slow
def test_frames_of_films_shifted_by_one(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["medaka"]
    names = list(case.predictions)
    moved = {i: case.predictions[names[(n + 1) % len(names)]] for n, i in enumerate(names)}
    first(case, tmp_path, write(tmp_path / "p", moved), "stems")


def test_swapped_pairs(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    names = list(case.predictions)
    moved = dict(case.predictions)
    for a, b in ((1, 9), (4, 5)):
        moved[names[a]], moved[names[b]] = moved[names[b]], moved[names[a]]
    finding = first(case, tmp_path, write(tmp_path / "p", moved), "stems")
    assert finding.summary.startswith("4 predictions are exchanged")
    assert f"{names[9]}.png belongs to {names[1]}" in finding.evidence[0]


def test_names_that_say_nothing(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    renamed = {f"prediction{n}": values for n, values in enumerate(case.predictions.values())}
    finding = first(case, tmp_path, write(tmp_path / "p", renamed), "stems")
    assert finding.score_before is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["isbi", "medaka"])
def test_inverted_masks(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    folder = write_each(tmp_path / "p", case.predictions, lambda values: (255 - values).astype(np.uint8))
    assert "correlation" in first(case, tmp_path, folder, "inverted").evidence[0]


def test_0_and_1_in_8_bits(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["isbi"]
    masks = {i: np.where(values > 127, 255, 0).astype(np.uint8) for i, values in case.predictions.items()}
    case = Case(case.dataset, case.root, masks, case.split)
    folder = write_each(tmp_path / "p", masks, lambda values: values // 255)
    found = case.diagnose(folder)
    assert [f.kind for f in found.findings] == ["probabilities"]
    # V_Rand takes its best threshold, and the lowest is 0; Dice shows the mistake.
    assert found.findings[0].score_after == case.score(write(tmp_path / "right", masks))
    assert "dice 0.0000 as it is" in " ".join(found.findings[0].evidence)


def logit(values: Map) -> NDArray[np.float32]:
    p = np.clip(values.astype(np.float64) / 255, 0.001, 0.999)
    return np.log(p / (1 - p)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (logit, "logits"),
        (lambda values: (values / 2.55).astype(np.float32), "per cent"),
        (lambda values: values.astype(np.float32), "0 to 255"),
        (lambda values: values.astype(np.uint16) * 257, "16-bit"),
    ],
)
@pytest.mark.parametrize("name", ["isbi", "medaka"])
def test_probabilities_on_another_scale(
    name: str, change: Callable[[Map], Map], words: str, cases: dict[str, Case], tmp_path: Path
) -> None:
    case = cases[name]
    finding = first(
        case, tmp_path, write_each(tmp_path / "p", case.predictions, change, ".npy"), "probabilities", exact=False
    )
    assert words in finding.summary
    assert finding.score_before is None
    assert finding.score_after == pytest.approx(case.score(tmp_path / "undamaged"), abs=0.002)


@pytest.mark.slow
def test_logits_of_classes(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    folder = write_each(
        tmp_path / "p",
        case.predictions,
        lambda values: np.stack([np.where(values == c, 3.5, -2) for c in range(21)]).astype(np.float16),
        ".npy",
    )
    assert first(case, tmp_path, folder, "probabilities").score_before is None


def test_classes_last(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    folder = write_each(
        tmp_path / "p",
        case.predictions,
        lambda values: np.stack([values == c for c in range(21)], axis=2).astype(np.float32),
        ".npy",
    )
    first(case, tmp_path, folder, "axes")


@pytest.mark.parametrize(
    ("factor", "name"), [(10, "voc"), (255 / 20, "voc"), (7, "cityscapes"), (255 / 33, "cityscapes")]
)
def test_scaled_label_maps(factor: float, name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    folder = write_each(tmp_path / "p", case.predictions, lambda values: np.round(values * factor).astype(np.uint8))
    assert f"multiplied by {factor:g}" in first(case, tmp_path, folder, "scaled").summary


@pytest.mark.slow
def test_a_mask_of_0_and_128(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["medaka"]
    first(case, tmp_path, write_each(tmp_path / "p", case.predictions, lambda values: values // 255 * 128), "scaled")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (np.flipud, "upside down"),
        (np.fliplr, "mirrored"),
        (lambda values: np.rot90(values, 2), "180 degrees"),
        (np.transpose, "transposed"),
        (lambda values: np.rot90(values, -1), "90 degrees to the right"),
    ],
)
def test_turned_predictions(change: Callable[[Map], Map], words: str, cases: dict[str, Case], tmp_path: Path) -> None:
    for name in ("voc", "cityscapes"):
        folder = write_each(tmp_path / name / "p", cases[name].predictions, change)
        assert words in first(cases[name], tmp_path / name, folder, "orientation").summary


@pytest.mark.slow
def test_two_mistakes_at_once(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    undamaged = case.score(write(tmp_path / "right", case.predictions))
    train_ids = recode({entry.id: entry.trainId for entry in official_labels if entry.id >= 0})
    folder = write_each(tmp_path / "padded", case.predictions, lambda v: np.pad(train_ids(v), ((0, 24), (0, 24))))
    found = case.diagnose(folder)
    assert [f.kind for f in found.findings] == ["size", "train_ids"]
    assert found.findings[-1].score_after == undamaged
    names = list(case.predictions)
    moved = {i: train_ids(case.predictions[names[n - 1]]) for n, i in enumerate(names)}
    found = case.diagnose(write(tmp_path / "moved", moved))
    assert {f.kind for f in found.findings} == {"train_ids", "stems"}
    assert found.findings[1].score_before == found.findings[0].score_after
    assert found.findings[-1].score_after == undamaged


@pytest.mark.slow
def test_missing_extra_duplicate_unreadable_and_copied(bench: Run, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    folder = write(tmp_path / "p", case.predictions)
    names = list(case.predictions)
    (folder / f"{names[3]}.png").rename(folder / "other.png")
    found = case.diagnose(folder)
    assert [f.kind for f in found.findings] == ["missing"]
    assert found.score is None
    assert found.reason == "1 of 16 samples have no prediction"
    assert names[3] in found.findings[0].evidence[0]
    assert "other.png" in found.findings[0].evidence[1]
    assert case.diagnose(folder, partial=True).findings == []
    (folder / "other.png").rename(folder / f"{names[3]}.png")

    (folder / "again").mkdir()
    shutil.copy(folder / f"{names[0]}.png", folder / "again")
    found = case.diagnose(folder)
    assert [f.kind for f in found.findings] == ["duplicate_files"]
    assert f"again/{names[0]}.png" in found.findings[0].evidence[0]
    shutil.rmtree(folder / "again")

    shutil.copy(folder / f"{names[0]}.png", folder / f"{names[1]}.png")
    found = case.diagnose(folder)
    assert [f.kind for f in found.findings] == ["copies"]
    assert f"{names[0]}.png = {names[1]}.png" in found.findings[0].evidence[0]

    (folder / f"{names[1]}.png").write_bytes((folder / f"{names[0]}.png").read_bytes()[:90])
    done = bench("doctor", "-d", "voc2012", "--root", case.root, "-p", folder)
    assert done.returncode == 1
    assert "undecodable" in done.stdout
    assert f"{names[1]}.png" in done.stdout
    assert "Traceback" not in done.stderr


def test_constant_predictions(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    found = case.diagnose(write_each(tmp_path / "p", case.predictions, lambda values: np.full_like(values, 7)))
    assert [f.kind for f in found.findings] == ["constant"]
    assert found.findings[0].summary.startswith("12 of 12")


def merged_things(case: Case) -> Maps:
    """Stuff as it is, every thing written as 182: 'other' of the stuff challenges, less 1."""
    things = [c.id for c in dataset_class("cocostuff").info.classes if c.kind == "thing"]
    return {i: np.where(np.isin(v, things), 182, v).astype(np.uint8) for i, v in case.predictions.items()}


@pytest.mark.slow
def test_things_merged_into_other(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cocostuff"]
    maps = merged_things(case)
    removed = dataset_class("cocostuff").info.unscored[0].id
    stuff = {i: np.where(v == 182, removed, v).astype(np.uint8) for i, v in maps.items()}
    found = case.diagnose(write(tmp_path / "p", maps))
    assert [f.kind for f in found.findings] == ["merged"]
    finding = found.findings[0]
    assert finding.estimate
    assert finding.score_before is None
    # What can be had: the stuff, with false negatives in place of all things.
    assert finding.score_after == case.score(write(tmp_path / "stuff", stuff))
    evidence = " ".join(finding.evidence)
    assert "no thing has its own" in evidence
    assert "count as false negatives" in evidence
    assert "cannot be restored" in finding.remedy
    # The same with ids from 1 on: one mistake more, and the loss is told as well.
    plus = {i: (v + 1).astype(np.uint8) for i, v in maps.items()}
    found = case.diagnose(write(tmp_path / "plus", plus))
    assert found.findings[0].kind == "off_by_one"
    assert found.findings[0].estimate
    assert "hold 183 ('other')" in " ".join(found.findings[0].evidence)


def test_182_that_lies_anywhere_is_not_taken_for_other(cases: dict[str, Case], tmp_path: Path) -> None:
    case, random = cases["cocostuff"], np.random.default_rng(8)

    def spoil(values: Map) -> Map:
        return np.where(random.random(values.shape) < 0.1, 182, values).astype(np.uint8)

    found = case.diagnose(write_each(tmp_path / "p", case.predictions, spoil))
    assert [f.kind for f in found.findings] == ["unscorable"]


@pytest.mark.slow
def test_coco_results(bench: Run, cases: dict[str, Case], tmp_path: Path) -> None:
    case, info = cases["cocostuff"], dataset_class("cocostuff").info
    names = list(case.predictions)
    stuff = tmp_path / "stuff.json"
    write_stuff_results(stuff, case.predictions.items(), info)
    found = case.diagnose(stuff)
    assert (found.findings, found.n_scored, found.score) == ([], 12, case.score(stuff))
    shifted = zip(names, [*list(case.predictions.values())[1:], case.predictions[names[0]]], strict=True)
    write_stuff_results(stuff, shifted, info)
    finding = case.diagnose(stuff).findings[0]
    assert finding.kind == "stems"
    assert finding.score_after == case.score(write(tmp_path / "right", case.predictions))
    write_stuff_results(stuff, list(case.predictions.items())[1:], info)
    assert [f.kind for f in case.diagnose(stuff).findings] == ["missing"]

    entries = [{**entry, "category_id": 1, "score": 0.5} for entry in json.loads(stuff.read_text())]
    (tmp_path / "results.json").write_text(json.dumps(entries))
    done = bench("doctor", "-d", "cocostuff", "--root", case.root, "-p", tmp_path / "results.json")
    assert done.returncode == 2
    assert "are not diagnosed" in done.stderr
    assert "Traceback" not in done.stderr


def test_lists_of_objects_are_not_diagnosed(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    for name in case.predictions:
        (tmp_path / f"{name}_pred.txt").write_text("")
    with pytest.raises(UserError, match="are not diagnosed"):
        case.diagnose(tmp_path)


def voc_of_several_sizes(root: Path) -> Case:
    """SYNTHETIC photographs of four sizes in no order."""
    case = voc(root)
    sizes = np.random.default_rng(3).integers(0, 4, len(case.predictions))
    cut = {
        i: values[: SIZE[0] - 6 * size, : SIZE[1] - 9 * size]
        for (i, values), size in zip(case.predictions.items(), sizes.tolist(), strict=True)
    }
    for path in (root / "VOCdevkit" / "VOC2012" / "SegmentationClass").iterdir():
        height, width = cut[path.stem].shape
        Image.fromarray(np.asarray(Image.open(path))[:height, :width]).save(path)
    return Case(case.dataset, root, cut)


@pytest.mark.parametrize("damage", ["none", "one too low"])
def test_shifted_stems_of_several_sizes(damage: str, tmp_path: Path) -> None:
    case = voc_of_several_sizes(tmp_path / "data")
    names = list(case.predictions)
    shift = 0 if damage == "none" else -1
    moved = {
        i: (case.predictions[names[(n + 1) % len(names)]].astype(int) + shift).astype(np.uint8)
        for n, i in enumerate(names)
    }
    found = case.diagnose(write(tmp_path / "p", moved))
    assert [f.kind for f in found.findings] == ["stems"] + (["off_by_one"] if damage != "none" else [])
    assert "shifted by 1" in found.findings[0].summary
    assert found.findings[-1].score_after == case.score(write(tmp_path / "right", case.predictions))


def test_swapped_predictions_of_several_sizes(tmp_path: Path) -> None:
    case = voc_of_several_sizes(tmp_path / "data")
    names, moved = list(case.predictions), dict(case.predictions)
    a, b = next((a, b) for a in names for b in names if moved[a].shape != moved[b].shape)
    moved[a], moved[b] = moved[b], moved[a]
    finding = first(case, tmp_path, write(tmp_path / "p", moved), "stems")
    assert f"{b}.png belongs to {a}" in finding.evidence[0]


def test_transposed_predictions_of_alternating_sizes(tmp_path: Path) -> None:
    """A shift by one brings every size in order, too; what the files hold decides."""
    case = voc(tmp_path / "data")
    right = {i: values.T if n % 2 else values for n, (i, values) in enumerate(case.predictions.items())}
    for n, path in enumerate(sorted((case.root / "VOCdevkit" / "VOC2012" / "SegmentationClass").iterdir())):
        truth = np.asarray(Image.open(path))
        Image.fromarray(truth.T if n % 2 else truth).save(path)
    case = Case(case.dataset, case.root, right)
    folder = write_each(tmp_path / "p", right, np.transpose)
    assert "transposed" in first(case, tmp_path, folder, "orientation").summary


def test_untouched_values_are_not_called_interpolated(cases: dict[str, Case], tmp_path: Path) -> None:
    """Noise puts more than a per cent of the values between their neighbours'."""
    case, random = cases["cityscapes"], np.random.default_rng(9)
    classes = [c.id for c in dataset_class("cityscapes").info.classes]

    def halve(values: Map) -> Map:
        noisy = np.where(random.random(values.shape) < 0.15, random.choice(classes, values.shape), values)
        return noisy[::2, ::2].astype(np.uint8)

    found = case.diagnose(write_each(tmp_path / "p", case.predictions, halve))
    (finding,) = (f for f in found.findings if f.kind == "size")
    evidence = " ".join(finding.evidence)
    assert float(evidence.split("% of the pixels hold a value between")[0].split()[-1]) > 1
    assert "they were interpolated" not in evidence
    assert "as in untouched label maps or after nearest neighbour" in evidence


@pytest.mark.parametrize("method", [cv2.INTER_LINEAR, cv2.INTER_AREA])
def test_shrunk_with_interpolation(method: int, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["cityscapes"]
    folder = write_each(
        tmp_path / "p",
        case.predictions,
        lambda values: cv2.resize(values, None, fx=0.7, fy=0.7, interpolation=method),
    )
    assert "they were interpolated" in " ".join(case.diagnose(folder).findings[0].evidence)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["isbi", "medaka"])
def test_nan_probabilities(name: str, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases[name]
    maps = {i: (values / 255).astype(np.float32) for i, values in case.predictions.items()}
    zero = {i: values.copy() for i, values in maps.items()}
    for n, i in enumerate(maps):
        if n % 3 == 0:
            maps[i][:6] = np.nan
            zero[i][:6] = 0
    found = case.diagnose(write(tmp_path / "p", maps, ".npy"))  # type: ignore[arg-type]
    assert [f.kind for f in found.findings] == ["probabilities"]
    finding = found.findings[0]
    assert "NaN share" in finding.evidence[0]
    assert "finite probabilities" in finding.remedy
    assert finding.score_before is None
    assert finding.estimate
    assert finding.score_after == case.score(write(tmp_path / "zero", zero, ".npy"))  # type: ignore[arg-type]


@pytest.mark.slow
def test_nan_among_logits_and_scores_of_classes(cases: dict[str, Case], tmp_path: Path) -> None:
    logits = {i: logit(values) for i, values in cases["medaka"].predictions.items()}
    for values in logits.values():
        values[:2] = np.nan
    found = cases["medaka"].diagnose(write(tmp_path / "p", logits, ".npy"))  # type: ignore[arg-type]
    assert [f.kind for f in found.findings] == ["probabilities"] * 2
    assert found.findings[1].score_after is not None

    def scores(values: Map) -> NDArray[np.float16]:
        hot = np.stack([values == c for c in range(21)]).astype(np.float16)
        hot[:, :3] = np.nan
        return hot

    found = cases["voc"].diagnose(write_each(tmp_path / "voc", cases["voc"].predictions, scores, ".npy"))
    assert [f.kind for f in found.findings] == ["probabilities"]
    assert "hold NaN" in found.findings[0].summary


def test_the_report_does_not_send_to_itself(cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    for name, change in {
        "ids": lambda values: np.where(values > 0, 200 + values % 7, 0).astype(np.uint8),
        "colours": lambda values: np.stack([values, values // 2, values], axis=2),
    }.items():
        page = json.dumps(case.diagnose(write_each(tmp_path / name, case.predictions, change)).to_json())
        assert "cannot be scored" in page or "unscorable" in page
        assert "bench doctor" not in page


def test_numbers_of_a_folder_of_ones_own() -> None:
    """The remedy names a command that shows the label values of any dataset."""
    for cls in (dataset_class("cocostuff"), dataset_class("folder")):
        info = replace(dataset_class("cocostuff").info, name=cls.info.name)
        remedies = [c.remedy for c in codings(info, described_by(cls)) if c.kind == "train_ids"]
        assert len(remedies) == 2
        assert all(f"'bench data describe {info.name}'" in remedy for remedy in remedies)
        assert all(("--root" in remedy) == (info.name == "folder") for remedy in remedies)


def test_what_nothing_explains_is_told(cases: dict[str, Case], tmp_path: Path) -> None:
    case, random = cases["voc"], np.random.default_rng(0)
    folder = write_each(
        tmp_path / "p", case.predictions, lambda values: random.integers(0, 256, values.shape).astype(np.uint8)
    )
    found = case.diagnose(folder)
    assert [f.kind for f in found.findings] == ["unscorable"]
    assert "holds label values" in found.findings[0].evidence[0]


def test_wrong_input_ends_with_2(bench: Run, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["voc"]
    (tmp_path / "empty").mkdir()
    write(tmp_path / "foreign", {"cat": case.predictions["2007_000000"]})
    for dataset, folder, words in [
        ("voc2012", "nowhere", "does not exist"),
        ("voc2012", "empty", "no predictions below"),
        ("voc2012", "foreign", "belongs to a sample of the split"),
        ("vok", "foreign", "Unknown dataset 'vok'"),
    ]:
        with pytest.raises(UserError, match=words):
            diagnose(DoctorRequest(dataset, tmp_path / folder, None, case.root), Reporter(quiet=True))
    with pytest.raises(UserError, match="no public labels"):
        diagnose(DoctorRequest("voc2012", tmp_path / "empty", "test", case.root), Reporter(quiet=True))
    done = bench("doctor", "-d", "voc2012", "--root", case.root, "-p", "empty", "--json")
    assert done.returncode == 2
    assert "no predictions below" in done.stderr
    assert done.stdout == ""


def test_nothing_wrong_ends_with_0(bench: Run, cases: dict[str, Case], tmp_path: Path) -> None:
    folder = write(tmp_path / "p", cases["voc"].predictions)
    done = bench("doctor", "-d", "voc2012", "--root", cases["voc"].root, "-p", folder)
    assert done.returncode == 0
    assert "nothing wrong was found" in done.stdout


@pytest.mark.slow
def test_the_printed_page_and_the_document(bench: Run, cases: dict[str, Case], tmp_path: Path) -> None:
    case = cases["medaka"]
    folder = write_each(tmp_path / "[red]p", case.predictions, lambda values: (255 - values).astype(np.uint8))
    done = bench("doctor", "-d", "medaka", "--root", case.root, "-p", folder)
    assert done.returncode == 1
    assert "1. inverted: masks are inverted" in done.stdout
    assert "   - correlation" in done.stdout
    assert "remedy: Invert" in done.stdout
    page = done.stdout
    done = bench("doctor", "-d", "medaka", "--root", case.root, "-p", folder, "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert {"dataset", "split", "n_samples", "n_files", "score_name", "score", "findings"} <= set(found)
    keys = {"kind", "summary", "evidence", "remedy", "score_before", "score_after", "estimate", "n_samples"}
    assert set(found["findings"][0]) == keys
    assert f"dice {found['score']:.4f} → {found['findings'][0]['score_after']:.4f}" in page
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_the_page_is_folded_between_words(bench: Run, cases: dict[str, Case], tmp_path: Path) -> None:
    folder = write_each(tmp_path / "p", cases["medaka"].predictions, lambda values: values // 255 * 128)
    arguments = ("doctor", "-q", "-d", "medaka", "--root", cases["medaka"].root, "-p", "p")
    wide, narrow = (bench(*arguments, COLUMNS=columns, cwd=folder.parent).stdout for columns in ("400", "60"))
    assert wide.split() == narrow.split()
    assert max(map(len, wide.splitlines())) > 60 >= max(map(len, narrow.splitlines()))
