"""The masks of your own folder: label values or colours, by its `classes.yaml`."""

from __future__ import annotations

import numpy as np

from ...io.images.instances import instance_numbers, is_mask
from ...io.images.masks import refuse_object_in_alpha
from ...io.images.read import binary_mask, binary_probabilities, label_map
from ...types import Array, Int64, Prediction, UserError
from .checked_values import MAX_LABEL, Color
from .classes_file import FILE, Classes


def decode_mask(values: Array, where: str, classes: Classes) -> Array:
    """Label values of a mask.

    Parameters
    ----------
    values : (H, W), or (H, W, C) array of 1 to 4 channels
        Label values (palette images give their indices) or RGB colours; alpha does not count. In a binary data set
        0 and 255, 0 and 1, or 0 and 65535 in 16 bits.
    where : str
        The file, for the error.
    classes : Classes

    Returns
    -------
    (H, W) uint8, or uint16 where a label needs it

    Raises
    ------
    UserError
        For a value or colour that `classes.yaml` does not name, with the place of a pixel that holds it.
    """
    refuse_object_in_alpha(values, where)
    flat = _one_channel(values, where, classes)
    if flat is None:
        return from_colors(values, where, classes)
    if classes.coding == "colors":
        raise UserError(f"{where}: is a grey or palette image, but {FILE} says 'masks: colors', which are RGB images")
    if classes.coding == "instances":
        return np.asarray(instance_map(flat, where) > 0, np.uint8)
    if classes.task == "binary":
        try:
            return _binary(flat, where, classes.stored_void)
        except UserError as error:
            raise _name_void(flat, error) from error
    return _known_values(flat, where, classes)


def instance_map(values: Array, where: str) -> Array:
    """Instance numbers (H, W). Raises UserError for anything but a grey image of whole numbers."""
    if values.ndim != 2 or values.dtype.kind not in "biu":
        raise UserError(
            f"{where}: has shape {values.shape} and type {values.dtype}; expected a grey image of instance numbers"
        )
    return instance_numbers(values, where)


def decode_prediction(values: Array, where: str, classes: Classes, *, numbered: bool = False) -> Prediction:
    """A prediction: label values or colours as masks have them, or float probabilities, (H, W) or (C, H, W).

    `numbered`: the truth has instances, so that more than two values in a binary data set are numbers of instances. A
    map of one instance by itself may look like a mask, and is read as one; `read_alike` knows the files beside it.

    Raises UserError for values or a shape that mean no prediction.
    """
    binary = classes.task == "binary"
    if values.dtype.kind == "f":
        return binary_probabilities(values, where) if binary else label_map(values, where, classes.classes)
    refuse_object_in_alpha(values, where)
    flat = _one_channel(values, where, classes)
    if flat is None:
        return Prediction(labels=from_colors(values, where, classes))
    if binary and numbered and flat.dtype.kind in "biu" and not is_mask(flat):
        instances = instance_map(flat, where)
        return Prediction(labels=np.asarray(instances > 0, np.uint8), instances=instances)
    if binary:
        # Also where 255 is ignored in the truth: predictions are written as 0 and 255.
        return Prediction(labels=_binary(flat, where, None))
    if flat.dtype.kind not in "biu":
        raise UserError(f"{where}: holds {flat.dtype} values; expected label values as integers")
    return Prediction(labels=flat.astype(np.uint8) if flat.dtype == np.bool_ else flat)


def color_runs(values: Array) -> tuple[Int64, Int64, Int64]:
    """Runs of equal colours of an (H, W, C) uint8 image in row order: starts, lengths, colours as 0xRRGGBB."""
    import cv2

    rgb = np.ascontiguousarray(values[:, :, :3])
    if not rgb.size:
        none = np.zeros(0, np.int64)
        return none, none, none
    # With a fourth channel a pixel is one number of 32 bits, which is quick to compare.
    packed = cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA).view(np.uint32).reshape(-1)
    starts = np.concatenate([[0], np.flatnonzero(packed[1:] != packed[:-1]) + 1])
    red, green, blue = rgb.reshape(-1, 3)[starts].astype(np.int64).T
    return starts, np.diff(starts, append=packed.size), red << 16 | green << 8 | blue


