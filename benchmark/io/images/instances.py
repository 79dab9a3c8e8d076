"""Instance numbers of any size as 32-bit ones: what counts is which pixels share one, and that 0 is no object."""

from __future__ import annotations

import numpy as np

from ...types import Array, UserError


def instance_numbers(values: Array, where: str) -> Array:
    """Instance numbers of any integer type as int32; those beyond 32 bits are renumbered in their order.

    Parameters
    ----------
    values : (H, W) or (N, H, W) array of bool or of integers from 0
    where : str
        The file or the argument, for the error.

    Raises
    ------
    UserError
        For negative numbers, and for the largest of an unsigned type, which stands for -1.
    """
    if not values.size or values.dtype == np.bool_:
        return values.astype(np.int32)
    low, high = int(values.min()), int(values.max())
    if low < 0:
        raise UserError(f"{where}: holds the instance number {low}; instances are numbered from 1, and 0 is no object")
    if values.dtype.kind == "u" and values.dtype.itemsize >= 4 and high == np.iinfo(values.dtype).max:
        raise UserError(
            f"{where}: holds {high}, the largest number of {8 * values.dtype.itemsize} bits, which programs write for "
            "'no object'. Write 0 there."
        )
    if high <= np.iinfo(np.int32).max:
        return values.astype(np.int32)
    found, places = np.unique(values, return_inverse=True)
    return np.asarray(places.reshape(values.shape) + (found[0] != 0), np.int32)


def numbers_in_16_bits(instances: Array) -> Array:
    """Instance numbers (H, W) that fit into 16 bits: as they are, or renumbered from 2 on where one is too large or a
    map of a single instance would look like a mask."""
    if int(instances.max(initial=0)) <= np.iinfo(np.uint16).max and not is_mask(instances):
        return instances
    found, places = np.unique(instances, return_inverse=True)
    numbers = places.reshape(instances.shape) + (1 if found[0] == 0 else 2)
    return np.where(instances == 0, 0, numbers)


def is_mask(values: Array) -> bool:
    """Whether a map (H, W) of integers is a mask of two tones, 0 and 1, 0 and 255, or 0 and 65535, and holds no numbers
    of instances."""
    high = values.max(initial=0)
    return high in (0, 1, 255, 65_535) and bool(((values == 0) | (values == high)).all())


def mask_as_one_instance(values: Array) -> Array:
    """A mask, (H, W) or (H, W, C) of bool or integers, as numbers of instances: 2 in all of its foreground.

    Anything else, and alpha, stays as it is.
    """
    grey = values if values.ndim == 2 else values[:, :, : 3 if values.shape[2] > 2 else 1]
    if values.dtype.kind not in "biu" or not is_mask(grey):
        return values
    found = values.astype(np.uint8) if values.dtype == np.bool_ else values.copy()
    own = found[:, :, : grey.shape[2]] if values.ndim == 3 else found
    own[grey != 0] = 2
    return found
