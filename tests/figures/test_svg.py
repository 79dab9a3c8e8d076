"""Figures as SVG: equal on every processor, though each rounds the geometry in its own way."""

from __future__ import annotations

import math
import re
from pathlib import Path

from matplotlib.figure import Figure

from segbench.figures.style import house_style, svg_of, write_svg


def plot(width: float) -> Figure:
    figure = Figure(figsize=(3, 2))
    axes = figure.add_axes((0.1, 0.1, width, 0.8))
    axes.plot([0, 1, 2], [1, 0, 2], marker="o")
    return figure


def test_a_difference_in_the_last_bit_is_not_seen() -> None:
    with house_style():
        texts = {svg_of(plot(width)) for width in (0.8, math.nextafter(0.8, 1), math.nextafter(0.8, 0))}
    assert len(texts) == 1


def test_what_is_named_is_referred_to(tmp_path: Path) -> None:
    write_svg(tmp_path / "plot.svg", lambda: plot(0.8))
    text = (tmp_path / "plot.svg").read_text("utf-8")
    named = re.findall(r'\bid="(d\d+)"', text)
    used = set(re.findall(r"#(d\d+)\b", text))
    assert used
    assert sorted(named) == sorted(set(named))
    assert used <= set(named)
    assert not re.search(r"#[a-z][0-9a-f]{10}\b", text)
