"""What `bench cardiac` writes for people who were not there: tables of one shape, and `methods.txt` beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contracting import even, masks
from PIL import Image

from segbench.commands.cardiac import CardiacRequest, cardiac
from segbench.io.reporter import Reporter
from segbench.runs.cardiac.tables import BEAT_COLUMNS
from segbench.types import Uint8


def measured(film: dict[int, Uint8], folder: Path, pulsation: bool | None = None) -> tuple[str, pd.DataFrame]:
    """`methods.txt` in one line, and `beats.csv`, of masks by their frame numbers."""
    (folder / "film").mkdir()
    for number, mask in film.items():
        Image.fromarray(mask * np.uint8(255)).save(folder / "film" / f"{number:03d}.png")
    request = CardiacRequest(
        folder / "film", fps=30, pixel_size_um=0.65, out=folder / "out", plots=False, pulsation=pulsation
    )
    cardiac(request, Reporter(quiet=True))
    return " ".join((folder / "out" / "methods.txt").read_text().split()), pd.read_csv(folder / "out" / "beats.csv")


def test_a_gap_beside_the_first_beat_leaves_the_columns_as_they_are(tmp_path: Path) -> None:
    """Its refined values are unknown, and are empty cells where those of the others stand."""
    film = dict(enumerate(masks(even(90, 15))))
    del film[14]
    text, beats = measured(film, tmp_path)
    assert tuple(beats.columns) == BEAT_COLUMNS
    assert beats["ef_refined"].isna().tolist() == [True] + [False] * (len(beats) - 1)
    assert "ef_refined part of 1; times 100 is percent" in text
    assert "beside_missing: a frame beside an extremum is missing or empty" in text


def test_a_film_without_a_beat_has_a_table_with_the_same_columns(tmp_path: Path) -> None:
    text, beats = measured(dict.fromkeys(range(5), masks(even(1, 15))[0] * 0), tmp_path)
    assert tuple(beats.columns) == BEAT_COLUMNS
    assert beats.empty
    # What was found out last is said as well.
    assert "WARNINGS 'film': no ventricle found in any of 5 frames" in text
    (warning,) = json.loads((tmp_path / "out" / "cardiac.json").read_text())["warnings"]
    assert warning.startswith("'film': no ventricle found")
    assert "WORDS AMONG THE FLAGS OF frames.csv empty: no ventricle in the mask" in text
    assert "no_rate: fewer than two like extrema were found" in text


def test_what_is_left_out_of_a_beat_is_called_as_its_column(tmp_path: Path) -> None:
    """SYNTHETIC: 15 empty masks may hide a beat, so no rate is to be used."""
    film = {n: mask * np.uint8(not 40 <= n < 55) for n, mask in enumerate(masks(even(120, 15)))}
    text, beats = measured(film, tmp_path)
    assert set(beats["do_not_use"]) == {"heart_rate_bpm interval_s"}
    assert beats["heart_rate_bpm"].isna().all()
    assert "Heart rates of 1 of 1 film were left out" in text
    assert "Sizes of" not in text


@pytest.mark.parametrize("pulsation", [False, True])
def test_how_beats_were_looked_for_is_said(pulsation: bool, tmp_path: Path) -> None:
    text, _ = measured(dict(enumerate(masks(even(60, 15)))), tmp_path, pulsation)
    assert ("systoles minima (prominence 0.2 of the range of the areas, at least 4 frames apart)" in text) != pulsation
    assert ("prominence of 0.2 of the range of an even beat, of half as much in long gaps" in text) == pulsation
