"""Random mistakes in predictions of varying quality: what was done is found, and nothing else is advised.

`tests/simulation/doctor_mistakes.py` does the same for more than 200 mistakes in each dataset and prints the table.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from judged_advice import trials
from random_mistakes import make_truths

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("name", "seed"), [("voc2012", 0), ("cityscapes", 1), ("medaka", 2), ("folder", 3)])
def test_mistakes_are_found_and_advice_is_never_false(name: str, seed: int, tmp_path: Path) -> None:
    found = list(trials(make_truths(name, tmp_path / "data"), tmp_path, seed, models=1, each=12, bad=1))
    assert [trial.line() for trial in found if trial.false] == []
    mistakes = [trial for trial in found if trial.is_mistake]
    assert len(mistakes) >= 10
    missed = [trial.line() for trial in mistakes if not trial.found]
    assert len(missed) <= 0.25 * len(mistakes), missed
