"""Random mistakes in writing predictions, and random predictions that are merely bad, on SYNTHETIC datasets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from diagnosed_cases import Case, Map, Maps, logit
from segbench.registry import make_dataset
from segbench.synthetic import cityscapes, cocostuff, isbi2012, medaka, voc2012
from segbench.types import DatasetInfo

Random = np.random.Generator
Raw = NDArray[np.generic]
RawMaps = dict[str, Raw]
DATASETS = ("voc2012", "cocostuff", "cityscapes", "isbi2012", "medaka", "folder")
STREET = (
    "Sky",
    "Building",
    "Pole",
    "Road",
    "Pavement",
    "Tree",
    "SignSymbol",
    "Fence",
    "Car",
    "Pedestrian",
    "Bicyclist",
)


# -- truths ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truths:
    """The truth of every sample of a dataset, its void filled up with the class beside it."""

    root: Path
    split: str
    info: DatasetInfo
    maps: Maps

    @property
    def binary(self) -> bool:
        """Whether there is one foreground."""
        return self.info.task == "binary"

    def case(self, predictions: Maps) -> Case:
        """Predictions of this truth."""
        return Case(self.info.name, self.root, predictions, self.split)


def make_truths(name: str, root: Path) -> Truths:
    """A few small samples of a dataset in its official layout."""
    _MAKERS[name](root)
    (root / "segbench-synthetic.json").unlink(missing_ok=True)  # every diagnosis would warn of it
    dataset = make_dataset(name, root)
    split = "all" if name in ("isbi2012", "folder") else dataset.info.default_split
    maps = {}
    for sample_id in dataset.ids(split):
        labels = dataset.load(sample_id, ("labels",)).labels
        assert labels is not None
        void = np.isin(labels, sorted(dataset.info.void))
        nearest = ndimage.distance_transform_edt(void, return_distances=False, return_indices=True)
        maps[sample_id] = labels[tuple(nearest)].astype(np.uint8)
    return Truths(root, split, dataset.info, maps)


def _stack(root: Path) -> None:
    isbi2012.synthesize(root, plan=isbi2012.Plan(12), workers=1)
    for path in root.glob("*.tif"):
        tifffile.imwrite(path, tifffile.imread(path)[:, :112, :144].copy(), photometric="minisblack")


def _hearts(root: Path) -> None:
    plan = medaka.Plan((("lateral", 1),), (("lateral", 2),), short_sequences=4, short_frames=5, long_frames=1)
    medaka.synthesize(root, plan=plan, workers=1)
    for path in root.rglob("*.tif"):
        small = np.asarray(Image.open(path))[::4, ::4].copy()
        Image.fromarray(small).save(path, compression="tiff_lzw")


def _street(root: Path) -> None:
    """Streets in layers, as a camera in a car sees them: all images look alike from far away."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    lines = [f"  - {{id: {n}, name: {name}}}" for n, name in enumerate(STREET)]
    (root / "classes.yaml").write_text("\n".join(["task: multiclass", "classes:", *lines, "ignore: 11", ""]))
    random = np.random.default_rng(11)
    for number in range(14):
        labels = _street_scene(random)
        noise = random.integers(0, 20, labels.shape)
        Image.fromarray(labels).save(root / "masks" / f"s{number:02d}.png")
        Image.fromarray((labels * 20 + noise).astype(np.uint8)).save(root / "images" / f"s{number:02d}.png")