def from_colors(values: Array, where: str, classes: Classes) -> Array:
    """Label values (H, W) of an RGB image, (H, W, 3) or (H, W, 4) uint8; alpha does not count.

    Raises UserError for a colour that is no class's.
    """
    if values.dtype != np.uint8:
        raise UserError(f"{where}: is an RGB image of {values.dtype}; expected colours of 8 bits a channel")
    if not classes.colors:
        raise UserError(
            f"{where}: is an RGB image, but {FILE} gives no colours. Add a 'color' to every class; or, if its channels "
            "are equal and hold label values, write 'masks: values'."
        )
    table = sorted((_key(color), label) for color, label in classes.colors.items())
    keys, labels = (np.array(column, np.int64) for column in zip(*table, strict=True))
    starts, lengths, found = color_runs(values)
    places = np.minimum(np.searchsorted(keys, found), len(keys) - 1)
    wrong = np.flatnonzero(keys[places] != found)
    if wrong.size:
        row, column = divmod(int(starts[wrong[0]]), values.shape[1])
        color = [int(v) for v in values[row, column, :3]]
        raise UserError(
            f"{where}: the pixel at row {row}, column {column} has the colour {color}, which {FILE} gives to no class "
            f"({int(lengths[wrong].sum())} such pixels). Was the mask resized with interpolation, or saved as JPEG?"
        )
    return np.repeat(labels.astype(_dtype(classes))[places], lengths).reshape(values.shape[:2])


def equal_channels(values: Array) -> bool:
    """Whether an (H, W, 3 or 4) image is grey."""
    return bool((values[:, :, :1] == values[:, :, 1:3]).all())


def _one_channel(values: Array, where: str, classes: Classes) -> Array | None:
    """The values (H, W) of a grey image, however it was saved; None of one that holds colours."""
    if values.ndim == 2:
        return values
    if values.ndim != 3 or not 1 <= values.shape[2] <= 4:
        raise UserError(f"{where}: has shape {values.shape}; expected one mask of height x width, grey or RGB")
    if values.shape[2] < 3:
        return np.asarray(values[:, :, 0])
    if classes.coding == "colors" or not (classes.task == "binary" or classes.coding == "values"):
        return None
    if equal_channels(values):
        return np.asarray(values[:, :, 0])
    if classes.coding == "values":
        raise UserError(
            f"{where}: is a colour image, but {FILE} says 'masks: values'. Save label values (a grey or palette PNG), "
            "or, where all masks are in colour, write 'masks: colors' there"
        )
    return None


def _binary(flat: Array, where: str, ignored: int | None) -> Array:
    if ignored is None:
        if flat.dtype == np.uint16 and np.isin(flat, (0, MAX_LABEL)).all():
            return (flat > 0).astype(np.uint8)
        return binary_mask(flat, where)
    void = flat == ignored
    labels = binary_mask(np.where(void, 0, flat), where)
    labels = labels.astype(np.min_scalar_type(ignored))
    labels[void] = ignored
    return labels


def _name_void(flat: Array, error: UserError) -> UserError:
    """The error of a mask whose largest value may mark pixels that do not count, with how to say so."""
    high = flat.max(initial=0)
    if high not in (255, MAX_LABEL) or not is_mask(np.where(flat == high, 0, flat)):
        return error
    return UserError(f"{error} If pixels of {high} do not count, write 'ignore: {high}' into {FILE}.")


def _known_values(flat: Array, where: str, classes: Classes) -> Array:
    if flat.dtype.kind not in "biu":
        raise UserError(f"{where}: holds {flat.dtype} values; expected label values as integers")
    known = classes.known
    unknown = next((value for value in _occurring(flat) if value not in known), None)
    if unknown is not None:
        row, column = divmod(int((flat == unknown).argmax()), flat.shape[1])
        raise UserError(
            f"{where}: the pixel at row {row}, column {column} has the label value {unknown}, which {FILE} does not "
            f"name ({_shown(known)}). Add the class, or 'ignore: {unknown}' if such pixels do not count."
        )
    return flat.astype(_dtype(classes), copy=False)


def _occurring(flat: Array) -> list[int]:
    """Values that occur, ascending; of 8 and 16 bits a table is quicker than sorting."""
    if flat.dtype.itemsize > 2 or not flat.size:
        return [int(value) for value in np.unique(flat)]
    low = int(flat.min())
    found: list[int] = (np.flatnonzero(np.bincount(flat.reshape(-1).astype(np.int64) - low)) + low).tolist()
    return found


def _dtype(classes: Classes) -> type[np.uint8] | type[np.uint16]:
    return np.uint8 if max(classes.known) < 256 else np.uint16


def _key(color: Color) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]


def _shown(labels: frozenset[int]) -> str:
    ordered = sorted(labels)
    return ", ".join(map(str, ordered[:20])) + (", …" if len(ordered) > 20 else "")
