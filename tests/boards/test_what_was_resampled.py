"""What a board says that its intervals were drawn over: that groups are few is said only where there are groups."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluated_runs import evaluated

from commands import Run
from own_folders import BINARY, write_folder
from segbench.evaluation.resampling import in_few_groups


@pytest.mark.slow
@pytest.mark.parametrize(
    ("films", "drawn"),
    [
        (0, "samples"),
        (2, "single samples (fewer than 5 groups: too narrow where those of a group are alike)"),
        (6, "groups"),
    ],
)
def test_a_board_and_a_table_say_what_was_drawn(films: int, drawn: str, bench: Run, tmp_path: Path) -> None:
    names = [f"{number % films if films else number}_s{number:02d}" for number in range(12)]
    root = write_folder(tmp_path / "mine", names, BINARY + ('group: "^(.+?)_"\n' if films else ""), (0, 1))
    for name, part in (("one", 0.1), ("two", 0.2)):
        evaluated(root, tmp_path / "runs" / name, [part + 0.01 * (n % 3) for n in range(12)], name)
    assert bench("leaderboard", "runs", "--out", "boards").returncode == 0
    board = (tmp_path / "boards" / "folder.md").read_text(encoding="utf-8")
    assert f"95 % bootstrap interval over {drawn}.\n" in board
    assert f"95 % bootstrap interval over {drawn}." in bench("table", "runs").stdout.replace("\n", " ")


def test_samples_whose_group_is_called_as_the_data_set_have_none() -> None:
    assert not in_few_groups(["voc2012"] * 9, "voc2012")
    assert in_few_groups(["labelled"] * 9, "isbi2012")
    assert not in_few_groups([f"case {n}" for n in range(3)], "mine")
    assert not in_few_groups([f"case {n % 6}" for n in range(12)], "mine")
