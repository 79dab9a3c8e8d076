"""Which conventions well-known libraries follow, and the one-rule changes of a convention.

Every row names the calls that follow it; an official one names the benchmark's own tool first. They were run with
torchmetrics 1.9, MONAI 1.6, segmentation-models-pytorch 0.6 (smp), scikit-learn 1.9 and cityscapesScripts 2.3;
`tests/commands/test_explained_rows.py` runs them again, and `test_explain.py` compares the official rows with the
tools' own numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..types import DatasetInfo
from .conventions import Convention, background_of

OFFICIAL = {
    c.name: c
    for c in (
        Convention("miou", ("VOCevalseg",), absent="undefined"),
        Convention("miou_defined", ("VOCevalseg, over defined classes",)),
        Convention("miou_171", ("MMSegmentation (IoUMetric)",)),
        Convention("miou_182", ("deeplab-pytorch",), absent="no_truth_out", void="unscored_ids"),
        Convention("iou_class", ("cityscapesScripts",)),
    )
}
"""Scores of the benchmarks' families that are a mean of class IoUs, each with the official tool that it reproduces."""

_NNUNET = ("nnU-Net evaluation (foreground_mean) of whole cases",)
_MONAI = ("MONAI DiceMetric(include_background=False) of whole cases",)
CASES = {
    c.name: replace(c, background="out")
    for c in (
        Convention("foreground_dice", _NNUNET, quantity="dice", average="class_case"),
        Convention("foreground_iou", _NNUNET, average="class_case"),
        Convention("foreground_dice_true", _MONAI, quantity="dice", average="case", absent="no_truth_out"),
    )
}
"""Scores of the foreground family, each with the tool that reports it."""

_PLAIN = Convention("miou")
"""`miou` of the family for any label set, which has no official tool."""

OFFICIAL_BINARY = {
    c.name: c
    for c in (
        Convention("dice", quantity="dice", background="out"),
        Convention("dice_per_image", quantity="dice", average="image", background="out"),
    )
}
"""Scores of the binary family that are Dice; no official tool computes them."""

_MULTICLASS = (
    Convention(
        "pooled, absent classes left out",
        (
            "torchmetrics MulticlassJaccardIndex(average='macro', ignore_index=void)",
            "scikit-learn jaccard_score(average='macro') of the counted pixels",
        ),
    ),
    Convention(
        "pooled, absent classes count 0",
        ("scikit-learn jaccard_score(labels=classes, average='macro') of the counted pixels",),
        absent="0",
    ),
    Convention(
        "pooled, absent classes count 1",
        (
            "smp iou_score(reduction='macro') with ignore_index=void",
            "scikit-learn jaccard_score(labels=classes, average='macro', zero_division=1) of the counted pixels",
        ),
        absent="1",
    ),
    Convention(
        "classes weighted by true pixels",
        (
            "scikit-learn jaccard_score(average='weighted') of the counted pixels",
            "torchmetrics MulticlassJaccardIndex(average='weighted', ignore_index=void)",
        ),
        average="weighted",
    ),
    Convention(
        "all classes and images in one count",
        (
            "scikit-learn jaccard_score(average='micro') of the counted pixels",
            "torchmetrics MulticlassJaccardIndex(average='micro', ignore_index=void)",
            "smp iou_score(reduction='micro') with ignore_index=void",
        ),
        average="micro",
    ),
    Convention(
        "all classes of an image in one count, mean over images",
        ("smp iou_score(reduction='micro-imagewise') with ignore_index=void",),
        average="micro_image",
        absent="1",
    ),
    Convention(
        "per image, absent classes left out",
        ("torchmetrics.functional.segmentation mean_iou(), mean over images, void masked",),
        average="image",
    ),
    Convention(
        "per image, absent classes count 1",
        (
            "smp iou_score(reduction='macro-imagewise') with ignore_index=void",
            "MONAI MeanIoU(ignore_empty=False, ignore_index=void)",
        ),
        average="image",
        absent="1",
    ),
    Convention(
        "per image, absent classes count -1",
        ("torchmetrics.functional.segmentation mean_iou(per_class=True), mean of all, void masked",),
        average="image",
        absent="-1",
    ),
    Convention(
        "per image, classes without true pixels left out",
        ("MONAI MeanIoU(ignore_index=void)",),
        average="image",
        absent="no_truth_out",
    ),
    Convention(
        "all pairs of image and class",
        ("torchmetrics.segmentation MeanIoU(), void masked",),
        average="pair",
    ),
    Convention(
        "per class over images, a class in no image counts -1",
        ("torchmetrics.segmentation MeanIoU(per_class=True), mean of all, void masked",),
        average="class_image",
        never="-1",
    ),
    Convention(
        "per class over images with true pixels, a class in none counts 0",
        ("MONAI MeanIoU(reduction='mean_batch', ignore_index=void), mean of all",),
        average="class_image",
        absent="no_truth_out",
        never="0",
    ),
)

