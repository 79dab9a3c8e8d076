"""Headings of the boards' sections, and links to them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..registry import dataset_class
from ..runs.record import Record
from .comparable import Comparable, part_of
from .markdown import escape


def heading(key: Comparable, records: Sequence[Record]) -> str:
    """What tells a section of comparable records from the others of its dataset's board, as markdown."""
    parts = [escape(key.own_version), escape(key.protocol), escape(key.options), part_of(records)]
    if key.origin == "synthetic":
        parts.insert(0, "SYNTHETIC data")
    return ", ".join(part for part in parts if part)


def front_heading(key: Comparable, records: Sequence[Record], samples: str) -> str:
    """The same for the front page, with a link to the section, and what the images are."""
    link = f"[{key.dataset}]({section_address(key, records)})"
    synthetic = "SYNTHETIC data, " if key.origin == "synthetic" else ""
    options = f", {escape(key.options)}" if key.options else ""
    summary = dataset_class(key.dataset).info.summary
    return f"### {link}: {synthetic}{escape(key.protocol)}{options}, {samples} of {summary}"


def section_address(key: Comparable, records: Sequence[Record]) -> str:
    """The page of a dataset, at the section of comparable records."""
    return f"{key.dataset}.md#{anchor(heading(key, records))}"


def anchor(heading: str) -> str:
    """The name that GitHub and MkDocs give a heading, for links to it.

    >>> anchor("SYNTHETIC data, split test, test\\\\_view=lateral, a part: 2 of 9 samples")
    'synthetic-data-split-test-test_viewlateral-a-part-2-of-9-samples'
    """
    plain = re.sub(r"<!--.*?-->|&\w+;|[^\w\s-]", "", heading)
    return re.sub(r"\s+", "-", plain.strip().lower())
