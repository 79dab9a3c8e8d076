"""What `bench compare` prints of very many runs."""

from __future__ import annotations

import pytest
from rich.console import Console

from segbench.boards.comparison import ComparedGroup, PerSample
from segbench.cli import compare_output


@pytest.mark.parametrize(("runs", "shown"), [(4, "m1 1, m2 2, m3 3"), (1000, "m999 999, m998 998")])
def test_of_many_runs_those_are_named_that_are_best_on_most_samples(runs: int, shown: str) -> None:
    wins = PerSample(wins={f"m{k}": k for k in range(runs)}, furthest_apart=[])
    console = Console(record=True, width=300, quiet=False)
    with console.capture() as captured:
        compare_output._samples(console, ComparedGroup.model_construct(n=499_500, per_sample=wins))
    (line,) = captured.get().splitlines()
    assert f"of 499500: {shown}" in line
    assert line.endswith("m985 985, and 984 others" if runs == 1000 else "m3 3")
