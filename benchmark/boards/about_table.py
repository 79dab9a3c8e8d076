"""The list below a board's table: what its signs mean and what its numbers do not show, a point for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.scores import NO_WIDTH, has_no_width
from ..registry import hooks, metrics
from ..runs.record import Record
from ..text import about_time_marks, counted, some
from .board_plots import rivals
from .comparable import Comparable, official_metrics
from .copies import copies
from .labels import board_labels
from .markdown import DOUBTFUL, doubtful, escape, how_to_read
from .people import HumanRange
from .rank_spans import RankSpan, Spans
from .ranking import ranked_rows
from .seed_groups import SeedGroup, resampled

_FEW = 10
_FEW_NOTE = (
    "**Few samples**: intervals are too narrow. Those of five slices of electron microscopy hold the score of all 30 "
    "in 55 to 96 % of draws, where 95 % are meant (docs/statistics.md)."
)
"""What is said of fewer samples; the numbers are those of `tests/simulation/slices.py`."""


def about_table(key: Comparable, rows: Sequence[SeedGroup], people: Sequence[Record], spans: Spans) -> list[str]:
    """Lines of markdown about a table of comparable rows, `people` beside them and `spans` of their ranks."""
    ranked = [row for _, row in ranked_rows(rivals(rows))]
    tested = [spans[row.middle.run_id] for row in rows if row.middle.run_id in spans]
    points = [
        *_ranks(tested),
        *_intervals(rows, tested),
        *_human_range(people, ranked[0].record.main_score),
        *(note for _, note in hooks(_official(ranked[0].record), "board_note")),
        *_never_true([row.middle for row in ranked]),
        *_copies([row.record for row in ranked]),
        *_times(rows),
        f"**Samples**: ids {escape(key.ids_sha256[:8])}, data {escape(key.data_sha256[:8])}; metrics: "
        f"{escape(key.metrics)}. Runs stand in one table only where all three are the same.",
    ]
    return how_to_read(points)


def _official(record: Record) -> list[Any]:
    return [family for family in metrics().values() if family.name in official_metrics(record)]


def _ranks(spans: Sequence[RankSpan]) -> list[str]:
    """How ranks were tested."""
    if not spans:
        return []
    first, *others = spans[0].tested.points
    alone = any(span.told(0) == "(0)" for span in spans)
    return [first + (" A rank in brackets: told from no other method." if alone else ""), *others]


def _intervals(rows: Sequence[SeedGroup], spans: Sequence[RankSpan]) -> list[str]:
    """What intervals and deviations were made of, and where they are not to be trusted."""
    scores = [score for row in rows for score in row.record.scores.values()]
    few_groups = any(span.tested.few_groups for span in spans)
    points = [f"**In brackets**: 95 % bootstrap interval over {resampled(rows, few_groups=few_groups)}."]
    if rows[0].record.dataset.n < _FEW:
        points.append(_FEW_NOTE)
    if any(doubtful(score) for score in scores):
        points.append(
            f"**{DOUBTFUL}**: the interval does not hold its score, because resamples of so few samples miss whole "
            "classes."
        )
    if any(has_no_width(row.record.main) for row in rows):
        points.append(f"**An interval of no width** is no certainty. {NO_WIDTH}.")
    if any(len(row.records) > 1 for row in rows):
        points.append(
            f"**±**: standard deviation of {escape(rows[0].record.main_score)} over the seeds. Such a row shows the "
            "mean of its seeds' scores and of their intervals' ends; these intervals are for other samples, not for "
            "other trainings. Tests are for both, and take a network with one seed to vary as those with several do "
            "on average."
        )
    return points


def _human_range(people: Sequence[Record], main_score: str) -> list[str]:
    """What the rows of people are, and the range that the methods are compared with."""
    if not people:
        return []
    human = HumanRange.of([record.scores.get(main_score) for record in people])
    if human is None:
        return ["**People** are never ranked."]
    many = f"lowest to highest score of {len(people)} annotators"
    what = many if len(people) > 1 else "95 % interval of the only annotator"
    better, worse = ("above", "below") if human.higher_is_better else ("below", "above")
    return [
        f"**Against people**: the human range is {human.low:.4f} to {human.high:.4f} ({what}); people are never "
        f"ranked. A method whose interval lies in it is *within the human range*, {better} it *better than human*, "
        f"{worse} it *worse than human*; one that crosses an edge is *undecided*, with what is still possible."
    ]


def _never_true(records: Sequence[Record]) -> list[str]:
    """Classes that count 0 for some of the methods although no true mask holds them."""
    names: dict[str, int] = {}
    for record in records:
        for name, row in record.per_class.items():
            if row.get("pixels") == 0 and row.get("iou") == 0:
                names[name] = names.get(name, 0) + 1
    if not names:
        return []
    each = some([f"{escape(name)} ({counted(number, 'method')})" for name, number in names.items()])
    return [f"**In no true mask**, so that a method that predicts them gets 0 for them in a mean over classes: {each}."]


def _copies(ranked: Sequence[Record]) -> list[str]:
    """Rows that seem to be one network in two files, which have a rank each."""
    names = dict(zip((record.run_id for record in ranked), board_labels(ranked), strict=True))
    pairs = "; ".join(f"{escape(names[a.run_id])} and {escape(names[b.run_id])}" for a, b in copies(ranked))
    if not pairs:
        return []
    return [
        f"**Copies**: judging by their cards and scores, {pairs} are one network in two files; each has a rank of its "
        "own. Ranks below theirs count both."
    ]


def _times(rows: Sequence[SeedGroup]) -> list[str]:
    """What the marks beside times mean, and that times are not of one kind of machine."""
    points = []
    if marks := about_time_marks(row.time_marks for row in rows):
        points.append(f"**Beside a time to fit**, {'; '.join(marks)}.")
    every = [record for row in rows for record in row.records]
    timed = [record.environment.hardware for record in every if record.cost.predict_ms_per_image is not None]
    kinds = dict.fromkeys(_machine(each) for each in timed)
    if len(kinds) > 1:
        found = "; ".join(sorted(kinds))
        points.append(f"**Times** are of {len(kinds)} kinds of machine ({found}): compare them roughly.")
    return points


def _machine(hardware: Mapping[str, Any]) -> str:
    """An accelerator by its name, else a processor and its cores; from outside, as all of a record."""
    if accelerator := hardware.get("accelerator"):
        return escape(str(accelerator))
    cores = hardware.get("cores")
    name = escape(str(hardware.get("processor") or "unknown"))
    return f"{name}, {counted(cores, 'core')}" if isinstance(cores, int) else name
