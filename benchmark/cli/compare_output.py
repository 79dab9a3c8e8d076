"""A comparison at the terminal: ranks with ties, differences, families, costs."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ..text import (
    UNDEFINED,
    about_time_marks,
    between,
    counted,
    number,
    p_value,
    samples_of,
    short_class,
    some,
    time_marks,
)
from . import output
from .class_difference_output import class_differences
from .output import safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from ..boards.compared_families import Families
    from ..boards.compared_methods import ComparedMethod
    from ..boards.comparison_document import ComparedGroup, Comparison
    from ..boards.robustness import RobustnessLine

_MAX_PAIRS = 15
_MIN_UNITS = 10
_MAX_CLASSES = 30
_MAX_WINNERS = 15


def comparison(found: Comparison, as_json: bool) -> None:
    """Ranks, differences, families and costs."""
    if as_json:
        output.document(found)
        return
    console = output.stdout()
    for place, group in enumerate(found.every_group):
        if place:
            console.print()
        _show(console, group, whole=bool(found.groups))
    for line in found.left_out:
        console.print(safe(line), style="yellow", soft_wrap=True)


def _show(console: Console, found: ComparedGroup, *, whole: bool) -> None:
    """All of it, the answer first; `whole` says which custom folder it is of."""
    origin = " [bold yellow](SYNTHETIC)[/]" if found.origin == "synthetic" else ""
    version = f" ({safe(found.version)})" if whole and found.version else ""
    direction = "higher" if found.higher_is_better else "lower"
    console.print(
        f"[bold]{safe(found.score)}[/] ({direction} is better) on [bold]{safe(found.dataset)}[/]{version}{origin}, "
        f"split {safe(found.split)}, {samples_of(found.n, found.whole_n)}"
    )
    console.print(safe(found.answer), style=_answer_style(found), soft_wrap=True)
    console.print(_ranks(found))
    for each in (method for method in found.methods or () if method.std is not None):
        console.print(_seeds_of(each), soft_wrap=True, markup=False)
    if found.pairs:
        console.print(_pairs(found))
        console.print(
            f"difference: a less b, with its 95 % {_interval_and_test(found)}; d: mean difference "
            "of single samples over its standard deviation; w/t/l: samples on which a is better, equal, worse"
            f"{', of those on which both scores are defined' if _undefined_for_some(found) else ''}",
            soft_wrap=True,
        )
    _doubts(console, found)
    if found.families is not None:
        _families(console, found.families)
    for line in found.beside_people:
        console.print(safe(line), soft_wrap=True)
    if found.robustness:
        console.print(_robustness(found.robustness))
        console.print(
            "images made worse, level 1 to 5: the score, and in brackets which part of the clean score is lost, with "
            "its paired 95 % interval",
            soft_wrap=True,
        )
    if found.by_class:
        class_differences(console, found)
    elif len(found.per_class) > 1:
        console.print(_classes(found))
    _samples(console, found)
    _labels(console, found)


def _doubts(console: Console, found: ComparedGroup) -> None:
    """What the numbers leave out, and where there are too few samples or groups for them."""
    if found.not_counted:
        console.print(safe(found.not_counted), style="yellow", soft_wrap=True)
    if found.few_groups is not None:
        console.print(
            f"[yellow]these {found.n} samples are of {counted(found.few_groups, 'group')}, too few to draw, and count "
            "as independent: where neighbours are alike, intervals are too narrow and p too small"
            f"{_with_blocks(found.n)}[/]",
            soft_wrap=True,
        )
    if found.group_hint is not None:
        console.print(
            "[yellow]names of these samples begin alike: if these are films or patients, write "
            f"[bold]group: '{safe(found.group_hint)}'[/] into the folder's classes.yaml and score again; as it is, "
            "each counts as independent[/]",
            soft_wrap=True,
        )
    if found.units < 2:
        console.print(
            f"[yellow]only {counted(found.units, found.drawn[:-1])}: no difference can be tested, and nothing is known "
            "of others. Score more samples, for example with --folds.[/]",
            soft_wrap=True,
        )
    elif found.units < _MIN_UNITS:
        console.print(
            f"[yellow]only {counted(found.units, found.drawn[:-1])}: permutations cannot give a p value below "
            f"{found.smallest_p:.2g}, so smaller ones are those of a t test. Score more samples, for example with "
            "--folds.[/]",
            soft_wrap=True,
        )


def _with_blocks(n: int) -> str:
    """A length of blocks that leaves ten of them or more; nothing where samples are too few."""
    return f". See what is left with blocks of neighbours: --blocks {min(20, n // 10)}" if n >= 20 else ""


def _seeds_of(each: ComparedMethod) -> str:
    """The scores of a method's trainings."""
    scores = [
        number(value, ".4f") if seed is None else f"seed {seed} {number(value, '.4f')}"
        for seed, value in zip(each.seeds, each.values, strict=True)
    ]
    return f"{safe(each.label)}: {', '.join(scores)}; standard deviation {number(each.std, '.4f')}"


