"""What a suite's page says of differences of means over seeds."""

from __future__ import annotations

from segbench.boards.seed_differences import SeedDifference, SuiteDifferences, difference_lines


def test_a_page_says_what_can_be_told_apart() -> None:
    def row(label: str, value: float, low: float, high: float) -> SeedDifference:
        return SeedDifference(
            label=label,
            family="learned",
            seeds=3,
            value=value,
            low=low,
            high=high,
            better=low > 0,
            worse=high < 0,
        )

    rows = [row("wide|r", 0.02, 0.01, 0.03), row("same", 0.0, -0.01, 0.01), row("narrow", -0.2, -0.3, -0.1)]
    found = SuiteDifferences(
        title="isbi2012, split test",
        score="v_rand",
        higher_is_better=True,
        reference="unet",
        reference_seeds=3,
        rows=rows,
    )
    page = "\n".join(difference_lines(found))
    assert "| wide\\|r" in page
    for label, verdict in (("wide", "better"), ("same", "cannot be told apart"), ("narrow", "worse")):
        (line,) = (line for line in page.splitlines() if line.startswith(f"| {label}"))
        assert f"| {verdict} " in line
