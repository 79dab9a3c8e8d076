"""Other label values in which predictions of a multi-class dataset are commonly written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ..types import ClassInfo, DatasetInfo, LabelCoding


def codings(info: DatasetInfo, described_by: str) -> list[LabelCoding]:
    """The other ways to write the labels of a multi-class dataset that are in use.

    `described_by` is the command that lists its classes.
    """
    ids = [c.id for c in info.classes]
    rest = info.unscored[0].id if info.unscored else ids[0]
    found = list(info.label_codings)
    if not found and ids != list(range(len(ids))):
        found += _contiguous(info, rest, described_by)
    found += [_one_too_high(info, rest), *_last_at_0(info, rest), _one_too_low(info, rest)]
    return [*found, *_alphabetical(info, rest)]


def _one_too_high(info: DatasetInfo, rest: int) -> LabelCoding:
    known = sorted(info.predictable)
    plus = [i for i in known if i + 1 <= 255]
    return LabelCoding(
        "off_by_one",
        "label values are one too high (ids that count from 1, or 0 kept for 'unlabeled')",
        # One above the last may be the catch-all label of a related task.
        (0, *(i + 1 for i in plus), *((plus[-1] + 2,) if info.unscored else ())),
        (rest, *plus, *((rest,) if info.unscored else ())),
        rest,
        f"Subtract 1 from every value: labels = values - 1, where {known[0]} is '{name_of(info, known[0])}'.",
    )


def _one_too_low(info: DatasetInfo, rest: int) -> LabelCoding:
    known = sorted(info.predictable)
    return LabelCoding(
        "off_by_one",
        "label values are one too low",
        tuple((i - 1) % 256 for i in known),
        tuple(known),
        rest,
        "Add 1 to every value (in 8 bits, so that 255 becomes 0): labels = (values + 1).astype('uint8').",
    )


def _last_at_0(info: DatasetInfo, rest: int) -> Iterator[LabelCoding]:
    ids = [c.id for c in info.classes]
    count = len(ids)
    if ids == list(range(count)):
        yield LabelCoding(
            "off_by_one",
            f"label values are one too high, and the last class ('{info.classes[-1].name}') was written as 0",
            tuple((i + 1) % count for i in ids),
            tuple(ids),
            rest,
            f"Subtract 1 from every value, so that 0 becomes {count - 1}: labels = (values + {count - 1}) % {count}.",
        )


def _alphabetical(info: DatasetInfo, rest: int) -> Iterator[LabelCoding]:
    """Numbers of the class names in alphabetical order, as `sorted()` and folders of classes give them."""
    ids = [c.id for c in info.classes]
    first = [c for c in info.classes if c.kind == "background"]
    others = [c for c in info.classes if c.kind != "background"]
    orders = {}
    for key in (str.casefold, str):
        orders[_ids(_sorted(info.classes, key))] = "of the class names in alphabetical order"
        orders[_ids((*first, *_sorted(others, key)))] = "of the class names in alphabetical order, background first"
    for order, words in orders.items():
        if order != tuple(range(len(ids))):
            yield LabelCoding(
                "renumbered",
                f"numbers 0 to {len(ids) - 1} {words} were given instead of label values",
                tuple(range(len(ids))),
                order,
                rest,
                f"Map every number to the label value of its class: labels = numpy.array({list(order)})[values].",
            )
        yield LabelCoding(
            "renumbered",
            f"numbers 1 to {len(ids)} {words}, with 0 for 'unlabeled', were given instead of label values",
            tuple(range(len(ids) + 1)),
            (rest, *order),
            rest,
            f"Map every number to the label value of its class: labels = numpy.array({[rest, *order]})[values].",
        )


def _sorted(classes: Sequence[ClassInfo], key: Callable[[str], str]) -> list[ClassInfo]:
    return sorted(classes, key=lambda c: key(c.name))


def _ids(classes: Sequence[ClassInfo]) -> tuple[int, ...]:
    return tuple(c.id for c in classes)


def _contiguous(info: DatasetInfo, rest: int, described_by: str) -> list[LabelCoding]:
    ids = tuple(c.id for c in info.classes)
    last = len(ids) - 1
    listed = f"with the {len(ids)} ids of classes in the order of {described_by}"
    return [
        LabelCoding(
            "train_ids",
            f"contiguous numbers 0 to {last} of the {len(ids)} existing classes were given instead of label values",
            (*range(len(ids)), 255),
            (*ids, rest),
            rest,
            f"Map every number to the label value of its class: labels = numpy.array(ids)[values] {listed}.",
        ),
        LabelCoding(
            "train_ids",
            f"numbers 1 to {len(ids)} of the existing classes with 0 for 'unlabeled' were given, not label values",
            tuple(range(len(ids) + 1)),
            (rest, *ids),
            rest,
            "Subtract 1 and map every number to the label value of its class: labels = numpy.array(ids)[values - 1] "
            f"{listed}.",
        ),
    ]


def name_of(info: DatasetInfo, label: int) -> str:
    """The name of a class, or of a label that is not scored."""
    return next(c.name for c in (*info.classes, *info.unscored) if c.id == label)


def table_line(table: Mapping[int, int], info: DatasetInfo) -> str:
    """The evidence of what every value stands for."""
    pairs = (f"{value} is {label} ({name_of(info, label)})" for value, label in sorted(table.items()))
    return f"what the values stand for: {', '.join(pairs)}"
