"""Overlays: image, truth, prediction and errors of single samples, as pictures inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from PIL import Image

from ..metrics.label_checks import class_labels
from ..predictions.find import Found
from ..text import number
from ..types import Array, Dataset, DatasetInfo, Float64, Sample, Statistic, Uint8, UserError
from .figures.classes import TRIPLES
from .html import Html, joined, tag
from .sections import Entry, Section

MAX_SIDE = 480
"""Pixels to which a longer side is shrunk."""
SMALL_SIDE = 200
"""Images of at most this side are shown pixel by pixel."""
MAX_BYTES = 8_000_000
"""Size of all pictures of a page, beyond which no further ones are added."""
PAIRS = 3
"""Number of samples shown on which two runs disagree most."""

# Okabe and Ito's colours: their pairs stay apart with every kind of colour vision, and in brightness.
FOREGROUND = (86, 180, 233)
FALSE_POSITIVE = (230, 159, 0)
FALSE_NEGATIVE = (0, 114, 178)
CONFUSED = (204, 121, 167)
VOID = (128, 128, 128)
ONE, OTHER = (0, 158, 115), (213, 94, 0)


class StaleError(UserError):
    """Predictions, truth and statistics do not belong together."""


@dataclass(frozen=True)
class Kept:
    """A run whose predictions are there: where each sample's lies."""

    entry: Entry
    found: Found

    @property
    def whole(self) -> bool:
        """Whether the prediction of every scored sample is there."""
        return len(self.found.files) >= self.entry.record.dataset.n

    def labels(self, dataset: Dataset, sample: Sample) -> Array:
        """Predicted labels (H, W). Raises StaleError where they do not give the stored statistics."""
        prediction = self.found.files[sample.id].read(dataset)
        labels = class_labels(sample, prediction, dataset.info)
        metric = self.entry.family(TRIPLES)
        if metric is not None:
            stored = [s for s in self.entry.of(metric) if s.sample_id == sample.id]
            if not stored or not _same(stored[0], metric.measure(sample, prediction, dataset.info)):
                raise StaleError(
                    f"the kept prediction of {sample.id} by {self.entry.label} does not give its stored statistics: "
                    "the data, or the predictions, are others than those that were scored"
                )
        return labels


