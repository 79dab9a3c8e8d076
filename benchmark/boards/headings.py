"""Headings of the boards' sections, and links to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import count

from ..runs.record import Record
from .comparable import Comparable, part_of
from .markdown import escape


def heading(key: Comparable, records: Sequence[Record]) -> str:
    """What tells a section of comparable records from the others of its dataset's board, as markdown."""
    parts = [escape(key.own_version), escape(key.protocol), escape(key.options), part_of(records)]
    if key.origin == "synthetic":
        parts.insert(0, "SYNTHETIC data")
    return ", ".join(part for part in parts if part)


def headings(groups: Sequence[tuple[Comparable, Sequence[Record]]]) -> list[str]:
    """The headings of all sections of one board, in order: each has an anchor of its own.

    Sections that would share one are told apart by their samples and data, and at last by a number.
    """
    plain = [heading(key, records) for key, records in groups]
    shared = Counter(map(anchor, plain))
    found: list[str] = []
    taken: set[str] = set()
    for (key, _), text in zip(groups, plain, strict=True):
        if shared[anchor(text)] > 1:
            text += f", ids {escape(key.ids_sha256[:8])}, data {escape(key.data_sha256[:8])}"
        unique = text
        for number in count(2):
            if anchor(unique) not in taken:
                break
            unique = f"{text}, table {number}"
        taken.add(anchor(unique))
        found.append(unique)
    return found


def section_address(key: Comparable, title: str) -> str:
    """The page of a dataset, at the section of this title."""
    return f"{key.dataset}.md#{anchor(title)}"


def anchor(heading: str) -> str:
    """The name that GitHub and MkDocs give a heading, for links to it.

    >>> anchor("SYNTHETIC data, split test, test\\\\_view=lateral, a part: 2 of 9 samples")
    'synthetic-data-split-test-test_viewlateral-a-part-2-of-9-samples'
    """
    plain = re.sub(r"<!--.*?-->|&\w+;|[^\w\s-]", "", heading)
    return re.sub(r"\s+", "-", plain.strip().lower())
