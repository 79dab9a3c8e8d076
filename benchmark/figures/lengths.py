"""Lengths as people type them for a page: `16cm`, `6.3in`, or `455pt` as LaTeX prints its own."""

from __future__ import annotations

import math
import re

from ..errors import UserError

CM_PER_INCH = 2.54
_INCHES = {"cm": 1 / CM_PER_INCH, "mm": 0.1 / CM_PER_INCH, "in": 1.0, "pt": 1 / 72.27}
r"""Units in inches; a point is TeX's, in which `\the\textwidth` is printed."""
_LENGTH = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)")


def inches(length: str) -> float:
    """A length in inches; a number without a unit is in centimetres.

    Raises
    ------
    UserError
        For what is no length above 0.

    Examples
    --------
    >>> round(inches("16"), 3), round(inches("160 mm"), 3), inches("6.5in"), round(inches("455.24pt"), 3)
    (6.299, 6.299, 6.5, 6.299)
    """
    found = _LENGTH.fullmatch(length.strip().lower())
    unit = None if found is None else _INCHES.get(found[2] or "cm")
    if found is None or unit is None or not 0 < float(found[1]) < math.inf:
        raise UserError(f"'{length}' is no length; expected a number with cm, mm, in or pt, such as 16cm or 6.3in")
    return float(found[1]) * unit
