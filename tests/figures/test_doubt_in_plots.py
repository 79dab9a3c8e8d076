"""Plots and films of hearts say what is not to be used and what was assumed, legibly."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pytest
from contracting import even, heart, masks
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from segbench.figures.cardiac.curves import STATED, Assumed, area_curve
from segbench.figures.cardiac.loops import volume_loop
from segbench.figures.cardiac.overlay import video_frames
from segbench.figures.cardiac.pages import small_multiples, volume_loops
from segbench.figures.style import STYLE
from segbench.runs.cardiac.unfit import FRACTIONS, RATE, Unfit, unfit

FILM = masks(even(60, 15))
BEATING = heart(FILM)
ASTRAY, FIT = Unfit(FRACTIONS, ("by hand",)), Unfit()
ASSUMED = Assumed(pixels=True, fps=True)
DRAW: dict[str, Callable[[Unfit, Assumed], Figure]] = {
    "area": lambda doubt, assumed: area_curve(BEATING, doubt=doubt, assumed=assumed),
    "loop": lambda doubt, assumed: volume_loop(BEATING, None, doubt, assumed),
    "areas": lambda doubt, assumed: small_multiples([(BEATING, None)], "", {"a": doubt}, assumed),
    "loops": lambda doubt, assumed: volume_loops([(BEATING, None)] * 5, "", {"a": doubt}, assumed),
}


@pytest.mark.parametrize("doubt", [FIT, ASTRAY], ids=["fit", "astray"])
@pytest.mark.parametrize("kind", DRAW)
def test_what_was_assumed_stands_at_the_axes_and_covers_nothing(kind: str, doubt: Unfit) -> None:
    with mpl.rc_context(STYLE):
        figure = DRAW[kind](doubt, ASSUMED)
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
        words = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
        boxes = {text.get_text(): text.get_window_extent() for text in words}
        legend = figure.legends[0].get_window_extent()
        plain = {text.get_text() for text in DRAW[kind](doubt, STATED).findobj(Text) if isinstance(text, Text)}
    assert sum("assumed" in text for text in boxes) == 2
    assert not any("assumed" in text for text in plain)
    for text, box in boxes.items():
        if "assumed" in text or text.startswith("a: "):
            assert not box.overlaps(legend), text
            assert box.x0 >= 0, text
            assert box.y0 >= 0, text
            assert box.y1 <= figure.bbox.y1, text


def test_a_film_of_masks_that_do_not_follow_says_so_in_every_picture() -> None:
    assert unfit(BEATING) == FIT
    bools = [mask.astype(bool) for mask in FILM]
    plain, astray, no_rate = (
        list(video_frames(None, bools, BEATING, doubt=doubt)) for doubt in (None, ASTRAY, Unfit((RATE,), ("by hand",)))
    )
    for one, other in zip(plain, astray, strict=True):
        assert other.shape == (one.shape[0] + 32, *one.shape[1:])
        assert (other[:32] == one[:32]).all()  # frame, time and rate, which may be right
        assert (other[64:] == one[32:]).all()
        assert (other[32:64, :, 0] > 200).sum() > 200
        edge = other[32:64, -8:]
        assert int(np.ptp(edge)) == 0  # the line has room
    assert (no_rate[20][:32] != plain[20][:32]).any()
