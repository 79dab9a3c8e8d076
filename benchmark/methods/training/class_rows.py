"""The last layer of a network that exists, carried over to another dataset's classes by a class map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ...errors import UserError
from ...text import some
from ...types import DatasetInfo
from ..existing.card import ModelCard, labels_of

Tensors = dict[str, torch.Tensor]


def class_axes(build: Callable[[int], nn.Module], outputs: int) -> dict[str, tuple[int, ...]]:
    """The tensors of a network that have one entry per output, by name, with the axes of these entries.

    `build` makes the network for a number of outputs: a tensor counts them where it has one entry more for one output
    more.
    """
    mine, larger = build(outputs).state_dict(), build(outputs + 1).state_dict()
    found = {}
    for name, tensor in mine.items():
        other = larger.get(name, tensor)
        if other.dim() == tensor.dim():
            axes = tuple(axis for axis, side in enumerate(tensor.shape) if other.shape[axis] != side)
            if axes and all((tensor.shape[axis], other.shape[axis]) == (outputs, outputs + 1) for axis in axes):
                found[name] = axes
    return found


@dataclass(frozen=True)
class ClassRows:
    """What the last layer of a new network takes from that of a file.

    Attributes
    ----------
    axes : tensors of the network that have one entry per output, with these axes (`class_axes`). One with several, an
        upsampling of every class by itself, begins as it does without a file.
    classes : class of the dataset, by name or label value, of outputs of the file's network.
    dataset : what the new network is for.
    """

    axes: Mapping[str, tuple[int, ...]]
    classes: Mapping[int, int | str]
    dataset: DatasetInfo

    def carried(self, named: Mapping[str, str], tensors: Tensors, mine: Tensors) -> Tensors:
        """The tensors of the network's last layer, filled from the file's.

        Parameters
        ----------
        named : names in the file by names in the network, whatever their shapes.
        tensors, mine : the tensors of the file and of the network.

        Raises
        ------
        UserError
            For an output that the file's network lacks, or where no layer's other axes are equal in both.
        """
        found, apart = {}, []
        for name, (axis, *more) in self.axes.items():
            theirs = tensors.get(named.get(name, ""))
            if theirs is None or more:
                continue
            if _without(theirs.shape, axis) == _without(mine[name].shape, axis):
                found[name] = self._rows(theirs.movedim(axis, 0), named[name]).movedim(0, axis)
            else:
                apart.append(f"{name} {_shape(mine[name])} here, {_shape(theirs)} there")
        if not any(tensor.dim() > 1 for tensor in found.values()):
            raise UserError(
                "init_classes: no layer of the file can be carried over to the classes of "
                f"{self.dataset.name}. "
                + (
                    f"Of another shape beside the classes: {some(apart, 3)}: give the settings that the file's network "
                    "has."
                    if apart
                    else f"The file has none of {some(list(self.axes), 3) or 'a layer with one entry per class'}."
                )
            )
        return found

    def told(self) -> str:
        """Which classes begin with an output of the file, and which with none."""
        labels = {self._label(each) for each in self.classes.values()}
        names = [each.name for each in self.dataset.classes if each.id not in labels]
        whole = len(self.dataset.classes)
        text = f"{whole - len(names)} of {whole} classes from an output of the file"
        return text + (f", without one: {some(names, 4)}" if names else "")

    def _rows(self, rows: torch.Tensor, name: str) -> torch.Tensor:
        """(n, ...) rows of the file's outputs to those of the new network's.

        Of several outputs of one class the first is taken: the mean of their logits is low where only one of them is
        high. A class without an output begins with the mean of all rows, which is never the highest; of a file with a
        single output, whose other class has the logit 0, with 0.
        """
        labels = labels_of(ModelCard(classes=dict(self.classes)), self.dataset, len(rows), f"'{name}'")
        without = rows.mean(0) if len(rows) > 1 else torch.zeros_like(rows[0])

        def row(*wanted: int) -> torch.Tensor:
            return next((rows[output] for output, label in labels.items() if label in wanted), without)

        if self.dataset.task == "binary":
            other = [each.id for each in self.dataset.classes if each.id != self.dataset.foreground]
            return (row(self.dataset.foreground) - row(*other))[None]
        return torch.stack([row(each.id) for each in self.dataset.classes])

    def _label(self, said: int | str) -> int | str:
        known = {each.name.lower(): each.id for each in self.dataset.classes}
        return known.get(said.lower(), said) if isinstance(said, str) else said


def _without(shape: Sequence[int], axis: int) -> list[int]:
    return [side for place, side in enumerate(shape) if place != axis]


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape))