def _drawn(found: ComparedGroup) -> str:
    return found.drawn if found.blocks is None else f"blocks of {found.blocks} consecutive samples"


def _interval_and_test(found: ComparedGroup) -> str:
    """What the interval of a difference is for, and what its p value is of."""
    pairs = len(found.pairs)
    together = (
        f"adjusted for {pairs} pairs together ({found.correction})" if pairs > 1 else "not adjusted, as it is one pair"
    )
    if found.method_differences is None:
        return f"paired bootstrap interval; p by swapping whole {_drawn(found)}, {together}"
    alone = [each for each in found.method_differences if not each.holds_training]
    exception = (
        f"; of {some([f'{each.a} and {each.b}' for each in alone], 3)}, with one training each, for other "
        f"{found.drawn} alone"
        if alone
        else ""
    )
    return (
        f"interval for other {found.drawn} and other trainings{exception}; p for both, {together}; "
        "pairs of single runs with --json"
    )


def _undefined_for_some(found: ComparedGroup) -> bool:
    """Whether a pair has samples on which a score is undefined, as Dice is where neither has a foreground."""
    return any(each.wins + each.ties + each.losses < found.n for each in found.pairs)


def _answer_style(found: ComparedGroup) -> str:
    if found.rows[0].value is None:
        return "yellow"
    return "bold" if found.not_told_from_best else "bold green"


def _ranks(found: ComparedGroup) -> Table:
    over_seeds = found.methods is not None
    columns = ("method", "mean") if over_seeds else ("run", "value")
    fitted = [number(row.cost.train_s, ".0f") + time_marks(*row.cost.time_marks) for row in found.rows]
    predicted = [number(row.cost.predict_ms_per_image, ".0f") for row in found.rows]
    front = ["●" if row.on_front else "" for row in found.rows]
    # Of predictions from elsewhere no cost is known.
    costs = {name: cells for name, cells in (("fit s", fitted), ("ms/image", predicted)) if {*cells} != {UNDEFINED}}
    costs |= {"front": front} if costs else {}
    table = _table("rank", *columns, "95 % interval", *costs)
    for row, *cells in zip(found.rows, *costs.values(), strict=True):
        span = str(row.rank) if row.rank_low == row.rank_high else f"{row.rank_low}–{row.rank_high}"
        value = number(row.value, ".4f"), between(row.low, row.high, ".4f")
        table.add_row(span, safe(row.label), *value, *cells)
    if not costs:
        return table
    kind = "method" if over_seeds else "run"
    table.caption = f"front: no other {kind} is as good, as quick to fit and as quick to predict at once (known costs)"
    table.caption = "; ".join([table.caption, *about_time_marks(row.cost.time_marks for row in found.rows)])
    return table


def _pairs(found: ComparedGroup) -> Table:
    pairs = found.pairs
    best = found.rows[0].label
    shown = pairs if len(pairs) <= _MAX_PAIRS else [each for each in pairs if best in (each.a, each.b)]
    every = len(shown) == len(pairs)
    table = _table("a less b" if every else "the leader less", "difference", "95 % interval", "p", "d", "w/t/l")
    for each in shown:
        mark = "[bold]" if each.significant else ""
        table.add_row(
            f"{safe(each.a)} less {safe(each.b)}" if every else safe(each.b),
            f"{mark}{number(each.value, '+.4f')}",
            between(each.low, each.high, "+.4f"),
            f"{mark}{p_value(each.p_adjusted)}",
            number(each.effect, ".2f"),
            f"{each.wins}/{each.ties}/{each.losses}",
        )
    if len(shown) < len(pairs):
        table.caption = f"the pairs of {safe(best)}; all {len(pairs)} with --json"
    return table


