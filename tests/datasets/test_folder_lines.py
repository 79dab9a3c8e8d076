"""A proposed `classes.yaml` says which classes are made of lines, and which metrics see whether these hang together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from own_folders import QUIET
from segbench.commands.data import describe
from segbench.metrics.centreline import Centreline
from segbench.metrics.topology import Topology
from segbench.types import Array

Paint = Callable[[Array], None]


def vessels(mask: Array) -> None:
    """Branches of 3 to 5 pixels that hang together."""
    for number, end in enumerate(((10, 150), (60, 155), (110, 150), (150, 100))):
        cv2.line(mask, (20, 20), end, 1, 3 + number % 3)


def nuclei(mask: Array) -> None:
    """Discs that are small and nowhere as wide as a border, but short."""
    for x in range(10, 150, 15):
        cv2.circle(mask, (x, 80), 3, 1, -1)


def organ(mask: Array) -> None:
    cv2.circle(mask, (80, 80), 40, 1, -1)


def organ_with_a_stalk(mask: Array) -> None:
    organ(mask)
    cv2.line(mask, (80, 80), (80, 155), 1, 3)


def proposal(root: Path, paint: Paint, save: Callable[[Array], Array]) -> str:
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for n in range(3):
        mask = np.zeros((160, 160), np.uint8)
        paint(mask)
        noise = np.random.default_rng(n).integers(0, 256, (160, 160), dtype=np.uint8)
        Image.fromarray(noise).save(root / "images" / f"{n}.png")
        Image.fromarray(save(mask)).save(root / "masks" / f"{n}.png")
    text = describe("folder", root, reporter=QUIET).proposal
    assert text is not None
    return text


SAVED: dict[str, Callable[[Array], Array]] = {
    "0 and 255": lambda mask: mask * np.uint8(255),
    "grey as RGB": lambda mask: np.repeat(mask[:, :, None] * np.uint8(255), 3, axis=2),
    "colours": lambda mask: mask[:, :, None] * np.array([200, 10, 30], np.uint8),
}


@pytest.mark.parametrize("save", SAVED.values(), ids=SAVED.keys())
def test_lines_are_said_beside_their_class(save: Callable[[Array], Array], tmp_path: Path) -> None:
    text = proposal(tmp_path / "root", vessels, save)
    lines = text.splitlines()
    hint = next(n for n, line in enumerate(lines) if "lie in thin lines" in line)
    assert "foreground" in lines[hint + 2] or "class 1" in lines[hint + 2]
    assert "100%" in lines[hint]
    assert sum("lie in thin lines" in line for line in lines) == 1
    assert "give it a name" not in text
    for name in (Centreline.name, Topology.name):
        assert f"--metric {name}" in text


def test_a_background_of_lines_is_to_get_a_name(tmp_path: Path) -> None:
    """As of cells between membranes, where 0 is the membrane; `cldice@membrane` is of it then."""
    text = proposal(tmp_path / "root", vessels, lambda mask: (1 - mask) * np.uint8(255))
    hint = text.index("lie in thin lines")
    assert hint < text.index('name: "background"') < text.index('name: "foreground"')
    assert "give it a name" in text


@pytest.mark.parametrize("paint", [nuclei, organ, organ_with_a_stalk])
def test_what_is_short_or_wide_is_no_line(paint: Paint, tmp_path: Path) -> None:
    assert "lie in thin lines" not in proposal(tmp_path / "root", paint, SAVED["0 and 255"])