def _street_scene(random: Random) -> Map:
    height, width = 96, 128
    labels = np.zeros((height, width), np.uint8)
    skyline = 20 + np.cumsum(random.integers(-1, 2, width))
    rows = np.arange(height)[:, None]
    labels[rows > skyline] = 1
    for _ in range(int(random.integers(2, 5))):
        x = int(random.integers(0, width))
        cv2.circle(labels, (x, int(random.integers(20, 50))), int(random.integers(6, 20)), 5, -1)
    kerb = int(random.integers(52, 66))
    labels[kerb:] = 4
    vanish, near = int(random.integers(40, 90)), int(random.integers(30, 60))
    road = np.array([(vanish - 6, kerb), (vanish + 6, kerb), (vanish + 2 * near, height), (vanish - 2 * near, height)])
    cv2.fillPoly(labels, [road], 3)
    for label, most in ((7, 3), (8, 4), (9, 5), (10, 3), (2, 4), (6, 3)):
        for _ in range(int(random.integers(0, most + 1))):
            x, w = int(random.integers(0, width)), int(random.integers(3, 14))
            tall = {2: (3, 50), 6: (8, 6), 7: (26, 10), 8: (18, 14), 9: (5, 18), 10: (9, 14)}[label]
            bottom = kerb + int(random.integers(-8, 14)) - (25 if label == 6 else 0)
            box = (x, bottom - tall[1]), (x + (tall[0] * w) // 10 + 2, bottom)
            cv2.rectangle(labels, *box, label, -1)
    labels[-4:] = 11
    return labels


_MAKERS: dict[str, Callable[[Path], None]] = {
    "voc2012": lambda root: voc2012.synthesize(root, plan=voc2012.Plan(1, 14, 128), workers=1),
    "cocostuff": lambda root: cocostuff.synthesize(root, plan=cocostuff.Plan(1, 14, 128), workers=1),
    "cityscapes": lambda root: cityscapes.synthesize(
        root, plan=cityscapes.Plan(1, 12, 96, ("aachen",), ("frankfurt", "lindau", "munster")), workers=1
    ),
    "isbi2012": _stack,
    "medaka": _hearts,
    "folder": _street,
}


# -- predictions of varying quality ----------------------------------------------------------------------------------


def model(truths: Truths, random: Random, quality: float) -> Maps:
    """Predictions whose mean IoU over the classes that occur is about `quality`: borders, segments, noise, habits."""
    seed = int(random.integers(0, 2**32))
    mix = random.dirichlet((1, 1, 1))
    low, high = 0.0, 1.0
    made = truths.maps
    for _ in range(9):
        strength = (low + high) / 2
        made = _degraded(truths, np.random.default_rng(seed), strength, mix)
        if mean_iou(truths, made) > quality:
            low = strength
        else:
            high = strength
    return made


def mean_iou(truths: Truths, predictions: Maps) -> float:
    """Mean IoU of the classes of the truth; of a binary dataset the IoU of the rarer one."""
    counts = np.zeros((256, 256), np.int64)
    for sample_id, labels in truths.maps.items():
        found = (predictions[sample_id] > 127).astype(np.uint8) if truths.binary else predictions[sample_id]
        counts += np.bincount(labels.ravel() * np.int64(256) + found.ravel(), minlength=65536).reshape(256, 256)
    both, rows, columns = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    here = np.arange(256) == rows[:2].argmin() if truths.binary else rows > 0
    return float((both[here] / (rows + columns - both)[here]).mean())


def _degraded(truths: Truths, random: Random, strength: float, mix: Raw) -> Maps:
    present = np.unique(np.concatenate([labels.ravel() for labels in truths.maps.values()]))
    habits = {int(c): int(random.choice(present)) for c in present}  # what a class is mistaken for
    border, segments, noise = (float(strength * part * 2.5) for part in mix)
    made = {}
    for sample_id, labels in truths.maps.items():
        values = _warped(labels, random, 24 * border)
        values = _mistaken(values, random, min(1.0, segments), habits, present)
        coarse = random.random((values.shape[0] // 4 + 1, values.shape[1] // 4 + 1))
        spots = cv2.resize(coarse, values.shape[::-1], interpolation=cv2.INTER_NEAREST) < min(1.0, noise)
        values = np.where(spots, random.choice(present, values.shape), values).astype(np.uint8)
        if truths.info.name == "isbi2012":
            values = _levels(values, random)
        made[sample_id] = values * np.uint8(255) if truths.info.name == "medaka" else values
    return made


def _warped(labels: Map, random: Random, reach: float) -> Map:
    shifts = [cv2.GaussianBlur(random.normal(0, 1, labels.shape), (0, 0), 9) * 9 * reach for _ in range(2)]
    y, x = np.mgrid[: labels.shape[0], : labels.shape[1]].astype(np.float32)
    moved = (x + shifts[0]).astype(np.float32), (y + shifts[1]).astype(np.float32)
    return np.asarray(cv2.remap(labels, *moved, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE))


def _mistaken(values: Map, random: Random, part: float, habits: dict[int, int], present: Raw) -> Map:
    """Segments of a wrong class: half of them of the class that theirs is usually mistaken for."""
    made = values.copy()
    for label in np.unique(values):
        segments, count = ndimage.label(values == label)
        for segment in range(1, count + 1):
            if random.random() < part:
                wrong = habits[int(label)] if random.random() < 0.5 else int(random.choice(present))
                made[segments == segment] = wrong
    return made


def _levels(values: Map, random: Random) -> Map:
    """A mask as 8-bit levels of its probability."""
    soft = cv2.GaussianBlur(values.astype(np.float64), (0, 0), 1.0)
    return np.clip(soft * 230 + 12 + random.normal(0, 4, values.shape), 0, 255).astype(np.uint8)


# -- mistakes --------------------------------------------------------------------------------------------------------

Change = Callable[[Maps, Random, Truths], tuple[RawMaps, str]]
CODES = frozenset({"renumbered", "off_by_one", "train_ids", "scaled"})
TURNS = frozenset({"orientation"})
MOVES = frozenset({"stems"})
SIZES = frozenset({"size"})


@dataclass(frozen=True)
class Mistake:
    """A mistake, the kinds of finding that name it, and whether the right score can be had again exactly.

    `masks` says that masks of two values are written, so that no levels between them are lost by the mistake.
    """

    name: str
    change: Change
    kinds: frozenset[str]
    lossy: bool = False
    masks: bool = False


def _table(make: Callable[[Random, DatasetInfo], dict[int, int]]) -> Change:
    """Other label values by a table."""

    def change(maps: Maps, random: Random, truths: Truths) -> tuple[RawMaps, str]:
        table = np.arange(256, dtype=np.uint8)
        for key, value in make(random, truths.info).items():
            table[key] = value
        return {i: table[values] for i, values in maps.items()}, ".png"

    return change


def _each(make: Callable[[Map, Random], Raw], suffix: str = ".png") -> Change:
    """The same change of every map."""
    return lambda maps, random, _: ({i: make(values, random) for i, values in maps.items()}, suffix)


def _both(first: Change, second: Change) -> Change:
    def change(maps: Maps, random: Random, truths: Truths) -> tuple[RawMaps, str]:
        values, _ = first(maps, random, truths)
        return second(values, random, truths)  # type: ignore[arg-type]

    return change


def _ids(info: DatasetInfo) -> list[int]:
    return [c.id for c in info.classes]


def _permuted(random: Random, info: DatasetInfo) -> dict[int, int]:
    ids = _ids(info)
    return dict(zip(ids, random.permutation(ids).tolist(), strict=True))


def _alphabetical(_: Random, info: DatasetInfo) -> dict[int, int]:
    ordered = sorted(info.classes, key=lambda c: c.name.lower())
    return {c.id: rank for rank, c in enumerate(ordered)}


def _rotated(random: Random, info: DatasetInfo) -> dict[int, int]:
    ids = _ids(info)
    by = int(random.choice([1, 1, 1, -1, 2, 3]))
    return {c: ids[(n + by) % len(ids)] for n, c in enumerate(ids)}


def _swapped(random: Random, info: DatasetInfo) -> dict[int, int]:
    ids = _ids(info)
    a, b = random.choice(ids[: max(12, len(ids) // 3)], 2, replace=False).tolist()
    return {a: b, b: a}


def _codes(random: Random, info: DatasetInfo) -> dict[int, int]:
    return dict(zip(_ids(info), random.choice(256, len(info.classes), replace=False).tolist(), strict=True))


def _moved(maps: Maps, random: Random, _: Truths) -> tuple[RawMaps, str]:
    names, by = list(maps), int(random.choice([-2, -1, 1, 2]))
    return {i: maps[names[(n + by) % len(names)]] for n, i in enumerate(names)}, ".png"


def _exchanged(maps: Maps, random: Random, _: Truths) -> tuple[RawMaps, str]:
    names = random.permutation(list(maps)).tolist()[:4]
    moved = dict(zip(names, [*names[1:], names[0]], strict=True))
    return {i: maps[moved.get(i, i)] for i in maps}, ".png"


def _colours(maps: Maps, _: Random, truths: Truths) -> tuple[RawMaps, str]:
    colours = np.zeros((256, 3), np.uint8)
    for c in (*truths.info.classes, *truths.info.unscored):
        colours[c.id] = c.color
    return {i: colours[values] for i, values in maps.items()}, ".png"


def _jpeg(values: Map, _: Random) -> Raw:
    done, coded = cv2.imencode(".jpg", values, [cv2.IMWRITE_JPEG_QUALITY, 92])
    assert done
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))


def _mask(on: int, off: int) -> Change:
    return _each(lambda values, _: np.where(values > 127, on, off).astype(np.uint8))


_LEFT_RIGHT = _each(lambda values, _: np.fliplr(values))
_UPSIDE_DOWN = _each(lambda values, _: np.flipud(values))
_HALF_TURN = _each(lambda values, _: np.rot90(values, 2))
_TRANSPOSED = _each(lambda values, _: np.ascontiguousarray(values.T))
_QUARTER_TURN = _each(lambda values, _: np.rot90(values, -1))
_HALVED = _each(lambda values, _: values[::2, ::2])
_PADDED = _each(lambda values, _: np.pad(values, ((0, 24), (0, 16))))
_PLUS_ONE = _table(lambda _, info: {c: c + 1 for c in _ids(info)})
_MINUS_ONE = _table(lambda _, info: {c: (c - 1) % 256 for c in _ids(info)})
_FROM_ONE = _table(lambda _, info: {c: n for n, c in enumerate(_ids(info), 1)})
_INDEX = _table(lambda _, info: {c: n for n, c in enumerate(_ids(info))})
_INVERTED = _each(lambda values, _: (255 - values).astype(np.uint8))

COMMON = (
    Mistake("left to right", _LEFT_RIGHT, TURNS),
    Mistake("upside down", _UPSIDE_DOWN, TURNS),
    Mistake("turned by 180°", _HALF_TURN, TURNS),
    Mistake("transposed", _TRANSPOSED, TURNS),
    Mistake("turned by 90°", _QUARTER_TURN, TURNS),
    Mistake("shifted by a frame or two", _moved, MOVES),
    Mistake("four exchanged", _exchanged, MOVES),
    Mistake("half the size", _HALVED, SIZES, lossy=True),
    Mistake("padded", _PADDED, SIZES),
)
MULTICLASS = (
    *COMMON,
    Mistake("any other order", _table(_permuted), CODES),
    Mistake("alphabetical order", _table(_alphabetical), CODES),
    Mistake("reversed order", _table(lambda _, info: dict(zip(_ids(info), _ids(info)[::-1], strict=True))), CODES),
    Mistake("two classes exchanged", _table(_swapped), CODES),
    Mistake("ids rotated", _table(_rotated), CODES),
    Mistake("numbers from 1", _FROM_ONE, CODES),
    Mistake("numbers from 0", _INDEX, CODES),
    Mistake("one too high", _PLUS_ONE, CODES),
    Mistake("one too low", _MINUS_ONE, CODES),
    Mistake("any codes", _table(_codes), CODES),
    Mistake("class colours", _colours, frozenset({"palette"})),
    Mistake("JPEG", _each(_jpeg), frozenset({"jpeg", "interpolated"}), lossy=True),
    Mistake("other order, left to right", _both(_table(_permuted), _LEFT_RIGHT), CODES | TURNS),
    Mistake("alphabetical, turned by 180°", _both(_table(_alphabetical), _HALF_TURN), CODES | TURNS),
    Mistake("one too high, upside down", _both(_PLUS_ONE, _UPSIDE_DOWN), CODES | TURNS),
    Mistake("other order, shifted", _both(_table(_permuted), _moved), CODES | MOVES),
    Mistake("numbers from 1, shifted", _both(_FROM_ONE, _moved), CODES | MOVES),
    Mistake("left to right, shifted", _both(_LEFT_RIGHT, _moved), TURNS | MOVES),
    Mistake("other order, half the size", _both(_table(_permuted), _HALVED), CODES | SIZES, lossy=True),
    Mistake("other order, transposed", _both(_table(_permuted), _TRANSPOSED), CODES | TURNS),
)
SCALES = frozenset({"probabilities", "scaled"})
INVERTED = frozenset({"inverted"})
BINARY = (
    *COMMON,
    Mistake("inverted", _INVERTED, INVERTED),
    Mistake("0 and 1", _mask(1, 0), SCALES | CODES, masks=True),
    Mistake("1 and 0", _mask(0, 1), SCALES | CODES | INVERTED, masks=True),
    Mistake("0 and 128", _mask(128, 0), SCALES | CODES, masks=True),
    Mistake("1 and 2", _mask(2, 1), SCALES | CODES, masks=True),
    Mistake("2 and 1", _mask(1, 2), SCALES | CODES | INVERTED, masks=True),
    Mistake("0 and 100", _mask(100, 0), SCALES | CODES, masks=True),
    Mistake("logits", _each(lambda values, _: logit(values), ".npy"), SCALES),
    Mistake("per cent", _each(lambda values, _: (values / 2.55).astype(np.float32), ".npy"), SCALES),
    Mistake("16 bits", _each(lambda values, _: values.astype(np.uint16) * 257, ".npy"), SCALES),
    Mistake("inverted, left to right", _both(_INVERTED, _LEFT_RIGHT), INVERTED | TURNS),
    Mistake("inverted, shifted", _both(_INVERTED, _moved), INVERTED | MOVES),
    Mistake("left to right, shifted", _both(_LEFT_RIGHT, _moved), TURNS | MOVES),
)


def mistakes(truths: Truths) -> tuple[Mistake, ...]:
    """The mistakes that can be made in writing predictions of a dataset."""
    return BINARY if truths.binary else MULTICLASS


def without_mistake(truths: Truths, random: Random) -> Iterator[tuple[str, Maps]]:
    """Predictions that are bad by themselves: nothing that was written wrongly made them so."""
    values = np.array([0, 255]) if truths.binary else np.unique(np.concatenate([*map(np.ravel, truths.maps.values())]))
    top = np.uint8(255 if truths.binary else 1)
    names = list(truths.maps)
    some = {i: (labels * top).astype(np.uint8) for i, labels in truths.maps.items()}

    def each(make: Callable[[tuple[int, ...]], Raw]) -> Maps:
        return {i: make(labels.shape).astype(np.uint8) for i, labels in some.items()}

    yield "random pixels", each(lambda shape: random.choice(values, shape))
    yield "random blocks", each(lambda shape: _blocks(random.choice(values, (5, 7)), shape))
    yield "one value", each(lambda shape: np.full(shape, random.choice(values)))
    only = random.choice(values)
    yield "one value everywhere", each(lambda shape: np.full(shape, only))
    few = random.choice(values, min(3, len(values)), replace=False)
    yield "untrained network", each(lambda shape: few[_smooth(random, shape, len(few)).argmax(axis=0)])
    fixed = random.integers(0, 2**32)
    yield (
        "the same for all",
        each(lambda shape: values[_smooth(np.random.default_rng(fixed), shape, len(values)).argmax(axis=0)]),
    )
    usual = _usual(list(some.values()))
    yield "the usual layout", each(lambda shape: _blocks(usual, shape))
    noisy = each(
        lambda shape: np.where(random.random(shape) < 0.3, random.choice(values, shape), _blocks(usual, shape))
    )
    yield "the usual layout with noise", noisy
    yield "very weak", model(truths, random, float(random.uniform(0.03, 0.2)))
    yield "weak", model(truths, random, float(random.uniform(0.2, 0.4)))
    if not truths.binary:
        yield "classes confused", _confused(some, values, random, names)


def _blocks(small: Raw, shape: tuple[int, ...]) -> Raw:
    return np.asarray(cv2.resize(np.asarray(small, np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST))


def _smooth(random: Random, shape: tuple[int, ...], count: int) -> Raw:
    return np.stack([cv2.GaussianBlur(random.normal(0, 1, shape), (0, 0), 12) for _ in range(count)])


def _usual(maps: list[Map]) -> Raw:
    """The most frequent label at every place of a coarse grid."""
    grids = np.stack([cv2.resize(labels, (16, 12), interpolation=cv2.INTER_NEAREST) for labels in maps])
    return np.apply_along_axis(lambda column: np.bincount(column).argmax(), 0, grids).astype(np.uint8)


def _confused(maps: Maps, values: Raw, random: Random, names: list[str]) -> Maps:
    """A model that mistakes every second class for another one in most of its segments, never one to one."""
    order = random.permutation(values).tolist()
    habits = {a: b for n, (a, b) in enumerate(pairwise(order)) if n % 2 == 0}
    made = {}
    for i in names:
        labels = maps[i].copy()
        for a, b in habits.items():
            if random.random() < 0.7:
                labels[maps[i] == a] = b
        made[i] = labels
    return made
