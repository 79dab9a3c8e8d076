"""Pictures of a figure's panels in the pixels in which they are printed: the image, label maps, outlines and errors."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from ..figures.panel_sheet import LegendEntry, PageWidth, striped
from ..types import Array, DatasetInfo, Uint8
from .overlays import CONFUSED, FALSE_NEGATIVE, FALSE_POSITIVE, FOREGROUND, errors, paint

_OUTLINE_POINTS = 0.8
_TINT = 0.4
_FAINT = 0.3
_STRONG = 0.9


@dataclass
class PanelPainter:
    """Paints the panels of one dataset, and remembers which labels occurred, for the legend.

    Binary masks are tinted and outlined on the image. Label maps have the colours of the classes and nothing else, so
    that a colour can be looked up. With `show_errors` a prediction shows on the image where it is wrong, and how.
    """

    info: DatasetInfo
    page: PageWidth
    show_errors: bool
    _labels: set[int] = field(default_factory=set)
    _unscored: bool = False

    def image(self, image: Uint8) -> Uint8:
        """An image (H, W) or (H, W, 3) as a picture (h, w, 3): shrunk by areas, enlarged by cubic interpolation."""
        size = self.page.size(image.shape)
        shrinks = size[0] < image.shape[1]
        scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        return np.asarray(scaled if scaled.ndim == 3 else scaled[:, :, None].repeat(3, axis=2), np.uint8)

    def labels(self, image: Uint8, labels: Array) -> Uint8:
        """Labels (H, W), true or predicted, as a picture (h, w, 3) of the nearest pixels."""
        shown = self._nearest(labels)
        unscored = np.isin(shown, list(self.info.void))
        if self.info.task == "binary":
            self._labels |= {self.info.foreground} & set(np.unique(shown).tolist())
            picture = _over(self.image(image), paint(shown, self.info), _TINT)
            self._outline(picture, shown == self.info.foreground)
        else:
            unscored |= ~np.isin(shown, [c.id for c in self.info.classes])
            self._labels |= set(np.unique(shown[~unscored]).tolist())
            picture = self._class_map(shown)
        return self._striped(picture, unscored)

    def wrong(self, image: Uint8, truth: Array, predicted: Array) -> Uint8:
        """Where predicted labels (H, W) are wrong, over the image; of a binary mask what is right too. (h, w, 3)."""
        true, found = self._nearest(truth), self._nearest(predicted)
        if self.info.task == "binary":
            self._labels.add(self.info.foreground)
            picture = _over(self.image(image), paint(found, self.info), _TINT)
        else:
            grey = cv2.cvtColor(self.image(image), cv2.COLOR_RGB2GRAY).astype(np.float64) * _FAINT + 255 * (1 - _FAINT)
            picture = grey.round().astype(np.uint8)[:, :, None].repeat(3, axis=2)
        void = np.isin(true, list(self.info.void))
        layer = errors(true, found, self.info)
        layer[void] = 0
        return self._striped(_over(picture, layer, _STRONG), void)

    def legend(self) -> list[LegendEntry]:
        """What the colours mean: the classes that occurred, the kinds of errors, and what is not scored."""
        classes = [c for c in self.info.classes if c.id in self._labels]
        binary = self.info.task == "binary"
        entries = [LegendEntry(FOREGROUND if binary else c.color, c.name) for c in classes]
        if self.show_errors:
            if binary or any(c.kind == "background" for c in self.info.classes):
                entries.append(LegendEntry(FALSE_POSITIVE, "false positive"))
                entries.append(LegendEntry(FALSE_NEGATIVE, "false negative"))
            if not binary:
                entries.append(LegendEntry(CONFUSED, "one class taken for another"))
        if self._unscored:
            entries.append(LegendEntry(None, "not scored"))
        return entries

    def _nearest(self, labels: Array) -> Array:
        """Labels (H, W) at the size at which they are shown: of each printed pixel the label at its middle."""
        width, height = self.page.size(labels.shape)
        rows = ((np.arange(height) + 0.5) * labels.shape[0] / height).astype(int)
        columns = ((np.arange(width) + 0.5) * labels.shape[1] / width).astype(int)
        return np.asarray(labels[rows][:, columns])

    def _class_map(self, labels: Array) -> Uint8:
        """Labels (h, w) in the colours of their classes, that of the background too, (h, w, 3)."""
        picture = np.ascontiguousarray(paint(labels, self.info)[:, :, :3])
        for each in self.info.classes:
            if each.kind == "background":
                picture[labels == each.id] = each.color
        return picture

    def _striped(self, picture: Uint8, unscored: NDArray[np.bool_]) -> Uint8:
        if unscored.any():
            self._unscored = True
            picture[unscored] = striped(picture.shape[0], picture.shape[1], self.page)[unscored]
        return picture

    def _outline(self, picture: Uint8, mask: NDArray[np.bool_]) -> None:
        """Draw the inner border of a mask (h, w) into a picture."""
        side = 2 * self.page.of(_OUTLINE_POINTS) + 1
        inner = cv2.erode(mask.astype(np.uint8), np.ones((side, side), np.uint8), borderValue=1)
        picture[mask & (inner == 0)] = FOREGROUND


def _over(picture: Uint8, layer: Uint8, strength: float) -> Uint8:
    """A layer (h, w, 4) over a picture (h, w, 3), at most with this strength."""
    part = layer[:, :, 3:] / 255 * strength
    return np.asarray(picture * (1 - part) + layer[:, :, :3] * part).round().astype(np.uint8)