_VOID = (
    Convention(
        "void set to the first class",
        ("torchmetrics MulticlassJaccardIndex(average='macro'), void set to 0",),
        void="class0",
    ),
    Convention(
        "void set to the first class, all pairs of image and class",
        ("torchmetrics.segmentation MeanIoU(), void set to 0",),
        average="pair",
        void="class0",
    ),
    Convention(
        "void left in as a class of its own",
        ("scikit-learn jaccard_score(average='macro') of all pixels",),
        void="own",
    ),
    Convention(
        "void left in as false positives, absent classes count 0",
        ("scikit-learn jaccard_score(labels=classes, average='macro') of all pixels",),
        absent="0",
        void="false_positive",
    ),
    Convention(
        "void left in as false positives, absent classes count 1",
        ("smp iou_score(reduction='macro') without ignore_index",),
        absent="1",
        void="false_positive",
    ),
    Convention(
        "void left in as false positives, per image, classes without true pixels left out",
        ("MONAI MeanIoU() without ignore_index",),
        average="image",
        absent="no_truth_out",
        void="false_positive",
    ),
)

_BACKGROUND = (
    Convention(
        "pooled, without background, absent classes count 0",
        ("scikit-learn jaccard_score(labels=classes[1:], average='macro') of the counted pixels",),
        absent="0",
        background="out",
    ),
    Convention(
        "per image, without background, classes without true pixels left out",
        ("MONAI MeanIoU(include_background=False, ignore_index=void)",),
        average="image",
        absent="no_truth_out",
        background="out",
    ),
    Convention(
        "all pairs of image and class, without background",
        ("torchmetrics.segmentation MeanIoU(include_background=False), void masked",),
        average="pair",
        background="out",
    ),
    Convention(
        "pooled, background treated as void",
        ("torchmetrics MulticlassJaccardIndex(average='macro', ignore_index=0), void set to 0",),
        background="dropped",
    ),
)

