"""`command:"program {images} {out}"`: any program that reads a folder of images and writes a folder of label maps.

Images are PNG files `000000.png`, `000001.png`, …; for each the program writes a label map of the same name (PNG, TIFF
or `.npy`) with the dataset's label values, or with its own and a model card (`--set card=FILE`) that says what they
mean. Of a binary dataset everything but 0 is foreground, and floating-point values in 0..1 are probabilities.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from segbench.errors import UserError
from segbench.io.images.masks import read_labels
from segbench.methods.existing.card import ModelCard, labels_of
from segbench.methods.existing.method import ExistingMethod, ExistingSettings, existing
from segbench.methods.existing.programs import command_sha256, name_of, run_program, words_of
from segbench.settings import Count
from segbench.types import Array, DatasetInfo, OwnCost, Prediction, Uint8

if TYPE_CHECKING:
    from segbench.methods.existing.outputs import Outputs

SUFFIXES = (".png", ".tif", ".tiff", ".npy")


class CommandSettings(ExistingSettings):
    """What a program can be told."""

    batch: Count = 50
    """Number of images in a folder that the program is started with."""


class CommandLine(ExistingMethod):
    """A program; `named` gives the method of one command."""

    prefix = "command"
    adjustable = ()
    info = existing(
        "command:<COMMAND>",
        "any program, such as 'mine {images} {out}': a folder of images in, label maps out",
        "the program's own",
        family="external",
        settings=CommandSettings,
        runs_code=True,
        accelerated=False,
    )

    _seconds, _images, _calls, _peak = 0.0, 0, 0, 0.0

    @classmethod
    def short_name(cls, source: str) -> str:
        """The program's name without its folder."""
        return name_of(source)

    @property
    def images_per_call(self) -> int:
        """A folder of images."""
        return int(self.settings.batch)

    def digest(self) -> str:
        """SHA-256 of the words and of the files that they name."""
        return command_sha256(words_of(self.source))

    def own_cost(self) -> OwnCost | None:
        """Wall time per image with the program's start, and the memory of it and all that it started."""
        if not self._images:
            return None
        return OwnCost(1000 * self._seconds / self._images, -(-self._images // self._calls), self._peak)

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Start the program on a folder with these images, and read what it wrote."""
        card, dataset = self._ready()
        words = words_of(self.source)
        with tempfile.TemporaryDirectory(prefix="segbench-") as folder:
            given, out = Path(folder, "images"), Path(folder, "out")
            given.mkdir()
            out.mkdir()
            for number, image in enumerate(images):
                Image.fromarray(image).save(given / f"{number:06d}.png", compress_level=1)
            done = run_program(words, given, out, Path(folder, "log.txt"))
            self._seconds, self._images = self._seconds + done.seconds, self._images + len(images)
            self._calls, self._peak = self._calls + 1, max(self._peak, done.peak_memory_mb)
            files = self._files(out, len(images))
            return [
                _prediction(path, image.shape[:2], card, dataset, self.info.name)
                for path, image in zip(files, images, strict=True)
            ]

    def predict_probabilities(self, images: Sequence[Uint8]) -> list[Prediction]:
        """What `predict` gives: a program writes label maps of several classes."""
        return self.predict(images)

    def parameters(self) -> None:
        """Nobody can count a program's."""

    def outputs_of(self, images: Sequence[Uint8], card: ModelCard) -> list[Outputs]:
        """Raises UserError: a program gives label maps of images (H, W) or (H, W, 3) and nothing before them."""
        del images, card
        raise UserError(f"{self.info.name} is a program: it gives label maps alone")

    def _load(self, device: str) -> None:
        del device

    def _card_beside(self) -> None:
        """A program has no card of its own: --set card=FILE."""

    def _files(self, out: Path, count: int) -> list[Path]:
        """One label map for each image, in order. Raises UserError that names what is missing or there twice."""
        found: dict[str, list[Path]] = {}
        for path in sorted(out.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                found.setdefault(path.stem, []).append(path)
        wanted = [f"{number:06d}" for number in range(count)]
        missing = [f"{name}.png" for name in wanted if name not in found]
        if missing:
            others = sorted(set(found) - set(wanted))
            told = f"; it wrote {len(others)} of other names, such as '{found[others[0]][0].name}'" if others else ""
            raise UserError(
                f"{self.info.name} wrote no label map for {len(missing)} of {count} images "
                f"(first: {missing[0]}){told}. "
                "Write one into {out} for each image in {images}, of the same name."
            )
        twice = [name for name in wanted if len(found[name]) > 1]
        if twice:
            names = ", ".join(str(path.relative_to(out)) for path in found[twice[0]])
            raise UserError(f"{self.info.name} wrote several label maps for one image: {names}. Write one.")
        return [found[name][0] for name in wanted]


def _prediction(path: Path, shape: tuple[int, ...], card: ModelCard, dataset: DatasetInfo, method: str) -> Prediction:
    """What a label map says. Raises UserError that names the file where it is none of this image and dataset."""
    binary = dataset.task == "binary"
    try:
        values = read_labels(path, binary=binary)
    except UserError as error:
        raise UserError(f"{method} wrote a file that is no label map: {_named(error, path)}") from None
    if values.shape != shape:
        raise UserError(f"{method}: {path.name} has shape {values.shape}, its image of {shape}. Write it in its size.")
    if values.dtype.kind == "f":
        return Prediction(probabilities=_probabilities(values, path, binary, method))
    if card.classes is not None:
        return Prediction(labels=_of_card(values, path, card, dataset, method))
    if binary and not dataset.predictable >= set(np.unique(values).tolist()):
        other = next(each.id for each in dataset.classes if each.id != dataset.foreground)
        return Prediction(labels=np.where(values != 0, dataset.foreground, other))
    strange = sorted(set(np.unique(values).tolist()) - dataset.predictable)
    if strange:
        raise UserError(
            f"{method}: {path.name} holds the value {strange[0]}, which is no label of {dataset.name}. Write its label "
            f"values ('bench data describe {dataset.name}'), or say what yours mean: --set card=FILE with 'classes'."
        )
    return Prediction(labels=values)


def _probabilities(values: Array, path: Path, binary: bool, method: str) -> Array:
    if not binary or not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        wanted = "probabilities in 0..1" if binary else "label values, whole numbers"
        raise UserError(f"{method}: {path.name} holds floating-point values {_range(values)}; expected {wanted}")
    return values.astype(np.float32)


def _of_card(values: Array, path: Path, card: ModelCard, dataset: DatasetInfo, method: str) -> Array:
    """Label values of the program's own values."""
    labels = labels_of(card, dataset, max(int(values.max()), *(card.classes or {0: 0})) + 1, method)
    strange = sorted(set(np.unique(values).tolist()) - set(labels))
    if strange:
        raise UserError(f"{method}: {path.name} holds the value {strange[0]}, which its card does not name")
    table = np.zeros(max(labels) + 1, np.int64)
    table[list(labels)] = list(labels.values())
    mapped: Array = table[values]
    return mapped


def _range(values: Array) -> str:
    return f"from {float(values.min()):g} to {float(values.max()):g}"


def _named(error: UserError, path: Path) -> str:
    return str(error).replace(str(path), path.name)
