"""Scores in a training loop: the official metrics on arrays and tensors, exact over any number of processes."""

from __future__ import annotations

import math
import sys
import warnings
import zlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from ..errors import SegbenchWarning
from ..io.images.tensors import (
    are_numbers,
    instances_of,
    integers,
    may_be_numbers,
    predictions_of,
    shape_text,
    without_channel,
)
from ..metrics.joint_counts import counted_once
from ..registry import dataset_class, families, metrics_of
from ..registry.metric_names import metric_names
from ..types import Array, DatasetInfo, Metric, Sample, Statistic, UserError
from .label_sets import label_set
from .statistics import Statistics

if TYPE_CHECKING:
    from .scores import Score


_ASSUMED = (
    "integers of 0 and 1 are taken for a mask, whose pieces are instances. If 1 is the number of an instance, say "
    "numbered=True; else numbered=False, or give bool."
)


class Evaluator:
    """Collects exact per-sample counts of predictions and gives the same scores as `bench evaluate`.

    Parameters
    ----------
    dataset : str or DatasetInfo, optional
        A dataset whose official metrics are taken. Predictions and targets then hold its own label values (of
        Cityscapes the labelIds, not the trainIds).
    num_classes : int, optional
        For any other label set: labels are 0 to num_classes - 1; 1 is a binary task (0 background, 1 foreground).
    classes : sequence of str, optional
        The same, with names; one name is the foreground of a binary task.
    ignore_index : int, optional
        Void label of such a label set: its pixels in the target are dropped.
    task : {"binary", "multiclass"}, optional
        Makes two `classes` a binary task of background and foreground.
    metrics : sequence of str
        Metric families in place of the usual ones; see `bench list metrics`.

    Raises
    ------
    UserError
        For an unknown name, or a label set that is no label set.

    Notes
    -----
    State is a set of statistics keyed by sample id, so a sample that is counted twice is an error and not a silent
    bias, and results do not depend on batch size, order, or number of processes. PyTorch's `DistributedSampler` repeats
    some samples so that all processes get equally many: give real ids, and `gather(drop_repeats=True)` counts each
    once. Within one process `if id in evaluator` tells what was counted.

    Examples
    --------
    In a training loop, alone or in every process of torch.distributed:

    >>> evaluator = Evaluator(num_classes=19, ignore_index=255)              # doctest: +SKIP
    >>> for images, targets, ids in loader:                                  # doctest: +SKIP
    ...     with torch.inference_mode():
    ...         logits = model(images)  # (N, C, H, W), on any device
    ...     evaluator.update(logits, targets, ids)
    >>> everything = evaluator.gather(drop_repeats=True)                     # doctest: +SKIP
    >>> print(everything.compute()["miou"])                                  # doctest: +SKIP

    On arrays:

    >>> import numpy as np
    >>> evaluator = Evaluator(classes=["background", "cat"], ignore_index=255)
    >>> evaluator.update(np.array([[0, 1, 1]]), np.array([[0, 1, 255]]), "photo-7")
    >>> evaluator.compute()["miou"]
    1.0
    """

    def __init__(
        self,
        dataset: str | DatasetInfo | None = None,
        *,
        num_classes: int | None = None,
        classes: Sequence[str] | None = None,
        ignore_index: int | None = None,
        task: Literal["binary", "multiclass"] | None = None,
        metrics: Sequence[str] = (),
    ) -> None:
        if dataset is not None:
            if any(value is not None for value in (num_classes, classes, ignore_index, task)):
                raise UserError("Evaluator: a dataset brings its own classes; leave out num_classes, classes, …")
            self._info: DatasetInfo = dataset_class(dataset).info if isinstance(dataset, str) else dataset
            if not self._info.classes:
                raise UserError(f"the classes of {self._info.name} are in its root: pass the info of a dataset there")
        else:
            self._info = label_set(num_classes, classes, ignore_index, task)
        self._metrics = _families(self._info, metrics)
        self.reset()

    @property
    def info(self) -> DatasetInfo:
        """The classes, void labels and metric families that are evaluated."""
        return self._info

    @property
    def statistics(self) -> Statistics:
        """The per-sample statistics, as a run's `statistics.parquet` holds them."""
        return Statistics(self._items)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._seen)

    def __contains__(self, sample_id: object) -> bool:
        """Whether a sample of this id (str or int) was counted."""
        return str(sample_id) in self._seen

    def __repr__(self) -> str:
        return f"Evaluator({self._info.name}, {len(self)} samples, {', '.join(m.name for m in self._metrics)})"

    def reset(self) -> None:
        """Forget every sample, as at the start of an epoch."""
        self._items: list[Statistic] = []
        self._seen: dict[str, int] = {}  # of every sample the fingerprint of its target
        self._numbered: bool | None = None

    def update(
        self,
        prediction: Any,
        target: Any,
        ids: str | int | Iterable[str | int] | None = None,
        *,
        instances: Any = None,
        groups: str | Sequence[str] | None = None,
        numbered: bool | None = None,
    ) -> None:
        """Count one image, or a batch of N images. All of it is counted, or after an error nothing.

        Parameters
        ----------
        prediction : NumPy array or tensor on any device
            Integer labels (H, W) or (N, H, W); or scores of any real range, such as logits, (C, H, W) or (N, C, H, W),
            of which the highest class is taken; the family `calibration` takes probabilities alone. For a binary task:
            probabilities of the foreground in 0..1, float (H, W), (N, H, W) or (N, 1, H, W), compared as float32; or
            masks of 0 and 1, int or bool; or numbers of predicted instances, int, see `numbered`.
        target : array or tensor of integers
            True labels (H, W), (N, H, W) or (N, 1, H, W).
        ids : str, int, or N of them, optional
            Names of the samples. Without them samples are numbered as they come; then processes cannot be merged.
        instances : array or tensor of integers, optional
            True instances of the shape of `target`, by the dataset's rule, for families that need them (the iIoU of
            Cityscapes, `instance-matching`). Without those of every sample these families' scores are undefined.
        groups : str, or N of them, optional
            The video, city or stack of each sample: intervals draw whole groups where there are at least 5.
        numbered : bool, optional
            Whether integers that are predicted for a binary task are numbers of instances, or a mask of 0 and 1, whose
            pieces are instances. Unless it is said, where `instances` are given, all images of a call are numbered if
            one of them holds a number that no mask holds. Of images of one instance each, numbered 1, that cannot be
            told: say it for a model of instances, as what is not said may depend on the size of the batch. A mask of
            bool is never numbered.

        Raises
        ------
        UserError
            For a sample that was counted before, shapes that do not fit, and values that cannot be labels or
            probabilities, or numbers of instances where they are said to be.

        Warns
        -----
        SegbenchWarning
            Where integers of 0 and 1 were taken for a mask, and true instances are given.
        """
        truth = without_channel(integers(target, "target"))
        if truth.ndim not in (2, 3):
            raise UserError(f"target has shape {shape_text(truth)}; expected (H, W) or (N, H, W)")
        batch = truth.ndim == 3
        truths = list(truth) if batch else [truth]
        names = self._names(ids, len(truths))
        wide = any(metric.takes_probabilities for metric in self._metrics)
        numbered = self._are_numbers(prediction, batch, instances, numbered)
        about = (prediction, len(truths), batch, self._info)
        found = list(predictions_of(*about, probabilities=wide, numbered=numbered))
        parts = instances_of(instances, truth.shape, batch)
        places = _groups(groups, len(truths), self._info.name)
        fresh = []
        for position, name in enumerate(names):
            own = parts[position] if parts is not None else None
            sample = Sample(name, places[position], 0, None, truths[position], own)
            with counted_once():
                fresh += [metric.measure(sample, found[position], self._info) for metric in self._metrics]
        self._items += fresh
        self._seen.update(zip(names, map(_fingerprint, truths), strict=True))
        if names:
            self._numbered = ids is None

    def merge(self, other: Evaluator) -> Evaluator:
        """A new evaluator with the samples of both, which stay as they are. The order of merging does not matter.

        Raises
        ------
        UserError
            If a sample is in both, if they evaluate different things, or if samples were counted without ids.
        """
        return self._union([self, other])

    def gather(self, *, drop_repeats: bool = False, group: Any = None) -> Evaluator:
        """The samples of all processes of torch.distributed, on every process; itself where there is only this one.

        Every process must call it. An error is raised on every process.

        Parameters
        ----------
        drop_repeats : bool
            Count a sample once that several processes have, as by `DistributedSampler`, which repeats some; that of
            the lowest rank counts. Without it such a sample is an error, and one id with two targets always is.
        group : ProcessGroup, optional
            All processes by default.
        """
        distributed = sys.modules.get("torch.distributed")
        if distributed is None or not (distributed.is_available() and distributed.is_initialized()):
            return self
        found: list[Any] = [None] * distributed.get_world_size(group)
        distributed.all_gather_object(found, self, group=group)
        return self._union(found, drop_repeats)

    @overload
    def compute(self, *, intervals: Literal[False] = False) -> dict[str, float]: ...

    @overload
    def compute(self, *, intervals: Literal[True]) -> dict[str, Score]: ...

    def compute(self, *, intervals: bool = False) -> dict[str, float] | dict[str, Score]:
        """Every score by its name, NaN where undefined; with `intervals` what `scores` gives."""
        if intervals:
            return self.scores()
        values = {score.name: math.nan for metric in self._metrics for score in metric.scores}
        statistics = self.statistics
        for metric in self._metrics if self._seen else ():
            values.update(metric.compute(statistics.of(metric.name), self._info))
        return values

    def scores(self) -> dict[str, Score]:
        """Every score with its 95 % bootstrap interval, unit and direction; values are None where undefined.

        Raises
        ------
        UserError
            If nothing was counted yet.
        """
        from .scoring import score

        if not self._seen:
            raise UserError("no sample was counted yet, so there are no scores; call update() first")
        return score(self.statistics, self._metrics, self._info).scores

    def per_class(self) -> dict[str, dict[str, float]]:
        """Table {class name: {quantity: value}} in class order, NaN where undefined; empty before the first sample."""
        table: dict[str, dict[str, float]] = {}
        statistics = self.statistics
        for metric in self._metrics if self._seen else ():
            for name, row in metric.per_class(statistics.of(metric.name), self._info).items():
                table.setdefault(name, {}).update(row)
        return table

    def _are_numbers(self, prediction: Any, batch: bool, instances: Any, said: bool | None) -> bool:
        """Whether predictions are numbers of instances. Raises UserError where they are said to be and cannot."""
        kind = str(getattr(prediction, "dtype", ""))
        if said:
            if self._info.task != "binary" or "float" in kind or "bool" in kind:
                what = kind if self._info.task == "binary" else "labels of several classes"
                raise UserError(f"numbered=True: the prediction holds {what}; expected integers of a binary task")
            return True
        if said is not None or instances is None or self._info.task != "binary":
            return False
        if are_numbers(prediction, batch):
            return True
        if may_be_numbers(prediction) and any("instances" in metric.parts for metric in self._metrics):
            warnings.warn(_ASSUMED, SegbenchWarning, stacklevel=3)
        return False

    def _names(self, ids: str | int | Iterable[str | int] | None, count: int) -> list[str]:
        """Ids of the next samples, each new."""
        if count and self._numbered is not None and self._numbered != (ids is None):
            raise UserError("some samples were given with ids and some without; give ids for all, or for none")
        if ids is None:
            start = len(self._seen)
            return [f"{number:012d}" for number in range(start, start + count)]
        names = _listed_ids(ids)
        if len(names) != count:
            raise UserError(f"{len(names)} ids for {count} samples; give one for each")
        repeated = next((n for p, n in enumerate(names) if n in self._seen or n in names[:p]), None)
        if repeated is not None:
            raise UserError(
                f"sample '{repeated}' was counted before. Each sample counts once: skip what is 'in evaluator', "
                "and call reset() before the next epoch."
            )
        return names

    def _union(self, evaluators: Sequence[Evaluator], drop_repeats: bool = False) -> Evaluator:
        """A new evaluator with the samples of all; of repeats, where they are to be dropped, the first counts."""
        union = Evaluator(self._info, metrics=[metric.name for metric in self._metrics])
        for one in evaluators:
            _check_mergeable(union, one)
            repeated = [name for name in one._seen if name in union._seen]
            other = next((name for name in repeated if one._seen[name] != union._seen[name]), None)
            if other is not None:
                raise UserError(
                    f"two samples with different targets have the id '{other}'. Ids must tell all samples of all "
                    "processes apart: take names or numbers of the whole dataset."
                )
            if repeated and not drop_repeats:
                raise UserError(
                    f"{len(repeated)} samples are in two evaluators, for example '{repeated[0]}'. Each sample counts "
                    "once. DistributedSampler repeats samples: use gather(drop_repeats=True), or a sampler that does "
                    "not, such as range(rank, len(dataset), world_size)."
                )
            dropped = set(repeated)
            union._items += [item for item in one._items if item.sample_id not in dropped]
            union._seen = {**one._seen, **union._seen}
            if one._seen:
                union._numbered = one._numbered
        return union


