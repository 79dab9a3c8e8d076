"""Means over films: each counts once, however many beats it has, and groups are told apart."""

from __future__ import annotations

import pytest
from contracting import even, heart, masks
from rich.console import Console

from segbench.cardiac.blocks import SequenceBlock
from segbench.cardiac.to_json import cardiac_block
from segbench.cli.cardiac_output import over_films
from segbench.runs.cardiac.groups import ALL, means_over_films


def film(name: str, minor: float, frames: int, do_not_use: tuple[str, ...] = ()) -> SequenceBlock:
    (block,) = cardiac_block([heart(masks(even(frames, 15), minor))]).sequences
    return block.model_copy(update={"name": name, "do_not_use": list(do_not_use)})


def fraction(each: SequenceBlock) -> float:
    assert each.ef.mean is not None
    return each.ef.mean


def test_each_film_counts_once() -> None:
    """A mean over all beats would be near that of the film with four times as many."""
    short, long = film("a", 0.15, 60), film("b", 0.35, 240)
    ((name, (count, means)),) = means_over_films([short, long]).items()
    assert (name, count) == (ALL, 2)
    assert len(long.beats) > 3 * len(short.beats)
    assert means["ef"].mean == pytest.approx((fraction(short) + fraction(long)) / 2)
    assert means["ef"].std == pytest.approx((fraction(long) - fraction(short)) / 2**0.5)
    assert means["ef_corrected"].n == 0


def test_groups_have_their_own_means_without_what_is_not_to_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    films = [film("wt__a", 0.2, 90), film("wt__b", 0.3, 90), film("mutant__a", 0.1, 90)]
    films.append(film("mutant__b", 0.3, 90, ("ef",)))
    found = means_over_films(films)
    assert list(found) == ["wt", "mutant", ALL]
    assert [count for count, _ in found.values()] == [2, 2, 4]
    assert found["mutant"][1]["ef"].n == 1
    assert found["mutant"][1]["ef"].mean == fraction(films[2])
    assert found["mutant"][1]["fs_minor"].n == 2
    assert found[ALL][1]["ef"].mean == pytest.approx(sum(fraction(each) for each in films[:3]) / 3)
    over_films(Console(width=200), films)
    printed = capsys.readouterr().out
    both = (fraction(films[0]) + fraction(films[1])) / 2
    assert f"wt (2 films): 120.0 ± 0.0 beats/min, EF {100 * both:.1f} ± " in printed
    assert f"mutant (2 films): 120.0 ± 0.0 beats/min, EF {100 * fraction(films[2]):.1f} %, FS minor" in printed
    assert "without flicker" not in printed