@dataclass
class Album:
    """The pictures of a page, each embedded once and used wherever it is shown."""

    bytes: int = 0
    _names: dict[str, str] = field(default_factory=dict)
    _images: list[Html] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Whether the page is as large as it may be."""
        return self.bytes >= MAX_BYTES

    def add(self, data: str, size: tuple[int, int]) -> str:
        """The name of a picture given as a data address, (width, height) in pixels."""
        if data not in self._names:
            name = f"picture-{len(self._names) + 1}"
            self._names[data] = name
            self.bytes += len(data)
            self._images.append(tag("image", id=name, href=data, width=size[0], height=size[1]))
        return self._names[data]

    def html(self) -> Html | None:
        """All pictures, not shown themselves."""
        if not self._images:
            return None
        return tag("svg", tag("defs", self._images), class_="defs", aria_hidden="true", focusable="false")


def overlays(
    section: Section, kept: Sequence[Kept], dataset: Dataset, album: Album
) -> Iterator[tuple[str, list[Html]]]:
    """Headed groups of figures: best, median and worst samples of each run, then where two runs disagree most."""
    ids, values = section.per_sample
    place = {entry.label: k for k, entry in enumerate(section.opened)}
    for run in kept:
        mine = _where_kept(values[place[run.entry.label]], ids, run)
        of = "sample" if run.whole else f"of {len(run.found.files)} samples"
        figures = []
        for word, at in _chosen(mine, section.higher_is_better):
            if album.full:
                return
            text = f"{word} {of}: {ids[at]}, {section.main_score} {number(mine[at], '.4f')}"
            figures.append(_figure(dataset, album, ids[at], [run], text))
        if figures:
            yield f"{run.entry.label}: best, median and worst sample", figures
    if len(kept) > 1 and not album.full:
        pair = kept[:2]
        one, other = (_where_kept(values[place[run.entry.label]], ids, run) for run in pair)
        apart = np.abs(one - other)
        order = [int(k) for k in np.argsort(-np.nan_to_num(apart, nan=-1.0), kind="stable")[:PAIRS] if apart[k] > 0]
        labels = [run.entry.label for run in pair]
        figures = [
            _figure(
                *(dataset, album, ids[k], pair),
                f"{ids[k]}: {section.main_score} {number(one[k], '.4f')} of {labels[0]}, {number(other[k], '.4f')} of "
                f"{labels[1]}",
            )
            for k in order
        ]
        if figures:
            yield f"Largest disagreements of {labels[0]} and {labels[1]}", figures


def _where_kept(values: Float64, ids: Sequence[str], run: Kept) -> Float64:
    """Values of the samples whose predictions a run kept; NaN for all others."""
    return np.where([sample_id in run.found.files for sample_id in ids], values, np.nan)


def key(info: DatasetInfo, *, pair: bool) -> Html:
    """What the colours of the errors mean."""
    binary = info.task == "binary"
    name = next((c.name for c in info.classes if c.id == info.foreground), "foreground")
    background = any(c.kind == "background" for c in info.classes)
    items: list[tuple[tuple[int, ...], str]] = []
    if binary or background:
        items += [(FALSE_POSITIVE, f"false positive: {name if binary else 'a class'} where there is none")]
        items += [(FALSE_NEGATIVE, f"false negative: {name if binary else 'a class'} missed")]
    if not binary:
        items.append((CONFUSED, "one class taken for another"))
    if pair:
        items += [(ONE, "only the first run is right"), (OTHER, "only the second run is right")]
    return tag("ul", [tag("li", _swatch(color), text) for color, text in items], class_="key", aria_label="Colours")


def _swatch(color: Sequence[int]) -> Html:
    square = tag("rect", width=10, height=10, fill=hexadecimal(color))
    return tag("svg", square, viewBox="0 0 10 10", aria_hidden="true", focusable="false")


def hexadecimal(color: Sequence[int]) -> str:
    """A colour (R, G, B in 0..255) as `#rrggbb`."""
    return "#" + "".join(f"{part:02x}" for part in color)


def _chosen(values: Array, higher_is_better: bool) -> list[tuple[str, int]]:
    """Places of the best, the median and the worst sample, each once; of one where all score alike."""
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(-values[known] if higher_is_better else values[known], kind="stable")]
    if not order.size:
        return []
    if order.size > 1 and values[order[0]] == values[order[-1]]:
        return [("any", int(order[0]))]
    found: dict[int, str] = {}
    for word, at in (("best", 0), ("worst", -1), ("median", (order.size - 1) // 2)):
        found.setdefault(int(order[at]), word)
    rank = {"best": 0, "median": 1, "worst": 2}
    return sorted(((word, at) for at, word in found.items()), key=lambda item: rank[item[0]])


def _same(stored: Statistic, again: Statistic) -> bool:
    return all(np.array_equal(stored.columns[name], again.columns[name]) for name in TRIPLES)


def _figure(dataset: Dataset, album: Album, sample_id: str, runs: Sequence[Kept], text: str) -> Html:
    """One sample with its panes and a slider."""
    sample = _load(dataset, sample_id)
    truth = np.asarray(sample.labels)
    found = [run.labels(dataset, sample) for run in runs]
    size = _size(truth.shape)
    exact = max(size) <= SMALL_SIDE
    base = album.add(_jpeg(_image(sample), size, exact), size)
    info = dataset.info
    panes: list[tuple[str, Uint8 | None]] = [("image", None), ("truth", paint(truth, info, info.void))]
    names = [run.entry.label for run in runs]
    if len(runs) == 1:
        panes += [("prediction", paint(found[0], info)), ("errors", errors(truth, found[0], info))]
    else:
        panes += [(f"errors of {name}", errors(truth, one, info)) for name, one in zip(names, found, strict=True)]
        panes.append(("who is right", disagreement(truth, found[0], found[1], info)))
    return _shown(album, sample_id, base, panes, size, exact, text)


def doubtful(dataset: Dataset, album: Album, sample_id: str, predicted: Array, doubted: Array, text: str) -> Html:
    """One sample whose truth looks wrong: what the label says, what others say, and where they differ (H, W) bool."""
    sample = _load(dataset, sample_id)
    truth, info = np.asarray(sample.labels), dataset.info
    size = _size(truth.shape)
    exact = max(size) <= SMALL_SIDE
    base = album.add(_jpeg(_image(sample), size, exact), size)
    layer = np.zeros((*truth.shape, 4), np.uint8)
    layer[doubted] = (*CONFUSED, 255)
    panes: list[tuple[str, Uint8 | None]] = [("image", None), ("truth", paint(truth, info, info.void))]
    panes += [("what the runs say", paint(predicted, info)), ("where all see otherwise", layer)]
    return _shown(album, sample_id, base, panes, size, exact, text)


def _shown(
    album: Album,
    sample_id: str,
    base: str,
    panes: Sequence[tuple[str, Uint8 | None]],
    size: tuple[int, int],
    exact: bool,
    text: str,
) -> Html:
    """Panes of one sample beside each other, with a slider."""
    drawn = []
    for name, layer in panes:
        over = None if layer is None else album.add(_png(layer, size), size)
        drawn.append(_pane(name, sample_id, base, over, size, exact))
    slider = tag(
        "input", type="range", min=0, max=100, value=70, step=5, aria_label=f"Strength of the overlays, {sample_id}"
    )
    return tag(
        "figure",
        tag("figcaption", text),
        tag("div", drawn, class_="panes"),
        tag("label", "image", slider, "overlay", class_="mix"),
        class_="overlay",
    )


def _pane(name: str, sample_id: str, base: str, over: str | None, size: tuple[int, int], exact: bool) -> Html:
    layers = joined(tag("use", href=f"#{base}"), None if over is None else tag("use", href=f"#{over}", class_="over"))
    label = f"{sample_id}: {name}" + ("" if over is None else ", laid over the image")
    view = f"0 0 {size[0]} {size[1]}"
    svg = tag("svg", layers, viewBox=view, role="img", aria_label=label, class_="exact" if exact else None)
    return tag("div", svg, tag("p", name), class_="pane")


def _load(dataset: Dataset, sample_id: str) -> Sample:
    """A sample with its image where there is one: truth alone is enough to score."""
    try:
        return dataset.load(sample_id, ("image", "labels"))
    except UserError:
        return dataset.load(sample_id, ("labels",))


def _image(sample: Sample) -> Uint8:
    if sample.image is None:
        return np.full(np.asarray(sample.labels).shape, 160, np.uint8)
    return sample.image


def _size(shape: Sequence[int]) -> tuple[int, int]:
    """(width, height) that an array (H, W) is shown at."""
    scale = min(1.0, MAX_SIDE / max(shape))
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def paint(labels: Array, info: DatasetInfo, void: frozenset[int] = frozenset()) -> Uint8:
    """Labels in the colours of their classes, (H, W, 4) uint8; background is clear, void grey."""
    colors: dict[int, tuple[int, ...]] = {c.id: c.color for c in info.classes if c.kind != "background"}
    if info.task == "binary":
        colors = {info.foreground: FOREGROUND}
    layer = np.zeros((*labels.shape, 4), np.uint8)
    for label in np.unique(labels).tolist():
        if label in void:
            layer[labels == label] = (*VOID, 200)
        elif int(label) in colors:
            layer[labels == label] = (*colors[int(label)], 255)
    return layer


def errors(truth: Array, predicted: Array, info: DatasetInfo) -> Uint8:
    """Where a prediction is wrong and how, (H, W, 4) uint8; clear where it is right or the truth is void."""
    counted = ~np.isin(truth, list(info.void))
    wrong = counted & (truth != predicted)
    none = _background(info)
    layer = np.zeros((*truth.shape, 4), np.uint8)
    layer[~counted] = (*VOID, 120)
    layer[wrong] = (*CONFUSED, 255)
    layer[wrong & np.isin(truth, none)] = (*FALSE_POSITIVE, 255)
    layer[wrong & np.isin(predicted, none)] = (*FALSE_NEGATIVE, 255)
    return layer


def _background(info: DatasetInfo) -> list[int]:
    """Label values that stand for nothing."""
    if info.task == "binary":
        return [c.id for c in info.classes if c.id != info.foreground]
    return [c.id for c in info.classes if c.kind == "background"]


def disagreement(truth: Array, one: Array, other: Array, info: DatasetInfo) -> Uint8:
    """Where only one of two predictions is right, (H, W, 4) uint8."""
    counted = ~np.isin(truth, list(info.void))
    layer = np.zeros((*truth.shape, 4), np.uint8)
    layer[counted & (one == truth) & (other != truth)] = (*ONE, 255)
    layer[counted & (one != truth) & (other == truth)] = (*OTHER, 255)
    return layer


def _jpeg(image: Uint8, size: tuple[int, int], exact: bool) -> str:
    picture = Image.fromarray(image)
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BOX)
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=92 if exact else 80)
    return _data("jpeg", stream)


def _png(layer: Uint8, size: tuple[int, int]) -> str:
    """A layer of few colours as a palette PNG, shrunk to the nearest pixels."""
    packed = layer.astype(np.uint32) @ np.array([1 << 24, 1 << 16, 1 << 8, 1], np.uint32)
    colors, places = np.unique(packed, return_inverse=True)
    if len(colors) > 256:
        raise ValueError(f"{len(colors)} colours do not fit a palette")
    small = cv2.resize(places.reshape(packed.shape).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
    rgba = [tuple((int(color) >> shift) & 255 for shift in (24, 16, 8, 0)) for color in colors]
    picture = Image.fromarray(small)
    picture.putpalette([part for color in rgba for part in color[:3]])
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True, transparency=bytes(color[3] for color in rgba))
    return _data("png", stream)


def _data(kind: str, stream: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