def _families(info: DatasetInfo, names: Sequence[str]) -> tuple[Metric, ...]:
    """The metric families asked for, else the dataset's own; those of binary tasks for such tasks alone.

    A family that measures whole groups takes the places of samples in them, which an Evaluator does not know.
    """
    if not names:
        return tuple(family for family in metrics_of(info) if not family.part_columns)
    found = families(info, metric_names(names))
    if whole := [family.name for family in found if family.part_columns]:
        raise UserError(f"metric '{whole[0]}' measures whole volumes, an Evaluator slices: use 'bench evaluate'")
    return found


def _check_mergeable(one: Evaluator, other: object) -> None:
    if not isinstance(other, Evaluator):
        raise UserError(f"an Evaluator merges with an Evaluator, not with a {type(other).__name__}")
    versions = [{m.name: m.version for m in e._metrics} for e in (one, other)]
    if one.info != other.info or versions[0] != versions[1]:
        raise UserError(f"{one!r} and {other!r} evaluate different things; merge those of the same classes and metrics")
    if len(one) and len(other) and (one._numbered or other._numbered):
        raise UserError(
            "samples without ids are numbered by each evaluator, so those of two cannot be told apart. "
            "Pass ids: evaluator.update(prediction, target, ids)."
        )


def _fingerprint(target: Array) -> int:
    """A number that two different targets hardly share."""
    return zlib.crc32(np.ascontiguousarray(target, np.int64).data, zlib.crc32(repr(target.shape).encode()))


def _groups(groups: str | Sequence[str] | None, count: int, default: str) -> list[str]:
    if groups is None or isinstance(groups, str):
        return [groups or default] * count
    found = [str(group) for group in groups]
    if len(found) != count:
        raise UserError(f"{len(found)} groups for {count} samples; give one for each, or one for all")
    return found


def _listed_ids(ids: Any) -> list[str]:
    """Ids as text; a loader may have put numbers into a tensor."""
    plain = ids.tolist() if hasattr(ids, "tolist") else ids
    found = [plain] if isinstance(plain, str | int) else list(plain)
    found = [one.tolist() if hasattr(one, "tolist") else one for one in found]
    odd = next((one for one in found if isinstance(one, bool) or not isinstance(one, str | int)), None)
    if odd is not None:
        raise UserError(f"ids hold {odd!r}; an id is a text or a whole number")
    return [str(one) for one in found]
