"""Label values written in another way: train ids, ids off by one, colours, their grey luma, scaled values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import gcd

import numpy as np
from PIL import Image

from ..io.images.read import palette_color
from ..types import Array, DatasetInfo, LabelCoding
from .known_codings import codings, name_of, table_line
from .remedy_functions import FirstChannel, Recode, Uncolour, pack
from .sampled_pixels import VOID, Suspicion, View, agreement, agreement_line, clearly_better, proven

MIN_EXPLAINED = 0.999
"""Part of the pixels that a coding must explain; a few others may be damage of another kind."""


def recoded(view: View) -> Iterator[Suspicion]:
    """Label values that a known coding explains, and that fit the truth far better once decoded."""
    if view.info.task == "binary" or not _all_maps(view):
        return
    counts, catch_all = view.counts, view.info.catch_all
    for coding in codings(view.info, view.described_by):
        step = Recode(coding.keys, coding.labels, coding.rest)
        if _share(counts, coding.keys) < MIN_EXPLAINED or not _explains(view, coding, step):
            continue
        other = view.after(step)
        new_order = coding.kind == "renumbered" or set(coding.keys) == view.info.predictable
        lost: tuple[str, ...] = ()
        if catch_all is not None and catch_all.label + 1 in coding.keys and counts.get(catch_all.label + 1):
            share = counts[catch_all.label + 1] / sum(counts.values())
            lost = (f"{share:.1%} of the pixels hold {catch_all.label + 1} ('{catch_all.name}'): {_LOST}",)
        yield Suspicion(
            coding.kind,
            coding.what,
            (
                *_value_evidence(view, coding.keys),
                *((table_line(dict(zip(coding.keys, coding.labels, strict=True)), view.info),) if new_order else ()),
                *lost,
                agreement_line(view.own, other, "after the remedy"),
            ),
            coding.remedy,
            (step,),
            estimate=coding.lossy or bool(lost),
        )


def _explains(view: View, coding: LabelCoding, step: Recode) -> bool:
    """Whether a coding is proven; one that lost labels is judged where it tells them."""
    if not coding.lossy:
        return view.proves(step)
    decoded = [view.labels(seen, step) for seen in view.seen]
    truths = [
        truth.labels if labels is None else np.where(labels == coding.rest, VOID, truth.labels)
        for truth, labels in zip(view.truths, decoded, strict=True)
    ]
    own = [agreement(truth, view.labels(seen)) for truth, seen in zip(truths, view.seen, strict=True)]
    other = [agreement(truth, labels) for truth, labels in zip(truths, decoded, strict=True)]
    return proven(np.array(own), np.array(other)) and clearly_better(view.own, view.after(step))


_LOST = "which thing it is was not written, so these pixels count as false negatives of the things"


def merged(view: View) -> Iterator[Suspicion]:
    """Things written as the catch-all label of a related task, beside stuff with its own label values.

    The proof is in the truth: that label lies on things far more often than any pixel does.
    """
    info, counts = view.info, view.counts
    if info.catch_all is None or not counts.get(info.catch_all.label) or not _all_maps(view):
        return
    label = info.catch_all.label
    known = sorted(info.predictable)
    if _share(counts, (*known, label)) < MIN_EXPLAINED:
        return
    things = {c.id for c in (*info.classes, *info.unscored) if c.kind == "thing"}
    truth, found = _counted_pixels(view)
    on_things = np.isin(truth, list(things))
    here = on_things[found == label]
    if not here.size or here.mean() < 0.5 or here.mean() < 1.2 * on_things.mean():
        return
    rest = info.unscored[0].id
    yield Suspicion(
        "merged",
        f"things were written as {label}, which is '{info.catch_all.name}' (id {label + 1} of {info.catch_all.task}), "
        "no class here",
        (
            f"{counts[label] / sum(counts.values()):.1%} of the pixels hold {label}; {_things_written(counts, things)}",
            f"{here.mean():.0%} of the pixels of value {label} are things in the truth, {on_things.mean():.0%} of all "
            "pixels are",
            f"{_LOST}: the score after the remedy is what is left",
        ),
        f"Write every thing with its own label value (0 to {max(things)}). From these files that cannot be restored: "
        f"predict again, or write {rest} ('{name_of(info, rest)}', a removed id that no truth holds) to score "
        "the stuff, with every thing missed.",
        (Recode((*known, label), (*known, rest), rest),),
        estimate=True,
        certain=True,
    )


def _things_written(counts: Mapping[int, int], things: set[int]) -> str:
    alone = sorted({value for value in counts if value in things})
    if not alone:
        return "no thing has its own"
    return f"of the things only {len(alone)} occur with a label value of their own"


def _counted_pixels(view: View) -> tuple[Array, Array]:
    """True labels and raw values (n,) of the pixels of all grids that count."""
    pairs = [(truth.labels.ravel(), view.raw(seen).ravel()) for seen, truth in zip(view.seen, view.truths, strict=True)]
    truth, found = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return truth[truth >= 0], found[truth >= 0]


def _all_maps(view: View) -> bool:
    """Whether all predictions are maps of one value for each pixel."""
    return all(seen.layout == "map" for seen in view.seen)


def _share(counts: Mapping[int, int], keys: tuple[int, ...]) -> float:
    total = sum(counts.values())
    allowed = set(keys)
    return sum(count for value, count in counts.items() if value in allowed) / total if total else 0.0


def _value_evidence(view: View, keys: tuple[int, ...]) -> tuple[str, ...]:
    allowed = set(keys)
    explained = sum(set(seen.counts) <= allowed for seen in view.seen)
    top = max((max((v for v in seen.counts if v < 255), default=0) for seen in view.seen), default=0)
    low = min((min(seen.counts, default=0) for seen in view.seen), default=0)
    besides = ", and 255," if any(255 in seen.counts for seen in view.seen) else ""
    foreign = sorted(set(view.counts) - view.info.predictable)
    lines = [
        f"values from {low} to {top}{besides} occur; in {explained} of {len(view.seen)} files all are of this coding; "
        f"{view.info.name} has {len(view.info.classes)} classes with label values from "
        f"{min(c.id for c in view.info.classes)} to {max(c.id for c in view.info.classes)}"
    ]
    if foreign:
        shown = f"{', '.join(map(str, foreign[:8]))}{', …' if len(foreign) > 8 else ''}"
        lines.append(f"{shown} {'is no label value' if len(foreign) == 1 else 'are no label values'}")
    return tuple(lines)


def color_tables(info: DatasetInfo) -> list[tuple[str, dict[tuple[int, int, int], int]]]:
    """Colours in which label maps are drawn, with their label values; of equal colours the first class is taken."""
    own: dict[tuple[int, int, int], int] = {}
    for c in (*info.classes, *info.unscored):
        own.setdefault(c.color, c.id)
    # A palette of indices gives every label value a colour, whatever the dataset's own are.
    palette = {palette_color(label): label for label in sorted(info.predictable)}
    tables = [("the class colours", own)] + ([("the VOC palette", palette)] if palette != own else [])
    swapped = [(f"{what} with red and blue swapped", {c[::-1]: i for c, i in table.items()}) for what, table in tables]
    return [*tables, *swapped]


def coloured(view: View) -> Iterator[Suspicion]:
    """Colour images: three equal channels, or class colours in place of label values."""
    images = [seen for seen in view.seen if seen.layout == "colour"]
    if not images or all(view.labels(seen) is not None for seen in images):
        return
    grids = [view.raw(seen) for seen in images]
    count = f"{len(images)} of {len(view.seen)} files are colour images ({grids[0].shape[2]} channels)"
    if all((grid[..., :1] == grid[..., 1:3]).all() for grid in grids):
        yield Suspicion(
            "palette",
            "grey label maps were saved as colour images",
            (count, "their channels are equal at every pixel"),
            "Save one channel: values = values[:, :, 0].",
            (FirstChannel(),),
        )
    colours, pixels = np.unique(np.concatenate([pack(grid).ravel() for grid in grids]), return_counts=True)
    for what, table in color_tables(view.info):
        yield from _of_colours(view, what, table, colours, pixels, count)


def _of_colours(
    view: View, what: str, table: dict[tuple[int, int, int], int], colours: Array, pixels: Array, count: str
) -> Iterator[Suspicion]:
    """Pixels that have the colours of a table; `colours` and `pixels` (n,) say how often each occurs."""
    exact, near = _fit(colours, pixels, table)
    step = Uncolour(tuple(table), tuple(table.values()))
    other = view.after(step)
    if max(exact, near) < 0.98 or not view.proves(step, margin=0.02):
        return
    lines = [count, f"{exact:.1%} of their pixels have exactly a colour of {what} ({len(colours)} colours occur)"]
    if exact < 0.98:
        lines.append(f"{near:.1%} lie near one: the colours were compressed (JPEG) or interpolated")
    yield Suspicion(
        "palette",
        f"label maps were saved as colours ({what})",
        (*lines, agreement_line(view.own, other, "after mapping colours to label values")),
        "Save label values instead of colours (open palette files with PIL and keep mode 'P'; never convert('RGB') "
        "nor cv2.imread), or map every colour back to its label value.",
        (step,),
        estimate=exact < 0.98,
    )


def _fit(colours: Array, pixels: Array, table: dict[tuple[int, int, int], int]) -> tuple[float, float]:
    """Part of the pixels that have a colour of a table, and part that have one within 40 of each channel."""
    known = pack(np.array(list(table)))
    rgb = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
    exact = pixels[np.isin(colours, known)].sum() / pixels.sum()
    order = np.argsort(-pixels)[:2000]
    apart = np.abs(rgb[order][:, None] - np.array(list(table))[None]).max(axis=2).min(axis=1)
    return float(exact), float(pixels[order][apart <= 40].sum() / pixels.sum())


def luma(view: View) -> Iterator[Suspicion]:
    """Grey values that are exactly the luma of the class colours: a palette image converted to grey."""
    if view.info.task == "binary" or not _all_maps(view):
        return
    counts = view.counts
    for what, table in color_tables(view.info)[:2]:
        grey = np.asarray(Image.fromarray(np.array([list(table)], np.uint8)).convert("L"))[0].tolist()
        keys: dict[int, int] = {}
        for value, label in zip(grey, table.values(), strict=True):
            keys.setdefault(value, label)
        step = Recode(tuple(keys), tuple(keys.values()), view.info.classes[0].id)
        if len(counts) < 2 or _share(counts, tuple(keys)) < MIN_EXPLAINED:
            continue
        if not view.proves(step):
            continue
        other = view.after(step)
        used = [value for value in counts if grey.count(value) > 1]
        same = (f"classes of equal luma cannot be told apart: {len(used)} such values occur",) if used else ()
        yield Suspicion(
            "luma",
            f"label maps hold the grey luma of {what}, not label values",
            (
                f"the values that occur ({_some(counts)}) are luma of class colours (0.299 R + 0.587 G + 0.114 B)",
                *same,
                agreement_line(view.own, other, "after mapping luma to label values"),
            ),
            "Do not convert palette images with convert('L'); save the indices: numpy.asarray(image) of mode 'P'.",
            (step,),
            estimate=bool(used),
        )


def scaled(view: View) -> Iterator[Suspicion]:
    """Label values multiplied by a constant, for the eye."""
    info = view.info
    one = view.decode(np.array([[0, 1]], np.uint8))
    if not _all_maps(view) or one is None or not one.any():
        return  # grey levels are probabilities there: see `probability`
    counts = {value: count for value, count in view.counts.items() if count}
    values = [value for value in counts if value]
    if not values or max(values) <= 1 or (info.task == "binary" and max(values) > 255):
        return
    top = 65535 if max(values) > 255 else 255
    for factor in _factors(info, values, top):
        keys = _multiples(info, factor, top)
        step = Recode(tuple(keys), tuple(keys.values()), info.classes[0].id)
        if _share(counts, tuple(keys)) < MIN_EXPLAINED or not view.proves(step):
            continue
        other = view.after(step)
        yield Suspicion(
            "scaled",
            f"label values were multiplied by {factor:g}",
            (
                f"the values that occur ({_some(counts)}) are multiples of {factor:g}"
                + ("" if all(value % factor == 0 for value in counts) else ", rounded"),
                agreement_line(view.own, other, f"after division by {factor:g}"),
            ),
            f"Save label values unscaled: labels = numpy.round(values / {factor:g}).astype('uint8').",
            (step,),
        )


def _factors(info: DatasetInfo, values: list[int], top: int) -> list[float]:
    """Factors above 1 that people multiply label values with; `top` is the largest value of the file's type."""
    classes, largest = len(info.classes), max(info.predictable)
    whole = {gcd(*values), gcd(*(v for v in values if v != top), 0)}
    stretched = (top / max(classes - 1, 1), top / classes, top / max(largest, 1), top / (largest + 1))
    return [factor for factor in sorted({*map(float, whole), *stretched}) if factor > 1]


def _multiples(info: DatasetInfo, factor: float, top: int) -> dict[int, int]:
    """The values that label values become when they are multiplied, rounded or cut off."""
    found: dict[int, int] = {}
    for label in sorted(info.predictable):
        for value in (round(factor * label), int(factor * label)):
            if value <= top:
                found.setdefault(value, label)
    return found


def _some(counts: dict[int, int], most: int = 8) -> str:
    values = sorted(counts)
    return ", ".join(map(str, values[:most])) + (", …" if len(values) > most else "")