_BINARY = tuple(
    replace(c, quantity="dice")
    for c in (
        Convention(
            "foreground, pooled",
            (
                "scikit-learn f1_score()",
                "torchmetrics BinaryF1Score()",
                "torchmetrics.segmentation DiceScore(aggregation_level='global', include_background=False)",
                "smp f1_score(reduction='micro')",
            ),
            background="out",
        ),
        Convention(
            "foreground, per image, empty images left out",
            ("torchmetrics.segmentation DiceScore(include_background=False)",),
            average="image",
            background="out",
        ),
        Convention(
            "foreground, per image, empty images count 1",
            (
                "MONAI DiceMetric(include_background=False, ignore_empty=False)",
                "smp f1_score(reduction='micro-imagewise')",
            ),
            average="image",
            absent="1",
            background="out",
        ),
        Convention(
            "foreground, per image, empty images count 0",
            (
                "torchmetrics BinaryF1Score(multidim_average='samplewise'), mean over images",
                "scikit-learn f1_score() per image, mean over images",
            ),
            average="image",
            absent="0",
            background="out",
        ),
        Convention(
            "foreground, per image, images without true foreground left out",
            ("MONAI DiceMetric(include_background=False)",),
            average="image",
            absent="no_truth_out",
            background="out",
        ),
        Convention(
            "background and foreground, pooled",
            (
                "scikit-learn f1_score(average='macro')",
                "torchmetrics.segmentation DiceScore(aggregation_level='global')",
            ),
        ),
        # Where one of two classes is absent the other is all there is and counts 1, so leaving it out is the same.
        Convention(
            "background and foreground, per image, absent classes left out or count 1",
            ("torchmetrics.segmentation DiceScore()", "MONAI DiceMetric(ignore_empty=False)"),
            average="image",
        ),
        Convention(
            "background and foreground, per image, classes without true pixels left out",
            ("MONAI DiceMetric()",),
            average="image",
            absent="no_truth_out",
        ),
        Convention(
            "background and foreground in one count",
            (
                "scikit-learn f1_score(average='micro')",
                "torchmetrics.segmentation DiceScore(average='micro', aggregation_level='global')",
            ),
            average="micro",
        ),
        Convention(
            "background and foreground weighted by true pixels",
            (
                "scikit-learn f1_score(average='weighted')",
                "torchmetrics.segmentation DiceScore(average='weighted', aggregation_level='global')",
            ),
            average="weighted",
        ),
    )
)


def official(info: DatasetInfo, names: Sequence[str]) -> dict[str, Convention]:
    """Conventions of those of these score names that one is known for."""
    known = (OFFICIAL_BINARY if info.task == "binary" else OFFICIAL) | CASES
    if "miou_defined" not in names:
        known = {**known, "miou": _PLAIN}  # only VOC's is undefined where a class is absent
    return {name: known[name] for name in names if name in known}


def conventions(info: DatasetInfo, *, cases: bool = False) -> tuple[Convention, ...]:
    """The libraries' conventions that make sense for a dataset.

    Those of void, background and `cases` only where it has them: of cases, several images of one.
    """
    of_cases = tuple(CASES.values()) if cases and background_of(info) is not None else ()
    if info.task == "binary":
        return _BINARY + of_cases
    rows = _MULTICLASS + (_VOID if info.void else ())
    return rows + (_BACKGROUND if background_of(info) is not None else ()) + of_cases


def changes(info: DatasetInfo, start: Convention, *, cases: bool = False) -> list[tuple[str, Convention]]:
    """Every convention that differs from `start` in one rule, with that rule's name."""
    # Without an ignore label all void labels have names, and keeping those is the same as `own`.
    ids = ("unscored_ids",) if info.unscored and info.ignore_label is not None else ()
    options: dict[str, tuple[str, ...]] = {
        "average": ("pooled", "image", "class_image", "pair", "micro", "micro_image", "weighted"),
        "absent": ("out", "no_truth_out", "0", "1", "-1"),
        "void": ("dropped", "class0", "false_positive", "own", *ids) if info.void else (),
        "background": ("kept", "out", "dropped") if background_of(info) is not None else (),
    }
    if info.task == "binary":
        # With one class the averages over images coincide, and so do both counts over classes.
        options["average"] = ("pooled", "image") if start.background == "out" else options["average"]
        options["absent"] = ("out", "no_truth_out", "0", "1")
        options["background"] = ("kept", "out")
    if cases and background_of(info) is not None:
        options["average"] += ("case",) if options["average"] == ("pooled", "image") else ("case", "class_case")
    return [
        (rule, replace(start, name=f"{rule}: {choice}", used_by=(), **{rule: choice}))  # type: ignore[arg-type]
        for rule, choices in options.items()
        for choice in choices
        if choice != getattr(start, rule)
    ]