def _families(console: Console, families: Families) -> None:
    best, apart = families.told, families.difference_of_means
    console.print(
        f"learned against classical: best {safe(best.a)} against {safe(best.b)} "
        f"{number(best.value, '+.4f')} [{between(best.low, best.high, '+.4f')}]; family means "
        f"{number(apart.value, '+.4f')} [{between(apart.low, apart.high, '+.4f')}]",
        soft_wrap=True,
        markup=False,
    )


def _robustness(lines: Sequence[RobustnessLine]) -> Table:
    """A row for each corruption and level, a column for each method."""
    table = _table("images", *(line.label for line in lines))
    table.add_row("as they are", *(number(line.value, ".4f") for line in lines))
    cells: dict[tuple[str, int], dict[str, str]] = {}
    for line in lines:
        for point in line.points:
            lost = between(point.drop_low, point.drop_high, "+.1%")
            text = f"{number(point.value, '.4f')} ({number(point.relative_drop, '+.1%')}: {lost})"
            cells.setdefault((point.corruption, point.level), {})[line.label] = text
    for (name, level), found in cells.items():
        table.add_row(f"{safe(name)}:{level}", *(found.get(line.label, UNDEFINED) for line in lines))
    table.add_row("mean loss", *(number(line.mean_relative_drop, "+.1%") for line in lines))
    return table


def _classes(found: ComparedGroup) -> Table:
    rows = found.per_class
    table = _table("class", "winner", *(["runner-up"] if len(found.rows) > 2 else []), rows[0].by)
    for row in rows[:_MAX_CLASSES]:
        known = {label: value for label, value in found.class_values(row).items() if value is not None}
        sign = -1 if row.values[row.winners[0]] == max(v for v in row.values.values() if v is not None) else 1
        ranked = sorted(known, key=lambda label: sign * known[label])
        first = [label for label in ranked if known[label] == known[ranked[0]]]
        behind = ranked[len(first) :]
        winners = ", ".join(map(safe, first))
        # What the winners share stands once, before the next two; twice where nobody is behind.
        shown = [ranked[0], *behind[:2]] if behind else ranked[:3]
        values = _told_apart([known[label] for label in shown])
        better = " > " if sign < 0 else " < "
        signs = [" = " if one == other else better for one, other in pairwise(values)]
        table.add_row(
            safe(short_class(row.name)),
            winners,
            *([safe(behind[0]) if behind else UNDEFINED] if len(found.rows) > 2 else []),
            "".join(value + sign for value, sign in zip(values, [*signs, ""], strict=True)),
        )
    if len(rows) > _MAX_CLASSES:
        table.caption = f"{_MAX_CLASSES} of {len(rows)} classes; all with --json"
    return table


def _told_apart(values: Sequence[float]) -> list[str]:
    """Scores with as many digits as show which are equal, from 3 to 6."""
    for digits in range(3, 7):
        shown = [f"{value:.{digits}f}" for value in values]
        if len(set(shown)) == len(set(values)):
            break
    return shown


def _samples(console: Console, found: ComparedGroup) -> None:
    won = [(label, count) for label, count in found.wins.items() if count]
    if not won:
        return
    shown = won if len(won) <= _MAX_WINNERS else sorted(won, key=lambda each: -each[1])[:_MAX_WINNERS]
    wins = ", ".join(f"{safe(label)} {count}" for label, count in shown)
    more = f", and {len(won) - len(shown)} others" if len(shown) < len(won) else ""
    console.print(f"samples on which each is best, of {found.n}: {wins}{more}", soft_wrap=True)
    furthest = found.per_sample.furthest_apart[:3]
    if furthest:
        names = ", ".join(safe(each.sample) for each in furthest)
        console.print(f"furthest apart on: {names} (ten with --json)", soft_wrap=True)


def _labels(console: Console, found: ComparedGroup) -> None:
    if found.labels_needed is None:
        return
    target = found.labels_needed.target
    for name, count in found.labels_needed.methods.items():
        said = "not reached, or only one number of labels was tried" if count is None else f"about {count:.0f} labels"
        console.print(f"{safe(name)} for {safe(found.score)} {target:g}: {said}", soft_wrap=True)


def _table(*columns: str) -> Table:
    from rich import box

    from .fitting_table import FittingTable

    table = FittingTable(box=box.SIMPLE_HEAD, pad_edge=False, caption_justify="left", caption_style="")
    for name in columns:
        is_name = name in ("run", "method", "a less b", "the leader less", "class", "winner", "runner-up", "images")
        table.add_column(safe(name), justify="left" if is_name else "right", no_wrap=not is_name, overflow="fold")
    return table
